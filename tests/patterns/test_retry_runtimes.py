"""The waits of `retry` in each runtime: real clocks, cancellation, threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio
import trio.testing

from trivet.core.errors import ConfigError
from trivet.patterns.retry import retry, retry_call


def test_a_function_sleeps_by_the_system_clock(flaky: Any) -> None:
    # A delay that is short, but none: the wait is real.
    assert retry_call(flaky(OSError(), "up").sync(), base_delay=1e-6, jitter="none", timeout=60.0) == "up"


def test_no_delay_is_no_sleep(flaky: Any, clock: Any) -> None:
    assert retry_call(flaky(OSError(), "up").sync(), base_delay=0, clock=clock) == "up"
    assert clock.waits == []


def test_asyncio_waits_by_its_loop(flaky: Any) -> None:
    class VirtualLoop(asyncio.SelectorEventLoop):
        """Jumps to the next timer instead of waiting for it."""

        ahead = 0.0

        def time(self) -> float:
            return super().time() + self.ahead

        def _run_once(self) -> None:
            if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # private to asyncio
                self.ahead += max(0.0, self._scheduled[0]._when - self.time())  # type: ignore[attr-defined]  # private to asyncio
            super()._run_once()  # type: ignore[misc]  # private to asyncio

    async def main() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        function = flaky(*[OSError("down")] * 9)
        started = loop.time()
        with pytest.raises(OSError, match="down"):
            await retry_call(function.coroutine(), max_retries=8, timeout=3600.0, jitter="none")
        return loop.time() - started, function.calls

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        took, calls = runner.run(main())

    assert calls == 9
    assert took == pytest.approx(1 + 2 + 4 + 8 + 16 + 32 + 60 + 60, abs=1.0)


def test_trio_waits_by_its_clock(flaky: Any) -> None:
    async def main() -> float:
        function = flaky(*[OSError("down")] * 9)
        started = trio.current_time()
        with pytest.raises(OSError, match="down") as caught:
            await retry_call(function.coroutine(), max_retries=8, timeout=100.0, jitter="none")
        assert "could not start before the deadline" in caught.value.__notes__[0]
        return trio.current_time() - started

    took = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    assert took == pytest.approx(1 + 2 + 4 + 8 + 16 + 32)


def test_asyncio_cancellation_during_the_wait(flaky: Any) -> None:
    function = flaky(OSError(), "never")

    async def main() -> None:
        task = asyncio.create_task(retry_call(function.coroutine(), base_delay=60.0, jitter="none"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert function.calls == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert function.calls == 1


def test_trio_cancellation_during_the_wait(flaky: Any) -> None:
    function = flaky(OSError(), "never")

    async def main() -> None:
        with trio.move_on_after(30.0) as scope:
            await retry_call(function.coroutine(), base_delay=60.0, jitter="none")
        assert scope.cancelled_caught

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    assert function.calls == 1


def test_a_loop_without_waits_can_be_cancelled() -> None:
    async def always_down() -> None:
        raise OSError

    async def main() -> None:
        task = asyncio.create_task(retry_call(always_down, max_retries=10**9, base_delay=0))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_outside_of_a_runtime_the_error_says_so(flaky: Any) -> None:
    coroutine = retry_call(flaky(OSError("down")).coroutine())

    with pytest.raises(RuntimeError, match="neither asyncio nor trio is running") as caught:
        coroutine.send(None)

    assert isinstance(caught.value.__context__, OSError)


def test_an_asynchronous_function_needs_an_asynchronous_clock(flaky: Any) -> None:
    class Sundial:
        def monotonic(self) -> float:
            raise AssertionError

        def now(self) -> Any:
            raise AssertionError

        def sleep(self, seconds: float) -> None:
            raise AssertionError

        def __repr__(self) -> str:
            return "Sundial()"

    with pytest.raises(ConfigError) as caught:
        retry(clock=Sundial())(flaky().coroutine())
    assert str(caught.value) == "retry(clock=Sundial()) needs a method asleep() for a coroutine function"


def test_threads_share_a_decorated_function(clock: Any) -> None:
    local = threading.local()

    @retry(base_delay=0)
    def third_time_lucky(number: int) -> int:
        local.calls = getattr(local, "calls", 0) + 1
        if local.calls % 3:
            raise OSError
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(third_time_lucky, range(200))) == list(range(200))


def test_tasks_share_a_decorated_function() -> None:
    calls: dict[int, int] = {}

    @retry(base_delay=0)
    async def third_time_lucky(number: int) -> int:
        calls[number] = calls.get(number, 0) + 1
        await asyncio.sleep(0)
        if calls[number] < 3:
            raise OSError
        return number

    async def main() -> list[int]:
        return await asyncio.gather(*(third_time_lucky(number) for number in range(50)))

    assert asyncio.run(main()) == list(range(50))


def test_a_decorated_function_may_call_itself(clock: Any) -> None:
    failures = {2: 1, 1: 2, 0: 3}

    @retry(jitter="none", factor=1, clock=clock)
    def descend(level: int) -> list[int]:
        below = [] if level == 0 else descend(level - 1)
        if failures[level]:
            failures[level] -= 1
            raise OSError
        return [level, *below]

    assert descend(2) == [2, 1, 0]
    assert failures == {2: 0, 1: 0, 0: 0}
    assert clock.waits == [1.0] * 6
