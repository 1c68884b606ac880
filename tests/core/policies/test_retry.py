from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import (
    AttemptTimeout,
    CircuitOpen,
    ConfigError,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    DecodingError,
    InvalidRequest,
    ReadError,
    RemoteProtocolError,
    TrivetError,
    WriteError,
)
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.trace import RetryRefused, RetryScheduled, StaleConnectionReplaced
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.budget import RetryBudget
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Policy
from trivet.core.policies.retry import Retry, may_resend
from trivet.testing import Playbook, VirtualClock

URL = "https://api.example.com/users?token=s3cr3t"
SHOWN = "https://api.example.com/users?token=[redacted]"
GET = Request("GET", URL)
WALL = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
EVEN = Backoff(base=1.0, factor=2.0, cap=8.0, jitter="none")
BROKE = ReadError("it broke", sent=True)
REFUSED = ConnectError("refused", sent=False)


def play(
    retry: Retry, *replies: Response | Exception, request: Request = GET, opens: bool = False, **options: Any
) -> Playbook[Response]:
    """Run a call against this script; what it waits costs no time."""
    pipeline = Pipeline([Deadline(Timeout(options.pop("total", None), None, None)), retry])
    clock = VirtualClock(wall=WALL)
    book = Playbook(pipeline.open(request) if opens else pipeline.handle(request), clock=clock, **options)
    coming = iter(replies)
    while (action := book.action) is not None:
        if isinstance(action, SendRequest):
            reply = next(coming)
            book.fail(reply) if isinstance(reply, Exception) else book.reply(reply)
        elif isinstance(action, SleepUntil):
            clock.sleep(action.when - clock.monotonic())
            book.reply()
        else:
            book.reply(b"" if isinstance(action, ReadBody) else None)
    assert next(coming, None) is None, "there were replies left"
    return book


def attempts(book: Playbook[Any]) -> int:
    return sum(isinstance(action, SendRequest) for action in book.actions)


def events(book: Playbook[Any], *kinds: type) -> list[Any]:
    return [event for event in book.exchange.trace or () if isinstance(event, kinds)]


def one_shot() -> Stream:
    return Stream(lambda: iter([b"content"]))


def again_and_again() -> Stream:
    return Stream(lambda: iter([b"content"]), replayable=True)


# What may be sent again

FAILURES: list[tuple[Callable[[], Response | TrivetError], bool]] = [
    (lambda: ConnectError("refused", sent=False), False),
    (lambda: ConnectTimeout("no connection", sent=False), False),
    (lambda: WriteError("it broke", sent=False), False),
    (lambda: WriteError("it broke", sent=True), True),
    (lambda: ReadError("it broke", sent=True), True),
    (lambda: RemoteProtocolError("no HTTP", sent=True), True),
    (lambda: AttemptTimeout("no answer", sent=True), True),
    (lambda: AttemptTimeout("no place in the pool", sent=False), False),
    (lambda: Response(503), True),
    (lambda: Response(429), True),
]
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}
CONTENTS: dict[str, tuple[Callable[[], bytes | Stream], bool]] = {
    "nothing": (bytes, True),
    "bytes": (lambda: b"content", True),
    "replayable": (again_and_again, True),
    "one-shot": (one_shot, False),
}


@pytest.mark.parametrize("key", [False, True], ids=["", "key"])
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(
    ("method", "number"), list(product([*sorted(IDEMPOTENT), "POST", "PATCH", "PURGE"], range(len(FAILURES))))
)
def test_what_is_sent_again(method: str, number: int, content: str, key: bool) -> None:
    make_failure, seen_by_the_server = FAILURES[number]
    make_content, replayable = CONTENTS[content]
    request = Request(method, URL, {"Idempotency-Key": "k"} if key else {}, make_content())
    failure = make_failure()
    safe = replayable and (method in IDEMPOTENT or key or not seen_by_the_server)

    assert may_resend(request, failure) is safe  # type: ignore[arg-type]  # each one is a Failure
    if safe:
        book = play(Retry(backoff=EVEN), failure, Response(200), request=request)
        assert book.result.status == 200
        assert attempts(book) == 2
    else:
        book = play(Retry(backoff=EVEN), failure, request=request)
        assert attempts(book) == 1
        assert book.clock.sleeps == []
        if isinstance(failure, Response):
            assert book.result is failure
        else:
            assert book.error is failure


