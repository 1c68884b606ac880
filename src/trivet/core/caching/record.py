"""Stored responses as bytes: a versioned format of plain data, read by lengths and never evaluated.

A record is a head, which is the entry, and the content after it; or the head alone, where a store keeps
contents apart::

    magic with the version, checksum of the head's rest   |
    length of the head, length of the texts               |
    flags, status                                         | numbers of a fixed size,
    size of the content, its CRC-32                       | least significant byte first
    request time, response time, expiry                   |
    first, last, total of a part                          |
    the texts, in UTF-8, with a line feed between any two
    the fields' names and values, with a line feed before each

No text and no field of a response holds a line feed (RFC 9110 §5.5), and an entry with one is not written. To split
at it takes half the time that a length for each would.

The head's checksum covers the content's: a head does not pass with another content.

A version is read by the code that writes it and by no other. To change the format is to change the version, and
what was written before becomes a miss.
"""

from __future__ import annotations

from math import isfinite, isnan
from struct import Struct
from struct import error as struct_error
from typing import Final
from zlib import crc32

from trivet.core.caching.entry import Entry, Part

__all__ = ["VERSION", "CorruptEntry", "dump_entry", "dump_head", "load_entry", "load_head"]

VERSION: Final = 1

_MAGIC: Final = b"TvC" + bytes([VERSION])
_START: Final = Struct("<4sI")
_NUMBERS: Final = Struct("<IIBHQIdddQQQ")
# Both of them in one.
_HEAD: Final = Struct("<4sIIIBHQIdddQQQ")
_COVERED_AT: Final = _START.size
_TEXTS_AT: Final = _HEAD.size

_PARTIAL: Final = 1
_TOTAL_KNOWN: Final = 2
_VARY_ALL: Final = 4
_CODED: Final = 8
_FLAGS: Final = _PARTIAL | _TOTAL_KNOWN | _VARY_ALL | _CODED

# key, method, url, reason, http_version, content_id
_TEXTS: Final = 6
# Before a selecting field's value, so that an empty one is told from none at all.
_PRESENT: Final = "="


class CorruptEntry(ValueError):
    """These bytes are no entry: torn, altered, of another version, or never one."""


def dump_entry(entry: Entry, content: bytes) -> bytes:
    """An entry and its content as one record.

    Raises ValueError if the content is not the one that the entry describes, or see `dump_head`.

    >>> from zlib import crc32
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, 70.0, 2, crc32(b"hi"))
    >>> load_entry(dump_entry(entry, b"hi")) == (entry, b"hi")
    True
    """
    if not entry.describes(content):
        raise ValueError("the content is not the one that the entry describes")
    return dump_head(entry) + content


def load_entry(data: bytes) -> tuple[Entry, bytes]:
    """The entry and the content that a record holds. Raises `CorruptEntry`, and nothing else.

    >>> load_entry(b"TvCE, once")
    Traceback (most recent call last):
    trivet.core.caching.record.CorruptEntry: shorter than the head of an entry
    """
    entry, end = _load(data)
    content = data[end:]
    if len(content) != entry.size or crc32(content) != entry.crc:
        raise CorruptEntry("the content is not the one that the entry describes")
    return entry, content


