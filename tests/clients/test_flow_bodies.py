"""Open responses whose bodies are read through a flow."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

import trivet
from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Trio
from servers.hostile import read_head, read_to_end, send
from servers.nginx import BYTES, RECORDS, Nginx
from trivet import core
from trivet.core.exchange.bodies import FlowBody, handle_to_close, read_body
from trivet.testing import ScriptedTransport, Streamed, VirtualClock
from trivet.testing.transport import After

URL = "https://api.example.com/"


class Work(core.StoreAction[int]):
    """Something that may block a little, between the transport and the reader."""

    instant = False

    def __init__(self, function: Callable[[bytes], int], data: bytes) -> None:
        self._function = function
        self._data = data

    def perform(self) -> int:
        return self._function(self._data)


class Wrapped(FlowBody):
    """A transport's body that counts what comes by."""

    def __init__(self, body: object, *, decoded: bool = False, work: Callable[[bytes], int] = len) -> None:
        self.body: object | None = body
        self.decoded = decoded
        self.size = 0
        self.ended = False
        self.releases = 0
        self._work = work

    @property
    def handle(self) -> object | None:
        return self.body

    def read(self, deadline: float) -> core.Flow[bytes]:
        try:
            data = yield from read_body(self.body, deadline)
        except trivet.TrivetError:
            self.body = None
            raise
        self.size += yield from Work(self._work, data)
        if not data:
            self.body, self.ended = None, True
        return data

    def release(self) -> object | None:
        self.releases += 1
        body, self.body = self.body, None
        return None if body is None else handle_to_close(body)


class Made(FlowBody):
    """A body that comes from no transport. A piece may be an error."""

    def __init__(self, *pieces: bytes | Exception, decoded: bool = False) -> None:
        self.pieces: Iterator[bytes | Exception] = iter((*pieces, b""))
        self.decoded = decoded
        self.releases = 0

    def read(self, deadline: float) -> core.Flow[bytes]:
        piece = next(self.pieces)
        if isinstance(piece, Exception):
            raise piece
        yield from Work(len, piece)
        return piece

    def release(self) -> object | None:
        self.releases += 1
        return None


class Wrapping(core.Policy):
    """Wraps each body that comes from the transport."""

    stage = core.Stage.CACHE

    def __init__(self, **options: Any) -> None:
        self.bodies: list[Wrapped] = []
        self._options = options

    def handle(self, request: core.Request, call: core.Call, forward: core.Forward) -> core.Flow[core.Response]:
        response = yield from forward(request, call)
        if response.body is not None:
            response.body = Wrapped(response.body, **self._options)
            self.bodies.append(response.body)
        return response


class Answering(core.Policy):
    """Answers every request with one body, and sends none."""

    stage = core.Stage.CACHE

    def __init__(self, body: FlowBody, **fields: str) -> None:
        self._body = body
        self._headers = core.Headers({name.replace("_", "-"): value for name, value in fields.items()})

    def handle(self, request: core.Request, call: core.Call, forward: core.Forward) -> core.Flow[core.Response]:
        response = core.Response(200, self._headers, body=self._body, request=request)
        response.trace = call.trace
        return response
        yield


def client_of(runtime: Runtime, policy: core.Policy, transport: Any = None, **options: Any) -> Any:
    return runtime.client(URL, transport=transport or ScriptedTransport(), policies=[policy], retry=0, **options)


