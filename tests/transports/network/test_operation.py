"""What an operation knows, whatever order the streams tell it in."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.transports.network.operation import Operation, Step, StreamHistory


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize(
    ("deadline", "timeout", "clamped"),
    [
        (inf, None, None),
        (inf, 3.0, 3.0),
        (105.0, None, 5.0),
        (105.0, 3.0, 3.0),
        (105.0, 8.0, 5.0),
        (100.0, None, 0.0),
        (99.0, 3.0, -1.0),
    ],
)
def test_clamping(deadline: float, timeout: float | None, clamped: float | None) -> None:
    operation = Operation(deadline, Clock())
    assert operation.clamp(timeout) == clamped
    assert operation.time_left() == deadline - 100.0


def test_the_connect_timeout_rules_until_the_request_leaves() -> None:
    clock = Clock()
    operation = Operation(130.0, clock, 5.0)
    assert operation.clamp(None) == 30.0
    clock.time = 110.0
    operation.begin_connect("api.example.com:443")
    assert (operation.clamp(None), operation.step, operation.peer) == (5.0, Step.CONNECT, "api.example.com:443")
    clock.time = 112.0
    operation.begin_handshake()
    assert (operation.clamp(None), operation.step) == (3.0, Step.HANDSHAKE)
    operation.begin_request(reused=False)
    assert (operation.clamp(None), operation.step) == (18.0, Step.EXCHANGE)
    operation.extend(200.0)
    assert operation.clamp(None) == 88.0
    operation.expire()
    assert operation.clamp(None) == -inf


@pytest.mark.parametrize(("timeout", "left"), [(None, 20.0), (50.0, 20.0), (5.0, 5.0)])
def test_the_earlier_of_two_limits(timeout: float | None, left: float) -> None:
    operation = Operation(120.0, Clock(), timeout)
    operation.begin_connect("peer")
    assert operation.clamp(None) == left


@pytest.mark.parametrize(
    ("data", "sent", "step"),
    [
        (b"GET / HTTP/1.1\r\n", True, Step.EXCHANGE),
        (b"PRI * HTTP/2.0\r\n", True, Step.EXCHANGE),
        (b"CONNECTED / HTTP/1.1\r\n", True, Step.EXCHANGE),
        (b"CONNECT api.example.com:443 HTTP/1.1\r\n", False, Step.TUNNEL),
        (b"\x05\x01\x00", False, Step.TUNNEL),
        (b"\x01\x03ada\x02pw", False, Step.TUNNEL),
    ],
)
def test_what_opens_a_tunnel_is_not_the_request(data: bytes, sent: bool, step: Step) -> None:
    operation = Operation(inf, Clock())
    assert operation.sent is None
    operation.begin_connect("peer")
    StreamHistory().writing(operation, data)
    assert (operation.sent, operation.step) == (sent, step)


def test_a_shared_connection_leaves_it_open_what_was_sent() -> None:
    operation = Operation(inf, Clock())
    operation.begin_connect("peer")
    operation.share_connection()
    assert operation.sent is None


def exchange(history: StreamHistory, *events: bytes | None) -> Operation:
    """An operation that writes a request and then sees these events: data, the end, None for an error."""
    operation = Operation(inf, Clock())
    history.writing(operation, b"GET")
    for event in events:
        if event is None:
            history.broke(operation)
        else:
            history.received(operation, event)
    return operation


@pytest.mark.parametrize("end", [b"", None], ids=["closed", "reset"])
def test_stale_is_a_used_connection_that_ends_before_the_first_byte(end: bytes | None) -> None:
    fresh, used = StreamHistory(), StreamHistory()
    exchange(used, b"response")
    assert exchange(fresh, end).stale is False
    assert exchange(used, end).stale is True
    assert exchange(used, b"H", end).stale is False
    # A write may fail although the answer is there.
    assert exchange(used, None, b"HTTP/1.1 413", end).stale is False


@given(st.lists(st.sampled_from([b"data", b"", None]), max_size=6), st.booleans())
def test_facts_agree_with_each_other(events: list[bytes | None], used: bool) -> None:
    history = StreamHistory()
    if used:
        exchange(history, b"response")
    operation = exchange(history, *events)
    assert operation.sent is True
    assert operation.reused is used
    assert operation.answered is (b"data" in events)
    if operation.stale:
        assert used
        assert not operation.answered
