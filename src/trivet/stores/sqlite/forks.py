"""What becomes of open databases when the process forks.

A child inherits SQLite's notion of the locks that it has on a file, but not the locks (POSIX): a connection of the
child's own, opened to the same file, would rely on locks that are not there, and the parent, on closing its last one,
would take the log away from under the child. So no connection is open while the process forks, and both open new ones.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Protocol
from weakref import WeakSet

__all__ = ["Forking", "note_forks"]


class Forking(Protocol):
    """What wants to know of forks."""

    def before_fork(self) -> None:
        """The process is about to fork."""
        ...

    def after_fork(self, *, child: bool) -> None:
        """It did; whether this is the child."""
        ...


_everybody: WeakSet[Forking] = WeakSet()
# Held from before a fork until after it: of two threads that fork, each would wait for what the other has.
_forking = Lock()
_told: list[Forking] = []


def note_forks(database: Forking) -> None:
    """Tell a database of every fork, as long as it exists."""
    _everybody.add(database)


def _before() -> None:
    _forking.acquire()
    for each in list(_everybody):
        _told.append(each)
        each.before_fork()


def _after(*, child: bool) -> None:
    for each in _told:
        each.after_fork(child=child)
    _told.clear()
    # The thread that forks is the one that is there in the child.
    _forking.release()


def _in_parent() -> None:
    _after(child=False)


def _in_child() -> None:
    _after(child=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
