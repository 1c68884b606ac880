"""Requests that share one connection of HTTP/2, over real sockets: what one meets with harms no other."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

import trivet
from conftest import MakeHostile
from runtimes import RUNTIMES, Runtime, Threads
from servers.hostile import Peer, Step, read_request, read_to_end, repeat, send, start_tls, wait_for
from servers.nginx import BYTES, Nginx
from servers.tls import Authority

pytestmark = pytest.mark.usefixtures("the_big_file")

PATIENCE = 20.0
MIB = 1024 * 1024
BIG = bytes(range(256)) * 4096 * 8  # 8 MiB

# Threads do not share connections of HTTP/2.
tasks = pytest.mark.parametrize("runtime", RUNTIMES[1:], indirect=True)


@pytest.fixture(scope="module")
def the_big_file(nginx: Nginx) -> None:
    nginx.files.joinpath("big.bin").write_bytes(BIG)


# A server of HTTP/2 that does what a test wants.


class Asked(NamedTuple):
    """A request that has come with all of its content."""

    stream_id: int
    method: str
    path: str
    content: bytes


class Speaker:
    """The server's side of one connection."""

    def __init__(self, peer: Peer, max_streams: int | None = None) -> None:
        self._peer = peer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        if max_streams is not None:
            self._h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = max_streams
            self._h2.local_settings.acknowledge()
        self._begun: dict[int, tuple[str, str, list[bytes]]] = {}
        self._asked: list[Asked] = []
        self._h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self._peer.socket.sendall(self._h2.data_to_send())

    def next(self) -> Asked:
        """The next request. `ConnectionError` if the client has closed."""
        while not self._asked:
            data = self._peer.socket.recv(65536)
            if not data:
                raise ConnectionError("the client has closed the connection")
            for event in self._h2.receive_data(data):
                self._notice(event)
            self.flush()
        return self._asked.pop(0)

    def _notice(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            fields = dict(event.headers)
            self._begun[event.stream_id] = (fields[":method"], fields[":path"], [])
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._begun[event.stream_id][2].append(event.data)
        elif isinstance(event, StreamEnded):
            method, path, pieces = self._begun.pop(event.stream_id)
            self._asked.append(Asked(event.stream_id, method, path, b"".join(pieces)))
            self._peer.server.note_request(f"{method} {path}".encode())
        elif isinstance(event, StreamReset):
            self._begun.pop(event.stream_id, None)
            self._peer.server.note_request(b"RESET")

    def interim(self, asked: Asked, status: int, *fields: tuple[str, str]) -> None:
        self._h2.send_headers(asked.stream_id, [(":status", str(status)), *fields])
        self.flush()

    def answer(self, asked: Asked, *trailers: tuple[str, str]) -> None:
        """Send the request back: its path as JSON."""
        self._h2.send_headers(asked.stream_id, [(":status", "200")])
        self._h2.send_data(asked.stream_id, f'"{asked.path}"'.encode(), end_stream=not trailers)
        if trailers:
            self._h2.send_headers(asked.stream_id, trailers, end_stream=True)
        self.flush()

    def allow(self, max_streams: int) -> None:
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
        self.flush()

    def go_away(self, last_stream_id: int) -> None:
        """Behind the back of h2, which would answer no request any more (RFC 9113 §6.8)."""
        payload = last_stream_id.to_bytes(4, "big") + bytes(4)
        self._peer.socket.sendall(len(payload).to_bytes(3, "big") + b"\x07\0" + bytes(4) + payload)

    def serve(self) -> None:
        while True:
            self.answer(self.next())


def serve(peer: Peer) -> None:
    Speaker(peer).serve()


def h2(tls: Authority) -> Step:
    context = tls.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return start_tls(context)


# The client.


class Sharing:
    """A client that shows every failure, and what its pool has done."""

    def __init__(self, url: str, tls: Authority, limits: trivet.Limits | None) -> None:
        self.transport = trivet.HTTPTransport(verify=tls.ca_pem, http2=True, limits=limits)
        self.client = trivet.AsyncClient(url, transport=self.transport, timeout=PATIENCE, retry=0)

    @property
    def pool(self) -> Any:
        assert self.transport._async_half is not None
        return next(iter(self.transport._async_half._runs.values())).lane._pool

    @property
    def opened(self) -> int:
        """How many connections have been opened so far."""
        opened: int = self.pool._allocation.opened
        return opened

    async def get(self, path: str, **options: Any) -> None:
        assert await self.client.get(path, **options) == path

    async def hello(self) -> None:
        response = await self.client.raw.get("/hello.txt")
        assert response.http_version == "HTTP/2"
        assert response.content

    async def download(self) -> None:
        assert (await self.client.raw.get("/big.bin")).content == BIG


@asynccontextmanager
async def sharing(url: str, tls: Authority, limits: trivet.Limits | None = None) -> AsyncIterator[Sharing]:
    found = Sharing(url, tls, limits)
    async with found.client:
        yield found
        assert found.pool.waiting == 0
        assert found.pool.idle == found.pool.slots


# With a real server.


@tasks
def test_the_first_burst_opens_one_connection(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with sharing(nginx.tls_url, tls) as at:
            for _ in range(3):
                await runtime.together(*[at.hello] * 50)
            assert at.opened == 1

    runtime.run(scenario)


@tasks
def test_after_many_cancelled_requests(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with sharing(nginx.tls_url, tls) as at:
            await at.hello()
            cancelled = 0

            async def begin(path: str, scope: anyio.CancelScope) -> None:
                nonlocal cancelled
                with scope:
                    async with at.client.stream("GET", path) as response:
                        await response.read()
                cancelled += scope.cancelled_caught

            for steps in range(8):
                async with anyio.create_task_group() as group:
                    scopes = [anyio.CancelScope() for _ in range(25)]
                    for scope in scopes:
                        group.start_soon(begin, "/slow.bin", scope)
                    for _ in range(4**steps // 4):
                        await anyio.lowlevel.checkpoint()
                    for scope in scopes:
                        scope.cancel()
            assert cancelled == 200
            await runtime.together(*[at.hello] * 20)
            await at.download()
            assert at.opened == 1

    runtime.run(scenario)


@tasks
def test_after_many_bodies_that_were_left(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def leave() -> None:
        async with found[0].client.stream("GET", "/big.bin") as response:
            async for piece in response.iter_bytes():
                assert piece
                break

    found: list[Sharing] = []

    async def scenario() -> None:
        async with sharing(nginx.tls_url, tls) as at:
            found.append(at)
            await at.hello()
            for _ in range(20):
                # What comes for them nobody reads. All of it together is more than the window of the connection.
                await runtime.together(*[leave] * 10)
            await runtime.together(*[at.hello] * 20)
            await at.download()
            assert at.opened == 1

    runtime.run(scenario)


@tasks
def test_a_slow_reader_holds_up_nobody(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    async def scenario() -> None:
        async with sharing(nginx.tls_url, tls) as at, at.client.stream("GET", "/big.bin") as response:
            for _ in range(3):
                await at.download()
            await runtime.together(*[at.hello] * 20)
            assert await response.read() == BIG
            assert at.opened == 1

    runtime.run(scenario)


@tasks
def test_uploads_beside_downloads(runtime: Runtime, nginx: Nginx, tls: Authority) -> None:
    content = bytes(range(256)) * 4096 * 2  # far more than nginx lets a stream send at once

    async def scenario() -> None:
        async with sharing(nginx.tls_url, tls) as at:

            async def store(number: int, content: Any) -> None:
                await at.client.put(f"/store/sharing-{number}", content=content)

            def pieces() -> Iterable[bytes]:
                return (content[start : start + 100_000] for start in range(0, len(content), 100_000))

            await at.hello()
            await runtime.together(
                *[lambda number=number: store(number, pieces if number % 2 else content) for number in range(8)],
                *[at.download] * 4,
                *[at.hello] * 20,
            )
            assert at.opened == 1

    runtime.run(scenario)
    for number in range(8):
        assert nginx.files.joinpath("store", f"sharing-{number}").read_bytes() == content


def test_threads_have_connections_of_their_own(nginx: Nginx, tls: Authority) -> None:
    transport = trivet.HTTPTransport(verify=tls.ca_pem, http2=True)
    both_are_open = threading.Barrier(2, timeout=PATIENCE)
    with trivet.Client(nginx.tls_url, transport=transport, timeout=PATIENCE, retry=0) as client:

        async def call() -> None:
            for _ in range(5):
                with client.stream("GET", "/bytes.bin") as response:
                    assert response.http_version == "HTTP/2"
                    both_are_open.wait()
                    assert response.read() == BYTES
                client.put("/store/threads", content=BIG[:MIB])
                with client.stream("GET", "/big.bin") as response:
                    assert next(response.iter_bytes())

        Threads().run(lambda: Threads().together(call, call))
        assert transport._half is not None
        assert transport._half._lane is not None
        assert transport._half._lane._pool._allocation.opened == 2


# With a server that makes difficulties.


@tasks
@pytest.mark.parametrize("heard", [True, False], ids=["heard-of", "silent"])
def test_a_timeout_is_its_own_affair(runtime: Runtime, hostile: MakeHostile, tls: Authority, heard: bool) -> None:
    """Others go on. If nothing at all has come meanwhile the connection takes no new requests."""
    timed_out = threading.Event()

    def script(peer: Peer) -> None:
        speaker = Speaker(peer)
        speaker.answer(speaker.next())
        asked = [speaker.next() for _ in range(21)]
        if heard:
            speaker.answer(asked.pop(0 if asked[0].path != "/late" else 1))
        wait_for(timed_out)(peer)
        for each in asked:
            if each.path != "/late":
                speaker.answer(each)
        speaker.serve()

    server = hostile([h2(tls), script], [h2(tls), serve])

    async def scenario() -> None:
        async with sharing(server.tls_url, tls) as at:
            await at.get("/first")

            async def late() -> None:
                with pytest.raises(trivet.DeadlineExceeded):
                    await at.client.get("/late", timeout=1.5)
                await at.get("/after") if not heard else None
                timed_out.set()

            await runtime.together(late, *[lambda number=number: at.get(f"/{number}") for number in range(20)])
            await at.get("/last")

    runtime.run(scenario)
    assert server.connections == (1 if heard else 2)
    server.wait_until(lambda: not server.open)


@tasks
def test_closing_fails_all_that_are_under_way(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    def script(peer: Peer) -> None:
        speaker = Speaker(peer)
        for _ in range(10):
            speaker.next()
        asked.set()
        read_to_end(peer)

    asked = threading.Event()
    server = hostile([h2(tls), script])

    async def scenario() -> None:
        client = trivet.AsyncClient(server.tls_url, http2=True, verify=str(tls.ca_pem), timeout=PATIENCE, retry=0)

        async def fails(number: int) -> None:
            with pytest.raises(trivet.TransportError):
                await client.get(f"/{number}")

        async def close() -> None:
            await anyio.to_thread.run_sync(asked.wait, PATIENCE)
            await client.aclose()

        await runtime.together(close, *[lambda number=number: fails(number) for number in range(10)])

    runtime.run(scenario)
    assert server.connections == 1
    server.wait_until(lambda: not server.open)


@tasks
@pytest.mark.parametrize("max_streams", [1, 0])
def test_fewer_requests_at_a_time(runtime: Runtime, hostile: MakeHostile, tls: Authority, max_streams: int) -> None:
    lowered = threading.Event()

    def script(peer: Peer) -> None:
        speaker = Speaker(peer)
        asked = [speaker.next() for _ in range(10)]
        speaker.allow(max_streams)
        speaker.answer(asked.pop())
        wait_for(lowered)(peer)
        for each in asked:
            speaker.answer(each)
        speaker.serve()

    server = hostile([h2(tls), script], [h2(tls), serve])

    async def scenario() -> None:
        async with sharing(server.tls_url, tls, trivet.Limits(max_connections=1)) as at:
            done = 0

            async def call(number: int) -> None:
                nonlocal done
                await at.get(f"/{number}")
                done += 1
                if done == 1:
                    await runtime.together(*[more] * 10)  # these wait, and let the others come to their end

            async def more() -> None:
                lowered.set()
                await at.get("/more")

            await runtime.together(*[lambda number=number: call(number) for number in range(10)])
            assert done == 10
            await runtime.together(*[more] * 10)

    runtime.run(scenario)
    assert server.connections == (1 if max_streams else 2)
    assert b"RESET" not in server.requests


@tasks
def test_few_requests_at_a_time_from_the_start(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    most = 0

    def script(peer: Peer) -> None:
        nonlocal most
        speaker = Speaker(peer, max_streams=3)
        speaker.answer(speaker.next())
        while True:
            asked = [speaker.next()]
            asked += speaker._asked
            speaker._asked.clear()
            most = max(most, len(asked))
            for each in asked:
                speaker.answer(each)

    server = hostile([h2(tls), script])

    async def scenario() -> None:
        async with sharing(server.tls_url, tls, trivet.Limits(max_connections=2)) as at:
            await at.get("/first")  # from now on it is known
            await runtime.together(*[lambda: at.get("/more")] * 50)
            assert at.opened == 2

    runtime.run(scenario)
    assert 1 <= most <= 3


@tasks
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_not_processed_is_sent_again_at_once(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, method: str
) -> None:
    def script(peer: Peer) -> None:
        speaker = Speaker(peer)
        speaker.answer(speaker.next())
        asked = sorted(speaker.next() for _ in range(10))
        speaker.go_away(asked[2].stream_id)
        for each in asked[:3]:
            speaker.answer(each)
        peer.read_more()  # up to the end: the client closes when the last one is done

    server = hostile([h2(tls), script], [h2(tls), serve])

    async def scenario() -> None:
        async with sharing(server.tls_url, tls) as at:

            async def call(number: int) -> None:
                content = b"" if method == "GET" else b"p" * 50_000
                assert await at.client.request(method, f"/{number}", content=content) == f"/{number}"

            await at.get("/first")
            await runtime.together(*[lambda number=number: call(number) for number in range(10)])
            assert at.opened == 2

    runtime.run(scenario)
    server.wait_until(lambda: not server.open)
    # Three were processed on the first connection, the others on the second.
    assert len(server.requests) == 1 + 10 + 7


@tasks
def test_a_server_without_http2(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"/old"'
    server = hostile([start_tls(tls.server_context()), repeat(read_request, send(answer))])

    async def scenario() -> None:
        async with sharing(server.tls_url, tls, trivet.Limits(max_connections=5)) as at:
            for _ in range(2):
                await runtime.together(*[lambda: at.get("/old")] * 20)
            assert at.opened == server.connections <= 5

    runtime.run(scenario)


def test_interim_responses_and_trailers(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    def script(peer: Peer) -> None:
        speaker = Speaker(peer)
        while True:
            asked = speaker.next()
            speaker.interim(asked, 103, ("link", "</style.css>"))
            speaker.interim(asked, 103, ("link", "</more.css>"))
            speaker.answer(asked, ("checksum", "1234"))

    server = hostile([h2(tls), script])
    transport = trivet.HTTPTransport(verify=tls.ca_pem, http2=True)

    async def scenario() -> None:
        async with runtime.client(server.tls_url, transport=transport, timeout=PATIENCE, retry=0) as client:

            async def call() -> None:
                interim: list[str] = []
                response = await client.raw.get(
                    "/early", on_interim=lambda response: interim.append(response.headers["Link"])
                )
                assert response.json() == "/early"
                assert response.http_version == "HTTP/2"
                assert interim == ["</style.css>", "</more.css>"]

            await runtime.together(*[call] * 5)
            await call()

    runtime.run(scenario)
