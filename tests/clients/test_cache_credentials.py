"""What is stored for one user is for that user alone (law 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import trivet
from clients.caching import BASE, Origin, told
from runtimes import Runtime
from trivet import core
from trivet.testing import ScriptedTransport

TTLS = pytest.mark.parametrize("ttl", [None, 60])


class Signed(trivet.Auth):
    """Credentials of the user's own, of which nothing is known but what they add to a request."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sign(self, request: trivet.Request) -> trivet.Request:
        return request.replace(headers=request.headers.with_field("X-Signature", self.name))


class Flowing(trivet.Auth):
    """Credentials that come out of a flow."""

    def __init__(self, name: str) -> None:
        self.name = name

    def authenticate(self, request: core.Request, call: core.Call, forward: core.Forward) -> core.Flow[core.Response]:
        return forward(request.replace(headers=request.headers.with_field("X-Token", self.name)), call)


class Known(Flowing):
    """The same, which tells whose they are."""

    @property
    def identity(self) -> str:
        return self.name


class Asked(Flowing):
    """The same, which tells when it is asked."""

    def identify(self, request: core.Request) -> core.Flow[str | None]:
        return (yield from core.Invoke(lambda: self.name))


def awaited(token: str) -> Callable[[], Any]:
    async def give() -> str:
        return token

    return give


KINDS: dict[str, Callable[[str], trivet.Auth]] = {
    "bearer": trivet.BearerAuth,
    "bearer of a function": lambda name: trivet.BearerAuth(lambda: name),
    "basic": lambda name: trivet.BasicAuth("user", name),
    "key": trivet.APIKeyAuth,
    "key in the query": lambda name: trivet.APIKeyAuth(name, query="key"),
    "signed": Signed,
    "known": Known,
    "asked": Asked,
}


@TTLS
@pytest.mark.parametrize("kind", KINDS)
def test_each_has_what_was_stored_for_it(runtime: Runtime, kind: str, ttl: float | None) -> None:
    origin, cache = Origin(), trivet.Cache(ttl=ttl)

    async def scenario() -> None:
        numbers: dict[str | None, int] = {}
        for _ in range(2):
            for name in ("ada", "bob", None):
                # A client of its own each time: who asks matters, not which object.
                auth = None if name is None else KINDS[kind](name)
                async with runtime.client(BASE, transport=origin, cache=cache, auth=auth) as client:
                    number = await client.get("/me")
                assert numbers.setdefault(name, number) == number
        assert sorted(numbers.values()) == [1, 2, 3]

    runtime.run(scenario)


@TTLS
def test_a_function_that_is_awaited_tells_who_asks(runtime: Runtime, ttl: float | None) -> None:
    origin, cache = Origin(), trivet.Cache(ttl=ttl)

    async def scenario() -> None:
        async with runtime.client(BASE, transport=origin, cache=cache) as client:
            ada, bob = (client.with_options(auth=trivet.BearerAuth(awaited(name))) for name in ("ada", "bob"))
            if runtime.name == "sync":
                with pytest.raises(trivet.ConfigError, match="AsyncClient"):
                    await ada.get("/me")
            else:
                assert [await ada.get("/me"), await bob.get("/me"), await ada.get("/me")] == [1, 2, 1]

    runtime.run(scenario)


@TTLS
def test_nothing_is_kept_for_somebody_unknown(runtime: Runtime, ttl: float | None) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=trivet.Cache(ttl=ttl)) as client:
            assert await client.get("/me") == 1
            unknown = client.with_options(auth=Flowing("ada"))
            assert await unknown.get("/me") == 2
            response = await unknown.raw.get("/me")
            assert (response.content, response.cache_status) == (b"3", "trivet; fwd=bypass")
            assert told(response) == ["cache miss: nobody can say whose the credentials are: override Auth.identify"]
            assert await client.get("/me") == 1

    runtime.run(scenario)


def test_auth_of_a_sibling_and_of_a_call(runtime: Runtime) -> None:
    ada, bob = trivet.BearerAuth("ada"), trivet.BearerAuth("bob")

    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True, auth=ada) as client:
            assert await client.get("/me") == 1
            assert await client.with_options(auth=bob).get("/me") == 2
            assert await client.get("/me", auth=bob) == 2
            assert await client.get("/me", auth=None) == 3
            assert await client.with_options(auth=None).get("/me") == 3
            assert await client.with_options(auth=bob).get("/me", auth=ada) == 1
            async with client.stream("GET", "/me", auth=bob) as response:
                assert await response.read() == b"2"
            assert await client.get("/me") == 1

    runtime.run(scenario)


