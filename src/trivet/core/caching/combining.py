"""Stored parts of one representation made into one (RFC 9111 §3.4, RFC 9110 §15.3.7.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.ranges import CONTENT_DIGESTS, can_slice, partial_headers, strong_etag
from trivet.core.caching.updating import updated_fields

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers


class _Piece(NamedTuple):
    """Content, and where in the representation it lies."""

    part: Part
    content: bytes

    def between(self, first: int, last: int) -> memoryview:
        start = self.part.first
        return memoryview(self.content)[first - start : last + 1 - start]


def combine(stored: Entry, content: bytes, new: Entry, new_content: bytes) -> tuple[Entry, bytes] | None:
    """One entry of a stored response and of one that came later, of which at least one is partial; None if that
    must not be, and the new one has to stand alone.

    Both must have the same strong ETag, and hold bytes that overlap or follow each other and do not contradict.
    The fields are the stored ones, updated by the new one's (RFC 9111 §3.2). Together they may be the whole
    representation: a complete 200. A new response that is complete itself replaces what was stored.

    Where nothing is gained by the new content, the stored ``content`` itself comes back, under its ``content_id``.

    >>> fields = ((b"ETag", b'"a"'), (b"Content-Range", b"bytes 0-4/10"))
    >>> stored = Entry(
    ...     *("k", "GET", "https://a.example/", 206, "Partial Content", "HTTP/1.1", fields),
    ...     *((), 9.0, 10.0, 70.0, 5, crc32(b"Hello"), Part(0, 4, 10)),
    ... )
    >>> new = stored._replace(fields=((b"ETag", b'"a"'),), crc=crc32(b"World"), part=Part(5, 9, 10))
    >>> combined = combine(stored, b"Hello", new, b"World")
    >>> combined
    (<Entry 200 GET https://a.example/, 10 bytes>, b'HelloWorld')
    """
    old_headers, new_headers = stored.headers, new.headers
    if not _of_one_representation(stored, old_headers, new, new_headers):
        return None
    old_piece, new_piece = _piece(stored, content), _piece(new, new_content)
    if old_piece is None or new_piece is None:
        return None
    if new.part is None:
        return new, new_content
    union = _union(old_piece, new_piece)
    if union is None:
        return None
    unchanged = union.content is content
    part: Part | None = union.part
    if part == Part(0, len(union.content) - 1, len(union.content)):
        part = None
    entry = stored._replace(
        http_version=new.http_version,
        fields=tuple(_fields(stored, old_headers, new_headers, part, len(union.content)).raw),
        vary=new.vary if "Vary" in new_headers else stored.vary,
        request_time=new.request_time,
        response_time=new.response_time,
        # What is kept too long is only a waste: freshness is the fields' to say.
        expires=max(stored.expires, new.expires),
        part=part,
    )
    if part is None and stored.part is not None:
        entry = entry._replace(status=200, reason="OK")
    if unchanged:
        return entry, content
    return entry._replace(size=len(union.content), crc=crc32(union.content), content_id=""), union.content


def _of_one_representation(stored: Entry, old_headers: Headers, new: Entry, new_headers: Headers) -> bool:
    """Whether the same strong validator says so, and nothing else says otherwise."""
    etag = strong_etag(old_headers)
    return (
        etag is not None
        and etag == strong_etag(new_headers)
        and stored.key == new.key
        and old_headers.get("Content-Encoding") == new_headers.get("Content-Encoding")
        and can_slice(stored)
        and can_slice(new)
    )


def _piece(entry: Entry, content: bytes) -> _Piece | None:
    """None unless it is a 200 that is whole or a 206 that says where it belongs, and the content fits."""
    part = entry.part
    if entry.status != (200 if part is None else 206) or len(content) != entry.size:
        return None
    if part is None:
        return _Piece(Part(0, len(content) - 1, len(content)), content)
    return _Piece(part, content) if part.sound and part.size == len(content) else None


def _union(old: _Piece, new: _Piece) -> _Piece | None:
    """Both as one; None if there is a gap between them, or if they contradict each other."""
    total = new.part.total if old.part.total is None else old.part.total
    first, last = min(old.part.first, new.part.first), max(old.part.last, new.part.last)
    if total is not None and (last >= total or new.part.total not in (None, total)):
        return None
    common_first, common_last = max(old.part.first, new.part.first), min(old.part.last, new.part.last)
    if common_first > common_last + 1:
        return None
    # A server that sends other bytes under the same strong validator has broken its promise (RFC 9110 §8.8.1).
    if old.between(common_first, common_last) != new.between(common_first, common_last):
        return None
    part = Part(first, last, total)
    for piece in (old, new):
        if piece.part[:2] == part[:2]:
            return _Piece(part, piece.content)
    before, after = (old, new) if old.part.first == first else (new, old)
    return _Piece(part, b"".join((before.content, after.between(before.part.last + 1, last))))


def _fields(stored: Entry, old: Headers, new: Headers, part: Part | None, size: int) -> Headers:
    """The stored fields, updated by the new ones and fit for this part, or for the whole."""
    # Age and Date go with the time at which their response came, which is the new one's from now on.
    fields = updated_fields(old.without("Age", "Date"), new.without(*CONTENT_DIGESTS))
    if part is not None:
        return partial_headers(fields, part)
    if stored.part is None:
        return fields
    return fields.without("Content-Range", *CONTENT_DIGESTS).with_field("Content-Length", str(size))