async def collect(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


def test_a_real_body_is_read_through_it(runtime: Runtime, nginx: Nginx) -> None:
    wrapping = Wrapping()

    async def scenario() -> None:
        async with runtime.client(nginx.url, policies=[wrapping]) as client:
            async with client.stream("GET", "/bytes.bin") as response:
                assert b"".join(await collect(response.iter_bytes())) == BYTES
            async with client.stream("GET", "/records.json") as response:
                assert await response.read() == response.content
                assert response.json() == RECORDS
            async with client.stream("GET", "/bytes.bin") as response:
                async for _piece in response.iter_bytes():
                    break
            assert await client.get("/records.json", cache=False) == RECORDS

    runtime.run(scenario)
    assert [body.ended for body in wrapping.bodies[:3]] == [True, True, False]
    assert [body.releases for body in wrapping.bodies[:3]] == [0, 0, 1]
    assert wrapping.bodies[0].size == len(BYTES)


@pytest.mark.parametrize("decoded", [False, True])
def test_content_codings(runtime: Runtime, decoded: bool) -> None:
    text = b"one\ntwo"
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    pieces = [text[:3], text[3:]] if decoded else [gzip.compress(text)]
    transport = ScriptedTransport(Streamed(200, headers, pieces), forever=True)

    async def scenario() -> None:
        async with client_of(runtime, Wrapping(decoded=decoded), transport) as client:
            async with client.stream("GET", "/") as response:
                assert b"".join(await collect(response.iter_bytes())) == text
            async with client.stream("GET", "/") as response:
                assert await collect(response.iter_lines()) == ["one", "two"]
            async with client.stream("GET", "/") as response:
                assert await response.read() == text

    runtime.run(scenario)
    assert not transport.open


def test_one_without_a_handle(runtime: Runtime) -> None:
    body = Made(b"one\n", b"two")
    transport = ScriptedTransport()

    async def scenario() -> None:
        client = client_of(runtime, Answering(body, Content_Type="text/plain"), transport)
        async with client, client.stream("GET", "/") as response:
            assert await collect(response.iter_lines()) == ["one", "two"]
            with pytest.raises(trivet.LocalProtocolError, match="once"):
                await collect(response.iter_lines())

    runtime.run(scenario)
    assert body.releases == 0
    assert transport.requests == []


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read in part"])
def test_leaving_early(runtime: Runtime, read: bool) -> None:
    made, wrapping = Made(b"one", b"two"), Wrapping()
    transport = ScriptedTransport(Streamed(200, pieces=[b"one", b"two"]))

    async def scenario() -> None:
        for policy in (Answering(made), wrapping):
            async with client_of(runtime, policy, transport) as client, client.stream("GET", "/") as response:
                if read:
                    async for piece in response.iter_bytes():
                        assert piece == b"one"
                        break
                assert len(transport.open) == (0 if policy is not wrapping else 1)
                await response.aclose()
                await response.aclose()

    runtime.run(scenario)
    assert (made.releases, wrapping.bodies[0].releases) == (1, 1)
    assert not transport.open


def test_an_error_in_the_transport(runtime: Runtime, hostile: MakeHostile) -> None:
    wrapping = Wrapping()
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")])

    async def scenario() -> None:
        async with runtime.client(server.url, policies=[wrapping]) as client, client.stream("GET", "/") as response:
            with pytest.raises(trivet.TransportError, match=f"GET {server.url}/: ") as caught:
                await collect(response.iter_bytes())
            assert caught.value.trace is response.trace
            assert response.body is None

    runtime.run(scenario)
    assert (wrapping.bodies[0].size, wrapping.bodies[0].releases) == (4, 0)


@pytest.mark.parametrize("broken", [trivet.ReadError("the file is gone", sent=False), KeyError("a bug")], ids=repr)
def test_an_error_of_its_own(runtime: Runtime, broken: Exception) -> None:
    body = Made(b"half", broken)

    async def scenario() -> None:
        async with client_of(runtime, Answering(body)) as client, client.stream("GET", "/") as response:
            with pytest.raises(type(broken)) as caught:
                await response.read()
            if isinstance(broken, trivet.TrivetError):
                assert str(caught.value) == f"GET {URL}: the file is gone"
                assert caught.value.trace is response.trace

    runtime.run(scenario)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (trivet.Timeout(total=5.0), trivet.DeadlineExceeded),
        (trivet.Timeout(total=60.0, attempt=5.0), trivet.AttemptTimeout),
    ],
    ids=["total", "attempt"],
)
def test_deadlines(runtime: Runtime, timeout: trivet.Timeout, error: type[Exception]) -> None:
    clock = VirtualClock()
    transport = ScriptedTransport(Streamed(200, pieces=[b"one", After(10.0, b"two")]), clock=clock)

    async def scenario() -> None:
        client = client_of(runtime, Wrapping(), transport, clock=clock, timeout=timeout)
        async with client, client.stream("GET", "/") as response:
            with pytest.raises(error) as caught:
                await response.read()
            assert caught.type is error
            assert clock.monotonic() == 5.0

    runtime.run(scenario)
    assert not transport.open


