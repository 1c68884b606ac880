from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any, cast

import pytest

from trivet.core.exchange import trace
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import (
    MAX_EVENTS,
    MAX_OUTCOMES,
    Attempt,
    AttemptFailed,
    AuthRefreshed,
    CallFailed,
    CircuitClosed,
    CircuitOpened,
    ContentReceived,
    Event,
    RateLimitWaited,
    RedirectFollowed,
    RequestCollapsed,
    RequestSent,
    ResponseReceived,
    RetryRefused,
    RetryScheduled,
    StaleConnectionReplaced,
    Trace,
)

URL = "https://api.example.com/users"

LINES: list[tuple[Event, str]] = [
    (RequestSent(1.0, 1, "GET", URL), f"→ GET {URL}"),
    (ResponseReceived(1.0, 1, 200, "OK", 0.1234), "← 200 OK (0.123 s)"),
    (ContentReceived(1.0, 1, 200, "OK", 0.25, 512), "content read: 512 bytes (0.25 s since the request)"),
    (AttemptFailed(1.0, 1, "ReadError", "it broke"), "✗ ReadError: it broke"),
    (RetryScheduled(1.0, "GET", URL, 2, 3, 1.5, "503"), "retry 2 of 3 in 1.5 s: 503"),
    (RetryRefused(1.0, "no retries are left"), "not retried: no retries are left"),
    (StaleConnectionReplaced(1.0), "the kept connection was closed by the server: sent again at once"),
    (RedirectFollowed(1.0, 301, "GET", URL), f"301 redirect to GET {URL}"),
    (
        CircuitOpened(1.0, "https://api.example.com", 30.0),
        "circuit to https://api.example.com opened for 30 s",
    ),
    (CircuitClosed(1.0, "https://api.example.com"), "circuit to https://api.example.com closed"),
    (RateLimitWaited(1.0, 0.05), "held back for 0.05 s by the rate limit"),
    (
        RequestCollapsed(1.0, "GET", "https://api.example.com/users"),
        "collapsed: waits for the same GET https://api.example.com/users that is under way",
    ),
    (AuthRefreshed(1.0), "credentials renewed"),
    (CallFailed(1.0, "ReadError", "it broke"), "✗ failed with ReadError: it broke"),
]


def trace_of(events: Sequence[Event], started: float = 0.0) -> Trace:
    made = Trace(Instant(started, 1_700_000_000.0))
    for event in events:
        # Those of Trivet are tuples, which their protocol does not say.
        _, *values = cast("tuple[Any, ...]", event)
        made.note((type(event), event.at, tuple(values)))
    return made


@pytest.mark.parametrize(("event", "line"), LINES, ids=[type(event).__name__ for event, _ in LINES])
def test_each_event_reads_as_a_line(event: Event, line: str) -> None:
    assert str(event) == line


def test_every_kind_of_event_is_in_the_table() -> None:
    kinds = {name for name, each in vars(trace).items() if "at" in getattr(each, "_fields", ())}

    assert {type(event).__name__ for event, _ in LINES} == kinds


def test_a_trace_is_a_sequence_of_its_events() -> None:
    events = [event for event, _ in LINES]
    trace = trace_of(events)

    assert len(trace) == len(events)
    assert list(trace) == events
    assert [type(event) for event in trace] == [type(event) for event in events]
    assert trace[0] == events[0]
    assert trace[-1] == events[-1]
    assert trace[2:5] == events[2:5]
    assert trace[::-1] == events[::-1]
    assert events[3] in trace
    assert trace.index(events[3]) == 3
    assert list(reversed(trace)) == events[::-1]
    with pytest.raises(IndexError):
        trace[len(events)]


def test_an_empty_trace() -> None:
    trace = trace_of([])

    assert not trace
    assert list(trace) == []
    assert trace.attempts == ()
    assert str(trace) == ""
    assert repr(trace) == "<Trace of 0 events>"


def test_a_trace_prints_as_a_timeline_from_the_start_of_the_call() -> None:
    trace = trace_of([RequestSent(100.0, 1, "GET", URL), AttemptFailed(112.25, 1, "ReadError", "it broke")], 100.0)

    assert str(trace) == f"   0.000  → GET {URL}\n  12.250  ✗ ReadError: it broke"
    assert repr(trace) == "<Trace of 2 events>"


def test_of_a_very_long_flow_the_last_events_are_kept() -> None:
    trace = trace_of([RetryRefused(float(number), str(number)) for number in range(MAX_EVENTS + 5)])

    assert len(trace) == MAX_EVENTS
    assert trace[0] == RetryRefused(5.0, "5")
    assert trace[-1] == RetryRefused(MAX_EVENTS + 4.0, str(MAX_EVENTS + 4))


