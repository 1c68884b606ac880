"""A function with retries around it. While the function succeeds, that costs a try block and little else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, update_wrapper
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import CoroutineType, FunctionType
from typing import TYPE_CHECKING, Any

from trivet.core.errors import ConfigError
from trivet.drivers.clock import ThreadClock
from trivet.patterns.attempts import Attempts, RetryOptions
from trivet.patterns.waiting import async_clock, wait, wait_async

if TYPE_CHECKING:
    from trivet.drivers.clock import AsyncClock, SyncClock

_DESCRIPTORS: tuple[Any, ...] = (staticmethod, classmethod)
_THREAD_CLOCK = ThreadClock()


def decorate(options: RetryOptions, function: Any) -> Any:
    """The function with retries, which looks like the function: name, docstring, signature."""
    if isinstance(function, _DESCRIPTORS):
        return type(function)(decorate(options, function.__func__))
    # The state of a callable object is not that of the function that stands for it.
    updated = ("__dict__",) if isinstance(function, FunctionType) else ()
    return update_wrapper(wrap(options, function), function, updated=updated)


def wrap(options: RetryOptions, function: Any) -> Callable[..., Any]:
    """The function with retries. Raises `TypeError` for what is no function, or one that generates."""
    if not callable(function):
        raise TypeError(f"retry takes a function, not {function!r}; options go by name: retry(max_retries=3)")
    if _is(isgeneratorfunction, function) or _is(isasyncgenfunction, function):
        raise TypeError(
            f"retry cannot take the generator function {function!r}, which only runs when it is iterated, "
            "after the call; decorate the function that iterates it"
        )
    if not _is(iscoroutinefunction, function):
        return _wrap_sync(options, function)
    if options.clock is not None and not hasattr(options.clock, "asleep"):
        raise ConfigError(f"retry(clock={options.clock!r}) needs a method asleep() for a coroutine function")
    return _wrap_async(options, function, function)


def _is(kind: Callable[[object], bool], function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return kind(function) or kind(type(function).__call__)


def _wrap_sync(options: RetryOptions, function: Callable[..., Any]) -> Callable[..., Any]:
    clock: Any = options.clock or _THREAD_CLOCK
    timed = options.timeout is not None

    def adopt(coroutine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _wrap_async(options, _resume(coroutine, function), function)(*args, **kwargs)

    def retrying(*args: Any, **kwargs: Any) -> Any:
        started = clock.monotonic() if timed else 0.0
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            attempts = Attempts(function, options, clock, started)
            delay = attempts.after(error)
            if delay is None:
                raise
        else:
            return result if type(result) is not CoroutineType else adopt(result, args, kwargs)
        # Outside of the except block, so that no attempt's error becomes the context of the next one's.
        result = _retry_sync(attempts, delay, clock, partial(function, *args, **kwargs))
        return result if type(result) is not CoroutineType else adopt(result, args, kwargs)

    return retrying


def _retry_sync(attempts: Attempts, delay: float, clock: SyncClock, call: Callable[[], Any]) -> Any:
    while True:
        wait(clock, delay)
        try:
            return call()
        except Exception as error:
            following = attempts.after(error)
            if following is None:
                raise
            delay = following


def _wrap_async(options: RetryOptions, function: Callable[..., Any], named: Callable[..., Any]) -> Callable[..., Any]:
    timed = options.timeout is not None

    async def retrying(*args: Any, **kwargs: Any) -> Any:
        clock: Any = options.clock
        started = 0.0
        if timed:
            clock = clock or async_clock()
            started = clock.monotonic()
        try:
            return await function(*args, **kwargs)
        except Exception as error:
            clock = clock or async_clock()
            attempts = Attempts(named, options, clock, started)
            delay = attempts.after(error)
            if delay is None:
                raise
        return await _retry_async(attempts, delay, clock, partial(function, *args, **kwargs))

    return retrying


async def _retry_async(attempts: Attempts, delay: float, clock: AsyncClock, call: Callable[[], Any]) -> Any:
    while True:
        await wait_async(clock, delay)
        try:
            return await call()
        except Exception as error:
            following = attempts.after(error)
            if following is None:
                raise
            delay = following


def _resume(coroutine: Coroutine[Any, Any, Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose first call has been made: the answer to that is this coroutine.

    So a plain function that returns a coroutine, such as a lambda around a client's method, is retried too.
    """
    first = [coroutine]

    def resumed(*args: Any, **kwargs: Any) -> Any:
        return first.pop() if first else function(*args, **kwargs)

    return resumed
