from __future__ import annotations

import pytest

from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DeadlineExceeded,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ReadError,
    ServerError,
    UnprocessableError,
)
from trivet.core.exchange.actions import ReadBody
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import Limits
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.redirect import Redirect
from trivet.core.policies.retry import Retry
from trivet.core.policies.status import RaiseForStatus
from trivet.testing import Playbook, VirtualClock

REQUEST = Request("GET", "https://api.example.com/users?token=s3cr3t")
WALL = 1_700_000_000.0


def play(pipeline: Pipeline, response: Response, *, opens: bool = False) -> Playbook[Response]:
    flow = pipeline.open(REQUEST) if opens else pipeline.handle(REQUEST)
    return Playbook(flow, clock=VirtualClock(wall=WALL)).reply(response)


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("status", [200, 204, 206, 226, 300, 304, 399])
def test_what_is_no_error_is_handed_back(status: int, opens: bool) -> None:
    response = Response(status)

    assert play(Pipeline([RaiseForStatus()]), response, opens=opens).result is response


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, APIError),
        (422, UnprocessableError),
        (429, RateLimitError),
        (499, APIError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (999, ServerError),
    ],
)
def test_what_is_one_is_raised(status: int, kind: type[APIError], opens: bool) -> None:
    book = play(Pipeline([RaiseForStatus()]), Response(status, body="body"), opens=opens)
    book.reply(b'{"message": "No, because."}').reply(b"")

    with pytest.raises(kind) as caught:
        assert book.result
    assert type(caught.value) is kind
    assert caught.value.response.content == b'{"message": "No, because."}'
    assert "No, because." in str(caught.value)
    assert str(caught.value).startswith("GET https://api.example.com/users?token=[redacted]: ")
    assert caught.value.trace is book.exchange.trace


@pytest.mark.parametrize(
    ("value", "seconds"), [("30", 30.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("whenever", None), (None, None)]
)
def test_a_date_in_retry_after_is_measured_from_now(value: str | None, seconds: float | None) -> None:
    headers = {} if value is None else {"Retry-After": value}
    book = play(Pipeline([RaiseForStatus()]), Response(503, headers))

    assert isinstance(book.error, ServerError)
    assert book.error.retry_after == seconds


def test_the_limit_on_error_text_is_kept() -> None:
    pipeline = Pipeline([RaiseForStatus(Limits(max_error_text=10))])
    book = play(pipeline, Response(500, {"Content-Type": "text/plain"}, b"0123456789 and more"))

    assert "0123456789" in str(book.error)
    assert "more" not in str(book.error)


def test_it_has_the_last_word() -> None:
    pipeline = Pipeline([RaiseForStatus(), Deadline(), Redirect(), Retry(max_retries=1)])
    book = play(pipeline, Response(503))
    book.reply().reply(Response(302, {"Location": "/there"})).reply(Response(404))

    with pytest.raises(NotFoundError) as caught:
        assert book.result
    assert [attempt.outcome for attempt in caught.value.trace.attempts] == ["503", "302", "404"]  # type: ignore[union-attr]  # a trace is there
    assert caught.value.response.history[0].status == 302


def test_an_error_whose_content_breaks_off_is_a_failure_of_the_transport() -> None:
    book = play(Pipeline([RaiseForStatus()]), Response(404, body="body"), opens=True)
    book.reply(b"the beg").fail(ReadError("it broke", sent=True))

    with pytest.raises(ReadError, match="it broke"):
        assert book.result


def test_the_content_of_an_error_is_read_in_time_although_the_call_is_open() -> None:
    pipeline = Pipeline([RaiseForStatus(), Deadline(Timeout(total=20.0, attempt=15.0))])
    book = Playbook(pipeline.open(REQUEST)).reply(Response(404, body="body"), after=10.0)

    # A server that drips the message of its error must not outlive the total.
    for _ in range(3):
        assert book.expect(ReadBody).deadline == 20.0
        book.reply(b"drip", after=3.0)
    book.fail(AttemptTimeout("no more came", sent=True), after=1.0)

    with pytest.raises(DeadlineExceeded, match="the total time of the call is spent, while the content was read"):
        assert book.result