@pytest.mark.parametrize(
    ("request_", "failure", "reason"),
    [
        (
            Request("PUT", URL, (), one_shot()),
            BROKE,
            "the content was given as an iterator and cannot be produced again",
        ),
        (Request("POST", URL), Response(503), "POST is not idempotent and carries no Idempotency-Key"),
        (Request("PURGE", URL), BROKE, "PURGE is not idempotent and carries no Idempotency-Key"),
        (GET, Response(503, {"Retry-After": "61"}), "the server asks for a longer wait than max_retry_after"),
    ],
)
def test_why_it_was_not_sent_again(request_: Request, failure: Response | Exception, reason: str) -> None:
    book = play(Retry(), failure, request=request_)

    assert events(book, RetryRefused, RetryScheduled) == [RetryRefused(0.0, reason)]


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no"),
        DecodingError("no gzip"),
        CircuitOpen("open", retry_after=1.0),
        DeadlineExceeded("spent", sent=True),
        ValueError("of the content"),
    ],
)
def test_what_is_no_failure_of_the_transport_is_not_retried(error: Exception) -> None:
    book = play(Retry(), error)

    assert book.error is error
    assert not events(book, RetryRefused, RetryScheduled)


# Which statuses


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 401, 403, 404, 409, 422, 425, 451, 501, 505, 507, 599])
def test_statuses_that_are_answers(status: int) -> None:
    assert play(Retry(), Response(status)).result.status == status


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_are_failures(status: int) -> None:
    assert play(Retry(), Response(status), Response(200)).result.status == 200


def test_the_statuses_can_be_chosen() -> None:
    retry = Retry(statuses=[425, 425])

    assert retry.statuses == frozenset({425})
    assert play(retry, Response(425), Response(503)).result.status == 503
    assert play(replace(retry, statuses=frozenset()), Response(503)).result.status == 503
    assert Retry(statuses=frozenset({400, 599})).statuses == {400, 599}


# How often


@pytest.mark.parametrize("max_retries", [0, 1, 3, 5])
@pytest.mark.parametrize("failure", [Response(503), BROKE])
def test_how_often(max_retries: int, failure: Response | Exception) -> None:
    retry = Retry(max_retries, Backoff(base=0.0))
    failures = [Response(503) if isinstance(failure, Response) else BROKE for _ in range(max_retries + 1)]
    book = play(retry, *failures)

    assert attempts(book) == max_retries + 1
    if isinstance(failure, Response):
        assert book.result is failures[-1]
    else:
        assert book.error is failures[-1]
    # That nothing was retried needs no reason when nothing was to be.
    refusals = [RetryRefused(0.0, "no retries are left")] if max_retries else []
    assert events(book, RetryRefused) == refusals


def test_what_a_call_leaves_in_its_trace() -> None:
    book = play(Retry(max_retries=2, backoff=EVEN), Response(503), BROKE, AttemptTimeout("no answer", sent=True))

    assert events(book, RetryScheduled, RetryRefused) == [
        RetryScheduled(0.0, "GET", SHOWN, 1, 2, 1.0, "503 Service Unavailable"),
        RetryScheduled(1.0, "GET", SHOWN, 2, 2, 2.0, "ReadError: it broke"),
        RetryRefused(3.0, "no retries are left"),
    ]
    assert book.exchange.trace is not None
    assert [attempt.outcome for attempt in book.exchange.trace.attempts] == ["503", "ReadError", "AttemptTimeout"]
    assert isinstance(book.error, AttemptTimeout)
    assert book.error.trace is book.exchange.trace


def test_a_status_without_a_phrase_is_a_reason_too() -> None:
    book = play(Retry(statuses=frozenset({599}), backoff=EVEN), Response(599), Response(200))

    assert events(book, RetryScheduled)[0].reason == "599"


