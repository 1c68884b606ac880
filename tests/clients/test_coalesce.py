"""Identical requests at the same time reach a real server once, in threads and in tasks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

import trivet
from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Threads, Trio
from servers.hostile import Step, read_request, read_to_end, repeat, reset, send, signal, wait_for
from trivet import core
from trivet.core.policies.coalesce import Coalesce

PATIENCE = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"


class Waiting(logging.Handler):
    """Counts the calls that wait for another one; ``everybody`` is set when there are so many."""

    def __init__(self, count: int) -> None:
        super().__init__(logging.INFO)
        self.everybody = threading.Event()
        self._lock = threading.Lock()
        self._missing = count
        self.log = logging.Logger("waiting", logging.INFO)
        self.log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == "RequestCollapsed":
            with self._lock:
                self._missing -= 1
                if self._missing == 0:
                    self.everybody.set()


def client_of(runtime: Runtime, url: str, waiting: Waiting, *policies: core.Policy, **options: Any) -> Any:
    coalesce = Coalesce(**options)
    return runtime.client(url, policies=[coalesce, *policies], log=waiting.log, retry=0, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("runtime", "count"),
    [(Threads(), 200), (Asyncio(), 1000), (Trio(), 1000)],
    ids=repr,
)
def test_many_gets_reach_the_server_once(runtime: Runtime, count: int, hostile: MakeHostile) -> None:
    waiting = Waiting(count - 1)
    server = hostile([repeat(read_request, wait_for(waiting.everybody), send(OK))])

    async def scenario() -> list[trivet.Response]:
        async with client_of(runtime, server.url, waiting) as client:
            return await runtime.together(*[lambda: client.raw.get("/", headers={"X-Number": "1"})] * count)

    responses = runtime.run(scenario)
    assert (len(server.requests), server.connections) == (1, 1)
    assert {response.content for response in responses} == {b"true"}
    assert len({id(response) for response in responses}) == count
    assert sum(not response.collapsed for response in responses) == 1


def test_what_differs_is_answered_apart(runtime: Runtime, hostile: MakeHostile) -> None:
    waiting = Waiting(8)
    server = hostile([repeat(read_request, wait_for(waiting.everybody), send(OK))])

    async def scenario() -> list[trivet.Response]:
        async with client_of(runtime, server.url, waiting) as client:
            calls: list[Callable[[], Any]] = []
            for name in ("a", "b"):
                sibling = client.with_options(auth=trivet.BearerAuth(name))
                calls += [lambda sibling=sibling: sibling.raw.get("/")] * 5
            return await runtime.together(*calls)

    responses = runtime.run(scenario)
    fields = [line for request in server.requests for line in request.split(b"\r\n") if b"Bearer" in line]
    assert sorted(fields) == [b"Authorization: Bearer a", b"Authorization: Bearer b"]
    assert sum(response.collapsed for response in responses) == 8


@pytest.mark.parametrize("share_errors", [True, False])
def test_a_failure(runtime: Runtime, hostile: MakeHostile, share_errors: bool) -> None:
    waiting = Waiting(9)
    server = hostile([read_request, wait_for(waiting.everybody), reset])

    async def scenario() -> list[Exception]:
        async with client_of(runtime, server.url, waiting, share_errors=share_errors) as client:

            async def fail() -> Exception:
                with pytest.raises(trivet.TransportError, match=server.url) as caught:
                    await client.get("/")
                return caught.value

            return await runtime.together(*[fail] * 10)

    errors = runtime.run(scenario)
    assert len({id(error) for error in errors}) == 10
    assert len(server.requests) == (1 if share_errors else 10)
    assert sum(isinstance(error.__cause__, trivet.TransportError) for error in errors) == (9 if share_errors else 0)


def interrupted(begun: threading.Event) -> list[Step]:
    """The server's side of a call that is cancelled when its request has come."""
    return [read_request, signal(begun), read_to_end]


