"""GET and HEAD on their way through the cache (RFC 9111 §4): what is answered from it, what is not, and why."""

from __future__ import annotations

from typing import Any

import pytest

from core.caching.world import URL, BrokenStore, PieceByPiece, World, date, memory, ok
from trivet.core.errors import ReadError, ResponseTooLarge
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import Limits
from trivet.core.policies.pipeline import Pipeline

VALIDATED = {"ETag": '"a"', "Last_Modified": date(-1000)}
GET = f"cache hit: GET {URL} "


def asking(cache_control: str) -> dict[str, str]:
    return {"Cache-Control": cache_control} if cache_control else {}


# Hits.


@pytest.mark.parametrize(
    ("answer", "later", "asked", "reason", "ttl"),
    [
        (ok(), 0, "", "fresh: max-age=60, 0 s old", 60),
        (ok(), 12, "", "fresh: max-age=60, 12 s old", 48),
        (ok(), 59.9, "", "fresh: max-age=60, 59 s old", 0),
        (ok(Age="10"), 12, "", "fresh: max-age=60, 22 s old", 38),
        (ok("", Expires=date(90)), 30, "", "fresh: Expires, 30 s old", 60),
        (ok("", Last_Modified=date(-1000)), 30, "", "fresh: heuristic (10 % of 17 minutes), 30 s old", 70),
        (ok("max-age=60, immutable"), 12, "max-age=0", "fresh: max-age=60, 12 s old", 48),
        (ok(), 12, "max-age=12", "fresh: max-age=60, 12 s old", 48),
        (ok(), 12, "min-fresh=48", "fresh: max-age=60, 12 s old", 48),
        (ok(), 72, "max-stale", "stale by 12 s (max-age=60), max-stale in the request", -12),
        (ok(), 72, "max-stale=12", "stale by 12 s (max-age=60), max-stale=12 in the request", -12),
        (Response(404, {"Cache-Control": "max-age=9"}, b"none"), 5, "", "fresh: max-age=9, 5 s old", 4),
    ],
)
def test_what_may_be_used_is_answered_from_the_cache(
    answer: Response, later: float, asked: str, reason: str, ttl: int
) -> None:
    world = World(answer)
    assert not world.get().from_cache
    world.later(later)
    response = world.get(asking(asked))
    assert (response.status, response.content, response.from_cache) == (answer.status, answer.content, True)
    assert response.headers["Age"] == str(int(answer.headers.get("Age", "0")) + int(later))
    assert response.cache_status == f"trivet; hit; ttl={ttl}"
    assert world.events() == [f"{GET}({reason})"]
    assert (len(world.requests), world.performed) == (1, ["FindEntries", "SaveEntry", "FindEntries"])


def test_a_hit_is_like_what_was_stored() -> None:
    first = ok(Set_Cookie="a=b", Content_Type="text/plain", Connection="X-Hop", X_Hop="1")
    world = World(first)
    assert "X-Hop" in world.get().headers
    hit = world.get()
    assert list(hit.headers) == ["Set-Cookie", "Content-Type", "Cache-Control", "Age"]
    assert (hit.reason, hit.http_version, hit.elapsed) == ("OK", "HTTP/1.1", 0.0)
    assert (hit.url, hit.trace) == (URL, world.trace)


def test_fields_that_need_validation_are_left_out_of_a_hit() -> None:
    world = World(ok('max-age=60, no-cache="Set-Cookie, x-secret"', Set_Cookie="a=b", X_Secret="1", X_Other="2"))
    assert "Set-Cookie" in world.get().headers
    assert list(world.get().headers) == ["X-Other", "Cache-Control", "Age"]
    assert "Set-Cookie" not in world.get({"Cache-Control": "max-stale"}).headers


@pytest.mark.parametrize("shared", [True, False])
def test_s_maxage_is_for_a_shared_cache(shared: bool) -> None:
    world = World(ok("max-age=60, s-maxage=5"), shared=shared)
    world.get()
    world.later(12)
    assert world.get().from_cache is not shared
    reason = "miss: stale by 7 s (s-maxage=5), s-maxage" if shared else f"hit: GET {URL} (fresh: max-age=60, 12 s old)"
    assert world.events()[0] == f"cache {reason}"