# How long to wait


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        (None, 2.0),
        ("0", 2.0),
        ("1", 2.0),
        ("2", 2.0),
        ("3", 3.0),
        ("60", 60.0),
        ("61", None),
        ("99999999999999999999", None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 2.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 2.0),
        ("Tue, 14 Nov 2023 22:15:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("soon", 2.0),
        ("-5", 2.0),
        ("1.5", 2.0),
        ("", 2.0),
    ],
)
@pytest.mark.parametrize("status", [503, 429, 500])
def test_retry_after_is_a_floor(value: str | None, delay: float | None, status: int) -> None:
    retry = Retry(backoff=Backoff(base=2.0, jitter="none"))
    failure = Response(status, {} if value is None else {"Retry-After": value})

    if delay is None:
        book = play(retry, failure)
        assert book.result is failure
        assert book.clock.sleeps == []
    else:
        assert play(retry, failure, Response(200)).clock.sleeps == [delay]


def test_how_long_a_server_may_ask_for() -> None:
    failure = Response(503, {"Retry-After": "120"})

    assert play(Retry(max_retry_after=120.0), failure, Response(200)).clock.sleeps == [120.0]
    assert play(Retry(max_retry_after=119.0), Response(503, {"Retry-After": "120"})).clock.sleeps == []


@pytest.mark.parametrize(
    ("total", "failures", "sleeps"),
    [
        (10.0, 3, [1.0, 2.0, 4.0]),
        (7.5, 3, [1.0, 2.0, 4.0]),
        # A wait that would end on the deadline is not begun.
        (7.0, 3, [1.0, 2.0]),
        (3.5, 3, [1.0, 2.0]),
        (1.0, 3, []),
        (0.5, 3, []),
    ],
)
@pytest.mark.parametrize("kind", [Response, ReadError])
def test_without_time_for_another_attempt_the_last_failure_is_final_at_once(
    total: float, failures: int, sleeps: list[float], kind: type[Any]
) -> None:
    replies = [Response(503) if kind is Response else ReadError("it broke", sent=True) for _ in range(len(sleeps) + 1)]
    book = play(Retry(max_retries=failures, backoff=EVEN), *replies, total=total)

    assert book.clock.sleeps == sleeps
    assert (book.result if kind is Response else book.error) is replies[-1]
    last = events(book, RetryRefused)[-1].reason
    assert last == (
        "no retries are left" if len(sleeps) == failures else "the next attempt could not start before the deadline"
    )


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    failure = Response(503, {"Retry-After": "30"})
    book = play(Retry(), failure, total=20.0)

    assert book.result is failure
    assert book.clock.sleeps == []


@pytest.mark.parametrize("jitter", ["full", "equal", "proportional", "decorrelated", "none"])
def test_the_delays_are_drawn_from_the_calls_own_randomness(jitter: Any) -> None:
    backoff = Backoff(base=1.0, jitter=jitter)
    book = play(Retry(max_retries=5, backoff=backoff), *[Response(503) for _ in range(6)], rng=random.Random(42))

    coming = backoff.delays(random.Random(42))
    assert book.clock.sleeps == pytest.approx([next(coming) for _ in range(5)])


