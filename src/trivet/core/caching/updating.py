"""What a 304, or a response to HEAD, changes in a stored response (RFC 9111 §3.2, §4.3.4, §4.3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.core.caching.storing import fields_to_store
from trivet.core.caching.times import first_line, parse_date
from trivet.core.caching.validation import entity_tag
from trivet.core.caching.vary import selected, selecting_fields
from trivet.core.http.dates import format_http_date

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.http.headers import Headers
    from trivet.core.http.response import Response

# They say what the stored bytes are: how many, in which coding, which part, with which digest (RFC 9530 §2). The
# message that brings the update has other bytes, or none.
_OF_THE_STORED_BYTES: Final = ("Content-Length", "Content-Encoding", "Content-Range", "Content-Digest")


def updated_fields(stored_headers: Headers, new_headers: Headers) -> Headers:
    """Stored fields after an update: each new field replaces all stored lines of its name (RFC 9111 §3.2).

    Never updated are what describes the stored bytes (Content-Length, Content-Encoding, Content-Range,
    Content-Digest), and what is never stored, see `fields_to_store`. A weak ETag does not become strong, since it may
    be the compression of the stored bytes that made it weak. Everything else is updated, as the RFC wants it:
    Content-Type too.

    >>> from trivet.core.http.headers import Headers
    >>> stored = Headers({"Content-Length": "10", "Cache-Control": "max-age=1", "X-Test": "a"})
    >>> new = Headers({"Content-Length": "0", "Cache-Control": "max-age=9", "Connection": "close"})
    >>> list(updated_fields(stored, new).items())
    [('Content-Length', '10'), ('Cache-Control', 'max-age=9'), ('X-Test', 'a')]
    """
    new = fields_to_store(new_headers).without(*_OF_THE_STORED_BYTES)
    old_tag, new_tag = entity_tag(stored_headers), entity_tag(new)
    if old_tag is not None and old_tag.weak and new_tag is not None and not new_tag.weak:
        new = new.without("ETag")
    return stored_headers.updated(new)


def freshened(
    entry: Entry,
    response: Response,
    *,
    request_time: float,
    response_time: float,
    expires: float,
    request_headers: Headers | None = None,
) -> Entry:
    """The entry as a 304, or a response to HEAD that it `agrees` with, makes it: as good as one just received.

    The fields are updated and the times (Unix seconds) are the new ones. An Age that the response does not have goes
    away, and a Date that it does not have, or that is no date, is the time when it came (RFC 9110 §6.6.1), so that what
    was validated is not as old as it was before.

    With the ``request_headers`` that the response answers, the selecting fields are made anew from them and the updated
    Vary; its ``variant`` may be another one then, and it must be saved instead of updated. Without, they stay. All the
    rest stays.

    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.http.response import Response
    >>> fields = ((b"Age", b"70"), (b"Cache-Control", b"max-age=60"))
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, 1e9, 0, 0)
    >>> fresh = freshened(entry, Response(304), request_time=99.0, response_time=100.0, expires=1e9)
    >>> fresh.headers["Date"], "Age" in fresh.headers, fresh.response_time
    ('Thu, 01 Jan 1970 00:01:40 GMT', False, 100.0)
    """
    headers = updated_fields(entry.headers, response.headers)
    if "Age" not in response.headers:
        headers = headers.without("Age")
    if parse_date(first_line(response.headers, "Date"), response_time) is None:
        try:
            headers = headers.with_field("Date", format_http_date(response_time))
        except ValueError:
            # A clock beyond the year 9999. Without a Date the response was made when it came, too.
            headers = headers.without("Date")
    vary = entry.vary
    if request_headers is not None:
        names = selecting_fields(headers)
        vary = None if names is None else selected(request_headers, names)
    return entry._replace(
        fields=headers.lines, vary=vary, request_time=request_time, response_time=response_time, expires=expires
    )


def agrees(entry: Entry, response: Response) -> bool:
    """Whether a response to HEAD is about the representation that is stored (RFC 9111 §4.3.5).

    Its status is 200, and the ETag, Last-Modified and Content-Length that it has are those of the stored response, which
    it then freshens. Otherwise the stored response is out of date, and best removed: for stale use it is no good either,
    since its successor is known to be there.

    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.http.response import Response
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 0.0, 0.0, 1e9, 10, 0)
    >>> agrees(entry, Response(200, {"Content-Length": "10"})), agrees(entry, Response(200, {"ETag": '"new"'}))
    (True, False)
    """
    if response.status != 200 or entry.status not in (200, 206):
        return False
    headers = entry.headers
    for name in ("ETag", "Last-Modified"):
        value = response.headers.get(name)
        if value is not None and value != headers.get(name):
            return False
    length = response.headers.get("Content-Length")
    return length is None or length == _content_length(entry, headers)


def _content_length(entry: Entry, headers: Headers) -> str | None:
    """The Content-Length of the whole representation as the server sends it; None if that is not known."""
    if entry.part is not None:
        return None if entry.part.total is None else str(entry.part.total)
    length = headers.get("Content-Length")
    if length is None and (entry.coded or "Content-Encoding" not in headers):
        return str(entry.size)
    return length
