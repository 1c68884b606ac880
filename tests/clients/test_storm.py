"""Storms of cancellations: many calls on few connections, ended at random moments, and the client works on."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import pytest
import trio

import trivet
from conftest import MakeHostile
from runtimes import Threads
from servers.hostile import Peer, repeat, start_tls
from servers.nginx import BYTES, RECORDS, Nginx
from servers.tls import Authority

CONNECTIONS = 10
TASKS = 100
PATIENCE = 60.0
"""For a call that nobody cancels. To wait so long means that the client is wedged."""

MANY_STEPS = 11
"""A call is cancelled after up to two to the power of this many steps of the event loop."""

NEVER = -1

A_WHILE = 1000
"""Steps of the event loop, far more than anything takes that is done in the background."""

UPLOAD = b"u" * 300_000
PIECES = [b"[1", b",2", b",3", b"]"]
BIG = b"B" * 200_000


# The server.


def serve(peer: Peer) -> None:
    """Answer one request, as its path asks for; the delays are random, but of a sequence that is always the same."""
    head = peer.read_through(b"\r\n\r\n")
    path = head.split(b" ", 2)[1]
    dice = random.Random(len(head) + peer.server.connections)
    say = peer.socket.sendall
    if path == b"/true":
        peer.sleep(dice.random() / 1000)
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")
    elif path == b"/upload":
        take_upload(peer, head.lower())
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")
    elif path == b"/chunked":
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in PIECES:
            peer.sleep(dice.random() / 1000)
            say(b"%x\r\n%b\r\n" % (len(piece), piece))
        say(b"0\r\n\r\n")
    elif path == b"/drip":
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue":
            peer.sleep(dice.random() / 2000)
            say(bytes([byte]))
    elif path == b"/big":
        say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG))
        say(BIG)
    else:
        raise AssertionError(f"nobody asks for {path!r}")


def take_upload(peer: Peer, head: bytes) -> None:
    if b"chunked" not in head:
        assert peer.read_exactly(len(UPLOAD)) == UPLOAD
        return
    size = -1
    while size:
        size = int(peer.read_through(b"\r\n"), 16)
        peer.read_exactly(size + 2)


# The calls. Each is right or raises.


async def buffered(client: Any) -> None:
    assert await client.get("/true") is True


async def chunked(client: Any) -> None:
    assert await client.get("/chunked") == [1, 2, 3]


async def dripped(client: Any) -> None:
    assert await client.get("/drip") is True


async def uploaded(client: Any) -> None:
    assert await client.post("/upload", content=UPLOAD) is True


async def uploaded_piecewise(client: Any) -> None:
    assert await client.post("/upload", content=lambda: iter([UPLOAD[:100_000]] * 3)) is True


async def read_in_pieces(client: Any) -> None:
    async with client.stream("GET", "/big") as response:
        assert b"".join([piece async for piece in response.iter_bytes()]) == BIG


async def left_early(client: Any) -> None:
    async with client.stream("GET", "/big") as response:
        async for piece in response.iter_bytes():
            assert piece
            break


async def left_at_once(client: Any) -> None:
    async with client.stream("GET", "/chunked") as response:
        assert response.status == 200


Call = Callable[[Any], Coroutine[Any, Any, None]]
CALLS: list[Call] = [
    *(buffered, buffered, chunked, dripped, uploaded, uploaded_piecewise, read_in_pieces, left_early, left_at_once)
]


async def nginx_buffered(client: Any) -> None:
    assert await client.get("/records.json") == RECORDS


async def nginx_uploaded(client: Any) -> None:
    await client.put("/store/storm", content=UPLOAD)


async def nginx_uploaded_piecewise(client: Any) -> None:
    await client.put("/store/storm-in-pieces", content=lambda: iter([UPLOAD[:100_000]] * 3))


async def nginx_read(client: Any) -> None:
    async with client.stream("GET", "/bytes.bin") as response:
        assert b"".join([piece async for piece in response.iter_bytes()]) == BYTES


async def nginx_left_early(client: Any) -> None:
    for path in ("/bytes.bin", "/slow.bin"):  # the latter would take seconds
        async with client.stream("GET", path) as response:
            async for piece in response.iter_bytes():
                assert piece
                break


async def nginx_left_at_once(client: Any) -> None:
    async with client.stream("GET", "/bytes.bin") as response:
        assert response.http_version == "HTTP/2"


NGINX_CALLS: list[Call] = [
    *(nginx_buffered, nginx_buffered, nginx_uploaded, nginx_uploaded_piecewise),
    *(nginx_read, nginx_left_early, nginx_left_at_once),
]


# The ways to be cancelled.


class Scope:
    """What a call is made in, and cancelled through from outside."""

    async def __aenter__(self) -> Scope:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        raise NotImplementedError

    def cancel(self) -> None:
        raise NotImplementedError


class TaskScope(Scope):
    """`asyncio.Task.cancel`: it comes once, and again if it is called again."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Scope:
        self._task = asyncio.current_task()
        return self

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        self._task = None
        return kind is asyncio.CancelledError

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


