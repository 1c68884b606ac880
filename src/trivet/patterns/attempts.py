"""The settings of `retry`, and the bookkeeping of one call that has begun to fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast, get_args

from trivet.core.errors import ConfigError, TrivetError
from trivet.core.policies.backoff import Backoff, Jitter
from trivet.core.policies.schedule import GiveUp, next_delay
from trivet.core.policies.validation import require_choice, require_count, require_number
from trivet.drivers.randomness import shared_rng
from trivet.patterns.failures import is_transient, retry_after

if TYPE_CHECKING:
    from trivet.core.exchange.call import Rng
    from trivet.drivers.clock import AsyncClock, Clock, SyncClock

Exceptions: TypeAlias = type[Exception] | tuple[type[Exception], ...]


class Retrying(NamedTuple):
    """What ``on_retry`` is told before each wait.

    ``attempt`` counts the attempts that have failed, the one that ended in ``error`` included; the next one
    begins in ``delay`` seconds.
    """

    function: str
    attempt: int
    max_retries: int
    delay: float
    error: Exception


class RetryOptions:
    """What `retry` was told, checked once. Raises `ConfigError`."""

    __slots__ = (
        "backoff",
        "clock",
        "exceptions",
        "max_retries",
        "max_retry_after",
        "on_retry",
        "retry_if",
        "rng",
        "timeout",
    )

    def __init__(
        self,
        max_retries: int,
        backoff: Backoff,
        exceptions: Exceptions | None,
        retry_if: Callable[[Exception], bool] | None,
        timeout: float | None,
        max_retry_after: float,
        on_retry: Callable[[Retrying], object] | None,
        rng: Rng | None,
        clock: SyncClock | AsyncClock | None,
    ) -> None:
        require_count("retry(max_retries=", max_retries)
        require_number("retry(max_retry_after=", max_retry_after)
        if timeout is not None:
            require_number("retry(timeout=", timeout)
        self.max_retries = max_retries
        self.backoff = backoff
        self.exceptions = (Exception,) if exceptions is None else _checked(exceptions)
        self.retry_if = is_transient if exceptions is None and retry_if is None else retry_if
        self.timeout = timeout
        self.max_retry_after = max_retry_after
        self.on_retry = on_retry
        self.rng = rng
        self.clock = clock
        for name in ("retry_if", "on_retry"):
            # Its coroutine would be true whatever it says, and never run.
            if iscoroutinefunction(getattr(self, name)):
                raise ConfigError(f"retry({name}=…) must be a plain function, not a coroutine function")


def backoff(base_delay: float, factor: float, max_delay: float, jitter: Jitter) -> Backoff:
    """The `Backoff` of these options. Its own complaint would be about names that the caller did not use."""
    require_number("retry(base_delay=", base_delay)
    require_number("retry(factor=", factor, minimum=1.0, unit="number")
    require_number("retry(max_delay=", max_delay)
    require_choice("retry(jitter=", jitter, get_args(Jitter))
    return Backoff(base_delay, factor, max_delay, jitter)


class Attempts:
    """One call that has failed at least once: how often, and what comes next."""

    __slots__ = ("_clock", "_deadline", "_failed", "_function", "_options", "_previous", "_waited")

    def __init__(self, function: Callable[..., Any], options: RetryOptions, clock: Clock, started: float) -> None:
        """``started``: when the first attempt began, by the clock. It only matters under a timeout."""
        self._function = function
        self._options = options
        self._clock = clock
        self._deadline = inf if options.timeout is None else started + options.timeout
        self._failed = 0
        self._waited = 0.0
        self._previous: float | None = None

    def after(self, error: Exception) -> float | None:
        """Note that an attempt failed. The seconds to wait before the next one; None: this error is final."""
        options = self._options
        self._failed += 1
        if not isinstance(error, options.exceptions) or (options.retry_if and not options.retry_if(error)):
            self._give_up(error, "this error is not retried")
            return None
        delay = next_delay(
            options.backoff,
            self._failed,
            options.rng or shared_rng(),
            max_retries=options.max_retries,
            previous=self._previous,
            retry_after=retry_after(error, self._clock),
            max_retry_after=options.max_retry_after,
            time_left=self._deadline - self._clock.monotonic() if self._deadline < inf else inf,
        )
        if isinstance(delay, GiveUp):
            self._give_up(error, str(delay), surprising=delay is not GiveUp.NO_RETRIES_LEFT)
            return None
        self._previous = delay
        self._waited += delay
        retrying = Retrying(_name(self._function), self._failed, options.max_retries, delay, error)
        _log(retrying)
        if options.on_retry is not None:
            options.on_retry(retrying)
        return delay

    def _give_up(self, error: Exception, reason: str, *, surprising: bool = False) -> None:
        if self._failed > 1:
            spent = f"{self._failed} attempts and {self._waited:.3g} s of waiting"
            error.add_note(f"retry gave up after {spent}: {reason}")
        elif surprising:
            error.add_note(f"retry gave up at once: {reason}")


def _checked(exceptions: object) -> tuple[type[Exception], ...]:
    found: list[type[Exception]] = []
    for kind in cast("tuple[object, ...]", exceptions) if isinstance(exceptions, tuple) else (exceptions,):
        # KeyboardInterrupt, SystemExit and the cancellations of asyncio and trio are no subclasses of it.
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise ConfigError(f"retry(exceptions=…) takes subclasses of Exception, not {kind!r}")
        found.append(kind)
    return tuple(found)


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _log(retrying: Retrying) -> None:
    # Where nobody has imported logging, nobody has configured it. A logger without handlers is passed over
    # too: the fallback of the logging module, which prints to standard error, is not for libraries.
    logging = sys.modules.get("logging")
    if logging is None:
        return
    logger = logging.getLogger("trivet")
    if not (logger.isEnabledFor(logging.WARNING) and logger.hasHandlers()):
        return
    # Trivet's errors show no secret. Those of others may quote a URL with its keys: only their kind is told.
    error = retrying.error
    reason = type(error).__name__ + (f": {error}" if isinstance(error, TrivetError) else "")
    logger.warning(
        "%s failed, retry %d of %d in %.3g s: %s",
        retrying.function,
        retrying.attempt,
        retrying.max_retries,
        retrying.delay,
        reason,
        extra={
            "function": retrying.function,
            "retry": retrying.attempt,
            "max_retries": retrying.max_retries,
            "delay": retrying.delay,
            "reason": reason,
        },
    )
