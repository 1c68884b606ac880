"""Cancelled at every await, one after the other: the client works on, and no connection is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest
import trio

import trivet
from conftest import MakeHostile
from servers.hostile import read_request, repeat, send

REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 4\r\n\r\nmove"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"


class Interrupted:
    """Awaits a coroutine, and calls ``interrupt`` at its n-th suspension; notes how many there were."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int, interrupt: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._at = at
        self._interrupt = interrupt
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        reply: Any = None
        error: BaseException | None = None
        while True:
            try:
                trap = self._coroutine.throw(error) if error is not None else self._coroutine.send(reply)
            except StopIteration as stop:
                return stop.value
            self.suspensions += 1
            if self.suspensions == self._at:
                self._interrupt()
            reply = error = None
            try:
                reply = yield trap
            except BaseException as thrown:
                error = thrown


async def buffered(client: trivet.AsyncClient) -> None:
    assert await client.get("/") is True


async def uploaded(client: trivet.AsyncClient) -> None:
    assert await client.put("/", content=lambda: iter([b"one", b"two"])) is True


async def streamed(client: trivet.AsyncClient) -> None:
    async with client.stream("GET", "/") as response:
        async for _piece in response.iter_bytes():
            await asyncio.sleep(0) if _in_asyncio() else await trio.lowlevel.checkpoint()


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


CALLS = [buffered, uploaded, streamed]


@pytest.fixture
def server(hostile: MakeHostile) -> Any:
    return hostile([repeat(read_request, send(BUSY), read_request, send(REDIRECT), read_request, send(OK))])


def client_of(server: Any) -> trivet.AsyncClient:
    return trivet.AsyncClient(server.url, limits=trivet.Limits(max_connections=2), timeout=20)


async def still_works(client: trivet.AsyncClient) -> None:
    for _ in range(6):
        # The scripts of the connections stand anywhere, so any of the three answers may come first.
        assert (await client.raw.get("/")).status == 200


@pytest.mark.parametrize("call", CALLS)
def test_asyncio(server: Any, call: Callable[[trivet.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def main() -> int:
        at = 0
        async with client_of(server) as client:
            while True:
                at += 1
                task = asyncio.current_task()
                assert task is not None
                interrupted = Interrupted(call(client), at, task.cancel)
                try:
                    await interrupted
                except asyncio.CancelledError:
                    task.uncancel()
                if interrupted.suspensions < at:
                    break
            await still_works(client)
        return at

    assert asyncio.run(main()) > 3
    server.wait_until(lambda: server.open == 0)


@pytest.mark.parametrize("call", CALLS)
def test_trio(server: Any, call: Callable[[trivet.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def main() -> int:
        at = 0
        async with client_of(server) as client:
            while True:
                at += 1
                with trio.CancelScope() as scope:
                    interrupted = Interrupted(call(client), at, scope.cancel)
                    await interrupted
                if interrupted.suspensions < at:
                    break
            await still_works(client)
        return at

    assert trio.run(main) > 3
    server.wait_until(lambda: server.open == 0)
