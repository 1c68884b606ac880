from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest
import trio
import trio.lowlevel

from trivet.drivers.detect import current_runtime


async def ask() -> str:
    return current_runtime()


def test_asyncio() -> None:
    assert asyncio.run(ask()) == "asyncio"


def test_trio() -> None:
    assert trio.run(ask) == "trio"


def test_trio_in_guest_mode_on_asyncio() -> None:
    found: list[tuple[str, str]] = []

    async def guest() -> None:
        for _ in range(3):
            found.append(("trio", current_runtime()))
            await trio.sleep(0)

    async def host() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        while not done.done():
            found.append(("asyncio", current_runtime()))
            await asyncio.sleep(0)

    asyncio.run(host())

    assert ("trio", "trio") in found
    assert ("asyncio", "asyncio") in found
    assert all(expected == answer for expected, answer in found)


def test_neither() -> None:
    with pytest.raises(RuntimeError, match="neither asyncio nor trio is running here") as caught:
        current_runtime()
    assert "asyncio.run(…)" in str(caught.value)


def test_a_thread_beside_a_running_loop_is_in_neither() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="neither"):
            await asyncio.to_thread(current_runtime)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["asyncio", "trio.lowlevel"])
def test_a_runtime_that_is_just_being_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, ModuleType(name))

    with pytest.raises(RuntimeError, match="neither"):
        current_runtime()


def test_a_runtime_that_nobody_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio")
    monkeypatch.delitem(sys.modules, "trio.lowlevel")

    with pytest.raises(RuntimeError, match="neither"):
        current_runtime()

    assert "asyncio" not in sys.modules
    assert "trio.lowlevel" not in sys.modules
