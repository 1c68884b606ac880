"""What a hostile or broken origin, or an unlucky moment, makes of the cache: nothing but misses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.caching.world import URL, World, memory, ok
from trivet.core.caching.plain import plain_lines
from trivet.core.caching.vary import selecting_fields
from trivet.core.exchange.actions import Action, StoreAction
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.policy import Forward, Policy, Stage


def echo(name: str) -> Any:
    """An origin that answers with what a request has in this field."""
    return lambda request: ok(content=request.headers.get(name, "-").encode())


class TenantAuth(Auth):
    """Credentials in a field whose name does not sound like it."""

    header = "X-Tenant"

    def sign(self, request: Request) -> Request:
        return request.replace(headers=request.headers.with_field("X-Tenant", "acme"))


class Stamp(Policy):
    """Sets a field after the cache."""

    stage = Stage.WIRE

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        return forward(request.replace(headers=request.headers.with_field(self.name, self.value)), call)


# Whose is it?


@pytest.mark.parametrize("options", [{}, {"ttl": 60}, {"shared": True}])
def test_a_host_field_names_another_server(options: dict[str, Any]) -> None:
    world = World(echo("Host"), **options)
    for host in ("a.example", "b.example", "a.example"):
        assert world.get({"Host": host}).content == host.encode()
    assert world.get().content == b"-"
    assert len(world.requests) == 3


@pytest.mark.parametrize("options", [{}, {"ttl": 60}])
@pytest.mark.parametrize(
    ("name", "auth"), [("X-Tenant", TenantAuth()), ("X-Acme", APIKeyAuth("s3cret", header="X-Acme"))]
)
def test_what_a_caller_gives_in_the_field_of_an_auth_is_a_credential(
    name: str, auth: Auth, options: dict[str, Any]
) -> None:
    world = World(echo(name), policies=[auth], **options)
    for value in ("a", "b", "a"):
        assert world.get({name: value}).content == value.encode()
    assert world.get().content in (b"acme", b"s3cret")
    assert len(world.requests) == 3


@pytest.mark.parametrize("options", [{}, {"ttl": 60}])
@pytest.mark.parametrize(
    ("name", "vary", "why"),
    [
        ("Authorization", "Accept", "credentials were added"),
        ("X-API-Key", "", "credentials were added"),
        ("Accept-Language", "Accept, Accept-Language", "a field that Vary names was set"),
    ],
)
def test_what_policies_after_the_cache_do_is_in_no_key(name: str, vary: str, why: str, options: dict[str, Any]) -> None:
    store = memory()
    for value in ("de", "en"):
        answer = ok(content=value.encode(), Vary=vary) if vary else ok(content=value.encode())
        world = World(answer, store=store, policies=[Stamp(name, value)], **options)
        assert world.get().content == value.encode()
        assert world.events()[-1] == f"not stored: {why} by a policy after the cache"


def test_policies_after_the_cache_may_set_what_makes_no_difference() -> None:
    world = World(ok(Vary="Accept, Authorization"), policies=[BearerAuth("ada"), Stamp("X-Trace", "1")])
    world.get()
    assert world.get().from_cache


# At what moment?


class Slow(World):
    """Its store takes ten seconds for everything."""

    def perform(self, action: Action[Any]) -> Any:
        if isinstance(action, StoreAction):
            self.later(10)
        return super().perform(action)


def test_waiting_for_the_store_makes_no_response_to_post_younger() -> None:
    world = Slow(ok("max-age=60", Content_Location=URL))
    world.send(Request("POST", URL))
    # To invalidate, to save and to find took ten seconds each.
    assert world.get().headers["Age"] == "30"


def test_who_listens_to_interim_responses_is_not_called_when_the_call_is_over() -> None:
    world = World(ok("max-age=1, stale-while-revalidate=60"))
    world.get(on_interim=print)
    world.later(5)
    world.get(on_interim=print)
    world.in_background()
    first, later = world.requests
    assert (first.on_interim, later.on_interim) == (print, None)


# What is updated.


def test_an_update_takes_back_what_permits_a_shared_cache_to_keep_it() -> None:
    # RFC 9111 §3.5
    world = World(ok("public", ETag='"a"'), Response(304, {"ETag": '"a"', "Cache-Control": "max-age=60"}), shared=True)
    for _ in range(2):
        assert world.get({"Authorization": "Bearer ada"}).content == b"one"
    assert len(world.store) == 0  # type: ignore[arg-type]  # a MemoryStore, which has a length


def test_what_is_private_stays_so_when_the_update_does_not_say_it_again() -> None:
    first = ok('max-age=1, private="X-Name"', ETag='"a"', X_Name="Ada")
    world = World(first, Response(304, {"ETag": '"a"', "X-Name": "Ada"}), shared=True)
    world.get()
    world.later(5)
    assert "X-Name" not in world.get().headers
    assert "X-Name" not in world.get().headers


# How much of it?


def test_a_long_tag_is_not_sent_with_a_range() -> None:
    part = {"ETag": f'"{"a" * 4000}"', "Content-Range": "bytes 0-1/4", "Cache-Control": "max-age=60"}
    world = World(Response(206, part, b"ab"), ok())
    world.get({"Range": "bytes=0-1"})
    assert world.get().content == b"one"
    assert "If-Range" not in world.requests[-1].headers


def test_names_too_long_to_be_names_are_not_remembered() -> None:
    name = "a" * 300
    assert selecting_fields(Headers({"Vary": f"Accept, {name}"})) is None
    assert plain_lines((*[(name.encode(), b"")] * 4, (b"Cache-Control", b"max-age=60"))) is None
    assert plain_lines(((b"Cache-Control", f"max-age=60, {name}".encode()),)) is None


def test_a_thousand_variants() -> None:
    world = World(ok(Vary="X-Id", ETag='"a"'))
    for number in range(1000):
        world.get({"X-Id": str(number)})
    assert len(world.store) == 16  # type: ignore[arg-type]  # a MemoryStore, which has a length


def test_another_vary_with_each_update() -> None:
    def answer(request: Request) -> Response:
        fields = {"ETag": '"a"', "Cache-Control": "max-age=1", "Vary": f"X-{len(world.requests)}"}
        return Response(304, fields) if "If-None-Match" in request.headers else Response(200, fields, b"one")

    world = World(answer)
    for _ in range(100):
        assert world.get().content == b"one"
        world.later(5)
    assert len(world.requests) == 100
    assert len(world.store) == 16  # type: ignore[arg-type]  # a MemoryStore, which has a length


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Response(304, {"ETag": '"a"', "Cache-Control": "max-age=60"}), id="304 to no condition"),
        pytest.param(Response(304, {"ETag": '"b"', "Cache-Control": "max-age=60"}), id="304 about something else"),
        pytest.param(Response(206, {"ETag": '"a"', "Content-Range": "bytes 0-2/4"}, b"abc"), id="206 to no Range"),
        pytest.param(Response(206, {"ETag": '"a"', "Content-Range": f"bytes 3-5/{10**17}"}, b"abc"), id="206 of all"),
        pytest.param(Response(206, {"ETag": '"a"', "Content-Range": "bytes 9-1/4"}, b"abc"), id="206 of nothing"),
        pytest.param(Response(206, {"ETag": '"a"', "Content-Range": "bytes 0-9/10"}, b"abc"), id="206 that is short"),
        pytest.param(Response(416, {"Content-Range": "bytes */3"}), id="416 to no Range"),
        pytest.param(Response(412), id="412 to no condition"),
    ],
)
def test_an_answer_to_something_else_costs_one_more_request_at_most(answer: Response) -> None:
    world = World(Response(206, {"ETag": '"a"', "Content-Range": "bytes 0-2/6"}, b"abc"), answer)
    world.get({"Range": "bytes=0-2"})
    for _ in range(3):
        sent = len(world.requests)
        assert world.get().status == answer.status
        assert len(world.requests) - sent <= 2


NAMES = """
    Age Cache-Control Connection Content-Encoding Content-Length Content-Location Content-Range Content-Type Date ETag Expires
    Last-Modified Location Pragma Set-Cookie Vary Warning
