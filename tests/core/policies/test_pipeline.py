from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from trivet.core.errors import AttemptTimeout, ConfigError, DeadlineExceeded, ReadError, ResponseTooLarge
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.call import Call
from trivet.core.exchange.exchange import Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import Limits
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.breaker import Breaker
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import SHARED_STAGES, Forward, Policy, Stage
from trivet.core.policies.rate_limit import RateLimit
from trivet.core.policies.redirect import Redirect
from trivet.core.policies.retry import Retry
from trivet.core.policies.status import RaiseForStatus
from trivet.testing import Playbook

REQUEST = Request("GET", "https://api.example.com/users")
AT_ONCE = Retry(max_retries=3, backoff=Backoff(base=0.0))


class Noting(Policy):
    """Notes when it is passed, in either direction."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        self.notes.append(f"{self.name} →")
        try:
            response = yield from forward(request, call)
        except Exception:
            self.notes.append(f"{self.name} ✗")
            raise
        self.notes.append(f"← {self.name}")
        return response


def noting(stage: Stage, notes: list[str], name: str | None = None) -> Policy:
    kind = type(f"Noting{stage.name.title()}", (Noting,), {"stage": stage})
    policy: Policy = kind(name or stage.name, notes)
    return policy


# The order


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([Retry(), Deadline()], "Deadline (stage DEADLINE) must come before Retry (stage RETRY)"),
        (
            [Deadline(), Redirect(), RaiseForStatus()],
            "RaiseForStatus (stage STATUS) must come before Redirect (stage REDIRECT)",
        ),
        ([Policy(), Breaker()], "Breaker (stage BREAKER) must come before Policy (stage ATTEMPT)"),
        (
            [RateLimit(5), Deadline(), Retry()],
            "Deadline (stage DEADLINE) must come before RateLimit (stage RATE_LIMIT)",
        ),
        ([Retry(), Retry()], "Retry (stage RETRY) and Retry (stage RETRY) claim the same stage: keep one of them"),
        (
            [noting(Stage.CACHE, []), noting(Stage.CACHE, [])],
            "NotingCache (stage CACHE) and NotingCache (stage CACHE) claim the same stage: keep one of them",
        ),
    ],
)
def test_policies_out_of_order(policies: list[Policy], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Pipeline(policies)
    assert str(caught.value) == message


@pytest.mark.parametrize("stage", Stage)
def test_some_stages_hold_several(stage: Stage) -> None:
    pair = [noting(stage, []), noting(stage, [])]

    if stage in SHARED_STAGES:
        assert Pipeline(pair).policies == tuple(pair)
    else:
        with pytest.raises(ConfigError, match=f"stage {stage.name}"):
            Pipeline(pair)


def test_a_pipeline_shows_its_policies() -> None:
    pipeline = Pipeline(iter([Deadline(), Redirect(), Retry()]))

    assert repr(pipeline) == "<Pipeline Deadline → Redirect → Retry>"
    assert isinstance(pipeline.find(Redirect), Redirect)
    assert pipeline.find(Breaker) is None
    assert repr(Pipeline()) == "<Pipeline >"


@pytest.mark.parametrize("opens", [False, True])
def test_a_users_policy_stands_at_its_stage(opens: bool) -> None:
    notes: list[str] = []
    pipeline = Pipeline([noting(stage, notes) for stage in sorted(Stage)])

    book = Playbook(pipeline.open(REQUEST) if opens else pipeline.handle(REQUEST))
    assert notes == [f"{stage.name} →" for stage in sorted(Stage)]
    notes.clear()
    assert book.reply(Response(200)).result.status == 200
    assert notes == [f"← {stage.name}" for stage in sorted(Stage, reverse=True)]


def test_policies_of_one_stage_keep_the_order_they_were_given_in() -> None:
    notes: list[str] = []
    pipeline = Pipeline([noting(Stage.WIRE, notes, name) for name in "abc"])

    Playbook(pipeline.handle(REQUEST)).reply(Response(200))

    assert notes == ["a →", "b →", "c →", "← c", "← b", "← a"]


@pytest.mark.parametrize("opens", [False, True])
def test_what_is_once_per_call_and_what_once_per_attempt(opens: bool) -> None:
    notes: list[str] = []
    policies = [noting(Stage.CALL, notes), AT_ONCE, noting(Stage.ATTEMPT, notes), noting(Stage.WIRE, notes)]
    pipeline = Pipeline(policies)

    book = Playbook(pipeline.open(REQUEST) if opens else pipeline.handle(REQUEST))
    book.fail(ReadError("it broke", sent=True)).reply().reply(Response(200))

    assert notes == [
        *("CALL →", "ATTEMPT →", "WIRE →", "WIRE ✗", "ATTEMPT ✗"),
        *("ATTEMPT →", "WIRE →", "← WIRE", "← ATTEMPT", "← CALL"),
    ]
    assert book.result.status == 200


# Reading the content, or leaving it open


def test_handle_reads_the_content() -> None:
    book = Playbook(Pipeline().handle(REQUEST))

    book.reply(Response(200, body="body")).reply(b"one, ").reply(b"two").reply(b"")

    assert [type(action) for action in book.actions] == [SendRequest, ReadBody, ReadBody, ReadBody]
    assert book.result.content == b"one, two"
    assert book.result.body is None


def test_open_leaves_it_open() -> None:
    pipeline = Pipeline()
    for body in ("first", "second"):
        book = Playbook(pipeline.open(REQUEST)).reply(Response(200, body=body))

        assert book.result.body == body
        assert book.exchange.cancel() == []


def test_content_that_breaks_off_is_retried() -> None:
    book = Playbook(Pipeline([AT_ONCE]).handle(REQUEST))

    book.reply(Response(200, body="first")).reply(b"the beg").fail(ReadError("it broke", sent=True))
    book.expect(SleepUntil)
    book.reply().reply(Response(200, body="second")).reply(b"the beginning and the end").reply(b"")

    assert book.result.content == b"the beginning and the end"


def test_reading_has_the_time_that_the_attempt_has_left() -> None:
    book = Playbook(Pipeline([Deadline(Timeout(total=60.0, attempt=10.0))]).handle(REQUEST))

    assert book.expect(SendRequest).deadline == 10.0
    book.reply(Response(200, body="body"), after=4.0)
    assert book.expect(ReadBody).deadline == 10.0
    book.reply(b"slow", after=4.0)
    assert book.expect(ReadBody).deadline == 10.0


def test_the_limits_of_a_pipeline_hold_for_the_content() -> None:
    book = Playbook(Pipeline(limits=Limits(max_content=3)).handle(REQUEST))

    book.reply(Response(200, body="body")).reply(b"four")
    assert book.reply().error is not None
    with pytest.raises(ResponseTooLarge, match="larger than 3 bytes"):
        assert book.result


REDIRECT = {"Location": "/elsewhere"}


@pytest.mark.parametrize("policies", [[], [Redirect(0)], [RaiseForStatus(), Deadline(), Redirect(0)]])
def test_a_redirect_that_is_not_followed_is_handed_back_with_its_content(policies: list[Policy]) -> None:
    book = Playbook(Pipeline(policies).handle(REQUEST))

    book.reply(Response(302, REDIRECT, body="body")).reply(b"over there").reply(b"")

    assert book.result.status == 302
    assert book.result.content == b"over there"


def test_the_content_of_a_redirect_that_is_not_followed_is_read_in_time() -> None:
    pipeline = Pipeline([Deadline(Timeout(total=60.0, attempt=10.0)), Redirect(0)])
    book = Playbook(pipeline.handle(REQUEST))

    book.reply(Response(302, REDIRECT, body="body"), after=4.0)
    # Deadline has ended by then, and what it said still holds.
    assert book.expect(ReadBody).deadline == 14.0
    book.reply(b"over", after=1.0)
    assert book.expect(ReadBody).deadline == 14.0


@pytest.mark.parametrize("pieces", [[], [b"over there"], [b"x" * 40_000] * 3])
def test_the_content_of_a_redirect_that_is_followed_is_never_kept(pieces: list[bytes]) -> None:
    book = Playbook(Pipeline([Redirect()]).handle(REQUEST))

    book.reply(Response(302, REDIRECT, body="body"))
    for piece in pieces:
        if isinstance(book.action, ReadBody):
            book.reply(piece)
    book.reply() if isinstance(book.action, CloseBody) else book.reply(b"")
    assert book.expect(SendRequest).request.url.path == "/elsewhere"
    book.reply(Response(200))

    assert [each.content for each in book.result.history] == [b""]


class Bug(Exception):
    """Not one of Trivet's errors."""


