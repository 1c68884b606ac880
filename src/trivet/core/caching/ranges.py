"""Range requests and a cache (RFC 9110 §14; RFC 9111 §3.3, §3.4): what is asked for, and what stored content has of it.

Nothing here raises, whatever is sent. A request for what is not understood is for the origin to answer.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.times import first_line, parse_date
from trivet.core.caching.validation import entity_tag

if TYPE_CHECKING:
    from trivet.core.caching.stored import Stored
    from trivet.core.http.headers import Headers

# Positions have at most 18 digits, since those of an entry must fit into 64 bits.
_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))", re.IGNORECASE)
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)

# RFC 9110 §8.8.2.2 asks for at least one second, and for more unless both times are known to be of one clock.
_STRONG_AFTER: Final = 60.0

# They are about the content of one message (RFC 9530 §2; RFC 1864), which another part is not.
CONTENT_DIGESTS: Final = ("Content-Digest", "Content-MD5")


class Unsupported(Enum):
    """The type of `UNSUPPORTED`. An enum with one member is what type checkers narrow with ``is``."""

    UNSUPPORTED = "UNSUPPORTED"

    def __repr__(self) -> str:
        return "UNSUPPORTED"


UNSUPPORTED: Final = Unsupported.UNSUPPORTED
"""A Range field that is not one range of bytes: several, another unit, or nonsense."""


class ByteRange(NamedTuple):
    """One range of bytes as asked for (RFC 9110 §14.1.2): from ``first`` to ``last``, both included.

    ``last`` is None for what goes to the end. With a ``suffix`` it is the last so many bytes, wherever they begin.
    """

    first: int
    last: int | None = None
    suffix: int | None = None


def byte_range(headers: Headers) -> ByteRange | Unsupported | None:
    """What the Range field of a request asks for; None without one, `UNSUPPORTED` for all but one range of bytes.

    >>> from trivet.core.http.headers import Headers
    >>> byte_range(Headers({"Range": "bytes=0-499"})), byte_range(Headers({"Range": "bytes=-500"}))
    (ByteRange(first=0, last=499, suffix=None), ByteRange(first=0, last=None, suffix=500))
    >>> byte_range(Headers({"Range": "bytes=0-0,-1"}))
    UNSUPPORTED
    """
    value = headers.get("Range")
    if value is None:
        return None
    match = _RANGE.fullmatch(value)
    if match is None:
        return UNSUPPORTED
    first, last, suffix = match.groups()
    if suffix is not None:
        return ByteRange(0, None, int(suffix))
    if last is None:
        return ByteRange(int(first))
    found = ByteRange(int(first), int(last))
    # RFC 9110 §14.1.2: the wrong way round, it is invalid.
    return found if found.first <= int(last) else UNSUPPORTED


def part_of(byte_range: ByteRange, total: int) -> Part | None:
    """Which part of ``total`` bytes the range is; None if it is unsatisfiable (RFC 9110 §14.1.2).

    >>> part_of(ByteRange(400, 999), 500), part_of(ByteRange(500), 500)
    (Part(first=400, last=499, total=500), None)
    """
    first, last, suffix = byte_range
    if suffix is not None:
        first = max(0, total - suffix)
    if first >= total:
        return None
    return Part(first, total - 1 if last is None else min(last, total - 1), total)


def content_range(headers: Headers) -> Part | None:
    """The part that the Content-Range of a 206 names (RFC 9110 §14.4); None if it is invalid or of another unit.

    >>> from trivet.core.http.headers import Headers
    >>> content_range(Headers({"Content-Range": "bytes 0-499/1234"}))
    Part(first=0, last=499, total=1234)
    >>> content_range(Headers({"Content-Range": "bytes 500-499/1234"})) is None
    True
    """
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        return None
    first, last, total = match.groups()
    part = Part(int(first), int(last), None if total is None else int(total))
    return part if part.sound else None


def strong_etag(headers: Headers) -> str | None:
    """The entity tag of a response if it has a strong one (RFC 9110 §8.8.3).

    >>> from trivet.core.http.headers import Headers
    >>> strong_etag(Headers({"ETag": '"a"'})), strong_etag(Headers({"ETag": 'W/"a"'}))
    ('"a"', None)
    """
    tag = entity_tag(headers)
    return None if tag is None or tag.weak else f'"{tag.opaque}"'


def if_range_holds(request_headers: Headers, stored: Stored) -> bool:
    """Whether If-Range lets the stored response be used for the Range (RFC 9110 §13.1.5): also if there is none.

    A tag must be strong and the same. A date must be the very text of Last-Modified, and that a strong validator:
    a minute older than the Date (RFC 9110 §8.8.2.2). If it does not hold, the Range field is to be ignored.
    """
    condition = request_headers.get("If-Range")
    if condition is None:
        return True
    headers = stored.headers
    if condition.startswith(('"', "W/")):
        return condition == strong_etag(headers)
    if condition != first_line(headers, "Last-Modified"):
        return False
    came = stored.entry.response_time
    modified, made = parse_date(condition, came), parse_date(first_line(headers, "Date"), came)
    return modified is not None and made is not None and made - modified >= _STRONG_AFTER


def can_slice(entry: Entry) -> bool:
    """Whether a range of the stored content is that range of the representation.

    It is not where content codings were removed: a range counts the bytes of the coded form (RFC 9110 §14.1.2).
    """
    return entry.coded or all(name.lower() != b"content-encoding" for name, _ in entry.fields)


def covers(entry: Entry, byte_range: ByteRange) -> Part | None:
    """The part of the representation that a stored response, complete or partial, can answer a range with.

    None if it has not got all of it, if that is not known, and for what is no 200 or 206: Range means nothing to
    other responses (RFC 9110 §14.2). None too if the range is unsatisfiable, which `part_of` tells.

    >>> entry = Entry(
    ...     "k", "GET", "https://a.example/", 206, "", "HTTP/1.1", (), (), 9.0, 10.0, 70.0, 5, 0, Part(5, 9, None)
    ... )
    >>> covers(entry, ByteRange(6, 8)), covers(entry, ByteRange(6))
    (Part(first=6, last=8, total=None), None)
    """
    held = entry.part
    if entry.status != (200 if held is None else 206) or not can_slice(entry):
        return None
    if held is None:
        return part_of(byte_range, entry.size)
    if held.total is not None:
        wanted = part_of(byte_range, held.total)
    elif byte_range.last is not None:
        wanted = Part(byte_range.first, byte_range.last, None)
    else:
        return None
    if wanted is None or wanted.first < held.first or wanted.last > held.last:
        return None
    return wanted


def offset_of(part: Part, entry: Entry) -> int:
    """Where a part that the entry `covers` begins in the entry's content.

    >>> entry = Entry(
    ...     "k", "GET", "https://a.example/", 206, "", "HTTP/1.1", (), (), 9.0, 10.0, 70.0, 5, 0, Part(5, 9, 10)
    ... )
    >>> offset_of(Part(6, 8, 10), entry)
    1
    """
    return part.first if entry.part is None else part.first - entry.part.first


def partial_headers(headers: Headers, part: Part) -> Headers:
    """The fields of a 206 with this part, made from those of a stored response (RFC 9110 §15.3.7).

    >>> from trivet.core.http.headers import Headers
    >>> dict(partial_headers(Headers({"ETag": '"a"', "Content-Length": "1234"}), Part(0, 499, 1234)).items())
    {'ETag': '"a"', 'Content-Length': '500', 'Content-Range': 'bytes 0-499/1234'}
    """
    total = "*" if part.total is None else part.total
    return headers.without(*CONTENT_DIGESTS).updated(
        {"Content-Length": str(part.size), "Content-Range": f"bytes {part.first}-{part.last}/{total}"}
    )
