"""Responses that are kept for a fixed time, whatever they say about caching."""

from __future__ import annotations

from typing import Any

import pytest

from core.caching.world import URL, PieceByPiece, World, date, memory, ok
from trivet.core.caching.fixed_ttl import check_ttl
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.core.errors import ConfigError, ConnectError, ReadError
from trivet.core.http.request import Request
from trivet.core.http.response import Response


def counting(**fields: str) -> Any:
    """A server whose responses tell how many there were."""
    count = iter(range(1, 99))
    return lambda request: ok("", f"{next(count)}".encode(), **fields)


@pytest.mark.parametrize("ttl", [None, 1, 0.5, 1e308])
def test_times_that_make_sense(ttl: float | None) -> None:
    assert check_ttl(ttl) == ttl
    world = World(counting(), ttl=ttl)
    assert [world.get().content, world.get().content] == [b"1", b"1" if ttl else b"2"]


def test_no_time_at_all_makes_none() -> None:
    with pytest.raises(ConfigError, match="would keep nothing"):
        check_ttl(0.0)


# What is kept, and for how long.


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Cache_Control": "no-store"},
        {"Cache_Control": "no-cache, must-revalidate, private, max-age=0"},
        {"Cache_Control": "max-age=999999"},
        {"Expires": "0", "Pragma": "no-cache"},
        {"Age": "9999", "Date": date(-99999)},
        {"Vary": "Accept"},
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_responses_are_kept_whatever_they_say(fields: dict[str, str], shared: bool) -> None:
    world = World(counting(**fields), ttl=300, shared=shared)
    first = world.get()
    assert (first.cache_status, world.events()) == (
        "trivet; fwd=uri-miss; stored",
        ["cache miss: nothing is stored", "stored: for 300 s"],
    )
    world.later(299)
    hit = world.get()
    assert (hit.content, hit.from_cache, hit.headers["Age"]) == (b"1", True, "299")
    assert hit.cache_status == "trivet; hit; ttl=1"
    assert world.events() == [f"cache hit: GET {URL} (299 s old, kept for 300 s)"]
    world.later(1)
    assert (world.get().content, len(world.requests)) == (b"2", 2)


@pytest.mark.parametrize("status", [200, 201, 203, 204, 299])
def test_successes_are_kept(status: int) -> None:
    world = World(Response(status, {}, b"one"), ttl=60)
    world.get()
    assert (world.get().status, world.get().from_cache) == (status, True)


@pytest.mark.parametrize(
    ("answer", "asked", "reason"),
    [
        (Response(404), {}, "not stored: status 404"),
        (Response(500, {"Cache-Control": "max-age=60"}), {}, "not stored: status 500"),
        (Response(301, {"Cache-Control": "max-age=60"}), {}, "not stored: status 301"),
        (Response(206, {"Content-Range": "bytes 0-1/2"}), {}, "not stored: status 206"),
        (Response(304), {}, "not stored: status 304"),
        (ok(Vary="*"), {}, "not stored: Vary: *"),
        (ok(), {"Cache-Control": "no-store"}, "not stored: no-store in the request"),
    ],
)
def test_what_is_not_kept(answer: Response, asked: dict[str, str], reason: str) -> None:
    world = World(answer, ttl=60)
    for _ in range(2):
        assert world.get(asked).cache_status == "trivet; fwd=uri-miss"
        assert world.events() == ["cache miss: nothing is stored", reason]
    assert "SaveEntry" not in world.performed


def test_an_error_leaves_what_is_kept() -> None:
    world = World(ok(), Response(500), ttl=60)
    world.get()
    assert world.get({"Cache-Control": "no-cache"}).status == 500
    assert world.get().from_cache


def test_beyond_its_time_it_is_not_used_even_if_nobody_answers() -> None:
    world = World(ok(), ConnectError("refused", sent=False), ttl=60)
    world.get()
    world.later(60)
    with pytest.raises(ConnectError):
        world.get()


