"""The store on a Redis server: what it keeps, finds, changes and removes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from math import ceil, inf
from typing import TYPE_CHECKING, Final

from trivet.core.caching.record import CorruptEntry, load_head
from trivet.core.caching.vary import MAX_VARIANTS
from trivet.core.errors import ConfigError
from trivet.stores.redis.layout import (
    APART,
    APART_FROM,
    ID_LENGTH,
    IN_RECORD,
    NEVER,
    Names,
    dump_rest,
    load_value,
    milliseconds,
)
from trivet.stores.redis.link import Link
from trivet.stores.redis.scripts import FIND, HEADS, REMOVE, SAVE, UPDATE
from trivet.stores.redis.search import entries_with, scan
from trivet.stores.redis.writer import RedisWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.caching.entry import Entry
    from trivet.core.caching.stored import Stored
    from trivet.stores.redis.client import Client

__all__ = ["RedisStore"]

_MAX_CONTENT: Final = 16 * 1024 * 1024
# Redis has no longer strings.
_LARGEST: Final = 512 * 1024 * 1024
_MAX_TTL: Final = 30 * 86_400.0
# A ttl that is longer is none.
_FOREVER: Final = 100 * 366 * 86_400.0
# For so long those who read a content may go on after its entry has gone, in seconds.
_GRACE: Final = 120


class RedisStore:
    """Keeps stored responses on a Redis or Valkey server; see `Store` for its methods.

    ``url`` is one of redis-py's, ``redis://user:password@host:6379/0``, ``rediss://…`` with TLS or ``unix://path``,
    with options such as ``?socket_timeout=0.5``; or a client of redis-py or valkey-py, whose timeouts and retries
    are then its own. A connection is made within 1 s and a reply comes within 2 s, unless the URL says otherwise.

    - ``prefix`` begins the names of all keys; no others are touched. Stores with the same prefix share their entries
    - ``max_content``: the largest content to keep, in bytes, at most 512 MiB
    - ``max_ttl``: how long an entry is kept at most after it was saved or updated, in seconds; None for as long as it
      is of use, which may be for ever
    - ``clock`` tells the Unix time

    How much is kept altogether is the server's matter: set its ``maxmemory``, and its ``maxmemory-policy`` to
    ``allkeys-lru`` or, if there is other data than caches, ``volatile-lru``, which spares what lives for ever.

    When the server fails there is one `StoreWarning`. Calls go on without the store, which tries again after 5 s.
    Raises `ConfigError` if neither package is installed (``pip install 'trivet[redis]'``), or for settings that
    cannot be. Threads and forked processes may share it.

    >>> RedisStore("redis://:s3cret@cache.example/2")
    <RedisStore redis://cache.example:6379/2, prefix 'trivet:'>
    """

    __slots__ = ("_clock", "_link", "_max_ttl", "_names", "_prefix", "max_content")

    instant: bool = False

    def __init__(
        self,
        url: str | Client,
        *,
        prefix: str = "trivet:",
        max_content: int = _MAX_CONTENT,
        max_ttl: float | None = _MAX_TTL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not prefix or not prefix.isprintable():
            raise ConfigError(f"RedisStore: prefix must be printable text that is not empty, not {prefix!r}")
        if not 0 <= max_content <= _LARGEST:
            raise ConfigError(f"RedisStore: max_content must be from 0 to {_LARGEST} bytes, not {max_content!r}")
        if max_ttl is not None and not max_ttl > 0.0:
            raise ConfigError(f"RedisStore: max_ttl must be a positive number of seconds or None, not {max_ttl!r}")
        self.max_content = max_content
        self._max_ttl = inf if max_ttl is None else max_ttl
        self._clock = clock
        self._prefix = prefix
        self._names = Names(prefix)
        self._link = Link(url, clock)

    def find(self, key: str) -> Sequence[Stored]:
        """The stored responses with exactly this key, in one round trip."""
        entries, target, member = self._names.place(key)
        reply = self._link.run(FIND, (entries, target), (member, self._names.contents))
        if not reply:
            return ()
        now = self._clock()
        found: list[Stored] = []
        useless: list[tuple[bytes, bytes, bytes]] = []
        for variant, value in zip(reply[::2], reply[1::2], strict=True):
            stored = load_value(value, key)
            if stored is None or stored.entry.expires <= now:
                useless.append((entries, variant, value[:ID_LENGTH]))
            else:
                found.append(stored)
        if useless:
            self._remove(useless)
        return found

    def save(self, entry: Entry, content: bytes) -> bool:
        """Keep an entry with its content; whether it did."""
        if len(content) >= APART_FROM:
            writer = self.writer()
            return writer.write(content) and writer.commit(entry)
        if len(content) > self.max_content or not entry.describes(content):
            return False
        return self._save(_new_id(), entry, content)

    def writer(self) -> RedisWriter:
        """Begin to write content in pieces."""
        content_id = _new_id()
        name = self._names.content(content_id)
        return RedisWriter(self._link, name, self.max_content, partial(self._save, content_id))

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes of an entry's content from ``offset`` on."""
        if entry.size < APART_FROM:
            return self._read_from_record(entry, offset, size)
        names = [self._names.content(entry.content_id)]
        size = min(size, entry.size - offset)
        if size <= 0:
            return b"" if self._link.call("EXISTS", keys=names) else None
        piece: bytes | None = self._link.call("GETRANGE", offset, offset + size - 1, keys=names)
        return piece if piece is not None and len(piece) == size else None

    def update(self, entry: Entry) -> bool:
        """Keep another head for content that is there."""
        now = self._clock()
        try:
            rest = dump_rest(entry)
        except ValueError:
            return False
        keys, args = self._keeping(entry, now)
        updated: int | None = self._link.run(UPDATE, keys, (*args, entry.content_id, rest))
        return updated == 1

    def remove(self, entry: Entry) -> bool:
        """Remove this entry; whether it was there."""
        entries = self._names.entries(entry.key)
        return self._remove([(entries, entry.variant.encode(), entry.content_id.encode())]) == 1

    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        """Remove all entries whose key begins with ``prefix`` and whose URL ``matches``; how many there were.

        With a prefix such as `trivet.core.caching.keys.target_prefix` makes, the server looks at its entries only.
        With another it goes through all the keys of the database, in small steps.
        """
        batches = entries_with(self._link, self._names, prefix)
        return sum(self._remove_matching(keys, matches) for keys in batches)

    def clear(self) -> None:
        """Remove everything whose name begins with the store's prefix."""
        for keys in scan(self._link, self._names.everything):
            self._link.call("UNLINK", keys=keys)

    def close(self) -> None:
        """Close the connections, but for those of a client that was given."""
        self._link.close()

    def __repr__(self) -> str:
        return f"<RedisStore {self._link.where}, prefix {self._prefix!r}>"

    def _save(self, content_id: str, entry: Entry, content: bytes | None) -> bool:
        """Keep an entry with its content, or with the one that is on the server under this id."""
        entry = entry._replace(content_id=content_id)
        now = self._clock()
        if entry.expires <= now:
            return False
        try:
            rest = dump_rest(entry)
        except ValueError:
            return False
        keys, args = self._keeping(entry, now)
        if content is None:
            keys.append(self._names.content(content_id))
            value = b"".join((content_id.encode(), APART, rest))
        else:
            value = b"".join((content_id.encode(), IN_RECORD, rest, content))
        saved: int | None = self._link.run(SAVE, keys, (*args, value, MAX_VARIANTS, entry.size))
        return saved == 1

    def _keeping(self, entry: Entry, now: float) -> tuple[list[bytes], tuple[object, ...]]:
        """The keys and arguments that the scripts share which keep entries."""
        entries, target, member = self._names.place(entry.key)
        seconds = max(min(entry.expires - now, self._max_ttl), 0.001)
        ttl, last = -1, NEVER
        if seconds < _FOREVER:
            ttl, last = ceil(seconds * 1000.0), milliseconds(now + seconds)
        args = (member, entry.variant, milliseconds(now), ttl, last, self._names.contents, _GRACE * 1000)
        return [entries, target], args

    def _read_from_record(self, entry: Entry, offset: int, size: int) -> bytes | None:
        value = self._link.call("HGET", entry.variant, keys=[self._names.entries(entry.key)])
        stored = None if value is None else load_value(value, entry.key)
        if stored is None or stored.content is None or stored.entry.content_id != entry.content_id:
            return None
        return stored.content[offset : offset + size]

    def _remove(self, entries: Sequence[tuple[bytes, bytes, bytes]]) -> int:
        """Remove entries by the name of their key, their variant and their content's id; how many were there."""
        pairs = [part for _, variant, content_id in entries for part in (variant, content_id)]
        keys = [key for key, _, _ in entries]
        removed: int | None = self._link.run(REMOVE, keys, (self._names.contents, _GRACE * 1000, *pairs))
        return removed or 0

    def _remove_matching(self, keys: Sequence[bytes], matches: Callable[[str], bool] | None) -> int:
        heads: list[tuple[int, bytes, bytes, bytes]] | None
        heads = self._link.run(HEADS, keys, (milliseconds(self._clock()),))
        chosen = [
            (keys[place - 1], variant, content_id)
            for place, variant, content_id, head in heads or ()
            if matches is None or _matches(head, matches)
        ]
        return self._remove(chosen) if chosen else 0


def _new_id() -> str:
    return os.urandom(ID_LENGTH // 2).hex()


def _matches(head: bytes, matches: Callable[[str], bool]) -> bool:
    try:
        url = load_head(head).url
    except CorruptEntry:
        return False
    return matches(url)