def test_a_cancelled_leader_hands_over_asyncio(hostile: MakeHostile) -> None:
    begun, waiting = threading.Event(), Waiting(20)
    server = hostile(interrupted(begun), [read_request, send(OK)])

    async def main() -> None:
        async with client_of(Asyncio(), server.url, waiting) as client:
            leader = asyncio.create_task(client.get("/"))
            assert await asyncio.to_thread(begun.wait, PATIENCE)
            followers = [asyncio.create_task(client.get("/")) for _ in range(20)]
            assert await asyncio.to_thread(waiting.everybody.wait, PATIENCE)
            followers.pop(3).cancel()
            leader.cancel()
            assert await asyncio.gather(*followers) == [True] * 19
            assert leader.cancelled()

    asyncio.run(main())
    assert len(server.requests) == 2


def test_a_cancelled_leader_hands_over_trio(hostile: MakeHostile) -> None:
    begun, waiting = threading.Event(), Waiting(20)
    server = hostile(interrupted(begun), [read_request, send(OK)])
    results: list[Any] = []

    async def main() -> None:
        async with client_of(Trio(), server.url, waiting) as client, trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def lead() -> None:
                with scope:
                    await client.get("/")

            async def follow() -> None:
                results.append(await client.get("/"))

            nursery.start_soon(lead)
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE)
            for _ in range(20):
                nursery.start_soon(follow)
            assert await trio.to_thread.run_sync(waiting.everybody.wait, PATIENCE)
            scope.cancel()

    trio.run(main)
    assert results == [True] * 20
    assert len(server.requests) == 2


class Interrupting(core.Policy):
    """Interrupts the first thread that comes by, once the others wait for it."""

    stage = core.Stage.ATTEMPT

    def __init__(self, when: threading.Event) -> None:
        self._when = when
        self._first = True

    def handle(self, request: core.Request, call: core.Call, forward: core.Forward) -> core.Flow[core.Response]:
        if self._first:
            self._first = False
            yield from core.Invoke(self._interrupt)
        return (yield from forward(request, call))

    def _interrupt(self) -> None:
        assert self._when.wait(PATIENCE)
        raise KeyboardInterrupt


def test_an_interrupted_leader_hands_over(hostile: MakeHostile) -> None:
    waiting = Waiting(20)
    server = hostile([read_request, send(OK)])
    runtime = Threads()

    async def scenario() -> list[Any]:
        async with client_of(runtime, server.url, waiting, Interrupting(waiting.everybody)) as client:

            async def call() -> Any:
                try:
                    return await client.get("/")
                except KeyboardInterrupt:
                    return "interrupted"

            return await runtime.together(*[call] * 21)

    assert sorted(runtime.run(scenario), key=str) == [True] * 20 + ["interrupted"]
    assert len(server.requests) == 1


def test_redirects_are_followed_together(runtime: Runtime, hostile: MakeHostile) -> None:
    waiting = Waiting(9)
    moved = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 5\r\n\r\nmoved"
    server = hostile([repeat(read_request, wait_for(waiting.everybody), send(moved), read_request, send(OK))])

    async def scenario() -> list[Any]:
        async with client_of(runtime, server.url, waiting) as client:
            return await runtime.together(*[lambda: client.get("/")] * 10)

    assert runtime.run(scenario) == [True] * 10
    assert sum(request.startswith(b"GET / ") for request in server.requests) == 1


def test_threads_and_tasks_may_share_one_flight(hostile: MakeHostile) -> None:
    """One `Coalesce`, and a client for each runtime."""
    waiting = Waiting(14)
    server = hostile([read_request, wait_for(waiting.everybody), send(OK)])
    coalesce = Coalesce()
    limits = trivet.Limits()
    results: list[Any] = []

    def work(runtime: Runtime) -> None:
        async def scenario() -> None:
            async with runtime.client(server.url, policies=[coalesce], limits=limits, log=waiting.log) as client:
                results.extend(await runtime.together(*[lambda: client.get("/")] * 5))

        runtime.run(scenario)

    threads = [threading.Thread(target=work, args=(runtime,)) for runtime in (Threads(), Asyncio(), Trio())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == [True] * 15
    assert len(server.requests) == 1
