"""What is sent and what is received for one request."""

from __future__ import annotations

from collections.abc import Iterator

import httpcore
import pytest
from hpack import NeverIndexedHeaderTuple

from transports.http2.stage import Stage, Task
from trivet.core.errors import InvalidRequest, RemoteProtocolError
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.transports.content import ContentFailed
from trivet.transports.failures import explain
from trivet.transports.flows.actions import NextChunk, ReadSocket, Wait
from trivet.transports.http2.fields import request_fields

BIG = 700_000


def problem(task: Task) -> str:
    error = task.error
    assert error is not None
    error = explain(error, task.operation) or error
    assert isinstance(error, RemoteProtocolError)
    return str(error)


def answered(stage: Stage, fields: list[tuple[str, str]], content: bytes = b"", method: str = "GET") -> Task:
    task = stage.send(method=method)
    stage.run()
    stage.server.h2.config.validate_outbound_headers = False
    stage.server.h2.config.normalize_outbound_headers = False
    stage.server.h2.send_headers(1, fields, end_stream=not content)
    if content:
        stage.server.h2.send_data(1, content, end_stream=True)
    stage.server.flush()
    stage.run()
    return task


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "other.example"}, [(b":authority", b"other.example")]),
        ({"Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "5"}, []),
        ({"Proxy-Connection": "close", "Upgrade": "h2c", "HTTP2-Settings": "AA"}, []),
        ({"TE": "gzip"}, []),
        ({"TE": "Trailers"}, [(b"te", b"Trailers")]),
        ({"X-Name": "Value"}, [(b"x-name", b"Value")]),
        ({"X-Empty": ""}, [(b"x-empty", b"")]),
    ],
)
def test_fields(headers: dict[str, str], expected: list[tuple[bytes, bytes]]) -> None:
    fields = request_fields(Request("GET", "https://api.example.com/", headers))
    standard = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"api.example.com"), (b":path", b"/")]
    names = [name for name, _ in fields]
    assert names == [name for name, _ in standard] + [name for name, _ in expected if name not in names[:4]]
    assert [field for field in fields if field not in standard] == expected


def test_secrets_are_never_indexed() -> None:
    headers = {"Authorization": "Bearer x", "X-API-Key": "x", "Accept": "*/*", "Cookie": "a=1"}
    fields = request_fields(Request("GET", "https://api.example.com/", headers))
    secret = [field[0] for field in fields if isinstance(field, NeverIndexedHeaderTuple)]
    assert secret == [b"authorization", b"x-api-key", b"cookie"]
    fields = request_fields(Request("GET", "https://api.example.com/", {"Cookie": "session=" + "x" * 30}))
    assert not isinstance(fields[-1], NeverIndexedHeaderTuple)


def test_content_leaves_with_the_head() -> None:
    stage = Stage()
    stage.send(content=b'{"a": 1}')
    stage.run()
    assert stage.server.contents == {1: b'{"a": 1}'}
    assert stage.server.complete == {1}
    assert stage.server.requests[1]["content-length"] == "8"
    assert b'{"a": 1}' in stage.server.writes[0]


def chunks(count: int = 9) -> Iterator[bytes]:
    for number in range(count):
        yield b"%d" % number * 50_000


@pytest.mark.parametrize("length", [None, 450_000])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_upload_larger_than_the_window(length: int | None, streamed: bool) -> None:
    stage = Stage()
    whole = b"".join(chunks())
    content = Stream(chunks, length=length, replayable=True) if streamed else whole
    stage.server.acknowledging = False
    task = stage.send(content=content)
    stage.run()
    assert isinstance(task.action, ReadSocket)
    assert len(stage.server.contents[1]) == 65_535
    other = stage.send("/other")
    stage.run()
    assert isinstance(other.action, Wait)
    # The connection and the stream get room one after the other.
    stage.server.h2.increment_flow_control_window(1_000_000)
    stage.server.flush()
    stage.run()
    assert len(stage.server.contents[1]) == 65_535
    stage.server.h2.increment_flow_control_window(1_000_000, 1)
    stage.server.flush()
    stage.run()
    assert stage.server.contents[1] == whole
    assert stage.server.complete == {1, 3}
    assert ("content-length" in stage.server.requests[1]) is (length is not None or not streamed)
    assert "transfer-encoding" not in stage.server.requests[1]
    stage.server.answer(1, b"thanks")
    stage.server.answer(3, b"other")
    stage.run()
    assert task.result.content == b"thanks"
    assert other.result.content == b"other"


def test_a_smaller_initial_window() -> None:
    stage = Stage()
    stage.server.prompt = lambda stream_id: stage.server.answer(
        stream_id, b"%d" % len(stage.server.contents[stream_id])
    )
    stage.server.h2.update_settings({4: 10})  # SETTINGS_INITIAL_WINDOW_SIZE
    stage.server.flush()
    task = stage.send(content=b"x" * BIG)
    assert stage.fetch("/other") == b"0"
    stage.run()
    assert not task.done
    stage.server.h2.update_settings({4: 1_000_000})
    stage.server.flush()
    stage.run()
    assert task.result.content == b"%d" % BIG


