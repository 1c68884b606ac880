"""Asking the server about what is stored (RFC 9111 §4.3), and doing without its answer (§4.2.4; RFC 5861)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.caching.world import START, URL, PieceByPiece, World, date, ok
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.core.caching.validating import CLAIM_TIME
from trivet.core.errors import (
    AttemptTimeout,
    CircuitOpen,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    RateLimited,
    ReadError,
    RemoteProtocolError,
    TrivetError,
)
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.stores.memory import MemoryStore

VALIDATED = {"ETag": '"a"', "Last_Modified": date(-1000)}
FRESH = {"Cache-Control": "max-age=60"}
UPDATES = "cache: UpdateEntry failed with OSError; the call goes on without the store"


def refused(request: Request) -> ConnectError:
    return ConnectError("refused", sent=False)


def not_modified(**fields: str) -> Response:
    return Response(304, {name.replace("_", "-"): value for name, value in fields.items()})


def stale_world(*origin: Any, first: Response | None = None, **options: Any) -> World:
    """A world in which a response is stored that is stale by 12 s, and what the origin says next."""
    world = World(first or ok(**VALIDATED), *origin, **options)
    world.read(world.stream())
    world.later(72)
    world.performed.clear()
    return world


# 304 (RFC 9111 §4.3.4).


@pytest.mark.parametrize(
    ("validators", "conditions", "answer", "said"),
    [
        (
            VALIDATED,
            {"If-None-Match": '"a"', "If-Modified-Since": date(-1000)},
            {"ETag": '"a"'},
            "ETag",
        ),
        ({"ETag": 'W/"a"'}, {"If-None-Match": 'W/"a"'}, {"ETag": 'W/"a"'}, "ETag"),
        ({"ETag": '"a"'}, {"If-None-Match": '"a"'}, {}, "ETag"),
        ({"Last_Modified": date(-1000)}, {"If-Modified-Since": date(-1000)}, {}, "Last-Modified"),
    ],
)
def test_what_the_server_confirms_is_the_answer(
    validators: dict[str, str], conditions: dict[str, str], answer: dict[str, str], said: str
) -> None:
    world = stale_world(not_modified(**answer, Cache_Control="max-age=60"), first=ok(**validators))
    response = world.get()
    assert dict(world.requests[1].headers.items()) == conditions
    assert (response.status, response.content, response.from_cache) == (200, b"one", True)
    assert response.cache_status == "trivet; fwd=stale; fwd-status=304"
    assert world.events() == [
        "cache: stale by 12 s (max-age=60), validated now",
        f"cache: stale by 12 s (max-age=60), validated with {said} → 304",
    ]
    assert world.performed == ["FindEntries", "UpdateEntry"]
    world.later(59)
    assert world.get().cache_status == "trivet; hit; ttl=1"


@pytest.mark.parametrize(
    ("asked", "said", "fwd", "reason"),
    [
        ("no-cache", "max-age=60", "request", "no-cache in the request"),
        ("max-age=5", "max-age=60", "request", "max-age=5 in the request, 12 s old"),
        ("", "no-cache", "stale", "no-cache in the response"),
    ],
)
def test_why_the_server_is_asked(asked: str, said: str, fwd: str, reason: str) -> None:
    world = World(ok(said, ETag='"a"'), not_modified(ETag='"a"'))
    world.get()
    world.later(12)
    response = world.get({"Cache-Control": asked} if asked else {})
    assert response.cache_status == f"trivet; fwd={fwd}; fwd-status=304"
    assert world.events() == [
        f"cache: {reason}, validated now",
        f"cache: {reason}, validated with ETag → 304",
    ]


def test_which_fields_a_304_updates() -> None:
    kept = {"ETag": '"a"', "X_Old": "1", "Content_Length": "3"}
    replaced = {"X_Both": "2", "Via": "2", "Content_Type": "text/html", "Date": date(71), "Cache_Control": "max-age=9"}
    first = ok(**kept, Age="9", X_Both="1", Via="1", Content_Type="text/plain", Date=date())
    never = {"Content_Length": "0", "Content_Range": "bytes 0-0/1", "Content_Encoding": "br"}
    hop_by_hop = {"Connection": "X-Hop", "X_Hop": "2", "Keep_Alive": "5"}
    update = not_modified(**{**kept, **never, **hop_by_hop, **replaced, "X_New": "2"})
    world = stale_world(update, first=first)
    expected = {name.replace("_", "-"): value for name, value in {**kept, **replaced, "X_New": "2"}.items()}
    assert dict(world.get().headers.items()) == expected
    world.later(1)
    assert dict(world.get().headers.items()) == {**expected, "Age": "2"}


def test_the_answer_took_as_long_as_the_servers() -> None:
    def slowly(request: Request) -> Response:
        world.later(1.5)
        return not_modified(ETag='"a"', Age="3")

    world = stale_world(slowly)
    response = world.get()
    assert (response.elapsed, response.headers["Age"]) == (1.5, "3")
    # All of the delay counts, since nobody knows when on the way the Age was set.
    assert world.get().headers["Age"] == "4"


def test_a_response_that_takes_the_place_of_what_is_stored() -> None:
    world = stale_world(ok(content=b"two", ETag='"b"'))
    response = world.get()
    assert (response.content, response.from_cache) == (b"two", False)
    assert response.cache_status == "trivet; fwd=stale; stored"
    assert world.events() == ["cache: stale by 12 s (max-age=60), validated now", "stored: max-age=60"]
    assert [each.content for each in world.find()] == [b"two"]


def test_a_304_that_nobody_asked_for_is_the_callers() -> None:
    world = stale_world(not_modified(ETag='"a"'), first=ok())
    assert (world.get().status, len(world.requests)) == (304, 2)


@pytest.mark.parametrize("etag", ['"b"', 'W/"b"'])
def test_a_304_about_nothing_that_is_stored_is_asked_again_without_conditions(etag: str) -> None:
    world = stale_world(not_modified(ETag=etag), ok(content=b"two"))
    response = world.get()
    assert (response.content, response.cache_status) == (b"two", "trivet; fwd=stale; stored")
    assert [dict(request.headers.items()) for request in world.requests[2:]] == [{}]
    assert world.events() == [
        "cache: stale by 12 s (max-age=60), validated now",
        "cache miss: the server's 304 is about nothing that is stored",
        "stored: max-age=60",
    ]


def test_a_304_about_content_that_is_gone_is_asked_again_without_conditions() -> None:
    store = PieceByPiece(damage=lambda data: None)
    world = stale_world(not_modified(ETag='"a"'), ok(content=b"two"), store=store)
    assert world.get().content == b"two"
    assert world.requests[2].headers == Request("GET", URL).headers


@pytest.mark.parametrize(
    ("shared", "update", "asked", "left"),
    [
        (False, {"Cache_Control": "no-store"}, {}, []),
        (True, {"Cache_Control": "private, max-age=60"}, {}, []),
        (False, {"Cache_Control": "private, max-age=60"}, {}, [60]),
        (False, {"Vary": "*"}, {}, []),
        # Of that exchange nothing is stored, but what was stored before stays as it is.
        (False, {"Cache_Control": "max-age=999"}, {"Cache-Control": "no-store"}, [-12]),
        (False, {"Vary": "Accept"}, {"Cache-Control": "no-store"}, [-12]),
    ],
)
@pytest.mark.parametrize("large", [True, False])
def test_a_304_that_is_not_to_be_stored(
    shared: bool, update: dict[str, str], asked: dict[str, str], left: list[int], large: bool
) -> None:
    world = stale_world(
        lambda request: not_modified(ETag='"a"', **update) if "If-None-Match" in request.headers else ok("no-store"),
        shared=shared,
        store=PieceByPiece() if large else None,
    )
    response = world.stream(asked)
    assert world.read(response) == b"one"
    assert [each.lifetime(shared=shared).seconds - each.age(world.wall) for each in world.find()] == left
    # What is gone from the store by then comes from the server.
    assert len(world.requests) == (3 if large and not left else 2)


def speaks(request: Request) -> Response:
    language = request.headers.get("Accept-Language", "none")
    wanted = request.headers.get("If-None-Match", "")
    fields = {"ETag": f'"{language}"', "Vary": "Accept-Language", **FRESH}
    return Response(304, fields) if f'"{language}"' in wanted else Response(200, fields, language.encode())


def test_several_variants_are_validated_at_once() -> None:
    world = World(speaks)
    for language in ("en", "de", "fr"):
        world.get({"Accept-Language": language})
    world.later(72)
    response = world.get({"Accept-Language": "de"})
    assert (response.content, response.cache_status) == (b"de", "trivet; fwd=stale; fwd-status=304")
    # The one that the fields select comes first.
    assert world.requests[-1].headers["If-None-Match"] == '"de", "en", "fr"'
    assert [world.get({"Accept-Language": each}).cache_status for each in ("de", "fr")] == [
        "trivet; hit; ttl=60",
        "trivet; fwd=stale; fwd-status=304",
    ]


def test_the_server_may_choose_another_variant() -> None:
    def chooses(request: Request) -> Response:
        return not_modified(ETag='"en"', Vary="Accept-Language", Cache_Control="max-age=60")

    world = World(speaks, speaks, chooses)
    world.get({"Accept-Language": "en"})
    world.get({"Accept-Language": "de"})
    response = world.get({"Accept-Language": "en-GB"})
    assert (response.content, response.cache_status) == (b"en", "trivet; fwd=vary-miss; fwd-status=304")
    assert world.events() == [
        "cache: what is stored was selected by other fields, validated now",
        "cache: what is stored was selected by other fields, validated with ETag → 304",
    ]
    assert [world.get({"Accept-Language": each}).content for each in ("en-GB", "en", "de")] == [b"en", b"en", b"de"]
    assert len(world.requests) == 3


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("make_store", [None, PieceByPiece])
def test_other_fields_may_select_it_from_now_on(make_store: Callable[[], Any] | None, streaming: bool) -> None:
    world = stale_world(
        not_modified(ETag='"a"', Vary="Accept", Cache_Control="max-age=60"),
        ok(content=b"two", Vary="Accept"),
        store=make_store and make_store(),
    )
    asked = {"Accept": "text/html"}
    response = world.stream(asked) if streaming else world.get(asked)
    assert (world.read(response), response.headers["Vary"]) == (b"one", "Accept")
    assert len(world.requests) == 2
    # Large content is not copied: it stays what it was, and stale.
    assert world.get(asked).from_cache is (make_store is None)
    assert not world.get({"Accept": "application/json"}).from_cache


@pytest.mark.parametrize("make_store", [None, PieceByPiece])
def test_large_streams_are_validated(make_store: Callable[[], Any] | None) -> None:
    content = bytes(IN_MEMORY + 1)
    world = stale_world(
        not_modified(ETag='"a"', Cache_Control="max-age=60"),
        first=ok(content=content, ETag='"a"'),
        pieces=IN_MEMORY,
        store=make_store and make_store(),
    )
    response = world.stream()
    assert (world.read(response), response.cache_status) == (content, "trivet; fwd=stale; fwd-status=304")
    assert world.stream().cache_status == "trivet; hit; ttl=60"


def test_a_store_that_does_not_block_is_updated_on_the_spot() -> None:
    world = stale_world(not_modified(ETag='"a"'), store=MemoryStore(clock=lambda: START))
    assert world.get().cache_status == "trivet; fwd=stale; fwd-status=304"
    assert world.get().cache_status == "trivet; hit; ttl=60"
    assert world.performed == []


def test_an_update_that_the_store_does_not_take_fails_no_call() -> None:
    world = stale_world(not_modified(ETag='"a"'), failing=["UpdateEntry"])
    assert world.get().content == b"one"
    assert world.events()[1] == UPDATES


# Without an answer (RFC 9111 §4.2.4; RFC 5861 §4).


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused", sent=False),
        ConnectTimeout("late", sent=False),
        ReadError("cut off", sent=True),
        RemoteProtocolError("nonsense", sent=True),
        AttemptTimeout("late", sent=True),
        CircuitOpen("open"),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("validators", [VALIDATED, {}])
def test_stale_is_better_than_nothing(failure: Exception, validators: dict[str, str]) -> None:
    world = stale_world(failure, first=ok(**validators))
    response = world.get()
    assert (response.content, response.from_cache, response.headers["Age"]) == (b"one", True, "72")
    assert response.cache_status == 'trivet; fwd=stale; ttl=-12; detail="the server failed"'
    assert world.events()[-1] == ("cache: stale response served: stale by 12 s (max-age=60), but there is no answer")


@pytest.mark.parametrize("failure", [DeadlineExceeded("over"), RateLimited("spent", retry_after=1.0), OSError("bug")])
def test_other_failures_are_the_callers(failure: Exception) -> None:
    world = stale_world(failure)
    with pytest.raises(type(failure)) as caught:
        world.get()
    assert caught.value is failure


@pytest.mark.parametrize(
    ("said", "asked", "shared"),
    [
        ("max-age=60, must-revalidate", {}, False),
        ("max-age=60, no-cache", {}, False),
        ("max-age=60", {"Cache-Control": "no-cache"}, False),
        ("max-age=60", {"Cache-Control": "max-age=9"}, False),
        ("max-age=60", {"Cache-Control": "max-stale=9"}, False),
        ("max-age=60, stale-if-error=9", {}, False),
        ("max-age=60, proxy-revalidate", {}, True),
        ("s-maxage=60", {}, True),
    ],
)
def test_what_forbids_stale_use_forbids_it_here(said: str, asked: dict[str, str], shared: bool) -> None:
    world = stale_world(refused, first=ok(said, **VALIDATED), shared=shared)
    with pytest.raises(ConnectError):
        world.get(asked)
    assert len(world.find()) == 1


def test_where_nothing_fits_there_is_nothing_to_use() -> None:
    world = World(ok(Vary="Accept", ETag='"a"'), refused)
    world.get({"Accept": "text/html"})
    with pytest.raises(ConnectError):
        world.get({"Accept": "application/json"})


def test_nor_where_it_is_damaged() -> None:
    world = stale_world(refused, store=PieceByPiece(damage=lambda data: b"x" * len(data)))
    with pytest.raises(ConnectError):
        world.get()


@pytest.mark.parametrize(
    ("status", "said", "asked", "served"),
    [
        (503, "max-age=60, stale-if-error=12", {}, "stale-if-error=12"),
        (500, "max-age=60, stale-if-error=99", {}, "stale-if-error=99"),
        (502, "max-age=60", {"Cache-Control": "stale-if-error=12"}, "stale-if-error=12 in the request"),
        (
            504,
            "max-age=60, stale-if-error=1",
            {"Cache-Control": "stale-if-error=99"},
            "stale-if-error=99 in the request",
        ),
        (503, "max-age=60, stale-if-error=11", {}, None),
        (503, "max-age=60", {}, None),
        (503, "max-age=60, stale-if-error=99", {"Cache-Control": "stale-if-error=1"}, None),
        (503, "max-age=60, stale-if-error=99, must-revalidate", {}, None),
        (501, "max-age=60, stale-if-error=99", {}, None),
        (404, "max-age=60, stale-if-error=99", {}, None),
        (429, "max-age=60, stale-if-error=99", {}, None),
    ],
)
@pytest.mark.parametrize("validators", [VALIDATED, {}])
def test_stale_if_error(
    status: int, said: str, asked: dict[str, str], served: str | None, validators: dict[str, str]
) -> None:
    world = stale_world(Response(status, {}, b"error"), first=ok(said, **validators), pieces=2)
    response = world.get(asked)
    if served is None:
        assert (response.status, response.content, response.from_cache) == (status, b"error", False)
        assert response.cache_status == "trivet; fwd=stale"
        # What the server says is there now, the cache believes; what went wrong says nothing of that.
        gone = ["cache: 1 stored invalidated by GET"] if status == 404 else []
        *_, kept = world.events()[: len(world.events()) - len(gone)]
        assert kept.startswith("not stored: ")
        assert world.events()[len(world.events()) - len(gone) :] == gone
    else:
        assert (response.status, response.content) == (200, b"one")
        assert response.cache_status == f'trivet; fwd=stale; fwd-status={status}; ttl=-12; detail="the server failed"'
        assert world.events()[-1] == f"cache: stale response served: stale by 12 s (max-age=60), {served}"


def test_an_error_response_that_is_not_wanted_is_drained() -> None:
    world = stale_world(Response(503, {}, b"error"), first=ok("max-age=60, stale-if-error=99"), pieces=2)
    response = world.stream()
    assert (world.read(response), world.open, world.closed) == (b"one", {}, 0)


def test_an_error_does_not_replace_what_is_stored() -> None:
    world = stale_world(Response(503, FRESH), Response(503), not_modified(ETag='"a"'))
    assert world.get().status == 503
    assert world.find()[0].entry.status == 503
    world = stale_world(Response(503), not_modified(ETag='"a"', Cache_Control="max-age=60"))
    assert [world.get().status, world.get().content] == [503, b"one"]


def test_fields_that_need_validation_are_left_out_of_what_was_not_validated() -> None:
    world = stale_world(refused, first=ok('max-age=60, no-cache="X-Secret"', X_Secret="1", ETag='"a"'))
    assert "X-Secret" not in world.get().headers


# In the background (RFC 5861 §3).

WHILE = "max-age=60, stale-while-revalidate=30"


def swr_world(*origin: Any, **options: Any) -> World:
    return stale_world(*origin, first=ok(WHILE, **VALIDATED), **options)


def test_stale_while_revalidate() -> None:
    world = swr_world(not_modified(ETag='"a"'))
    response = world.get()
    assert (response.content, response.headers["Age"]) == (b"one", "72")
    assert response.cache_status == "trivet; hit; ttl=-12"
    assert world.events() == [
        f"cache hit: GET {URL} (stale by 12 s (max-age=60), stale-while-revalidate=30)",
    ]
    assert len(world.requests) == 1
    assert world.in_background() == [None]
    assert world.requests[1].headers["If-None-Match"] == '"a"'
    reason = "stale by 12 s (max-age=60), stale-while-revalidate=30"
    assert world.events() == [
        f"cache: {reason}, validated in the background",
        f"cache: {reason}, validated with ETag → 304",
    ]
    assert world.get().cache_status == "trivet; hit; ttl=60"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("validators", [VALIDATED, {}])
def test_what_came_in_the_background_is_stored(streaming: bool, validators: dict[str, str]) -> None:
    world = stale_world(ok(content=b"two"), first=ok(WHILE, **validators), pieces=1)
    response = world.stream() if streaming else world.get()
    assert world.read(response) == b"one"
    assert world.in_background() == [None]
    assert (world.open, world.events()[-1]) == ({}, "stored: max-age=60")
    assert world.get().content == b"two"
    assert len(world.requests) == 2


def test_beyond_its_window_it_is_validated_at_once() -> None:
    world = swr_world(not_modified(ETag='"a"'))
    world.later(19)
    assert world.get().cache_status == "trivet; fwd=stale; fwd-status=304"
    assert world.spawned == []


def test_a_key_is_validated_by_one_call_at_a_time() -> None:
    world = swr_world(not_modified(ETag='"a"'))
    assert [world.get().from_cache for _ in range(3)] == [True] * 3
    assert len(world.spawned) == 1
    # The cache of a stream is the same, and so is that of another pipeline.
    world.stream()
    other = World(cache=world.cache)
    other.wall = world.wall
    assert other.get().from_cache
    assert (len(world.spawned), other.spawned) == (1, [])


@pytest.mark.parametrize(
    ("origin", "later"),
    [
        pytest.param(not_modified(ETag='"a"', Cache_Control=WHILE), 72, id="success"),
        pytest.param(refused, 1, id="failure"),
        pytest.param(OSError("bug"), 1, id="another error"),
        pytest.param(Response(500, {}, b"error"), 1, id="an error response"),
    ],
)
def test_afterwards_another_call_may_validate(origin: Any, later: float) -> None:
    world = swr_world(origin)
    world.get()
    assert len(world.in_background()) == 1
    world.later(later)
    assert world.get().cache_status in ("trivet; hit; ttl=-12", "trivet; hit; ttl=-13")
    assert len(world.spawned) == 1


def test_what_cannot_be_spawned_gives_its_claim_back() -> None:
    world = swr_world()
    world.accepts_spawned = False
    for spawned in (1, 2):
        assert world.get().from_cache
        assert len(world.spawned) == spawned
    for each in world.spawned:
        each.flow.close()


def test_what_was_dropped_before_it_ran_loses_its_claim_after_a_while() -> None:
    world = stale_world(not_modified(ETag='"a"'), first=ok("max-age=60, stale-while-revalidate=999", **VALIDATED))
    world.get()
    world.later(CLAIM_TIME - 1)
    world.get()
    assert len(world.spawned) == 1
    world.later(1)
    world.get()
    assert len(world.spawned) == 2
    world.in_background()


@pytest.mark.parametrize(("total", "left"), [(10.0, 7.0), (5.0, 5.0)])
def test_in_the_background_the_call_has_the_time_it_had(total: float, left: float) -> None:
    deadline = Deadline(Timeout(total=total, attempt=7.0, connect=3.0))
    world = swr_world(not_modified(ETag='"a"'), policies=[deadline])
    world.get()
    world.later(8)
    world.in_background()
    assert (world.sent[-1].deadline - world.now().monotonic, world.sent[-1].connect_timeout) == (left, 3.0)


def test_what_is_stored_for_others_is_told_apart() -> None:
    world = World(ok(WHILE, **VALIDATED), ok(WHILE, **VALIDATED), not_modified(ETag='"a"'))
    ada = {"Authorization": "Bearer ada"}
    world.get()
    world.get(ada)
    world.later(72)
    world.get()
    world.get(ada)
    assert len(world.spawned) == 2
    world.in_background()
    assert "Authorization" in world.requests[-1].headers


@pytest.mark.parametrize("now", ["ada", "bob"])
def test_in_the_background_somebody_else_may_be_known(now: str) -> None:
    users = ["ada"]
    world = swr_world(not_modified(ETag='"a"'), policies=[BearerAuth(lambda: users[0])])
    assert world.get().from_cache
    users[0] = now
    assert world.in_background() == [None]
    # What was stored for one is not validated for another, and whoever asks next may have it validated.
    assert [request.headers["Authorization"] for request in world.requests] == ["Bearer ada"] * (1 + (now == "ada"))
    users[0] = "ada"
    assert world.get().cache_status == f"trivet; hit; ttl={60 if now == 'ada' else -12}"
    assert len(world.spawned) == (now == "bob")
    world.in_background()


# HEAD (RFC 9111 §4.3.5).


@pytest.mark.parametrize(
    ("fields", "status", "kept"),
    [
        ({"ETag": '"a"', "Content_Length": "3"}, 200, True),
        ({"Content_Length": "3"}, 200, True),
        ({"ETag": '"b"'}, 200, False),
        ({"Content_Length": "4"}, 200, False),
        ({"Last_Modified": date(-999)}, 200, False),
    ],
)
def test_head_freshens_what_is_stored_or_removes_it(fields: dict[str, str], status: int, kept: bool) -> None:
    answer = ok("max-age=60", content=b"", X_New="1", **fields)
    world = stale_world(answer, ok(content=b"two"))
    response = world.head()
    assert (response.status, response.from_cache, response.cache_status) == (200, False, "trivet; fwd=stale")
    assert not world.requests[1].headers
    assert world.events() == ["cache miss: stale by 12 s (max-age=60)", "not stored: method HEAD"]
    assert len(world.find()) == kept
    hit = world.get()
    assert (hit.from_cache, hit.content) == (kept, b"one" if kept else b"two")
    if kept:
        assert (hit.headers["X-New"], hit.headers["Age"]) == ("1", "0")


@pytest.mark.parametrize("answer", [Response(404), Response(503), Response(206)])
def test_what_else_head_brings_changes_nothing(answer: Response) -> None:
    world = stale_world(answer, not_modified(ETag='"a"'))
    assert world.head().status == answer.status
    assert world.get().content == b"one"


def test_head_says_nothing_about_what_is_stored_with_another_status() -> None:
    world = stale_world(ok(), first=Response(404, FRESH))
    assert world.head().status == 200
    assert [each.entry.status for each in world.find()] == [404]


def test_head_without_an_answer_is_answered_stale() -> None:
    world = stale_world(refused)
    response = world.head()
    assert (response.status, response.content, response.headers["Age"]) == (200, b"", "72")


# What the answers to a caller's own conditions tell (RFC 9111 §4.3.4).


@pytest.mark.parametrize(
    ("fields", "freshened"),
    [
        ({"ETag": '"a"'}, True),
        ({"Last_Modified": date(-1000)}, True),
        ({"ETag": '"b"'}, False),
        ({"Last_Modified": date(-999)}, False),
        # It may speak of what the caller has.
        ({}, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_304_for_the_caller_freshens_what_it_is_about(fields: dict[str, str], freshened: bool, method: str) -> None:
    world = stale_world(not_modified(**fields, Cache_Control="max-age=60", X_New="1"))
    response = world.send(Request(method, URL, {"If-None-Match": '"a"'}))
    assert (response.status, response.from_cache) == (304, False)
    world.origin.append(ok(content=b"two"))
    world.origin.popleft()
    hit = world.get()
    assert (hit.from_cache, hit.content) == (freshened, b"one" if freshened else b"two")
    assert hit.headers.get("X-New") == ("1" if freshened else None)


def test_an_error_is_an_error_with_its_trace() -> None:
    world = stale_world(refused, first=ok("max-age=60, must-revalidate"))
    with pytest.raises(TrivetError) as caught:
        world.get()
    assert "cache miss: stale by 12 s (max-age=60), must-revalidate" in str(caught.value.trace)