def dump_head(entry: Entry) -> bytes:
    """An entry alone, for stores that keep its content apart.

    Raises ValueError for an entry that does not fit the format: a number out of range, a line feed or a lone
    surrogate in a text, a part that is none or not of the content's size.
    """
    if not _possible(entry.status, entry.request_time, entry.response_time, entry.expires):
        raise ValueError("the entry has a status or a time that cannot be")
    flags, *part = _dump_part(entry)
    texts = [entry.key, entry.method, entry.url, entry.reason, entry.http_version, entry.content_id]
    if entry.coded:
        flags |= _CODED
    if entry.vary is None:
        flags |= _VARY_ALL
    else:
        for name, value in entry.vary:
            texts += (name, "" if value is None else _PRESENT + value)
    pieces = [b""]
    for line in entry.fields:
        pieces += line
    text = "\n".join(texts).encode()
    fields = b"\n".join(pieces)
    if text.count(b"\n") >= len(texts) or fields.count(b"\n") >= len(pieces):
        raise ValueError("the entry has a line feed in a text or a field")
    try:
        numbers = _NUMBERS.pack(
            *(_TEXTS_AT + len(text) + len(fields), len(text), flags, entry.status, entry.size, entry.crc),
            *(entry.request_time, entry.response_time, entry.expires),
            *part,
        )
    except struct_error as error:
        raise ValueError(f"the entry does not fit the format: {error}") from None
    covered = b"".join((numbers, text, fields))
    return _START.pack(_MAGIC, crc32(covered)) + covered


def load_head(data: bytes) -> Entry:
    """The entry that `dump_head` wrote. Raises `CorruptEntry`, and nothing else."""
    entry, end = _load(data)
    if end != len(data):
        raise CorruptEntry("longer than the head of an entry")
    return entry


def _load(data: bytes) -> tuple[Entry, int]:
    """The entry at the beginning of these bytes, and where its head ends."""
    # A damaged database may have anything in the place of bytes.
    if not isinstance(data, bytes) or len(data) < _TEXTS_AT:
        raise CorruptEntry("shorter than the head of an entry")
    numbers = _HEAD.unpack_from(data)
    magic, checksum, end, text_length, flags, status, size, crc, sent, came, expires, first, last, total = numbers
    if magic != _MAGIC:
        raise CorruptEntry("not an entry of this version")
    if end > len(data) or checksum != crc32(data[_COVERED_AT:end]):
        raise CorruptEntry("cut off or altered")
    # Whatever is still wrong was wrong when the checksum was computed.
    fields_at = _TEXTS_AT + text_length
    if fields_at > end or flags & ~_FLAGS or not _possible(status, sent, came, expires):
        raise CorruptEntry("its numbers cannot be those of an entry")
    try:
        texts = data[_TEXTS_AT:fields_at].decode().split("\n")
    except UnicodeDecodeError:
        raise CorruptEntry("its texts are not UTF-8") from None
    pieces = data[fields_at:end].split(b"\n")
    if len(texts) < _TEXTS or len(texts) % 2 or pieces[0] or not len(pieces) % 2:
        raise CorruptEntry("its texts or its fields are not as many as they must be")
    key, method, url, reason, http_version, content_id, *selecting = texts
    values = [value[1:] if value else None for value in selecting[1::2]]
    entry = Entry(
        *(key, method, url, status, reason, http_version),
        tuple(zip(pieces[1::2], pieces[2::2], strict=True)),
        None if flags & _VARY_ALL else tuple(zip(selecting[::2], values, strict=True)),
        *(sent, came, expires, size, crc),
        _load_part(size, first, last, total if flags & _TOTAL_KNOWN else None) if flags & _PARTIAL else None,
        content_id,
        bool(flags & _CODED),
    )
    return entry, end


def _possible(status: int, sent: float, came: float, expires: float) -> bool:
    return 100 <= status <= 999 and isfinite(sent) and isfinite(came) and not isnan(expires)


def _dump_part(entry: Entry) -> tuple[int, int, int, int]:
    """Flags, first, last, total."""
    part = entry.part
    if part is None:
        return 0, 0, 0, 0
    if not part.sound or part.size != entry.size:
        raise ValueError("the entry's part is none, or not of the size of its content")
    if part.total is None:
        return _PARTIAL, part.first, part.last, 0
    return _PARTIAL | _TOTAL_KNOWN, part.first, part.last, part.total


def _load_part(size: int, first: int, last: int, total: int | None) -> Part:
    part = Part(first, last, total)
    if not part.sound or part.size != size:
        raise CorruptEntry("its part is none, or not of the size of its content")
    return part
