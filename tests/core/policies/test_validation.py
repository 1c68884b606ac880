from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from trivet.core.errors import ConfigError
from trivet.core.policies.validation import require_choice, require_count, require_number


@pytest.mark.parametrize("value", [0, 0.0, 1, 2.5, 1e300, 10**300])
def test_numbers_that_are_fine(value: float) -> None:
    require_number("Backoff(base=", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "Backoff(base=-1) must be a finite number of seconds, 0 or more"),
        (-0.001, "Backoff(base=-0.001) must be a finite number of seconds, 0 or more"),
        (inf, "Backoff(base=inf) must be a finite number of seconds, 0 or more"),
        (nan, "Backoff(base=nan) must be a finite number of seconds, 0 or more"),
        ("1", "Backoff(base='1') must be a number of seconds, not str"),
        (None, "Backoff(base=None) must be a number of seconds, not NoneType"),
        (True, "Backoff(base=True) must be a number of seconds, not bool"),
    ],
)
def test_numbers_that_are_not(value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_number("Backoff(base=", value)
    assert str(caught.value) == message


def test_an_int_that_no_float_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a finite number"):
        require_number("Backoff(base=", 10**400)


def test_the_minimum_and_the_unit_are_told() -> None:
    require_number("Backoff(factor=", 1.0, minimum=1.0)
    with pytest.raises(ConfigError) as caught:
        require_number("Backoff(factor=", 0.5, minimum=1.0, unit="number")
    assert str(caught.value) == "Backoff(factor=0.5) must be a finite number, 1 or more"


@pytest.mark.parametrize("value", [0, 1, 10**30])
def test_counts_that_are_fine(value: int) -> None:
    require_count("Retry(max_retries=", value)


@pytest.mark.parametrize("value", [-1, 1.0, "3", None, True, inf])
def test_counts_that_are_not(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        require_count("Retry(max_retries=", value)
    assert str(caught.value) == f"Retry(max_retries={value!r}) must be a whole number, 0 or more"


def test_choices() -> None:
    require_choice("Backoff(jitter=", "full", ("full", "none"))
    with pytest.raises(ConfigError) as caught:
        require_choice("Backoff(jitter=", "some", ("full", "none"))
    assert str(caught.value) == "Backoff(jitter='some') must be one of 'full', 'none'"
