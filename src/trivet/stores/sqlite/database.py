"""A database as the store uses it: opened at the first use, begun anew if it is damaged, left alone for a while if it
fails."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from trivet.core.caching.store import StoreWarning
from trivet.stores.sqlite.connections import Connections, ConnectionsClosed
from trivet.stores.sqlite.failures import Unusable, is_busy, is_damage, is_of_the_medium
from trivet.stores.sqlite.files import identity_of
from trivet.stores.sqlite.forks import note_forks
from trivet.stores.sqlite.opening import open_connections, put_aside
from trivet.stores.sqlite.schema import clear

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["Database", "Work"]

T = TypeVar("T")
Work: TypeAlias = "Callable[[Connection], T]"

_BREATH: Final = 0.001
_PAUSE: Final = 5.0
_FORK_PATIENCE: Final = 1.0
_MAX_OWED: Final = 100


class Database:
    """The database at ``path``, safe under threads and forks.

    ``patience``: seconds to wait for a lock that another process has. ``monotonic``: the clock for pauses: after a failure
    nothing is tried for five seconds.
    """

    def __init__(self, path: str, *, patience: float, monotonic: Callable[[], float]) -> None:
        self.path: Final = path
        self._patience: Final = patience
        self._monotonic = monotonic
        self._connections: Connections | None = None
        self._paused_until: float | None = None
        # Held while they are opened, or given up.
        self._opening = Lock()
        # Held by the one thread that writes: the others would only wait for SQLite's lock, and less fairly.
        self._writing = Lock()
        self._owed: list[Work[object]] = []
        self._unsaid: list[str] = []
        self._said: set[str] = set()
        note_forks(self)

    def read(self, work: Work[T], otherwise: T) -> T:
        """What ``work`` returns; ``otherwise`` if the database fails. It may be called more than once."""
        try:
            return self._perform(work, otherwise)
        finally:
            if self._unsaid:
                self._say()

    def write(self, work: Work[T], otherwise: T) -> T:
        """The same in a transaction, with nobody else writing."""
        return self._write(lambda connection: _transact(connection, work), otherwise)

    def try_to_write(self, work: Work[object]) -> None:
        """The same if the database is open and nothing stands in the way; it is not worth waiting for."""
        connections = self._connections
        if connections is not None:
            with self._writing:
                try:
                    connections.use(lambda connection: _transact(connection, work))
                except Exception as error:
                    if not isinstance(error, ConnectionsClosed) and not is_of_the_medium(error):
                        raise

    def owe(self, work: Work[object]) -> None:
        """Do it in a transaction, before anything else, when the database works again: it was to be removed."""
        self._owe(lambda connection: _transact(connection, work))

    def clear(self) -> None:
        """Remove everything; as soon as it works again, if it does not."""
        if not self._write(clear, False):
            self._owe(clear)

    def close(self) -> None:
        """Close the connections. The next use opens others."""
        connections = self._connections
        if connections is not None:
            self._give_up(connections)

    def before_fork(self) -> None:
        """Close the connections, and have nobody open one; wait a moment for those that are in use."""
        self._opening.acquire()
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()
            connections.wait_until_unused(_FORK_PATIENCE)

    def after_fork(self, *, child: bool) -> None:
        """Connections may be opened again."""
        if child:
            # The threads that hold the locks, if any, are not there.
            self._opening = Lock()
            self._writing = Lock()
        else:
            self._opening.release()

    def _write(self, work: Work[T], otherwise: T) -> T:
        try:
            with self._writing:
                connections = self._connections
                # What is written to a file that has been removed or renamed is found by nobody.
                if connections is not None and identity_of(connections.path) != connections.identity:
                    self._give_up(connections)
                return self._perform(work, otherwise)
        finally:
            if self._unsaid:
                self._say()

    def _owe(self, work: Work[object]) -> None:
        with self._opening:
            # Whoever was to remove so much has nothing left that is worth keeping.
            self._owed = [*self._owed, work] if len(self._owed) < _MAX_OWED else [clear]
            # It may work again already, for another thread.
            connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()

    def _perform(self, work: Work[T], otherwise: T) -> T:
        until: float | None = None
        while True:
            connections = self._connections
            try:
                if connections is None:
                    connections = self._opened()
                    if connections is None:
                        return otherwise
                return connections.use(work)
            except ConnectionsClosed:
                continue
            except Exception as error:
                again = until is None
                until = time.monotonic() + self._patience if until is None else until
                if not self._recover(error, connections, until, again=again):
                    return otherwise

    def _recover(self, error: Exception, connections: Connections | None, until: float, *, again: bool) -> bool:
        """Whether it is worth another try; raises the error if that is the fault of neither the file nor SQLite."""
        in_time = time.monotonic() < until
        if is_busy(error) and in_time:
            time.sleep(_BREATH)
            return True
        if is_damage(error) and connections is not None:
            try:
                self._begin_anew(connections, error)
                return again or in_time
            except (OSError, Unusable) as reason:
                error = reason
        if not is_of_the_medium(error):
            raise error
        self._pause(connections, error)
        return False

    def _opened(self) -> Connections | None:
        """The connections; None during a pause."""
        with self._opening:
            paused = self._paused_until is not None and self._monotonic() < self._paused_until
            if self._connections is None and not paused:
                self._connections = self._open()
            return self._connections

    def _open(self) -> Connections:
        # SQLite keeps its other files beside the one that a link leads to.
        path = os.path.realpath(self.path)
        connections = open_connections(path)
        try:
            connections.use(self._pay)
        except Exception as error:
            if not is_damage(error):
                raise
            self._note(put_aside(connections, error))
            connections = open_connections(path)
            connections.use(self._pay)
        return connections

    def _pay(self, connection: Connection) -> None:
        """Remove what could not be removed when it was to be."""
        while self._owed:
            self._owed[0](connection)
            self._owed = self._owed[1:]

    def _pause(self, connections: Connections | None, error: Exception) -> None:
        with self._opening:
            if self._connections is connections or self._connections is None:
                self._connections = None
                self._paused_until = self._monotonic() + _PAUSE
        if connections is not None:
            connections.close()
        self._note(f"does not work, and calls go on without it: {error}")

    def _begin_anew(self, connections: Connections, error: Exception) -> None:
        with self._opening:
            # Another thread may have done it.
            if self._connections is connections:
                self._connections = None
                connections.close()
                self._note(put_aside(connections, error))

    def _give_up(self, connections: Connections) -> None:
        with self._opening:
            if self._connections is connections:
                self._connections = None
        connections.close()

    def _note(self, text: str) -> None:
        # Once for what befell it, whatever the reasons.
        kind = text.partition(":")[0]
        if text and kind not in self._said:
            self._said.add(kind)
            self._unsaid.append(f"the cache in {self.path!r} {text}")

    def _say(self) -> None:
        """Warn, once no lock is held: whoever hears it may use the store."""
        unsaid, self._unsaid = self._unsaid, []
        for text in unsaid:
            warnings.warn(text, StoreWarning, stacklevel=2)


def _transact(connection: Connection, work: Work[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
