from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any

import pytest

from trivet.core.errors import (
    AttemptTimeout,
    InvalidRequest,
    LocalProtocolError,
    ReadError,
    TransportError,
    TrivetError,
)
from trivet.core.exchange.actions import (
    CloseBody,
    Invoke,
    Park,
    ReadBody,
    SendRequest,
    SleepUntil,
)
from trivet.core.exchange.call import Call, CurrentCall
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.slot import Slot
from trivet.core.exchange.states import CALLS, TRANSITIONS, State
from trivet.core.exchange.trace import AttemptFailed, CallFailed, Event, RequestSent, ResponseReceived
from trivet.core.http.request import Request
from trivet.core.http.response import Response

NOW = Instant(100.0, 1_700_000_000.0)
REQUEST = Request("GET", "https://api.example.com/users?token=s3cr3t")
SHOWN = REQUEST.url.redacted


def at(seconds: float) -> Instant:
    """So many seconds after the start."""
    return Instant(NOW.monotonic + seconds, NOW.wall + seconds)


def begin(flow: Flow[Any], observer: Any = None) -> Exchange[Any]:
    exchange = Exchange(flow, rng=random.Random(0), observer=observer)
    exchange.start(NOW)
    return exchange


def opened(body: object) -> Response:
    return Response(200, body=body)


def send() -> Flow[Response]:
    return (yield from SendRequest(REQUEST))


def leave_open() -> Flow[str]:
    """Open a body, and end without releasing it."""
    yield from SendRequest(REQUEST)
    return "result"


def fail(error: Exception) -> Flow[None]:
    yield from SleepUntil(0.0)
    raise error


def exchange_in(state: State) -> Exchange[Any]:
    exchange: Exchange[Any] = Exchange(leave_open(), rng=random.Random(0))
    if state is State.IDLE:
        return exchange
    exchange.start(NOW)
    if state is State.RUNNING:
        return exchange
    if state is State.CANCELLED:
        exchange.cancel()
        return exchange
    if state is State.CLOSING:
        exchange.receive(opened("body"), NOW)
        return exchange
    if state is State.DONE:
        exchange.receive(Response(200), NOW)
        return exchange
    with pytest.raises(ReadError):
        exchange.fail(ReadError("it broke", sent=True), NOW)
    return exchange


STEPS: dict[str, Callable[[Exchange[Any]], Any]] = {
    "start": lambda exchange: exchange.start(NOW),
    "receive": lambda exchange: exchange.receive(Response(200), NOW),
    "fail": lambda exchange: exchange.fail(InvalidRequest("not that one"), NOW),
    "cancel": lambda exchange: exchange.cancel(),
}


def seen(exchange: Exchange[Any]) -> tuple[State, object, list[Event] | None]:
    return exchange.state, exchange.pending, None if exchange.trace is None else list(exchange.trace)


# Every call in every state


@pytest.mark.parametrize("state", State)
def test_the_states_are_what_this_test_takes_them_for(state: State) -> None:
    assert exchange_in(state).state is state


@pytest.mark.parametrize(
    ("state", "caller"),
    [(state, caller) for state, caller in product(State, STEPS) if state not in CALLS[caller]],
)
def test_an_illegal_call_raises_and_changes_nothing(state: State, caller: str) -> None:
    exchange = exchange_in(state)
    before = seen(exchange)

    with pytest.raises(LocalProtocolError) as caught:
        STEPS[caller](exchange)

    assert seen(exchange) == before
    message = str(caught.value)
    assert message.startswith(f"{caller}() is legal in ")
    assert message.endswith(f"; this exchange is {state.name}")
    assert all(legal.name in message for legal in CALLS[caller])


@pytest.mark.parametrize(
    ("state", "caller", "after"),
    [
        (State.IDLE, "start", State.RUNNING),
        (State.IDLE, "cancel", State.CANCELLED),
        (State.RUNNING, "receive", State.DONE),
        (State.RUNNING, "fail", State.ERROR),
        (State.RUNNING, "cancel", State.CANCELLED),
        (State.CLOSING, "receive", State.DONE),
        (State.CLOSING, "fail", State.DONE),
        (State.CLOSING, "cancel", State.CANCELLED),
        (State.DONE, "cancel", State.DONE),
        (State.ERROR, "cancel", State.ERROR),
        (State.CANCELLED, "cancel", State.CANCELLED),
    ],
)
def test_legal_calls(state: State, caller: str, after: State) -> None:
    exchange = exchange_in(state)

    if after is State.ERROR and state is not State.ERROR:
        with pytest.raises(InvalidRequest, match="not that one"):
            STEPS[caller](exchange)
    else:
        STEPS[caller](exchange)

    assert exchange.state is after
    assert after in TRANSITIONS[state].values()
    assert (exchange.pending is None) is (after is not State.RUNNING)