def test_content_has_a_limit(runtime: Runtime) -> None:
    limits = trivet.Limits(max_content=5)
    transport = ScriptedTransport(Streamed(200, pieces=[b"one", b"two"]))

    async def scenario() -> None:
        async with client_of(runtime, Wrapping(), transport, limits=limits) as client:
            with pytest.raises(trivet.ResponseTooLarge):
                async with client.stream("GET", "/") as response:
                    await response.read()

    runtime.run(scenario)
    assert not transport.open


class Interrupted(ScriptedTransport):
    """A transport in which reading is interrupted by the keyboard."""

    def read(self, action: Any, monotonic: Any) -> bytes:
        raise KeyboardInterrupt


def test_an_interrupt_while_it_is_read(runtime: Runtime) -> None:
    wrapping = Wrapping()
    transport = Interrupted(Streamed(200, pieces=[b"one"]))

    async def scenario() -> None:
        async with client_of(runtime, wrapping, transport) as client, client.stream("GET", "/") as response:
            await response.read()

    with pytest.raises(KeyboardInterrupt):
        runtime.run(scenario)
    assert not transport.open
    assert wrapping.bodies[0].releases == 1


STUCK = [read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), read_to_end]


def test_cancelled_while_it_is_read_asyncio(hostile: MakeHostile) -> None:
    server, wrapping = hostile(STUCK), Wrapping()
    half_read = threading.Event()

    async def main() -> None:
        async with trivet.AsyncClient(server.url, policies=[wrapping]) as client:
            task = asyncio.create_task(reading(client, half_read))
            assert await asyncio.to_thread(half_read.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert wrapping.bodies[0].releases == 1
            await asyncio.to_thread(server.wait_until, lambda: not server.open)

    asyncio.run(main())


def test_cancelled_while_it_is_read_trio(hostile: MakeHostile) -> None:
    server, wrapping = hostile(STUCK), Wrapping()
    half_read = threading.Event()

    async def main() -> None:
        async with trivet.AsyncClient(server.url, policies=[wrapping]) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reading, client, half_read)
                assert await trio.to_thread.run_sync(half_read.wait, 10)
                nursery.cancel_scope.cancel()
            assert wrapping.bodies[0].releases == 1
            await trio.to_thread.run_sync(server.wait_until, lambda: not server.open)

    trio.run(main)


async def reading(client: trivet.AsyncClient, half_read: threading.Event) -> None:
    async with client.stream("GET", "/") as response:
        async for piece in response.iter_bytes():
            assert piece == b"half"
            half_read.set()


@pytest.mark.parametrize("runtime", [Asyncio(), Trio()], ids=repr)
def test_cancelled_while_its_own_work_is_done(runtime: Runtime) -> None:
    """The transport's body is open, and nobody reads from it at that moment."""
    begun, let_go = threading.Event(), threading.Event()
    transport = ScriptedTransport(Streamed(200, pieces=[b"one", b"two"]))

    def work(data: bytes) -> int:
        begun.set()
        let_go.wait(10)
        return 0

    wrapping = Wrapping(work=work)

    async def read(client: Any) -> None:
        async with client.stream("GET", "/") as response:
            await response.read()

    async def on_asyncio() -> None:
        async with client_of(runtime, wrapping, transport) as client:
            task = asyncio.create_task(read(client))
            await asyncio.to_thread(begun.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not transport.open
            let_go.set()

    async def on_trio() -> None:
        async with client_of(runtime, wrapping, transport) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, client)
                await trio.to_thread.run_sync(begun.wait, 10)
                nursery.cancel_scope.cancel()
            assert not transport.open
            let_go.set()

    runtime.run(on_trio if runtime.name == "trio" else on_asyncio)
    assert wrapping.bodies[0].releases == 1
