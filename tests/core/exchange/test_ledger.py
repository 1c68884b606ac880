"""The ledger of bodies: whatever a flow does, and wherever it is cancelled, it leaks nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivet.core.errors import LocalProtocolError, ReadError, TransportError
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.call import CurrentCall
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.states import TRANSITIONS, State
from trivet.core.exchange.trace import CallFailed
from trivet.core.http.request import Request
from trivet.core.http.response import Response

NOW = Instant(100.0, 1_700_000_000.0)
REQUEST = Request("GET", "https://api.example.com/users")


def begin(flow: Flow[Any]) -> Exchange[Any]:
    exchange = Exchange(flow, rng=random.Random(0))
    exchange.start(NOW)
    return exchange


def opened(body: object) -> Response:
    return Response(200, body=body)


def send() -> Flow[Response]:
    return (yield from SendRequest(REQUEST))


def leave_open(*, error: Exception | None = None, count: int = 1) -> Flow[str]:
    """Open bodies, and end without releasing them."""
    for _ in range(count):
        yield from SendRequest(REQUEST)
    if error is not None:
        raise error
    return "result"


def test_bodies_left_open_are_closed_before_the_result() -> None:
    exchange = begin(leave_open(count=3))
    exchange.receive(opened("first"), NOW)
    exchange.receive(opened("second"), NOW)

    assert exchange.receive(opened("third"), NOW) == CloseBody("first")
    assert (exchange.state, exchange.pending) == (State.CLOSING, CloseBody("first"))
    assert exchange.receive(None, NOW) == CloseBody("second")
    assert exchange.receive(None, NOW) == CloseBody("third")
    done = exchange.receive(None, NOW)

    assert isinstance(done, Done)
    assert done.result == "result"
    assert (exchange.state, exchange.pending) == (State.DONE, None)
    assert exchange.cancel() == []


def test_bodies_left_open_are_closed_before_the_error() -> None:
    error = ReadError("it broke", sent=True)
    exchange = begin(leave_open(error=error, count=2))
    exchange.receive(opened("first"), NOW)

    assert exchange.receive(opened("second"), NOW) == CloseBody("first")
    assert exchange.receive(None, NOW) == CloseBody("second")
    with pytest.raises(ReadError) as caught:
        exchange.receive(None, NOW)

    assert caught.value is error
    assert (exchange.state, exchange.pending) == (State.ERROR, None)
    assert exchange.cancel() == []


@pytest.mark.parametrize("error", [None, ReadError("of the flow", sent=True)])
def test_closings_that_fail_are_ignored(error: Exception | None) -> None:
    exchange = begin(leave_open(error=error, count=2))
    exchange.receive(opened("first"), NOW)
    exchange.receive(opened("second"), NOW)
    events = list(exchange.trace or ())

    assert exchange.fail(ReadError("of the closing", sent=True), NOW) == CloseBody("second")
    if error is None:
        assert isinstance(exchange.fail(OSError("of the closing"), NOW), Done)
    else:
        with pytest.raises(ReadError, match="of the flow"):
            exchange.fail(OSError("of the closing"), NOW)

    assert list(exchange.trace or ()) == events


def read_one(response: Response) -> Flow[bytes]:
    return (yield from ReadBody(response.body))


def close(response: Response) -> Flow[None]:
    return (yield from CloseBody(response.body))


def released(how: Callable[[Response], Flow[Any]]) -> Flow[str]:
    """Release the body of a first response, and leave that of a second one open."""
    first = yield from SendRequest(REQUEST)
    try:
        yield from how(first)
    except ReadError:
        pass
    yield from SendRequest(REQUEST)
    return "result"


@pytest.mark.parametrize(
    ("how", "step", "left"),
    [
        (read_one, lambda exchange: exchange.receive(b"", NOW), ["second"]),
        (read_one, lambda exchange: exchange.receive(b"more", NOW), ["first", "second"]),
        (read_one, lambda exchange: exchange.fail(ReadError("it broke", sent=True), NOW), ["second"]),
        (close, lambda exchange: exchange.receive(None, NOW), ["second"]),
        # A second try would be of no use: the transport has dropped the connection.
        (close, lambda exchange: exchange.fail(ReadError("it broke", sent=True), NOW), ["second"]),
    ],
)
def test_what_counts_as_released(how: Any, step: Callable[[Exchange[str]], Any], left: list[str]) -> None:
    exchange = begin(released(how))
    exchange.receive(opened("first"), NOW)
    step(exchange)
    reached = exchange.receive(opened("second"), NOW)

    closed = []
    while not isinstance(reached, Done):
        assert isinstance(reached, CloseBody)
        closed.append(reached.body)
        reached = exchange.receive(None, NOW)
    assert closed == left


def test_a_response_that_is_returned_takes_its_body_along() -> None:
    response = opened("body")
    exchange = begin(send())

    done = exchange.receive(response, NOW)

    assert isinstance(done, Done)
    assert done.result is response
    assert response.body == "body"
    assert exchange.state is State.DONE
    # It is the caller's now.
    assert exchange.cancel() == []


def return_the_second() -> Flow[Response]:
    for _ in range(2):
        response = yield from SendRequest(REQUEST)
    yield from SendRequest(REQUEST)
    return response


def test_only_the_body_of_the_response_that_is_returned_is_spared() -> None:
    response = opened("second")
    exchange = begin(return_the_second())
    exchange.receive(opened("first"), NOW)
    exchange.receive(response, NOW)

    assert exchange.receive(opened("third"), NOW) == CloseBody("first")
    assert exchange.receive(None, NOW) == CloseBody("third")
    done = exchange.receive(None, NOW)

    assert isinstance(done, Done)
    assert done.result is response
    assert exchange.cancel() == []


def test_a_result_that_was_not_handed_over_is_closed_when_the_exchange_is_cancelled() -> None:
    exchange = begin(return_the_second())
    for body in ("first", "second", "third"):
        exchange.receive(opened(body), NOW)
    assert exchange.receive(None, NOW) == CloseBody("third")

    # Nobody will ever get the response, so nobody else could close its body.
    assert {action.body for action in exchange.cancel()} == {"second", "third"}
    assert exchange.cancel() == []


def test_a_response_inside_of_something_else_is_not_handed_over() -> None:
    def flow() -> Flow[list[Response]]:
        return [(yield from SendRequest(REQUEST))]

    exchange = begin(flow())

    assert exchange.receive(opened("body"), NOW) == CloseBody("body")


def test_a_response_of_some_other_call_is_none_of_the_ledger() -> None:
    foreign = opened("foreign")

    def flow() -> Flow[Response]:
        yield from SendRequest(REQUEST)
        return foreign

    exchange = begin(flow())

    assert exchange.receive(opened("own"), NOW) == CloseBody("own")
    done = exchange.receive(None, NOW)
    assert isinstance(done, Done)
    assert done.result is foreign


@pytest.mark.parametrize("body", [0, "", False, (), b""])
def test_a_handle_may_be_anything_hashable_that_is_not_none(body: object) -> None:
    exchange = begin(leave_open())

    assert exchange.receive(opened(body), NOW) == CloseBody(body)


# Cancelling


def yields_when_closed() -> Flow[None]:
    try:
        yield from SendRequest(REQUEST)
        yield "rubbish"  # type: ignore[misc]  # what the test is about
    finally:
        # Against the rule for flows; the exchange has to bear it.
        yield from SleepUntil(0.0)


def raises_when_closed() -> Flow[None]:
    try:
        yield from SendRequest(REQUEST)
        yield "rubbish"  # type: ignore[misc]  # what the test is about
    finally:
        raise ValueError("raised while it was closed")


@pytest.mark.parametrize("flow", [yields_when_closed, raises_when_closed])
def test_neither_rubbish_nor_a_flow_that_will_not_close_keeps_bodies_from_being_closed(
    flow: Callable[[], Flow[None]],
) -> None:
    exchange = begin(flow())

    assert exchange.receive(opened("body"), NOW) == CloseBody("body")
    with pytest.raises(LocalProtocolError, match="a flow yields actions, not str"):
        exchange.receive(None, NOW)


def test_cancelling_before_the_start_runs_nothing() -> None:
    ran: list[str] = []

    def flow() -> Flow[None]:
        ran.append("ran")
        yield from SleepUntil(1.0)

    exchange = Exchange(flow(), rng=random.Random(0))

    assert exchange.cancel() == []
    assert ran == []
    assert exchange.trace is None


@pytest.mark.parametrize("steps", range(4))
def test_cancelling_closes_what_is_open_at_that_point(steps: int) -> None:
    closed: list[str] = []

    def flow() -> Flow[None]:
        try:
            while True:
                yield from SendRequest(REQUEST)
        finally:
            closed.append("closed")

    exchange = begin(flow())
    for number in range(steps):
        exchange.receive(opened(number), NOW)

    assert exchange.cancel() == [CloseBody(number) for number in range(steps)]
    assert closed == ["closed"]
    assert (exchange.state, exchange.pending) == (State.CANCELLED, None)
    # The second time there is nothing left.
    assert exchange.cancel() == []
    assert closed == ["closed"]


@pytest.mark.parametrize("how", [read_one, close])
def test_a_release_that_was_not_finished_is_done_again(how: Callable[[Response], Flow[Any]]) -> None:
    exchange = begin(released(how))
    exchange.receive(opened("first"), NOW)

    assert exchange.cancel() == [CloseBody("first")]


def test_cancelling_while_closing() -> None:
    exchange = begin(leave_open(count=2))
    exchange.receive(opened("first"), NOW)
    exchange.receive(opened("second"), NOW)
    exchange.receive(None, NOW)

    assert exchange.cancel() == [CloseBody("second")]
    assert (exchange.state, exchange.pending) == (State.CANCELLED, None)


@pytest.mark.parametrize(("flow", "error"), [(yields_when_closed, "RuntimeError"), (raises_when_closed, "ValueError")])
def test_a_flow_that_misbehaves_while_it_is_closed_is_noted(flow: Callable[[], Flow[None]], error: str) -> None:
    def outer() -> Flow[None]:
        yield from SendRequest(REQUEST)
        yield from flow()

    exchange = begin(outer())
    exchange.receive(opened("body"), NOW)

    assert exchange.cancel() == [CloseBody("body")]
    assert exchange.state is State.CANCELLED
    assert exchange.trace is not None
    assert exchange.trace[-1] == CallFailed(100.0, error, "the flow failed while it was closed")


def test_what_a_flow_that_was_never_started_does_when_closed_is_its_own_affair() -> None:
    class Stubborn(Generator[Any, Any, None]):
        """Not a generator function's, so that closing it can fail although it never ran."""

        def send(self, value: Any) -> Any:
            raise AssertionError("not started")

        def throw(self, *args: Any) -> Any:
            raise ValueError("raised while it was closed")

        def close(self) -> None:
            raise ValueError("raised while it was closed")

    exchange: Exchange[None] = Exchange(Stubborn(), rng=random.Random(0))

    assert exchange.cancel() == []
    assert exchange.state is State.CANCELLED