@pytest.mark.parametrize("pieces", [0, 1])
def test_a_stored_response_is_the_same_object_for_nobody(pieces: int) -> None:
    world = World(ok(), pieces=pieces)
    world.get()
    first = world.get()
    first.note_cache(detail="mine")
    first.headers = first.headers.with_field("X-Mine", "1")
    assert world.get().cache_status == "trivet; hit; ttl=60"
    assert "X-Mine" not in world.get().headers


# Misses.


@pytest.mark.parametrize(
    ("said", "later", "asked", "reason", "fwd"),
    [
        ("max-age=60", 60, "", "stale by 0 s (max-age=60)", "stale"),
        ("max-age=60", 72, "", "stale by 12 s (max-age=60)", "stale"),
        (
            "max-age=60",
            72,
            "max-stale=11",
            "stale by 12 s (max-age=60), more than max-stale=11 in the request",
            "stale",
        ),
        ("max-age=60, must-revalidate", 72, "max-stale", "stale by 12 s (max-age=60), must-revalidate", "stale"),
        ("max-age=60", 12, "no-cache", "no-cache in the request", "request"),
        ("max-age=60", 12, "max-age=11", "max-age=11 in the request, 12 s old", "request"),
        ("max-age=60", 0, "max-age=0", "max-age=0 in the request, 0 s old", "request"),
        ("max-age=60", 12, "min-fresh=49", "min-fresh=49 in the request", "request"),
        ("max-age=60, no-cache", 12, "", "no-cache in the response", "stale"),
        ("stale-if-error=9", 12, "", "stale: nothing says how long it is fresh, 12 s old", "stale"),
    ],
)
def test_what_may_not_be_used_is_asked_for(said: str, later: float, asked: str, reason: str, fwd: str) -> None:
    world = World(ok(said), ok(said, content=b"two"))
    world.get()
    world.later(later)
    response = world.get(asking(asked))
    assert (response.content, response.from_cache) == (b"two", False)
    assert world.requests[1].headers == world.requests[0].headers.updated(asking(asked))
    assert response.cache_status == f"trivet; fwd={fwd}; stored"
    assert world.events()[0] == f"cache miss: {reason}"


def test_pragma_asks_as_no_cache_does() -> None:
    world = World(ok(), ok(content=b"two"))
    world.get()
    assert world.get({"Pragma": "no-cache"}).content == b"two"


def test_a_request_with_no_store_may_be_answered_but_leaves_nothing() -> None:
    world = World(ok(), ok(content=b"two"))
    world.get()
    assert world.get({"Cache-Control": "no-store"}).from_cache
    world.later(72)
    assert world.get({"Cache-Control": "no-store"}).content == b"two"
    assert world.events()[-1] == "not stored: no-store in the request"
    assert world.find()[0].content == b"one"


def test_urls_are_told_apart_by_all_but_their_fragments() -> None:
    world = World(ok())
    world.get(url=f"{URL}?a=1&b=2#top")
    assert world.get(url=f"{URL}?a=1&b=2#bottom").from_cache
    assert not world.get(url=f"{URL}?b=2&a=1").from_cache
    assert not world.get(url=f"{URL}/").from_cache
    assert not world.get(url="http://api.example.com/users?a=1&b=2").from_cache


# HEAD.


def test_head_is_answered_with_what_is_stored_for_get() -> None:
    world = World(ok(Content_Length="3", ETag='"a"'))
    world.get()
    world.later(12)
    response = world.head()
    assert (response.status, response.content, response.from_cache) == (200, b"", True)
    assert dict(response.headers.items()) == {
        "Content-Length": "3",
        "ETag": '"a"',
        "Cache-Control": "max-age=60",
        "Age": "12",
    }
    assert world.events() == [f"cache hit: HEAD {URL} (fresh: max-age=60, 12 s old)"]
    assert world.head({"If-None-Match": '"a"'}).status == 304
    assert world.head({"Range": "bytes=0-0"}).status == 200


def test_what_head_brings_is_not_stored() -> None:
    world = World(ok())
    assert world.head().cache_status == "trivet; fwd=uri-miss"
    assert world.events() == ["cache miss: nothing is stored", "not stored: method HEAD"]
    assert not world.get().from_cache


# Vary (RFC 9111 §4.1).


def speaks(request: Request) -> Response:
    language = request.headers.get("Accept-Language", "none")
    return ok(content=language.encode(), Vary="Accept-Language, X-Tenant", ETag=f'"{language}"')


