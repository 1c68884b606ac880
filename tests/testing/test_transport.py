from __future__ import annotations

import asyncio
from math import inf

import pytest

from trivet.core.errors import AttemptTimeout, ReadError
from trivet.core.exchange.actions import ReadBody, SendRequest
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.testing import After, Reply, ScriptedTransport, Streamed, VirtualClock

REQUEST = Request("GET", "https://api.example.com/?token=s3cr3t")
BROKE = ReadError("it broke", sent=True)


class Used:
    """The transport as a driver uses it, in either way."""

    def __init__(self, transport: ScriptedTransport, asynchronous: bool, clock: VirtualClock | None = None) -> None:
        self.transport = transport
        self.asynchronous = asynchronous
        self.monotonic = (clock or VirtualClock()).monotonic

    def send(self, request: Request = REQUEST, deadline: float = inf) -> Response:
        action = SendRequest(request, deadline)
        if self.asynchronous:
            return asyncio.run(self.transport.asend(action, self.monotonic))
        return self.transport.send(action, self.monotonic)

    def read(self, body: object, deadline: float = inf) -> bytes:
        action = ReadBody(body, deadline)
        if self.asynchronous:
            return asyncio.run(self.transport.aread(action, self.monotonic))
        return self.transport.read(action, self.monotonic)

    def close_body(self, body: object) -> None:
        if self.asynchronous:
            asyncio.run(self.transport.aclose_body(body))
        else:
            self.transport.close_body(body)

    def close(self) -> None:
        if self.asynchronous:
            asyncio.run(self.transport.aclose())
        else:
            self.transport.close()


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


def test_replies_come_in_turn_and_requests_are_kept(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(Response(503), BROKE, Response(200)), asynchronous)
    other = Request("POST", "https://api.example.com/")

    assert used.send().status == 503
    with pytest.raises(ReadError) as caught:
        used.send(other)
    assert caught.value is BROKE
    assert used.send().status == 200
    assert used.transport.requests == [REQUEST, other, REQUEST]
    with pytest.raises(AssertionError, match="the script has no reply"):
        used.send()


def test_an_unexpected_request_is_the_tests_failure(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(), asynchronous)

    with pytest.raises(AssertionError, match="the script has no reply to <Request GET") as caught:
        used.send()
    assert "s3cr3t" not in str(caught.value)
    assert used.transport.requests == [REQUEST]


@pytest.mark.parametrize(("forever", "statuses"), [(True, [503, 200, 200, 200]), (False, [503, 200, None, None])])
def test_the_last_reply_may_last_forever(forever: bool, statuses: list[int | None], asynchronous: bool) -> None:
    used = Used(ScriptedTransport(Response(503), Response(200), forever=forever), asynchronous)

    for status in statuses:
        if status is None:
            with pytest.raises(AssertionError):
                used.send()
        else:
            assert used.send().status == status


def test_each_request_gets_a_response_of_its_own(asynchronous: bool) -> None:
    scripted = Response(200, {"X-Test": "yes"}, b"content")
    used = Used(ScriptedTransport(scripted, forever=True), asynchronous)

    first, second = used.send(), used.send()

    assert first is not second
    assert first is not scripted
    first.request = REQUEST
    first.elapsed = 5.0
    assert (second.elapsed, scripted.elapsed) == (0.0, 0.0)
    assert (second.headers["X-Test"], second.content) == ("yes", b"content")


def test_a_reply_may_depend_on_the_request(asynchronous: bool) -> None:
    def echo(request: Request) -> Reply:
        if request.method == "GET":
            return Response(200, content=request.method.encode())
        return lambda again: Response(405, content=again.method.encode())

    used = Used(ScriptedTransport(echo, forever=True), asynchronous)

    assert used.send().content == b"GET"
    assert used.send(REQUEST.replace(method="PUT")).content == b"PUT"


def test_a_body_is_read_piece_by_piece(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(Streamed(206, {"X-Test": "yes"}, [b"one", b"two"])), asynchronous)

    response = used.send()

    assert (response.status, response.headers["X-Test"]) == (206, "yes")
    assert list(used.transport.open) == [response.body]
    assert [used.read(response.body) for _ in range(3)] == [b"one", b"two", b""]
    assert used.transport.open == {}


def test_a_body_that_breaks_off_is_released(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(Streamed(200, pieces=[b"one", BROKE, b"never"])), asynchronous)
    body = used.send().body

    assert used.read(body) == b"one"
    with pytest.raises(ReadError):
        used.read(body)
    assert used.transport.open == {}


def test_a_body_may_be_closed_more_than_once(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(Streamed(200, pieces=[b"one"]), forever=True), asynchronous)
    first, second = used.send().body, used.send().body

    used.close_body(first)
    used.close_body(first)

    assert list(used.transport.open) == [second]


def test_closings_are_counted(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(), asynchronous)

    used.close()
    used.close()

    assert used.transport.closed == 2


@pytest.mark.parametrize(
    ("reply", "deadline", "outcome", "now"),
    [
        (After(2.0, Response(200)), inf, 200, 2.0),
        (After(2.0, Response(200)), 2.0, 200, 2.0),
        (After(2.0, Response(200)), 1.5, AttemptTimeout, 1.5),
        (After(2.0, BROKE), inf, ReadError, 2.0),
        (After(2.0, BROKE), 1.0, AttemptTimeout, 1.0),
        (After(1.0, After(1.0, Response(200))), inf, 200, 2.0),
        (After(1.0, After(1.0, Response(200))), 1.5, AttemptTimeout, 1.5),
        (After(1.0, lambda request: Response(201)), inf, 201, 1.0),
        (After(inf, Response(200)), 30.0, AttemptTimeout, 30.0),
    ],
)
def test_a_reply_that_takes_time(
    reply: Reply, deadline: float, outcome: int | type[Exception], now: float, asynchronous: bool
) -> None:
    clock = VirtualClock()
    used = Used(ScriptedTransport(reply, clock=clock), asynchronous, clock)

    if isinstance(outcome, int):
        assert used.send(deadline=deadline).status == outcome
    else:
        with pytest.raises(outcome) as caught:
            used.send(deadline=deadline)
        assert caught.value.sent is True  # type: ignore[attr-defined]  # both kinds say so
    assert clock.monotonic() == now
    assert clock.sleeps == []


def test_a_piece_that_takes_time(asynchronous: bool) -> None:
    clock = VirtualClock()
    pieces = [After(1.0, b"one"), After(1.0, b"two"), After(1.0, b"three")]
    used = Used(ScriptedTransport(Streamed(200, pieces=pieces), clock=clock), asynchronous, clock)
    body = used.send().body

    assert used.read(body, 2.5) == b"one"
    assert used.read(body, 2.5) == b"two"
    with pytest.raises(AttemptTimeout, match=r"no answer in time \(it would have taken 1 s\)"):
        used.read(body, 2.5)
    assert clock.monotonic() == 2.5
    assert used.transport.open == {}


def test_time_needs_a_clock(asynchronous: bool) -> None:
    used = Used(ScriptedTransport(After(1.0, Response(200))), asynchronous)

    with pytest.raises(AssertionError, match=r"needs ScriptedTransport\(clock=VirtualClock\(\)\)"):
        used.send()


def test_a_piece_is_no_reply(asynchronous: bool) -> None:
    clock = VirtualClock()
    used = Used(ScriptedTransport(After(1.0, b"one"), clock=clock), asynchronous, clock)

    with pytest.raises(AssertionError, match="bytes are a piece of a Streamed"):
        used.send()
