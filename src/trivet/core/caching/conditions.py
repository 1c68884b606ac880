"""The conditions that a caller's own request has, and the answer to them from the cache (RFC 9110 §13, RFC 9111 §4.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.core.caching.times import date_value, first_line, parse_date
from trivet.core.caching.validation import entity_tag, entity_tags

if TYPE_CHECKING:
    from trivet.core.caching.stored import Stored
    from trivet.core.http.headers import Headers

CONDITIONAL_FIELDS: Final = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
"""The fields that make a request conditional (RFC 9110 §13.1)."""

_CONDITIONAL: Final = frozenset(name.lower().encode() for name in CONDITIONAL_FIELDS)
_FOR_THE_SERVER: Final = _CONDITIONAL - {b"if-none-match", b"if-modified-since"}

# What describes content that a 304 does not have (RFC 9110 §15.4.5). Last-Modified stays: it tells what to update.
_OF_THE_CONTENT: Final = """
    content-digest content-encoding content-language content-length content-md5 content-range content-type digest
    repr-digest
""".split()


def has_conditions(headers: Headers) -> bool:
    """Whether a request with these fields is conditional.

    >>> from trivet.core.http.headers import Headers
    >>> has_conditions(Headers({"Accept": "*/*"})), has_conditions(Headers({"if-match": '"a"'}))
    (False, True)
    """
    return not _CONDITIONAL.isdisjoint([name.lower() for name, _ in headers.lines])


def answerable(headers: Headers) -> bool:
    """Whether the cache may evaluate the conditions of a request with these fields (RFC 9111 §4.3.2).

    That is so for If-None-Match and If-Modified-Since. If-Match and If-Unmodified-Since are about the current state of
    the resource, which only its server knows, and If-Range belongs to a range request.
    """
    return _FOR_THE_SERVER.isdisjoint([name.lower() for name, _ in headers.lines])


def not_modified(request_headers: Headers, stored: Stored) -> bool:
    """Whether a GET or HEAD with these fields is answered with 304 instead of a stored response that may be used.

    If-None-Match goes before If-Modified-Since, and compares weakly (RFC 9110 §13.1.2). The date of If-Modified-Since is
    compared with Last-Modified; in its absence with Date, or with the time when the response came (RFC 9111 §4.3.2).
    Conditions that are not well-formed do not hold, and for a status other than 2xx there are none (RFC 9110 §13.2.1).

    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.caching.stored import Stored
    >>> from trivet.core.http.headers import Headers
    >>> fields = ((b"ETag", b'"a"'),)
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, 1e9, 0, 0)
    >>> not_modified(Headers({"If-None-Match": 'W/"a", "b"'}), Stored(entry, b""))
    True
    """
    entry = stored.entry
    if not 200 <= entry.status < 300:
        return False
    wanted = request_headers.get("If-None-Match")
    if wanted is not None:
        if wanted == "*":
            return True
        tag = entity_tag(stored.headers)
        return tag is not None and any(map(tag.matches, entity_tags(wanted)))
    since = request_headers.get_all("If-Modified-Since")
    if len(since) != 1:
        return False
    date = parse_date(since[0], entry.response_time)
    if date is None:
        return False
    last_modified = first_line(stored.headers, "Last-Modified")
    if last_modified is None:
        return date_value(stored.headers, entry.response_time) <= date
    modified = parse_date(last_modified, entry.response_time)
    return modified is not None and modified <= date


def not_modified_headers(headers: Headers) -> Headers:
    """The fields of the 304 that stands for a response with these fields (RFC 9110 §15.4.5).

    What describes the content is left out: a 304 has none, and who asked has it already. The rest stays, validators
    and whatever else freshens what is stored somewhere among it.

    >>> from trivet.core.http.headers import Headers
    >>> list(not_modified_headers(Headers({"ETag": '"a"', "Content-Type": "text/html", "Vary": "Accept"})))
    ['ETag', 'Vary']
    """
    return headers.without(*_OF_THE_CONTENT)
