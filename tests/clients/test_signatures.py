"""The two clients say the same, and say what the documentation says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import trivet
from trivet.clients.asynchronous import RawAsyncClient
from trivet.clients.options import BodyOptions, CallOptions, ClientOptions
from trivet.clients.streams import AsyncOpenResponse, OpenResponse
from trivet.clients.sync import RawClient

VERBS = ("get", "head", "options", "delete", "post", "put", "patch", "request")
PAIRS = [(trivet.Client, trivet.AsyncClient), (RawClient, RawAsyncClient), (OpenResponse, AsyncOpenResponse)]
RENAMED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def public(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in found]


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_the_same_names(sync: type, asynchronous: type) -> None:
    assert {RENAMED.get(name, name) for name in public(sync)} == public(asynchronous)
    for name, renamed in RENAMED.items():
        assert hasattr(sync, name) == hasattr(asynchronous, renamed)


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_the_same_signatures_and_docstrings(sync: type, asynchronous: type) -> None:
    compared = 0
    for name in sorted(public(sync) | {"__init__"}):
        one, other = getattr(sync, name), getattr(asynchronous, RENAMED.get(name, name))
        if callable(one) and name != "__init__":
            assert parameters(one) == parameters(other), name
            compared += 1
        elif name == "__init__" and sync is trivet.Client:
            assert parameters(one) == parameters(other), name
    assert compared > 3


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_verb_takes(verb: str) -> None:
    names = set(inspect.signature(getattr(trivet.Client, verb)).parameters)
    assert {"target", "into", *CallOptions.__annotations__} <= names
    has_content = verb in ("post", "put", "patch", "request")
    assert ({"json", *BodyOptions.__annotations__} <= names) == has_content


def test_what_a_client_takes() -> None:
    names = set(inspect.signature(trivet.Client).parameters)
    assert names == {"base_url", *ClientOptions.__annotations__}


def test_an_unknown_option_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'timout'; did you mean 'timeout'\?"):
        trivet.Client("https://api.example.com", timout=3)  # type: ignore[call-arg]  # the mistake under test
    client = trivet.Client("https://api.example.com")
    with pytest.raises(TypeError, match=r"get\(\) got an unexpected keyword argument 'param'; did you mean 'params'"):
        client.get("/", param={})  # type: ignore[call-overload]  # the mistake under test
    with pytest.raises(TypeError, match="'nonsense'$"):
        client.get("/", nonsense=1)  # type: ignore[call-overload]  # the mistake under test
