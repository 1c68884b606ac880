"""What a `MemoryStore` keeps, and what it lets go of: plain bookkeeping, for one thread at a time."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice
from math import inf
from typing import Any, Final, TypeAlias

from trivet.core.caching.entry import Entry
from trivet.core.caching.keys import target_of
from trivet.core.caching.stored import Stored
from trivet.core.caching.vary import MAX_VARIANTS, surplus

__all__ = ["Kept", "Shelves"]

# What an entry and each of its fields take besides their bytes, about, with what is derived from them for a hit.
_PER_ENTRY: Final = 1024
_PER_FIELD: Final = 200
# At how many keys to look for expired entries when room is needed.
_SWEPT: Final = 4
# Between names and values. HTTP lets neither hold it.
_SEPARATOR: Final = b"\n"

_Unused: TypeAlias = "tuple[Any, ...]"
"""The values of an entry, its fields joined, then its content, variant and cost: the only response of a key that was not
asked for yet.

Most of what is stored never is. One object in the place of dozens is quicker to make and takes less room, in the caches of
the processor as well; and the garbage collector does not go through plain tuples of plain values.
"""
_ENTRY: Final = slice(len(Entry._fields))
_EXPIRES: Final = Entry._fields.index("expires")


class Kept(Stored):
    """A stored response with its variant and what it takes of the store's bytes."""

    __slots__ = ("cost", "data", "variant")

    def __init__(self, entry: Entry, data: bytes, variant: str, cost: int) -> None:
        super().__init__(entry, data)
        self.data = data
        self.variant = variant
        self.cost = cost


class _Shelf:
    """The stored responses of one key: in the order in which they were put there."""

    __slots__ = ("expires", "found", "key")

    def __init__(self, key: str, kept: Kept) -> None:
        self.key = key
        self.found: tuple[Kept, ...] = (kept,)
        self.expires = kept.entry.expires

    def change(self, without: str, kept: Kept | None = None) -> Kept | None:
        """Take out the one of this variant, and put another one at the end; the one that was taken out."""
        taken = next((each for each in self.found if each.variant == without), None)
        rest = [each for each in self.found if each is not taken]
        if kept is not None:
            rest.append(kept)
        self.found = tuple(rest)
        self.expires = min([each.entry.expires for each in rest], default=inf)
        return taken


def _unpack(unused: _Unused) -> _Shelf:
    content, variant, cost = unused[_ENTRY.stop :]
    entry = Entry._make(unused[_ENTRY])
    packed: Any = entry.fields
    if isinstance(packed, bytes):
        parts = packed.split(_SEPARATOR)
        entry = entry._replace(fields=tuple(zip(parts[::2], parts[1::2], strict=True)))
    return _Shelf(entry.key, Kept(entry, content, variant, cost))


