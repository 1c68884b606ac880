"""Connections to one database: each is used by one thread at a time, and waits for the next one meanwhile.

Not one for each thread: the worker threads of an asynchronous driver come and go.
"""

from __future__ import annotations

from threading import Event, Lock
from typing import TYPE_CHECKING, Final, TypeVar

from trivet.stores.sqlite.failures import is_busy

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from trivet.stores.sqlite.files import Identity

__all__ = ["Connections", "ConnectionsClosed"]

T = TypeVar("T")

_MAX_IDLE: Final = 8


class ConnectionsClosed(Exception):
    """They were closed by another thread: there may be others by now."""


class Connections:
    """Connections to the file at ``path``, which is the one with this ``identity``."""

    def __init__(self, path: str, identity: Identity, connect: Callable[[str], Connection]) -> None:
        self.path: Final = path
        self.identity: Final = identity
        self._connect = connect
        self._lock = Lock()
        self._idle: list[Connection] = []
        self._taken = 0
        self._closed = False
        self._unused = Event()

    def use(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns. Raises `ConnectionsClosed`, and what connecting and ``work`` raise."""
        connection = self._take()
        try:
            result = work(connection)
        except BaseException as error:
            # Whoever had to wait for a lock has changed nothing; else nobody knows what the connection is good for.
            self._give_back(connection, usable=is_busy(error) and not connection.in_transaction)
            raise
        self._give_back(connection)
        return result

    def close(self) -> None:
        """Close those that nobody uses now; the others as soon as they are not used any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if not self._taken:
                self._unused.set()
        for connection in idle:
            connection.close()

    def wait_until_unused(self, seconds: float) -> bool:
        """Wait until the last is closed, after `close`; whether it was."""
        return self._unused.wait(seconds)

    def _take(self) -> Connection:
        with self._lock:
            if self._closed:
                raise ConnectionsClosed
            self._taken += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect(self.path)
        except BaseException:
            self._count_back()
            raise

    def _give_back(self, connection: Connection, *, usable: bool = True) -> None:
        with self._lock:
            if usable and not self._closed and len(self._idle) < _MAX_IDLE:
                self._taken -= 1
                self._idle.append(connection)
                return
        try:
            connection.close()
        finally:
            self._count_back()

    def _count_back(self) -> None:
        with self._lock:
            self._taken -= 1
            if self._closed and not self._taken:
                self._unused.set()

    def __del__(self) -> None:
        for connection in self._idle:
            connection.close()