# Calls do not mix


def test_one_pipeline_serves_many_calls_at_once() -> None:
    pipeline = Pipeline([Deadline(Timeout(total=60.0)), Redirect(), AT_ONCE])
    books = [Playbook(pipeline.handle(Request("GET", f"https://api.example.com/{n}"))) for n in range(3)]

    books[0].fail(ReadError("it broke", sent=True))
    books[1].reply(Response(302, REDIRECT))
    books[2].reply(Response(200))
    books[0].reply().reply(Response(200))
    books[1].reply(Response(200))

    assert [book.result.request.url.path for book in books] == ["/0", "/elsewhere", "/2"]
    assert [len(book.result.trace.attempts) for book in books if book.result.trace] == [2, 2, 1]


def test_a_flow_may_make_several_calls() -> None:
    pipeline = Pipeline([Deadline(Timeout(total=10.0)), AT_ONCE])

    def flow() -> Flow[list[int]]:
        statuses = []
        for _ in range(2):
            response = yield from pipeline.handle(REQUEST)
            statuses.append(response.status)
        return statuses

    book = Playbook(flow())
    book.reply(Response(200), after=8.0)
    # Each call has a total of its own.
    assert book.expect(SendRequest).deadline == 18.0
    assert book.reply(Response(404)).result == [200, 404]