""".split()
PIECES = [
    b'"',
    b",",
    b"=",
    b" ",
    b"\\",
    b";",
    b"*",
    b"-",
    b"0",
    b"W/",
    b"bytes ",
    b"max-age",
    b"no-cache",
    b"\xb2\xff",
    b"GMT",
]
VALUES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.sampled_from(PIECES).map(lambda piece: piece * 1000),
    st.sampled_from([b"max-age=60", b'"a"', b"bytes 0-2/6", b"Tue, 14 Nov 2023 22:13:20 GMT", b"/users", b"Accept"]),
)
RESPONSES = st.builds(
    lambda status, lines: Response(
        status,
        Headers.from_raw([(name.encode(), value) for name, value in lines]),
        b"" if status in (204, 304) else b"abc",
    ),
    st.sampled_from([200, 204, 206, 301, 304, 404, 416, 503]),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6),
)


@settings(max_examples=150)
@given(
    responses=st.lists(RESPONSES, min_size=6, max_size=6), options=st.sampled_from([{}, {"shared": True}, {"ttl": 60}])
)
def test_no_field_of_a_response_breaks_a_call(responses: list[Response], options: dict[str, Any]) -> None:
    world = World(*responses, **options)
    for fields in ({}, {"Range": "bytes=0-1"}, {}, {"If-None-Match": '"a"'}):
        assert world.get(fields).status in range(200, 600)
        world.later(30)
    world.head()
    world.send(Request("POST", URL))
