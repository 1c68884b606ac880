"""Whose a stored response is: nobody is served what was stored for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.caching.world import URL, World, ok
from trivet.core.caching.identity import Identities, Unidentified
from trivet.core.errors import ConnectError
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.auth.basic import BasicAuth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials
from trivet.core.policies.policy import Policy
from trivet.stores.memory import MemoryStore

TOKEN_URL = "https://auth.example.com/token"


class Tenant(Auth):
    """One's own kind of authentication, by a field."""

    header = "X-Tenant"

    def __init__(self, name: str) -> None:
        self.name = name

    def sign(self, request: Request) -> Request:
        return request.replace(headers=request.headers.with_field("X-Tenant", self.name))


class InTheURL(Tenant):
    """One's own kind of authentication, by a part of the URL."""

    header = None

    def sign(self, request: Request) -> Request:
        return request.replace(url=f"{request.url}?tenant={self.name}")


class ByAFlow(Auth):
    """One's own kind of authentication, that can only be used."""

    def authenticate(self, request: Request, call: Any, forward: Any) -> Any:
        return forward(request.replace(headers={"X-Signature": "s"}), call)


def oauth(client: str, scope: str = "read") -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(TOKEN_URL, client, "s3cret", scope=scope)


def answer(request: Request) -> Response:
    """What the origin says, and in its place the token endpoint."""
    if str(request.url) == TOKEN_URL:
        return Response(200, {"Cache-Control": "no-store"}, b'{"access_token": "token", "token_type": "bearer"}')
    return ok(content=repr((str(request.url), *request.headers.raw)).encode())


def worlds(*auths: Auth | None) -> list[World]:
    """Clients with these credentials, which have one store together."""
    store = MemoryStore(clock=lambda: 0.0)
    return [World(answer, store=store, policies=[] if auth is None else [auth]) for auth in auths]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(BearerAuth, id="bearer"),
        pytest.param(APIKeyAuth, id="api key in a field"),
        pytest.param(lambda who: APIKeyAuth("key", header=f"X-{who}-Key"), id="the same key in another field"),
        pytest.param(lambda who: APIKeyAuth(who, query="key"), id="api key in the query"),
        pytest.param(lambda who: APIKeyAuth("key", query=who), id="the same key in another parameter"),
        pytest.param(lambda who: BasicAuth(who, "pass"), id="basic, user"),
        pytest.param(lambda who: BasicAuth("ada", who), id="basic, password"),
        pytest.param(oauth, id="oauth, client"),
        pytest.param(lambda who: oauth("reporter", who), id="oauth, scope"),
        pytest.param(Tenant, id="a sign() of one's own"),
        pytest.param(InTheURL, id="a sign() that changes the URL"),
        pytest.param(lambda who: BearerAuth(lambda: who), id="bearer from a function"),
    ],
)
def test_one_set_of_credentials_is_not_served_what_was_stored_for_another(make: Callable[[str], Auth]) -> None:
    ada, again, bob, nobody = worlds(make("ada"), make("ada"), make("bob"), None)
    first = ada.get()
    assert not first.from_cache
    assert again.get().content == first.content
    assert again.requests == []
    for other in (bob, nobody):
        assert not other.get().from_cache
        assert other.requests
    assert [world.get().from_cache for world in (ada, bob, nobody)] == [True] * 3


def test_kinds_of_credentials_with_the_same_secret_differ() -> None:
    field, query, bearer, basic = worlds(
        APIKeyAuth("ada"), APIKeyAuth("ada", query="key"), BearerAuth("ada"), BasicAuth("ada", "")
    )
    assert [world.get().from_cache for world in (field, query, bearer, basic)] == [False] * 4


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": "Bearer ada"},
        {"Authorization": "Bearer bob"},
        {"Cookie": "session=ada"},
        {"X-API-Key": "ada"},
        {"X-Auth-Token": "ada"},
    ],
)
def test_credentials_in_the_fields_of_a_request_tell_users_apart(fields: dict[str, str]) -> None:
    world = World(answer)
    world.get()
    world.get({"Authorization": "Bearer carol"})
    assert not world.get(fields).from_cache
    assert world.get(fields).from_cache
    assert world.get().from_cache


def test_other_fields_do_not() -> None:
    world = World(answer)
    world.get({"User-Agent": "one"})
    assert world.get({"User-Agent": "other", "Idempotency-Key": "k"}).from_cache


@pytest.mark.parametrize("auth", [BearerAuth("client"), BearerAuth(lambda: "client"), ByAFlow()])
def test_a_request_without_the_credentials_of_the_client_is_nobodys(auth: Auth) -> None:
    with_auth, nobody = worlds(auth, None)
    nobody.get()
    assert with_auth.get(credentials=False).from_cache
    assert not with_auth.get().from_cache


def test_the_callers_own_credentials_go_before_those_of_the_client() -> None:
    client, nobody = worlds(BearerAuth("client"), None)
    own = {"Authorization": "Bearer ada"}
    client.get()
    assert not client.get(own).from_cache
    assert client.get(own).from_cache
    # They are the same whatever the client would add.
    assert nobody.get(own).from_cache