class TimeoutScope(Scope):
    """`asyncio.timeout`, whose time is up when `cancel` is called."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> Scope:
        self._timeout = await asyncio.timeout(None).__aenter__()
        return self

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> bool | None:
        assert self._timeout is not None
        timeout, self._timeout = self._timeout, None
        try:
            return await timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            assert timeout.expired()
            return True

    def cancel(self) -> None:
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(0.0)


class CancelScope(Scope):
    """A cancel scope of trio or anyio: whatever the task awaits from then on is cancelled."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope

    async def __aenter__(self) -> Scope:
        self._scope.__enter__()
        return self

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> bool | None:
        suppressed: bool | None = self._scope.__exit__(kind, error, traceback)
        return suppressed

    def cancel(self) -> None:
        self._scope.cancel()


class AsyncioGroup(asyncio.TaskGroup):
    """A task group in the shape of trio's and anyio's."""

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        self.create_task(function(*args))


class Way(NamedTuple):
    """A way to cancel, and what belongs to it."""

    new_scope: Callable[[], Scope]
    open_group: Callable[[], Any]
    checkpoint: Callable[[], Awaitable[None]]


def next_step() -> Awaitable[None]:
    return asyncio.sleep(0)


TASK = Way(TaskScope, AsyncioGroup, next_step)
TIMEOUT = Way(TimeoutScope, AsyncioGroup, next_step)
TRIO = Way(lambda: CancelScope(trio.CancelScope()), trio.open_nursery, trio.lowlevel.checkpoint)
ANYIO = Way(lambda: CancelScope(anyio.CancelScope()), anyio.create_task_group, anyio.lowlevel.checkpoint)


# The storm.


class Round:
    """One round: every task makes a call, and most are cancelled at a moment of their own if not done before."""

    def __init__(self, client: Any, calls: list[Call], way: Way, dice: random.Random, tasks: int) -> None:
        self._client = client
        self._way = way
        self._running = tasks
        self._calls = [dice.choice(calls) for _ in range(tasks)]
        # Most early, when all are still being started or wait for a connection, some late, and one in ten never.
        self._moments = [int(2 ** dice.uniform(0, MANY_STEPS)) if dice.random() < 0.9 else NEVER for _ in range(tasks)]
        self._again = [dice.random() < 0.25 for _ in range(tasks)]
        self._done = [False] * tasks
        self.outcomes: Counter[str] = Counter()

    async def play(self) -> None:
        scopes = [self._way.new_scope() for _ in self._calls]
        due: dict[int, list[int]] = {}
        for number, moment in enumerate(self._moments):
            due.setdefault(moment, []).append(number)
            if self._again[number] and moment != NEVER:
                # It comes while the first one is being dealt with.
                due.setdefault(moment + 1, []).append(number)
        async with self._way.open_group() as group:
            for number, scope in enumerate(scopes):
                group.start_soon(self._run, number, scope)
            step = 0
            while self._running:
                await self._way.checkpoint()
                for number in due.get(step, ()):
                    if not self._done[number]:
                        scopes[number].cancel()
                step += 1

    async def _run(self, number: int, scope: Scope) -> None:
        outcome = "cancelled"
        try:
            async with scope:
                await self._calls[number](self._client)
                outcome = "finished"
        finally:
            self._done[number] = True
            self._running -= 1
        self.outcomes[outcome] += 1


class Fair(NamedTuple):
    """Where a storm takes place."""

    url: str
    calls: list[Call]
    options: dict[str, Any]
    limits: trivet.Limits = trivet.Limits(max_connections=CONNECTIONS)
    tasks: int = TASKS


def pool_of(half: Any) -> Any:
    """The pool of the only lane that a half of the transport has."""
    lane = half._lane if hasattr(half, "_lane") else next(iter(half._runs.values())).lane
    return lane._pool


def assert_at_rest(pool: Any, limits: trivet.Limits) -> None:
    """Nobody waits, and no connection is taken by a call that is over."""
    assert pool.waiting == 0
    assert pool.slots == pool.idle <= limits.max_connections


@asynccontextmanager
async def opened(fair: Fair) -> AsyncIterator[tuple[Any, trivet.HTTPTransport]]:
    """A client that shows every failure, and its transport."""
    transport = trivet.HTTPTransport(limits=fair.limits, **fair.options)
    try:
        async with trivet.AsyncClient(fair.url, transport=transport, timeout=PATIENCE, retry=0) as client:
            yield client, transport
    finally:
        await transport.aclose()