def test_requests_are_answered_with_what_their_fields_select() -> None:
    world = World(speaks)
    for language in ("en", "de", "fr"):
        assert world.get({"Accept-Language": language}).cache_status in (
            "trivet; fwd=uri-miss; stored",
            "trivet; fwd=vary-miss; stored",
        )
    for language in ("en", "de", "fr"):
        hit = world.get({"Accept-Language": language})
        assert (hit.from_cache, hit.content) == (True, language.encode())
    assert len(world.requests) == len(world.find()) == 3
    # A field that was absent selects what came without it.
    assert not world.get({"Accept-Language": "en", "X-Tenant": "acme"}).from_cache
    assert not world.get().from_cache


def test_fields_that_mean_the_same_select_the_same() -> None:
    world = World(ok(Vary="Accept-Language, Accept-Encoding"))
    world.get({"Accept-Language": "en, de;q=0.5", "Accept-Encoding": "gzip, br"})
    assert world.get({"accept-language": "EN ,de; q=0.5", "Accept-Encoding": "GZIP,br", "X-Other": "1"}).from_cache
    assert not world.get({"Accept-Language": "de, en;q=0.5", "Accept-Encoding": "gzip, br"}).from_cache


def test_what_other_fields_selected_is_offered_to_the_server() -> None:
    world = World(speaks)
    world.get({"Accept-Language": "en"})
    world.get({"Accept-Language": "de"})
    assert world.get({"Accept-Language": "fr"}).content == b"fr"
    assert world.requests[2].headers["If-None-Match"] == '"en", "de"'
    assert world.events() == [
        "cache: what is stored was selected by other fields, validated now",
        "stored: max-age=60",
    ]


@pytest.mark.parametrize("etag", ["", 'W/"a"'])
def test_without_a_strong_validator_there_is_nothing_to_offer(etag: str) -> None:
    world = World(ok(Vary="Accept", ETag=etag))
    world.get({"Accept": "text/html"})
    response = world.get({"Accept": "application/json"})
    assert (response.cache_status, "If-None-Match" in world.requests[1].headers) == (
        "trivet; fwd=vary-miss; stored",
        False,
    )
    assert world.events()[0] == "cache miss: what is stored was selected by other fields"


def test_what_varies_by_everything_is_never_used() -> None:
    world = World(ok(Vary="Accept, *"))
    assert [world.get().from_cache for _ in range(3)] == [False] * 3