def test_all_the_policies_together() -> None:
    pipeline = Pipeline(
        [
            RaiseForStatus(),
            Deadline(Timeout(total=30.0, attempt=10.0, connect=2.0)),
            Redirect(),
            Retry(max_retries=1, backoff=Backoff(base=1.0, jitter="none")),
            Breaker(),
            RateLimit(100),
        ]
    )
    book: Playbook[Any] = Playbook(pipeline.handle(REQUEST))

    assert book.expect(SendRequest) == SendRequest(REQUEST, 10.0, 2.0)
    book.reply(Response(503), after=1.0)
    assert book.expect(SleepUntil) == SleepUntil(2.0)
    book.reply(after=1.0).reply(Response(302, {"Location": "https://other.example.net/"}), after=1.0)
    assert book.expect(SendRequest).request.url == "https://other.example.net/"
    # What is left of the total is less than an attempt may take.
    book.clock.advance(20.0)
    book.fail(ReadError("it broke", sent=True))
    book.reply(after=1.0)
    assert book.expect(SendRequest).deadline == 30.0
    book.fail(AttemptTimeout("no answer", sent=True), after=6.0)

    with pytest.raises(DeadlineExceeded, match="after 30 s and 4 attempts: no answer"):
        assert book.result


@pytest.mark.parametrize(
    "end",
    [
        lambda exchange, now: exchange.receive(Response(404, content=b"x"), now),
        lambda exchange, now: exchange.fail(ReadError("it broke", sent=True), now),
        lambda exchange, now: exchange.fail(AttemptTimeout("no answer", sent=True), Instant(100.0, 0.0)),
        lambda exchange, now: exchange.fail(Bug("of ours"), now),
        lambda exchange, now: exchange.receive(Response(302, {"Location": "http://api.example.com/"}), now),
    ],
    ids=["status", "transport", "deadline", "bug", "redirect"],
)
def test_an_error_and_what_it_holds_need_no_garbage_collector(
    end: Callable[[Exchange[Response], Instant], Any],
) -> None:
    policies = [RaiseForStatus(), Deadline(), Redirect(), Retry(max_retries=0), Breaker()]

    def fail() -> weakref.ref[Exception]:
        now = Instant(0.0, 0.0)
        exchange = Exchange(Pipeline(policies).handle(REQUEST), rng=random.Random(0))
        exchange.start(now)
        try:
            end(exchange, now)
        except Exception as error:
            return weakref.ref(error)
        raise AssertionError("the call did not fail")

    # An error that a frame of its own traceback refers to is a cycle, with the whole response in it.
    gc.collect()
    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()


def test_what_is_no_policy_is_refused() -> None:
    class Nowhere(Policy):
        stage = 42  # type: ignore[assignment]  # the mistake under test

    with pytest.raises(ConfigError, match="instances of Policy, not <class .*Retry"):
        Pipeline([Retry])  # type: ignore[list-item]  # the mistake under test
    with pytest.raises(ConfigError, match="the stage of Nowhere must be a Stage, not 42"):
        Pipeline([Nowhere()])
