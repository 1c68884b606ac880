from __future__ import annotations

import random
from math import inf

import pytest

from trivet.core.exchange.call import Call
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import AuthRefreshed, Event, RateLimitWaited, RetryRefused, Trace
from trivet.core.http.request import Request

NOW = Instant(10.0, 1_700_000_000.0)
REQUEST = Request("GET", "https://api.example.com/")


def test_a_new_call_has_no_limits_and_has_sent_nothing() -> None:
    rng = random.Random(1)
    trace = Trace(NOW)
    call = Call(NOW, rng, trace)

    assert (call.now, call.rng, call.trace) == (NOW, rng, trace)
    assert (call.deadline, call.attempt_timeout, call.connect_timeout) == (inf, None, None)
    assert call.attempts == 0


@pytest.mark.parametrize(("deadline", "left"), [(inf, inf), (12.5, 2.5), (10.0, 0.0), (7.0, -3.0)])
def test_time_left(deadline: float, left: float) -> None:
    call = Call(NOW, random.Random(), Trace(NOW))
    call.deadline = deadline

    assert call.time_left() == left


def test_events_are_recorded_at_the_present_time() -> None:
    call = Call(NOW, random.Random(), Trace(NOW))

    call.record(RetryRefused, None, "why not")
    call.now = Instant(11.5, 1_700_000_001.5)
    call.record(AuthRefreshed, None)

    events: list[object] = list(call.trace)
    assert events == [RetryRefused(10.0, "why not"), AuthRefreshed(11.5)]
    assert [type(event) for event in events] == [RetryRefused, AuthRefreshed]


def test_the_observer_is_told_each_event_with_its_subject() -> None:
    told: list[tuple[object, object]] = []
    call = Call(NOW, random.Random(), Trace(NOW), lambda event, subject: told.append((event, subject)))
    error = ValueError("no")

    call.record(RateLimitWaited, REQUEST, 0.5)
    call.record(RetryRefused, error, "why not")
    call.record(AuthRefreshed, None)

    assert told == [
        (RateLimitWaited(10.0, 0.5), REQUEST),
        (RetryRefused(10.0, "why not"), error),
        (AuthRefreshed(10.0), None),
    ]
    assert list(call.trace) == [event for event, _ in told]


def test_an_event_that_nobody_looks_at_is_never_made() -> None:
    made: list[float] = []

    def event(at: float) -> Event:
        made.append(at)
        return AuthRefreshed(at)

    call = Call(NOW, random.Random(), Trace(NOW))
    call.record(event, None)
    assert made == []

    assert call.trace[0] == AuthRefreshed(10.0)
    assert made == [10.0]