def test_the_two_tables_above_are_complete() -> None:
    legal = {(state, caller) for caller, states in CALLS.items() for state in states}

    assert set(STEPS) == set(CALLS)
    assert len(legal) == 11


# Replies and errors


@pytest.mark.parametrize("reply", [None, b"", "200 OK", 200, object()])
def test_the_reply_to_a_request_is_a_response(reply: object) -> None:
    exchange = begin(send())
    before = seen(exchange)

    with pytest.raises(LocalProtocolError) as caught:
        exchange.receive(reply, at(1))

    assert str(caught.value) == f"the reply to SendRequest is a Response, not {type(reply).__name__}"
    assert seen(exchange) == before
    assert isinstance(exchange.receive(Response(204), at(1)), Done)


@pytest.mark.parametrize("reply", [None, "text", 0, bytearray(b"x"), Response(200)])
def test_the_reply_to_a_read_is_bytes(reply: object) -> None:
    def flow() -> Flow[bytes]:
        response = yield from SendRequest(REQUEST)
        return (yield from ReadBody(response.body))

    exchange = begin(flow())
    exchange.receive(opened("body"), NOW)
    before = seen(exchange)

    with pytest.raises(LocalProtocolError) as caught:
        exchange.receive(reply, at(1))

    assert str(caught.value) == f"the reply to ReadBody is bytes, not {type(reply).__name__}"
    assert seen(exchange) == before
    # Nothing was taken for the end of the content: the body is still the exchange's to close.
    assert exchange.cancel() == [CloseBody("body")]


@pytest.mark.parametrize(
    ("action", "reply"),
    [
        (SleepUntil(1.0), None),
        (Park(Slot()), True),
        (Park(Slot(), 1.0), False),
        (Invoke(lambda: "token"), "token"),
        (CloseBody("body of nobody"), None),
        (ReadBody("body of nobody"), b""),
    ],
)
def test_other_replies_are_handed_on_as_they_are(action: Any, reply: object) -> None:
    def flow() -> Flow[object]:
        return (yield from action)

    exchange = begin(flow())
    assert exchange.pending is action
    done = exchange.receive(reply, at(1))

    assert isinstance(done, Done)
    assert done.result is reply


@pytest.mark.parametrize(
    "action", [SleepUntil(1.0), Park(Slot()), Invoke(print), SendRequest(REQUEST), CloseBody(1), ReadBody(1)]
)
def test_errors_arrive_at_the_yield(action: Any) -> None:
    error = ReadError("it broke", sent=True)

    def flow() -> Flow[object]:
        try:
            return (yield from action)
        except ReadError as caught:
            return caught

    exchange = begin(flow())
    done = exchange.fail(error, at(1))

    assert isinstance(done, Done)
    assert done.result is error


def test_a_response_is_filled_in_when_it_arrives() -> None:
    response = Response(200, body="body")
    exchange = begin(send())

    exchange.receive(response, at(0.25))

    assert response.request is REQUEST
    assert response.trace is exchange.trace
    assert response.elapsed == 0.25


def test_elapsed_counts_from_the_attempt_not_from_the_call() -> None:
    def flow() -> Flow[Response]:
        yield from SendRequest(REQUEST)
        yield from SleepUntil(0.0)
        return (yield from SendRequest(REQUEST))

    exchange = begin(flow())
    exchange.receive(Response(503), at(1))
    exchange.receive(None, at(5))
    done = exchange.receive(Response(200), at(5.5))

    assert isinstance(done, Done)
    assert done.result.elapsed == 0.5


# Flows that end, at once or in error


def at_once(outcome: object) -> Flow[object]:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
    yield


def test_a_flow_may_return_at_once() -> None:
    exchange = Exchange(at_once("result"), rng=random.Random(0))

    done = exchange.start(NOW)

    assert isinstance(done, Done)
    assert done.result == "result"
    assert repr(done) == "Done('result')"
    assert exchange.state is State.DONE
    assert exchange.pending is None


@pytest.mark.parametrize("error", [ValueError("no"), InvalidRequest("no"), ReadError("no", sent=False)])
def test_a_flow_may_raise_at_once(error: Exception) -> None:
    exchange = Exchange(at_once(error), rng=random.Random(0))

    with pytest.raises(type(error)) as caught:
        exchange.start(NOW)

    assert caught.value is error
    assert exchange.state is State.ERROR
    assert exchange.pending is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_what_is_no_exception_passes_through_and_the_driver_cancels(error: BaseException) -> None:
    def flow() -> Flow[None]:
        yield from SendRequest(REQUEST)
        raise error

    exchange = begin(flow())
    with pytest.raises(type(error)):
        exchange.receive(opened("body"), NOW)

    assert exchange.cancel() == [CloseBody("body")]
    assert exchange.state is State.CANCELLED