def test_the_callers_own_key_in_the_url_is_part_of_the_url() -> None:
    client, nobody = worlds(APIKeyAuth("client", query="key"), None)
    own = f"{URL}?key=ada"
    client.get(url=own)
    assert client.get(url=own).from_cache
    assert nobody.get(url=own).from_cache
    assert not client.get(url=f"{URL}?key=bob").from_cache


def test_what_they_are_is_told_by_the_auth_if_not_by_their_name() -> None:
    client, nobody = worlds(Tenant("client"), None)
    acme, other = {"X-Tenant": "acme"}, {"X-Tenant": "other"}
    client.get(acme)
    assert client.get(acme).from_cache
    assert [client.get(other).from_cache, client.get().from_cache, nobody.get(acme).from_cache] == [False] * 3


@pytest.mark.parametrize("auth", [BearerAuth("client"), BearerAuth(lambda: "client"), Tenant("acme")])
def test_where_both_count_both_tell(auth: Auth) -> None:
    ada, bob = {"Cookie": "session=ada"}, {"Cookie": "session=bob"}
    client, nobody = worlds(auth, None)
    client.get(ada)
    assert client.get(ada).from_cache
    assert [client.get(bob).from_cache, client.get().from_cache, nobody.get(ada).from_cache] == [False] * 3


def test_a_function_that_gives_another_token_is_another_user() -> None:
    users = ["ada"]
    (world,) = worlds(BearerAuth(lambda: users[0]))
    world.get()
    users[0] = "bob"
    assert not world.get().from_cache
    users[0] = "ada"
    assert world.get().from_cache


def test_a_function_that_fails_fails_the_call_as_it_would_without_a_cache() -> None:
    def token() -> str:
        raise LookupError("no token today")

    (world,) = worlds(BearerAuth(token))
    with pytest.raises(LookupError, match="no token today"):
        world.get()


def test_a_token_need_not_be_fetched_for_a_hit() -> None:
    first, second = worlds(oauth("reporter"), oauth("reporter"))
    first.get()
    assert second.get().from_cache
    assert second.requests == []


def test_what_came_in_the_place_of_a_token_is_not_stored() -> None:
    refusal = Response(503, {"Cache-Control": "max-age=60"}, b"{}")
    world = World(refusal, answer, answer, policies=[oauth("reporter")])
    assert world.get().status == 503
    assert world.events()[-1] == "not stored: it answers a request of another method"
    assert world.get().status == 200


def test_credentials_are_not_to_be_found_in_the_store() -> None:
    auths: list[Policy] = [APIKeyAuth("s3cret", query="api_key")]
    world = World(ok(Vary="Authorization, Cookie"), policies=auths)
    world.get({"Cookie": "s3cret", "Authorization": "Bearer s3cret"})
    found: list[str] = []
    world.store.remove_where(matches=lambda url: not found.append(url))
    assert found == [URL]
    assert "s3cret" not in repr(world.trace and list(world.trace))


# The decisions beneath.


def ask(auth: Auth, request: Request, own: str | None = None) -> str:
    who, identity = World().run(Identities(auth).ask(request, own))
    assert isinstance(identity, str)
    return who


def test_who_asks_without_an_auth() -> None:
    identities = Identities(None)
    assert [identities.of(Request("GET", URL), own) for own in (None, "ada")] == [None, "ada"]


def test_where_only_the_auth_can_tell() -> None:
    request = Request("GET", URL)
    with pytest.raises(Unidentified):
        Identities(Tenant("acme")).of(request, None)
    assert ask(Tenant("acme"), request) == ask(Tenant("acme"), request)
    assert len({ask(Tenant("acme"), request), ask(Tenant("acme"), request, "ada"), ask(Tenant("b"), request)}) == 3


def test_where_not_even_the_auth_can_tell() -> None:
    with pytest.raises(Unidentified):
        ask(ByAFlow(), Request("GET", URL))


def test_who_asks_is_a_digest() -> None:
    request = Request("GET", URL)
    known = Identities(BearerAuth("s3cret")).of(request, None)
    assert known is not None
    assert "s3cret" not in known + ask(Tenant("s3cret"), request)


def test_stale_use_is_for_the_same_user_only() -> None:
    ada = {"Authorization": "Bearer ada"}
    world = World(ok(), ConnectError("refused", sent=False))
    world.get(ada)
    world.later(100)
    with pytest.raises(ConnectError):
        world.get()
    assert world.get(ada).from_cache


def test_what_came_under_other_credentials_is_kept_for_nobody() -> None:
    tokens = iter(["ada", "bob", "ada", "ada", "ada"])
    world = World(lambda request: ok(content=request.headers["Authorization"].encode()))
    world.pipeline = World(store=world.store, policies=[BearerAuth(lambda: next(tokens))]).pipeline
    assert world.get().content == b"Bearer bob"
    assert world.events()[-1] == "not stored: the credentials changed on the way"
    assert (world.get().content, world.events()[-1]) == (b"Bearer ada", "stored: max-age=60")
    assert world.get().from_cache


def test_a_custom_auth_may_say_that_its_credentials_changed() -> None:
    class Fickle(Tenant):
        def carries(self, request: Request, identity: str) -> bool:
            return request.headers["X-Tenant"] == "ada"

    assert World(ok(), policies=[Fickle("ada")]).get().cache_status == "trivet; fwd=uri-miss; stored"
    assert World(ok(), policies=[Fickle("bob")]).get().cache_status == "trivet; fwd=uri-miss"
