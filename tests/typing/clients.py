"""What type checkers know about calls. Only type-checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

import trivet
from trivet import core


@dataclass
class User:
    id: int
    name: str


class Page(TypedDict):
    users: list[User]


def sync_calls(client: trivet.Client) -> None:
    assert_type(client.get("/users/7", into=User), User)
    assert_type(client.get("/users", into=list[User]), list[User])
    assert_type(client.post("/users", {"name": "Ada"}, into=Page), Page)
    assert_type(client.get("/users", params={"page": 2}, timeout=3, retry=0), Any)
    assert_type(client.raw.get("/users"), trivet.Response)
    assert_type(client.raw.put("/users/7", {"name": "Ada"}, idempotency_key="k"), trivet.Response)
    assert_type(client.with_options(timeout=trivet.Timeout(total=3), auth=None), trivet.Client)
    assert_type(trivet.Client.from_env("SHOP_", retry=2), trivet.Client)
    with client.stream("GET", "/export") as response:
        assert_type(response.iter_bytes(), Iterator[bytes])
        assert_type(response.iter_lines(), Iterator[str])
        assert_type(response.read(), bytes)


async def async_calls(client: trivet.AsyncClient) -> None:
    assert_type(await client.get("/users/7", into=User), User)
    assert_type(await client.get("/users", into=list[User]), list[User])
    assert_type(await client.get("/users"), Any)
    assert_type(await client.raw.delete("/users/7"), trivet.Response)
    async with client.stream("GET", "/export") as response:
        assert_type(response.iter_bytes(), AsyncIterator[bytes])
        assert_type(response.iter_lines(), AsyncIterator[str])
        assert_type(await response.read(), bytes)


def a_flow(client: trivet.Client | trivet.AsyncClient) -> trivet.Flow[int]:
    response = yield from client.flow("GET", "/users")
    assert_type(response, trivet.Response)
    yield from trivet.sleep(1.0)
    return response.status


async def running_flows(client: trivet.Client, async_client: trivet.AsyncClient) -> None:
    assert_type(client.send(a_flow(client)), int)
    assert_type(await async_client.send(a_flow(async_client)), int)


def actions(request: core.Request, body: object) -> core.Flow[bytes]:
    assert_type((yield from core.SendRequest(request)), core.Response)
    assert_type((yield from core.CurrentCall()), core.Call)
    assert_type((yield from core.Park(core.Slot())), bool)
    assert_type((yield from core.Invoke(lambda: 7)), int)
    data = yield from core.ReadBody(body)
    assert_type(data, bytes)
    return data


def an_exchange(flow: core.Flow[bytes], rng: core.Rng, now: core.Instant) -> None:
    exchange = core.Exchange(flow, rng=rng)
    step = exchange.start(now)
    if isinstance(step, core.Done):
        assert_type(step.result, bytes)
    assert_type(exchange.cancel(), list[core.CloseBody])


def errors() -> None:
    try:
        trivet.Client("https://api.example.com").get("/users")
    except trivet.APIError as error:
        assert_type(error.status, int)
        assert_type(error.retry_after, float | None)
        assert_type(error.response, trivet.Response)
    except trivet.TransportError as error:
        assert_type(error.sent, bool)


def mistakes(client: trivet.Client) -> None:
    # mypy's warn_unused_ignores and pyright's counterpart make each of these a test: the mistake must be found.
    client.get("/users", param={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # no such option
    client.get("/users", json={})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # GET takes none
    trivet.Client("https://api.example.com", timout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no such option
