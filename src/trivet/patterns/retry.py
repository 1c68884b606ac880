"""`retry` and `retry_call`: try any function again when it raises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

from trivet.patterns.attempts import Exceptions, Retrying, RetryOptions, backoff
from trivet.patterns.wrapping import decorate, wrap

if TYPE_CHECKING:
    from trivet.core.exchange.call import Rng
    from trivet.core.policies.backoff import Jitter
    from trivet.drivers.clock import AsyncClock, SyncClock

# The decorated function is declared to be of the very same type, so that everything about it is preserved:
# overloads, type parameters, names and defaults of parameters, binding as a method.
F = TypeVar("F", bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any]")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@overload
def retry(function: F, /) -> F: ...
@overload
def retry(
    *,
    max_retries: int = 3,
    base_delay: float = 1.0,
    max_delay: float = 60.0,
    factor: float = 2.0,
    jitter: Jitter = "full",
    exceptions: Exceptions | None = None,
    retry_if: Callable[[Exception], bool] | None = None,
    timeout: float | None = None,
    max_retry_after: float = 60.0,
    on_retry: Callable[[Retrying], object] | None = None,
    rng: Rng | None = None,
    clock: SyncClock | AsyncClock | None = None,
) -> Callable[[F], F]: ...
def retry(
    function: Any = None,
    /,
    *,
    max_retries: int = 3,
    base_delay: float = 1.0,
    max_delay: float = 60.0,
    factor: float = 2.0,
    jitter: Jitter = "full",
    exceptions: Exceptions | None = None,
    retry_if: Callable[[Exception], bool] | None = None,
    timeout: float | None = None,
    max_retry_after: float = 60.0,
    on_retry: Callable[[Retrying], object] | None = None,
    rng: Rng | None = None,
    clock: SyncClock | AsyncClock | None = None,
) -> Any:
    """Decorate a function so that it is called again when it raises.

    It takes functions, methods and callable objects, synchronous or asynchronous (under asyncio or trio).
    What it returns has the same signature and type. Used bare, or with options:

    >>> @retry(max_retries=5, exceptions=(ConnectionError, TimeoutError))
    ... def read_sensor(name: str) -> float: ...

    - The waits are those of `Backoff`, with ``base_delay`` and ``max_delay`` in seconds.
    - By default every `Exception` is retried that `is_transient` does not rule out, as it does a 404.
      ``exceptions`` names classes instead, and is taken at its word; ``retry_if(error)`` decides alone, or has
      the last word when both are given. KeyboardInterrupt, cancellation and the like are never caught.
    - An error may ask for a longer wait: by seconds in its ``retry_after``, or by the Retry-After field of its
      ``response``. One of more than ``max_retry_after`` seconds is raised at once.
    - ``timeout``, in seconds from the first attempt on, bounds when a retry may begin. It does not interrupt an
      attempt. ``on_retry`` is told of each retry before the wait, and may raise to end it all.
    - ``rng`` and ``clock`` replace chance and time. Tests turn the waits off with `no_waiting`.

    In the end the last error itself is raised, with a note about the attempts. Each retry is a warning on the
    logger ``trivet``. A `trivet.Client` retries by itself: inside, ``retry=0`` keeps the two from
    multiplying.

    Raises `ConfigError` for an option that makes no sense, and `TypeError` for a generator function, which
    has not run when it returns.
    """
    waits = backoff(base_delay, factor, max_delay, jitter)
    options = RetryOptions(max_retries, waits, exceptions, retry_if, timeout, max_retry_after, on_retry, rng, clock)
    return partial(decorate, options) if function is None else decorate(options, function)


def retry_call(
    function: Callable[[*Ts], R],
    /,
    *args: *Ts,
    max_retries: int = 3,
    base_delay: float = 1.0,
    max_delay: float = 60.0,
    factor: float = 2.0,
    jitter: Jitter = "full",
    exceptions: Exceptions | None = None,
    retry_if: Callable[[Exception], bool] | None = None,
    timeout: float | None = None,
    max_retry_after: float = 60.0,
    on_retry: Callable[[Retrying], object] | None = None,
    rng: Rng | None = None,
    clock: SyncClock | AsyncClock | None = None,
) -> R:
    """Call ``function(*args)``, and call it again when it raises. The options are those of `retry`.

    Keyword arguments are options; those of the function are bound with a lambda or `functools.partial`. If it
    is asynchronous, or returns a coroutine, the result is a coroutine to be awaited:
    ``await retry_call(lambda: client.get("/users", params={"page": 2}))``.

    >>> retry_call(int, "7", max_retries=2)
    7
    """
    waits = backoff(base_delay, factor, max_delay, jitter)
    options = RetryOptions(max_retries, waits, exceptions, retry_if, timeout, max_retry_after, on_retry, rng, clock)
    result: R = wrap(options, function)(*args)
    return result
