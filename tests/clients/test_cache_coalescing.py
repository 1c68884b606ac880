"""Many identical requests at once reach the origin once, with a cache; so do those that come too late to share one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

import trivet
from clients.caching import Watch, told
from conftest import MakeHostile
from runtimes import PATIENCE, Asyncio, Runtime, Threads, Trio
from servers.hostile import Peer, read_request, read_to_end, repeat, send, signal, wait_for

FRESH = "Cache-Control: max-age=60\r\n"
CROWDS = pytest.mark.parametrize(("runtime", "count"), [(Threads(), 1000), (Asyncio(), 1000), (Trio(), 1000)], ids=repr)


def answer(fields: str = FRESH, status: str = "200 OK", content: bytes = b"true") -> bytes:
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(content)}\r\n\r\n".encode() + content


def crowd(waiting: int) -> Watch:
    """Watches until so many calls wait for another one."""
    return Watch("RequestCollapsed", times=waiting)


@pytest.fixture(params=["memory", "sqlite"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return trivet.Cache(None if request.param == "memory" else trivet.SQLiteStore(tmp_path / "cache.sqlite"))


@CROWDS
def test_a_crowd_reaches_the_origin_once(
    runtime: Runtime, count: int, cache: trivet.Cache, hostile: MakeHostile
) -> None:
    """The origin answers when all the others wait; and is not asked again afterwards."""
    waiting = crowd(count - 1)
    server = hostile([read_request, wait_for(waiting.seen), send(answer()), read_request])

    async def scenario() -> None:
        async with runtime.client(server.url, cache=cache, log=waiting.log, timeout=PATIENCE, retry=0) as client:
            responses = await runtime.together(*[lambda: client.raw.get("/")] * count)
            assert {response.content for response in responses} == {b"true"}
            leaders = [response for response in responses if not response.collapsed]
            assert [str(response.cache_status) for response in leaders] == ["trivet; fwd=uri-miss; stored"]
            statuses = {str(response.cache_status) for response in responses if response.collapsed}
            assert statuses == {"trivet; fwd=uri-miss; collapsed"}
            late = await client.raw.get("/")
            assert (late.from_cache, late.collapsed, late.content) == (True, False, b"true")

    runtime.run(scenario)
    cache.store.close()
    assert (len(server.requests), server.connections) == (1, 1)


@CROWDS
def test_whoever_comes_late_finds_it_stored(
    runtime: Runtime, count: int, cache: trivet.Cache, hostile: MakeHostile
) -> None:
    """Nobody waits for anybody here: some share the request, others come when it is over."""
    server = hostile([repeat(read_request, send(answer()))])
    count //= 4

    async def scenario() -> None:
        async with runtime.client(server.url, cache=cache, timeout=PATIENCE, retry=0) as client:
            responses = await runtime.together(*[lambda: client.raw.get("/")] * count)
            assert {response.content for response in responses} == {b"true"}
            assert sum(not (response.collapsed or response.from_cache) for response in responses) == 1

    runtime.run(scenario)
    cache.store.close()
    assert len(server.requests) == 1


def test_a_crowd_validates_once(runtime: Runtime, cache: trivet.Cache, hostile: MakeHostile) -> None:
    waiting = crowd(49)
    validator = 'ETag: "a"\r\nCache-Control: max-age=0\r\n'
    confirmed = answer('ETag: "a"\r\nCache-Control: max-age=60\r\n', "304 Not Modified", b"")
    server = hostile(
        [read_request, send(answer(validator)), read_request, wait_for(waiting.seen), send(confirmed), read_request]
    )

    async def scenario() -> None:
        async with runtime.client(server.url, cache=cache, log=waiting.log, timeout=PATIENCE, retry=0) as client:
            assert await client.get("/") is True
            responses = await runtime.together(*[lambda: client.raw.get("/")] * 50)
            assert {(response.status, response.content, response.from_cache) for response in responses} == {
                (200, b"true", True)
            }
            assert {response.cache_status.fwd_status for response in responses} == {304}
            assert (await client.raw.get("/")).cache_status.hit

    runtime.run(scenario)
    cache.store.close()
    assert len(server.requests) == 2


def test_a_failure_is_shared_and_not_stored(runtime: Runtime, cache: trivet.Cache, hostile: MakeHostile) -> None:
    waiting = crowd(19)
    server = hostile(
        [read_request, wait_for(waiting.seen), send(answer(status="503 Busy")), read_request, send(answer())]
    )

    async def scenario() -> None:
        async with runtime.client(server.url, cache=cache, log=waiting.log, timeout=PATIENCE, retry=0) as client:

            async def fail() -> None:
                with pytest.raises(trivet.ServerError):
                    await client.get("/")

            await runtime.together(*[fail] * 20)
            await client.clear_cache()
            assert await client.get("/") is True

    runtime.run(scenario)
    cache.store.close()
    assert len(server.requests) == 2


def tokens_in(requests: list[bytes]) -> list[bytes]:
    return sorted(line for request in requests for line in request.split(b"\r\n") if b"Bearer" in line)


def together_at_the_server(count: int) -> tuple[list[Any], Callable[[], None]]:
    """A script that answers when so many requests have come; to be played by as many connections."""
    barrier = threading.Barrier(count)
    return [read_request, lambda peer: barrier.wait(PATIENCE), send(answer())], barrier.abort


@pytest.mark.parametrize(
    ("client_options", "call_options", "told_each"),
    [
        ({"coalesce": False}, {}, "cache miss: nothing is stored"),
        ({}, {"cache": "refresh"}, "cache miss: a refresh was asked for"),
        ({}, {"headers": {"Cache-Control": "no-cache"}}, "cache miss: nothing is stored"),
        ({}, {"on_interim": lambda response: None}, "cache miss: nothing is stored"),
    ],
    ids=["off", "refresh", "no-cache", "on_interim"],
)
def test_who_wants_an_answer_of_its_own_gets_one(
    runtime: Runtime,
    hostile: MakeHostile,
    client_options: dict[str, Any],
    call_options: dict[str, Any],
    told_each: str,
) -> None:
    script, abort = together_at_the_server(5)
    server = hostile(script)

    async def scenario() -> None:
        async with runtime.client(server.url, cache=True, **client_options) as client:
            responses = await runtime.together(*[lambda: client.raw.get("/", **call_options)] * 5)
            assert {told(response)[0] for response in responses} == {told_each}
            assert not any(response.collapsed for response in responses)
            assert await client.get("/") is True

    try:
        runtime.run(scenario)
    finally:
        abort()
    assert len(server.requests) == 5


def test_streams_go_by_themselves_and_are_stored(runtime: Runtime, hostile: MakeHostile) -> None:
    script, abort = together_at_the_server(5)
    server = hostile(script)

    async def scenario() -> None:
        async with runtime.client(server.url, cache=True) as client:

            async def stream() -> bytes:
                async with client.stream("GET", "/") as response:
                    content: bytes = await response.read()
                    return content

            assert await runtime.together(*[stream] * 5) == [b"true"] * 5
            assert await stream() == b"true"

    try:
        runtime.run(scenario)
    finally:
        abort()
    assert len(server.requests) == 5


def test_siblings_share_one_request_and_other_users_do_not(runtime: Runtime, hostile: MakeHostile) -> None:
    waiting = crowd(8)
    server = hostile([read_request, wait_for(waiting.seen), send(answer())])

    async def scenario() -> None:
        async with runtime.client(
            server.url, cache=True, log=waiting.log, auth=trivet.BearerAuth("ada"), timeout=PATIENCE
        ) as client:
            patient, bob = client.with_options(timeout=2 * PATIENCE), client.with_options(auth=trivet.BearerAuth("bob"))
            calls = [lambda each=each: each.raw.get("/") for each in [client, patient] * 2 + [bob] * 6]
            responses = await runtime.together(*calls)
            assert [sum(response.collapsed for response in part) for part in (responses[:4], responses[4:])] == [3, 5]

    runtime.run(scenario)
    assert tokens_in(server.requests) == [b"Authorization: Bearer ada", b"Authorization: Bearer bob"]


def test_a_token_of_each_users_own_is_shared_with_nobody(runtime: Runtime, hostile: MakeHostile) -> None:
    """One client for many users, whose tokens a function knows: as in a server that calls another one for them."""
    user = ContextVar[str]("user")
    waiting = crowd(8)

    def greet(peer: Peer) -> None:
        peer.socket.sendall(answer(content=tokens_in(peer.server.requests[-1:])[0]))

    server = hostile([read_request, greet], [read_request, wait_for(waiting.seen), greet])

    async def scenario() -> None:
        auth = trivet.BearerAuth(user.get)
        async with runtime.client(server.url, cache=True, log=waiting.log, auth=auth, timeout=PATIENCE) as client:

            def calls(*names: str) -> list[Callable[[], Any]]:
                async def call(name: str) -> tuple[str, str]:
                    user.set(name)
                    return name, (await client.raw.get("/me")).text

                return [lambda name=name: call(name) for name in names]

            expected = {(name, f"Authorization: Bearer {name}") for name in ("ada", "bob")}
            assert set(await runtime.together(*calls("ada"))) <= expected
            assert set(await runtime.together(*calls(*["bob"] * 9, *["ada"] * 9))) == expected

    runtime.run(scenario)
    assert tokens_in(server.requests) == [b"Authorization: Bearer ada", b"Authorization: Bearer bob"]


def put(client: Any) -> Any:
    return client.put("/")


def post_elsewhere(client: Any) -> Any:
    return client.post("/create")


def invalidate(client: Any) -> Any:
    return client.cache.invalidate("/")


def invalidate_pattern(client: Any) -> Any:
    return client.cache.invalidate("/*")


def clear(client: Any) -> Any:
    return client.clear_cache()


@pytest.mark.parametrize("change", [put, post_elsewhere, invalidate, invalidate_pattern, clear])
def test_what_was_under_way_when_something_changed_is_not_used_afterwards(
    runtime: Runtime, change: Callable[[Any], Any], cache: trivet.Cache, hostile: MakeHostile
) -> None:
    asked, changed = threading.Event(), threading.Event()
    before = [read_request, signal(asked), wait_for(changed), send(answer(content=b"1")), read_to_end]
    created = send(answer("Location: /\r\n", "201 Created", b"null"))
    after = [read_request, *([created, read_request] if change in (put, post_elsewhere) else [])]
    server = hostile(before, [*after, send(answer(content=b"2")), read_to_end])

    async def scenario() -> None:
        async with runtime.client(server.url, cache=cache, timeout=PATIENCE, retry=0) as client:

            async def meanwhile() -> Any:
                await runtime.wait_for(asked)
                await change(client)
                found = await client.get("/")
                changed.set()
                return found

            # Whoever asked before may have what was there before.
            assert await runtime.together(lambda: client.get("/"), meanwhile) == [1, 2]
            assert (await client.raw.get("/")).content == b"2"

    runtime.run(scenario)
    cache.store.close()
    assert sum(request.startswith(b"GET ") for request in server.requests) == 2
