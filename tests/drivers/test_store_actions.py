"""Things done with a store: in the calling thread if they do not block or it may, else in a worker thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio

import trivet
from runtimes import Runtime
from trivet import core
from trivet.testing import ScriptedTransport

PATIENCE = 10.0


@dataclass(frozen=True)
class Do(core.StoreAction[Any]):
    """Calls a function."""

    function: Callable[[], Any]
    is_instant: bool

    @property
    def instant(self) -> bool:
        return self.is_instant

    def perform(self) -> Any:
        return self.function()


class DoMore(Do):
    """Another kind of the same."""


def doing(function: Callable[[], Any], *, instant: bool = False, kind: type[Do] = Do) -> core.Flow[Any]:
    return (yield from kind(function, instant))


def client_of(runtime: Runtime) -> Any:
    return runtime.client("https://api.example.com", transport=ScriptedTransport())


@pytest.mark.parametrize("kind", [Do, DoMore])
@pytest.mark.parametrize("instant", [False, True], ids=["blocking", "instant"])
def test_what_may_block_does_so_elsewhere(runtime: Runtime, instant: bool, kind: type[Do]) -> None:
    async def scenario() -> None:
        async with client_of(runtime) as client:
            for _ in range(2):
                thread = await client.send(doing(threading.get_ident, instant=instant, kind=kind))
                # From now on it is known, and costs a look at a table.
                assert kind in client._session.driver()._handlers
                assert (thread == threading.get_ident()) is (instant or runtime.name == "sync")

    runtime.run(scenario)


@pytest.mark.parametrize("instant", [False, True], ids=["blocking", "instant"])
def test_an_error_reaches_the_flow(runtime: Runtime, instant: bool) -> None:
    def fail() -> None:
        raise KeyError("damaged")

    def flow() -> core.Flow[str]:
        try:
            yield from Do(fail, instant)
        except KeyError as error:
            caught = repr(error)
            return (yield from doing(lambda: caught, instant=instant))
        return "nothing"

    async def scenario() -> None:
        async with client_of(runtime) as client:
            assert await client.send(flow()) == "KeyError('damaged')"
            with pytest.raises(KeyError, match="damaged"):
                await client.send(doing(fail, instant=instant))

    runtime.run(scenario)


def test_while_one_blocks_the_others_go_on(runtime: Runtime) -> None:
    both_here = threading.Barrier(2)

    async def scenario() -> list[Any]:
        async with client_of(runtime) as client:

            async def meet() -> Any:
                return await client.send(doing(lambda: both_here.wait(PATIENCE)))

            return await runtime.together(meet, meet)

    assert sorted(runtime.run(scenario)) == [0, 1]


class Blocked:
    """An action that blocks until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()
        self.flow_ended = False

    def flow(self) -> core.Flow[None]:
        try:
            yield from Do(self.work, False)
        finally:
            self.flow_ended = True

    def work(self) -> None:
        self.begun.set()
        assert self.let_go.wait(PATIENCE)
        self.ended.set()


def test_a_cancelled_call_does_not_wait_for_the_thread_asyncio() -> None:
    blocked = Blocked()

    async def main() -> None:
        async with trivet.AsyncClient("https://api.example.com", transport=ScriptedTransport()) as client:
            task = asyncio.create_task(client.send(blocked.flow()))
            assert await asyncio.to_thread(blocked.begun.wait, PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (blocked.flow_ended, blocked.ended.is_set()) == (True, False)
            blocked.let_go.set()

    asyncio.run(main())
    assert blocked.ended.wait(PATIENCE)


def test_a_cancelled_call_does_not_wait_for_the_thread_trio() -> None:
    blocked = Blocked()

    async def main() -> None:
        async with trivet.AsyncClient("https://api.example.com", transport=ScriptedTransport()) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, blocked.flow())
                assert await trio.to_thread.run_sync(blocked.begun.wait, PATIENCE)
                nursery.cancel_scope.cancel()
            assert (blocked.flow_ended, blocked.ended.is_set()) == (True, False)
            blocked.let_go.set()

    trio.run(main)
    assert blocked.ended.wait(PATIENCE)