def test_a_clock_that_was_set_back_makes_nothing_younger_than_new() -> None:
    world = World(counting(), ttl=60)
    world.get()
    world.later(-30)
    assert world.get().headers["Age"] == "0"


@pytest.mark.parametrize(("ttl", "hit"), [(10, False), (30, False), (31, True), (100, True)])
def test_the_shorter_of_two_times_counts(ttl: float, hit: bool) -> None:
    world = World(counting(), ttl=60)
    world.get()
    other = World(counting(), ttl=ttl, store=world.store)
    other.wall += 30
    assert other.get().from_cache is hit
    other.wall += 30
    assert not other.get().from_cache


# What tells requests apart.


def test_the_order_of_parameters_does_not() -> None:
    world = World(counting(), ttl=60)
    world.get(url=f"{URL}?page=2&sort=name&tag=a&tag=b")
    assert world.get(url=f"{URL}?tag=a&sort=name&tag=b&page=2#top").from_cache
    # That of one name's does.
    assert not world.get(url=f"{URL}?tag=b&tag=a&page=2&sort=name").from_cache
    assert not world.get(url=f"{URL}?page=3&sort=name&tag=a&tag=b").from_cache


def test_chosen_fields_do() -> None:
    world = World(counting(), ttl=60, fields=["Accept", "x-tenant"])
    world.get({"Accept": "text/html", "X-Tenant": "acme"})
    assert world.get({"x-tenant": " acme", "Accept": "text/html ", "User-Agent": "other"}).from_cache
    assert not world.get({"Accept": "text/html"}).from_cache
    assert not world.get({"Accept": "text/html", "X-Tenant": "other"}).from_cache
    assert not world.get({"Accept": "application/json", "X-Tenant": "acme"}).from_cache


def test_those_that_vary_names_do() -> None:
    world = World(counting(Vary="Accept"), ttl=60)
    world.get({"Accept": "text/html"})
    assert world.get({"Accept": "TEXT/HTML"}).from_cache
    response = world.get({"Accept": "application/json"})
    assert response.cache_status == "trivet; fwd=vary-miss; stored"
    assert world.events()[0] == "cache miss: what is stored was selected by other fields"
    assert world.get({"Accept": "text/html"}).content == b"1"


def test_credentials_do() -> None:
    world = World(counting(), ttl=60, fields=["Accept"])
    world.get()
    assert not world.get({"Authorization": "Bearer ada"}).from_cache
    assert world.get({"Authorization": "Bearer ada"}).content == b"2"
    assert world.get().content == b"1"


def test_what_is_stored_by_the_fields_is_not_mixed_up_with_it() -> None:
    world = World(counting(Cache_Control="max-age=60"))
    world.get()
    assert not World(counting(), ttl=60, store=world.store).get().from_cache


# What passes by, and what the request asks for.


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("HEAD", URL), "method HEAD"),
        (Request("GET", URL, {"Range": "bytes=0-1"}), "a part was asked for"),
        (Request("GET", URL, {"If-None-Match": '"a"'}), "its conditions are for the server"),
        (Request("GET", URL, {"If-Modified-Since": date()}), "its conditions are for the server"),
    ],
)
def test_requests_for_something_else_pass_by(request_: Request, reason: str) -> None:
    world = World(counting(), ttl=60)
    world.get()
    world.performed.clear()
    response = world.send(request_)
    assert (response.from_cache, response.cache_status) == (False, "trivet; fwd=bypass")
    assert (world.events(), world.performed) == ([f"cache miss: {reason}"], [])
    assert world.requests[1].headers == request_.headers
    assert world.get().content == b"1"


@pytest.mark.parametrize("fields", [{"Cache-Control": "no-cache"}, {"Pragma": "no-cache"}])
def test_no_cache_replaces_what_is_kept(fields: dict[str, str]) -> None:
    world = World(counting(), ttl=60)
    world.get()
    response = world.get(fields)
    assert (response.content, response.cache_status) == (b"2", "trivet; fwd=request; stored")
    assert world.events() == ["cache miss: a refresh was asked for", "stored: for 60 s"]
    assert world.get().content == b"2"