# No flow leaks, whatever it does and whatever becomes of it


class Transport:
    """Hands out bodies and notes how often each was released, by whomever and however."""

    def __init__(self) -> None:
        self.releases: dict[int, int] = {}

    def open(self) -> int:
        body = len(self.releases)
        self.releases[body] = 0
        return body

    def release(self, body: object) -> None:
        assert isinstance(body, int)
        self.releases[body] += 1


# Bodies must be opened before anything else is of interest, so that is what happens most.
STEP = st.sampled_from(["send", "send", "send", "read", "drain", "close", "sleep", "call"])
OUTCOME = st.sampled_from(["more", "more", "more", "end", "failure"])
ENDING = st.sampled_from(["return response", "return response", "return", "raise", "rubbish"])
FAREWELL = st.sampled_from(["quietly", "quietly", "quietly", "raising", "yielding"])


def program(steps: list[tuple[str, int, bool]], ending: str, farewell: str) -> Flow[Any]:
    """A flow that does these steps to its bodies; each step may catch its error. It touches no released body."""
    held: list[Response] = []
    try:
        for step, number, catches in steps:
            try:
                yield from perform(step, number, held)
            except TransportError:
                if not catches:
                    raise
        if ending == "rubbish":
            yield "rubbish"  # type: ignore[misc]  # a flow may be wrong, too
        if ending == "raise":
            raise ValueError("raised by the flow")
        return held[-1] if ending == "return response" and held else None
    finally:
        if farewell == "raising":
            raise ValueError("raised while it was closed")
        if farewell == "yielding":
            yield from SleepUntil(0.0)


