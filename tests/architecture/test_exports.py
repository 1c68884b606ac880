"""What is public is there, is listed, and says what it does."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from architecture.source import modules

# The packages that export names; from the others one imports modules.
PACKAGES = [name for name, module in modules().items() if module.is_package and module.defines("__all__")]

PUBLIC = {
    "trivet": """
        Client AsyncClient Config Timeout Retry Backoff Limits
        Auth BearerAuth APIKeyAuth BasicAuth OAuth2ClientCredentials
        Request Response Headers URL Flow sleep retry retry_call
        TrivetError ConfigError InvalidRequest LocalProtocolError
        TransportError ConnectError ReadError WriteError RemoteProtocolError
        DeadlineExceeded AttemptTimeout ConnectTimeout DecodingError ResponseTooLarge CircuitOpen RateLimited
        APIError BadRequestError AuthenticationError PermissionDeniedError NotFoundError ConflictError
        UnprocessableError RateLimitError ServerError RedirectError
    """,
    "trivet.core": """
        Exchange Done Instant Action Flow SendRequest ReadBody CloseBody SleepUntil Park Slot Policy Stage
        Request Response Headers URL build_request classify sleep
    """,
}


def members(thing: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class itself defines."""
    for name, value in vars(thing).items():
        value = getattr(value, "__func__", value)
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield name, value


def is_documented(thing: type) -> bool:
    # A dataclass without a docstring is given its signature for one.
    return bool(thing.__doc__) and not thing.__doc__.startswith(f"{thing.__name__}(")


@pytest.mark.parametrize("name", PACKAGES)
def test_exports_exist(name: str) -> None:
    package = importlib.import_module(name)
    exported = package.__all__
    assert len(set(exported)) == len(exported)
    assert [each for each in exported if not hasattr(package, each)] == []
    assert set(exported) <= set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_documented(name: str) -> None:
    package = importlib.import_module(name)
    silent = []
    for export in package.__all__:
        thing = getattr(package, export)
        if inspect.isclass(thing) and thing.__module__.startswith("trivet"):
            if not is_documented(thing):
                silent.append(export)
            silent += [
                f"{export}.{each}" for each, value in members(thing) if not inspect.getdoc(getattr(thing, each, value))
            ]
        elif inspect.isfunction(thing) and not thing.__doc__:
            silent.append(export)
    assert silent == []


@pytest.mark.parametrize(("package", "names"), PUBLIC.items(), ids=list(PUBLIC))
def test_the_names_that_programs_are_written_against(package: str, names: str) -> None:
    assert sorted(set(names.split()) - set(importlib.import_module(package).__all__)) == []
