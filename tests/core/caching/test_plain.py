"""The common case of storing, which is decided once: it must come to what the long way comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.caching.world import START, World, ok
from trivet.core.caching import plain
from trivet.core.caching.memo import MEMO_SIZE
from trivet.core.caching.plain import plain_lines, verdict_on
from trivet.core.http.headers import Headers
from trivet.core.http.response import Response

CONTROL = (b"Cache-Control", b"max-age=60")
ETAG = (b"ETag", b'"a"')


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([CONTROL], [CONTROL]),
        ([ETAG, CONTROL, ETAG], [ETAG, CONTROL, ETAG]),
        ([(b"connection", b"Keep-Alive"), CONTROL, (b"Keep-Alive", b"5")], [CONTROL]),
        ([(b"Connection", b"close"), (b"CONNECTION", b"CLOSE"), CONTROL], [CONTROL]),
        ([(b"Transfer-Encoding", b"chunked"), CONTROL, (b"Proxy-Authenticate", b"x")], [CONTROL]),
        # Whatever else may count is for the long way.
        ([ETAG], None),
        ([], None),
        ([CONTROL, CONTROL], None),
        ([(b"vary", b"Accept"), CONTROL], None),
        ([(b"Connection", b"X-Hop"), CONTROL], None),
        ([(b"Connection", b"close, X-Hop"), CONTROL], None),
        ([(b"X\nCache-Control", b"max-age=9")], None),
        ([(b"X\nY", b"1"), CONTROL], None),
        # Nor is anything long remembered.
        ([(b"X" * 100_000, b"1"), CONTROL], None),
        ([(b"Cache-Control", b"max-age=60," + b"x" * 100_000)], None),
    ],
)
def test_which_lines_are_plain(lines: list[tuple[bytes, bytes]], kept: list[tuple[bytes, bytes]] | None) -> None:
    assert plain_lines(tuple(lines)) == (None if kept is None else (tuple(kept), CONTROL[1]))


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        (b"max-age=60", "stored: max-age=60"),
        (b"private, max-age=60", "stored: max-age=60"),
        (b"no-cache, max-age=60", "stored: max-age=60"),
        (b"must-understand, no-store, max-age=60", "stored: max-age=60"),
        (b'no-cache="X", max-age=60', None),
        (b"no-store, max-age=60", None),
        (b"max-age=0", None),
        (b"max-age=x", None),
        (b"public", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_what_follows_from_a_cache_control(control: bytes, reason: str | None) -> None:
    verdict = verdict_on(control)
    assert (None if verdict is None else verdict.reason) == reason


fields = st.sampled_from(
    [
        *[("Cache-Control", value) for value in ("max-age=60", "max-age=0", "no-store", "private", 'no-cache="X"')],
        *[("Cache-Control", value) for value in ("max-age=5, no-cache", "max-age=5, stale-if-error=9999999", "public")],
        *[("Connection", value) for value in ("close", "keep-alive", "X", "close, ETag")],
        *[("Vary", "*"), ("Vary", "Accept"), ("X", "1"), ("Keep-Alive", "5"), ("ETag", '"a"'), ("Age", "99")],
        *[("Expires", "0"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Content-Encoding", "identity")],
    ]
)


@given(st.lists(fields, max_size=6))
def test_the_short_way_comes_to_what_the_long_way_comes_to(lines: list[tuple[str, str]]) -> None:
    # Of a stream nothing is known before its end: its way is the long one.
    short, long = World(Response(200, Headers(lines), b"one")), World(Response(200, Headers(lines), b"one"), pieces=9)
    short.get()
    response = long.stream()
    long.read(response)
    assert response.trace is not None
    assert short.events()[-1] == str(response.trace[-1])
    entries = [[each.entry._replace(content_id="", coded=False) for each in world.find()] for world in (short, long)]
    assert entries[0] == entries[1]


def test_a_request_that_is_not_to_be_stored_is_not_plain() -> None:
    world = World(ok())
    world.get({"Cache-Control": "no-store"})
    assert world.events()[-1] == "not stored: no-store in the request"
    assert world.find() == []


def test_when_it_goes() -> None:
    world = World(ok("max-age=60"))
    world.get()
    assert world.find()[0].entry.expires == START + 60 + 7 * 86_400


def test_only_so_many_shapes_are_remembered() -> None:
    for number in range(600):
        lines = ((b"X-%d" % number, b"1"), CONTROL)
        assert plain_lines(lines) == (lines, CONTROL[1])
    assert len(plain._shapes) <= MEMO_SIZE
