"""The core: every decision about a call, as state machines without I/O.

This is the front door for programs that bring their own transport. Build a `Request`, have a `Pipeline` of policies
handle it, and run the flow in an `Exchange`:

>>> import random
>>> from trivet.core import Deadline, Exchange, Instant, Pipeline, Response, Retry, Timeout, build_request
>>> pipeline = Pipeline([Deadline(Timeout(total=10)), Retry(max_retries=1)])
>>> request = build_request("GET", "https://api.example.com/users", params={"page": 2})
>>> exchange = Exchange(pipeline.handle(request), rng=random.Random())
>>> step = exchange.start(Instant(monotonic=0.0, wall=1_700_000_000.0))
>>> step.request, step.deadline
(<Request GET https://api.example.com/users?page=2>, 10.0)
>>> exchange.receive(Response(200, {"Content-Type": "application/json"}, b"[]"), Instant(0.2, 1_700_000_000.2))
Done(<Response 200 OK>)

The driver performs each action and hands its reply to `Exchange.receive`, or the error to `Exchange.fail`.

A name is imported when it is first used.
"""

from __future__ import annotations

from trivet.lazy import names_of

__getattr__, __dir__, __all__ = names_of(
    "trivet.core",
    {
        "trivet.core.caching.entry": "Entry",
        "trivet.core.caching.policy": "Cache",
        "trivet.core.caching.store": "Store StoreWarning Writer",
        "trivet.core.caching.stored": "Stored",
        "trivet.core.classification": "classify",
        "trivet.core.errors": "LocalProtocolError",
        "trivet.core.exchange.actions": "Action CloseBody Invoke Park ReadBody SendRequest SleepUntil Spawn StoreAction",
        "trivet.core.exchange.call": "Call CurrentCall Observer Rng",
        "trivet.core.exchange.exchange": "Done Exchange",
        "trivet.core.exchange.flow": "Flow sleep",
        "trivet.core.exchange.instant": "Instant",
        "trivet.core.exchange.slot": "Slot",
        "trivet.core.exchange.states": "Signal State",
        "trivet.core.exchange.trace": "Attempt Event Trace",
        "trivet.core.http.build": "build_request",
        "trivet.core.http.framing": "framed_fields",
        "trivet.core.http.headers": "Headers",
        "trivet.core.http.request": "Request",
        "trivet.core.http.response": "Response",
        "trivet.core.http.stream": "Stream",
        "trivet.core.http.url": "URL",
        "trivet.core.limits": "Limits",
        "trivet.core.policies.auth.api_key": "APIKeyAuth",
        "trivet.core.policies.auth.base": "Auth",
        "trivet.core.policies.auth.basic": "BasicAuth",
        "trivet.core.policies.auth.bearer": "BearerAuth",
        "trivet.core.policies.auth.oauth2": "OAuth2ClientCredentials",
        "trivet.core.policies.backoff": "Backoff",
        "trivet.core.policies.breaker": "Breaker",
        "trivet.core.policies.budget": "RetryBudget",
        "trivet.core.policies.coalesce": "Coalesce",
        "trivet.core.policies.deadline": "Deadline Timeout",
        "trivet.core.policies.idempotency": "Idempotency",
        "trivet.core.policies.pipeline": "Pipeline",
        "trivet.core.policies.policy": "Forward Policy Stage",
        "trivet.core.policies.rate_limit": "RateLimit",
        "trivet.core.policies.redirect": "Redirect",
        "trivet.core.policies.retry": "Retry may_resend",
        "trivet.core.policies.send": "discard read_content send",
        "trivet.core.policies.status": "RaiseForStatus",
    },
    submodules=["errors"],
)
