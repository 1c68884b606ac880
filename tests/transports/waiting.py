"""Knowing that calls wait for a connection, and waiting for things that happen in other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from runtimes import Runtime
from transports.calling import PATIENCE
from trivet.transports.runtime import run_in_thread


async def patiently(runtime: Runtime, function: Callable[..., Any], *args: Any) -> None:
    """Call a function that blocks, while other tasks go on."""
    if runtime.name == "sync":
        function(*args)
    else:
        await run_in_thread(function, *args)


class Queue:
    """Counts the calls that have begun to wait for a connection, in transports made from now on."""

    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._runtime = runtime
        self._changed = threading.Condition()
        self._count = 0
        module = import_module(f"trivet.transports.runners.{runtime.name}")
        name = "ThreadWaiter" if runtime.name == "sync" else "TaskWaiter"
        kind = getattr(module, name)

        def make() -> Any:
            waiter = kind()
            with self._changed:
                self._count += 1
                self._changed.notify_all()
            return waiter

        monkeypatch.setattr(module, name, make)

    async def holds(self, count: int) -> None:
        """Return once so many calls in all have begun to wait."""
        await patiently(self._runtime, self._wait, count)

    def _wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= count, PATIENCE), "too few calls wait"