@pytest.mark.parametrize("asked", ["max-age=0", "min-fresh=999", "no-store", "max-stale=1", "no-transform"])
def test_other_directives_of_the_request_change_nothing(asked: str) -> None:
    world = World(counting(), ttl=60)
    world.get()
    world.later(12)
    assert world.get({"Cache-Control": asked}).from_cache


@pytest.mark.parametrize(
    ("request_", "later", "status", "cache_status"),
    [
        (Request("GET", URL), 12, 200, "trivet; hit; ttl=48"),
        (Request("GET", URL), 60, 504, 'trivet; fwd=uri-miss; detail="only-if-cached"'),
        (Request("GET", f"{URL}/7"), 0, 504, 'trivet; fwd=uri-miss; detail="only-if-cached"'),
        (Request("GET", URL, {"Accept": "x"}), 0, 504, 'trivet; fwd=vary-miss; detail="only-if-cached"'),
        (Request("GET", URL, {"Range": "bytes=0-1"}), 0, 504, 'trivet; fwd=bypass; detail="only-if-cached"'),
        (Request("HEAD", URL), 0, 504, 'trivet; fwd=bypass; detail="only-if-cached"'),
        (Request("GET", URL, {"Pragma": "x"}), 0, 200, "trivet; hit; ttl=60"),
    ],
)
def test_only_if_cached(request_: Request, later: float, status: int, cache_status: str) -> None:
    world = World(counting(Vary="Accept"), ttl=60)
    world.get()
    world.later(later)
    response = world.send(request_.replace(headers=request_.headers.with_field("Cache-Control", "only-if-cached")))
    assert (response.status, response.cache_status, len(world.requests)) == (status, cache_status, 1)


# Stores and streams.


def test_what_was_stored_too_long_ago() -> None:
    world = World(counting(), ttl=60)
    world.get()
    other = World(counting(), ttl=10, store=world.store)
    other.wall += 30
    assert other.get().cache_status == "trivet; fwd=stale; stored"
    assert other.events()[0] == "cache miss: stored too long ago"


@pytest.mark.parametrize("failing", [["ReadContent"], ["FindEntries"], ["SaveEntry"], True])
def test_a_store_that_fails_fails_no_call(failing: Any) -> None:
    world = World(counting(), ttl=60, store=PieceByPiece())
    world.get()
    world.failing = failing
    assert world.get().status == 200
    assert world.trace is not None
    assert "s3cret" not in str(world.trace)


def test_damaged_content_is_a_miss() -> None:
    world = World(counting(), ttl=60, store=PieceByPiece(damage=lambda data: b"x" * len(data)))
    world.get()
    assert world.get().cache_status == "trivet; fwd=miss; stored"
    assert world.events() == ["cache miss: what was stored is damaged", "stored: for 60 s"]


@pytest.mark.parametrize("size", [3, IN_MEMORY + 1])
def test_streams_are_kept_when_they_have_been_read(size: int) -> None:
    content = bytes(size)
    world = World(ok("no-store", content), ttl=60, pieces=size // 2, store=memory())
    response = world.stream()
    assert world.events() == ["cache miss: nothing is stored"]
    assert world.read(response) == content
    assert response.cache_status == "trivet; fwd=uri-miss; stored"
    assert world.read(world.stream()) == content


def test_streams_that_break_off_are_not() -> None:
    world = World(ok(), ttl=60, pieces=2, broken=ReadError("cut off", sent=True))
    with pytest.raises(ReadError):
        world.read(world.stream())
    assert len(world.store) == 0  # type: ignore[arg-type]  # a MemoryStore, which has a length


def test_an_unsafe_request_removes_what_is_kept_in_whatever_order() -> None:
    world = World(counting(), ttl=60)
    world.get(url=f"{URL}?a=1&b=2")
    world.send(Request("DELETE", f"{URL}?b=2&a=1"))
    assert not world.get(url=f"{URL}?a=1&b=2").from_cache
