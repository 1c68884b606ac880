"""A store in a file of SQLite."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from trivet.core.caching.record import dump_head
from trivet.core.errors import ConfigError
from trivet.stores.sqlite.database import Database, Work
from trivet.stores.sqlite.entries import remove_all, row_names, update
from trivet.stores.sqlite.finding import Finding
from trivet.stores.sqlite.saving import Saving, SQLiteWriter
from trivet.stores.sqlite.upkeep import Bounds, Upkeep

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.stored import Stored

__all__ = ["SQLiteStore"]


class SQLiteStore:
    """Keeps stored responses in one file, which any number of threads and processes use at once, and which is whole even if
    one of them is killed.

    - ``path``: of the file, which is made at the first use, for its owner alone (mode 0600), in a folder that is there; a
      ``~`` at the beginning is the home. SQLite keeps two more files beside it, named ``-wal`` and ``-shm``
    - ``max_bytes``: how many bytes the entries may take in the file, about. A single content may take a quarter of it. What
      was not used for the longest time goes first; that it was used is written with what is saved next
    - ``max_entries``: how many they may be, 16 of them under one key
    - ``busy_timeout``: how many seconds to wait while another process writes
    - ``clock``: tells the time in Unix seconds
    - ``monotonic``: tells the time in seconds, for pauses

    A file that is damaged is begun anew, and so is one that another version of Trivet wrote. A file that is no database at
    all is renamed, to end in ``.damaged``. The database of another application is left alone, and nothing is stored.

    Where the file cannot be used – it is such a one, it is locked for too long, the disk is full – the store is an empty
    one: it warns once, with `StoreWarning`, and tries again after five seconds. What was to be removed meanwhile is
    removed then, before anything is handed out.

    Raises `ConfigError` for ``:memory:``, for a path that is none, and for bounds that make no sense.

    >>> from tempfile import TemporaryDirectory
    >>> from zlib import crc32
    >>> from trivet.core.caching.entry import Entry
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, 4e9, 2, crc32(b"hi"))
    >>> with TemporaryDirectory() as folder:
    ...     store = SQLiteStore(f"{folder}/cache.sqlite")
    ...     print(store.save(entry, b"hi"), [stored.content for stored in store.find("k")])
    ...     store.close()
    True [b'hi']
    """

    instant: bool = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        max_bytes: int = 256 * 1024 * 1024,
        max_entries: int = 100_000,
        *,
        busy_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, bound in (("max_bytes", max_bytes), ("max_entries", max_entries)):
            if not isinstance(bound, int) or isinstance(bound, bool) or bound < 1:
                raise ConfigError(f"SQLiteStore: {name} takes a whole number from 1, not {bound!r}")
        if not isinstance(busy_timeout, (int, float)) or not isfinite(busy_timeout) or busy_timeout < 0:
            raise ConfigError(f"SQLiteStore: busy_timeout takes a number of seconds, not {busy_timeout!r}")
        bounds = Bounds(max_entries, max_bytes)
        self._clock = clock
        self._database = Database(_absolute(path), patience=busy_timeout, monotonic=monotonic)
        self._upkeep = Upkeep(bounds, clock)
        self._saving = Saving(self._database, self._upkeep, bounds, clock)
        self._finding = Finding(self._database, self._upkeep, self._saving, clock)

    @property
    def max_content(self) -> int:
        """The size in bytes of the largest content that it would keep: a quarter of ``max_bytes``."""
        return self._saving.max_content

    def __repr__(self) -> str:
        return f"SQLiteStore({self._database.path!r})"

    def find(self, key: str) -> Sequence[Stored]:
        """The stored responses with exactly this key. Content of more than 256 KiB is left to `read`."""
        return self._finding.find(key)

    def save(self, entry: Entry, content: bytes) -> bool:
        """Keep an entry with its content, in the place of one with the same key and variant; whether it did."""
        return self._saving.save(entry, content)

    def writer(self) -> SQLiteWriter:
        """Begin to write content in pieces."""
        return SQLiteWriter(self._saving)

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes of an entry's content from ``offset`` on, ``b""`` at its end; None if it is gone.

        A megabyte at most comes at once. Content that was replaced can be read for another minute if it is large.
        """
        return self._finding.read(entry, offset, size)

    def update(self, entry: Entry) -> bool:
        """Keep another head for content that is there; whether it is."""
        try:
            head = dump_head(entry)
        except ValueError:
            return False
        now = self._clock()
        return self._saving.write(lambda connection: update(connection, entry, head, now), False, entry.content_id)

    def remove(self, entry: Entry) -> bool:
        """Remove this entry, found by ``key``, ``variant`` and ``content_id``; whether it was there."""
        remove = "DELETE FROM entries WHERE key = ? AND variant = ? AND content_id = ?"
        names = row_names(entry)
        return self._remove(lambda connection: connection.execute(remove, names).rowcount) > 0

    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        """Remove all entries whose key begins with ``prefix`` and whose ``url`` ``matches``; how many there were."""
        doomed = None if matches is None else self._finding.matching(prefix, matches)
        if doomed is None:
            # Also if it could not be read: to ask later would be to call somebody's function at an odd time.
            return self._remove(lambda connection: remove_all(connection, prefix))
        remove = "DELETE FROM entries WHERE id = ?"
        return self._remove(lambda connection: connection.executemany(remove, doomed).rowcount) if doomed else 0

    def clear(self) -> None:
        """Remove everything, and make the file small."""
        self._finding.forget()
        self._upkeep.forget()
        self._database.clear()

    def close(self) -> None:
        """Close the file. Using the store afterwards opens it again."""
        if self._upkeep.pending:
            self._database.try_to_write(self._upkeep.flush)
        self._database.close()

    def _remove(self, work: Work[int]) -> int:
        removed = self._saving.write(work, None)
        if removed is None:
            self._database.owe(work)
            return 0
        return removed


def _absolute(path: str | os.PathLike[str]) -> str:
    """The path, wherever the process may go later."""
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"SQLiteStore takes the path of a file, not {path!r}")
    text = os.fsdecode(path)
    if text == ":memory:" or text.startswith("file:"):
        raise ConfigError(f"SQLiteStore takes the path of a file, not {text!r}: for one in memory there is MemoryStore")
    if not text or "\0" in text:
        raise ConfigError(f"SQLiteStore takes the path of a file, not {text!r}")
    return os.path.abspath(os.path.expanduser(text))
