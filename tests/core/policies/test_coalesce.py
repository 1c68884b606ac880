"""Identical requests at the same time: what is identical, who waits, what is shared, who takes over."""

from __future__ import annotations

import gc
import gzip
import random
import weakref
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trivet.core import (
    Auth,
    Call,
    Deadline,
    Flow,
    Forward,
    Limits,
    Pipeline,
    Policy,
    Redirect,
    Request,
    Response,
    Retry,
    Stage,
    Stream,
    Timeout,
    errors,
)
from trivet.core.exchange.actions import CloseBody, Park, ReadBody, SendRequest
from trivet.core.exchange.bodies import FlowBody
from trivet.core.exchange.exchange import Exchange
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import RequestCollapsed
from trivet.core.policies.coalesce import Coalesce
from trivet.testing import Playbook, VirtualClock

URL = "https://api.example.com/users"
GET = Request("GET", URL)
FOLLOWED = {"Location": "/elsewhere"}


class Named(Auth):
    """Whatever it signs."""

    def sign(self, request: Request) -> Request:
        return request


class AtCache(Policy):
    stage = Stage.CACHE


class AtWire(Policy):
    stage = Stage.WIRE


class AtAttempt(Policy):
    stage = Stage.ATTEMPT


class Calls:
    """Calls through pipelines with one `Coalesce`, stepped by hand on one clock."""

    def __init__(self, *policies: Policy, limits: Limits | None = None, **options: Any) -> None:
        self.clock = VirtualClock()
        self.coalesce = Coalesce(**options)
        self.limits = limits or Limits()
        self.pipeline = self.sibling(*policies)
        # A call that nobody refers to is cancelled.
        self.kept: list[Playbook[Response]] = []

    def sibling(self, *policies: Policy, limits: Limits | None = None) -> Pipeline:
        stages = sorted([self.coalesce, *policies], key=lambda policy: policy.stage)
        return Pipeline(stages, limits=limits or self.limits)

    def begin(self, request: Request = GET, pipeline: Pipeline | None = None) -> Playbook[Response]:
        book = Playbook((pipeline or self.pipeline).handle(request), clock=self.clock)
        self.kept.append(book)
        return book

    def waiting(self, count: int = 1, request: Request = GET, pipeline: Pipeline | None = None) -> list[Any]:
        books = [self.begin(request, pipeline) for _ in range(count)]
        for book in books:
            book.expect(Park)
        return books

    @property
    def under_way(self) -> int:
        return len(self.coalesce._flights)


def woken(book: Playbook[Any]) -> bool:
    return book.expect(Park).slot.is_woken


def read(book: Playbook[Any], *pieces: bytes) -> None:
    for piece in (*pieces, b""):
        book.expect(ReadBody)
        book.reply(piece)


def test_one_request_answers_all() -> None:
    calls = Calls()
    leader = calls.begin()
    waiting = calls.waiting(3)
    headers = {"Content-Type": "application/json", "Set-Cookie": ["a=1", "b=2"]}
    leader.reply(Response(203, headers, b"[1]", reason="So to say", http_version="HTTP/2"), after=1.0)
    responses = [leader.result, *(book.reply(True, after=0.5).result for book in waiting)]
    for response in responses:
        assert (response.status, response.reason, response.http_version) == (203, "So to say", "HTTP/2")
        assert (response.headers.raw, response.content) == (responses[0].headers.raw, b"[1]")
        assert response.request == GET
        assert not response.from_cache
    assert len({id(response) for response in responses}) == 4
    assert [response.trace for response in responses] == [book.exchange.trace for book in (leader, *waiting)]
    assert [response.collapsed for response in responses] == [False, True, True, True]
    assert [response.elapsed for response in responses] == [1.0, 1.5, 2.0, 2.5]
    assert calls.under_way == 0


