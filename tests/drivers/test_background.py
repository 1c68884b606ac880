"""Flows in the background: they begin at once, live as long as the client is open, and trouble nobody."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio

from conftest import MakeHostile
from runtimes import Asyncio, Runtime, Threads, Trio
from servers.hostile import read_request, read_to_end, send, signal
from trivet import core
from trivet.core.exchange.bodies import FlowBody
from trivet.core.exchange.trace import CallFailed, Event
from trivet.drivers.sync import SyncDriver
from trivet.drivers.threads import MAX_THREADS
from trivet.testing import ScriptedTransport, Streamed, VirtualClock

PATIENCE = 10.0
URL = "https://api.example.com/"
GET = core.Request("GET", URL)


def arrival(slot: core.Slot) -> core.Flow[None]:
    """Wait until somebody wakes the slot; fail if nobody ever does."""
    call = yield from core.CurrentCall()
    assert (yield from core.Park(slot, call.now.monotonic + PATIENCE)), "it never happened"


class Background:
    """A flow that begins, waits to be let go, and ends; each of it is seen."""

    def __init__(self, *, leave_open: bool = False, error: Exception | None = None) -> None:
        self.begun = core.Slot()
        self.let_go = core.Slot()
        self.ended = core.Slot()
        self.finished = False
        self._leave_open = leave_open
        self._error = error
        self.events: list[Event] = []

    def flow(self) -> core.Flow[object]:
        try:
            response = None
            if self._leave_open:
                response = yield from core.SendRequest(GET)
            self.begun.wake()
            yield from core.Park(self.let_go)
            if self._error is not None:
                raise self._error
            self.finished = True
            return response
        finally:
            self.ended.wake()

    def observe(self, event: Event, subject: object) -> None:
        self.events.append(event)

    def spawning(self) -> core.Flow[bool]:
        """Start it, and wait until it has begun."""
        started = yield from core.Spawn(self.flow(), self.observe)
        if started:
            yield from arrival(self.begun)
        return started

    def ending(self) -> core.Flow[None]:
        self.let_go.wake()
        yield from arrival(self.ended)


class Watched(ScriptedTransport):
    """A transport that tells when a body was released, and when it was closed itself."""

    def __init__(self, *replies: Any) -> None:
        super().__init__(*replies, forever=True)
        self.released = core.Slot()
        self.open_when_closed: int | None = None

    def close_body(self, body: object) -> None:
        super().close_body(body)
        self.released.wake()

    def close(self) -> None:
        super().close()
        self.open_when_closed = len(self.open)


def client_of(runtime: Runtime, transport: Any = None, **options: Any) -> Any:
    return runtime.client(URL, transport=transport or ScriptedTransport(), log=False, **options)


@asynccontextmanager
async def without_complaints(runtime: Runtime) -> AsyncIterator[None]:
    """Whatever the event loop complains of is a failure. (Of threads, pytest takes care.)"""
    complaints: list[Any] = []
    if runtime.name == "asyncio":
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    yield
    gc.collect()
    assert complaints == []


def test_it_begins_at_once_and_outlives_the_call(runtime: Runtime) -> None:
    background = Background()

    async def scenario() -> None:
        async with client_of(runtime) as client:
            assert await client.send(background.spawning()) is True
            assert not background.finished
            await client.send(background.ending())
        assert background.finished

    runtime.run(scenario)


def test_it_is_a_call_of_its_own(runtime: Runtime) -> None:
    seen: list[core.Call] = []
    done = core.Slot()

    def background() -> core.Flow[None]:
        seen.append((yield from core.CurrentCall()))
        done.wake()

    class Spawning(core.Policy):
        stage = core.Stage.CALL

        def handle(self, request: core.Request, call: core.Call, forward: core.Forward) -> core.Flow[core.Response]:
            seen.append(call)
            assert (yield from call.spawn(background()))
            yield from arrival(done)
            return (yield from forward(request, call))

    async def scenario() -> None:
        transport = ScriptedTransport(core.Response(204))
        async with client_of(runtime, transport, policies=[Spawning()], timeout=5.0) as client:
            await client.get("/")

    runtime.run(scenario)
    (call, own) = seen
    assert call is not own
    assert own.trace is not call.trace
    assert own.deadline == float("inf")


def test_what_it_returns_is_let_go_of(runtime: Runtime) -> None:
    background = Background(leave_open=True)
    transport = Watched(Streamed(200, pieces=[b"x"]))

    async def scenario() -> None:
        async with client_of(runtime, transport) as client:
            await client.send(background.spawning())
            assert len(transport.open) == 1
            await client.send(background.ending())
            await client.send(arrival(transport.released))
            assert not transport.open

    runtime.run(scenario)
    assert background.finished


def test_a_body_read_through_a_flow_is_let_go_of_too(runtime: Runtime) -> None:
    released = core.Slot()

    class Made(FlowBody):
        def release(self) -> object | None:
            released.wake()
            return None

    def background() -> core.Flow[core.Response]:
        return core.Response(200, body=Made())
        yield

    def flow() -> core.Flow[None]:
        yield from core.Spawn(background())
        yield from arrival(released)

    async def scenario() -> None:
        async with client_of(runtime) as client:
            await client.send(flow())

    runtime.run(scenario)


def test_an_error_goes_to_the_observer_only(runtime: Runtime) -> None:
    background = Background(error=KeyError("a bug"), leave_open=True)
    transport = Watched(Streamed(200, pieces=[b"x"]))

    async def scenario() -> None:
        async with without_complaints(runtime), client_of(runtime, transport) as client:
            await client.send(background.spawning())
            await client.send(background.ending())
            await client.send(arrival(transport.released))

    runtime.run(scenario)
    assert [event.error for event in background.events if isinstance(event, CallFailed)] == ["KeyError"]


def leaving(code: int) -> core.Flow[None]:
    yield from core.Invoke(lambda: sys.exit(code))


def test_one_that_exits_ends_no_thread_and_no_trio_run() -> None:
    background = Background()

    def flow() -> core.Flow[None]:
        yield from core.Spawn(leaving(3))
        yield from background.spawning()
        yield from background.ending()

    async def scenario(runtime: Runtime) -> None:
        async with client_of(runtime) as client:
            await client.send(flow())

    for runtime in (Threads(), Trio()):
        runtime.run(lambda runtime=runtime: scenario(runtime))  # type: ignore[misc]  # a default binds it


def test_one_that_exits_ends_the_loop_of_asyncio_as_any_task_does() -> None:
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        async with client_of(Asyncio()) as client:
            await client.send(Background().spawning())
            await client.send(spawn_and_wait())

    def spawn_and_wait() -> core.Flow[None]:
        yield from core.Spawn(leaving(3))
        yield from core.Park(core.Slot())

    def exit_code() -> object:
        try:
            asyncio.run(main())
        except SystemExit as exit_:
            return exit_.code
        return None

    # The loop would complain when the task is collected, which its own traceback keeps until then.
    assert exit_code() == 3
    gc.collect()
    assert complaints == []


def test_it_ends_with_the_client_and_leaves_nothing_open(runtime: Runtime) -> None:
    backgrounds = [Background(leave_open=True) for _ in range(3)]
    transport = Watched(Streamed(200, pieces=[b"x"]))

    async def scenario() -> None:
        async with without_complaints(runtime):
            async with client_of(runtime, transport) as client:
                for background in backgrounds:
                    await client.send(background.spawning())
            assert all(background.ended.is_woken for background in backgrounds)

    runtime.run(scenario)
    assert not any(background.finished for background in backgrounds)
    assert (transport.open_when_closed, transport.closed) == (0, 1)


def test_a_sibling_that_is_closed_ends_nothing(runtime: Runtime) -> None:
    background = Background()

    async def scenario() -> None:
        async with client_of(runtime) as client:
            sibling = client.with_options(retry=0)
            await sibling.send(background.spawning())
            await sibling.aclose()
            await client.send(background.ending())

    runtime.run(scenario)
    assert background.finished


def test_a_connection_in_use_is_closed_with_the_client(runtime: Runtime, hostile: MakeHostile) -> None:
    if runtime.name == "sync":
        return  # a thread that reads from a socket cannot be interrupted
    begun = threading.Event()
    server = hostile([read_request, send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), signal(begun), read_to_end])

    async def scenario() -> None:
        async with without_complaints(runtime), runtime.client(server.url, timeout=None) as client:

            def flow() -> core.Flow[None]:
                yield from core.Spawn(client.flow("GET", "/"))
                yield from Do(lambda: begun.wait(PATIENCE))

            await client.send(flow())
            assert server.open == 1

    runtime.run(scenario)
    server.wait_until(lambda: not server.open)


class Do(core.StoreAction[Any]):
    """Calls a function that may block."""

    instant = False

    def __init__(self, function: Callable[[], Any]) -> None:
        self.perform = function  # type: ignore[method-assign]  # a function does it here


@pytest.mark.parametrize("way", ["task", "deadline"])
def test_it_outlives_a_cancelled_caller_asyncio(way: str) -> None:
    background = Background()

    async def main() -> None:
        async with client_of(Asyncio()) as client:

            async def caller() -> None:
                await client.send(background.spawning())
                await client.send(core.sleep(3600.0))

            task = asyncio.create_task(caller())
            await client.send(arrival(background.begun))
            if way == "task":
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(task, 0)
            await client.send(background.ending())

    asyncio.run(main())
    assert background.finished


def test_it_outlives_a_cancelled_caller_trio() -> None:
    background = Background()

    async def main() -> None:
        async with client_of(Trio()) as client:
            with trio.CancelScope() as scope:
                scope.deadline = trio.current_time() + 3600.0
                await client.send(background.spawning())
                scope.cancel()
                await client.send(core.sleep(3600.0))
            await client.send(background.ending())

    trio.run(main)
    assert background.finished


def test_a_client_closed_by_a_cancelled_task_ends_it_too() -> None:
    class Slow(Watched):
        async def aclose_body(self, body: object) -> None:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            self.close_body(body)

    background = Background(leave_open=True)
    transport = Slow(Streamed(200, pieces=[b"x"]))

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with client_of(Trio(), transport) as client:
                await client.send(background.spawning())
                scope.cancel()

    trio.run(main)
    assert background.ended.is_woken
    assert (transport.open_when_closed, transport.closed) == (0, 1)


def test_a_closed_driver_refuses(runtime: Runtime) -> None:
    flow = Background().flow()

    async def scenario() -> None:
        client = client_of(runtime)
        driver = client._session.driver()
        await client.aclose()
        spawning = core.Spawn(flow)
        if runtime.name == "sync":
            assert driver.run(iter_of(spawning)) is False
        else:
            assert await driver.run(iter_of(spawning)) is False

    runtime.run(scenario)
    assert inspect.getgeneratorstate(flow) == inspect.GEN_CLOSED  # type: ignore[arg-type]  # a flow is a generator


def iter_of(action: core.Action[Any]) -> core.Flow[Any]:
    return (yield from action)


def test_one_may_start_another(runtime: Runtime) -> None:
    inner = Background(leave_open=True)
    transport = Watched(Streamed(200, pieces=[b"x"]))

    def flow() -> core.Flow[None]:
        yield from core.Spawn(inner.spawning())
        yield from arrival(inner.begun)

    async def scenario() -> None:
        async with client_of(runtime, transport) as client:
            await client.send(flow())

    runtime.run(scenario)
    assert inner.ended.is_woken
    assert transport.open_when_closed == 0


def test_one_may_close_the_client(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    # Did it wait for itself, that would be for too long.
    set_grace(monkeypatch, 2 * PATIENCE)
    closed = core.Slot()
    other = Background()
    outcomes: list[str] = []

    async def scenario() -> None:
        client = client_of(runtime)
        close = client._client.close if runtime.name == "sync" else client.aclose

        def background() -> core.Flow[None]:
            try:
                yield from core.Invoke(close)
                outcomes.append("closed")
            finally:
                closed.wake()

        def flow() -> core.Flow[None]:
            yield from other.spawning()
            yield from core.Spawn(background())
            yield from arrival(closed)

        await client.send(flow())

    runtime.run(scenario)
    assert other.ended.is_woken
    assert outcomes == ["closed"]


def test_the_context_of_the_caller_is_handed_on(runtime: Runtime) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    found: list[str] = []
    done = core.Slot()

    def background() -> core.Flow[None]:
        found.append(variable.get())
        done.wake()
        yield from core.sleep(0)

    def flow() -> core.Flow[None]:
        yield from core.Spawn(background())
        yield from arrival(done)

    async def scenario() -> None:
        variable.set("the caller's")
        async with client_of(runtime) as client:
            await client.send(flow())

    contextvars.copy_context().run(runtime.run, scenario)
    assert found == ["the caller's"]


def test_what_does_not_end_is_waited_for_within_a_grace(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    set_grace(monkeypatch, 0.01)
    begun, let_go = core.Slot(), core.Slot()

    def stubborn() -> Any:
        begun.wake()
        return refusing_to_end(runtime, let_go)

    def background() -> core.Flow[None]:
        yield from core.Invoke(stubborn)

    def flow() -> core.Flow[None]:
        yield from core.Spawn(background())
        yield from arrival(begun)

    async def scenario() -> None:
        transport = Watched()
        client = client_of(runtime, transport)
        await client.send(flow())
        await client.aclose()
        assert transport.closed == 1
        let_go.wake()

    runtime.run(scenario)


def refusing_to_end(runtime: Runtime, until: core.Slot) -> Any:
    """Wait for the slot whatever comes."""
    if runtime.name == "sync":
        event = threading.Event()
        until.on_wake(event.set)
        return event.wait(PATIENCE)
    return refusing_on_trio(until) if runtime.name == "trio" else refusing_on_asyncio(until)


async def refusing_on_trio(until: core.Slot) -> None:
    event = trio.Event()
    until.on_wake(event.set)
    with trio.CancelScope(shield=True):
        await event.wait()


async def refusing_on_asyncio(until: core.Slot) -> None:
    event = asyncio.Event()
    until.on_wake(event.set)
    while not event.is_set():
        with suppress(asyncio.CancelledError):
            await event.wait()


def set_grace(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in ("threads", "asyncio", "trio"):
        monkeypatch.setattr(f"trivet.drivers.{module}.CLEANUP_GRACE", seconds)


class TestThreads:
    """What is up to the sync driver alone."""

    def driver(self, **options: Any) -> SyncDriver:
        return SyncDriver(ScriptedTransport(), rng=random.Random(1), **options)

    def test_there_is_a_limit(self) -> None:
        driver = self.driver()
        backgrounds = [Background() for _ in range(MAX_THREADS)]
        assert all(driver.run(background.spawning()) for background in backgrounds)
        one_more = Background()
        assert not driver.run(one_more.spawning())
        driver.run(backgrounds[0].ending())
        wait_for_threads(MAX_THREADS - 1)
        assert driver.run(one_more.spawning())
        driver.close()
        wait_for_threads(0)

    def test_a_system_without_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        driver = self.driver()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert not driver.run(Background().spawning())
        background = Background()
        assert driver.run(background.spawning())
        driver.run(background.ending())
        driver.close()

    def test_a_sleep_is_cut_short(self) -> None:
        driver = self.driver()
        background = Background()

        def flow() -> core.Flow[None]:
            try:
                background.begun.wake()
                yield from core.sleep(3600.0)
            finally:
                background.ended.wake()

        def caller() -> core.Flow[None]:
            yield from core.Spawn(flow())
            yield from arrival(background.begun)

        driver.run(caller())
        driver.close()
        assert background.ended.is_woken

    @pytest.mark.parametrize("clock", [None, VirtualClock()], ids=["real", "virtual"])
    def test_it_sleeps_by_the_clock_of_the_client(self, clock: VirtualClock | None) -> None:
        done = core.Slot()
        seconds = 0.001 if clock is None else 3600.0

        def background() -> core.Flow[None]:
            call = yield from core.CurrentCall()
            before = call.now.monotonic
            yield from core.sleep(seconds)
            assert call.now.monotonic >= before + seconds
            done.wake()

        def caller() -> core.Flow[None]:
            yield from core.Spawn(background())
            yield from arrival(done)

        self.driver(clock=clock).run(caller())

    def test_a_flow_ends_before_its_next_action(self) -> None:
        driver = self.driver()
        background = Background()
        begun, let_go = threading.Event(), threading.Event()
        performed: list[int] = []

        def work() -> None:
            begun.set()
            let_go.wait(PATIENCE)

        def flow() -> core.Flow[None]:
            try:
                yield from Do(work)
                yield from Do(lambda: performed.append(1))
            finally:
                background.ended.wake()

        def caller() -> core.Flow[None]:
            yield from core.Spawn(flow())
            yield from Do(lambda: begun.wait(PATIENCE))

        driver.run(caller())
        closing = threading.Thread(target=driver.close)
        closing.start()
        while not driver._background._closed:  # type: ignore[union-attr]  # it has one by now
            pass
        let_go.set()
        closing.join(PATIENCE)
        assert background.ended.is_woken
        assert performed == []


def wait_for_threads(count: int) -> None:
    """Wait until there are no more background threads than these."""
    while len(threads := [each for each in threading.enumerate() if each.name == "trivet-background"]) > count:
        threads[0].join(0.001)


class TestEventLoops:
    """A client used under several loops, one after the other or at the same time."""

    def test_one_after_the_other(self) -> None:
        client = client_of(Asyncio())
        backgrounds = [Background() for _ in range(4)]

        async def spawn(number: int) -> None:
            assert await client.send(backgrounds[number].spawning())

        async def last() -> None:
            await spawn(3)
            await client.aclose()

        asyncio.run(spawn(0))
        asyncio.run(spawn(1))
        trio.run(spawn, 2)
        assert [background.ended.is_woken for background in backgrounds] == [True, True, True, False]
        trio.run(last)
        assert backgrounds[3].ended.is_woken

    def test_nobody_waits_for_the_tasks_of_a_dead_loop(self) -> None:
        client = client_of(Asyncio())
        loop = asyncio.new_event_loop()
        # The task that is left when the loop is closed is what it complains of, and rightly so.
        loop.set_exception_handler(lambda loop, context: None)
        loop.run_until_complete(client.send(Background().spawning()))
        loop.close()
        background = Background()

        async def main() -> None:
            await client.send(background.spawning())
            await client.aclose()

        asyncio.run(main())
        assert background.ended.is_woken
        gc.collect()

    @pytest.mark.parametrize("other", [Asyncio(), Trio()], ids=repr)
    @pytest.mark.parametrize("closing", [Asyncio(), Trio()], ids=repr)
    def test_at_the_same_time(self, other: Runtime, closing: Runtime) -> None:
        client = client_of(closing)
        background = Background()
        begun = threading.Event()

        async def elsewhere() -> None:
            await client.send(background.spawning())
            begun.set()
            assert await client.send(iter_of(core.Park(background.ended)))

        async def here() -> None:
            await client.send(Background().spawning())
            await client.aclose()

        thread = threading.Thread(target=lambda: other.run(elsewhere))
        thread.start()
        assert begun.wait(PATIENCE)
        closing.run(here)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert not background.finished

    def test_closed_while_one_is_started_asyncio(self) -> None:
        client = client_of(Asyncio())
        flow = Background().flow()

        async def main() -> None:
            driver = client._session.driver()

            def factory(loop: Any, coroutine: Any, **options: Any) -> Any:
                driver.stop()
                return asyncio.Task(coroutine, loop=loop, **options)

            asyncio.get_running_loop().set_task_factory(factory)
            assert await client.send(iter_of(core.Spawn(flow)))
            (task,) = driver._background
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())

    def test_closed_while_one_is_started_trio(self) -> None:
        client = client_of(Trio())
        background = Background()
        drivers: list[Any] = []

        class Closing(trio.abc.Instrument):
            def task_spawned(self, task: Any) -> None:
                if task.name == "trivet-background":
                    drivers[0].stop()

        async def main() -> None:
            drivers.append(client._session.driver())
            assert await client.send(iter_of(core.Spawn(background.flow())))
            while drivers[0]._jobs:
                await trio.lowlevel.checkpoint()

        trio.run(main, instruments=[Closing()])
        assert not background.finished


PROGRAM = """
import sys
import trivet
from trivet import core

def background(begun):
    begun.wake()
    yield from core.Park(core.Slot())

def flow():
    for _ in range(3):
        begun = core.Slot()
        assert (yield from core.Spawn(background(begun)))
        yield from core.Park(begun)

transport = trivet.testing.ScriptedTransport()
if sys.argv[1] == "sync":
    trivet.Client("https://api.example.com", transport=transport).send(flow())
else:
    async def main():
        await trivet.AsyncClient("https://api.example.com", transport=transport).send(flow())
    if sys.argv[1] == "asyncio":
        import asyncio
        asyncio.run(main())
    else:
        import trio
        trio.run(main)
"""


def test_a_program_that_closes_nothing_ends_in_silence(runtime: Runtime) -> None:
    program = "import trivet.testing" + PROGRAM
    command = [sys.executable, "-W", "always", "-c", program, runtime.name]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
