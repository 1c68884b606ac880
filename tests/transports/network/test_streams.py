"""Reading from and writing to the streams of each backend."""

from __future__ import annotations

import errno
import select
import socket
import threading
from typing import Any

import httpcore
import pytest

from conftest import MakeHostile
from servers.hostile import (
    Step,
    close,
    half_close,
    hang,
    read_to_end,
    reset,
    send,
    wait_for,
)
from transports.network.kinds import ALL, ASYNC, LOOPS, PATIENCE, Kind, read_exactly
from trivet.transports.failures import root_cause
from trivet.transports.network.polling import readable_check

LARGE = 20_000_000
"""More bytes than the system takes for a peer that does not read."""


def read(size: int) -> Step:
    """Read so many bytes, and note them."""
    return lambda peer: peer.server.note_request(peer.read_exactly(size))


def errno_of(error: BaseException) -> int | None:
    cause = root_cause(error)
    assert isinstance(cause, OSError)
    return cause.errno


def await_arrival(stream: Any) -> None:
    """Block until something has come, which the event loop, if it has not seen it yet, does not see meanwhile."""
    if stream.get_extra_info("is_readable"):
        return
    poll = select.poll()
    poll.register(stream.get_extra_info("socket").fileno(), select.POLLIN)
    assert poll.poll(PATIENCE * 1000)


