"""The core: every decision about a call, as state machines without I/O.

This is the front door for programs that bring their own transport. Build a `Request`, have a `Pipeline` of policies
handle it, and run the flow in an `Exchange`:

>>> import random
>>> pipeline = Pipeline([Deadline(Timeout(total=10)), Retry(max_retries=1)])
>>> request = build_request("GET", "https://api.example.com/users", params={"page": 2})
>>> exchange = Exchange(pipeline.handle(request), rng=random.Random())
>>> step = exchange.start(Instant(monotonic=0.0, wall=1_700_000_000.0))
>>> step.request, step.deadline
(<Request GET https://api.example.com/users?page=2>, 10.0)
>>> exchange.receive(Response(200, {"Content-Type": "application/json"}, b"[]"), Instant(0.2, 1_700_000_000.2))
Done(<Response 200 OK>)

The driver performs each action and hands its reply to `Exchange.receive`, or the error to `Exchange.fail`.
"""

from __future__ import annotations

from trivet.core.classify import classify
from trivet.core.errors import LocalProtocolError
from trivet.core.exchange.actions import (
    Action,
    CloseBody,
    Invoke,
    Park,
    ReadBody,
    SendRequest,
    SleepUntil,
)
from trivet.core.exchange.call import Call, CurrentCall, Observer, Rng
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow, sleep
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.slot import Slot
from trivet.core.exchange.states import Signal, State
from trivet.core.exchange.trace import Attempt, Event, Trace
from trivet.core.http.build import build_request
from trivet.core.http.framing import framed_fields
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.http.url import URL
from trivet.core.limits import Limits
from trivet.core.policies.auth import APIKeyAuth, Auth, BasicAuth, BearerAuth, OAuth2ClientCredentials
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.breaker import Breaker
from trivet.core.policies.budget import RetryBudget
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.idempotency import Idempotency
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.rate_limit import RateLimit
from trivet.core.policies.redirect import Redirect
from trivet.core.policies.retry import Retry, may_resend
from trivet.core.policies.send import discard, read_content, send
from trivet.core.policies.status import RaiseForStatus

__all__ = [
    "URL",
    "APIKeyAuth",
    "Action",
    "Attempt",
    "Auth",
    "Backoff",
    "BasicAuth",
    "BearerAuth",
    "Breaker",
    "Call",
    "CloseBody",
    "CurrentCall",
    "Deadline",
    "Done",
    "Event",
    "Exchange",
    "Flow",
    "Forward",
    "Headers",
    "Idempotency",
    "Instant",
    "Invoke",
    "Limits",
    "LocalProtocolError",
    "OAuth2ClientCredentials",
    "Observer",
    "Park",
    "Pipeline",
    "Policy",
    "RaiseForStatus",
    "RateLimit",
    "ReadBody",
    "Redirect",
    "Request",
    "Response",
    "Retry",
    "RetryBudget",
    "Rng",
    "SendRequest",
    "Signal",
    "SleepUntil",
    "Slot",
    "Stage",
    "State",
    "Stream",
    "Timeout",
    "Trace",
    "build_request",
    "classify",
    "discard",
    "framed_fields",
    "may_resend",
    "read_content",
    "send",
    "sleep",
]
