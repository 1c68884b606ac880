"""What servers do to the connection."""

from __future__ import annotations

from typing import Any

import pytest

from transports.http2.stage import ReadySocket, Socket, Stage, Task
from trivet.core.errors import RemoteProtocolError, TrivetError
from trivet.transports.failures import explain

SOCKETS = pytest.mark.parametrize("socket", [Socket, ReadySocket])


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def goaway(last: int, code: int = 0) -> bytes:
    return frame(7, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + b"bye")


def failure(task: Task) -> Any:
    error = task.error
    assert error is not None
    task.operation.stale = task.operation.reused and not task.operation.answered
    error = explain(error, task.operation) or error
    assert isinstance(error, TrivetError)
    return error


def receive(stage: Stage, data: bytes) -> None:
    stage.inbox += data
    stage.run()


def test_goaway() -> None:
    stage = Stage()
    first, second = stage.send(content=b"x"), stage.send(content=b"x")
    stage.run()
    receive(stage, goaway(1))
    assert not first.done
    error = failure(second)
    assert isinstance(error, RemoteProtocolError)
    assert (error.sent, error.stale, second.operation.sent) == (False, False, False)
    assert "has not processed the request" in str(error)
    assert (stage.connection.reusable, stage.connection.usable(), stage.connection.capacity) == (False, False, 0)
    assert stage.sizes == [0]
    # What runs goes on, windows and all.
    stage.server.answer(1, b"x" * 700_000)
    stage.run()
    assert stage.rest_of(first) == b"x" * 700_000
    assert failure(stage.send()).stale


def test_goaway_on_a_reused_connection() -> None:
    stage = Stage()
    stage.fetch_prompt()
    stage.server.prompt = None
    task = stage.send(content=b"x")
    stage.run()
    receive(stage, goaway(1) + goaway(1))
    assert (failure(task).sent, failure(task).stale) == (False, True)


def test_goaway_with_an_error() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.inbox += goaway(1, 11)
    stage.ended = True
    stage.run()
    assert "ENHANCE_YOUR_CALM" in str(failure(task))
    assert failure(task).sent


@pytest.mark.parametrize(
    ("code", "message", "sent"),
    [
        (7, "REFUSED_STREAM", False),
        (13, "over HTTP/1.1 only", True),
        (2, "INTERNAL_ERROR", True),
        (0, "NO_ERROR", True),
        (99, "error 99", True),
    ],
)
def test_resets(code: int, message: str, sent: bool) -> None:
    stage = Stage()
    task, other = stage.send(content=b"x"), stage.send()
    stage.run()
    receive(stage, frame(3, 0, 1, code.to_bytes(4, "big")))
    error = failure(task)
    assert isinstance(error, RemoteProtocolError)
    assert message in str(error)
    assert error.sent is sent
    stage.server.answer(3, b"other")
    stage.run()
    assert other.result.content == b"other"


def test_a_reset_in_the_content() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "200")])
    stage.server.h2.send_data(1, b"hello")
    stage.server.h2.reset_stream(1, 2)
    stage.server.flush()
    stage.run()
    assert task.result.content is None
    piece = stage.read(task)
    assert piece.result == b"hello"
    with pytest.raises(RemoteProtocolError, match="INTERNAL_ERROR"):
        stage.rest_of(task)
    assert stage.fetch_prompt() == b"again"


def test_late_frames_are_ignored() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "103")])
    stage.server.h2.send_headers(1, [(":status", "200"), ("x-name", "value")])
    for _ in range(50):
        stage.server.h2.send_data(1, b"x" * 1_000)
    late = stage.server.h2.data_to_send()
    task.cancel()
    stage.server.prompt = lambda stream_id: None
    second = stage.send()
    stage.run()
    stage.inbox += late
    stage.server.answer(3, b"second", "200", ("x-name", "value"))
    stage.run()
    assert second.result.content == b"second"
    assert (b"x-name", b"value") in second.result.head.fields
    assert stage.server.resets == {1: 8}
    assert sum(write.count(frame(3, 0, 1, bytes([0, 0, 0, 5]))) for write in stage.server.writes) == 0
    assert stage.leaked == 0