def test_a_stop_iteration_inside_a_flow_is_no_result() -> None:
    with pytest.raises(RuntimeError):
        Exchange(at_once(StopIteration("result")), rng=random.Random(0)).start(NOW)


@pytest.mark.parametrize("rubbish", [None, 3, "text", Response(200), SendRequest, [SleepUntil(1.0)]])
def test_a_flow_that_yields_something_else_than_an_action(rubbish: Any) -> None:
    closed: list[str] = []

    def flow() -> Flow[None]:
        yield from SendRequest(REQUEST)
        try:
            yield rubbish
        finally:
            closed.append("closed")

    exchange = begin(flow())
    assert exchange.receive(opened("body"), at(1)) == CloseBody("body")
    assert closed == ["closed"]
    with pytest.raises(LocalProtocolError) as caught:
        exchange.receive(None, at(1))

    kind = type(rubbish).__name__
    assert str(caught.value) == f"a flow yields actions, not {kind}: was 'yield from' meant?"
    assert exchange.state is State.ERROR
    assert exchange.pending is None


# CurrentCall


def test_the_exchange_answers_for_the_call_itself() -> None:
    calls: list[Call] = []

    def flow() -> Flow[str]:
        calls.append((yield from CurrentCall()))
        calls.append((yield from CurrentCall()))
        yield from SleepUntil(101.0)
        calls.append((yield from CurrentCall()))
        return "result"

    rng = random.Random(0)
    exchange = Exchange(flow(), rng=rng)

    # The driver sees neither the first two nor the last.
    assert exchange.start(NOW) == SleepUntil(101.0)
    assert isinstance(exchange.receive(None, at(1)), Done)
    assert len({id(call) for call in calls}) == 1
    assert calls[0].rng is rng
    assert calls[0].now == at(1)
    assert calls[0].trace is exchange.trace


def test_now_is_kept_current_also_for_errors() -> None:
    times: list[float] = []

    def flow() -> Flow[None]:
        call = yield from CurrentCall()
        for _ in range(3):
            times.append(call.now.monotonic)
            try:
                yield from SleepUntil(0.0)
            except ReadError:
                pass

    exchange = begin(flow())
    exchange.receive(None, at(1))
    exchange.fail(ReadError("it broke", sent=True), at(3))

    assert times == [100.0, 101.0, 103.0]


def test_attempts_are_counted() -> None:
    counts: list[int] = []

    def flow() -> Flow[None]:
        call = yield from CurrentCall()
        counts.append(call.attempts)
        for _ in range(2):
            yield from SendRequest(REQUEST)
            counts.append(call.attempts)
            yield from SleepUntil(0.0)

    exchange = begin(flow())
    for reply in (Response(200), None, Response(200), None):
        exchange.receive(reply, NOW)

    assert counts == [0, 1, 2]


# The trace, and those who are told


def test_a_call_leaves_a_trace() -> None:
    def flow() -> Flow[str]:
        for _ in range(2):
            try:
                yield from SendRequest(REQUEST)
            except TransportError:
                pass
        return "result"

    exchange = begin(flow())
    exchange.fail(ReadError("it broke", sent=True), at(1))
    exchange.receive(Response(404), at(3))

    events: list[object] = list(exchange.trace or ())
    assert [type(event) for event in events] == [RequestSent, AttemptFailed, RequestSent, ResponseReceived]
    assert events == [
        RequestSent(100.0, 1, "GET", SHOWN),
        AttemptFailed(101.0, 1, "ReadError", "it broke"),
        RequestSent(101.0, 2, "GET", SHOWN),
        ResponseReceived(103.0, 2, 404, "Not Found", 2.0),
    ]
    assert "s3cr3t" not in str(exchange.trace)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ReadError("it broke", sent=True), AttemptFailed(101.0, 1, "ReadError", "it broke")),
        (AttemptTimeout("too slow", sent=True), AttemptFailed(101.0, 1, "AttemptTimeout", "too slow")),
        (InvalidRequest("not that"), AttemptFailed(101.0, 1, "InvalidRequest", "not that")),
    ],
)
def test_a_failed_attempt_is_recorded_and_its_error_knows_the_request(error: TrivetError, event: Event) -> None:
    exchange = begin(send())

    with pytest.raises(type(error)) as caught:
        exchange.fail(error, at(1))

    assert list(exchange.trace or ())[1:] == [event, CallFailed(101.0, type(error).__name__, error.message)]
    assert str(caught.value) == f"GET {SHOWN}: {error.message}"
    assert "s3cr3t" not in str(caught.value)


