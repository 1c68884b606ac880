"""Calls of a pool that outlive the asyncio task that wanted them: what they return is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from trivet.transports.httpcore_pool.detached import detached
from trivet.transports.network.interruption import interruptible


class Record:
    """Remembers what was discarded."""

    def __init__(self) -> None:
        self.discarded: list[str] = []
        self.done = asyncio.Event()

    async def discard(self, result: str) -> None:
        self.discarded.append(result)
        self.done.set()


async def cancelled(call: Coroutine[Any, Any, str], record: Record, when: Callable[[asyncio.Task[Any]], Any]) -> None:
    task = asyncio.ensure_future(detached(call, record.discard))
    await asyncio.sleep(0)
    when(task)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_call_that_cannot_be_stopped_is_let_go_of_when_it_returns() -> None:
    async def main() -> list[str]:
        record, gate = Record(), asyncio.Event()

        async def call() -> str:
            await gate.wait()  # as a pool that waits for a free connection
            return "late"

        await cancelled(call(), record, lambda task: task.cancel())
        assert record.discarded == []
        gate.set()
        await asyncio.wait_for(record.done.wait(), 10)
        return record.discarded

    assert asyncio.run(main()) == ["late"]


def test_a_result_that_comes_with_the_cancellation_is_let_go_of() -> None:
    async def main() -> list[str]:
        record = Record()
        outer: list[asyncio.Task[Any]] = []

        async def call() -> str:
            await asyncio.sleep(0)
            outer[0].cancel()
            return "just now"

        await cancelled(call(), record, outer.append)
        await asyncio.wait_for(record.done.wait(), 10)
        return record.discarded

    assert asyncio.run(main()) == ["just now"]


def test_a_socket_operation_is_stopped_and_fails_as_if_out_of_time() -> None:
    async def main() -> list[str]:
        record, seen = Record(), []

        async def call() -> str:
            for _ in range(2):  # the second is stopped before it begins
                try:
                    await interruptible(asyncio.Event().wait(), TimeoutError("too late"))
                except TimeoutError as error:
                    seen.append(str(error))
            raise ConnectionError("cleaned up")

        await cancelled(call(), record, lambda task: task.cancel())
        assert record.discarded == []
        return seen

    assert asyncio.run(main()) == ["too late", "too late"]
