"""Entries as rows of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.core.caching.record import CorruptEntry, load_head
from trivet.core.caching.stored import Stored
from trivet.core.caching.vary import MAX_VARIANTS, surplus
from trivet.stores.sqlite.contents import INLINE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from trivet.core.caching.entry import Entry

__all__ = ["FIND", "Kept", "cost", "key_bytes", "key_range", "load", "put", "remove_all", "row_names", "update"]

FIND: Final = "SELECT id, head, content FROM entries WHERE key = ?"

_PAGE: Final = 4096
# What a row takes besides its key, its head and its content, about, and what it takes in the indexes.
_PER_ROW: Final = 100
_IN_INDEXES: Final = 150

_PUT: Final = """
    INSERT INTO entries (key, variant, content_id, expires, used, bytes, head, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key, variant) DO UPDATE SET
        content_id = excluded.content_id, expires = excluded.expires, used = excluded.used,
        bytes = excluded.bytes, head = excluded.head, content = excluded.content
"""
_UPDATE: Final = "UPDATE entries SET expires = ?, used = ?, bytes = ?, head = ? WHERE id = ?"


class Kept(Stored):
    """A stored response with the bytes of the head that it was read from."""

    __slots__ = ("head",)

    def __init__(self, entry: Entry, content: bytes | None, head: bytes) -> None:
        super().__init__(entry, content)
        self.head = head


def key_bytes(key: str) -> bytes:
    """A key as it stands in the database."""
    return key.encode("utf-8", "surrogatepass")


def row_names(entry: Entry) -> tuple[bytes, str, str]:
    """What finds the row of an entry: ``key``, ``variant`` and ``content_id``."""
    return key_bytes(entry.key), entry.variant, entry.content_id


def key_range(prefix: str) -> tuple[str, tuple[bytes, ...]]:
    """A condition, with its parameters, that the keys with this prefix meet.

    >>> key_range("ab")
    ('key >= ? AND key < ?', (b'ab', b'ac'))
    """
    start = key_bytes(prefix)
    # No character is encoded with the byte 0xFF, so that there is always a next one.
    return ("key >= ? AND key < ?", (start, start[:-1] + bytes([start[-1] + 1]))) if start else ("TRUE", ())


def cost(key: int, head: int, content: int) -> int:
    """How many bytes of the store's bounds a row takes, of which these are the lengths."""
    row = _PER_ROW + key + head + content
    # Two rows of more than half a page do not share one, and what does not fit into one has others to itself.
    in_table = row if row <= _PAGE // 2 else -(-row // _PAGE) * _PAGE
    return in_table + _IN_INDEXES + key


def load(key: str, head: bytes, content: bytes | None) -> Kept:
    """The stored response of a row that was found by this key. Raises `CorruptEntry`."""
    entry = load_head(head)
    if entry.key != key:
        raise CorruptEntry("the entry is of another key")
    if content is None:
        if entry.size <= INLINE:
            raise CorruptEntry("the content is missing")
    # A damaged row may have anything in the place of bytes.
    elif not isinstance(content, bytes) or not entry.describes(content):
        raise CorruptEntry("the content is not the one that the entry describes")
    return Kept(entry, content, head)


def put(connection: Connection, entry: Entry, head: bytes, content: bytes | None, now: float) -> bool:
    """Write an entry in the place of the one with its key and variant; whether it is among those that are kept."""
    key = key_bytes(entry.key)
    numbers = (entry.expires, now, cost(len(key), len(head), len(content or b"")))
    connection.execute(_PUT, (key, entry.variant, entry.content_id, *numbers, head, content))
    count: int = connection.execute("SELECT count(*) FROM entries WHERE key = ?", (key,)).fetchone()[0]
    return count <= MAX_VARIANTS or _drop_surplus(connection, key, entry.content_id)


def update(connection: Connection, entry: Entry, head: bytes, now: float) -> bool:
    """Give the entry with this key, variant and content_id another head; whether there is one, of the same content."""
    find = "SELECT id, head, coalesce(length(content), 0) FROM entries WHERE key = ? AND variant = ? AND content_id = ?"
    names = row_names(entry)
    row = connection.execute(find, names).fetchone()
    if row is None:
        return False
    number, before, length = row
    try:
        old = load_head(before)
    except CorruptEntry:
        connection.execute("DELETE FROM entries WHERE id = ?", (number,))
        return False
    if (old.size, old.crc) != (entry.size, entry.crc):
        return False
    connection.execute(_UPDATE, (entry.expires, now, cost(len(names[0]), len(head), length), head, number))
    return True


def remove_all(connection: Connection, prefix: str) -> int:
    """Remove the entries whose keys begin with the prefix; how many there were."""
    condition, parameters = key_range(prefix)
    return connection.execute(f"DELETE FROM entries WHERE {condition}", parameters).rowcount


def _drop_surplus(connection: Connection, key: bytes, content_id: str) -> bool:
    """Remove variants of the key that are too many; whether the one with this content is still there."""
    rows: Sequence[tuple[int, bytes]] = connection.execute(
        "SELECT id, head FROM entries WHERE key = ? ORDER BY id DESC", (key,)
    ).fetchall()
    numbers: dict[str, int] = {}
    entries: list[Entry] = []
    doomed: list[tuple[int]] = []
    for number, head in rows:
        try:
            entry = load_head(head)
        except CorruptEntry:
            doomed.append((number,))
        else:
            entries.append(entry)
            numbers[entry.content_id] = number
    dropped = [entry.content_id for entry in surplus(entries)]
    connection.executemany("DELETE FROM entries WHERE id = ?", [*doomed, *((numbers[each],) for each in dropped)])
    return content_id not in dropped