def test_an_upload_that_waits_in_vain() -> None:
    stage = Stage()
    stage.server.acknowledging = False
    first, second = stage.send(content=b"x" * BIG), stage.send(content=b"x" * BIG)
    stage.run()
    second.time_out()
    assert isinstance(second.error, httpcore.WriteTimeout)
    first.time_out()
    assert isinstance(first.error, httpcore.ReadTimeout)


@pytest.mark.parametrize("status", ["413", "200"])
def test_an_early_answer(status: str) -> None:
    stage = Stage()
    stage.server.acknowledging = False
    task = stage.send(content=Stream(chunks))
    stage.run()
    stage.server.answer(1, b"enough", status)
    stage.server.h2.reset_stream(1, 0)
    stage.server.flush()
    stage.run()
    assert task.result.head.status == int(status)
    assert stage.rest_of(task) == b"enough"
    assert stage.fetch_prompt() == b"again"
    assert stage.server.resets in ({}, {1: 0})


def test_an_error_stops_the_upload_before_it_is_complete() -> None:
    stage = Stage()
    stage.server.acknowledging = False
    task = stage.send(content=Stream(chunks))
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "507")])
    stage.server.flush()
    stage.run()
    assert task.result.head.status == 507
    stage.server.h2.send_data(1, b"full", end_stream=True)
    stage.server.flush()
    assert stage.rest_of(task) == b"full"
    # Our side is ended as well, with the next write.
    assert stage.fetch_prompt() == b"again"
    assert stage.server.resets == {1: 0}


def test_a_success_does_not_stop_the_upload() -> None:
    stage = Stage()
    stage.server.acknowledging = False
    task = stage.send(content=Stream(chunks))
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "200")])
    stage.server.flush()
    stage.run()
    assert not task.done
    stage.server.h2.increment_flow_control_window(1_000_000)
    stage.server.h2.increment_flow_control_window(1_000_000, 1)
    stage.server.flush()
    stage.run()
    assert len(stage.server.contents[1]) == 450_000
    assert task.result.head.status == 200


def test_content_that_fails() -> None:
    stage = Stage()

    def failing() -> Iterator[bytes]:
        yield b"x" * 1_000
        raise OSError("the disk is gone")

    task = stage.send(content=Stream(failing))
    stage.run()
    assert isinstance(task.error, ContentFailed)
    assert isinstance(task.error.error, OSError)
    assert stage.fetch_prompt() == b"again"
    assert stage.server.resets == {1: 8}
    # Nothing has left if there is no first chunk.
    task = stage.send(content=Stream(lambda: iter([1])))
    assert isinstance(task.action, NextChunk)
    stage.run()
    assert isinstance(task.error, ContentFailed)
    assert isinstance(task.error.error, InvalidRequest)
    assert task.operation.sent is False


def test_content_without_chunks() -> None:
    stage = Stage()
    stage.server.prompt = stage.server.answer
    assert stage.fetch(content=Stream(lambda: iter([]))) == b""
    assert stage.server.complete == {1}
    assert len(stage.server.requests) == 1


def test_interim_responses() -> None:
    stage = Stage()
    seen: list[Response] = []
    task = stage.send(on_interim=seen.append)
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "103"), ("link", "</style.css>")])
    stage.server.flush()
    stage.run()
    assert [(response.status, response.headers["Link"]) for response in seen] == [(103, "</style.css>")]
    assert task.operation.answered
    stage.server.answer(1, b"hello")
    stage.run()
    assert task.result.content == b"hello"


def test_interim_responses_while_uploading() -> None:
    stage = Stage()
    stage.server.acknowledging = False
    seen: list[Response] = []
    stage.send(content=Stream(chunks), on_interim=seen.append)
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "100")])
    stage.server.flush()
    stage.run()
    assert [response.status for response in seen] == [100]


def test_too_many_interim_responses() -> None:
    stage = Stage(Limits(max_interim=2))
    task = stage.send()
    stage.run()
    for _ in range(9):
        stage.server.h2.send_headers(1, [(":status", "103")])
    stage.server.flush()
    stage.run()
    assert "max_interim=2" in problem(task)
    assert stage.fetch_prompt() == b"again"


def test_a_listener_that_fails() -> None:
    stage = Stage()

    def fail(response: Response) -> None:
        raise KeyError("nobody listens")

    task = stage.send(on_interim=fail)
    stage.run()
    stage.server.h2.send_headers(1, [(":status", "103")])
    stage.server.flush()
    stage.run()
    assert isinstance(task.error, ContentFailed)
    assert stage.fetch_prompt() == b"again"