@given(
    replies=st.lists(
        st.sampled_from([503, 429, "broke", "refused", "timeout"]) | st.tuples(st.just(503), st.integers(0, 70)),
        max_size=6,
    ),
    backoff=st.builds(
        Backoff,
        base=st.floats(0, 3),
        factor=st.floats(1, 4),
        cap=st.floats(0, 20),
        jitter=st.sampled_from(["full", "equal", "proportional", "decorrelated", "none"]),
    ),
    total=st.none() | st.floats(0.1, 100),
    max_retries=st.integers(0, 5),
    seed=st.integers(0, 50),
)
def test_what_the_waits_promise(
    replies: list[Any], backoff: Backoff, total: float | None, max_retries: int, seed: int
) -> None:
    asked: list[float] = []

    def reply(kind: Any) -> Response | Exception:
        if isinstance(kind, tuple):
            return Response(kind[0], {"Retry-After": str(kind[1])})
        if isinstance(kind, int):
            return Response(kind)
        return {
            "broke": ReadError("it broke", sent=True),
            "refused": ConnectError("refused", sent=False),
            "timeout": AttemptTimeout("no answer", sent=True),
        }[kind]

    pipeline = Pipeline([Deadline(Timeout(total, None, None)), Retry(max_retries, backoff)])
    clock = VirtualClock(wall=WALL)
    book = Playbook(pipeline.handle(GET), clock=clock, rng=random.Random(seed))
    coming = iter(replies)
    while (action := book.action) is not None:
        if isinstance(action, SendRequest):
            kind = next(coming, 200)
            asked.append(float(kind[1]) if isinstance(kind, tuple) else 0.0)
            answer = reply(kind)
            book.fail(answer) if isinstance(answer, Exception) else book.reply(answer)
        else:
            assert isinstance(action, SleepUntil)
            clock.sleep(action.when - clock.monotonic())
            book.reply()

    assert attempts(book) <= max_retries + 1
    assert len(clock.sleeps) == attempts(book) - 1
    for slept, floor in zip(clock.sleeps, asked, strict=False):
        # As a difference of two clock readings, a delay may be off in its last digits.
        assert floor - 1e-9 <= slept <= max(backoff.cap, floor) + 1e-9
        assert floor <= 60.0
    if total is not None:
        assert sum(clock.sleeps) <= total
        assert clock.monotonic() <= total


# Saying no


def test_retry_if_can_say_no() -> None:
    asked: list[tuple[Request, object]] = []

    def retry_if(request: Request, failure: object) -> bool:
        asked.append((request, failure))
        return not isinstance(failure, ReadError)

    failures: list[Response | Exception] = [Response(503), REFUSED, BROKE]
    book = play(Retry(max_retries=5, backoff=EVEN, retry_if=retry_if), *failures)

    assert book.error is BROKE
    assert asked == [(GET, failure) for failure in failures]
    assert events(book, RetryRefused) == [RetryRefused(3.0, "retry_if said no")]


@pytest.mark.parametrize("failure", [Response(503), BROKE])
def test_retry_if_cannot_make_safe_what_is_not(failure: Response | Exception) -> None:
    def retry_if(request: Request, failure: object) -> bool:
        raise AssertionError("not to be asked")

    book = play(Retry(retry_if=retry_if), failure, request=Request("POST", URL))

    assert attempts(book) == 1


def test_a_retry_if_that_fails_leaks_nothing() -> None:
    def retry_if(request: Request, failure: object) -> bool:
        raise ZeroDivisionError

    book = Playbook(Pipeline([Retry(retry_if=retry_if)]).open(GET)).reply(Response(503, body="body"))

    assert book.action == CloseBody("body")
    book.reply()
    assert isinstance(book.error, ZeroDivisionError)


def permanent() -> ConnectError:
    error = ConnectError("the certificate has expired", sent=False)
    error.permanent = True
    return error


def test_what_would_fail_again_is_not_tried_again() -> None:
    error = permanent()
    book = play(Retry(), error)

    assert book.error is error
    assert events(book, RetryRefused) == [RetryRefused(0.0, "the same would happen again")]


# The budget


def test_a_budget_pays_for_retries_and_is_refunded_by_success() -> None:
    budget = RetryBudget(100, cost=5, timeout_cost=10, refund=1)
    retry = Retry(backoff=EVEN, budget=budget)
    book = Playbook(Pipeline([retry]).handle(GET))

    book.fail(BROKE)
    assert budget.tokens == 95
    book.reply().fail(AttemptTimeout("no answer", sent=True))
    assert budget.tokens == 85
    book.reply().reply(Response(200))
    assert book.result.status == 200
    # What the last retry cost comes back.
    assert budget.tokens == 95
    play(retry, Response(404))
    assert budget.tokens == 96


def test_a_budget_is_shared_and_when_it_is_spent_nobody_retries() -> None:
    budget = RetryBudget(10, cost=5)
    first = Retry(max_retries=5, backoff=EVEN, budget=budget)
    second = replace(first, max_retries=1)

    book = play(first, Response(503), Response(503), Response(503))
    assert attempts(book) == 3
    assert events(book, RetryRefused) == [RetryRefused(3.0, "the retry budget is spent")]
    assert attempts(play(second, BROKE)) == 1


