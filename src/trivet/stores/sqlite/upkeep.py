"""What keeps a database small: bounds, expiry, what nobody refers to any more, and free pages.

All of it is done with somebody's save, in the same transaction, and a bit at a time: nobody waits for long.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from trivet.stores.sqlite.schema import free_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from sqlite3 import Connection

__all__ = ["Bounds", "Upkeep"]

# Seconds from one look at what has expired to the next.
_PERIOD: Final = 60.0
_EXPIRED_AT_ONCE: Final = 500
_CONTENTS_AT_ONCE: Final = 4
_PAGES_AT_ONCE: Final = 256
# Free pages are kept for what is saved next: so many, and this share of the file.
_FREE_PAGES: Final = 256
_FREE_SHARE: Final = 8
# Beyond so many, which were used last is forgotten: the order in which entries go is a guess anyway.
_MAX_USES: Final = 16_384

_EXPIRE: Final = """
    DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)
"""
_SWEEP: Final = """
    DELETE FROM contents WHERE content_id IN (SELECT content_id FROM contents WHERE until <= ? LIMIT ?)
"""
# What was replaced, and is there only for those who are still reading it.
_REPLACED: Final = "DELETE FROM contents WHERE until < ? AND NOT staged"
_LEAST_RECENTLY_USED: Final = """
    SELECT e.id, e.bytes + coalesce(c.bytes, 0)
    FROM entries AS e LEFT JOIN contents AS c ON c.content_id = e.content_id AND e.content IS NULL
    WHERE e.content_id <> ?
    ORDER BY e.used, e.id
"""
_COUNT: Final = """
    UPDATE totals SET
        entries = (SELECT count(*) FROM entries),
        bytes = (SELECT coalesce(sum(bytes), 0) FROM entries) + (SELECT coalesce(sum(bytes), 0) FROM contents)
"""


class Bounds(NamedTuple):
    """How much may be there at most."""

    entries: int
    bytes: int


class Upkeep:
    """What one store object does for the database, and what it has in mind until then."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds: Final = bounds
        self._clock = clock
        # When entries were last used, by their id: to write it at each hit would make a hit as slow as saving.
        self._uses: dict[int, float] = {}
        # Threads append to it that must not wait.
        self._discarded: deque[str] = deque()
        self._last = -inf

    def note_use(self, number: int, now: float) -> None:
        """An entry was handed out."""
        uses = self._uses
        if len(uses) >= _MAX_USES:
            uses.clear()
        uses[number] = now

    def note_discarded(self, content_id: str) -> None:
        """What was staged under this id is not going to be committed. It waits for nothing."""
        self._discarded.append(content_id)

    @property
    def pending(self) -> bool:
        """Whether there is something to be written."""
        return bool(self._uses or self._discarded)

    def forget(self) -> None:
        """Forget it: all is gone."""
        self._uses.clear()
        self._discarded.clear()

    def flush(self, connection: Connection) -> None:
        """Write what is in mind."""
        uses = list(self._uses.items())
        self._uses.clear()
        changes = [(used, name, used) for name, used in uses]
        connection.executemany("UPDATE entries SET used = ? WHERE id = ? AND used < ?", changes)
        connection.executemany("DELETE FROM contents WHERE content_id = ? AND staged", _popped(self._discarded))

    def after(self, connection: Connection, keep: str = "") -> bool:
        """Do what is due after a change; whether all is within bounds now. ``keep``: the content_id that was saved."""
        now = self._clock()
        # A clock that was set back must not put it off for long.
        if not self._last <= now < self._last + _PERIOD:
            self.flush(connection)
            self._last = -inf if _tidy(connection, now) else now
        return self._fits(connection) or self._make_room(connection, keep, now)

    def _fits(self, connection: Connection) -> bool:
        return self._excess(connection) == (0, 0)

    def _excess(self, connection: Connection) -> tuple[int, int]:
        entries, size = connection.execute("SELECT entries, bytes FROM totals").fetchone()
        return max(0, entries - self._bounds.entries), max(0, size - self._bounds.bytes)

    def _make_room(self, connection: Connection, keep: str, now: float) -> bool:
        self.flush(connection)
        connection.execute(_EXPIRE, (now, _EXPIRED_AT_ONCE))
        connection.execute(_REPLACED, (inf,))
        self._evict(connection, keep)
        if not self._fits(connection):
            # The totals should be right, but a damaged one would empty the store at each save.
            connection.execute(_COUNT)
            self._evict(connection, keep)
        return self._fits(connection)

    def _evict(self, connection: Connection, keep: str) -> None:
        """Remove those that were not used for the longest time, as many as are too many."""
        entries, size = self._excess(connection)
        doomed: list[tuple[int]] = []
        if entries or size:
            found = connection.execute(_LEAST_RECENTLY_USED, (keep,))
            for number, its_size in found:
                doomed.append((number,))
                entries -= 1
                size -= its_size
                if entries <= 0 and size <= 0:
                    break
            found.close()
            connection.executemany("DELETE FROM entries WHERE id = ?", doomed)


def _tidy(connection: Connection, now: float) -> bool:
    """Remove some of what is of no use any more; whether there is more of it."""
    expired = connection.execute(_EXPIRE, (now, _EXPIRED_AT_ONCE)).rowcount
    swept = connection.execute(_SWEEP, (now, _CONTENTS_AT_ONCE)).rowcount
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    surplus = int(free) - max(_FREE_PAGES, int(pages) // _FREE_SHARE)
    free_pages(connection, min(surplus, _PAGES_AT_ONCE))
    return expired == _EXPIRED_AT_ONCE or swept == _CONTENTS_AT_ONCE or surplus > _PAGES_AT_ONCE


def _popped(queue: deque[str]) -> Iterator[tuple[str]]:
    while True:
        try:
            yield (queue.popleft(),)
        except IndexError:
            return
