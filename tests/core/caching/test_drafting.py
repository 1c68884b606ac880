"""Making entries: what is stored of a response (RFC 9111 §3.1), and how long it is of use."""

from __future__ import annotations

from zlib import crc32

import pytest

from core.caching.world import START, URL, date
from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.drafting import RETENTION, draft_entry, is_of_use, useful_until, without_private
from trivet.core.caching.entry import Entry, Part
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response


def drafted(
    fields: dict[str, str],
    *,
    asked: dict[str, str] | None = None,
    shared: bool = False,
    elapsed: float = 0.0,
    part: Part | None = None,
    body: object | None = None,
) -> Entry:
    response = Response(203, fields, b"one", reason="Perhaps", http_version="HTTP/2", body=body)
    response.elapsed = elapsed
    directives = ResponseDirectives.of(response.headers)
    request = Request("GET", f"{URL}?api_key=s3cret&page=2#top", asked or {})
    return draft_entry("k", request, response, directives, shared=shared, now=START, expires=START + 9, part=part)


@pytest.mark.parametrize(
    ("body", "size", "crc"), [(None, 3, crc32(b"one")), pytest.param(object(), 0, 0, id="still to be read")]
)
def test_what_an_entry_says(body: object | None, size: int, crc: int) -> None:
    part = Part(0, 2, 3)
    entry = drafted({"ETag": '"a"'}, elapsed=1.5, part=part, body=body)
    assert entry == Entry(
        *("k", "GET", f"{URL}?api_key=[redacted]&page=2", 203, "Perhaps", "HTTP/2", ((b"ETag", b'"a"'),), ()),
        request_time=START - 1.5,
        response_time=START,
        expires=START + 9,
        size=size,
        crc=crc,
        part=part,
    )


def test_fields_of_the_connection_are_not_stored() -> None:
    entry = drafted(
        {"Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "5", "Proxy-Authenticate": "x", "Age": "5"}
    )
    assert list(entry.headers.items()) == [("Age", "5")]


@pytest.mark.parametrize(
    ("cache_control", "shared", "names"),
    [
        ('private="Set-Cookie, x-user"', True, ["Cache-Control"]),
        ('private="Set-Cookie, x-user"', False, ["Cache-Control", "Set-Cookie", "X-User"]),
        ("private", False, ["Cache-Control", "Set-Cookie", "X-User"]),
        # Fields named in no-cache stay: they may be used once they are validated (RFC 9111 §5.2.2.4).
        ('no-cache="Set-Cookie"', True, ["Cache-Control", "Set-Cookie", "X-User"]),
    ],
)
def test_fields_for_one_user_are_not_stored_for_several(cache_control: str, shared: bool, names: list[str]) -> None:
    fields = {"Cache-Control": cache_control, "Set-Cookie": "a=b", "X-User": "ada"}
    entry = drafted(fields, shared=shared)
    assert list(entry.headers) == names
    directives = ResponseDirectives.of(entry.headers)
    assert list(without_private(Headers(fields), directives, shared=shared)) == names


@pytest.mark.parametrize(
    ("vary", "selecting"),
    [
        ({}, ()),
        ({"Vary": "Accept, X-None"}, (("accept", "text/html"), ("x-none", None))),
        ({"Vary": "accept-encoding"}, (("accept-encoding", "gzip, br"),)),
        ({"Vary": "*"}, None),
    ],
)
def test_which_fields_selected_it(vary: dict[str, str], selecting: object) -> None:
    assert drafted(vary, asked={"Accept": "text/html", "Accept-Encoding": "GZIP ,br"}).vary == selecting


DAY = 86_400


@pytest.mark.parametrize(
    ("cache_control", "lifetime", "seconds"),
    [
        ("", 0, RETENTION),
        ("", 60, RETENTION + 60),
        (f"stale-if-error={DAY}", 60, RETENTION + 60),
        (f"stale-if-error={30 * DAY}", 60, 30 * DAY + 60),
        (f"stale-while-revalidate={30 * DAY}", 60, 30 * DAY + 60),
        (f"stale-while-revalidate=9, stale-if-error={30 * DAY}", 0, 30 * DAY),
    ],
)
def test_how_long_it_is_of_use(cache_control: str, lifetime: float, seconds: float) -> None:
    directives = ResponseDirectives.of(Headers({"Cache-Control": cache_control}))
    assert useful_until(START, directives, lifetime) - START == seconds


@pytest.mark.parametrize(
    ("fields", "lifetime", "useful"),
    [
        ({}, 0.0, False),
        ({}, 0.5, True),
        ({"Cache-Control": "no-cache"}, 0.0, False),
        ({"Cache-Control": "stale-while-revalidate=0"}, 0.0, False),
        ({"Cache-Control": "stale-while-revalidate=1"}, 0.0, True),
        ({"Cache-Control": "stale-if-error=1"}, 0.0, True),
        ({"ETag": '"a"'}, 0.0, True),
        ({"Last-Modified": date(-9)}, 0.0, True),
    ],
)
def test_whether_storing_it_can_save_anything(fields: dict[str, str], lifetime: float, useful: bool) -> None:
    headers = Headers(fields)
    assert is_of_use(headers, ResponseDirectives.of(headers), lifetime=lifetime) is useful
