"""How long a call may take: the total, each attempt, each connect."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from sys import float_info
from typing import ClassVar

from trivet.core.errors import AttemptTimeout, ConfigError, DeadlineExceeded
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.policy import Forward, Policy, Stage


@dataclass(frozen=True, slots=True)
class Timeout:
    """Limits on time, in seconds; None means no limit.

    ``total`` bounds the whole call: retries, waits, redirects and the content. ``attempt`` bounds one request
    with its response; of an open stream it bounds the time to the head and then each read. ``connect`` bounds
    opening a connection, TLS included.

    Raises `ConfigError` for anything that is not a positive number or None.

    >>> Timeout(total=10)
    Timeout(total=10, attempt=30.0, connect=5.0)
    """

    total: float | None = 60.0
    attempt: float | None = 30.0
    connect: float | None = 5.0

    def __post_init__(self) -> None:
        for name in ("total", "attempt", "connect"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"Timeout({name}=…) takes seconds or None, not {type(value).__name__}")
            # The upper bound also refuses infinity, NaN, and an int that no float can hold.
            if not 0 < value <= float_info.max:
                raise ConfigError(f"Timeout({name}={value}) must be a positive, finite number of seconds, or None")

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """Read a ``timeout=`` argument: a bare number is the total; None is no limit at all.

        >>> Timeout.of(2.5).total
        2.5
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None)
        return cls(total=value)


class Deadline(Policy):
    """Fix the deadline of the call when it begins, and say so in one error when it is missed.

    Every action that waits carries the deadline, so the drivers enforce it; a call within a call never gets
    more time than the outer one has left.
    """

    __slots__ = ("timeout",)

    stage: ClassVar[Stage] = Stage.DEADLINE

    def __init__(self, timeout: Timeout | None = None) -> None:
        self.timeout = timeout or Timeout()

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Set the times on the call, forward, and put back what was there."""
        timeout = self.timeout
        outer = call.deadline, call.attempt_timeout, call.connect_timeout
        started = call.now.monotonic
        call.deadline = min(call.deadline, started + timeout.total if timeout.total is not None else inf)
        call.attempt_timeout = timeout.attempt
        call.connect_timeout = timeout.connect
        try:
            response = yield from forward(request, call)
            if response.body is not None:
                response.read_deadline = call.deadline
                response.read_timeout = call.attempt_timeout
            return response
        except AttemptTimeout as error:
            now = call.now.monotonic
            if now < call.deadline:
                raise
            tried = f"{call.attempts} {'attempt' if call.attempts == 1 else 'attempts'}"
            raise overdue(error, f"after {now - started:.3g} s and {tried}") from error
        finally:
            call.deadline, call.attempt_timeout, call.connect_timeout = outer


def overdue(error: AttemptTimeout, circumstances: str) -> DeadlineExceeded:
    """The error that says that with an attempt the whole call ran out of time."""
    return DeadlineExceeded(
        f"the total time of the call is spent, {circumstances}: {error.message}",
        sent=error.sent,
        method=error.method,
        url=error.url,
    )
