"""Asking the operating system what can be done with a socket."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable
from math import ceil


def readable_check(number: int) -> Callable[[], bool]:
    """A function that says whether a read from the file descriptor would return at once: with data, an end or an error.

    Made once per connection: making the poll object takes longer than polling.
    """
    if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)

    def check() -> bool:
        try:
            return bool(poll.poll(0))
        except RuntimeError:
            # Another thread is using the same poll object.
            return readable_check(number)()

    return check


def await_either(number: int, wants_to_write: bool, timeout: float | None) -> None:
    """Wait until the socket can be read from or, if that is wanted, written to; or until time is up."""
    if sys.platform == "win32":  # pragma: no cover: not on the systems that tests run on
        select.select([number], [number] if wants_to_write else [], [], timeout)
        return
    poll = select.poll()
    poll.register(number, select.POLLIN | select.POLLOUT if wants_to_write else select.POLLIN)
    poll.poll(None if timeout is None else ceil(timeout * 1000))


def has_data(sock: socket.socket) -> bool:
    """Whether a socket that does not block holds bytes to be read, which a reset does not take away."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
