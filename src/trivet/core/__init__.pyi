# What `__init__.py` offers, for type checkers: there the names are looked up when they are first used.

from trivet.core import errors
from trivet.core.caching.entry import Entry
from trivet.core.caching.policy import Cache
from trivet.core.caching.store import Store, StoreWarning, Writer
from trivet.core.caching.stored import Stored
from trivet.core.classification import classify
from trivet.core.errors import LocalProtocolError
from trivet.core.exchange.actions import (
    Action,
    CloseBody,
    Invoke,
    Park,
    ReadBody,
    SendRequest,
    SleepUntil,
    Spawn,
    StoreAction,
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
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.auth.basic import BasicAuth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.breaker import Breaker
from trivet.core.policies.budget import RetryBudget
from trivet.core.policies.coalesce import Coalesce
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
    "Cache",
    "Call",
    "CloseBody",
    "Coalesce",
    "CurrentCall",
    "Deadline",
    "Done",
    "Entry",
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
    "Spawn",
    "Stage",
    "State",
    "Store",
    "StoreAction",
    "StoreWarning",
    "Stored",
    "Stream",
    "Timeout",
    "Trace",
    "Writer",
    "build_request",
    "classify",
    "discard",
    "errors",
    "framed_fields",
    "may_resend",
    "read_content",
    "send",
    "sleep",
]
