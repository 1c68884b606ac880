"""How each driver performs the actions that no network is needed for."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from runtimes import Runtime
from trivet import core
from trivet.core.errors import ConfigError, ReadError
from trivet.drivers import asynchronous
from trivet.drivers.sync import SyncDriver
from trivet.testing import ScriptedTransport, Streamed, VirtualClock

REQUEST = core.Request("GET", "https://api.example.com/")


def run(runtime: Runtime, flow: core.Flow[Any], transport: Any = None, clock: VirtualClock | None = None) -> Any:
    """Run a flow on a driver of this runtime."""
    transport = transport or ScriptedTransport()
    rng = random.Random(1)
    if runtime.name == "sync":
        return SyncDriver(transport, rng=rng, clock=clock).run(flow)

    async def main() -> Any:
        driver: asynchronous.AsyncDriver
        if runtime.name == "trio":
            from trivet.drivers.trio import TrioDriver

            driver = TrioDriver(transport, rng=rng, clock=clock)
        else:
            from trivet.drivers.asyncio import AsyncioDriver

            driver = AsyncioDriver(transport, rng=rng, clock=clock)
        return await driver.run(flow)

    return runtime.run(main)


def parking(slot: core.Slot, seconds: float | None) -> core.Flow[bool]:
    call = yield from core.CurrentCall()
    until = float("inf") if seconds is None else call.now.monotonic + seconds
    return (yield from core.Park(slot, until))


def test_a_parked_flow_is_woken_from_another_thread(runtime: Runtime) -> None:
    slot = core.Slot()

    def flow() -> core.Flow[bool]:
        # Started from within, so that the flow is about to park when the slot is woken.
        threading.Thread(target=slot.wake).start()
        return (yield from parking(slot, None))

    assert run(runtime, flow()) is True


def test_a_slot_that_was_woken_before_does_not_park(runtime: Runtime) -> None:
    slot = core.Slot()
    slot.wake()
    assert run(runtime, parking(slot, 60.0)) is True


def test_parking_ends_when_its_time_is_up(runtime: Runtime) -> None:
    assert run(runtime, parking(core.Slot(), 0.01)) is False


def test_waking_a_slot_whose_loop_is_gone_does_nothing(runtime: Runtime) -> None:
    slot = core.Slot()
    assert run(runtime, parking(slot, 0.01)) is False
    slot.wake()


def test_the_users_function_is_called(runtime: Runtime) -> None:
    def flow() -> core.Flow[int]:
        return (yield from core.Invoke(lambda: 7))

    assert run(runtime, flow()) == 7


def test_what_the_users_function_raises_reaches_the_flow(runtime: Runtime) -> None:
    def failing() -> int:
        raise KeyError("k")

    def flow() -> core.Flow[str]:
        try:
            yield from core.Invoke(failing)
        except KeyError as error:
            return repr(error)
        return "nothing"

    assert run(runtime, flow()) == "KeyError('k')"


def test_an_asynchronous_function_is_awaited_or_refused(runtime: Runtime) -> None:
    async def later() -> int:
        return 7

    class Awaitable:
        def __await__(self) -> Any:
            return later().__await__()

    def flow(function: Callable[[], Any]) -> core.Flow[int]:
        return (yield from core.Invoke(function))

    for function in (later, Awaitable):
        if runtime.name == "sync":
            with pytest.raises(ConfigError, match="AsyncClient"):
                run(runtime, flow(function))
        else:
            assert run(runtime, flow(function)) == 7


def test_sleeping_is_up_to_the_clock(runtime: Runtime) -> None:
    clock = VirtualClock(monotonic=100.0)

    def flow() -> core.Flow[float]:
        yield from core.sleep(5.0)
        yield from core.SleepUntil(50.0)
        call = yield from core.CurrentCall()
        return call.now.monotonic

    assert run(runtime, flow(), clock=clock) == 105.0
    assert [seconds for seconds in clock.sleeps if seconds] == [5.0]


def test_an_action_that_no_driver_knows(runtime: Runtime) -> None:
    class Dance(core.Action[None]):
        pass

    def flow() -> core.Flow[None]:
        yield from Dance()

    with pytest.raises(core.LocalProtocolError, match="Dance"):
        run(runtime, flow())


def test_what_a_flow_leaves_open_is_closed(runtime: Runtime) -> None:
    transport = ScriptedTransport(Streamed(200, pieces=[b"x"]), Streamed(200, pieces=[b"y"]))

    def flow() -> core.Flow[None]:
        yield from core.SendRequest(REQUEST)
        yield from core.SendRequest(REQUEST)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        run(runtime, flow(), transport)
    assert not transport.open


class Interrupting(ScriptedTransport):
    """A transport in which reading is interrupted, and closing fails."""

    def read(self, action: core.ReadBody, monotonic: Any) -> bytes:
        raise KeyboardInterrupt

    def close_body(self, body: object) -> None:
        super().close_body(body)
        raise ReadError("closing failed", sent=True)


def test_an_interrupt_closes_what_is_open(runtime: Runtime) -> None:
    transport = Interrupting(Streamed(200, pieces=[b"x"]))

    def flow() -> core.Flow[None]:
        response = yield from core.SendRequest(REQUEST)
        yield from core.ReadBody(response.body)

    with pytest.raises(KeyboardInterrupt):
        run(runtime, flow(), transport)
    assert not transport.open


class Stuck(ScriptedTransport):
    """A transport whose bodies take for ever to close."""

    async def aread(self, action: core.ReadBody, monotonic: Any) -> bytes:
        raise asyncio.CancelledError

    async def aclose_body(self, body: object) -> None:
        await (trio.sleep_forever() if _in_trio() else asyncio.Event().wait())


def _in_trio() -> bool:
    return trio.lowlevel.in_trio_task()


def test_clean_up_has_a_grace_of_its_own(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    if runtime.name == "sync":
        return  # there, closing is up to the transport and never waits
    for module in ("trivet.drivers.asyncio", "trivet.drivers.trio"):
        monkeypatch.setattr(f"{module}.CLEANUP_GRACE", 0.01)

    def flow() -> core.Flow[None]:
        response = yield from core.SendRequest(REQUEST)
        yield from core.ReadBody(response.body)

    with pytest.raises(asyncio.CancelledError):
        run(runtime, flow(), Stuck(Streamed(200, pieces=[b"x"])))


def test_the_three_runtimes_tell_the_same_time(runtime: Runtime) -> None:
    def flow() -> core.Flow[core.Instant]:
        call = yield from core.CurrentCall()
        return call.now

    before = time.monotonic()
    now = run(runtime, flow())
    assert before - 0.001 <= now.monotonic <= time.monotonic() + 0.001
    assert abs(now.wall - time.time()) < 60


def test_the_mock_clock_of_trio_is_obeyed() -> None:
    from trivet.drivers.trio import TrioClock, TrioDriver

    async def main() -> float:
        driver = TrioDriver(ScriptedTransport(), rng=random.Random(1))
        clock = TrioClock()
        before = clock.monotonic()
        await driver.run(core.sleep(3600.0))
        return clock.monotonic() - before

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == pytest.approx(3600.0)
