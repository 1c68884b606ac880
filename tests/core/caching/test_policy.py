"""The cache as a policy: its settings, what passes it by, and what unsafe requests remove (RFC 9111 §4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from core.caching.world import URL, World, ok
from trivet.core.caching.policy import Cache
from trivet.core.errors import (
    AttemptTimeout,
    CircuitOpen,
    ConfigError,
    ConnectError,
    DecodingError,
    ReadError,
    ResponseTooLarge,
)
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Stage
from trivet.stores.memory import MemoryStore

OTHER = "https://api.example.com/users/7"


class Mysterious(Auth):
    """Credentials that come out of a flow, so that nobody can say beforehand whose they are."""

    def authenticate(self, request: Request, call: Any, forward: Any) -> Any:
        return forward(request, call)


# Settings.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl": -1}, r"Cache\(ttl=-1\) must be a finite number of seconds, 0 or more"),
        ({"ttl": float("inf")}, r"Cache\(ttl=inf\) must be a finite number of seconds"),
        ({"ttl": float("nan")}, r"Cache\(ttl=nan\) must be a finite number of seconds"),
        ({"ttl": True}, r"Cache\(ttl=True\) must be a number of seconds, not bool"),
        ({"ttl": "60"}, r"Cache\(ttl='60'\) must be a number of seconds, not str"),
        ({"ttl": 0}, r"Cache\(ttl=0\) would keep nothing"),
        ({"fields": ["Accept"]}, r"Cache\(fields=…\) goes with ttl="),
        ({"fields": "Accept", "ttl": 60}, r"Cache\(fields=…\) takes several names, not a string"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cache(MemoryStore(), **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Cache({})"),
        ({"ttl": 300.0, "fields": ("Accept",)}, "Cache({}, ttl=300)"),
        ({"shared": True}, "Cache({}, shared=True)"),
        ({"ttl": 0.5, "shared": True}, "Cache({}, ttl=0.5, shared=True)"),
    ],
)
def test_its_repr(options: dict[str, Any], text: str) -> None:
    store = MemoryStore()
    assert repr(Cache(store, **options)) == text.format(store)


def test_where_it_stands() -> None:
    cache = Cache(MemoryStore())
    placed = cache.placed(Pipeline([cache]), streaming=False)
    assert Stage.COALESCE < cache.stage == placed.stage < Stage.RETRY


@pytest.mark.parametrize("ttl", [None, 60])
def test_a_refreshing_twin_shares_the_store_but_uses_nothing_in_it(ttl: float | None) -> None:
    world = World(ok(), ok(content=b"two"), ttl=ttl)
    world.get()
    twin = World(ok(content=b"three"), cache=world.cache.refreshing())
    assert twin.get().content == b"three"
    assert twin.events() == [
        "cache miss: a refresh was asked for",
        "stored: for 60 s" if ttl else "stored: max-age=60",
    ]
    assert twin.get().cache_status == "trivet; fwd=request; stored"
    assert (world.get().content, world.get().from_cache) == (b"three", True)


def test_a_refresh_of_what_is_not_stored() -> None:
    world = World(ok(Vary="Accept"), ok(Vary="Accept"))
    twin = World(ok(Vary="Accept"), ok(Vary="Accept"), cache=world.cache.refreshing())
    for headers in ({"Accept": "text/html"}, {"Accept": "text/plain"}):
        assert twin.get(headers).cache_status == "trivet; fwd=request; stored"
        assert twin.events()[0] == "cache miss: a refresh was asked for"


# What passes it by.


@pytest.mark.parametrize(
    ("request_", "reason", "status"),
    [
        (Request("GET", URL, {}, b"{}"), "GET with content", "trivet; fwd=bypass"),
        (Request("GET", URL, {}, Stream(lambda: iter([b"{}"]))), "GET with content", "trivet; fwd=bypass"),
        (Request("HEAD", URL, {}, b"{}"), "HEAD with content", "trivet; fwd=bypass"),
        (Request("OPTIONS", URL), "method OPTIONS", "trivet; fwd=method"),
        (Request("TRACE", URL), "method TRACE", "trivet; fwd=method"),
    ],
)
@pytest.mark.parametrize("ttl", [None, 60])
def test_what_is_neither_looked_up_nor_stored(request_: Request, reason: str, status: str, ttl: float | None) -> None:
    world = World(ok(), ttl=ttl)
    for _ in range(2):
        response = world.send(request_)
        assert (response.from_cache, response.cache_status) == (False, status)
        assert world.events() == [f"cache miss: {reason}"]
    assert (len(world.requests), world.performed) == (2, [])


@pytest.mark.parametrize("request_", [Request("GET", URL, {}, b"{}"), Request("OPTIONS", URL)])
def test_only_if_cached_is_refused_where_nothing_is_ever_stored(request_: Request) -> None:
    world = World(ok())
    response = world.send(request_.replace(headers={"Cache-Control": "only-if-cached"}))
    assert (response.status, world.requests, response.trace) == (504, [], world.trace)
    assert response.cache_status is not None
    assert response.cache_status.detail == "only-if-cached"
    assert "and the request is only-if-cached" in world.events()[0]


@pytest.mark.parametrize("ttl", [None, 60])
def test_nothing_is_stored_for_credentials_of_which_nobody_knows_whose_they_are(ttl: float | None) -> None:
    world = World(ok(), policies=[Mysterious()], ttl=ttl)
    for _ in range(2):
        assert world.get().cache_status == "trivet; fwd=bypass"
    assert world.events() == ["cache miss: nobody can say whose the credentials are: override Auth.identify"]
    assert (len(world.requests), world.performed) == (2, [])


def test_what_is_stored_for_nobody_is_not_for_unknown_credentials() -> None:
    world = World(ok(), policies=[Mysterious()])
    nobody = Request("GET", URL, credentials=False)
    world.send(nobody)
    assert world.send(nobody).from_cache
    assert not world.get().from_cache


# Unsafe requests.


def stored_twice(method: str = "POST", answer: Response | Exception | None = None, **options: Any) -> World:
    """A world in which two URLs are stored, and the answer to an unsafe request is to come."""
    world = World(ok(), ok(), answer or Response(200), **options)
    world.get()
    world.get(url=OTHER)
    return world


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE"])
@pytest.mark.parametrize("status", [200, 201, 204, 303, 304])
@pytest.mark.parametrize("ttl", [None, 60])
def test_unsafe_requests_remove_what_is_stored_for_their_url(method: str, status: int, ttl: float | None) -> None:
    world = stored_twice(answer=Response(status), ttl=ttl)
    response = world.send(Request(method, f"{URL}#top", content=b"{}"))
    assert (response.status, response.cache_status) == (status, "trivet; fwd=method")
    assert world.events() == [f"cache: 1 stored invalidated by {method}"]
    assert world.get(url=OTHER).from_cache
    assert not world.get().from_cache


@pytest.mark.parametrize(
    ("fields", "removed"),
    [
        ({"Location": OTHER}, 2),
        ({"Location": "/users/7"}, 2),
        ({"Content-Location": "users/7"}, 2),
        ({"Location": "/users/8", "Content-Location": OTHER}, 2),
        ({"Location": "/users/8"}, 1),
        ({"Location": "http://api.example.com/users/7"}, 1),
        ({"Location": "https://api.example.com:444/users/7"}, 1),
        ({"Content-Location": "https://evil.example/users/7"}, 1),
        ({"Location": "https://[nonsense"}, 1),
    ],
)
def test_they_remove_what_location_and_content_location_name_at_the_same_origin(
    fields: dict[str, str], removed: int
) -> None:
    world = stored_twice(answer=Response(201, fields))
    world.send(Request("POST", URL))
    assert world.events() == [f"cache: {removed} stored invalidated by POST"]
    assert world.get(url=OTHER).from_cache is (removed == 1)


def test_another_origin_cannot_be_emptied() -> None:
    world = stored_twice(answer=Response(201, {"Location": URL, "Content-Location": OTHER}))
    world.send(Request("POST", "https://evil.example/users"))
    assert world.events() == []
    assert world.get().from_cache
    assert world.get(url=OTHER).from_cache


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("POST", Response(400, {"Location": OTHER})),
        ("DELETE", Response(404)),
        ("PUT", Response(500)),
        ("GET", Response(200, {"Location": OTHER})),
        ("OPTIONS", Response(200, {"Content-Location": OTHER})),
    ],
)
def test_neither_errors_nor_safe_requests_remove_anything(method: str, answer: Response) -> None:
    world = stored_twice(answer=answer)
    world.send(Request(method, URL, {"Cache-Control": "no-cache"}, b"{}"))
    assert "RemoveEntries" not in world.performed
    assert world.get().from_cache
    assert world.get(url=OTHER).from_cache


@pytest.mark.parametrize(
    ("failure", "removed"),
    [
        (ConnectError("refused", sent=False), False),
        (CircuitOpen("open"), False),
        (OSError("bug"), False),
        (ReadError("cut off", sent=True), True),
        (AttemptTimeout("late", sent=True), True),
        (AttemptTimeout("late", sent=False), False),
        (DecodingError("nonsense"), True),
        (ResponseTooLarge("huge"), True),
    ],
)
def test_a_failure_removes_what_the_server_may_have_changed(failure: Exception, removed: bool) -> None:
    world = stored_twice(answer=failure)
    with pytest.raises(type(failure)):
        world.send(Request("POST", URL))
    assert ("cache: 1 stored invalidated by POST" in world.events()) is removed
    assert world.get(url=OTHER).from_cache
    assert (world.find() == []) is removed


def test_they_remove_all_variants_of_all_users() -> None:
    world = World(*[ok(Vary="Accept")] * 3, Response(204))
    world.get({"Accept": "text/html"})
    world.get({"Accept": "application/json"})
    world.get({"Authorization": "Bearer ada"})
    world.send(Request("DELETE", URL))
    assert world.events() == ["cache: 3 stored invalidated by DELETE"]
    assert len(world.store) == 0  # type: ignore[arg-type]  # a MemoryStore, which has a length


def test_where_nothing_was_stored_nothing_is_said() -> None:
    world = World(Response(204))
    world.send(Request("DELETE", URL))
    assert world.events() == []


def test_a_store_that_fails_to_remove_fails_no_call() -> None:
    world = stored_twice(failing=["RemoveEntries"])
    assert world.send(Request("POST", URL)).status == 200
    assert world.events() == ["cache: RemoveEntries failed with OSError; the call goes on without the store"]


# What POST brings for GET.


def test_a_response_to_post_that_is_one_to_get_is_stored() -> None:
    answer = ok(content=b"found", Content_Location="/users")
    world = World(answer)
    assert world.send(Request("POST", URL, {}, b"q=ada")).cache_status == "trivet; fwd=method; stored"
    assert world.events() == ["stored: max-age=60"]
    response = world.get()
    assert (response.content, response.cache_status) == (b"found", "trivet; hit; ttl=60")


@pytest.mark.parametrize(
    ("options", "answer", "request_"),
    [
        pytest.param({"ttl": 60}, ok(Content_Location=URL), Request("POST", URL), id="for a fixed time"),
        pytest.param({}, ok(Content_Location=OTHER), Request("POST", URL), id="of another URL"),
        pytest.param({}, ok("no-store, max-age=60", Content_Location=URL), Request("POST", URL), id="no-store"),
        pytest.param({}, ok(Content_Location=URL), Request("PUT", URL), id="PUT"),
        pytest.param({"policies": [Mysterious()]}, ok(Content_Location=URL), Request("POST", URL), id="whose?"),
    ],
)
def test_other_responses_to_unsafe_requests_are_not_stored(
    options: dict[str, Any], answer: Response, request_: Request
) -> None:
    world = World(answer, **options)
    assert world.send(request_).cache_status == "trivet; fwd=method"
    assert not {"SaveEntry", "FindEntries"} & set(world.performed)


@pytest.mark.parametrize("ttl", [None, 300])
def test_a_call_that_passes_by_uses_nothing_and_stores_nothing(ttl: float | None) -> None:
    world = World(ok(), ok(content=b"two"), ttl=ttl)
    world.get()
    past = World(ok(content=b"two"), store=world.store, cache=world.cache.bypassing())
    assert (past.get().content, past.head().cache_status) == (b"two", "trivet; fwd=bypass")
    assert past.events() == ["cache miss: the call passes by the cache"]
    assert world.get().content == b"one"


def test_an_unsafe_call_that_passes_by_makes_invalid_all_the_same() -> None:
    world = World(ok(), ok(content=b"two"))
    world.get()
    past = World(ok(Content_Location=URL), store=world.store, cache=world.cache.bypassing())
    past.send(Request("POST", URL))
    assert past.events() == ["cache: 1 stored invalidated by POST"]
    assert world.get().content == b"two"