# The caller's own conditions (RFC 9111 §4.3.2).


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-None-Match": '"a"'}, 304),
        ({"If-None-Match": 'W/"a"'}, 304),
        ({"If-None-Match": '"x", "a"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"b"'}, 200),
        ({"If-Modified-Since": date(-1000)}, 304),
        ({"If-Modified-Since": date(-999)}, 304),
        ({"If-Modified-Since": date(-1001)}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-None-Match": '"b"', "If-Modified-Since": date(-1000)}, 200),
        ({"If-None-Match": '"a"', "If-Modified-Since": date(-1001)}, 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_are_answered_from_the_cache(conditions: dict[str, str], status: int, method: str) -> None:
    world = World(ok(**VALIDATED, Content_Type="text/plain"))
    world.get()
    world.later(12)
    response = world.send(Request(method, URL, conditions))
    assert (response.status, response.from_cache, len(world.requests)) == (status, True, 1)
    assert response.content == (b"one" if (status, method) == (200, "GET") else b"")
    assert (response.headers["ETag"], response.headers["Age"]) == ('"a"', "12")
    assert ("Content-Type" in response.headers) is (status == 200)
    assert response.cache_status == "trivet; hit; ttl=48"


def test_conditions_mean_nothing_to_what_is_no_200() -> None:
    world = World(Response(404, {"Cache-Control": "max-age=60", "ETag": '"a"'}))
    world.get()
    assert world.get({"If-None-Match": '"a"'}).status == 404


@pytest.mark.parametrize(
    "conditions",
    [
        {"If-Match": '"a"'},
        {"If-Unmodified-Since": date(0)},
        {"If-Match": '"a"', "If-None-Match": '"a"'},
    ],
)
def test_other_conditions_are_for_the_server(conditions: dict[str, str]) -> None:
    world = World(ok(**VALIDATED), Response(412))
    world.get()
    response = world.get(conditions)
    assert (response.status, response.cache_status) == (412, "trivet; fwd=request")
    assert world.requests[1].headers == world.requests[0].headers.updated(conditions)
    assert world.events() == ["cache miss: its conditions are for the server", "not stored: status 412"]


@pytest.mark.parametrize("stored", [True, False])
def test_conditions_are_forwarded_as_they_are_where_nothing_fresh_is_stored(stored: bool) -> None:
    world = World(*([ok(**VALIDATED)] if stored else []), Response(304, {"ETag": '"mine"'}))
    if stored:
        world.get()
        world.later(72)
    response = world.get({"If-None-Match": '"mine"'})
    assert (response.status, response.from_cache) == (304, False)
    assert dict(world.requests[-1].headers.items()) == {"If-None-Match": '"mine"'}
    assert response.cache_status == f"trivet; fwd={'stale' if stored else 'uri-miss'}"


def test_conditions_are_forwarded_as_they_are_where_other_fields_selected_what_is_stored() -> None:
    world = World(speaks, speaks, Response(304))
    world.get({"Accept-Language": "en"})
    response = world.get({"If-None-Match": '"mine"'})
    assert (response.cache_status, world.requests[1].headers["If-None-Match"]) == (
        "trivet; fwd=vary-miss; stored",
        '"mine"',
    )


def test_of_what_other_fields_selected_no_part_is_validated() -> None:
    world = World(speaks, speaks)
    world.get({"Accept-Language": "en"})
    assert world.get({"Range": "bytes=0-0"}).cache_status == "trivet; fwd=vary-miss; stored"
    assert dict(world.requests[1].headers.items()) == {"Range": "bytes=0-0"}


# Only if cached (RFC 9111 §5.2.1.7).


@pytest.mark.parametrize(
    ("answer", "later", "asked", "status", "cache_status"),
    [
        pytest.param(None, 0, {}, 504, 'trivet; fwd=uri-miss; detail="only-if-cached"', id="nothing"),
        pytest.param(ok(), 12, {}, 200, "trivet; hit; ttl=48", id="fresh"),
        pytest.param(ok(), 72, {}, 504, 'trivet; fwd=stale; detail="only-if-cached"', id="stale"),
        pytest.param(ok(**VALIDATED), 72, {}, 504, 'trivet; fwd=stale; detail="only-if-cached"', id="validator"),
        pytest.param(
            ok(), 72, {"Cache-Control": "only-if-cached, max-stale"}, 200, "trivet; hit; ttl=-12", id="max-stale"
        ),
        pytest.param(
            ok("no-cache", **VALIDATED), 0, {}, 504, 'trivet; fwd=stale; detail="only-if-cached"', id="no-cache"
        ),
        pytest.param(
            ok(Vary="X", **VALIDATED),
            0,
            {"X": "1"},
            504,
            'trivet; fwd=vary-miss; detail="only-if-cached"',
            id="other fields",
        ),
        pytest.param(ok(), 0, {"If-Match": "*"}, 504, 'trivet; fwd=request; detail="only-if-cached"', id="conditions"),
        pytest.param(
            ok(), 0, {"Range": "bytes=9-"}, 504, 'trivet; fwd=partial; detail="only-if-cached"', id="unsatisfiable"
        ),
        pytest.param(
            ok("max-age=60, stale-while-revalidate=30"),
            72,
            {},
            200,
            "trivet; hit; ttl=-12",
            id="stale while revalidate",
        ),
    ],
)
def test_what_is_stored_or_nothing(
    answer: Response | None, later: float, asked: dict[str, str], status: int, cache_status: str
) -> None:
    world = World(answer or Response(500))
    if answer is not None:
        world.get()
    world.later(later)
    before = len(world.requests)
    response = world.get({"Cache-Control": "only-if-cached", **asked})
    assert (response.status, response.cache_status, response.trace) == (status, cache_status, world.trace)
    # The server is not asked, not even later on.
    assert (len(world.requests), world.spawned) == (before, [])
    if status == 504:
        assert world.events()[0].endswith("and the request is only-if-cached")


def test_a_refresh_only_if_cached_is_a_contradiction() -> None:
    world = World(ok())
    world.get()
    twin = World(ok(), cache=world.cache.refreshing())
    assert twin.get({"Cache-Control": "only-if-cached"}).status == 504


# Damage.


@pytest.mark.parametrize("streaming", [True, False])
def test_content_that_is_read_in_pieces_is_a_hit(streaming: bool) -> None:
    world = World(ok(), store=PieceByPiece())
    world.get()
    response = world.stream() if streaming else world.get()
    assert (response.from_cache, world.read(response)) == (True, b"one")
    assert world.performed[2:] == ["FindEntries", "ReadContent"]


@pytest.mark.parametrize("store", [memory, PieceByPiece], ids=["whole", "in pieces"])
def test_the_limit_holds_for_what_was_stored_under_another_one(store: Any) -> None:
    world = World(ok(content=b"0123456789"), store=store())
    world.get()
    world.pipeline = Pipeline(world.pipeline.policies, limits=Limits(max_content=9))
    with pytest.raises(ResponseTooLarge, match=f"GET {URL}: the content is larger than 9 bytes"):
        world.get()
    assert world.read(world.stream()) == b"0123456789"
    world.pipeline = Pipeline(world.pipeline.policies, limits=Limits(max_content=10))
    assert world.get().from_cache


def altered(data: bytes) -> bytes:
    return b"x" + data[1:]


@pytest.mark.parametrize("damage", [lambda data: None, altered])
@pytest.mark.parametrize("asked", [{}, {"Cache-Control": "max-stale"}])
def test_damaged_or_vanished_content_is_a_miss(damage: Any, asked: dict[str, str]) -> None:
    world = World(ok(), ok(content=b"two"), store=PieceByPiece(damage=damage))
    world.get()
    response = world.get(asked)
    assert (response.content, response.from_cache) == (b"two", False)
    assert response.cache_status == "trivet; fwd=miss; stored"
    assert world.events() == ["cache miss: what was stored is damaged", "stored: max-age=60"]


def test_damaged_content_only_if_cached_is_nothing() -> None:
    world = World(ok(), store=PieceByPiece(damage=altered))
    world.get()
    assert world.get({"Cache-Control": "only-if-cached"}).status == 504


def test_a_stream_of_damaged_content_fails_once() -> None:
    world = World(ok(), store=PieceByPiece(damage=altered))
    world.get()
    with pytest.raises(ReadError, match="damaged"):
        world.read(world.stream())
    assert not world.stream().from_cache


def test_head_and_304_need_no_content() -> None:
    world = World(ok(**VALIDATED), store=PieceByPiece(damage=altered))
    world.get()
    assert [world.head().status, world.get({"If-None-Match": '"a"'}).status] == [200, 304]


# Store failures.


def test_a_store_that_does_not_find_is_a_miss() -> None:
    world = World(ok(), ok(content=b"two"))
    world.get()
    world.failing = ["FindEntries"]
    response = world.get()
    assert (response.content, response.cache_status) == (b"two", "trivet; fwd=uri-miss; stored")
    assert world.events() == [
        "cache: FindEntries failed with OSError; the call goes on without the store",
        "cache miss: nothing is stored",
        "stored: max-age=60",
    ]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("instant", [True, False])
def test_no_call_fails_because_everything_in_the_store_does(streaming: bool, instant: bool) -> None:
    options: dict[str, Any] = {"store": BrokenStore()} if instant else {"failing": True}
    world = World(lambda request: ok(content=f"{len(world.requests)}".encode(), **VALIDATED), pieces=1, **options)
    for number in range(1, 4):
        response = world.stream({"Range": "bytes=0-"}) if streaming else world.get()
        assert world.read(response) == f"{number}".encode()
        assert response.trace is not None
        assert "s3cret" not in str(response.trace)
    assert world.send(Request("DELETE", URL)).status == 200


@pytest.mark.parametrize(
    ("failing", "content"),
    [
        (["ReadContent"], b"two"),
        (["UpdateEntry"], b"one"),
        (["RemoveEntry"], b"one"),
        (["ReadContent", "RemoveEntry", "UpdateEntry", "SaveEntry"], b"two"),
    ],
)
def test_what_is_stored_may_fail_to_be_read_or_updated(failing: list[str], content: bytes) -> None:
    not_modified = Response(304, {"ETag": '"a"', "Cache-Control": "max-age=60"})
    world = World(
        ok(**VALIDATED), lambda request: not_modified if request.headers else ok(content=b"two"), store=PieceByPiece()
    )
    world.get()
    world.later(72)
    world.failing = failing
    response = world.get()
    assert (response.status, response.content) == (200, content)
    assert response.trace is not None
    assert "s3cret" not in str(response.trace)
