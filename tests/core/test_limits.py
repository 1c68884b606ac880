"""Limits: what is accepted, and how a mistake is named."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from typing import Any

import pytest

from trivet.core.errors import ConfigError
from trivet.core.limits import DEFAULT_LIMITS, Limits

NAMES = [field.name for field in dataclasses.fields(Limits)]
MAY_BE_ZERO = {"max_idle", "idle_timeout", "max_codings", "max_interim", "max_drain"}
MAY_BE_NONE = {"max_per_origin"}


def test_the_defaults_are_those_of_the_design() -> None:
    assert dataclasses.asdict(DEFAULT_LIMITS) == {
        "max_connections": 100,
        "max_per_origin": None,
        "max_idle": 20,
        "idle_timeout": 60.0,
        "max_content": 100 * 1024 * 1024,
        "max_codings": 5,
        "max_header_bytes": 64 * 1024,
        "max_fields": 128,
        "max_interim": 16,
        "max_line": 1024 * 1024,
        "max_drain": 64 * 1024,
        "max_json_depth": 500,
        "max_error_text": 2048,
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_set(name: str) -> None:
    assert getattr(Limits(**{name: 7}), name) == 7


@pytest.mark.parametrize("name", NAMES)
def test_zero_is_accepted_where_it_means_something(name: str) -> None:
    if name in MAY_BE_ZERO:
        assert getattr(Limits(**{name: 0}), name) == 0
    else:
        with pytest.raises(ConfigError, match=rf"^Limits: {name} takes a whole number from 1( or None)?, not 0$"):
            Limits(**{name: 0})


@pytest.mark.parametrize("name", NAMES)
def test_none_is_accepted_where_it_means_something(name: str) -> None:
    if name in MAY_BE_NONE:
        assert getattr(Limits(**{name: None}), name) is None
    else:
        with pytest.raises(ConfigError, match=rf"^Limits: {name} takes .*, not None$"):
            Limits(**{name: None})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, True, "7", math.nan, math.inf, [7]])
def test_anything_else_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^Limits: {name} takes "):
        Limits(**{name: value})


def test_seconds_may_have_a_fraction_and_counts_may_not() -> None:
    assert Limits(idle_timeout=0.5).idle_timeout == 0.5
    with pytest.raises(ConfigError, match=r"max_idle takes a whole number from 0, not 0\.5$"):
        Limits(max_idle=0.5)  # type: ignore[arg-type]  # the mistake is the point


def test_the_message_says_where_none_is_accepted() -> None:
    with pytest.raises(ConfigError) as caught:
        Limits(max_connections=0, max_per_origin=0)
    assert caught.value.message == (
        "Limits: max_connections takes a whole number from 1, not 0; "
        "max_per_origin takes a whole number from 1 or None, not 0"
    )


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Limits(max_fields=0, max_line=-5, idle_timeout=-1.0)
    assert caught.value.message == (
        "Limits: idle_timeout takes a finite number of seconds from 0, not -1.0; "
        "max_fields takes a whole number from 1, not 0; max_line takes a whole number from 1, not -5"
    )


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        Limits(max_line="x" * 1000)  # type: ignore[arg-type]  # the mistake is the point
    assert len(caught.value.message) < 120


def test_they_are_frozen_and_take_names_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_LIMITS.max_idle = 1  # type: ignore[misc]  # the mistake is the point
    with pytest.raises(TypeError):
        Limits(10)  # type: ignore[call-arg]  # the mistake is the point


def test_they_copy_and_pickle() -> None:
    limits = Limits(max_idle=3)
    assert pickle.loads(pickle.dumps(limits)) == copy.copy(limits) == limits != DEFAULT_LIMITS