def perform(step: str, number: int, held: list[Response]) -> Flow[None]:
    if step == "send":
        response = yield from SendRequest(REQUEST)
        if response.body is not None:
            held.append(response)
    elif step == "sleep":
        yield from SleepUntil(0.0)
    elif step == "call":
        yield from CurrentCall()
    elif held:
        response = held.pop(number % len(held))
        if step == "close":
            yield from CloseBody(response.body)
        while step in ("read", "drain"):
            if not (yield from ReadBody(response.body)):
                return
            if step == "read":
                held.append(response)
                return


def answer(exchange: Exchange[Any], action: Any, transport: Transport, outcome: str) -> Any:
    """Let the transport do something that the rules allow, and tell the exchange."""
    if isinstance(action, CloseBody):
        transport.release(action.body)
    if outcome == "failure":
        if isinstance(action, ReadBody):
            transport.release(action.body)
        return exchange.fail(ReadError("it broke", sent=True), NOW)
    if isinstance(action, SendRequest):
        return exchange.receive(Response(200, body=None if outcome == "end" else transport.open()), NOW)
    if isinstance(action, ReadBody):
        if outcome != "more":
            transport.release(action.body)
        return exchange.receive(b"more" if outcome == "more" else b"", NOW)
    return exchange.receive(None, NOW)


