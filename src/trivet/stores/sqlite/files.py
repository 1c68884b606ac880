"""The files of a database: made for their owner alone, and put out of the way when they are damaged.

Whoever closes a file drops all locks that the process has on it (POSIX), those of SQLite's connections too. So a
database is opened here, apart from SQLite, only where no connection can be harmed by it.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Final, TypeAlias

__all__ = ["Identity", "application_in_header", "create_private", "identity_of", "remove_database", "set_aside"]

Identity: TypeAlias = "tuple[int, int]"
"""Which file it is, whatever its name: device and inode."""

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID: Final = slice(68, 72)
# The write-ahead log and the index to it, which SQLite keeps beside a database; then the database. Were it the first to
# go, another process could make a new one meanwhile, whose log this would be.
_PARTS: Final = ("-wal", "-shm", "")
_ASIDE: Final = 10

# So that no file is closed here to which another thread has a connection already.
_creating: Final = Lock()


def create_private(path: str) -> Identity:
    """Make an empty file that only its owner may read and write, unless there is one.

    SQLite gives the mode of a database to the files beside it. Raises OSError.
    """
    with _creating:
        try:
            # With this mode from the beginning: a mask of the process can only take rights away.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass
    status = os.stat(path)
    return status.st_dev, status.st_ino


def identity_of(path: str) -> Identity | None:
    """Which file is at the path; None if there is none, or none to be seen."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def application_in_header(path: str) -> int | None:
    """The ``application_id`` of a database that SQLite cannot read; None if it is no database, or not even a header.

    Raises OSError.
    """
    with open(path, "rb") as file:
        header = file.read(_APPLICATION_ID.stop)
    if not header.startswith(_MAGIC) or len(header) < _APPLICATION_ID.stop:
        return None
    return int.from_bytes(header[_APPLICATION_ID], "big")


def remove_database(path: str, identity: Identity) -> None:
    """Remove the files of a database, unless another one has taken its place since. Raises OSError."""
    if identity_of(path) == identity:
        for part in _PARTS:
            try:
                os.unlink(path + part)
            except FileNotFoundError:
                pass


def set_aside(path: str, identity: Identity) -> str | None:
    """Rename a file, with those beside it, so that nothing is lost; return its new name.

    None if another one has taken its place since. Raises OSError, also if too many were set aside already.
    """
    names = [f"{path}.damaged", *(f"{path}.damaged-{number}" for number in range(2, _ASIDE))]
    aside = next((name for name in names if not os.path.lexists(name)), None)
    if aside is None:
        raise FileExistsError(f"{names[0]} and {len(names) - 1} more are there already")
    if identity_of(path) != identity:
        return None
    for part in _PARTS:
        try:
            os.rename(path + part, aside + part)
        except FileNotFoundError:
            pass
    return aside
