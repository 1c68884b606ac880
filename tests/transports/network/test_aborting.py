"""Giving streams up, in every state they may be in."""

from __future__ import annotations

import gc
import threading
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from servers.hostile import Step, half_close, hang, read_to_end, reset, send, wait_for
from transports.network.kinds import ALL, ASYNC, PATIENCE, Kind
from transports.network.test_streams import LARGE, await_arrival


@ASYNC
def test_aborting_wakes_who_waits(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([hang])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"x" * LARGE, 0.02)
        waiting = 0

        async def fail(error: type[Exception], operation: Any, *args: Any) -> None:
            nonlocal waiting
            waiting += 1
            with pytest.raises(error):
                await operation(*args)

        async def abort() -> None:
            await kind.until(lambda: waiting == 3)
            await kind.backend.sleep(0)
            stream.abort()
            stream.abort()

        await kind.together(
            lambda: fail(httpcore.ReadError, stream.read, 100, PATIENCE),
            lambda: fail(httpcore.WriteError, stream.write, b"x", PATIENCE),
            lambda: fail(httpcore.WriteError, stream.write, b"x", None),
            abort,
        )
        for operation, error in (
            (lambda: stream.read(100, PATIENCE), httpcore.ReadError),
            (lambda: stream.write(b"x", PATIENCE), httpcore.WriteError),
            (lambda: stream.upload(b"x", PATIENCE), httpcore.WriteError),
        ):
            with pytest.raises(error):
                await operation()
        await stream.aclose()
        stream.abort()

    kind.run(scenario)


def test_aborting_from_another_thread(hostile: MakeHostile) -> None:
    from trivet.transports.network.sockets import SocketBackend

    server = hostile([hang])
    stream = SocketBackend().connect_tcp("127.0.0.1", server.port, PATIENCE)
    outcome: list[Any] = []

    def wait() -> None:
        try:
            outcome.append(stream.read(100))
        except httpcore.ReadError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    stream.abort()
    thread.join(PATIENCE)
    assert outcome
    server.release()


@ALL
@pytest.mark.parametrize("state", ["fresh", "ended", "reset", "full", "unread"])
def test_aborting_in_any_state(kind: Kind, hostile: MakeHostile, state: str) -> None:
    event = threading.Event()
    steps: dict[str, list[Step]] = {
        "fresh": [read_to_end],
        "ended": [half_close, read_to_end],
        "reset": [wait_for(event), reset],
        "full": [wait_for(event), read_to_end],
        "unread": [send(b"x"), read_to_end],
    }
    server = hostile(steps[state])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        if state == "reset":
            event.set()
        if state == "full":
            with pytest.raises(httpcore.WriteTimeout):
                await stream.write(b"x" * LARGE, 0.02)
        elif state != "fresh":
            await_arrival(stream)
            await kind.backend.sleep(0)
        for _ in range(3):
            stream.abort()
        event.set()

    kind.run(scenario)
    server.wait_until(lambda: not server.open)


@ALL
@pytest.mark.parametrize("state", ["idle", "unsent", "ended"])
def test_aborting_when_the_loop_is_closed(kind: Kind, hostile: MakeHostile, state: str) -> None:
    server = hostile([*([half_close] if state == "ended" else []), hang, read_to_end])

    async def scenario() -> Any:
        stream = await kind.connect(server.port)
        if state == "ended":
            assert await stream.read(1, PATIENCE) == b""
        else:
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(1, 0.01)
        if state == "unsent":
            with pytest.raises(httpcore.WriteTimeout):
                await stream.write(b"x" * LARGE, 0.02)
        return stream

    stream = kind.run(scenario)
    stream.abort()
    stream.abort()
    assert stream.get_extra_info("is_readable")
    del stream
    gc.collect()
    server.release()
    server.wait_until(lambda: not server.open)
