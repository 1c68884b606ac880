from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from trivet.core.exchange.actions import (
    Action,
    CloseBody,
    Invoke,
    Park,
    ReadBody,
    SendRequest,
    SleepUntil,
    StoreAction,
)
from trivet.core.exchange.call import CurrentCall
from trivet.core.exchange.slot import Slot
from trivet.core.http.request import Request

BODY = object()
REQUEST = Request("GET", "https://api.example.com/users")
SLOT = Slot()

ACTIONS: list[tuple[Callable[[], Action[Any]], str]] = [
    (lambda: SendRequest(REQUEST, 5.0, 1.0), "request"),
    (lambda: ReadBody(BODY, 5.0), "body"),
    (lambda: CloseBody(BODY), "body"),
    (lambda: SleepUntil(2.0), "when"),
    (lambda: Park(SLOT, 3.0), "slot"),
    (lambda: Invoke(print), "function"),
]


@pytest.mark.parametrize("make", [make for make, _ in ACTIONS] + [CurrentCall])
def test_an_action_yields_itself_once_and_returns_the_reply(make: Callable[[], Action[Any]]) -> None:
    action = make()
    steps = iter(action)

    assert next(steps) is action
    with pytest.raises(StopIteration) as stop:
        steps.send("the reply")
    assert stop.value.value == "the reply"


@pytest.mark.parametrize(("make", "field"), ACTIONS)
def test_actions_are_frozen_values(make: Callable[[], Action[Any]], field: str) -> None:
    action = make()

    assert action == make()
    assert action is not make()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(action, field, None)
    with pytest.raises((AttributeError, TypeError)):
        action.note = "slots keep slips of the pen out"  # type: ignore[attr-defined]  # the point of the test


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SleepUntil(1.0), SleepUntil(2.0)),
        (CloseBody(BODY), CloseBody(object())),
        (CloseBody(BODY), ReadBody(BODY)),
        (ReadBody(BODY, 1.0), ReadBody(BODY, 2.0)),
        (Park(SLOT), Park(Slot())),
    ],
)
def test_actions_that_differ(one: Action[Any], other: Action[Any]) -> None:
    assert one != other


def test_what_is_left_out_is_no_limit() -> None:
    assert SendRequest(REQUEST).deadline == inf
    assert SendRequest(REQUEST).connect_timeout is None
    assert ReadBody(BODY).deadline == inf
    assert Park(SLOT).until == inf


def test_an_action_can_be_yielded_again() -> None:
    action = SleepUntil(1.0)

    assert [next(iter(action)), next(iter(action))] == [action, action]


def test_the_repr_of_an_action_shows_no_secret() -> None:
    request = Request("GET", "https://api.example.com/users?token=s3cr3t", {"Authorization": "Bearer s3cr3t"})

    assert "s3cr3t" not in repr(SendRequest(request))


def test_a_store_action_must_say_what_it_does() -> None:
    for ask in (lambda action: action.instant, StoreAction.perform):
        with pytest.raises(NotImplementedError):
            ask(StoreAction[None]())
