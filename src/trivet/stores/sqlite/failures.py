"""What SQLite's failures mean to a store."""

from __future__ import annotations

from typing import Final

__all__ = ["UnreadableDatabase", "Unusable", "is_busy", "is_damage", "is_nonsense", "is_of_the_medium"]

# Result codes of SQLite, which are part of its interface: https://www.sqlite.org/rescode.html
_BUSY: Final = frozenset({5, 6})
_DAMAGED: Final = frozenset({11, 26})
_ERROR: Final = 1


class Unusable(Exception):
    """The file, or SQLite, is not what a store can work with."""


class UnreadableDatabase(Unusable):
    """The file is no database, or so damaged that SQLite cannot tell what is in it."""


def is_busy(error: BaseException) -> bool:
    """Whether another connection has what was wanted, so that it may be had later."""
    return _code(error) in _BUSY


def is_damage(error: BaseException) -> bool:
    """Whether the file is malformed, or no database at all."""
    # A name in a damaged database may be anything; the module fails to say so in an error message.
    return _code(error) in _DAMAGED or isinstance(error, (UnicodeDecodeError, UnreadableDatabase))


def is_nonsense(error: BaseException) -> bool:
    """Whether SQLite can make nothing of what it was told, or of what it read: to a known question, the latter."""
    return _code(error) == _ERROR


def is_of_the_medium(error: BaseException) -> bool:
    """Whether it tells of the file or of SQLite, and not of a mistake in a program."""
    if isinstance(error, (OSError, Unusable)) or is_damage(error):
        return True
    from sqlite3 import Error

    return isinstance(error, Error)


def _code(error: BaseException) -> int:
    # The extended codes have what they share in their last byte. Errors of the module itself have no code.
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0