class Shelves:
    """Stored responses by key and variant: so many, of so many bytes.

    Where there is no room, those that have expired go first, if they are among those that were not used for long; then
    the variants of the key that was not used for the longest time, one after the other. Of one key the `MAX_VARIANTS`
    stay that came last. Times are in Unix seconds.
    """

    __slots__ = ("_max_bytes", "_max_entries", "_targets", "by_key", "count", "size")

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        # The key that was not used for the longest time comes first.
        self.by_key: OrderedDict[str, _Shelf | _Unused] = OrderedDict()
        # The keys of each target, from the first invalidation on: to some programs it never comes.
        self._targets: dict[str, dict[str, None]] | None = None
        self.count = 0
        self.size = 0

    def find(self, key: str, now: float) -> tuple[Stored, ...]:
        """Those with this key, which is used by that."""
        shelf = self._shelf(key)
        if shelf is None:
            return ()
        if shelf.expires <= now:
            self._drop_expired(shelf, now)
            if not shelf.found:
                return ()
        self.by_key.move_to_end(key)
        return shelf.found

    def peek(self, key: str) -> tuple[Stored, ...]:
        """Those with this key, expired or not, which is not used by that."""
        shelf = self._shelf(key)
        return () if shelf is None else shelf.found

    def get(self, entry: Entry, variant: str) -> Kept | None:
        """The one that holds this very content, expired or not; its key is used by that."""
        shelf = self._shelf(entry.key)
        if shelf is not None:
            for kept in shelf.found:
                if kept.variant == variant and kept.entry.content_id == entry.content_id:
                    self.by_key.move_to_end(entry.key)
                    return kept
        return None

    def put(self, entry: Entry, content: bytes, variant: str, now: float, *, content_id: str) -> bool:
        """Put it, under another ``content_id``, in the place of one with the same key and variant; whether it is there."""
        key, fields = entry.key, entry.fields
        head = _SEPARATOR.join(chain.from_iterable(fields))
        cost = _PER_ENTRY + len(content) + len(key) + len(entry.url) + _PER_FIELD * len(fields) + len(head)
        if entry.vary:
            cost += sum([_PER_FIELD + sum(map(len, filter(None, selecting))) for selecting in entry.vary])
        if cost > self._max_bytes:
            return False
        self.count += 1
        self.size += cost
        shelf = self._shelf(key) if key in self.by_key else None
        if shelf is None:
            packed = head if head.count(_SEPARATOR) == 2 * len(fields) - 1 else fields
            self.by_key[key] = (*entry[:6], packed, *entry[7:14], content_id, entry.coded, content, variant, cost)
            if self._targets is not None:
                self._targets.setdefault(target_of(key), {})[key] = None
            if self.count > self._max_entries or self.size > self._max_bytes:
                self._make_room(now)
            return True
        kept = Kept(entry._replace(content_id=content_id), content, variant, cost)
        self.by_key.move_to_end(key)
        self._account(shelf.change(variant, kept))
        if len(shelf.found) > MAX_VARIANTS:
            # Of those that came at one time, `surplus` leaves the first that it is given.
            for each in surplus([each.entry for each in reversed(shelf.found)]):
                self._drop(shelf, each.variant)
        self._make_room(now)
        return kept in shelf.found

    def remove(self, entry: Entry, variant: str) -> bool:
        """Remove the one that holds this very content; whether there was one."""
        shelf = self._shelf(entry.key)
        if shelf is None or self.get(entry, variant) is None:
            return False
        self._drop(shelf, variant)
        return True

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin with this. Of one target (see `target_prefix`) they are there at once."""
        targets = self._targets
        if targets is None:
            targets = self._targets = {}
            for key in self.by_key:
                targets.setdefault(target_of(key), {})[key] = None
        target = target_of(prefix)
        return [key for key in (targets.get(target, ()) if target else self.by_key) if key.startswith(prefix)]

    def _shelf(self, key: str) -> _Shelf | None:
        shelf = self.by_key.get(key)
        if isinstance(shelf, tuple):
            shelf = self.by_key[key] = _unpack(shelf)
        return shelf

    def _fits(self) -> bool:
        return self.count <= self._max_entries and self.size <= self._max_bytes

    def _make_room(self, now: float) -> None:
        if self._fits():
            return
        for key, shelf in list(islice(self.by_key.items(), _SWEPT)):
            expires = shelf[_EXPIRES] if isinstance(shelf, tuple) else shelf.expires
            if expires <= now and (full := self._shelf(key)) is not None:
                self._drop_expired(full, now)
        while not self._fits():
            key, oldest = next(iter(self.by_key.items()))
            if isinstance(oldest, tuple):
                self.count -= 1
                self.size -= oldest[-1]
                self._forget(key)
            else:
                self._drop(oldest, oldest.found[0].variant)

    def _drop_expired(self, shelf: _Shelf, now: float) -> None:
        for kept in shelf.found:
            if kept.entry.expires <= now:
                self._drop(shelf, kept.variant)

    def _drop(self, shelf: _Shelf, variant: str) -> None:
        self._account(shelf.change(variant))
        if not shelf.found:
            self._forget(shelf.key)

    def _account(self, taken: Kept | None) -> None:
        if taken is not None:
            self.count -= 1
            self.size -= taken.cost

    def _forget(self, key: str) -> None:
        del self.by_key[key]
        if self._targets is not None:
            target = target_of(key)
            del self._targets[target][key]
            if not self._targets[target]:
                del self._targets[target]
