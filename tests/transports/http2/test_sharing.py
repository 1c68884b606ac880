"""Several requests on one connection: who reads, who writes, and what becomes of those that end early."""

from __future__ import annotations

import random

import httpcore
import pytest

from transports.http2.stage import ForeignSocket, Stage, Task
from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import Limits
from trivet.transports.failures import explain
from trivet.transports.flows.actions import ReadSocket, Wait, WriteSocket

BIG = 700_000


def explained(task: Task) -> str:
    assert task.error is not None
    return str(explain(task.error, task.operation) or task.error)


def started(stage: Stage, count: int = 3) -> list[Task]:
    tasks = [stage.send(f"/{number}") for number in range(count)]
    stage.run()
    return tasks


def test_one_reads_for_all() -> None:
    stage = Stage()
    tasks = started(stage)
    assert [type(task.action) for task in tasks] == [ReadSocket, Wait, Wait]
    for stream_id in (5, 3, 1):
        stage.server.answer(stream_id, b"%d" % stream_id)
    stage.run()
    assert [task.result.content for task in tasks] == [b"1", b"3", b"5"]


def test_reading_is_handed_over_by_a_result() -> None:
    stage = Stage()
    first, second, third = started(stage)
    stage.server.answer(1, b"first")
    stage.run()
    assert first.done
    assert isinstance(second.action, ReadSocket)
    stage.server.answer(5, b"third")
    stage.run()
    assert third.result.content == b"third"
    assert not second.done


@pytest.mark.parametrize("ending", ["time_out", "cancel"])
def test_reading_is_handed_over_by_a_failure(ending: str) -> None:
    stage = Stage()
    first, second, third = started(stage)
    stage.ping()
    stage.server.answer(3, b"second")
    # Its answer is there, and so is its turn to read; but it ends before it can take either.
    getattr(first, ending)()
    getattr(second, ending)()
    stage.server.answer(5, b"third")
    stage.run()
    assert third.result.content == b"third"
    assert stage.fetch_prompt() == b"again"


def test_a_timeout_is_its_own_affair() -> None:
    stage = Stage()
    _, second, third = started(stage)
    stage.server.answer(1, b"first")
    stage.run()
    second.time_out()
    assert isinstance(second.error, httpcore.ReadTimeout)
    assert "did not answer" in explained(second)
    third.time_out()
    assert isinstance(third.error, httpcore.ReadTimeout)
    assert stage.connection.reusable
    assert stage.fetch_prompt() == b"again"
    assert stage.server.resets == {3: 8, 5: 8}


def test_a_silent_server_is_suspect() -> None:
    stage = Stage()
    first, second = started(stage, 2)
    second.time_out()
    # SETTINGS were received before the first request left, and nothing since.
    assert not stage.connection.reusable
    assert stage.sizes == [0]
    stage.server.answer(1, b"first")
    stage.run()
    assert first.result.content == b"first"
    assert isinstance(stage.send().error, RemoteProtocolError)


@pytest.mark.parametrize("written", [0, 5, 40, 1_000])
def test_an_interrupted_write(written: int) -> None:
    stage = Stage()
    stage.server.prompt = lambda stream_id: stage.server.answer(stream_id, b"again")
    first = stage.send("/first", b"x" * 30_000)
    second = stage.send("/second")
    assert isinstance(first.action, WriteSocket)
    assert isinstance(second.action, Wait)
    first.cancel(written)
    assert second.operation.sent is False
    stage.run()
    assert second.result.content == b"again"
    assert stage.fetch() == b"again"
    assert stage.server.resets == {1: 8}


def test_a_write_that_was_too_late_to_begin() -> None:
    stage = Stage()
    stage.fetch_prompt()
    first = stage.send("/first")
    first.time_out(written=None)
    assert isinstance(first.error, httpcore.WriteTimeout)
    # The head is in the state of HPACK already, so it goes out with the next write, and is reset.
    assert stage.fetch() == b"again"
    assert stage.server.requests[3][":path"] == "/first"
    assert stage.server.resets == {3: 8}


def test_a_write_that_takes_too_long() -> None:
    stage = Stage()
    first = stage.send("/first", b"x" * 30_000)
    second = stage.send("/second")
    first.time_out(written=40)
    assert isinstance(first.error, httpcore.WriteTimeout)
    assert "could not be written" in explained(first)
    # Nothing was received since it was sent.
    assert not stage.connection.reusable
    stage.run()
    assert isinstance(second.error, RemoteProtocolError)
    assert (second.error.sent, second.error.stale) == (False, True)


def test_an_interrupted_write_on_a_foreign_stream() -> None:
    stage = Stage(socket=ForeignSocket)
    first = stage.send("/first", b"x" * 30_000)
    second = stage.send("/second")
    first.cancel(written=40)
    stage.run()
    assert isinstance(second.error, RemoteProtocolError)
    assert second.error.sent is False
    assert not stage.connection.reusable


def test_a_rest_goes_out_though_nothing_else_does() -> None:
    stage = Stage()
    stage.server.prompt = lambda stream_id: stage.server.answer(stream_id, b"x" * 1_000_000)
    first, second = stage.send("/first"), stage.send("/second")
    stage.run()
    closing = stage.close(first)
    assert isinstance(closing.action, WriteSocket)
    closing.cancel(written=3)
    assert stage.server.resets == {}
    assert stage.rest_of(second) == b"x" * 1_000_000
    assert stage.server.resets == {1: 8}