@ALL
def test_reading_and_writing(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([read(5), send(b"hello"), close])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        assert stream.read_ready(100) is None
        await stream.write(b"", PATIENCE)
        await stream.write(b"he", None)
        await stream.write(bytearray(b"llo"), PATIENCE)
        await_arrival(stream)
        assert await stream.read(2, None) == b"he"
        assert await stream.read(2, PATIENCE) == b"ll"
        assert stream.get_extra_info("is_readable")
        assert stream.read_ready(100) == b"o"
        for _ in range(3):
            assert await stream.read(100, PATIENCE) == b""
        assert stream.read_ready(100) == b""
        assert stream.get_extra_info("is_readable")
        await stream.aclose()
        await stream.aclose()
        assert stream.get_extra_info("is_readable")

    kind.run(scenario)
    assert server.requests == [b"hello"]


@ALL
def test_a_reset(kind: Kind, hostile: MakeHostile) -> None:
    """What had arrived is there to be read, and then the error."""
    event = threading.Event()
    server = hostile([send(b"bye"), wait_for(event), reset])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        await_arrival(stream)
        event.set()
        server.wait_until(lambda: not server.open)
        assert await read_exactly(stream, 3) == b"bye"
        with pytest.raises(httpcore.ReadError) as caught:
            await stream.read(100, PATIENCE)
        assert errno_of(caught.value) == errno.ECONNRESET
        with pytest.raises(httpcore.WriteError) as failure:
            await stream.write(b"x", PATIENCE)
        assert errno_of(failure.value) in (errno.ECONNRESET, errno.EPIPE)
        stream.abort()

    kind.run(scenario)


@ALL
def test_what_had_arrived_outlives_a_write_that_fails(kind: Kind, hostile: MakeHostile) -> None:
    event = threading.Event()
    server = hostile([send(b"bye"), wait_for(event), reset])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        await_arrival(stream)
        event.set()
        server.wait_until(lambda: not server.open)
        for _ in range(2):
            with pytest.raises(httpcore.WriteError):
                await stream.write(b"x", PATIENCE)
        assert await read_exactly(stream, 3) == b"bye"
        stream.abort()

    kind.run(scenario)


@ALL
def test_a_peer_that_only_listens(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([half_close, read(LARGE)])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        assert await stream.read(100, PATIENCE) == b""
        await stream.write(b"x" * LARGE, PATIENCE)
        server.wait_until(lambda: server.requests == [b"x" * LARGE])
        stream.abort()

    kind.run(scenario)


@ALL
def test_time_is_up(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([hang, send(b"late"), read_to_end])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        for timeout in (0.05, 0.01, 0.02):
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(100, timeout)
        server.release()
        assert await read_exactly(stream, 4) == b"late"
        stream.abort()

    kind.run(scenario)


@ASYNC
def test_a_read_that_is_cancelled_loses_nothing(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([hang, send(b"hello"), read_to_end])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        await kind.cancelled(lambda: stream.read(100, PATIENCE))
        await kind.cancelled(lambda: stream.read(100))
        server.release()
        assert await read_exactly(stream, 5) == b"hello"
        await stream.aclose()

    kind.run(scenario)


@ASYNC
@pytest.mark.parametrize("end", ["cancelled", "timed out"])
def test_what_a_write_has_left_is_sent_first(kind: Kind, hostile: MakeHostile, end: str) -> None:
    parts = [b"a" * LARGE, b"b" * 1000, b"c"]
    content = b"".join(parts)
    server = hostile([hang, read(len(content))])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        for part in parts[:2]:
            if end == "cancelled":
                await kind.cancelled(lambda part=part: stream.write(part, PATIENCE))
            else:
                with pytest.raises(httpcore.WriteTimeout):
                    await stream.write(part, 0.02)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"", 0.0)
        server.release()
        await stream.write(parts[2], PATIENCE)
        server.wait_until(lambda: server.requests)
        await stream.aclose()

    kind.run(scenario)
    assert server.requests == [content]


@ASYNC
def test_tasks_that_write_at_once_do_not_interleave(kind: Kind, hostile: MakeHostile) -> None:
    letters = b"abcd"
    server = hostile([hang, read(len(letters) * 3 * 1_000_000), send(b"done")])

    async def scenario() -> None:
        stream = await kind.connect(server.port)

        async def write(letter: int) -> bytes:
            for _ in range(3):
                await stream.write(bytes([letter]) * 1_000_000, PATIENCE)
            return b""

        async def read_on() -> bytes:
            server.release()
            return await read_exactly(stream, 4)

        outcomes = await kind.together(*[lambda letter=letter: write(letter) for letter in letters], read_on)
        assert outcomes[-1] == b"done"
        await stream.aclose()

    kind.run(scenario)
    received = server.requests[0]
    for start in range(0, len(received), 1_000_000):
        assert received[start : start + 1_000_000] == received[start : start + 1] * 1_000_000
    assert sorted(received[::1_000_000]) == sorted(letters * 3)


@LOOPS
def test_a_peer_that_floods_has_to_wait(kind: Kind, hostile: MakeHostile) -> None:
    content = bytes(range(250)) * 40_000
    server = hostile([send(content), close])

    async def scenario() -> None:
        stream = await kind.connect(server.port)
        protocol = stream._protocol
        await kind.until(lambda: protocol._reading_paused)
        await kind.backend.sleep(0)
        assert sum(map(len, protocol.pieces)) <= 4 * 65_536
        received = b"".join([await read_exactly(stream, 10_000), await read_exactly(stream, 1)])
        while data := await stream.read(10_000, PATIENCE):
            received += data
        assert received == content
        await stream.aclose()

    kind.run(scenario)


@LOOPS
def test_one_task_reads(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([hang])

    async def scenario() -> None:
        stream = await kind.connect(server.port)

        async def first() -> None:
            with pytest.raises(httpcore.ReadError, match="closed"):
                await stream.read(100, PATIENCE)

        async def second() -> None:
            with pytest.raises(RuntimeError, match="another task"):
                await stream.read(100, PATIENCE)
            stream.abort()

        await kind.together(first, second)

    kind.run(scenario)


@ALL
def test_readable_before_the_loop_knows(kind: Kind, hostile: MakeHostile) -> None:
    server = hostile([hang, send(b"x"), read_to_end], [hang, half_close, read_to_end])

    async def scenario() -> None:
        streams = [await kind.connect(server.port) for _ in range(2)]
        assert not any(stream.get_extra_info("is_readable") for stream in streams)
        server.release()
        for stream in streams:
            await_arrival(stream)
            assert stream.get_extra_info("is_readable")
            stream.abort()
            assert stream.get_extra_info("is_readable")

    kind.run(scenario)


def test_threads_that_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll object serves one thread at a time."""
    near, far = socket.socketpair()
    busy = [True]

    class Poll:
        def __init__(self, poll: Any) -> None:
            self.register, self._poll = poll.register, poll.poll

        def poll(self, timeout: float) -> Any:
            if busy.pop():
                busy.append(False)
                raise RuntimeError("concurrent poll() invocation")
            return self._poll(timeout)

    make = select.poll
    monkeypatch.setattr(select, "poll", lambda: Poll(make()))
    with near, far:
        check = readable_check(near.fileno())
        assert not check()
        far.send(b"x")
        busy.append(True)
        assert check()


@LOOPS
def test_news_for_nobody(kind: Kind, hostile: MakeHostile) -> None:
    """An idle connection calls once when the peer sends something, ends it or resets it."""
    event, taken = threading.Event(), threading.Event()
    server = hostile(
        [wait_for(event), send(b"x"), wait_for(taken), send(b"y"), read_to_end],
        [wait_for(event), half_close, read_to_end],
        [wait_for(event), reset],
        [read_to_end],
    )

    async def scenario() -> None:
        calls: list[int] = []
        streams = [await kind.connect(server.port) for _ in range(4)]
        for number, stream in enumerate(streams):
            assert stream.on_lost is None
            stream.on_lost = lambda number=number: calls.append(number)
            assert stream.on_lost is not None
        # The last one is closed from this side.
        streams[3].abort()
        server.wait_until(lambda: server.open == 3)
        await kind.backend.sleep(0)
        assert calls == []
        event.set()
        await kind.until(lambda: len(calls) == 3)
        assert sorted(calls) == [0, 1, 2]
        assert streams[0].on_lost is None
        assert await streams[0].read(1, PATIENCE) == b"x"
        # A read that waits gets the news itself.
        streams[0].on_lost = lambda: calls.append(9)

        async def set_taken() -> bytes:
            taken.set()
            return b""

        assert (await kind.together(lambda: streams[0].read(1, PATIENCE), set_taken))[0] == b"y"
        assert len(calls) == 3
        for stream in streams:
            stream.abort()

    kind.run(scenario)
