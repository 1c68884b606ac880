"""From the first use of a client to its end: sharing, closing, cancelling."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
import trio

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import read_head, repeat, send
from servers.nginx import RECORDS, Nginx
from trivet.testing import ScriptedTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"


def test_connections_are_reused(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            for _ in range(5):
                await client.get("/")
            await client.with_options(headers={"X": "1"}, timeout=5).get("/")

    runtime.run(scenario)
    assert (len(server.requests), server.connections) == (6, 1)
    server.wait_until(lambda: not server.open)


def test_a_closed_client_refuses_calls(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        client = runtime.client(nginx.url)
        await client.get("/records.json")
        await client.aclose()
        await client.aclose()
        assert "closed" in repr(client)
        with pytest.raises(trivet.LocalProtocolError, match="closed"):
            await client.get("/records.json")
        with pytest.raises(trivet.LocalProtocolError, match="closed"):
            async with client.stream("GET", "/records.json"):
                pass

    runtime.run(scenario)


def test_a_client_that_was_never_used_can_be_closed(runtime: Runtime) -> None:
    async def scenario() -> None:
        await runtime.client("https://api.example.com").aclose()

    runtime.run(scenario)


def test_closing_a_sibling_leaves_the_connections_open(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            sibling = client.with_options(retry=0)
            await sibling.get("/")
            await sibling.aclose()
            with pytest.raises(trivet.LocalProtocolError, match="closed"):
                await sibling.get("/")
            await client.get("/")
            orphan = client.with_options(retry=0)
        with pytest.raises(trivet.LocalProtocolError, match="closed"):
            await orphan.get("/")

    runtime.run(scenario)
    assert server.connections == 1


def test_a_transport_of_ones_own(runtime: Runtime) -> None:
    transport = ScriptedTransport(trivet.Response(200, content=b"[1]"), forever=True)

    async def scenario() -> None:
        async with runtime.client("https://api.example.com", transport=transport) as client:
            assert await client.get("/") == [1]
            assert await client.get("/") == [1]

    runtime.run(scenario)
    assert (len(transport.requests), transport.closed) == (2, 1)


def test_flows_of_ones_own(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:

            def both() -> trivet.Flow[tuple[int, int]]:
                first = yield from client.flow("GET", "/records.json")
                yield from trivet.sleep(0)
                second = yield from client.flow("GET", "/hello.txt")
                return len(first.json()), len(second.content)

            assert await client.send(both()) == (100, 18)

    runtime.run(scenario)


def test_a_policy_of_ones_own(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(OK))])
    seen: list[int] = []

    class Stamp(trivet.Policy):
        stage = trivet.Stage.ATTEMPT

        def handle(self, request: trivet.Request, call: Any, forward: Any) -> trivet.Flow[trivet.Response]:
            stamped = request.replace(headers=request.headers.with_field("X-Stamp", "inked"))
            response = yield from forward(stamped, call)
            seen.append(response.status)
            return response

    async def scenario() -> None:
        async with runtime.client(server.url, policies=[Stamp()]) as client:
            await client.get("/")
            async with client.stream("GET", "/"):
                pass

    runtime.run(scenario)
    assert seen == [200, 200]
    assert all(b"X-Stamp: inked" in request for request in server.requests)


def test_several_event_loops_in_a_row(nginx: Nginx) -> None:
    client = trivet.AsyncClient(nginx.url)

    async def call() -> Any:
        return await client.get("/records.json")

    async def last() -> None:
        assert await call() == RECORDS
        await client.aclose()

    for _ in range(3):
        assert asyncio.run(call()) == RECORDS
    assert trio.run(call) == RECORDS
    trio.run(last)


def test_an_async_client_outside_of_a_runtime_says_so() -> None:
    coroutine = trivet.AsyncClient("https://api.example.com").get("/")
    with pytest.raises(RuntimeError, match=r"asyncio.*trio"):
        coroutine.send(None)


def test_calls_cancelled_at_random_moments_asyncio(nginx: Nginx) -> None:
    dice = random.Random(7)

    async def main() -> None:
        async with trivet.AsyncClient(nginx.url, limits=trivet.Limits(max_connections=10)) as client:

            async def doomed() -> None:
                # A deadline of asyncio's own, which cancels the task wherever it is.
                try:
                    async with asyncio.timeout(dice.random() * 0.02):
                        await client.get("/records.json")
                except TimeoutError:
                    pass

            await asyncio.gather(*(doomed() for _ in range(100)))
            for _ in range(20):
                assert await client.get("/records.json", timeout=20) == RECORDS

    asyncio.run(main())


def test_calls_cancelled_at_random_moments_trio(nginx: Nginx) -> None:
    dice = random.Random(7)

    async def main() -> None:
        async with trivet.AsyncClient(nginx.url, limits=trivet.Limits(max_connections=10)) as client:

            async def doomed() -> None:
                with trio.move_on_after(dice.random() * 0.02):
                    await client.get("/records.json")

            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(doomed)
            for _ in range(20):
                assert await client.get("/records.json", timeout=20) == RECORDS

    trio.run(main)


def test_leaving_a_stream_by_cancellation(nginx: Nginx) -> None:
    async def main() -> None:
        limits = trivet.Limits(max_connections=1)
        async with trivet.AsyncClient(nginx.url, limits=limits) as client:
            for _ in range(3):
                with trio.move_on_after(0.05):
                    async with client.stream("GET", "/slow.bin") as response:
                        async for _piece in response.iter_bytes():
                            pass
            assert await client.get("/records.json") == RECORDS

    trio.run(main)