def test_a_stored_response_is_still_one() -> None:
    class Stored(AtCache):
        def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
            response = yield from forward(request, call)
            response.from_cache = True
            return response

    calls = Calls(Stored())
    leader, (follower,) = calls.begin(), calls.waiting()
    leader.reply(Response(200))
    assert follower.reply(True).result.from_cache


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ({"hit": True, "ttl": 7}, "trivet; hit; ttl=7"),
        ({"fwd": "uri-miss", "stored": True}, "trivet; fwd=uri-miss; collapsed"),
        (
            {"fwd": "stale", "fwd_status": 304, "ttl": 9, "detail": "why"},
            'trivet; fwd=stale; fwd-status=304; collapsed; ttl=9; detail="why"',
        ),
    ],
)
def test_what_the_cache_did_is_told_to_all(noted: dict[str, Any], told: str) -> None:
    class Noting(AtCache):
        def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
            response = yield from forward(request, call)
            response.note_cache(**noted)
            return response

    calls = Calls(Noting())
    leader = calls.begin()
    waiting = calls.waiting(2)
    leader.reply(Response(200))
    responses = [book.reply(True).result for book in waiting]
    assert [response.cache_status for response in responses] == [told, told]
    assert leader.result.cache_status is not None
    assert not leader.result.cache_status.collapsed


def test_those_who_wait_say_so() -> None:
    calls = Calls()
    request = Request("GET", f"{URL}?token=s3cr3t")
    calls.begin(request)
    (follower,) = calls.waiting(1, request)
    (event,) = follower.exchange.trace
    assert type(event) is RequestCollapsed
    url = request.url.redacted
    assert "s3cr3t" not in url
    assert str(event) == f"collapsed: waits for the same GET {url} that is under way"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("method", "answer", "url", "anew"),
    [
        ("PUT", Response(204), URL, True),
        ("PURGE", Response(204), URL, True),
        ("PUT", Response(404), URL, True),
        ("PUT", errors.ReadError("it broke off", sent=True), URL, True),
        ("POST", Response(201, {"Location": "/users/7"}), "https://api.example.com/", True),
        ("POST", Response(201, {"Location": URL}), "https://other.example.com/", False),
        ("OPTIONS", Response(204), URL, False),
    ],
    ids=repr,
)
def test_what_comes_after_a_change_is_sent_anew(
    method: str, answer: Response | Exception, url: str, anew: bool, streams: bool
) -> None:
    calls = Calls()
    leader, (follower,) = calls.begin(), calls.waiting()
    change = Request(method, url)
    book = Playbook(calls.pipeline.open(change) if streams else calls.pipeline.handle(change), clock=calls.clock)
    assert book.expect(SendRequest).request is change
    # Who asks while the server is busy with the change may be told of either.
    calls.waiting()
    if isinstance(answer, Exception):
        book.fail(answer)
    else:
        book.reply(answer)
    late = calls.begin()
    late.expect(SendRequest if anew else Park)
    leader.reply(Response(200, (), b"before"))
    assert follower.reply(True).result.content == b"before"
    if anew:
        (last,) = calls.waiting()
        late.reply(Response(200, (), b"after"))
        assert last.reply(True).result.content == b"after"
    assert calls.under_way == 0


def test_what_comes_after_a_change_that_was_cancelled_is_sent_anew() -> None:
    calls = Calls()
    calls.begin()
    change = calls.begin(Request("PUT", URL))
    calls.waiting()
    change.exchange.cancel()
    calls.begin().expect(SendRequest)


def test_what_comes_later_is_sent_anew() -> None:
    calls = Calls()
    calls.begin().reply(Response(200))
    calls.begin().expect(SendRequest)


@pytest.mark.parametrize(
    "request_",
    [
        GET,
        GET.replace(method="HEAD"),
        GET.replace(headers={"Range": "bytes=0-9", "If-None-Match": '"a"', "Authorization": "Basic eA=="}),
        GET.replace(headers={"Cache-Control": "max-age=0, only-if-cached", "Pragma": "x"}),
    ],
)
def test_what_is_shared(request_: Request) -> None:
    calls = Calls()
    calls.begin(request_)
    assert len(calls.waiting(2, request_)) == 2


