"""A store in the memory of the process: the quickest, and gone with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from threading import Lock
from typing import Final, NoReturn

from trivet.core.caching.entry import ONLY_VARIANT, Entry
from trivet.core.caching.stored import Stored
from trivet.core.errors import ConfigError
from trivet.stores.shelves import Shelves

__all__ = ["MemoryStore", "MemoryWriter"]

# Of the whole process, so that what one store made up means nothing to another.
_ids: Final = count(1)
# To count is not one step on every build of Python.
_counting: Final = Lock()


class MemoryStore:
    """Keeps stored responses in memory, and lets go of those that were not used for the longest time.

    - ``max_bytes``: how many bytes they may take, about: content, fields and texts, a kilobyte for each, and 200 bytes
      for each field. A single content may take a quarter of it
    - ``max_entries``: how many they may be; 16 of them under one key
    - ``clock``: tells the time in Unix seconds

    It hands out the same objects each time, with what was derived from them. It is safe under threads. Raises
    `ConfigError` for a bound that is not a whole number from 1.

    >>> from zlib import crc32
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, 4e9, 2, crc32(b"hi"))
    >>> store = MemoryStore(max_bytes=1024 * 1024)
    >>> store.save(entry, b"hi"), [stored.content for stored in store.find("k")]
    (True, [b'hi'])
    >>> store
    <MemoryStore: 1 of 10000 entries, 1045 of 1048576 bytes>
    """

    instant: bool = True

    def __init__(
        self,
        max_bytes: int = 64 * 1024 * 1024,
        max_entries: int = 10_000,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, bound in (("max_bytes", max_bytes), ("max_entries", max_entries)):
            if not isinstance(bound, int) or isinstance(bound, bool) or bound < 1:
                raise ConfigError(f"MemoryStore: {name} takes a whole number from 1, not {bound!r}")
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        with _counting:
            self._name = f"{next(_ids)}."
        self._saved = 0
        # Nothing foreign is called while it is held: not the clock, nor what `remove_where` is given.
        self._lock = Lock()
        self._shelves = Shelves(max_bytes, max_entries)

    @property
    def max_content(self) -> int:
        """The size in bytes of the largest content that it would keep: a quarter of ``max_bytes``."""
        return self._max_bytes // 4

    @property
    def size(self) -> int:
        """How many bytes its entries take, about."""
        return self._shelves.size

    def __len__(self) -> int:
        return self._shelves.count

    def __bool__(self) -> bool:
        # An empty store is still a store, to whoever writes `store or …`.
        return True

    def __repr__(self) -> str:
        shelves = self._shelves
        entries = f"{shelves.count} of {self._max_entries} entries"
        return f"<MemoryStore: {entries}, {shelves.size} of {self._max_bytes} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MemoryStore cannot be copied or pickled")

    def find(self, key: str) -> Sequence[Stored]:
        """The stored responses with exactly this key, with their content."""
        # Most keys that are not there never were.
        if key not in self._shelves.by_key:
            return ()
        now = self._clock()
        with self._lock:
            return self._shelves.find(key, now)

    def save(self, entry: Entry, content: bytes) -> bool:
        """Keep an entry with its content, in the place of one with the same key and variant; whether it did.

        It does not if the content is too large, the entry has expired, or 16 that came later have the same key.
        """
        now = self._clock()
        if len(content) > self.max_content or entry.expires <= now:
            return False
        variant = entry.variant if entry.vary != () else ONLY_VARIANT
        with self._lock:
            self._saved += 1
            return self._shelves.put(entry, content, variant, now, content_id=f"{self._name}{self._saved}")

    def writer(self) -> MemoryWriter:
        """Begin to write content in pieces."""
        return MemoryWriter(self)

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes of an entry's content from ``offset`` on, ``b""`` at its end; None if it is gone.

        An entry that expired since it was found is read to its end, unless its room was needed.
        """
        variant = entry.variant
        with self._lock:
            kept = self._shelves.get(entry, variant)
        return None if kept is None else kept.data[offset : offset + size]

    def update(self, entry: Entry) -> bool:
        """Keep another head for content that is there; whether it is."""
        now, variant = self._clock(), entry.variant
        with self._lock:
            kept = self._shelves.get(entry, variant)
            return kept is not None and self._shelves.put(entry, kept.data, variant, now, content_id=entry.content_id)

    def remove(self, entry: Entry) -> bool:
        """Remove this entry, found by ``key``, ``variant`` and ``content_id``; whether it was there."""
        variant = entry.variant
        with self._lock:
            return self._shelves.remove(entry, variant)

    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        """Remove all entries whose key begins with ``prefix`` and whose ``url`` ``matches``; how many there were."""
        with self._lock:
            keys = self._shelves.keys(prefix)
        removed = 0
        # One after the other, so that nobody waits long for the lock.
        for key in keys:
            with self._lock:
                found = self._shelves.peek(key)
            for stored in found:
                if matches is None or matches(stored.entry.url):
                    removed += self.remove(stored.entry)
        return removed

    def clear(self) -> None:
        """Remove everything."""
        shelves = Shelves(self._max_bytes, self._max_entries)
        with self._lock:
            # What was there is freed when the lock is not held any more.
            self._shelves, shelves = shelves, self._shelves

    def close(self) -> None:
        """Nothing: it holds nothing of the system. What it keeps stays, until it is let go of itself."""


class MemoryWriter:
    """Content on its way into a `MemoryStore`. It counts as one of its bytes from the commit on."""

    __slots__ = ("_content", "_store")

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        # Not a list of pieces: if they are of a few bytes each, that takes many times the size of the content.
        self._content: bytearray | None = bytearray()

    def write(self, piece: bytes) -> bool:
        """Add a piece; whether the rest is still wanted, which it is up to `MemoryStore.max_content`."""
        content = self._content
        if content is None:
            return False
        if len(content) + len(piece) > self._store.max_content:
            self._content = None
            return False
        content += piece
        return True

    def commit(self, entry: Entry) -> bool:
        """Save the entry with what was written, if that is the content that it describes; whether it did."""
        written, self._content = self._content, None
        if written is None:
            return False
        content = bytes(written)
        return entry.describes(content) and self._store.save(entry, content)

    def discard(self) -> None:
        """Forget what was written."""
        self._content = None