@settings(max_examples=500)
@given(
    steps=st.lists(st.tuples(STEP, st.integers(0, 3), st.booleans()), max_size=8),
    ending=ENDING,
    farewell=FAREWELL,
    outcomes=st.lists(OUTCOME, max_size=15),
    cancelled=st.sampled_from([None, "when the outcomes are used up", State.CLOSING]),
)
def test_every_body_is_released_exactly_once(
    steps: list[tuple[str, int, bool]],
    ending: str,
    farewell: str,
    outcomes: list[str],
    cancelled: State | str | None,
) -> None:
    transport = Transport()
    exchange: Exchange[Any] = Exchange(program(steps, ending, farewell), rng=random.Random(0))
    coming = iter(outcomes)
    try:
        step = exchange.start(NOW)
        while not isinstance(step, Done):
            before = exchange.state
            outcome = next(coming, None if cancelled == "when the outcomes are used up" else "success")
            if outcome is None or cancelled is before:
                break
            step = answer(exchange, step, transport, outcome)
            assert exchange.state in TRANSITIONS[before].values()
    except (TransportError, ValueError, LocalProtocolError):
        assert exchange.state is State.ERROR
    else:
        assert (exchange.state is State.DONE) is isinstance(step, Done)
        if isinstance(step, Done) and isinstance(step.result, Response):
            # Whoever got the response reads it.
            transport.release(step.result.body)
    for action in exchange.cancel():
        transport.release(action.body)

    assert set(transport.releases.values()) <= {1}
    assert exchange.cancel() == []
    assert exchange.pending is None
