"""What a store is: where the cache keeps its entries. All that you write to bring another one.

A store keeps stored responses, each an `Entry` and its content, under the entry's ``key`` and ``variant``; it
decides nothing about HTTP. Its methods block, and are called from any number of threads at once. Under an
asynchronous driver they are called in a worker thread, unless the store says that it is ``instant``.

**Whole entries.** What `Store.find` hands out is an entry with the very content that it was saved with, whatever other
threads, processes and machines save, and whenever one of them is killed. What is torn, altered or of another format
is not handed out, and may be removed.

**Bounds.** A store is bounded, and lets go of what was not used for the longest time. It may let go of anything at any
time, and does of entries whose ``expires`` (Unix seconds) has come.

**Failures.** A store whose medium fails behaves as an empty one and warns once, with `StoreWarning`, rather than raise.
If it raises all the same, the cache takes it for a miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.stored import Stored


class StoreWarning(UserWarning):
    """A store does not work as it should: calls go on without it."""


class Store(Protocol):
    """A store. `trivet.testing` has a kit of tests that every store must pass."""

    @property
    def instant(self) -> bool:
        """Whether no method ever waits for anything but a lock that is held for microseconds."""
        ...

    @property
    def max_content(self) -> int:
        """The size in bytes of the largest content that it would keep."""
        ...

    def find(self, key: str) -> Sequence[Stored]:
        """The stored responses with exactly this key, in any order. Large content is left to `read`."""
        ...

    def save(self, entry: Entry, content: bytes) -> bool:
        """Keep an entry with its content, in the place of one with the same key and variant; whether it did.

        The store makes up a ``content_id`` for it that no other content ever had.
        """
        ...

    def writer(self) -> Writer:
        """Begin to write content in pieces; nothing is to be found before `Writer.commit`."""
        ...

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        """Up to ``size`` bytes of an entry's content from ``offset`` on, ``b""`` at its end; None if it is gone.

        ``entry`` is as `find` handed it out. Content that was replaced since may go on to be read for a while.
        """
        ...

    def update(self, entry: Entry) -> bool:
        """Keep another head for content that is there: whether there is still an entry with this ``key``, ``variant`` and
        ``content_id``, whose other values these now are."""
        ...

    def remove(self, entry: Entry) -> bool:
        """Remove this entry, found by ``key``, ``variant`` and ``content_id``; whether it was there."""
        ...

    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        """Remove all entries whose key begins with ``prefix`` and whose ``url`` ``matches``; how many there were."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def close(self) -> None:
        """Release what it holds of the system. Closing again does nothing; using it afterwards opens it again."""
        ...


class Writer(Protocol):
    """Content on its way into a store. One thread uses it at a time, not always the same."""

    def write(self, piece: bytes) -> bool:
        """Add a piece; whether the rest is still wanted."""
        ...

    def commit(self, entry: Entry) -> bool:
        """Save the entry with what was written, as `Store.save` does. If the entry describes other content (its
        ``size`` and ``crc``), nothing is saved."""
        ...

    def discard(self) -> None:
        """Forget what was written. It waits for nothing: what is to be cleaned up is cleaned up later."""
        ...