@pytest.mark.parametrize(
    ("failure", "request_"),
    [(Response(503), Request("POST", URL)), (permanent(), GET), (Response(503, {"Retry-After": "61"}), GET)],
)
def test_what_is_not_retried_costs_nothing(failure: Response | Exception, request_: Request) -> None:
    budget = RetryBudget()
    play(Retry(budget=budget), failure, request=request_)

    assert budget.tokens == budget.capacity


def test_a_failure_refunds_nothing() -> None:
    budget = RetryBudget(100, cost=5)
    play(Retry(max_retries=1, backoff=EVEN, budget=budget), BROKE, Response(503))

    assert budget.tokens == 95


# Connections that went stale


def stale(*, sent: bool = True) -> ReadError:
    return ReadError("the server closed the connection", sent=sent, stale=True)


@pytest.mark.parametrize(
    ("method", "headers", "content", "sent", "replaced"),
    [
        ("GET", {}, b"", True, True),
        ("PUT", {}, b"content", True, True),
        ("PUT", {}, again_and_again(), True, True),
        ("POST", {}, b"content", True, False),
        ("POST", {}, b"content", False, True),
        ("POST", {"Idempotency-Key": "k"}, b"content", True, True),
        ("PUT", {}, one_shot(), True, False),
        ("PUT", {}, one_shot(), False, False),
    ],
)
@pytest.mark.parametrize("max_retries", [0, 3])
def test_a_stale_connection_is_replaced_at_once_where_that_is_safe(
    method: str, headers: dict[str, str], content: bytes | Stream, sent: bool, replaced: bool, max_retries: int
) -> None:
    request = Request(method, URL, headers, content)
    error = stale(sent=sent)

    if replaced:
        book = play(Retry(max_retries, backoff=EVEN), error, Response(200), request=request)
        assert book.result.status == 200
        assert book.clock.sleeps == []
        assert not any(isinstance(action, SleepUntil) for action in book.actions)
        assert events(book, StaleConnectionReplaced, RetryScheduled) == [StaleConnectionReplaced(0.0)]
    else:
        book = play(Retry(max_retries, backoff=EVEN), error, request=request)
        assert book.error is error
        assert not events(book, StaleConnectionReplaced)


def test_a_stale_connection_is_replaced_once_and_does_not_count() -> None:
    # Two retries are allowed and two are made, besides the one that does not count.
    book = play(Retry(max_retries=2, backoff=EVEN), stale(), stale(), stale(), Response(200))

    assert book.result.status == 200
    assert attempts(book) == 4
    assert book.clock.sleeps == [1.0, 2.0]
    assert len(events(book, StaleConnectionReplaced)) == 1


def test_a_stale_connection_is_replaced_also_after_a_retry() -> None:
    book = play(Retry(max_retries=1, backoff=EVEN), Response(503), stale(), Response(200))

    assert book.result.status == 200
    assert book.clock.sleeps == [1.0]


def test_replacing_a_stale_connection_takes_nothing_from_the_budget() -> None:
    budget = RetryBudget()
    play(Retry(budget=budget), stale(), Response(200))

    assert budget.tokens == budget.capacity


# Open calls


def test_the_body_of_a_failure_is_let_go_of_before_the_retry() -> None:
    book = Playbook(Pipeline([Retry(backoff=EVEN)]).open(GET))
    book.reply(Response(503, body="first")).reply(b"we are sorry").reply(b"")
    assert book.action == SleepUntil(1.0)
    book.reply(after=1.0).reply(Response(200, body="second"))

    assert book.result.body == "second"
    assert [type(action) for action in book.actions] == [SendRequest, ReadBody, ReadBody, SleepUntil, SendRequest]


def test_a_long_body_of_a_failure_is_closed() -> None:
    book = Playbook(Pipeline([Retry(backoff=EVEN, limits=Limits(max_drain=10))]).open(GET))
    book.reply(Response(503, body="first")).reply(b"we are very sorry")

    assert book.action == CloseBody("first")