def test_an_interrupted_upload_while_another_one_waits_for_room() -> None:
    stage = Stage()
    stage.server.prompt = lambda stream_id: stage.server.answer(
        stream_id, b"%d" % len(stage.server.contents[stream_id])
    )
    stage.server.acknowledging = False
    second = stage.send(content=b"x" * 65_000)
    second.step()
    first = stage.send(content=b"y" * 100_000)
    # Both want more than the window of the connection, and some of it went into a write that was interrupted.
    assert isinstance(first.action, WriteSocket)
    first.cancel(written=10)
    third = stage.send("/third")
    assert stage.connection._wire._rest or third.done
    stage.tidy()
    stage.run()
    assert second.result.content == b"65000"
    assert third.result.content == b"0"
    assert stage.server.resets == {3: 8}


def test_nothing_to_tidy() -> None:
    stage = Stage()
    stage.fetch_prompt()
    stage.tidy()
    assert [task.action for task in stage.tasks] == [None]


def test_many_cancelled_streams() -> None:
    stage = Stage()
    rng = random.Random(7)
    stage.server.prompt = lambda stream_id: stage.server.answer(stream_id, b"x" * BIG)
    for _ in range(20):
        tasks = [stage.send() for _ in range(10)]
        for _ in range(rng.randrange(60)):
            ready = [task for task in tasks if task.ready]
            if ready:
                rng.choice(ready).step(rng.choice((100, 20_000, 65_536)))
        for task in tasks:
            if task.done:
                stage.close(task).cancel() if rng.random() < 0.5 else stage.close(task)
            else:
                task.cancel()
        stage.tasks = [task for task in stage.tasks if not task.done]
        stage.run()
    for _ in range(3):
        assert stage.fetch() == b"x" * BIG
    assert len(stage.server.requests) > 100
    assert stage.leaked == 0
    assert stage.connection.reusable


def test_a_body_that_is_closed_early() -> None:
    stage = Stage()
    task = stage.send("/big")
    stage.run()
    stage.server.answer(1, b"x" * (64 * 1024 * 1024))
    stage.run()
    closing = stage.close(task)
    stage.run()
    assert closing.error is None
    assert stage.server.resets == {1: 8}
    # A second time there is nothing to do.
    again = stage.close(task)
    assert again.done
    assert stage.fetch_prompt() == b"again"
    assert stage.leaked == 0


def test_a_slow_reader_holds_nobody_up() -> None:
    stage = Stage()
    slow = [stage.send("/slow") for _ in range(70)]
    stage.run()
    for number in range(70):
        stage.server.answer(2 * number + 1, b"s" * BIG)
    stage.run()
    # More than the window of the connection has come, no more than their own windows for each.
    buffered = [sum(map(len, task.result._stream.chunks)) for task in slow]
    assert max(buffered) <= 256 * 1024
    assert sum(buffered) > 16 * 1024 * 1024
    stage.server.prompt = lambda stream_id: stage.server.answer(stream_id, b"q" * BIG)
    assert stage.fetch("/quick") == b"q" * BIG
    for task in slow:
        assert stage.rest_of(task) == b"s" * BIG
    assert stage.leaked == 0


def test_a_capacity_that_changes() -> None:
    stage = Stage()
    assert stage.connection.capacity == 100
    started(stage, 2)
    stage.server.h2.update_settings({3: 2})  # SETTINGS_MAX_CONCURRENT_STREAMS
    stage.server.flush()
    stage.run()
    assert stage.sizes == [2]
    late = stage.send()
    assert isinstance(late.error, RemoteProtocolError)
    assert (late.error.sent, late.error.stale) == (False, True)
    stage.server.answer(1)
    stage.run()
    assert stage.send().error is None
    stage.server.h2.update_settings({3: 1_000_000})
    stage.server.flush()
    stage.run()
    assert stage.sizes == [2, 100]


def test_the_end_of_the_numbers() -> None:
    stage = Stage()
    stage.connection._session._next_id = 2**31 - 1
    assert stage.fetch_prompt() == b"again"
    assert not stage.connection.reusable
    assert not stage.connection.usable()
    assert stage.sizes == [0]


def test_a_broken_connection_fails_all() -> None:
    stage = Stage()
    tasks = started(stage)
    stage.broken = httpcore.ReadError(ConnectionResetError(104, "Connection reset by peer"))
    stage.run()
    assert [explained(task) for task in tasks] == ["the server reset the connection before it answered"] * 3
    assert len({id(task.error) for task in tasks}) == 3
    assert not stage.connection.reusable
    assert stage.sizes == [0]


def test_what_came_before_a_write_failed_is_read() -> None:
    stage = Stage()
    stage.server.prompt = lambda stream_id: stage.server.answer(stream_id, b"again")
    assert stage.fetch() == b"again"
    stage.deaf = httpcore.WriteError(BrokenPipeError(32, "Broken pipe"))
    task = stage.send()
    stage.server.h2.close_connection(last_stream_id=1)
    stage.server.flush()
    stage.run()
    assert isinstance(task.error, RemoteProtocolError)
    assert (task.error.sent, task.error.stale) == (False, True)
    assert not stage.connection.reusable


def test_limits_apply_to_each_connection() -> None:
    stage = Stage(Limits(max_header_bytes=1_000))
    stage.send()
    stage.run()
    assert stage.server.h2.remote_settings.max_header_list_size == 1_000 + 28 * 128 + 42
    assert stage.server.h2.remote_settings.enable_push == 0
    assert stage.server.room == 16 * 1024 * 1024
