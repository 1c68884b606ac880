"""How entries get out of the database: with their content, in pieces, or by their URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from trivet.core.caching.record import CorruptEntry, load_head
from trivet.stores.sqlite.contents import INLINE, is_whole, read_chunks, remove_contents
from trivet.stores.sqlite.entries import FIND, Kept, key_bytes, key_range, load, row_names

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.stored import Stored
    from trivet.stores.sqlite.database import Database
    from trivet.stores.sqlite.saving import Saving
    from trivet.stores.sqlite.upkeep import Upkeep

__all__ = ["Finding"]

# Of how many entries to remember what was derived from them, if their content is no larger than this.
_REMEMBERED: Final = 512
_REMEMBERED_CONTENT: Final = 16 * 1024
# How many heads are read at once.
_AT_ONCE: Final = 500


class Finding:
    """The ways out of the database. What is damaged is removed on the way."""

    def __init__(self, database: Database, upkeep: Upkeep, saving: Saving, clock: Callable[[], float]) -> None:
        self._database = database
        self._upkeep = upkeep
        self._saving = saving
        self._clock = clock
        # By the id of the row.
        self._remembered: dict[int, Kept] = {}

    def find(self, key: str) -> Sequence[Stored]:
        """The stored responses with exactly this key."""
        parameters = (key_bytes(key),)
        rows: Sequence[tuple[int, bytes, bytes | None]] = self._database.read(
            lambda connection: connection.execute(FIND, parameters).fetchall(), ()
        )
        if not rows:
            return ()
        now = self._clock()
        found: list[Stored] = []
        for number, head, content in rows:
            kept = self._remembered.get(number)
            if kept is None or kept.head != head or kept.content != content or kept.entry.key != key:
                kept = self._load(key, number, head, content)
            if kept is not None and kept.entry.expires > now:
                self._upkeep.note_use(number, now)
                found.append(kept)
        return found

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes of an entry's content; None if it is gone."""
        if entry.size <= INLINE:
            content = self._content(entry)
            return None if content is None else content[offset : offset + size]
        name = entry.content_id
        try:
            return self._database.read(lambda connection: read_chunks(connection, name, offset, size), None)
        except CorruptEntry:
            # An entry must not go on to promise what is not there.
            self._saving.write(lambda connection: remove_contents(connection, name), None)
            return None

    def matching(self, prefix: str, matches: Callable[[str], bool]) -> list[tuple[int]] | None:
        """The ids of the entries with this prefix whose URLs match, and of those that are damaged; None if they cannot
        be read."""
        condition, parameters = key_range(prefix)
        numbers = self._rows(f"SELECT id FROM entries WHERE {condition}", parameters)
        if numbers is None:
            return None
        doomed: list[tuple[int]] = []
        for start in range(0, len(numbers), _AT_ONCE):
            batch = [number for (number,) in numbers[start : start + _AT_ONCE]]
            # With no connection in hand while somebody's function is called.
            heads = self._rows(f"SELECT id, head FROM entries WHERE id IN ({','.join('?' * len(batch))})", batch)
            if heads is None:
                return None
            doomed += [(number,) for number, head in heads if _matches(head, matches)]
        return doomed

    def forget(self) -> None:
        """Forget what was found before."""
        self._remembered.clear()

    def _rows(self, query: str, parameters: Sequence[int | bytes]) -> list[Any] | None:
        return self._database.read(lambda connection: connection.execute(query, parameters).fetchall(), None)

    def _load(self, key: str, number: int, head: bytes, content: bytes | None) -> Kept | None:
        """The stored response of a row; None if it is damaged, or cannot be read."""
        try:
            kept = load(key, head, content)
            if content is None and not self._is_whole(kept.entry):
                return None
        except CorruptEntry:
            # Unless the row is another one by now.
            remove = "DELETE FROM entries WHERE id = ? AND head IS ?"
            self._saving.write(lambda connection: connection.execute(remove, (number, head)).rowcount, 0)
            return None
        if content is None or len(content) <= _REMEMBERED_CONTENT:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[number] = kept
        return kept

    def _is_whole(self, entry: Entry) -> bool:
        whole = self._database.read(lambda connection: is_whole(connection, entry.content_id, entry.size), None)
        if whole is False:
            raise CorruptEntry("chunks of the content are missing")
        return whole is True

    def _content(self, entry: Entry) -> bytes | None:
        """Content that is in the row."""
        find = "SELECT content FROM entries WHERE key = ? AND variant = ? AND content_id = ?"
        remove = "DELETE FROM entries WHERE key = ? AND variant = ? AND content_id = ?"
        names = row_names(entry)
        row = self._database.read(lambda connection: connection.execute(find, names).fetchone(), None)
        if row is None:
            return None
        (content,) = row
        if not isinstance(content, bytes) or not entry.describes(content):
            self._saving.write(lambda connection: connection.execute(remove, names).rowcount, 0)
            return None
        return content


def _matches(head: bytes, matches: Callable[[str], bool]) -> bool:
    try:
        url = load_head(head).url
    except CorruptEntry:
        return True
    return matches(url)