def test_the_last_failure_is_handed_out_open() -> None:
    book = play(Retry(max_retries=0), Response(503, body="body"), opens=True)

    assert book.result.body == "body"


def test_draining_is_part_of_the_wait() -> None:
    pipeline = Pipeline([Deadline(Timeout(total=1.5)), Retry(backoff=EVEN)])
    book = Playbook(pipeline.open(GET)).reply(Response(503, body="first"))

    book.reply(b"drip", after=0.9).reply(b"", after=0.05)

    # Counted from the failure, not from the end of what nobody wanted.
    assert book.action == SleepUntil(1.0)


# Making one


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        (None, Retry(max_retries=0)),
        (False, Retry(max_retries=0)),
        (0, Retry(max_retries=0)),
        (True, Retry()),
        (7, Retry(max_retries=7)),
        (Retry(statuses=frozenset({500})), Retry(statuses=frozenset({500}))),
    ],
)
def test_retry_of(value: Retry | int | None, retry: Retry) -> None:
    assert Retry.of(value) == retry


@pytest.mark.parametrize("value", [-1, 1.5, "3", [1]])
def test_retry_of_something_else(value: Any) -> None:
    with pytest.raises(ConfigError, match="Retry"):
        Retry.of(value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_retries": -1}, "Retry(max_retries=-1) must be a whole number, 0 or more"),
        ({"max_retries": True}, "Retry(max_retries=True) must be a whole number, 0 or more"),
        ({"max_retries": 2.5}, "Retry(max_retries=2.5) must be a whole number, 0 or more"),
        ({"max_retry_after": -1}, "Retry(max_retry_after=-1) must be a finite number of seconds, 0 or more"),
        ({"max_retry_after": inf}, "Retry(max_retry_after=inf) must be a finite number of seconds, 0 or more"),
        ({"max_retry_after": nan}, "Retry(max_retry_after=nan) must be a finite number of seconds, 0 or more"),
        ({"max_retry_after": None}, "Retry(max_retry_after=None) must be a number of seconds, not NoneType"),
        ({"statuses": {200}}, "Retry(statuses=…) takes status codes from 400 to 599, not 200"),
        ({"statuses": {600}}, "Retry(statuses=…) takes status codes from 400 to 599, not 600"),
        ({"statuses": {"503"}}, "Retry(statuses=…) takes status codes from 400 to 599, not '503'"),
        ({"statuses": {503.5}}, "Retry(statuses=…) takes status codes from 400 to 599, not 503.5"),
        ({"statuses": 503}, "Retry(statuses=…) takes status codes, not int"),
        ({"statuses": None}, "Retry(statuses=…) takes status codes, not NoneType"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Retry(**options)
    assert str(caught.value) == message


def test_what_is_not_said() -> None:
    retry = Retry()

    assert (retry.max_retries, retry.backoff, retry.max_retry_after) == (3, Backoff(0.5, 2.0, 8.0, "full"), 60.0)
    assert retry.statuses == frozenset({408, 429, 500, 502, 503, 504})
    assert (retry.budget, retry.retry_if) == (None, None)


def test_a_retry_is_a_frozen_policy_and_reads_well() -> None:
    retry = Retry(2, EVEN, statuses=frozenset({503}))

    assert isinstance(retry, Policy)
    assert retry == replace(Retry(), max_retries=2, backoff=EVEN, statuses=frozenset({503}))
    assert hash(retry) == hash(replace(retry))
    assert repr(retry) == (
        "Retry(max_retries=2, backoff=Backoff(base=1.0, factor=2.0, cap=8.0, jitter='none'), "
        "statuses=frozenset({503}), max_retry_after=60.0, budget=None, retry_if=None)"
    )
    with pytest.raises(AttributeError):
        retry.max_retries = 5  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backoff": 0.5}, r"Retry\(backoff=…\) takes a Backoff, not float"),
        ({"budget": 5}, r"takes a RetryBudget or None, not int"),
    ],
)
def test_parts_of_the_wrong_kind_are_refused_at_once(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Retry(**options)
