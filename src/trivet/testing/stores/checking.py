"""What the checks of stores are made of."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import wraps
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zlib import crc32

from trivet.core.caching.entry import Entry, Selecting

if TYPE_CHECKING:
    from trivet.core.caching.store import Store
    from trivet.core.caching.stored import Stored

MakeStore: TypeAlias = "Callable[[], Store]"
Check: TypeAlias = "Callable[[MakeStore], None]"

KEY: Final = "GET https://api.example.com/users 0123 -"


# What a pattern of SQL, of a shell or of a regular expression would take for more than itself, and what is easily
# taken for the same.
TRICKY: Final = (
    *("a", "ab", "a%b", "a_b", "a*b", "a?b", "a[x]b", "a[^b]b", "a\\b", "a.b", "a'b", 'a"b', "a{b}", "a:b", "a/../b"),
    *("axb", "AXB", "a b", "a  b", " a", "a ", "a\tb", "\u00e9", "e\u0301", "\U0001f600", "x" * 200),
)


class Checks(list[Check]):
    """The checks of a module, in the order in which they stand there."""

    def of_one(self, body: Callable[[Store], None]) -> Check:
        """A check of one store."""

        @wraps(body)
        def check(make_store: MakeStore) -> None:
            store = make_store()
            try:
                store.clear()
                body(store)
            finally:
                store.close()

        self.append(check)
        return check

    def of_two(self, body: Callable[[Store, Store], None]) -> Check:
        """A check of two stores, which may or may not be on the same medium."""

        @wraps(body)
        def check(make_store: MakeStore) -> None:
            one, other = make_store(), make_store()
            try:
                one.clear()
                other.clear()
                body(one, other)
            finally:
                one.close()
                other.close()

        self.append(check)
        return check


def require(holds: bool, otherwise: str) -> None:
    """An assertion that is there under ``-O`` as well."""
    if not holds:
        raise AssertionError(otherwise)


def content_of(size: int, seed: int = 0) -> bytes:
    """Content in which any two pieces differ."""
    return random.Random(seed).randbytes(size)


def entry_for(
    content: bytes, key: str = KEY, *, vary: Selecting | None = (), url: str = "https://api.example.com/"
) -> Entry:
    """An entry that describes this content."""
    fields = ((b"Content-Type", b"text/plain"), (b"Cache-Control", b"max-age=60"))
    times = (1_700_000_000.25, 1_700_000_000.5, inf)
    return Entry(key, "GET", url, 200, "OK", "HTTP/1.1", fields, vary, *times, len(content), crc32(content))


def save(store: Store, content: bytes, key: str = KEY, **values: Any) -> Entry:
    """The entry of this content and with these values as it is found, after it was saved."""
    entry = entry_for(content, key)._replace(**values)
    require(store.save(entry, content), f"save() refused {entry!r} under the key {key!r}")
    for stored in store.find(key):
        if stored.entry.variant == entry.variant:
            return stored.entry
    raise AssertionError(f"find({key!r}) does not find what was saved just now")


def find(store: Store, key: str = KEY) -> Stored:
    """The only stored response with this key."""
    found = store.find(key)
    require(len(found) == 1, f"find({key!r}) found {len(found)} entries in the place of 1")
    return found[0]


def require_nothing(store: Store, why: str, key: str = KEY) -> None:
    """That nothing is found under the key."""
    require(not store.find(key), f"find({key!r}) handed out {why}")


def require_found(store: Store, entry: Entry, content: bytes) -> Entry:
    """That this entry alone is found under its key, value by value, with this content; as it was found."""
    stored = find(store, entry.key)
    require_same(stored.entry, entry)
    require_content(store, stored, content)
    return stored.entry


def require_same(found: Entry, saved: Entry) -> None:
    """That two entries are equal but for the ``content_id``, of which the first must have one."""
    require(found.content_id != "" and isinstance(found.content_id, str), f"the content_id is {found.content_id!r}")
    for name, value in saved._replace(content_id=found.content_id)._asdict().items():
        got = getattr(found, name)
        same = got == value and isinstance(got, type(value))
        require(same, f"{name} was saved as {value!r} and found as {got!r}")


def require_content(store: Store, stored: Stored, content: bytes) -> None:
    """That a stored response has this content."""
    got = read_whole(store, stored)
    if got != content:
        what = "nothing" if got is None else f"{len(got)} bytes that begin with {got[:20]!r}"
        raise AssertionError(f"{len(content)} bytes that begin with {content[:20]!r} were saved, and found was {what}")


def read_whole(store: Store, stored: Stored, size: int = 65_536) -> bytes | None:
    """The content, wherever it is; None if it is gone by now."""
    content = stored.content
    if content is not None:
        require(isinstance(content, bytes), f"the content is of the type {type(content).__name__}")
        return content
    pieces: list[bytes] = []
    offset = 0
    while piece := store.read(stored.entry, offset, size):
        require(isinstance(piece, bytes), f"read() returned an object of the type {type(piece).__name__}")
        require(len(piece) <= size, f"read() of {size} bytes returned {len(piece)}")
        pieces.append(piece)
        offset += len(piece)
        require(offset <= stored.entry.size, "read() goes on beyond the size of the content")
    return None if piece is None else b"".join(pieces)


def write(store: Store, entry: Entry, pieces: Iterable[bytes]) -> bool:
    """Write content in pieces; whether it was saved."""
    writer = store.writer()
    for piece in pieces:
        require(writer.write(piece), f"write() does not want the rest after a piece of {len(piece)} bytes")
    return writer.commit(entry)
