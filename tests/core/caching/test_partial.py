"""Ranges: parts of what is stored, and parts that are stored (RFC 9111 §3.3, §3.4; RFC 9110 §14)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from core.caching.world import START, URL, BlockingStore, PieceByPiece, World, date, ok, partial_content
from trivet.core.caching.entry import Entry
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.core.caching.validation import MAX_TAGS_LENGTH
from trivet.core.errors import ConnectError, ReadError
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

CONTENT = b"0123456789"
VALIDATED = {"ETag": '"a"', "Last_Modified": date(-1000)}
DATED = {**VALIDATED, "Date": date()}


def asking(range_: str, **conditions: str) -> dict[str, str]:
    return {"Range": f"bytes={range_}", **{name.replace("_", "-"): value for name, value in conditions.items()}}


def origin(request: Request) -> Response:
    """A server of ten bytes that knows ranges and If-Range."""
    range_ = request.headers.get("Range", "")
    if not range_ or request.headers.get("If-Range", '"a"') != '"a"':
        return ok(content=CONTENT, Content_Length="10", **VALIDATED)
    first, _, last = range_.removeprefix("bytes=").partition("-")
    start, stop = int(first or 0), min(int(last or 9), 9) + 1
    return part(start, stop)


def part(start: int, stop: int, total: str = "10", **fields: str) -> Response:
    """The 206 with these bytes."""
    fields = {**VALIDATED, "Content_Length": f"{stop - start}", **fields}
    return partial_content(start, CONTENT[start:stop], total, **fields)


def complete_world(*more: Any, **options: Any) -> World:
    """A world in which all ten bytes are stored."""
    world = World(ok(content=CONTENT, Content_Length="10", **DATED), *more or [origin], **options)
    world.get()
    world.performed.clear()
    return world


def partial_world(first: Response, *more: Any, **options: Any) -> World:
    """A world in which a part is stored."""
    world = World(first, *more or [origin], **options)
    world.get(asking("0-1"))
    assert [each.entry.part is None for each in world.find()] == [False]
    world.performed.clear()
    return world


# Parts of what is complete.


@pytest.mark.parametrize("make_store", [None, PieceByPiece])
@pytest.mark.parametrize(
    ("range_", "content", "content_range"),
    [
        ("0-1", b"01", "bytes 0-1/10"),
        ("2-4", b"234", "bytes 2-4/10"),
        ("8-", b"89", "bytes 8-9/10"),
        ("8-99", b"89", "bytes 8-9/10"),
        ("-3", b"789", "bytes 7-9/10"),
        ("-99", CONTENT, "bytes 0-9/10"),
        ("0-", CONTENT, "bytes 0-9/10"),
    ],
)
def test_a_part_of_what_is_complete(range_: str, content: bytes, content_range: str, make_store: Any) -> None:
    world = complete_world(store=make_store and make_store())
    world.later(12)
    response = world.get(asking(range_))
    assert (response.status, response.reason, response.content) == (206, "Partial Content", content)
    assert dict(response.headers.items()) == {
        **{name.replace("_", "-"): value for name, value in DATED.items()},
        "Cache-Control": "max-age=60",
        "Age": "12",
        "Content-Range": content_range,
        "Content-Length": str(len(content)),
    }
    assert (response.cache_status, len(world.requests)) == ("trivet; hit; ttl=48", 1)
    assert world.events() == [f"cache hit: GET {URL} (fresh: max-age=60, 12 s old)"]


@pytest.mark.parametrize("range_", ["bytes=0-1,3-4", "lines=0-1", "nonsense", "bytes=10-", "bytes=4-2"])
def test_other_ranges_are_for_the_server(range_: str) -> None:
    world = complete_world(Response(416))
    response = world.get({"Range": range_})
    assert (response.status, response.cache_status) == (416, "trivet; fwd=partial")
    assert dict(world.requests[1].headers.items()) == {"Range": range_}
    assert world.events() == ["cache miss: the part that was asked for is not stored", "not stored: status 416"]
    assert world.get().from_cache


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"a"', 206),
        (date(-1000), 206),
        ('"b"', 200),
        ('W/"a"', 200),
        (date(-999), 200),
        ("nonsense", 200),
    ],
)
def test_if_range(condition: str, status: int) -> None:
    response = complete_world().get(asking("2-4", If_Range=condition))
    assert (response.status, response.from_cache) == (status, True)
    assert response.content == (b"234" if status == 206 else CONTENT)
    assert ("Content-Range" in response.headers) is (status == 206)


@pytest.mark.parametrize(
    ("answer", "status"), [(Response(404, {"Cache-Control": "max-age=60"}, b"none"), 404), (ok(), 206)]
)
def test_a_range_means_nothing_to_what_is_no_200(answer: Response, status: int) -> None:
    world = World(answer)
    world.get()
    response = world.get(asking("0-1"))
    assert (response.status, response.from_cache) == (status, True)
    assert response.content == (b"none" if status == 404 else b"on")


@pytest.mark.parametrize("conditions", [{"If_None_Match": '"a"'}, {"If_Match": '"a"'}, {"If_Modified_Since": date()}])
def test_with_other_conditions_it_is_for_the_server(conditions: dict[str, str]) -> None:
    world = complete_world(Response(304))
    asked = asking("2-4", **conditions)
    assert world.get(asked).cache_status == "trivet; fwd=request"
    assert world.requests[1].headers == Headers(asked)
    assert world.events()[0] == "cache miss: its conditions are for the server"


def test_head_asks_for_no_part() -> None:
    response = complete_world().head(asking("2-4"))
    assert (response.status, response.headers["Content-Length"]) == (200, "10")


def test_a_stale_part_may_be_used_as_what_is_whole_may() -> None:
    world = World(ok("max-age=60, stale-while-revalidate=30", CONTENT, **VALIDATED), Response(304, {"ETag": '"a"'}))
    world.get()
    world.later(72)
    assert world.get(asking("2-4")).content == b"234"
    assert world.in_background() == [None]
    # What is validated is the whole, so that the answer helps every request.
    assert world.get(asking("2-4")).cache_status == "trivet; hit; ttl=60"


@pytest.mark.parametrize("streaming", [True, False])
def test_a_part_of_what_is_stale_is_asked_for_and_freshens_the_whole(streaming: bool) -> None:
    world = complete_world()
    world.later(72)
    response = world.stream(asking("2-4")) if streaming else world.get(asking("2-4"))
    assert (world.read(response), response.cache_status) == (b"234", "trivet; fwd=stale; stored")
    assert dict(world.requests[1].headers.items()) == asking("2-4")
    world.later(12)
    hit = world.get()
    assert (hit.content, hit.headers["Content-Length"], hit.from_cache) == (CONTENT, "10", True)
    assert "Content-Range" not in hit.headers


def test_a_part_of_another_representation_replaces_the_whole() -> None:
    world = complete_world(part(2, 5, ETag='"b"'))
    world.later(72)
    world.get(asking("2-4"))
    assert [(each.content, each.entry.part) for each in world.find()] == [(b"234", (2, 4, 10))]


def test_without_an_answer_there_is_no_part() -> None:
    world = complete_world(ConnectError("refused", sent=False))
    world.later(72)
    with pytest.raises(ConnectError):
        world.get(asking("2-4"))


def test_a_part_that_cannot_be_read_any_more_is_asked_for() -> None:
    world = complete_world(store=PieceByPiece(damage=lambda data: None))
    response = world.get(asking("2-4"))
    assert (response.content, response.cache_status) == (b"234", "trivet; fwd=miss; stored")


# Content codings.

CODED = zlib.compress(CONTENT)


def coded_world(streaming: bool) -> World:
    """A world in which a coded response is stored: as it came, or decoded."""
    answer = ok(content=CODED, Content_Encoding="deflate", ETag='"a"')
    world = World(answer, Response(206, {"Content-Range": f"bytes 0-1/{len(CODED)}"}, CODED[:2]), pieces=64)
    world.read(world.stream()) if streaming else world.get()
    return world


@pytest.mark.parametrize("coded", [True, False])
def test_a_part_of_coded_content_cannot_be_decoded_so_it_is_for_the_server(coded: bool) -> None:
    world = coded_world(coded)
    assert world.get(asking("0-1")).cache_status == "trivet; fwd=partial"
    # It is not damaged either.
    assert [each.entry.coded for each in world.find()] == [coded]


def test_a_part_of_coded_content_as_it_came() -> None:
    world = coded_world(streaming=True)
    response = world.stream(asking("2-4"))
    assert (response.status, response.headers["Content-Range"]) == (206, f"bytes 2-4/{len(CODED)}")
    assert (world.read(response), len(world.requests)) == (CODED[2:5], 1)


def test_a_stream_of_decoded_content_has_no_parts_of_the_coded_form() -> None:
    assert coded_world(streaming=False).stream(asking("2-4")).cache_status == "trivet; fwd=partial"


# Parts that are stored.


@pytest.mark.parametrize(
    ("stored", "range_", "content", "content_range"),
    [
        (part(2, 6), "2-5", b"2345", "bytes 2-5/10"),
        (part(2, 6), "3-4", b"34", "bytes 3-4/10"),
        (part(8, 10), "8-", b"89", "bytes 8-9/10"),
        (part(8, 10), "-2", b"89", "bytes 8-9/10"),
        (part(8, 10), "9-99", b"9", "bytes 9-9/10"),
        (part(2, 6, "*"), "3-4", b"34", "bytes 3-4/*"),
    ],
)
def test_a_part_of_a_part(stored: Response, range_: str, content: bytes, content_range: str) -> None:
    response = partial_world(stored).get(asking(range_))
    assert (response.status, response.content, response.from_cache) == (206, content, True)
    assert (response.headers["Content-Range"], response.headers["Content-Length"]) == (content_range, str(len(content)))
    assert response.cache_status == "trivet; hit; ttl=60"


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (part(2, 6), asking("0-3")),
        (part(2, 6), asking("5-6")),
        (part(2, 6), asking("-2")),
        (part(2, 6, "*"), asking("3-")),
        (part(2, 6), asking("3-4", If_Range='"b"')),
    ],
)
def test_a_part_that_is_not_stored_is_asked_for(stored: Response, asked: dict[str, str]) -> None:
    world = partial_world(stored)
    response = world.get(asked)
    assert response.cache_status == "trivet; fwd=partial; stored"
    assert world.requests[1].headers == Headers(asked)
    assert world.events()[0] == "cache miss: the part that was asked for is not stored"


@pytest.mark.parametrize("streaming", [True, False])
def test_parts_become_one(streaming: bool) -> None:
    world = partial_world(part(0, 4), pieces=3 if streaming else 0)
    response = world.stream(asking("4-6")) if streaming else world.get(asking("4-6"))
    assert world.read(response) == b"456"
    assert world.get(asking("2-5")).content == b"2345"
    assert world.get(asking("7-")).content == b"789"
    # Now all of it is there.
    whole = world.get()
    assert (whole.status, whole.reason, whole.content, whole.from_cache) == (200, "OK", CONTENT, True)
    assert (whole.headers["Content-Length"], "Content-Range" in whole.headers) == ("10", False)
    assert len(world.requests) == 3


def test_parts_that_do_not_belong_together_replace_each_other() -> None:
    world = partial_world(part(0, 4), part(6, 8), part(0, 2, ETag='"b"'))
    world.get(asking("6-7"))
    assert [each.entry.part for each in world.find()] == [(6, 7, 10)]
    world.get(asking("0-1"))
    assert [each.entry.part for each in world.find()] == [(0, 1, 10)]


def test_a_large_part_is_not_combined() -> None:
    world = partial_world(part(0, 4), store=PieceByPiece())
    world.get(asking("4-6"))
    assert [each.entry.part for each in world.find()] == [(4, 6, 10)]


def test_the_whole_replaces_a_part() -> None:
    world = partial_world(part(0, 4), ok(content=CONTENT, **VALIDATED))
    assert world.get(asking("4-6", If_Range='"b"')).status == 200
    assert world.get().from_cache


# The rest.


@pytest.mark.parametrize("streaming", [True, False])
def test_the_whole_is_completed_with_the_rest(streaming: bool) -> None:
    world = partial_world(part(0, 4), pieces=3 if streaming else 0)
    world.later(12)
    response = world.stream() if streaming else world.get()
    assert (response.status, world.read(response), response.headers["Content-Length"]) == (200, CONTENT, "10")
    assert dict(world.requests[1].headers.items()) == {"Range": "bytes=4-", "If-Range": '"a"'}
    assert response.cache_status == "trivet; fwd=partial; fwd-status=206; stored"
    assert (response.from_cache, world.open) == (True, {})
    assert response.trace is not None
    assert str(response.trace[0]) == "cache miss: only a part is stored, the rest is asked for"
    assert str(response.trace[-1]) == "stored: complete now"
    assert world.get().cache_status == "trivet; hit; ttl=60"


class Small(BlockingStore):
    """Takes parts only."""

    def save(self, entry: Entry, content: bytes) -> bool:
        return entry.part is not None and super().save(entry, content)


@pytest.mark.parametrize(("make_store", "failing"), [(BlockingStore, ["SaveEntry"]), (Small, [])])
def test_a_store_that_does_not_take_the_whole_fails_no_call(make_store: Any, failing: list[str]) -> None:
    world = partial_world(part(0, 4), store=make_store(clock=lambda: START))
    world.failing = failing
    response = world.get()
    assert (response.content, response.cache_status) == (CONTENT, "trivet; fwd=partial; fwd-status=206")


@pytest.mark.parametrize(
    ("answer", "status", "cache_status"),
    [
        (ok(content=b"other", ETag='"b"'), 200, "trivet; fwd=partial; stored"),
        (Response(503), 503, "trivet; fwd=partial"),
        (Response(404), 404, "trivet; fwd=partial"),
    ],
)
def test_what_comes_in_the_place_of_the_rest_is_the_answer(answer: Response, status: int, cache_status: str) -> None:
    response = partial_world(part(0, 4), answer).get()
    assert (response.status, response.content) == (status, answer.content)
    assert (response.from_cache, response.cache_status) == (False, cache_status)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(416, {}, b"no such part"), id="416"),
        pytest.param(part(4, 9), id="not all of it"),
        pytest.param(part(5, 10), id="a gap"),
        pytest.param(part(4, 10, ETag='"b"'), id="another tag"),
        pytest.param(part(4, 10, Cache_Control="no-store"), id="no-store"),
        pytest.param(part(4, 10, Content_Range="bytes 4-8/10"), id="another size"),
        pytest.param(part(4, 10, Content_Range="nonsense"), id="no range"),
    ],
)
@pytest.mark.parametrize("pieces", [0, 3])
def test_what_is_not_the_rest_is_no_answer(answer: Response, pieces: int) -> None:
    world = partial_world(part(0, 4), answer, origin, pieces=pieces)
    response = world.get()
    assert (response.status, response.content) == (200, CONTENT)
    assert response.cache_status == "trivet; fwd=partial; stored"
    assert world.requests[2].headers == Headers()
    assert world.events() == [
        "cache miss: only a part is stored, the rest is asked for",
        "cache miss: what came is not the rest of what is stored",
        "stored: max-age=60",
    ]


@pytest.mark.parametrize(
    ("stored", "options"),
    [
        pytest.param(part(2, 10), {}, id="not from the beginning"),
        pytest.param(part(0, 4, "*"), {}, id="of unknown length"),
        pytest.param(part(0, 4, ETag='W/"a"'), {}, id="a weak tag"),
        pytest.param(part(0, 4, ETag=f'"{"a" * MAX_TAGS_LENGTH}"'), {}, id="a tag that no server would read"),
        pytest.param(part(0, 4), {"store": PieceByPiece()}, id="large"),
    ],
)
def test_where_the_rest_would_be_of_no_use_the_whole_is_asked_for(stored: Response, options: dict[str, Any]) -> None:
    world = partial_world(stored, **options)
    response = world.get()
    assert (response.content, response.cache_status) == (CONTENT, "trivet; fwd=partial; stored")
    assert world.requests[1].headers == Headers()
    assert world.events() == ["cache miss: only a part is stored", "stored: max-age=60"]


@pytest.mark.parametrize("conditions", [{"If-None-Match": '"a"'}, {"If-Match": '"a"'}])
def test_conditions_are_forwarded_as_they_are(conditions: dict[str, str]) -> None:
    world = partial_world(part(0, 4), Response(304, {"ETag": '"a"'}))
    assert world.get(conditions).status == 304
    assert world.requests[1].headers == Headers(conditions)


def test_a_stale_part_is_not_completed() -> None:
    world = partial_world(part(0, 4))
    world.later(72)
    assert world.get().content == CONTENT
    assert world.requests[1].headers == Headers()


def test_a_part_is_not_what_only_if_cached_asks_for() -> None:
    world = partial_world(part(0, 4))
    response = world.get({"Cache-Control": "only-if-cached"})
    assert (response.status, len(world.requests)) == (504, 1)
    assert world.get({"Cache-Control": "only-if-cached", **asking("1-2")}).content == b"12"


def test_head_is_not_answered_with_a_part() -> None:
    world = partial_world(part(0, 4))
    assert world.head().cache_status == "trivet; fwd=partial"
    assert world.requests[1].headers == Headers()
    assert len(world.find()) == 1


@pytest.mark.parametrize(
    ("total", "streaming", "completed"),
    [(IN_MEMORY, True, True), (IN_MEMORY + 1, True, False), (IN_MEMORY + 1, False, True)],
)
def test_the_rest_of_a_long_stream_is_not_held_in_memory(total: int, streaming: bool, completed: bool) -> None:
    rest = partial_content(4, bytes(total - 4), total)
    world = World(part(0, 4, str(total)), rest if completed else ok(content=bytes(total), ETag='"a"'), pieces=total)
    world.get(asking("0-3"))
    response = world.stream() if streaming else world.get()
    assert len(world.read(response)) == total
    assert ("Range" in world.requests[1].headers) is completed


def test_a_416_for_the_rest_costs_no_connection() -> None:
    world = partial_world(part(0, 4), Response(416, {}, b"no such part"), origin, pieces=3)
    assert (world.read(world.stream()), world.open, world.closed) == (CONTENT, {}, 0)


def test_the_rest_may_break_off() -> None:
    world = partial_world(part(0, 4), pieces=3)
    world.broken = ReadError("cut off", sent=True)
    with pytest.raises(ReadError):
        world.stream()
    assert [each.entry.part for each in world.find()] == [(0, 3, 10)]
