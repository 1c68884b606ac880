from __future__ import annotations

import random
import sys
from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import (
    AttemptTimeout,
    ConfigError,
    ConnectTimeout,
    DeadlineExceeded,
    ReadError,
    TrivetError,
)
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.call import Call, CurrentCall
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.deadline import Deadline, Timeout, overdue
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.retry import Retry
from trivet.testing import Playbook, VirtualClock

REQUEST = Request("GET", "https://api.example.com/users")


# Timeout


@pytest.mark.parametrize(
    ("value", "timeout"),
    [
        (None, Timeout(None, None, None)),
        (2.5, Timeout(total=2.5)),
        (10, Timeout(total=10, attempt=30.0, connect=5.0)),
        (Timeout(attempt=1.0), Timeout(60.0, 1.0, 5.0)),
    ],
)
def test_timeout_of(value: Timeout | float | None, timeout: Timeout) -> None:
    assert Timeout.of(value) == timeout


def test_a_timeout_is_taken_as_it_is() -> None:
    timeout = Timeout(1.0)

    assert Timeout.of(timeout) is timeout


@pytest.mark.parametrize("name", ["total", "attempt", "connect"])
@pytest.mark.parametrize("value", [None, 1, 0.001, 5e-324, sys.float_info.max, 86_400])
def test_what_a_timeout_may_be(name: str, value: float | None) -> None:
    assert getattr(Timeout(**{name: value}), name) == value


