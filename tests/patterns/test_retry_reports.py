"""What `retry` tells about itself: to `on_retry`, and to the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from trivet.core.errors import ReadError
from trivet.patterns.attempts import Retrying
from trivet.patterns.retry import retry_call


def test_on_retry_is_told_of_each_retry_before_the_wait(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    errors = [OSError(), ValueError()]
    told: list[tuple[Retrying, int]] = []

    run(
        flaky(*errors, "up"),
        jitter="none",
        clock=clock,
        on_retry=lambda retrying: told.append((retrying, len(clock.waits))),
    )

    (first, waits_before_first), (second, waits_before_second) = told
    assert (waits_before_first, waits_before_second) == (0, 1)
    assert first[1:] == (1, 3, 1.0, errors[0])
    assert second[1:] == (2, 3, 2.0, errors[1])


def test_on_retry_may_end_it(run: Callable[..., Any], flaky: Any, clock: Any) -> None:
    class Enough(Exception):
        pass

    def stop(retrying: Retrying) -> None:
        raise Enough from retrying.error

    error = OSError()
    with pytest.raises(Enough) as caught:
        run(flaky(error), on_retry=stop, clock=clock)

    assert caught.value.__cause__ is error
    assert clock.waits == []


def test_each_retry_is_logged_as_a_warning(
    run: Callable[..., Any], flaky: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ReadError("connection reset", sent=True, method="GET", url="https://api.example.com/")

    with caplog.at_level(logging.WARNING, "trivet"):
        run(flaky(broken, OSError("https://api.example.com/?key=hidden"), "up"), jitter="none", clock=clock)

    # asyncio and others log too, when something is amiss.
    records = [record for record in caplog.records if record.name == "trivet"]
    assert [record.levelname for record in records] == ["WARNING", "WARNING"]
    first, second = (record.getMessage() for record in records)
    assert "failed, retry 1 of 3 in 1 s: ReadError: GET https://api.example.com/: connection reset" in first
    # Nobody knows what the message of someone else's error holds.
    assert second.endswith("failed, retry 2 of 3 in 2 s: OSError")
    assert (records[1].retry, records[1].max_retries, records[1].delay, records[1].reason) == (
        2,
        3,
        2.0,
        "OSError",
    )


def test_nothing_is_logged_below_the_level(flaky: Any, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "trivet"):
        retry_call(flaky(OSError(), "up").sync(), clock=clock)

    assert caplog.records == []


def test_nothing_is_logged_where_nobody_listens(
    flaky: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without a handler, logging itself would print warnings to standard error.
    monkeypatch.setattr(logging.getLogger("trivet"), "propagate", False)

    assert retry_call(flaky(OSError(), "up").sync(), clock=clock) == "up"
    assert capsys.readouterr().err == ""


def test_logging_is_not_imported_for_it(flaky: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "logging")

    assert retry_call(flaky(OSError(), "up").sync(), clock=clock) == "up"
    assert "logging" not in sys.modules