@pytest.mark.parametrize(
    "request_",
    [
        *(GET.replace(method=method) for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get-it")),
        GET.replace(content=b"x"),
        GET.replace(content=Stream(lambda: iter([b""]))),
        GET.replace(on_interim=lambda response: None),
        GET.replace(headers={"Cache-Control": "No-Cache"}),
        GET.replace(headers={"Cache-Control": ["max-age=3", "x, no-store"]}),
        GET.replace(headers={"Pragma": "NO-CACHE"}),
    ],
    ids=repr,
)
def test_what_goes_by_itself(request_: Request) -> None:
    calls = Calls()
    for _ in range(2):
        calls.begin(request_).expect(SendRequest)
    assert calls.under_way == 0


def test_streams_go_by_themselves() -> None:
    calls = Calls()
    calls.begin()
    for _ in range(2):
        opened = Playbook(calls.pipeline.open(GET))
        body = object()
        opened.expect(SendRequest)
        assert opened.reply(Response(200, body=body)).result.body is body
    assert calls.under_way == 1


AUTH = Named()


@pytest.mark.parametrize(
    ("request_", "policies"),
    [
        (GET.replace(method="HEAD"), [AUTH]),
        (GET.replace(url=f"{URL}?page=2"), [AUTH]),
        (GET.replace(headers={"Accept": "*/*"}), [AUTH]),
        (GET.replace(credentials=False), [AUTH]),
        (GET, [Named()]),
        (GET, []),
        (GET, [AUTH, AtCache()]),
        (GET, [AUTH, AtAttempt()]),
        (GET, [AUTH, AtWire()]),
    ],
    ids=["method", "url", "field", "origin", "auth", "no auth", "cache", "attempt", "wire"],
)
def test_what_differs_is_never_shared(request_: Request, policies: Sequence[Policy]) -> None:
    calls = Calls(AUTH)
    one, other = calls.begin(), calls.begin(request_, calls.sibling(*policies))
    for book in (one, other):
        book.expect(SendRequest)
        book.reply(Response(200))
    assert not one.result.collapsed
    assert not other.result.collapsed


class Changing(Named):
    """Signs each call in another name."""

    header = "Authorization"

    def __init__(self, *names: str | None) -> None:
        self.names = iter(names)

    def identify(self, request: Request) -> Flow[str | None]:
        yield from ()
        return next(self.names)


def test_what_is_signed_in_another_name_is_never_shared() -> None:
    calls = Calls(Changing("ada", "bob", "ada", None, None))
    actions = [calls.begin().action for _ in range(5)]
    assert [type(action) for action in actions] == [SendRequest, SendRequest, Park, SendRequest, SendRequest]


class Renewed(Changing):
    """Has other credentials by the time it signs."""

    def carries(self, request: Request, identity: str) -> bool:
        return False


@pytest.mark.parametrize(("auth", "shared"), [(Changing, True), (Renewed, False)])
def test_what_came_in_another_name_than_was_said_is_not_shared(auth: type[Changing], shared: bool) -> None:
    calls = Calls(auth("ada", "ada"))
    leader = calls.begin()
    [follower] = calls.waiting()
    leader.reply(Response(200, content=b"hers"))
    follower.reply(True)
    if shared:
        assert follower.result.content == b"hers"
    else:
        follower.expect(SendRequest)


@pytest.mark.parametrize("request_", [GET.replace(credentials=False), GET.replace(headers={"Authorization": "Mine"})])
def test_in_whose_name_is_not_asked_where_nothing_is_signed(request_: Request) -> None:
    calls = Calls(Changing())
    assert [type(calls.begin(request_).action) for _ in range(2)] == [SendRequest, Park]


def test_other_limits_are_never_shared() -> None:
    calls = Calls()
    calls.begin()
    calls.begin(GET, calls.sibling(limits=Limits(max_content=1))).expect(SendRequest)


def test_a_field_with_another_value_is_another_request() -> None:
    calls = Calls()
    for value in ("en", "de"):
        calls.begin(GET.replace(headers={"Accept-Language": value})).expect(SendRequest)


def test_siblings_share_however_patient_they_are() -> None:
    calls = Calls(AUTH)
    leader = calls.begin()
    sibling = calls.sibling(AUTH, Deadline(Timeout(total=3.0)), Retry(max_retries=7), Redirect(3))
    (follower,) = calls.waiting(1, GET, sibling)
    assert follower.expect(Park).until == 3.0
    leader.reply(Response(200, content=b"x"))
    assert follower.reply(True).result.content == b"x"


class Odd(errors.RemoteProtocolError):
    """A subclass with a constructor of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}", sent=True)
        self.code = code


def unavailable() -> errors.APIError:
    return errors.AuthenticationError(Response(401), "the token endpoint gave out no token")


@pytest.mark.parametrize(
    "make",
    [
        lambda: errors.ConnectError("refused", sent=False),
        lambda: errors.ReadError("reset", sent=True, stale=True),
        lambda: Odd(7),
        lambda: errors.CircuitOpen("open", retry_after=3.0),
        lambda: errors.DecodingError("no gzip"),
        lambda: errors.ResponseTooLarge("too large"),
        unavailable,
    ],
)
def test_an_error_is_for_everybody(make: Callable[[], errors.TrivetError]) -> None:
    calls = Calls()
    leader, (first, second) = calls.begin(), calls.waiting(2)
    error = make()
    error.trace = leader.exchange.trace
    error.add_note("told below")
    leader.fail(error)
    assert leader.error is error
    leader.error.add_note("told above")
    for book in (first, second):
        copy = book.reply(True).error
        assert type(copy) is type(error)
        assert copy is not error
        assert copy.__cause__ is error
        assert (str(copy), copy.args) == (str(error), error.args)
        own = {"_trace", "__notes__"}
        assert {k: v for k, v in vars(copy).items() if k not in own} == {
            k: v for k, v in vars(error).items() if k not in own
        }
        assert copy.trace is book.exchange.trace
        assert copy.__notes__ == ["told below"]
    assert first.error is not second.error
    assert calls.under_way == 0


def test_errors_may_be_kept_apart() -> None:
    calls = Calls(share_errors=False)
    leader, followers = calls.begin(), calls.waiting(2)
    leader.fail(errors.ReadError("reset", sent=True))
    for number, book in enumerate(followers):
        book.reply(True).expect(SendRequest)
        assert calls.under_way == 0
        assert book.reply(Response(200 + number)).result.status == 200 + number


@pytest.mark.parametrize(
    ("share_errors", "status", "shared"),
    [(True, 404, True), (True, 503, True), (False, 499, True), (False, 500, False), (False, 503, False)],
)
def test_statuses(share_errors: bool, status: int, shared: bool) -> None:
    calls = Calls(share_errors=share_errors)
    leader, (follower,) = calls.begin(), calls.waiting()
    leader.reply(Response(status))
    assert leader.result.status == status
    follower.reply(True)
    if shared:
        assert (follower.result.status, follower.result.collapsed) == (status, True)
    else:
        follower.expect(SendRequest)
        assert not follower.reply(Response(200)).result.collapsed


@pytest.mark.parametrize(
    "error",
    [
        errors.AttemptTimeout("too slow", sent=True),
        errors.ConnectTimeout("too slow", sent=False),
        errors.DeadlineExceeded("too late"),
        errors.RateLimited("not in time", retry_after=1.0),
        KeyError("a bug of its own"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("share_errors", [True, False])
def test_what_is_the_leaders_own_trouble_is_handed_over(error: Exception, share_errors: bool) -> None:
    calls = Calls(share_errors=share_errors)
    leader, (first, second, third) = calls.begin(), calls.waiting(3)
    leader.fail(error)
    assert leader.error is error
    assert [woken(book) for book in (first, second, third)] == [True, False, False]
    first.reply(True).expect(SendRequest)
    (fourth,) = calls.waiting()
    first.reply(Response(200, content=b"x"))
    assert not first.result.collapsed
    assert [book.reply(True).result.content for book in (second, third, fourth)] == [b"x"] * 3
    assert calls.under_way == 0


@pytest.mark.parametrize("collected", [False, True], ids=["cancelled", "collected"])
def test_a_leader_that_is_cancelled_hands_over(collected: bool) -> None:
    calls = Calls()
    calls.begin()
    first, second = calls.waiting(2)
    if collected:
        calls.kept.clear()
        gc.collect()
    else:
        calls.kept[0].exchange.cancel()
    assert (woken(first), woken(second)) == (True, False)
    first.reply(True).expect(SendRequest)
    assert first.reply(Response(200)).result.status == 200
    assert second.reply(True).result.collapsed


def test_those_who_are_cancelled_leave_no_gap() -> None:
    calls = Calls()
    leader, (first, second, third, fourth) = calls.begin(), calls.waiting(4)
    second.exchange.cancel()
    leader.exchange.cancel()
    # Its turn has come, but it will never hear of it.
    assert woken(first)
    first.exchange.cancel()
    assert (woken(third), woken(fourth)) == (True, False)
    third.reply(True).exchange.cancel()
    fourth.reply(True).expect(SendRequest)
    fourth.exchange.cancel()
    assert calls.under_way == 0


def test_nobody_waits_beyond_the_deadline() -> None:
    calls = Calls(Deadline(Timeout(total=5.0, attempt=1.0)))
    leader = calls.begin()
    calls.clock.advance(2.0)
    (follower,) = calls.waiting()
    # The leader may need several attempts, so the time of one is not what counts.
    assert follower.expect(Park).until == 7.0
    follower.reply(False, after=5.0)
    error = follower.error
    assert type(error) is errors.DeadlineExceeded
    assert error.sent is False
    assert "no time left to wait for the same request" in error.message
    assert (error.method, error.url) == ("GET", URL)
    leader.reply(Response(200))
    assert calls.under_way == 0


def test_without_a_total_nobody_waits_longer_than_an_attempt() -> None:
    calls = Calls(Deadline(Timeout(total=None, attempt=1.0)))
    calls.begin()
    (follower,) = calls.waiting()
    assert follower.expect(Park).until == 1.0
    assert type(follower.reply(False, after=1.0).error) is errors.AttemptTimeout


def test_without_any_limit_one_waits_as_long_as_the_other() -> None:
    calls = Calls()
    calls.begin()
    assert calls.waiting()[0].expect(Park).until == inf


def test_one_whose_time_is_up_when_its_turn_comes_hands_on() -> None:
    calls = Calls()
    leader, (first, second) = calls.begin(), calls.waiting(2)
    leader.exchange.cancel()
    assert type(first.reply(False).error) is errors.AttemptTimeout
    second.reply(True).expect(SendRequest)


def test_an_answer_that_comes_with_the_deadline_is_taken() -> None:
    calls = Calls()
    leader, (follower,) = calls.begin(), calls.waiting()
    leader.reply(Response(200))
    assert follower.reply(False).result.collapsed


def test_an_observer_that_fails_costs_its_own_call_only() -> None:
    calls = Calls()
    leader = calls.begin()

    def observe(event: Any, subject: Any) -> None:
        if isinstance(event, RequestCollapsed):
            raise OSError("the log is full")

    exchange = Exchange(calls.pipeline.handle(GET), rng=random.Random(0), observer=observe)
    with pytest.raises(OSError, match="the log is full"):
        exchange.start(calls.clock.now())
    leader.exchange.cancel()
    assert calls.under_way == 0


class TestOpenBodies:
    """What is still to be read when the response comes, since the pipeline leaves it to `Redirect`."""

    def moved(self, **headers: str) -> Response:
        return Response(302, {**FOLLOWED, **headers}, body=object())

    @pytest.fixture(params=[[b"mo", b"ved"], [b"x" * 65_536], []], ids=["short", "long enough", "empty"])
    def pieces(self, request: pytest.FixtureRequest) -> list[bytes]:
        found: list[bytes] = request.param
        return found

    def test_a_redirect_is_read_for_those_who_wait(self, pieces: list[bytes]) -> None:
        calls = Calls(Redirect())
        leader = calls.begin()
        (follower,) = calls.waiting()
        (wants_it,) = calls.waiting(1, GET, calls.sibling(Redirect(0)))
        leader.reply(self.moved())
        assert leader.expect(ReadBody).deadline == 1.0
        read(leader, *pieces)
        assert leader.expect(SendRequest).request.url == "https://api.example.com/elsewhere"
        unfollowed = wants_it.reply(True).result
        assert (unfollowed.status, unfollowed.content) == (302, b"".join(pieces))
        # The others are together again at the next stop.
        follower.reply(True).expect(Park)
        assert calls.under_way == 1

    @pytest.mark.parametrize(
        ("headers", "limits"),
        [({"Content-Encoding": "gzip"}, Limits()), ({}, Limits(max_drain=0))],
        ids=["coded", "not worth it"],
    )
    def test_what_cannot_be_shared_is_left_to_redirect(self, headers: dict[str, str], limits: Limits) -> None:
        calls = Calls(Redirect(limits=limits), limits=limits)
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(self.moved(**headers))
        assert woken(follower)
        follower.reply(True).expect(SendRequest)
        kind = ReadBody if limits.max_drain else CloseBody
        leader.expect(kind)
        leader.reply(b"" if limits.max_drain else None).expect(SendRequest)

    def test_a_long_one_is_closed(self) -> None:
        limits = Limits(max_drain=10)
        calls = Calls(Redirect(limits=limits), limits=limits)
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(self.moved()).reply(b"x" * 10).reply(b"y")
        leader.expect(CloseBody)
        leader.reply(None).expect(SendRequest)
        follower.reply(True).expect(SendRequest)

    def test_one_that_breaks_off_is_no_failure(self) -> None:
        calls = Calls(Redirect())
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(self.moved()).reply(b"x").fail(errors.ReadError("reset", sent=True))
        leader.expect(SendRequest)
        follower.reply(True).expect(SendRequest)
        assert leader.exchange.trace is not None
        assert "AttemptFailed" not in {type(event).__name__ for event in leader.exchange.trace}

    def test_it_is_not_read_for_nobody(self) -> None:
        calls = Calls(Redirect(limits=Limits(max_drain=0)))
        leader = calls.begin()
        leader.reply(self.moved()).expect(CloseBody)
        assert calls.under_way == 0

    def test_a_leader_cancelled_while_it_reads_hands_over(self) -> None:
        calls = Calls(Redirect())
        leader, (follower,) = calls.begin(), calls.waiting()
        response = self.moved()
        body = response.body
        leader.reply(response).expect(ReadBody)
        assert leader.exchange.cancel() == [CloseBody(body)]
        follower.reply(True).expect(SendRequest)

    @pytest.mark.parametrize("policies", [(), (Redirect(0),)], ids=["no redirects", "none allowed"])
    def test_one_that_is_not_followed_is_read_as_usual(self, policies: tuple[Policy, ...]) -> None:
        calls = Calls(*policies)
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(self.moved(**{"Content-Encoding": "gzip"}))
        assert not woken(follower)
        read(leader, gzip.compress(b"moved"))
        assert [leader.result.content, follower.reply(True).result.content] == [b"moved"] * 2

    def test_what_goes_wrong_with_it_is_for_everybody(self) -> None:
        calls = Calls()
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(self.moved(**{"Content-Encoding": "gzip"})).reply(b"not gzip")
        leader.reply(None)  # the body is closed
        assert type(leader.error) is errors.DecodingError
        assert type(follower.reply(True).error) is errors.DecodingError

    def test_a_body_that_is_read_through_a_flow(self) -> None:
        class Pieces(FlowBody):
            __slots__ = ("pieces",)

            def __init__(self, *pieces: bytes) -> None:
                self.pieces = [*pieces, b""]

            def read(self, deadline: float) -> Flow[bytes]:
                return self.pieces.pop(0)
                yield

        class Cache(AtCache):
            def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
                response = yield from forward(request, call)
                return Response(200, body=Pieces(b"sto", b"red")) if response.status == 304 else response

        calls = Calls(Cache(), Redirect())
        leader, (follower,) = calls.begin(), calls.waiting()
        leader.reply(Response(304))
        assert [leader.result.content, follower.reply(True).result.content] == [b"stored"] * 2


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_errors_need_no_garbage_collector(awaited: bool, broken: bool) -> None:
    """An error that a frame of its own traceback refers to is a cycle, with the whole response in it."""

    pipeline = Pipeline([Coalesce()])
    now = Instant(0.0, 0.0)

    def failures() -> list[weakref.ref[Exception]]:
        exchanges = [Exchange(pipeline.handle(GET), rng=random.Random(0)) for _ in range(3 if awaited else 1)]
        for exchange in exchanges:
            exchange.start(now)
        if broken:
            exchanges[0].receive(Response(302, FOLLOWED, body=object()), now)
        return [failure(exchange) for exchange in exchanges]

    def failure(exchange: Exchange[Response]) -> weakref.ref[Exception]:
        try:
            if isinstance(exchange.pending, Park):
                exchange.receive(True, now)
            else:
                exchange.fail(errors.ReadError("reset", sent=True), now)
        except errors.ReadError as error:
            return weakref.ref(error)
        raise AssertionError("the call did not fail")

    found = failures()
    assert len(found) == (3 if awaited else 1)
    assert [error() for error in found] == [None] * len(found)


def test_repr() -> None:
    assert repr(Coalesce()) == "Coalesce(share_errors=True)"


class Interleaving(RuleBasedStateMachine):
    """Calls in any order: one request for each key at a time, everybody gets an answer, and the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls(Deadline(Timeout(total=10.0)))
        self.pipelines = [self.calls.pipeline, self.calls.sibling(AUTH, Deadline(Timeout(total=3.0)))]
        self.live: dict[Playbook[Response], tuple[str, int]] = {}
        self.answers = 0

    def of(self, kind: type[Any], *, asleep: bool | None = None) -> list[Playbook[Response]]:
        books = [book for book in self.live if isinstance(book.action, kind)]
        return books if asleep is None else [book for book in books if woken(book) is not asleep]

    def settle(self, book: Playbook[Response]) -> None:
        if book.action is not None:
            return
        self.calls.kept.remove(book)
        key, number = self.live.pop(book)
        if isinstance(book.error, Exception):
            assert isinstance(book.error, errors.ReadError | errors.AttemptTimeout | errors.DeadlineExceeded)
            if isinstance(book.error, errors.ReadError):
                assert str(book.error).endswith(f"{key} {number} broke")
        else:
            assert book.result.content == f"{key} {number}".encode()

    @precondition(lambda self: len(self.live) < 12)
    @rule(key=st.sampled_from("ab"), number=st.integers(0, 1))
    def begin(self, key: str, number: int) -> None:
        book = self.calls.begin(Request("GET", f"https://api.example.com/{key}"), self.pipelines[number])
        self.live[book] = key, number

    @precondition(lambda self: self.of(SendRequest))
    @rule(data=st.data(), outcome=st.sampled_from(["answer", "answer", "broken", "too slow", "cancelled"]))
    def a_request_ends(self, data: st.DataObject, outcome: str) -> None:
        book = data.draw(st.sampled_from(self.of(SendRequest)))
        key, number = self.live[book]
        if outcome == "answer":
            book.reply(Response(200, content=f"{key} {number}".encode()))
        elif outcome == "broken":
            book.fail(errors.ReadError(f"{key} {number} broke", sent=True))
        elif outcome == "too slow":
            book.fail(errors.AttemptTimeout("too slow", sent=True))
        else:
            self.cancel(book)
            return
        self.settle(book)

    @precondition(lambda self: self.of(Park, asleep=False))
    @rule(data=st.data())
    def a_woken_call_goes_on(self, data: st.DataObject) -> None:
        book = data.draw(st.sampled_from(self.of(Park, asleep=False)))
        # A driver may find that the time was up just when the slot was woken.
        book.reply(data.draw(st.booleans()))
        self.settle(book)

    @precondition(lambda self: self.of(Park))
    @rule(data=st.data())
    def a_waiting_call_is_cancelled(self, data: st.DataObject) -> None:
        self.cancel(data.draw(st.sampled_from(self.of(Park))))

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.calls.clock.advance(seconds)
        for book in self.of(Park, asleep=True):
            if book.expect(Park).until <= self.calls.clock.monotonic():
                book.reply(False)
                self.settle(book)

    def cancel(self, book: Playbook[Response]) -> None:
        assert book.exchange.cancel() == []
        self.calls.kept.remove(book)
        del self.live[book]

    @invariant()
    def one_request_for_each_key(self) -> None:
        sending = [self.live[book] for book in self.of(SendRequest)]
        assert len(set(sending)) == len(sending)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        going = {self.live[book] for book in [*self.of(SendRequest), *self.of(Park, asleep=False)]}
        assert {self.live[book] for book in self.of(Park, asleep=True)} <= going

    @invariant()
    def nothing_leaks(self) -> None:
        assert self.calls.under_way <= len(set(self.live.values()))

    def teardown(self) -> None:
        # Left to run, every call comes to its end.
        while self.live:
            book = (self.of(Park, asleep=False) or self.of(SendRequest))[0]
            if isinstance(book.action, Park):
                book.reply(True)
            else:
                key, number = self.live[book]
                book.reply(Response(200, content=f"{key} {number}".encode()))
            self.settle(book)
        assert self.calls.under_way == 0


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_threads_share_one_request() -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier, Event

    calls = Calls()
    barrier = Barrier(32)
    everybody_waits = Event()
    sent: list[Playbook[Response]] = []
    waiting: list[int] = []

    def work(number: int) -> bytes:
        barrier.wait(10)
        book = calls.begin()
        if isinstance(book.action, Park):
            heard = Event()
            book.action.slot.on_wake(heard.set)
            waiting.append(number)
            if len(waiting) == 31:
                everybody_waits.set()
            assert heard.wait(10)
            book.reply(True)
        else:
            sent.append(book)
            assert everybody_waits.wait(10)
            book.reply(Response(200, content=b"x"))
        return book.result.content

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(work, range(32))) == {b"x"}
    assert len(sent) == 1