@pytest.mark.parametrize("name", ["total", "attempt", "connect"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "Timeout({name}=0) must be a positive, finite number of seconds, or None"),
        (-1.5, "Timeout({name}=-1.5) must be a positive, finite number of seconds, or None"),
        (inf, "Timeout({name}=inf) must be a positive, finite number of seconds, or None"),
        (nan, "Timeout({name}=nan) must be a positive, finite number of seconds, or None"),
        (10**400, "must be a positive, finite number of seconds, or None"),
        ("5", "Timeout({name}=…) takes seconds or None, not str"),
        (True, "Timeout({name}=…) takes seconds or None, not bool"),
        ((1, 2), "Timeout({name}=…) takes seconds or None, not tuple"),
        (Fraction(1, 2), "Timeout({name}=…) takes seconds or None, not Fraction"),
        (Timeout(), "Timeout({name}=…) takes seconds or None, not Timeout"),
    ],
)
def test_what_a_timeout_may_not_be(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Timeout(**{name: value})
    assert message.format(name=name) in str(caught.value)


@pytest.mark.parametrize("value", [True, False, "60", 0, -1, nan])
def test_timeout_of_checks_like_timeout(value: Any) -> None:
    with pytest.raises(ConfigError, match="Timeout"):
        Timeout.of(value)


def test_a_timeout_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Timeout().total = 1.0  # type: ignore[misc]  # the point of the test


# Deadline


class Watching(Policy):
    """Notes the times on the call, as the policies inside see them."""

    stage = Stage.CALL

    def __init__(self) -> None:
        self.seen: list[tuple[float, float | None, float | None]] = []

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        self.seen.append(times(call))
        return forward(request, call)


def times(call: Call) -> tuple[float, float | None, float | None]:
    return call.deadline, call.attempt_timeout, call.connect_timeout


@pytest.mark.parametrize(
    ("timeout", "seen"),
    [
        (Timeout(), (160.0, 30.0, 5.0)),
        (None, (160.0, 30.0, 5.0)),
        (Timeout(10.0, 2.0, 1.0), (110.0, 2.0, 1.0)),
        (Timeout(None, None, None), (inf, None, None)),
        (Timeout(10.0, None, None), (110.0, None, None)),
        (Timeout(None, 3.0, None), (inf, 3.0, None)),
    ],
)
def test_the_times_are_fixed_when_the_call_begins(
    timeout: Timeout | None, seen: tuple[float, float | None, float | None]
) -> None:
    watching = Watching()
    book = Playbook(Pipeline([Deadline(timeout), watching]).handle(REQUEST), clock=VirtualClock(100.0))

    assert watching.seen == [seen]
    deadline, attempt, connect = seen
    given_up_at = min(deadline, 100.0 + (inf if attempt is None else attempt))
    assert book.expect(SendRequest) == SendRequest(REQUEST, given_up_at, connect)


@pytest.mark.parametrize(
    "end",
    [
        lambda book: book.reply(Response(200)),
        lambda book: book.fail(ReadError("it broke", sent=True)),
        lambda book: book.fail(AttemptTimeout("no answer", sent=True)),
        lambda book: book.fail(AttemptTimeout("no answer", sent=True), after=100.0),
        lambda book: book.fail(ValueError("a bug")),
    ],
)
def test_afterwards_the_call_is_as_it_was(end: Any) -> None:
    calls: list[Call] = []

    def flow() -> Flow[None]:
        call = yield from CurrentCall()
        calls.append(call)
        call.deadline, call.attempt_timeout, call.connect_timeout = 1000.0, 7.0, 3.0
        try:
            yield from Pipeline([Deadline(Timeout(10.0, 2.0, 1.0))]).handle(REQUEST)
        except (TrivetError, ValueError):
            pass
        yield from SleepUntil(0.0)

    book = Playbook(flow())
    assert times(calls[0]) == (10.0, 2.0, 1.0)
    end(book)

    book.expect(SleepUntil)
    assert times(calls[0]) == (1000.0, 7.0, 3.0)


def test_afterwards_the_call_is_as_it_was_also_when_it_was_cancelled() -> None:
    calls: list[Call] = []

    def flow() -> Flow[None]:
        calls.append((yield from CurrentCall()))
        yield from Pipeline([Deadline(Timeout(10.0, 2.0, 1.0))]).handle(REQUEST)

    book = Playbook(flow())
    book.exchange.cancel()

    assert times(calls[0]) == (inf, None, None)


@pytest.mark.parametrize(
    ("outer", "inner", "given_up_at"),
    [(10.0, 60.0, 10.0), (60.0, 10.0, 14.0), (10.0, None, 10.0), (None, 10.0, 14.0), (None, None, inf)],
)
def test_a_call_within_a_call_gets_no_more_time_than_the_outer_one_has(
    outer: float | None, inner: float | None, given_up_at: float
) -> None:
    inside = Pipeline([Deadline(Timeout(inner, None, None))])

    class Login(Policy):
        """Makes a call of its own before the one it stands in, as an `Auth` does for a token."""

        stage = Stage.AUTH

        def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
            yield from SleepUntil(4.0)
            yield from inside.handle(Request("POST", "https://login.example.com/token"))
            return (yield from forward(request, call))

    book = Playbook(Pipeline([Deadline(Timeout(outer, None, None)), Login()]).handle(REQUEST))
    book.reply(after=4.0)
    assert book.expect(SendRequest).deadline == given_up_at
    book.reply(Response(200))
    # Then the outer time counts again.
    assert book.expect(SendRequest).deadline == (inf if outer is None else outer)


@pytest.mark.parametrize(
    ("after", "kind", "message"),
    [
        (2.0, AttemptTimeout, "no answer"),
        (9.99, AttemptTimeout, "no answer"),
        (10.0, DeadlineExceeded, "the total time of the call is spent, after 10 s and 1 attempt: no answer"),
        (12.3456, DeadlineExceeded, "the total time of the call is spent, after 12.3 s and 1 attempt: no answer"),
    ],
)
@pytest.mark.parametrize("sent", [False, True])
def test_an_attempt_that_ran_out_of_time_or_the_whole_call(
    after: float, kind: type[AttemptTimeout | DeadlineExceeded], message: str, sent: bool
) -> None:
    pipeline = Pipeline([Deadline(Timeout(total=10.0, attempt=2.0))])
    book = Playbook(pipeline.handle(REQUEST), clock=VirtualClock(100.0))

    book.fail(AttemptTimeout("no answer", sent=sent), after=after)

    with pytest.raises(kind) as caught:
        assert book.result
    assert type(caught.value) is kind
    assert str(caught.value) == f"GET https://api.example.com/users: {message}"
    assert caught.value.sent is sent
    assert caught.value.trace is book.exchange.trace
    assert isinstance(caught.value, TimeoutError)
    if kind is DeadlineExceeded:
        assert isinstance(caught.value.__cause__, AttemptTimeout)


def test_a_connect_timeout_at_the_deadline_says_that_nothing_was_sent() -> None:
    book = Playbook(Pipeline([Deadline(Timeout(total=5.0))]).handle(REQUEST))

    book.fail(ConnectTimeout("no connection", sent=False), after=5.0)

    assert isinstance(book.error, DeadlineExceeded)
    assert book.error.sent is False


def test_an_inner_deadline_is_not_reported_twice() -> None:
    inner = Pipeline([Deadline(Timeout(total=50.0))])

    class Inside(Policy):
        def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
            return inner.handle(request)

    book = Playbook(Pipeline([Deadline(Timeout(total=10.0)), Inside()]).handle(REQUEST))
    book.fail(AttemptTimeout("no answer", sent=True), after=10.0)

    assert str(book.error).count("the total time of the call is spent") == 1


def test_other_errors_pass_although_the_time_is_spent() -> None:
    book = Playbook(Pipeline([Deadline(Timeout(total=10.0))]).handle(REQUEST))

    book.fail(ReadError("it broke", sent=True), after=11.0)

    assert isinstance(book.error, ReadError)


def test_an_open_response_takes_its_times_along() -> None:
    book = Playbook(Pipeline([Deadline(Timeout(total=10.0, attempt=2.0))]).open(REQUEST), clock=VirtualClock(100.0))
    book.reply(Response(200, body="body"), after=1.0)

    assert book.result.read_deadline == 110.0
    assert book.result.read_timeout == 2.0


def test_a_response_that_was_read_needs_no_times() -> None:
    book = Playbook(Pipeline([Deadline()]).handle(REQUEST))
    book.reply(Response(200, body="body")).reply(b"")

    assert book.result.read_deadline is None
    assert book.result.read_timeout is None


def test_overdue_keeps_what_is_known() -> None:
    error = AttemptTimeout("no answer", sent=True, method="GET", url="https://api.example.com/")

    late = overdue(error, "while waiting")

    assert (late.sent, late.method, late.url) == (True, "GET", "https://api.example.com/")
    assert late.message == "the total time of the call is spent, while waiting: no answer"


@given(
    total=st.floats(0.5, 100.0),
    attempt=st.none() | st.floats(0.1, 50.0),
    outcomes=st.lists(
        st.tuples(st.sampled_from([200, 503, 503, "breaks", "hangs"]), st.floats(0.0, 30.0)), max_size=12
    ),
    retry_after=st.none() | st.integers(0, 20),
    opens=st.booleans(),
    seed=st.integers(0, 100),
)
def test_nothing_is_begun_after_the_deadline_and_nothing_waits_beyond_it(
    total: float,
    attempt: float | None,
    outcomes: list[tuple[int | str, float]],
    retry_after: int | None,
    opens: bool,
    seed: int,
) -> None:
    policies = [Deadline(Timeout(total, attempt, None)), Retry(max_retries=10, backoff=Backoff(cap=20.0))]
    flow = Pipeline(policies).open(REQUEST) if opens else Pipeline(policies).handle(REQUEST)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    clock = VirtualClock()
    book = Playbook(flow, rng=random.Random(seed), clock=clock)
    coming = iter(outcomes)
    while (action := book.action) is not None:
        if isinstance(action, SleepUntil):
            assert action.when < total
            clock.sleep(max(0.0, action.when - clock.monotonic()))
            book.reply()
        elif isinstance(action, CloseBody):
            book.reply()
        else:
            assert isinstance(action, SendRequest | ReadBody)
            assert action.deadline <= total
            outcome, seconds = next(coming, (200, 0.0))
            if outcome == "hangs" or not clock.spend(seconds, action.deadline):
                clock.spend(1e9, action.deadline)
                book.fail(AttemptTimeout("no answer", sent=True))
            elif outcome == "breaks":
                book.fail(ReadError("it broke", sent=True))
            elif isinstance(action, ReadBody):
                book.reply(b"more" if outcome == 503 else b"")
            else:
                assert isinstance(outcome, int)
                book.reply(Response(outcome, headers, body=object()))

    assert clock.monotonic() <= total * (1 + 1e-9)
    assert sum(clock.sleeps) < total
    assert book.exchange.cancel() == []
