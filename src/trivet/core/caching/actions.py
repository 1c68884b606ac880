"""What the cache asks of its driver: things to be done with a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from trivet.core.exchange.actions import StoreAction

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.store import Store, Writer
    from trivet.core.caching.stored import Stored

__all__ = [
    "ClearStore",
    "CloseStore",
    "CommitContent",
    "FindEntries",
    "OpenWriter",
    "ReadContent",
    "RemoveEntries",
    "RemoveEntry",
    "SaveEntry",
    "UpdateEntry",
    "WriteContent",
]


R = TypeVar("R")


class _OnStore(StoreAction[R]):
    """What all of them share."""

    __slots__ = ()

    store: Store

    @property
    def instant(self) -> bool:
        """Whether the store is."""
        return self.store.instant


@dataclass(frozen=True, slots=True)
class FindEntries(_OnStore["Sequence[Stored]"]):
    """Find the stored responses with a key."""

    store: Store
    key: str

    def perform(self) -> Sequence[Stored]:
        """`Store.find`."""
        return self.store.find(self.key)


@dataclass(frozen=True, slots=True)
class SaveEntry(_OnStore[bool]):
    """Save a response whose content is in memory."""

    store: Store
    entry: Entry
    content: bytes

    def perform(self) -> bool:
        """`Store.save`."""
        return self.store.save(self.entry, self.content)


@dataclass(frozen=True, slots=True)
class UpdateEntry(_OnStore[bool]):
    """Give a stored response another head."""

    store: Store
    entry: Entry

    def perform(self) -> bool:
        """`Store.update`."""
        return self.store.update(self.entry)


@dataclass(frozen=True, slots=True)
class RemoveEntry(_OnStore[bool]):
    """Remove one stored response."""

    store: Store
    entry: Entry

    def perform(self) -> bool:
        """`Store.remove`."""
        return self.store.remove(self.entry)


@dataclass(frozen=True, slots=True)
class RemoveEntries(_OnStore[int]):
    """Remove the stored responses whose keys begin with one of the prefixes and whose URLs match; how many it were."""

    store: Store
    prefixes: tuple[str, ...] = ("",)
    matches: Callable[[str], bool] | None = None

    def perform(self) -> int:
        """`Store.remove_where` for each prefix."""
        return sum(self.store.remove_where(prefix=prefix, matches=self.matches) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class ClearStore(_OnStore[None]):
    """Remove everything."""

    store: Store

    def perform(self) -> None:
        """`Store.clear`."""
        self.store.clear()


@dataclass(frozen=True, slots=True)
class CloseStore(_OnStore[None]):
    """Release what the store holds of the system."""

    store: Store

    def perform(self) -> None:
        """`Store.close`."""
        self.store.close()


@dataclass(frozen=True, slots=True)
class ReadContent(_OnStore["bytes | None"]):
    """Read a piece of large content."""

    store: Store
    entry: Entry
    offset: int
    size: int

    def perform(self) -> bytes | None:
        """`Store.read`."""
        return self.store.read(self.entry, self.offset, self.size)


@dataclass(frozen=True, slots=True)
class OpenWriter(_OnStore["Writer"]):
    """Begin to write large content."""

    store: Store

    def perform(self) -> Writer:
        """`Store.writer`."""
        return self.store.writer()


@dataclass(frozen=True, slots=True)
class WriteContent(_OnStore[bool]):
    """Write a piece of large content."""

    store: Store
    writer: Writer
    piece: bytes

    def perform(self) -> bool:
        """`Writer.write`."""
        return self.writer.write(self.piece)


@dataclass(frozen=True, slots=True)
class CommitContent(_OnStore[bool]):
    """Save the entry whose content was written in pieces."""

    store: Store
    writer: Writer
    entry: Entry

    def perform(self) -> bool:
        """`Writer.commit`."""
        return self.writer.commit(self.entry)
