from __future__ import annotations

import pytest

from trivet.core.errors import ReadError
from trivet.core.exchange.actions import SendRequest
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import SHARED_STAGES, Forward, Policy, Stage
from trivet.testing import Playbook

REQUEST = Request("GET", "https://api.example.com/users")


def test_the_stages_from_the_caller_to_the_wire() -> None:
    assert [stage.name for stage in sorted(Stage)] == [
        "STATUS",
        "DEADLINE",
        "CALL",
        "REDIRECT",
        "COALESCE",
        "CACHE",
        "RETRY",
        "BREAKER",
        "RATE_LIMIT",
        "ATTEMPT",
        "AUTH",
        "WIRE",
    ]
    assert {Stage.CALL, Stage.ATTEMPT, Stage.WIRE} == SHARED_STAGES


def test_a_policy_that_decides_nothing_forwards() -> None:
    book = Playbook(Pipeline([Policy()]).handle(REQUEST))

    assert book.expect(SendRequest).request is REQUEST
    response = Response(204)
    assert book.reply(response).result is response
    assert Policy.stage is Stage.ATTEMPT


class Stamp(Policy):
    """A policy as its users write it."""

    stage = Stage.ATTEMPT

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        stamped = request.replace(headers=request.headers.with_field("X-Attempt", str(call.attempts + 1)))
        response = yield from forward(stamped, call)
        return Response(response.status, {"X-Seen": "yes"})


class Tag(Policy):
    """One with nothing to do on the way back."""

    stage = Stage.WIRE

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        return forward(request.replace(headers=request.headers.with_field("X-Tag", "t")), call)


class Rescue(Policy):
    """One that answers in the place of the server."""

    stage = Stage.CALL

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        try:
            return (yield from forward(request, call))
        except ReadError:
            return Response(200, content=b"rescued")


def test_a_policy_sees_both_ways() -> None:
    book = Playbook(Pipeline([Stamp(), Tag()]).handle(REQUEST))

    sent = book.expect(SendRequest).request
    assert dict(sent.headers) == {"X-Attempt": "1", "X-Tag": "t"}
    assert book.reply(Response(200)).result.headers["X-Seen"] == "yes"
    assert not REQUEST.headers


@pytest.mark.parametrize("opens", [False, True])
def test_errors_arrive_where_a_policy_forwards(opens: bool) -> None:
    pipeline = Pipeline([Rescue()])
    book = Playbook(pipeline.open(REQUEST) if opens else pipeline.handle(REQUEST))

    assert book.fail(ReadError("it broke", sent=True)).result.content == b"rescued"