def test_an_error_knows_the_request_whose_content_broke_off() -> None:
    def flow() -> Flow[bytes]:
        response = yield from SendRequest(REQUEST)
        return (yield from ReadBody(response.body))

    exchange = begin(flow())
    exchange.receive(opened("body"), NOW)
    with pytest.raises(ReadError, match="^GET ") as caught:
        exchange.fail(ReadError("it broke", sent=True), at(1))

    assert AttemptFailed(101.0, 1, "ReadError", "it broke") in list(exchange.trace or ())
    assert caught.value.url == SHOWN


def test_what_becomes_of_content_that_nobody_wants_is_no_failure() -> None:
    def flow() -> Flow[str]:
        response = yield from SendRequest(REQUEST)
        body = response.body
        response.complete(b"")
        try:
            yield from ReadBody(body)
        except ReadError:
            pass
        return "result"

    exchange = begin(flow())
    exchange.receive(opened("body"), NOW)
    exchange.fail(ReadError("it broke", sent=True), at(1))

    assert exchange.trace is not None
    assert [attempt.outcome for attempt in exchange.trace.attempts] == ["200"]


def test_the_errors_of_others_are_no_attempts_of_ours() -> None:
    # Such as what the user's own content raised while it was sent: its text may hold anything.
    exchange = begin(send())
    with pytest.raises(ValueError, match="the password is 1234"):
        exchange.fail(ValueError("the password is 1234"), at(1))

    assert list(exchange.trace or ())[1:] == [CallFailed(101.0, "ValueError", "raised by the flow")]


@pytest.mark.parametrize("action", [SleepUntil(1.0), Invoke(print), ReadBody("of nobody"), CloseBody("of nobody")])
def test_what_is_no_attempt_does_not_fail_as_one(action: Any) -> None:
    def flow() -> Flow[None]:
        yield from action

    exchange = begin(flow())
    with pytest.raises(ReadError) as caught:
        exchange.fail(ReadError("it broke", sent=True), at(1))

    assert list(exchange.trace or ()) == [CallFailed(101.0, "ReadError", "it broke")]
    assert str(caught.value) == "it broke"


def test_an_error_carries_the_trace_of_the_call() -> None:
    exchange = begin(fail(InvalidRequest("no")))
    with pytest.raises(InvalidRequest) as caught:
        exchange.receive(None, at(1))

    assert caught.value.trace is exchange.trace
    assert pickle.loads(pickle.dumps(caught.value)).trace is not None


def test_an_error_that_has_a_trace_keeps_it() -> None:
    inner = begin(fail(InvalidRequest("no")))
    with pytest.raises(InvalidRequest) as caught:
        inner.receive(None, at(1))
    outer = begin(fail(caught.value))
    with pytest.raises(InvalidRequest):
        outer.receive(None, at(1))

    assert caught.value.trace is inner.trace


def test_an_error_says_in_a_note_what_was_tried() -> None:
    def flow() -> Flow[None]:
        try:
            yield from SendRequest(REQUEST)
        except ReadError:
            yield from SendRequest(REQUEST)

    exchange = begin(flow())
    exchange.fail(ReadError("it broke", sent=True), at(1))
    with pytest.raises(AttemptTimeout) as caught:
        exchange.fail(AttemptTimeout("no answer", sent=True), at(2.5))

    assert caught.value.__notes__ == ["2 attempts in 2.5 s: ReadError, AttemptTimeout"]


def test_of_a_single_attempt_there_is_nothing_to_note() -> None:
    exchange = begin(send())
    with pytest.raises(ReadError) as caught:
        exchange.fail(ReadError("it broke", sent=True), at(1))

    assert not hasattr(caught.value, "__notes__")


def test_before_the_start_there_is_no_trace() -> None:
    assert Exchange(send(), rng=random.Random(0)).trace is None


def test_the_observer_is_told_of_each_event_and_what_it_is_about() -> None:
    told: list[tuple[str, object]] = []
    error = ReadError("it broke", sent=True)
    response = opened("body")

    def flow() -> Flow[None]:
        found = yield from SendRequest(REQUEST)
        yield from ReadBody(found.body)

    exchange = begin(flow(), lambda event, subject: told.append((type(event).__name__, subject)))
    exchange.receive(response, at(1))
    with pytest.raises(ReadError):
        exchange.fail(error, at(2))

    assert told == [
        ("RequestSent", REQUEST),
        ("ResponseReceived", response),
        ("AttemptFailed", error),
        ("CallFailed", error),
    ]


def test_the_exchange_leaves_deadlines_to_the_driver() -> None:
    exchange = begin(send())

    assert exchange.pending == SendRequest(REQUEST, inf, None)
    assert isinstance(exchange.receive(Response(200), at(1e9)), Done)
