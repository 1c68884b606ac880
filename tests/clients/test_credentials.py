"""Credentials and redirects: who gets to see what (law 7)."""

from __future__ import annotations

from typing import Any

import pytest

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import read_head, read_request, repeat, send
from servers.httpbin import Httpbin
from servers.nginx import HELLO, Nginx

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"


def redirect(url: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("auth", "target", "shown"),
    [
        (trivet.BearerAuth("t0ken"), "/bearer", {"authenticated": True, "token": "t0ken"}),
        (trivet.BearerAuth(lambda: "made"), "/bearer", {"authenticated": True, "token": "made"}),
        (trivet.BasicAuth("ada", "s3cret"), "/basic-auth/ada/s3cret", {"authenticated": True, "user": "ada"}),
    ],
)
def test_kinds_of_auth(runtime: Runtime, httpbin: Httpbin, auth: trivet.Auth, target: str, shown: Any) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url, auth=auth) as client:
            assert await client.get(target) == shown
            with pytest.raises(trivet.AuthenticationError):
                await client.get(target, auth=None)

    runtime.run(scenario)


def test_an_api_key_in_a_header_or_the_query(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url, auth=trivet.APIKeyAuth("k3y")) as client:
            echo = await client.get("/anything")
            assert {k.lower(): v for k, v in echo["headers"].items()}["x-api-key"] == "k3y"
            echo = await client.get("/anything", auth=trivet.APIKeyAuth("k3y", query="key"), params={"a": 1})
            assert echo["args"] == {"a": "1", "key": "k3y"}

    runtime.run(scenario)


def test_an_asynchronous_token_function(runtime: Runtime, httpbin: Httpbin) -> None:
    async def token() -> str:
        return "awaited"

    async def scenario() -> None:
        async with runtime.client(httpbin.url, auth=trivet.BearerAuth(token)) as client:
            if runtime.name == "sync":
                with pytest.raises(trivet.ConfigError, match="AsyncClient"):
                    await client.get("/bearer")
            else:
                assert (await client.get("/bearer"))["token"] == "awaited"

    runtime.run(scenario)


def test_one_of_the_users_own(runtime: Runtime, httpbin: Httpbin) -> None:
    class Signed(trivet.Auth):
        def sign(self, request: trivet.Request) -> trivet.Request:
            return request.replace(headers=request.headers.with_field("X-Signature", f"{request.method}!"))

    async def scenario() -> None:
        async with runtime.client(httpbin.url, auth=Signed()) as client:
            assert (await client.get("/anything"))["headers"]["X-Signature"] == "GET!"

    runtime.run(scenario)


def test_credentials_stay_home_on_a_redirect(runtime: Runtime, hostile: MakeHostile) -> None:
    away = hostile([repeat(read_head, send(OK))])
    home = hostile([read_head, send(redirect(f"{away.url}/stolen")), read_head])

    async def scenario() -> None:
        headers = {"Cookie": "c=1", "X-Api-Key": "k3y", "X-Plain": "1"}
        async with runtime.client(home.url, auth=trivet.BearerAuth("t0ken"), headers=headers) as client:
            response = await client.raw.get("/", headers={"X-Auth-Token": "t1"})
        assert response.url == f"{away.url}/stolen"
        assert [r.status for r in response.history] == [302]

    runtime.run(scenario)
    seen = away.requests[0].lower()
    assert b"x-plain: 1" in seen
    for secret in (b"t0ken", b"c=1", b"k3y", b"t1", b"authorization", b"cookie"):
        assert secret not in seen
        assert secret in home.requests[0].lower()


def test_credentials_stay_on_the_same_origin(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(redirect("/next")), read_head, send(OK), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url, auth=trivet.BearerAuth("t0ken")) as client:
            assert await client.get("/") is True

    runtime.run(scenario)
    assert b"Bearer t0ken" in server.requests[1]


def test_another_origin_must_be_meant_and_gets_no_credentials(runtime: Runtime, hostile: MakeHostile) -> None:
    away = hostile([repeat(read_head, send(OK))])
    home = hostile([repeat(read_head, send(OK))])

    async def scenario() -> None:
        options: dict[str, Any] = {"headers": {"X-Api-Key": "k3y"}, "params": {"key": "p4ram"}}
        async with runtime.client(home.url, auth=trivet.BearerAuth("t0ken"), **options) as client:
            with pytest.raises(trivet.InvalidRequest, match="URL"):
                await client.get(f"{away.url}/x")
            assert await client.get(trivet.URL(f"{away.url}/x")) is True
            assert await client.get(f"{home.url}/x") is True

    runtime.run(scenario)
    assert (len(away.requests), len(home.requests)) == (1, 1)
    for secret in (b"t0ken", b"k3y", b"p4ram"):
        assert secret not in away.requests[0]
        assert secret in home.requests[0]


@pytest.mark.parametrize(
    "target", ["//{away}/x", "/..//{away}", "/a/../../x", "/%2e%2e/x", "/a/..%2fx", "http:\\\\{away}"]
)
def test_a_target_cannot_leave_the_base(runtime: Runtime, hostile: MakeHostile, target: str) -> None:
    away = hostile([repeat(read_head, send(OK))])
    home = hostile([repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with runtime.client(f"{home.url}/v1") as client:
            with pytest.raises(trivet.InvalidRequest):
                await client.get(target.format(away=away.url.removeprefix("http://")))

    runtime.run(scenario)
    assert (away.connections, home.connections) == (0, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(runtime: Runtime, nginx: Nginx, status: int) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            response = await client.raw.get(f"/redirect/{status}")
            assert (response.content, response.url) == (HELLO, f"{nginx.url}/hello.txt")
            assert [r.status for r in response.history] == [status]
            unfollowed = client.with_options(redirects=0)
            assert (await unfollowed.raw.get(f"/redirect/{status}")).status == status

    runtime.run(scenario)


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_what_becomes_of_a_post(runtime: Runtime, hostile: MakeHostile, status: int, method: str) -> None:
    server = hostile([read_request, send(redirect("/next", status)), read_request, send(OK), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            assert await client.post("/", {"a": 1}) is True

    runtime.run(scenario)
    second = server.requests[1]
    assert second.startswith(f"{method} /next ".encode())
    assert second.endswith(b'{"a":1}') == (method == "POST")
    assert (b"content-type" in second.lower()) == (method == "POST")


def test_redirects_that_are_refused(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url, redirects=3) as client:
            with pytest.raises(trivet.RedirectError, match="more than 3 redirects") as caught:
                await client.get("/redirect/loop")
            assert caught.value.status == 302
        async with runtime.client(nginx.tls_url, verify=str(nginx.ca_pem)) as client:
            with pytest.raises(trivet.RedirectError, match="https to http is refused"):
                await client.get("/redirect/to-plain")

    runtime.run(scenario)
