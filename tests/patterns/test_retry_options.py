"""The options of `retry` that make no sense, and the switch that turns the waits off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from trivet.core.errors import ConfigError
from trivet.patterns.retry import retry, retry_call
from trivet.patterns.waiting import no_waiting


def test_no_waiting_skips_the_waits(run: Callable[..., Any], flaky: Any) -> None:
    function = flaky(OSError(), OSError(), "up")

    # An hour each, by the clocks of the runtimes themselves.
    with no_waiting():
        assert run(function, base_delay=3600.0, max_delay=3600.0, jitter="none") == "up"

    assert function.calls == 3


def test_no_waiting_ends_with_its_block(flaky: Any, clock: Any) -> None:
    with no_waiting():
        with no_waiting():
            pass
        retry_call(flaky(OSError(), "up").sync(), jitter="none", clock=clock)
    assert clock.waits == []

    with contextlib.suppress(KeyError), no_waiting():
        raise KeyError
    retry_call(flaky(OSError(), "up").sync(), jitter="none", clock=clock)
    assert clock.waits == [1.0]


def test_no_waiting_changes_no_decision(flaky: Any) -> None:
    with no_waiting(), pytest.raises(OSError, match="down") as caught:
        retry_call(flaky(OSError("down")).sync(), base_delay=60.0, jitter="none", timeout=30.0)

    assert "could not start before the deadline" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_retries": -1}, "retry(max_retries=-1) must be a whole number, 0 or more"),
        ({"max_retries": None}, "retry(max_retries=None) must be a whole number, 0 or more"),
        ({"base_delay": -1}, "retry(base_delay=-1) must be a finite number of seconds, 0 or more"),
        ({"max_delay": "1"}, "retry(max_delay='1') must be a number of seconds, not str"),
        ({"factor": 0.5}, "retry(factor=0.5) must be a finite number, 1 or more"),
        (
            {"jitter": True},
            "retry(jitter=True) must be one of 'full', 'equal', 'proportional', 'decorrelated', 'none'",
        ),
        ({"timeout": -0.1}, "retry(timeout=-0.1) must be a finite number of seconds, 0 or more"),
        ({"max_retry_after": None}, "retry(max_retry_after=None) must be a number of seconds, not NoneType"),
        (
            {"exceptions": KeyboardInterrupt},
            "retry(exceptions=…) takes subclasses of Exception, not <class 'KeyboardInterrupt'>",
        ),
        (
            {"exceptions": (OSError, BaseException)},
            "retry(exceptions=…) takes subclasses of Exception, not <class 'BaseException'>",
        ),
        (
            {"exceptions": [OSError]},
            "retry(exceptions=…) takes subclasses of Exception, not [<class 'OSError'>]",
        ),
        ({"exceptions": "OSError"}, "retry(exceptions=…) takes subclasses of Exception, not 'OSError'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    for use in (lambda: retry(**options), lambda: retry_call(print, **options)):
        with pytest.raises(ConfigError) as caught:
            use()
        assert str(caught.value) == message


@pytest.mark.parametrize("name", ["retry_if", "on_retry"])
def test_callbacks_are_plain_functions(name: str) -> None:
    async def callback(error: object) -> bool:
        raise AssertionError

    with pytest.raises(ConfigError) as caught:
        retry(**{name: callback})  # type: ignore[arg-type]  # the mistake under test
    assert str(caught.value) == f"retry({name}=…) must be a plain function, not a coroutine function"
