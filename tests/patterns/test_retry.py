"""What `retry` does: the same for functions, coroutine functions, and functions that return coroutines."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from trivet.core.errors import APIError, ConfigError, RateLimitError
from trivet.core.http.response import Response
from trivet.patterns.retry import retry, retry_call


def test_success_is_returned_at_once(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    function = flaky("up")

    assert run(function, clock=clock) == "up"
    assert function.calls == 1
    assert clock.waits == []


def test_it_is_called_again_until_it_works(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    function = flaky(OSError("1"), ValueError("2"), KeyError("3"), "up")

    assert run(function, jitter="none", clock=clock) == "up"
    assert clock.waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, [1.0, 2.0, 4.0, 8.0]),
        ({"base_delay": 0.5}, [0.5, 1.0, 2.0, 4.0]),
        ({"max_delay": 3.0}, [1.0, 2.0, 3.0, 3.0]),
        ({"factor": 1.0}, [1.0, 1.0, 1.0, 1.0]),
        ({"base_delay": 2, "factor": 10, "max_delay": 150}, [2.0, 20.0, 150.0, 150.0]),
    ],
)
def test_the_waits(
    run: Callable[..., Any], flaky: Any, clock: Any, options: dict[str, Any], waits: list[float]
) -> None:
    function = flaky(*[OSError()] * 4, "up")

    run(function, max_retries=4, jitter="none", clock=clock, **options)

    assert clock.waits == waits


def test_waits_are_spread_by_the_rng_that_is_given(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    run(flaky(*[OSError()] * 3, "up"), rng=random.Random(7), clock=clock)

    expected = random.Random(7)
    assert clock.waits == [expected.uniform(0, 1), expected.uniform(0, 2), expected.uniform(0, 4)]


def test_decorrelated_waits_follow_each_other(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    run(flaky(*[OSError()] * 3, "up"), jitter="decorrelated", rng=random.Random(7), clock=clock)

    expected = random.Random(7)
    first = expected.uniform(1, 3)
    second = expected.uniform(1, 3 * first)
    assert clock.waits == [first, second, expected.uniform(1, 3 * second)]


def test_without_an_rng_the_waits_still_differ(flaky: Any, clock: Any) -> None:
    retry_call(flaky(*[OSError()] * 10, "up").sync(), max_retries=10, factor=1.0, clock=clock)

    assert len(set(clock.waits)) > 1
    assert all(0 <= wait <= 1.0 for wait in clock.waits)


def test_in_the_end_the_last_error_itself_is_raised(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    errors = [OSError(str(number)) for number in range(4)]
    function = flaky(*errors)

    with pytest.raises(OSError, match="3") as caught:
        run(function, jitter="none", clock=clock)

    assert caught.value is errors[3]
    assert function.calls == 4
    assert caught.value.__notes__ == ["retry gave up after 4 attempts and 7 s of waiting: no retries are left"]
    # The errors before it are not its context: they are other failures, already dealt with.
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_traceback_leads_into_the_function(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    with pytest.raises(OSError, match="down") as caught:
        run(flaky(OSError("down"), OSError("down")), max_retries=1, clock=clock)

    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "play"


def test_no_retries(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    function = flaky(OSError("down"))

    with pytest.raises(OSError, match="down") as caught:
        run(function, max_retries=0, clock=clock)

    assert function.calls == 1
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize(
    ("options", "error", "retried"),
    [
        # By default: whatever may pass.
        ({}, OSError(), True),
        ({}, ValueError(), True),
        ({}, APIError(Response(503)), True),
        ({}, APIError(Response(404)), False),
        ({}, ConfigError("no"), False),
        # Classes are taken at their word, with their subclasses.
        ({"exceptions": OSError}, ConnectionResetError(), True),
        ({"exceptions": (OSError, KeyError)}, KeyError(), True),
        ({"exceptions": (OSError, KeyError)}, ValueError(), False),
        ({"exceptions": APIError}, APIError(Response(404)), True),
        ({"exceptions": ()}, OSError(), False),
        # A predicate decides alone …
        ({"retry_if": lambda error: True}, APIError(Response(404)), True),
        ({"retry_if": lambda error: False}, OSError(), False),
        # … or has the last word.
        ({"exceptions": OSError, "retry_if": lambda error: error.errno == 1}, OSError(1, ""), True),
        ({"exceptions": OSError, "retry_if": lambda error: error.errno == 1}, OSError(2, ""), False),
        ({"exceptions": OSError, "retry_if": lambda error: True}, ValueError(), False),
    ],
)
def test_which_errors_are_retried(
    run: Callable[..., Any], flaky: Any, clock: Any, options: dict[str, Any], error: Exception, retried: bool
) -> None:
    function = flaky(error, "up")

    if retried:
        assert run(function, clock=clock, **options) == "up"
    else:
        with pytest.raises(type(error)) as caught:
            run(function, clock=clock, **options)
        assert caught.value is error
        assert not hasattr(error, "__notes__")
    assert function.calls == 1 + retried


def test_an_error_that_is_not_retried_may_come_later(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    with pytest.raises(ValueError, match="wrong") as caught:
        run(flaky(OSError(), ValueError("wrong")), exceptions=OSError, jitter="none", clock=clock)

    assert caught.value.__notes__ == ["retry gave up after 2 attempts and 1 s of waiting: this error is not retried"]


class Leave(BaseException):
    pass


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Leave])
@pytest.mark.parametrize("before", [0, 1])
def test_what_is_not_an_exception_passes_through(
    flaky: Any, clock: Any, kind: type[BaseException], before: int
) -> None:
    sync, coroutine = (flaky(*[OSError()] * before, kind(), "never") for _ in range(2))

    with pytest.raises(kind):
        retry_call(sync.sync(), clock=clock)
    with pytest.raises(kind):
        # By hand: an event loop makes something else of some of these.
        retry(clock=clock)(coroutine.coroutine())().send(None)

    assert sync.calls == coroutine.calls == before + 1


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(0.2, [1.0, 2.0]), (1.5, [1.5, 2.0]), (30.0, [30.0, 30.0]), (60.0, [60.0, 60.0])],
)
def test_retry_after_is_a_floor(
    run: Callable[..., Any], flaky: Any, clock: Any, asked: float, waits: list[float]
) -> None:
    error = RateLimitError(Response(429))
    error.retry_after = asked

    run(flaky(error, error, "up"), jitter="none", clock=clock)

    assert clock.waits == waits


def test_a_retry_after_that_is_too_long_ends_it_at_once(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    error = RateLimitError(Response(429))
    error.retry_after = 61.0

    with pytest.raises(RateLimitError) as caught:
        run(flaky(error), clock=clock)

    assert clock.waits == []
    assert caught.value.__notes__ == ["retry gave up at once: the server asks for a longer wait than max_retry_after"]


def test_the_longest_retry_after_is_an_option(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    error = RateLimitError(Response(429))
    error.retry_after = 500.0

    assert run(flaky(error, "up"), max_retry_after=500.0, clock=clock) == "up"
    assert clock.waits == [500.0]


@pytest.mark.parametrize(
    ("timeout", "takes", "waits", "note"),
    [
        # Attempts of 2 s and waits of 1, 2 and 4 s: they begin at 0, 3, 7 and 13.
        (100.0, 2.0, [1.0, 2.0, 4.0], "after 4 attempts and 7 s of waiting: no retries are left"),
        (13.1, 2.0, [1.0, 2.0, 4.0], "after 4 attempts and 7 s of waiting: no retries are left"),
        (13.0, 2.0, [1.0, 2.0], "after 3 attempts and 3 s of waiting: the next attempt could not start"),
        (7.0, 2.0, [1.0], "after 2 attempts and 1 s of waiting: the next attempt could not start"),
        (1.0, 2.0, [], "at once: the next attempt could not start before the deadline"),
        (0, 0.0, [], "at once: the next attempt could not start before the deadline"),
    ],
)
def test_no_retry_begins_after_the_timeout(
    run: Callable[..., Any],
    flaky: Any,
    clock: Any,
    timeout: float,
    takes: float,
    waits: list[float],
    note: str,
) -> None:
    function = flaky(*[OSError("down")] * 4, takes=takes, clock=clock)
    # The error is one object here, so its notes would add up over the attempts if there were more than one.
    with pytest.raises(OSError, match="down") as caught:
        run(function, timeout=timeout, jitter="none", clock=clock)

    assert clock.waits == waits
    assert len(caught.value.__notes__) == 1
    assert caught.value.__notes__[0].startswith(f"retry gave up {note}")


def test_a_retry_after_beyond_the_timeout_ends_it_at_once(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    error = RateLimitError(Response(429))
    error.retry_after = 10.0

    with pytest.raises(RateLimitError):
        run(flaky(error), timeout=5.0, clock=clock)

    assert clock.waits == []
