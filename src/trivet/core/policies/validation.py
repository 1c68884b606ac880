"""Checks of settings: one wording for what every policy says about a number it cannot use."""

from __future__ import annotations

from collections.abc import Sequence
from sys import float_info
from typing import Any

from trivet.core.errors import ConfigError


def require_number(name: str, value: Any, *, minimum: float = 0.0, unit: str = "number of seconds") -> None:
    """Raise `ConfigError` unless ``value`` is a finite number of at least ``minimum``.

    ``name`` is the setting as its user writes it, up to the value.

    >>> require_number("Backoff(base=", -1)
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: Backoff(base=-1) must be a finite number of seconds, 0 or more
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name}{value!r}) must be a {unit}, not {type(value).__name__}")
    # The upper bound also refuses infinity, NaN, and an int that no float can hold.
    if not minimum <= value <= float_info.max:
        raise ConfigError(f"{name}{value!r}) must be a finite {unit}, {minimum:g} or more")


def require_count(name: str, value: Any, *, minimum: int = 0) -> None:
    """Raise `ConfigError` unless ``value`` is an int of at least ``minimum``.

    >>> require_count("Retry(max_retries=", 2.5)
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: Retry(max_retries=2.5) must be a whole number, 0 or more
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigError(f"{name}{value!r}) must be a whole number, {minimum} or more")


def require_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `ConfigError` unless ``value`` is one of the choices.

    >>> require_choice("Backoff(jitter=", "some", ("full", "none"))
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: Backoff(jitter='some') must be one of 'full', 'none'
    """
    if value not in choices:
        raise ConfigError(f"{name}{value!r}) must be one of {', '.join(map(repr, choices))}")