@TTLS
@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key", "X-Auth-Token"])
def test_credentials_in_the_fields_of_a_call(runtime: Runtime, name: str, ttl: float | None) -> None:
    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=trivet.Cache(ttl=ttl)) as client:
            for _ in range(2):
                assert await client.get("/me", headers={name: "ada"}) == 1
                assert await client.get("/me", headers={name: "bob"}) == 2
                assert await client.get("/me") == 3
            owner = client.with_options(headers={name: "ada"})
            assert await owner.get("/me") == 1

    runtime.run(scenario)


def test_credentials_of_both_kinds(runtime: Runtime) -> None:
    """A cookie of the call's own, and a token of the client's: both count."""

    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True) as client:
            clients = [client.with_options(auth=trivet.BearerAuth(token)) for token in ("ada", "bob")]
            numbers = [
                [await each.get("/me", headers={"Cookie": cookie}) for each in clients for cookie in ("c=1", "c=2")]
                for _ in range(2)
            ]
            assert numbers == [[1, 2, 3, 4]] * 2

    runtime.run(scenario)


def test_what_stands_in_the_request_goes_before_the_clients_own(runtime: Runtime) -> None:
    """A token that a call brings is sent in the place of the client's: it is the same as without the client's."""

    async def scenario() -> None:
        async with runtime.client(BASE, transport=Origin(), cache=True, auth=trivet.BearerAuth("ada")) as client:
            assert await client.get("/me") == 1
            assert await client.get("/me", headers={"Authorization": "Bearer bob"}) == 2
            assert await client.get("/me", headers={"Authorization": "Bearer bob"}, auth=None) == 2

    runtime.run(scenario)


def test_another_origin_gets_no_credentials_and_nothing_stored_for_them(runtime: Runtime) -> None:
    away = trivet.URL("https://away.example/")

    async def scenario() -> None:
        cache = trivet.Cache()
        async with runtime.client(BASE, transport=Origin(), cache=cache, auth=trivet.BearerAuth("ada")) as client:
            assert await client.get(away) == 1
            assert await client.get(away) == 1
        async with runtime.client(away, transport=Origin(), cache=cache, auth=trivet.BearerAuth("ada")) as client:
            assert await client.get("") == 1
        async with runtime.client(transport=ScriptedTransport(), cache=cache) as client:
            assert await client.get(away) == 1

    runtime.run(scenario)


def test_a_client_credentials_token_is_not_even_fetched_for_a_hit(runtime: Runtime) -> None:
    def answer(request: trivet.Request) -> trivet.Response:
        if request.method == "POST":
            return trivet.Response(200, content=b'{"access_token": "t", "token_type": "bearer"}')
        return trivet.Response(200, {"Cache-Control": "max-age=60"}, request.url.path.encode())

    origin, cache = ScriptedTransport(answer, forever=True), trivet.Cache()

    async def scenario() -> None:
        for client_id, sent in [("ada", 2), ("ada", 2), ("bob", 4), ("bob", 4)]:
            auth = trivet.OAuth2ClientCredentials("https://auth.example/token", client_id, "s3cret")
            async with runtime.client(BASE, transport=origin, cache=cache, auth=auth) as client:
                assert (await client.raw.get("/me")).content == b"/me"
            assert len(origin.requests) == sent

    runtime.run(scenario)


def test_a_shared_cache_keeps_little_for_anybody(runtime: Runtime) -> None:
    """What a shared cache may keep of an authenticated response is still for its user only (RFC 9111 §3.5)."""
    origin = Origin(Cache_Control="max-age=60")
    public = Origin(Cache_Control="max-age=60, public")

    async def scenario() -> None:
        for transport, again in [(origin, [3, 4]), (public, [1, 2])]:
            async with runtime.client(BASE, transport=transport, cache=trivet.Cache(shared=True)) as client:
                clients = [client.with_options(auth=trivet.BearerAuth(name)) for name in ("ada", "bob")]
                assert [await each.get("/me") for each in clients] == [1, 2]
                assert [await each.get("/me") for each in clients] == again

    runtime.run(scenario)
