"""What `RedisStore` calls its keys, and what it keeps under them.

Behind the store's prefix, and with the version of the layout after the letter::

    e1:KEY      hash    the stored responses with a key: variant → value
    t1:TARGET   zset    the keys that begin with a target: the rest of each, by when the last of its entries is due
    c1:ID       string  a content that is too large to be part of a value

A value is a header of a fixed size and a record (`trivet.core.caching.record`), whose content may be missing::

    content id (32), "i" if the content is in the record or "x" if it is apart,
    due, came (16 digits each, milliseconds of Unix time), length of the record's head (8 digits)

The header repeats what the server's scripts need of the record, which has checksums: the two have to agree.

A target is what the keys of all users for one method and URL begin with, see `trivet.core.caching.keys`. To remove these
takes one look at the target. Other keys have the empty target, and are found by going through all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trivet.core.caching.keys import target_of
from trivet.core.caching.record import VERSION, CorruptEntry, dump_head, load_entry, load_head
from trivet.core.caching.stored import Stored

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry

__all__ = ["APART", "APART_FROM", "ID_LENGTH", "IN_RECORD", "NEVER", "Names"]
__all__ += ["dump_rest", "encode_text", "load_value", "milliseconds", "split_key"]

APART_FROM: Final = 256 * 1024 + 1
"""The size in bytes from which on a content is kept apart. It is part of the layout."""

ID_LENGTH: Final = 32
IN_RECORD: Final = b"i"
APART: Final = b"x"
NEVER: Final = 10**16 - 1
"""What stands for a time that never comes."""

_NUMBERS_AT: Final = ID_LENGTH + 1
_RECORD_AT: Final = _NUMBERS_AT + 16 + 16 + 8
_GLOB: Final = re.compile(rb"[*?\[\]\\]")


class Names:
    """The names of the keys of one store, as bytes."""

    __slots__ = ("_entries", "_prefix", "_targets", "contents")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self._entries = self._prefix + b"e%d:" % VERSION
        self._targets = self._prefix + b"t%d:" % VERSION
        self.contents = self._prefix + b"c%d:" % VERSION

    def entries(self, key: str) -> bytes:
        """Of the entries with a key."""
        return self._entries + encode_text(key)

    def target(self, target: str) -> bytes:
        """Of a target."""
        return self._targets + encode_text(target)

    def place(self, key: str) -> tuple[bytes, bytes, bytes]:
        """Of the entries with a key, of the target that knows of them, and by what it does."""
        target, member = split_key(key)
        return self.entries(key), self.target(target), encode_text(member)

    def content(self, content_id: str) -> bytes:
        """Of a content that is kept apart."""
        return self.contents + content_id.encode()

    def pattern(self, prefix: str) -> bytes:
        """What matches the names of the entries whose keys begin so, and no others."""
        return _escape(self._entries + encode_text(prefix)) + b"*"

    @property
    def everything(self) -> bytes:
        """What matches the names of all that the store ever wrote, and no others."""
        return _escape(self._prefix) + b"[etc]%d:*" % VERSION


def encode_text(text: str) -> bytes:
    """The bytes of a key. To ask for one that no text can have is no fault."""
    return text.encode("utf-8", "surrogatepass")


def _escape(name: bytes) -> bytes:
    return _GLOB.sub(rb"\\\g<0>", name)


def split_key(key: str) -> tuple[str, str]:
    """A key, or the beginning of one, as the target and what comes after it.

    >>> split_key("GET https://a.example/ 606628e8a440d18a610bf0a72bece8c9d08361eb -")
    ('GET https://a.example/ 606628e8a440d18a610bf0a72bece8c9d08361eb ', '-')
    >>> split_key("GET https://a.example/ ")
    ('', 'GET https://a.example/ ')
    """
    target = target_of(key)
    return target, key[len(target) :]


def milliseconds(seconds: float) -> int:
    """A time as the scripts compare it.

    >>> milliseconds(1.5), milliseconds(float("inf")), milliseconds(-1.0)
    (1500, 9999999999999999, 0)
    """
    return int(min(max(seconds * 1000.0, 0.0), NEVER))


def dump_rest(entry: Entry) -> bytes:
    """A value but for the id and kind before it and the content after it. Raises ValueError as `dump_head` does."""
    head = dump_head(entry)
    return _numbers(entry, len(head)) + head


def _numbers(entry: Entry, head_length: int) -> bytes:
    return b"%016d%016d%08d" % (milliseconds(entry.expires), milliseconds(entry.response_time), head_length)


def load_value(value: bytes, key: str) -> Stored | None:
    """The stored response in a value; None if it is damaged, or not one with this key."""
    kind, record = value[ID_LENGTH:_NUMBERS_AT], value[_RECORD_AT:]
    content: bytes | None = None
    head_length = len(record)
    try:
        if kind == IN_RECORD:
            entry, content = load_entry(record)
            head_length -= len(content)
        else:
            entry = load_head(record)
    except CorruptEntry:
        return None
    # Also a kind that is neither of the two.
    header = b"".join(
        (entry.content_id.encode(), APART if content is None else IN_RECORD, _numbers(entry, head_length))
    )
    return Stored(entry, content) if value.startswith(header) and entry.key == key else None