def test_events_may_be_added_while_a_trace_is_read() -> None:
    trace = trace_of([AuthRefreshed(1.0), AuthRefreshed(2.0)])

    seen = 0
    for event in trace:
        trace.note((AuthRefreshed, event.at + 10, ()))
        seen += 1

    assert (seen, len(trace)) == (2, 4)


SENT = RequestSent(10.0, 1, "GET", URL)


@pytest.mark.parametrize(
    ("events", "attempts", "outcomes"),
    [
        ([SENT], (Attempt(1, "GET", URL, 10.0),), ["unfinished"]),
        (
            [SENT, ResponseReceived(10.5, 1, 204, "No Content", 0.5)],
            (Attempt(1, "GET", URL, 10.0, 0.5, 204),),
            ["204"],
        ),
        (
            [SENT, ResponseReceived(10.5, 1, 200, "OK", 0.5), ContentReceived(12.0, 1, 200, "OK", 2.0, 9)],
            (Attempt(1, "GET", URL, 10.0, 2.0, 200),),
            ["200"],
        ),
        (
            [
                SENT,
                ResponseReceived(10.5, 1, 200, "OK", 0.5),
                AttemptFailed(11.0, 1, "ReadError", "it broke"),
            ],
            (Attempt(1, "GET", URL, 10.0, 1.0, None, "ReadError"),),
            ["ReadError"],
        ),
        (
            [
                SENT,
                AttemptFailed(11.0, 1, "ConnectError", "refused"),
                RetryScheduled(11.0, "GET", URL, 1, 3, 1.0, "ConnectError: refused"),
                RequestSent(12.0, 2, "GET", URL),
                ResponseReceived(12.25, 2, 200, "OK", 0.25),
            ],
            (
                Attempt(1, "GET", URL, 10.0, 1.0, None, "ConnectError"),
                Attempt(2, "GET", URL, 12.0, 0.25, 200),
            ),
            ["ConnectError", "200"],
        ),
        # The beginning of the second attempt is all that was kept of a flow that went on for too long.
        (
            [ResponseReceived(10.5, 1, 200, "OK", 0.5), RequestSent(12.0, 2, "PUT", URL)],
            (Attempt(2, "PUT", URL, 12.0),),
            ["unfinished"],
        ),
    ],
)
def test_attempts(events: list[Event], attempts: tuple[Attempt, ...], outcomes: list[str]) -> None:
    found = trace_of(events).attempts

    assert found == attempts
    assert [attempt.outcome for attempt in found] == outcomes


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda trace: pickle.loads(pickle.dumps(trace))])
def test_a_trace_can_be_copied_and_pickled(duplicate: object) -> None:
    trace = trace_of([event for event, _ in LINES], 5.0)

    copied = duplicate(trace)  # type: ignore[operator]  # one of three functions

    assert list(copied) == list(trace)
    assert [type(event) for event in copied] == [type(event) for event in trace]
    assert copied.started == trace.started
    assert str(copied) == str(trace)


def failed(count: int) -> list[Event]:
    return [
        event
        for number in range(1, count + 1)
        for event in (RequestSent(10.0, number, "GET", URL), AttemptFailed(12.5, number, f"Error{number}", "no"))
    ]


@pytest.mark.parametrize(
    ("events", "summary"),
    [
        ([], ""),
        (failed(1), ""),
        (failed(2), "2 attempts in 2.5 s: Error1, Error2"),
        ([*failed(1), RetryRefused(12.5, "retry_if said no")], "not retried: retry_if said no"),
        (
            [*failed(2), RetryRefused(13.0, "no retries are left")],
            "2 attempts in 3 s: Error1, Error2; not retried: no retries are left",
        ),
        # Of several calls in one flow, the last refusal is the one that counts.
        (
            [*failed(2), RetryRefused(12.5, "an earlier one"), RetryRefused(12.5, "the last one")],
            "2 attempts in 2.5 s: Error1, Error2; not retried: the last one",
        ),
        (
            failed(MAX_OUTCOMES),
            "10 attempts in 2.5 s: " + ", ".join(f"Error{number}" for number in range(1, 11)),
        ),
        (
            failed(MAX_OUTCOMES + 2),
            "12 attempts in 2.5 s: …, " + ", ".join(f"Error{number}" for number in range(3, 13)),
        ),
    ],
)
def test_a_summary_in_a_line(events: list[Event], summary: str) -> None:
    assert trace_of(events, 10.0).summary() == summary
