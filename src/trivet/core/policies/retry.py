"""Sending a request again: when that is allowed, when it is worth it, and how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from trivet.core.errors import AttemptTimeout, ConfigError, ConnectError, TransportError
from trivet.core.exchange.actions import SleepUntil
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import RetryRefused, RetryScheduled, StaleConnectionReplaced
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.retry_after import parse_retry_after
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.budget import FailureKind, RetryBudget
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.schedule import RETRIED_STATUSES, GiveUp, next_delay
from trivet.core.policies.send import discard
from trivet.core.policies.validation import require_count, require_number

Failure: TypeAlias = Response | TransportError | AttemptTimeout


def may_resend(request: Request, failure: Failure) -> bool:
    """Whether sending the request again cannot do its work twice.

    It can be sent again if its method is idempotent (RFC 9110 §9.2.2) or it carries an idempotency key, or if
    the server cannot have seen any of it; and only if its content can be produced again.

    >>> from trivet.core.errors import ConnectError
    >>> may_resend(Request("POST", "https://api.example.com/"), ConnectError("refused", sent=False))
    True
    >>> may_resend(Request("POST", "https://api.example.com/"), Response(503))
    False
    """
    if not request.replayable:
        return False
    return request.idempotent or (not isinstance(failure, Response) and not failure.sent)


@dataclass(frozen=True, slots=True)
class Retry(Policy):
    """Send a failed request again, up to ``max_retries`` times, as far as that is safe.

    Retried are failures of the transport, attempts that ran out of time, and the ``statuses``; never a request
    that the server may have acted on, unless its method is idempotent or it carries an ``Idempotency-Key``.
    A ``Retry-After`` is the least that is waited; beyond ``max_retry_after`` seconds, or when the next attempt
    could not begin before the deadline, the failure is final at once. ``retry_if(request, failure)`` can say
    no to a retry that would otherwise be made. A ``budget`` bounds the retries of many calls together.

    A kept connection that the server closed before the first byte of a response is replaced at once, once
    per call, outside the count, under the same rule of safety (RFC 9112 §9.3.1).

    >>> Retry(max_retries=5, backoff=Backoff(base=0.1)).max_retries
    5
    """

    stage: ClassVar[Stage] = Stage.RETRY

    max_retries: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    statuses: Collection[int] = RETRIED_STATUSES
    max_retry_after: float = 60.0
    budget: RetryBudget | None = None
    retry_if: Callable[[Request, Failure], bool] | None = None
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)

    def __post_init__(self) -> None:
        require_count("Retry(max_retries=", self.max_retries)
        require_number("Retry(max_retry_after=", self.max_retry_after)
        if not isinstance(self.backoff, Backoff):
            raise ConfigError(f"Retry(backoff=…) takes a Backoff, not {type(self.backoff).__name__}")
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            raise ConfigError(f"Retry(budget=…) takes a RetryBudget or None, not {type(self.budget).__name__}")
        object.__setattr__(self, "statuses", _statuses(self.statuses))

    @classmethod
    def of(cls, value: Retry | int | None) -> Retry:
        """Read a ``retry=`` argument: a number is ``max_retries``; None and False are no retries.

        >>> Retry.of(None).max_retries, Retry.of(7).max_retries
        (0, 7)
        """
        if isinstance(value, Retry):
            return value
        if value is True:
            return cls()
        return cls(max_retries=int(value) if isinstance(value, bool) else value or 0)

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Forward until it works, or until trying again is of no use."""
        retry = 0
        delay: float | None = None
        paid: FailureKind | None = None
        replaced = False
        while True:
            failure: Failure
            try:
                failure = yield from forward(request, call)
            except (TransportError, AttemptTimeout) as error:
                failure = error
                if isinstance(error, TransportError) and error.stale and not replaced and may_resend(request, error):
                    replaced = True
                    call.record(StaleConnectionReplaced, error)
                    continue
            else:
                if failure.status not in self.statuses:
                    if self.budget is not None:
                        self.budget.deposit(paid)
                    return failure
            verdict = self._decide(request, failure, retry + 1, delay, call)
            if isinstance(verdict, str):
                if self.max_retries:
                    call.record(RetryRefused, None, verdict)
                if isinstance(failure, Response):
                    return failure
                try:
                    raise failure
                finally:
                    # The traceback refers to this frame: without this line the error would keep itself alive.
                    del failure
            retry, delay, paid = retry + 1, verdict, _kind(failure)
            # Draining counts as waiting: it must not push the next attempt beyond the deadline.
            when = call.now.monotonic + delay
            call.record(
                RetryScheduled,
                request,
                request.method,
                request.url.redacted,
                retry,
                self.max_retries,
                delay,
                _reason(failure),
            )
            if isinstance(failure, Response):
                yield from discard(failure, call, limits=self.limits)
            yield from SleepUntil(when)

    def _decide(
        self, request: Request, failure: Failure, retry: int, previous: float | None, call: Call
    ) -> float | str:
        """Seconds to wait before this retry, or why it is not made."""
        if not may_resend(request, failure):
            return _why_not(request)
        if isinstance(failure, ConnectError) and failure.permanent:
            return "the same would happen again"
        if self.retry_if is not None and not self.retry_if(request, failure):
            return "retry_if said no"
        floor = None
        if isinstance(failure, Response):
            floor = parse_retry_after(failure.headers.get("Retry-After"), call.now.wall)
        verdict = next_delay(
            self.backoff,
            retry,
            call.rng,
            max_retries=self.max_retries,
            previous=previous,
            retry_after=floor,
            max_retry_after=self.max_retry_after,
            time_left=call.time_left(),
        )
        if isinstance(verdict, GiveUp):
            return str(verdict)
        if self.budget is not None and not self.budget.acquire(_kind(failure)):
            return "the retry budget is spent"
        return verdict


def _kind(failure: Failure) -> FailureKind:
    return "timeout" if isinstance(failure, AttemptTimeout) else "error"


def _reason(failure: Failure) -> str:
    if isinstance(failure, Response):
        return f"{failure.status} {failure.reason}".rstrip()
    return f"{type(failure).__name__}: {failure.message}"


def _why_not(request: Request) -> str:
    if not request.replayable:
        return "the content was given as an iterator and cannot be produced again"
    return f"{request.method} is not idempotent and carries no Idempotency-Key"


def _statuses(statuses: Iterable[int]) -> frozenset[int]:
    try:
        found = frozenset(statuses)
    except TypeError:
        raise ConfigError(f"Retry(statuses=…) takes status codes, not {type(statuses).__name__}") from None
    for status in found:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ConfigError(f"Retry(statuses=…) takes status codes from 400 to 599, not {status!r}")
    return found
