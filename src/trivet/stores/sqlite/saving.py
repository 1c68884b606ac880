"""How entries get into the database: at once, or in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeVar
from zlib import crc32

from trivet.core.caching.record import dump_head
from trivet.stores.sqlite.contents import CHUNK, INLINE, adopt, remove_contents, split, stage
from trivet.stores.sqlite.entries import cost, key_bytes, put

if TYPE_CHECKING:
    from sqlite3 import Connection

    from trivet.core.caching.entry import Entry
    from trivet.stores.sqlite.database import Database, Work
    from trivet.stores.sqlite.upkeep import Bounds, Upkeep

__all__ = ["SQLiteWriter", "Saving"]

T = TypeVar("T")

# How much a writer writes in one transaction, in bytes.
_AT_ONCE: Final = 4 * CHUNK


class Saving:
    """The ways into the database. After each transaction it is within its bounds."""

    def __init__(self, database: Database, upkeep: Upkeep, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._database = database
        self._upkeep = upkeep
        self._bounds: Final = bounds
        self._clock = clock
        # So that there is room for one that is written, with the one that it replaces, and for others.
        self.max_content: Final = bounds.bytes // 4

    def save(self, entry: Entry, content: bytes) -> bool:
        """Save an entry with its content; whether it was."""
        if len(content) > self.max_content or not entry.describes(content):
            return False
        entry = entry._replace(content_id=new_content_id())
        if len(content) > INLINE:
            return self.commit(entry, 0, split(content))
        return self._put(entry, content)

    def stage(self, content_id: str, first: int, chunks: Sequence[bytes]) -> bool:
        """Write chunks to which nothing refers yet; whether they were."""
        now = self._clock()

        def work(connection: Connection) -> bool:
            if not stage(connection, content_id, first, chunks, now):
                return False
            if not self._upkeep.after(connection):
                # Others are being written, and leave no room for it.
                remove_contents(connection, content_id)
                return False
            return True

        return self._database.write(work, False)

    def commit(self, entry: Entry, first: int, chunks: Sequence[bytes]) -> bool:
        """Write the last chunks and the entry, under whose content_id the others were staged; whether they were."""
        now = self._clock()

        def adopted(connection: Connection) -> bool:
            return stage(connection, entry.content_id, first, chunks, now) and adopt(
                connection, entry.content_id, entry.size
            )

        return self._put(entry, None, adopted)

    def discard(self, content_id: str) -> None:
        """Have what was staged removed with the next save."""
        self._upkeep.note_discarded(content_id)

    def write(self, work: Work[T], otherwise: T, keep: str = "") -> T:
        """Do it, and what is due then, in one transaction."""

        def whole(connection: Connection) -> T:
            result = work(connection)
            self._upkeep.after(connection, keep)
            return result

        return self._database.write(whole, otherwise)

    def _put(self, entry: Entry, content: bytes | None, adopted: Callable[[Connection], bool] | None = None) -> bool:
        now = self._clock()
        if entry.expires <= now:
            return False
        try:
            head = dump_head(entry)
        except ValueError:
            return False
        if cost(len(key_bytes(entry.key)), len(head), len(content or b"")) > self._bounds.bytes:
            return False

        def work(connection: Connection) -> bool:
            return (adopted is None or adopted(connection)) and put(connection, entry, head, content, now)

        return self.write(work, False, keep=entry.content_id)


class SQLiteWriter:
    """Content on its way into a `SQLiteStore`: in memory as long as it is small, then in the file as it comes."""

    __slots__ = ("_content_id", "_crc", "_done", "_first", "_held", "_saving", "_size")

    def __init__(self, saving: Saving) -> None:
        self._saving = saving
        self._content_id = new_content_id()
        self._held = bytearray()
        # The number of the chunk with which what is held begins: how many were staged.
        self._first = 0
        self._size = 0
        self._crc = 0
        self._done = False

    def write(self, piece: bytes) -> bool:
        """Add a piece; whether the rest is still wanted."""
        if self._done:
            return False
        self._size += len(piece)
        if self._size > self._saving.max_content:
            self.discard()
            return False
        self._crc = crc32(piece, self._crc)
        self._held += piece
        if len(self._held) > INLINE or (self._first and len(self._held) >= _AT_ONCE):
            return self._stage()
        return True

    def commit(self, entry: Entry) -> bool:
        """Save the entry with what was written, if that is the content that it describes; whether it did."""
        if self._done:
            return False
        saved = False
        if (entry.size, entry.crc) == (self._size, self._crc):
            if self._first:
                entry = entry._replace(content_id=self._content_id)
                saved = self._saving.commit(entry, self._first, split(self._held))
            else:
                saved = self._saving.save(entry, bytes(self._held))
        if saved:
            self._finish()
        else:
            self.discard()
        return saved

    def discard(self) -> None:
        """Forget what was written. What is in the file already is removed with the next save."""
        if not self._done:
            if self._first:
                self._saving.discard(self._content_id)
            self._finish()

    def _stage(self) -> bool:
        whole = len(self._held) // CHUNK * CHUNK
        chunks = split(self._held[:whole])
        if not self._saving.stage(self._content_id, self._first, chunks):
            self.discard()
            return False
        self._first += len(chunks)
        del self._held[:whole]
        return True

    def _finish(self) -> None:
        self._done = True
        self._held.clear()


def new_content_id() -> str:
    """A name that no other content has, wherever and whenever it was saved."""
    return token_hex(16)
