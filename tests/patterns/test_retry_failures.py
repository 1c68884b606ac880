"""What is read from errors of any library."""

from __future__ import annotations

from email.message import Message
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest

from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    CircuitOpen,
    ConfigError,
    ConnectError,
    DeadlineExceeded,
    DecodingError,
    InvalidRequest,
    LocalProtocolError,
    RateLimited,
    ReadError,
    ResponseTooLarge,
)
from trivet.core.http.headers import Headers
from trivet.core.http.response import Response
from trivet.patterns.failures import is_transient, retry_after


def permanent(error: ConnectError) -> ConnectError:
    error.permanent = True
    return error


class WithAttributes(Exception):
    """An error of some other library."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.__dict__.update(attributes)


class Shy(Exception):
    """As httpx does: a property that raises something else than AttributeError."""

    @property
    def response(self) -> Any:
        raise RuntimeError("the .response property has not been set")

    retry_after = status = headers = response


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_may_pass(status: int) -> None:
    assert is_transient(APIError(Response(status)))
    assert is_transient(WithAttributes(status=status))
    assert is_transient(WithAttributes(response=SimpleNamespace(status_code=status)))


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 404, 409, 410, 422, 451, 501, 505])
def test_statuses_that_will_not(status: int) -> None:
    assert not is_transient(APIError(Response(status)))
    # aiohttp and urllib; requests and httpx; others.
    assert not is_transient(WithAttributes(status=status))
    assert not is_transient(WithAttributes(response=SimpleNamespace(status_code=status)))
    assert not is_transient(WithAttributes(response=SimpleNamespace(status=status)))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ReadError("reset", sent=True), True),
        (ConnectError("refused", sent=False), True),
        (permanent(ConnectError("certificate", sent=False)), False),
        (AttemptTimeout("slow", sent=True), True),
        (DeadlineExceeded("spent"), True),
        (DecodingError("cut off"), True),
        (CircuitOpen("open", retry_after=1.0), True),
        (RateLimited("spent", retry_after=1.0), True),
        (ConfigError("no"), False),
        (InvalidRequest("no"), False),
        (LocalProtocolError("no"), False),
        (ResponseTooLarge("no"), False),
        (StopIteration(), False),
        (StopAsyncIteration(), False),
        (OSError(), True),
        (TimeoutError(), True),
        (ValueError(), True),
        (ExceptionGroup("several", [OSError()]), True),
        # Not the status of a response.
        (WithAttributes(status="404"), True),
        (WithAttributes(status=7), True),
        (WithAttributes(status=4040), True),
        (WithAttributes(response=None), True),
        (WithAttributes(response={"Error": {"Code": "Throttled"}}), True),
        # The response was good, what was made of it was not.
        (WithAttributes(status=200), True),
        (Shy(), True),
    ],
)
def test_other_errors(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0),
        (1.5, 1.5),
        (90, 90),
        (inf, inf),
        (10**400, 10**400),
        (-1, None),
        (nan, None),
        (True, None),
        ("5", None),
        (lambda: 5, None),
    ],
)
def test_an_attribute_in_seconds(value: Any, seconds: float | None, clock: Any) -> None:
    assert retry_after(WithAttributes(retry_after=value), clock) == seconds


def message(**fields: str) -> Message:
    headers = Message()
    for name, value in fields.items():
        headers[name.replace("_", "-")] = value
    return headers


def case_insensitive(**fields: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize("headers", [message, case_insensitive])
@pytest.mark.parametrize("place", ["response", "itself"])
@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "soon"}, None),
        ({"other": "7"}, None),
        ({}, None),
        # By our clock, it is Sun, 06 Nov 1994 08:49:37 GMT.
        ({"retry_after": "Sun, 06 Nov 1994 08:49:57 GMT"}, 20.0),
        ({"retry_after": "Sun, 06 Nov 1994 08:49:57 GMT", "date": "yesterday"}, 20.0),
        ({"retry_after": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0.0),
        # By the clock of the server, which wrote both, it is another year.
        (
            {"retry_after": "Thu, 06 Nov 2003 08:49:57 GMT", "date": "Thu, 06 Nov 2003 08:49:52 GMT"},
            5.0,
        ),
    ],
)
def test_a_field(headers: Any, place: str, fields: dict[str, str], seconds: float | None, clock: Any) -> None:
    found = headers(**fields)
    error = (
        WithAttributes(response=SimpleNamespace(headers=found))
        if place == "response"
        else WithAttributes(headers=found, response=None)
    )

    assert retry_after(error, clock) == seconds


def test_the_attribute_goes_before_the_field(clock: Any) -> None:
    error = WithAttributes(retry_after=1.0, headers={"Retry-After": "7"})

    assert retry_after(error, clock) == 1.0


@pytest.mark.parametrize(
    "headers",
    ["Retry-After: 7", [("Retry-After", "7")], {"Retry-After": 7}, {b"Retry-After": b"7"}, object()],
)
def test_headers_of_another_kind_are_no_hint(headers: Any, clock: Any) -> None:
    assert retry_after(WithAttributes(headers=headers), clock) is None


def test_errors_that_will_not_say_give_no_hint(clock: Any) -> None:
    assert retry_after(Shy(), clock) is None
    assert retry_after(OSError(), clock) is None
