"""Cancelled at every await, one after the other: the client works on, and no connection is left behind."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NamedTuple

import anyio
import pytest
import trio

import trivet
from conftest import MakeHostile
from servers.hostile import Hostile, read_request, repeat, send, start_tls
from servers.nginx import HELLO, Nginx
from servers.tls import Authority

REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 4\r\n\r\nmove"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"

BIG = b"b" * 300_000
# So that such content leaves in many writes, with a wait for each.
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)]


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


async def uploaded_big(client: trivet.AsyncClient) -> None:
    assert await client.put("/", content=BIG) is True


async def streamed(client: trivet.AsyncClient) -> None:
    async with client.stream("GET", "/") as response:
        async for _piece in response.iter_bytes():
            await checkpoint()


async def nginx_buffered(client: trivet.AsyncClient) -> None:
    assert (await client.raw.get("/hello.txt")).content == HELLO


async def nginx_uploaded(client: trivet.AsyncClient) -> None:
    await client.put("/store/cancelled", content=lambda: iter([BIG[:100_000]] * 3))


async def nginx_left_early(client: trivet.AsyncClient) -> None:
    async with client.stream("GET", "/bytes.bin") as response:
        async for _piece in response.iter_bytes():
            await checkpoint()
            break


async def checkpoint() -> None:
    await asyncio.sleep(0) if _in_asyncio() else await trio.lowlevel.checkpoint()


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


Call = Callable[[trivet.AsyncClient], Coroutine[Any, Any, None]]
Interrupt = Callable[[Callable[[], object]], object]


def at_once(cancel: Callable[[], object]) -> None:
    cancel()


async def interrupted_asyncio(call: Coroutine[Any, Any, None], at: int, interrupt: Interrupt = at_once) -> int:
    """Cancel at the n-th suspension; the number of those that there were.

    ``interrupt`` gets the function that cancels, and may keep it for later.
    """
    task = asyncio.current_task()
    assert task is not None
    interrupted = Interrupted(call, at, lambda: interrupt(task.cancel))
    try:
        await interrupted
    except asyncio.CancelledError:
        task.uncancel()
    return interrupted.suspensions


async def interrupted_trio(call: Coroutine[Any, Any, None], at: int, interrupt: Interrupt = at_once) -> int:
    with trio.CancelScope() as scope:
        interrupted = Interrupted(call, at, lambda: interrupt(scope.cancel))
        await interrupted
    return interrupted.suspensions


def run_asyncio(main: Callable[..., Coroutine[Any, Any, int]], *args: Any, uvloop: bool = False) -> int:
    """Run with cancellation by `asyncio.Task.cancel`; whatever the event loop complains of is a failure."""
    complaints: list[dict[str, Any]] = []

    async def complaining() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        return await main(interrupted_asyncio, *args)

    factory = pytest.importorskip("uvloop").new_event_loop if uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(complaining())
    gc.collect()
    assert complaints == []
    return result


def run_uvloop(main: Callable[..., Coroutine[Any, Any, int]], *args: Any) -> int:
    return run_asyncio(main, *args, uvloop=True)


def run_trio(main: Callable[..., Coroutine[Any, Any, int]], *args: Any) -> int:
    result = trio.run(main, interrupted_trio, *args)
    gc.collect()
    return result


Run = Callable[..., int]
RUNS = [
    pytest.param(run_asyncio, id="asyncio"),
    pytest.param(run_uvloop, id="uvloop"),
    pytest.param(run_trio, id="trio"),
]


class Place(NamedTuple):
    """Where a call goes, and over which connections. ``good``: a call that nobody cancels."""

    url: str
    good: Call
    connections: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    retry: trivet.Retry | int = 0  # no failure but the cancellation is to be got over

    def transport(self, max_connections: int = 2) -> trivet.HTTPTransport:
        return trivet.HTTPTransport(limits=trivet.Limits(max_connections=max_connections), **self.connections)

    def client(self, transport: trivet.HTTPTransport | None = None) -> trivet.AsyncClient:
        return trivet.AsyncClient(self.url, transport=transport or self.transport(), retry=self.retry, timeout=20)


async def still_works(client: trivet.AsyncClient) -> None:
    # The scripts of the connections stand anywhere, so any of the three answers may come first.
    assert (await client.raw.get("/")).status == 200


async def at_every_await(interrupt: Any, place: Place, call: Call, warm: bool) -> int:
    """Cancel the call at each of its suspensions; their number.

    The client stays the same; if it is not ``warm`` each call gets a new one, and so opens the connection.
    """
    at = 0
    client = place.client()
    if warm:
        await place.good(client)
    while True:
        at += 1
        suspensions: int = await interrupt(call(client), at)
        for _ in range(6 if suspensions < at else 1):
            await place.good(client)
        if suspensions < at:
            await client.aclose()
            return at
        if not warm:
            await client.aclose()
            client = place.client()


@pytest.fixture
def server(hostile: MakeHostile) -> Hostile:
    return hostile([repeat(read_request, send(BUSY), read_request, send(REDIRECT), read_request, send(OK))])


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("call", [buffered, uploaded, streamed])
@pytest.mark.parametrize("run", RUNS)
def test_with_retries_and_redirects(server: Hostile, run: Run, call: Call, warm: bool) -> None:
    retry = trivet.Retry(backoff=trivet.Backoff(base=0.001))
    assert run(at_every_await, Place(server.url, still_works, retry=retry), call, warm) > 3
    server.wait_until(lambda: server.open == 0)


@pytest.mark.parametrize("call", [buffered, uploaded_big, streamed])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("run", RUNS)
def test_one_exchange(hostile: MakeHostile, tls: Authority, run: Run, secure: bool, call: Call) -> None:
    handshake = [start_tls(tls.server_context())] if secure else []
    server = hostile([*handshake, repeat(read_request, send(OK))])
    place = Place(
        server.tls_url if secure else server.url,
        buffered,
        {"verify": tls.ca_pem, "socket_options": SMALL_BUFFER},
    )
    assert run(at_every_await, place, call, False) > 2
    server.wait_until(lambda: server.open == 0)


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize("call", [nginx_buffered, nginx_uploaded, nginx_left_early])
@pytest.mark.parametrize("run", RUNS)
def test_over_http2(nginx: Nginx, tls: Authority, run: Run, call: Call, warm: bool) -> None:
    options = {"verify": tls.ca_pem, "http2": True, "socket_options": SMALL_BUFFER}
    place = Place(nginx.tls_url, nginx_buffered, options)
    assert run(at_every_await, place, call, warm) > (2 if call is nginx_uploaded else 1)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("order", ["cancelled-first", "granted-first"])
@pytest.mark.parametrize("run", RUNS)
def test_while_it_waits_for_a_connection(hostile: MakeHostile, run: Run, order: str, kept: bool) -> None:
    """What a call is granted in the very moment in which it is cancelled goes to the next one that waits."""
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n"
    further = repeat(read_request, send(OK))
    # A connection whose response did not come to its end is not kept: what is granted then is to open another one.
    server = hostile([read_request, send(begun + b"0\r\n\r\n" if kept else begun), further], [further])
    suspensions = run(cancelled_in_the_queue, Place(server.url, buffered), order)
    if run is run_trio and order == "granted-first":
        # It notices when it awaits something else: by then it may use what it was granted.
        assert suspensions > 1
        assert server.connections <= 3
    else:
        assert suspensions == 1
        assert server.connections == (1 if kept else 2)
    server.wait_until(lambda: server.open == 0)


async def cancelled_in_the_queue(interrupt: Any, place: Place, order: str) -> int:
    suspensions = []
    cancels: list[Callable[[], object]] = []

    async def cancelled() -> None:
        suspensions.append(await interrupt(buffered(client), 1, cancels.append))

    transport = place.transport(max_connections=1)
    async with place.client(transport) as client:
        async with anyio.create_task_group() as group, client.stream("GET", "/"):
            runtime = next(iter(transport._async_half._runs.values())).lane.runtime  # type: ignore[union-attr]  # it was used
            usual: Any = runtime.new_waiter

            class Cancelling(usual):  # type: ignore[misc]  # a class that only the runtime knows
                def wake(self) -> None:
                    if order == "granted-first":
                        super().wake()
                    if cancels:  # only once
                        cancels.pop()()
                    super().wake()

            runtime.new_waiter = Cancelling
            group.start_soon(cancelled)
            await anyio.wait_all_tasks_blocked()
            runtime.new_waiter = usual
            for _ in range(3):
                group.start_soon(buffered, client)
            await anyio.wait_all_tasks_blocked()
        await buffered(client)
    return suspensions[0]