GARBAGE = {
    "http1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "no-settings": frame(6, 0, 0, bytes(8)),
    "misplaced": frame(4) + frame(0, 0, 0, b"content of the connection itself"),
    "too-long": frame(4) + frame(0, 0, 1, bytes(16_385)),
    "bad-hpack": frame(4) + frame(1, 4, 1, b"\xff" * 100),
    "bad-ping": frame(4) + frame(6, 0, 0, bytes(7)),
    "bad-settings": frame(4, 0, 0, bytes(5)),
    "bad-goaway": frame(4) + frame(7, 0, 0, bytes(7)),
    "goaway-of-a-stream": frame(4) + frame(7, 0, 1, bytes(8)),
    "push": frame(4) + frame(5, 4, 1, bytes(4)),
    "content-first": frame(4) + frame(0, 0, 1, b"x"),
    "idle-stream": frame(4) + frame(8, 0, 99, bytes([0, 0, 0, 1])),
    "window-overflow": frame(4) + frame(8, 0, 0, bytes([0x7F, 255, 255, 255])),
    "padding": frame(4) + frame(1, 4, 1, b"\x88") + frame(0, 8, 1, b"\xff"),
    "naked-continuation": frame(4) + frame(9, 4, 1, b"\x88"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage(data: bytes) -> None:
    stage = Stage()
    del stage.inbox[:]
    tasks = [stage.send(content=b"x"), stage.send()]
    receive(stage, data)
    for task in tasks:
        if task.error is None:
            task = stage.read(task)
            stage.run()
            assert isinstance(task.error, Exception)
        else:
            assert isinstance(failure(task), RemoteProtocolError)
            assert failure(task).sent in (True, False)
    assert not stage.connection.reusable
    assert not stage.connection.usable()


def test_a_window_that_overflows_on_a_stream() -> None:
    stage = Stage()
    task, other = stage.send(), stage.send()
    stage.run()
    receive(stage, frame(8, 0, 1, bytes([0x7F, 255, 255, 255])))
    assert "FLOW_CONTROL_ERROR" in str(failure(task))
    stage.server.answer(3, b"other")
    stage.run()
    assert other.result.content == b"other"


@pytest.mark.parametrize(
    "useless", [frame(6, 0, 0, bytes(8)), frame(4), frame(0, 0, 1), frame(99, 0, 0, b"?"), frame(2, 0, 1, bytes(5))]
)
def test_floods(useless: bytes) -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "200")])
    stage.server.flush()
    stage.run()
    read = stage.read(task)
    for _ in range(9):
        receive(stage, useless * 100)
    stage.server.h2.send_data(1, b"progress")
    stage.server.flush()
    stage.run()
    assert read.result == b"progress"
    read = stage.read(task)
    for _ in range(11):
        receive(stage, useless * 100)
    assert "floods" in str(failure(read))
    assert stage.server.goaway == 11


def test_an_answer_to_many_pings() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    receive(stage, frame(6, 0, 0, b"12345678") * 5)
    assert sum(write.count(frame(6, 1, 0, b"12345678")) for write in stage.server.writes) == 5
    assert not task.done


@pytest.mark.parametrize(("reused", "message"), [(False, "without answering"), (True, "without answering")])
def test_the_end(reused: bool, message: str) -> None:
    stage = Stage()
    if reused:
        stage.fetch_prompt()
        stage.server.prompt = None
    first, second = stage.send(), stage.send()
    stage.run()
    stage.ended = True
    stage.run()
    for task in (first, second):
        assert message in str(failure(task))
        assert failure(task).sent
        assert failure(task).stale is reused


def test_the_end_in_the_content() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "200")])
    stage.server.h2.send_data(1, b"hello")
    stage.server.flush()
    stage.ended = True
    stage.run()
    assert stage.read(task).result == b"hello"
    read = stage.read(task)
    stage.run()
    assert "in the middle of the content" in str(failure(read))


@pytest.mark.parametrize("last_words", [b"", goaway(1)])
@SOCKETS
def test_an_idle_connection_that_has_ended(socket: type[Socket], last_words: bytes) -> None:
    stage = Stage(socket=socket)
    stage.fetch_prompt()
    stage.inbox += last_words
    stage.ended = True
    assert stage.connection.usable()
    task = stage.send(content=b"not to be sent twice")
    stage.run()
    assert isinstance(task.error, RemoteProtocolError)
    assert (task.error.sent, task.error.stale, task.operation.sent) == (False, True, False)
    assert len(stage.server.requests) == 1


@SOCKETS
def test_an_idle_connection_that_was_reset(socket: type[Socket]) -> None:
    stage = Stage(socket=socket)
    stage.fetch_prompt()
    stage.broken = ConnectionResetError(104, "Connection reset by peer")
    stage.ended = True
    task = stage.send(content=b"not to be sent twice")
    stage.run()
    assert isinstance(task.error, RemoteProtocolError)
    assert (task.error.sent, task.error.stale) == (False, True)


@SOCKETS
def test_an_idle_connection_with_something_to_say(socket: type[Socket]) -> None:
    stage = Stage(socket=socket)
    stage.fetch_prompt()
    stage.inbox += frame(6, 0, 0, b"12345678")
    assert stage.connection.usable()
    assert stage.fetch() == b"again"
    assert any(frame(6, 1, 0, b"12345678") in write for write in stage.server.writes)