async def storm(fair: Fair, way: Way, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    async with opened(fair) as (client, transport):
        for _ in range(rounds):
            each = Round(client, fair.calls, way, dice, fair.tasks)
            await each.play()
            outcomes += each.outcomes
            pool = pool_of(transport._async_half)
            for _ in range(A_WHILE):
                # A call that was cancelled twice is over before the task is that lets go of its response.
                if pool.slots == pool.idle:
                    break
                await way.checkpoint()
            assert_at_rest(pool, fair.limits)
        assert outcomes.total() == rounds * fair.tasks
        # Else it was no storm, or nothing but one.
        assert min(outcomes["cancelled"], outcomes["finished"]) > outcomes.total() / 20, outcomes

        async with way.open_group() as group:
            for _ in range(100):
                group.start_soon(fair.calls[0], client)
        assert_at_rest(pool, fair.limits)


def run_asyncio(function: Callable[..., Coroutine[Any, Any, None]], *args: Any, uvloop: bool = False) -> None:
    """Run a coroutine; whatever the event loop complains of is a failure."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        await function(*args)
        gc.collect()
        await asyncio.sleep(0)

    factory = pytest.importorskip("uvloop").new_event_loop if uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    gc.collect()
    assert complaints == []


def run_trio(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    trio.run(function, *args)
    gc.collect()


def run_uvloop(function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
    run_asyncio(function, *args, uvloop=True)


Run = Callable[..., None]


@pytest.mark.parametrize(
    ("run", "way", "rounds"),
    [
        pytest.param(run_asyncio, TASK, 20, id="asyncio-task"),
        pytest.param(run_asyncio, TIMEOUT, 6, id="asyncio-timeout"),
        pytest.param(run_asyncio, ANYIO, 6, id="asyncio-anyio"),
        pytest.param(run_uvloop, TASK, 6, id="uvloop-task"),
        pytest.param(run_trio, TRIO, 20, id="trio"),
        pytest.param(run_trio, ANYIO, 8, id="trio-anyio"),
    ],
)
def test_storm(hostile: MakeHostile, run: Run, way: Way, rounds: int) -> None:
    server = hostile([repeat(serve)])
    run(storm, Fair(server.url, CALLS, {}), way, rounds, 1)
    assert server.connections > CONNECTIONS
    server.wait_until(lambda: not server.open)


@pytest.mark.parametrize(
    ("run", "way"),
    [
        pytest.param(run_asyncio, TASK, id="asyncio"),
        pytest.param(run_uvloop, TASK, id="uvloop"),
        pytest.param(run_trio, TRIO, id="trio"),
    ],
)
def test_storm_over_tls(hostile: MakeHostile, tls: Authority, run: Run, way: Way) -> None:
    server = hostile([start_tls(tls.server_context()), repeat(serve)])
    run(storm, Fair(server.tls_url, CALLS, {"verify": tls.ca_pem}), way, 4, 2)
    server.wait_until(lambda: not server.open)


@pytest.mark.parametrize(
    ("run", "way"),
    [
        pytest.param(run_asyncio, TASK, id="asyncio-task"),
        pytest.param(run_asyncio, ANYIO, id="asyncio-anyio"),
        pytest.param(run_uvloop, TASK, id="uvloop-task"),
        pytest.param(run_trio, TRIO, id="trio"),
    ],
)
def test_storm_over_http2(nginx: Nginx, tls: Authority, run: Run, way: Way) -> None:
    # More than one connection carries at a time, so that some wait for a slot.
    limits = trivet.Limits(max_connections=1)
    fair = Fair(nginx.tls_url, NGINX_CALLS, {"verify": tls.ca_pem, "http2": True}, limits, tasks=130)
    run(storm, fair, way, 4, 3)


def test_storm_of_deadlines(hostile: MakeHostile) -> None:
    """Threads cannot be cancelled, but their time may be up at any moment."""
    server = hostile([repeat(serve)])
    limits = trivet.Limits(max_connections=CONNECTIONS)
    transport = trivet.HTTPTransport(limits=limits)
    client = Threads().client(server.url, transport=transport, timeout=PATIENCE, retry=0)
    outcomes: Counter[str] = Counter()
    failures: list[BaseException] = []
    for number in range(5):
        dice = random.Random(number)
        jobs = [(dice.choice(CALLS), random_time(dice)) for _ in range(TASKS)]
        in_threads([lambda job=job: outcomes.update([call_in_time(client, *job)]) for job in jobs], failures)
        assert failures == []
        assert_at_rest(pool_of(transport._half), limits)
    assert outcomes.total() == 5 * TASKS
    assert min(outcomes["late"], outcomes["finished"]) > outcomes.total() / 50, outcomes
    in_threads([lambda: Threads().run(lambda: buffered(client))] * 100, failures)
    assert failures == []
    assert_at_rest(pool_of(transport._half), limits)
    server.wait_until(lambda: server.open <= CONNECTIONS)
    transport.close()
    server.wait_until(lambda: not server.open)


def random_time(dice: random.Random) -> float:
    """From a millisecond to half a second, and now and then all the time that a call may need."""
    return 2 ** dice.uniform(-10, -1) if dice.random() < 0.9 else PATIENCE


def call_in_time(client: Any, call: Call, seconds: float) -> str:
    try:
        Threads().run(lambda: call(client.with_options(timeout=seconds)))
    except TimeoutError:  # DeadlineExceeded and AttemptTimeout alike
        return "late"
    return "finished"


def in_threads(jobs: list[Callable[[], object]], failures: list[BaseException]) -> None:
    """Run each in a thread of its own; all of them must come to an end."""

    def work(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