def test_trailers() -> None:
    stage = Stage(Limits(max_fields=3))
    for stream_id, count in ((1, 3), (3, 4)):
        task = stage.send()
        stage.run()
        stage.server.h2.send_headers(stream_id, [(":status", "200")])
        stage.server.h2.send_data(stream_id, b"hello")
        stage.server.h2.send_headers(stream_id, [("checksum", "1")] * count, end_stream=True)
        stage.server.flush()
        stage.run()
        if count == 3:
            assert stage.rest_of(task) == b"hello"
        else:
            with pytest.raises(RemoteProtocolError, match="the trailer section has 4 fields"):
                stage.rest_of(task)
    assert stage.fetch_prompt() == b"again"


OK = (":status", "200")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([OK] + [("a", "b")] * 129, "has 129 fields; Limits(max_fields=128) allows no more"),
        ([OK, ("a", "b" * 9_000)], "Limits(max_header_bytes=8192) allows no more"),
        ([OK, ("A", "b")], "malformed field, 'A'"),
        ([OK, ("a b", "c")], "malformed field, 'a b'"),
        ([OK, ("a", "b\r\nc: d")], "malformed field, 'a'"),
        ([OK, ("a", " b")], "malformed field, 'a'"),
        ([OK, ("connection", "close")], "malformed field, 'connection'"),
        ([OK, (":path", "/")], "malformed field, ':path'"),
        ([OK, OK], "malformed field, ':status'"),
        ([("a", "b"), OK], "does not begin with its status"),
        ([(":status", "20")], "'20' is no status"),
        ([(":status", "101")], "'101' is no status"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_malformed_head(fields: list[tuple[str, str]], message: str, content: bytes) -> None:
    stage = Stage(Limits(max_header_bytes=8_192))
    if fields[0][1] == "101" and not content:
        content = b"hello"
    task = stage.send()
    other = stage.send("/other")
    stage.run()
    server = stage.server.h2
    server.config.validate_outbound_headers = server.config.normalize_outbound_headers = False
    server.send_headers(1, fields, end_stream=not content and fields[0][1] != "101")
    stage.server.flush()
    stage.run()
    assert message in problem(task)
    # It is the affair of that stream alone.
    stage.server.answer(3, b"other")
    stage.run()
    assert other.result.content == b"other"


def test_a_head_that_is_not_even_decoded() -> None:
    stage = Stage(Limits(max_header_bytes=1_000))
    other = stage.send("/other")
    task = answered(stage, [OK, ("a", "b" * 100_000)])
    assert "Limits(max_header_bytes=1000)" in problem(task)
    assert "Limits(max_header_bytes=1000)" in problem(other)
    assert not stage.connection.reusable
    assert stage.server.goaway == 11


@pytest.mark.parametrize(
    ("declared", "content", "message"),
    [
        ("4", b"hello", "5 bytes, but should have 4"),
        ("6", b"hello", "ended after 5 bytes"),
        ("6", b"", "ended after 0"),
    ],
)
def test_content_of_another_length(declared: str, content: bytes, message: str) -> None:
    stage = Stage()
    task = answered(stage, [OK, ("content-length", declared)], content)
    assert task.error is None
    with pytest.raises(RemoteProtocolError, match=message):
        stage.rest_of(task)
    assert stage.fetch_prompt() == b"again"
    assert stage.leaked == 0


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "304"), ("GET", "204")])
def test_no_content(method: str, status: str) -> None:
    stage = Stage()
    task = answered(stage, [(":status", status), ("content-length", "700")], b"", method)
    assert task.result.content == b""


def test_backpressure() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.answer(1, b"x" * BIG)
    stage.run()
    read = stage.read(task)
    stage.run()
    sent = BIG - len(stage.server.answering[1])
    assert sent - len(read.result) <= 256 * 1024
    assert read.result + stage.rest_of(task) == b"x" * BIG
    assert stage.leaked == 0


def test_padding_does_not_fill_the_windows() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [OK])
    stage.server.flush()
    stage.run()
    for _ in range(3_000):
        stage.server.h2.send_data(1, b"x", pad_length=255)
        stage.server.flush()
        read = stage.read(task)
        stage.run()
        assert read.result == b"x"
    stage.server.h2.end_stream(1)
    stage.server.flush()
    assert stage.rest_of(task) == b""
    assert stage.leaked == 0


def test_a_read_that_is_cancelled() -> None:
    stage = Stage()
    task = stage.send()
    stage.run()
    stage.server.h2.send_headers(1, [OK])
    stage.server.h2.send_data(1, b"hello")
    stage.server.flush()
    stage.run()
    assert stage.read(task).result == b"hello"
    reading = stage.read(task)
    assert isinstance(reading.action, ReadSocket)
    reading.cancel()
    assert stage.fetch_prompt() == b"again"
    assert stage.server.resets == {1: 8}
