"""Log lines: which, at what level, with what fields, and with nothing secret in them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from trivet.core.errors import ConnectError, InvalidRequest, NotFoundError, ReadError
from trivet.core.exchange.trace import (
    AttemptFailed,
    AuthRefreshed,
    CallFailed,
    CircuitClosed,
    CircuitOpened,
    ContentReceived,
    Event,
    RateLimitWaited,
    RedirectFollowed,
    RequestSent,
    ResponseReceived,
    RetryRefused,
    RetryScheduled,
    StaleConnectionReplaced,
)
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.observers.logging import LogObserver, Subject

URL = "https://api.example.com/users"

SENT = RequestSent(0.0, 1, "GET", URL)
RECEIVED = ResponseReceived(0.12, 1, 200, "OK", 0.12)
READ = ContentReceived(0.2, 1, 200, "OK", 0.2, 9)
SCHEDULED = RetryScheduled(0.2, "GET", URL, 1, 3, 0.5, "503 Service Unavailable")

REQUEST = Request("GET", URL, {"Accept": "application/json"})
RESPONSE = Response(200, {"Content-Type": "application/json"}, b'{"id": 7}', request=REQUEST)
UNREAD = Response(200, {"Content-Type": "application/json"}, body=object(), request=REQUEST)


class CacheWarmed:
    """An event of a user's own policy."""

    at = 0.0

    def __str__(self) -> str:
        return "warmed\nthe cache"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger of the library, as a program finds it, and left so."""
    logger = logging.getLogger("trivet")
    found = logger.handlers[:]
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.disabled = False
    logger.propagate = True
    logger.handlers[:] = found


@contextmanager
def nothing_set_up() -> Iterator[logging.Logger]:
    """The root logger without the handlers of the test runner, which adds them when a test begins."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers


def tell(observer: LogObserver, event: Event, subject: Subject = None) -> None:
    """What the exchange does, when there is anybody to tell."""
    told = observer.for_call()
    if told is not None:
        told(event, subject)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the record has beyond any other."""
    plain = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
    return {name: value for name, value in record.__dict__.items() if name not in {*plain, "message"}}


# Lines and levels

ERROR = NotFoundError(Response(404, request=REQUEST), "404 Not Found: no user")

LINES: list[tuple[Event, Subject, int, str, dict[str, Any]]] = [
    (
        SENT, REQUEST, logging.INFO, f"→ GET {URL}",
        {"event": "RequestSent", "http_method": "GET", "http_url": URL, "attempt": 1},
    ),
    (
        RECEIVED, UNREAD, logging.INFO, "← 200 OK (0.12 s)",
        {"event": "ResponseReceived", "http_method": "GET", "http_url": URL, "http_status": 200,
         "duration": 0.12, "attempt": 1},
    ),
    (
        RECEIVED, Response(200), logging.INFO, "← 200 OK (0.12 s)",
        {"event": "ResponseReceived", "http_status": 200, "duration": 0.12, "attempt": 1},
    ),
    (
        AttemptFailed(0.3, 2, "ReadError", "cut off"), ReadError("cut off", sent=True, method="GET", url=URL),
        logging.INFO, "✗ ReadError: cut off",
        {"event": "AttemptFailed", "http_method": "GET", "http_url": URL, "attempt": 2, "error": "ReadError"},
    ),
    (
        SCHEDULED, REQUEST, logging.WARNING,
        f"retrying GET {URL} in 0.5 s, attempt 2 of 4: 503 Service Unavailable",
        {"event": "RetryScheduled", "http_method": "GET", "http_url": URL, "delay": 0.5, "attempt": 2},
    ),
    (
        RetryRefused(0.3, "POST is not idempotent"), None, logging.INFO,
        "not retried: POST is not idempotent", {"event": "RetryRefused"},
    ),
    (
        RedirectFollowed(0.3, 302, "GET", f"{URL}/7"), RESPONSE, logging.INFO, f"302 redirect to GET {URL}/7",
        {"event": "RedirectFollowed", "http_method": "GET", "http_url": f"{URL}/7", "http_status": 302},
    ),
    (
        StaleConnectionReplaced(0.3), ConnectError("closed", sent=False), logging.INFO,
        "the kept connection was closed by the server: sent again at once",
        {"event": "StaleConnectionReplaced"},
    ),
    (
        CircuitOpened(0.3, "https://api.example.com", 30.0), None, logging.WARNING,
        "circuit to https://api.example.com opened for 30 s", {"event": "CircuitOpened"},
    ),
    (
        CircuitClosed(0.3, "https://api.example.com"), None, logging.INFO,
        "circuit to https://api.example.com closed", {"event": "CircuitClosed"},
    ),
    (
        RateLimitWaited(0.3, 0.25), None, logging.INFO, "held back for 0.25 s by the rate limit",
        {"event": "RateLimitWaited", "delay": 0.25},
    ),
    (AuthRefreshed(0.3), None, logging.INFO, "credentials renewed", {"event": "AuthRefreshed"}),
    (
        CallFailed(0.3, "NotFoundError", "404 Not Found: no user"), ERROR, logging.WARNING,
        f"GET {URL}: 404 Not Found: no user",
        {"event": "CallFailed", "http_method": "GET", "http_url": URL, "http_status": 404,
         "error": "NotFoundError"},
    ),
    (
        CallFailed(0.3, "InvalidRequest", "odd"), InvalidRequest("odd"), logging.WARNING, "odd",
        {"event": "CallFailed", "error": "InvalidRequest"},
    ),
    (
        CallFailed(0.3, "KeyError", "raised by the flow"), KeyError("hunter2"), logging.WARNING,
        "✗ failed with KeyError: raised by the flow", {"event": "CallFailed", "error": "KeyError"},
    ),
    (CacheWarmed(), None, logging.INFO, "warmed\\nthe cache", {"event": "CacheWarmed"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "subject", "level", "line", "extra"), LINES, ids=[type(line[0]).__name__ for line in LINES]
)
def test_an_event_is_a_line(
    event: Event,
    subject: Subject,
    level: int,
    line: str,
    extra: dict[str, Any],
    logger: logging.Logger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger.setLevel(logging.INFO)
    tell(LogObserver(), event, subject)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("trivet", level, line)
    assert fields(record) == extra


def test_the_content_is_no_line_of_its_own(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.setLevel(logging.INFO)
    tell(LogObserver(), READ, RESPONSE)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("event", "subject", "level", "line", "extra"), LINES, ids=[type(line[0]).__name__ for line in LINES]
)
def test_at_warning_only_warnings_are_written(
    event: Event,
    subject: Subject,
    level: int,
    line: str,
    extra: dict[str, Any],
    logger: logging.Logger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger.setLevel(logging.WARNING)
    tell(LogObserver(), event, subject)
    assert [record.getMessage() for record in caplog.records] == ([line] if level == logging.WARNING else [])


# Details


@pytest.mark.parametrize(
    ("event", "subject", "text"),
    [
        (SENT, REQUEST, "request headers:\n    Accept: application/json"),
        (SENT, Request("GET", URL), "request without headers"),
        (
            SENT,
            Request("POST", URL, {"Content-Type": "application/json"}, b'{"a": 1}'),
            'request headers:\n    Content-Type: application/json\nrequest content: {"a": 1}',
        ),
        (
            SENT,
            Request("POST", URL, {"Content-Length": "7"}, Stream(lambda: iter([b"1234567"]), length=7)),
            "request headers:\n    Content-Length: 7\nrequest content: <stream of 7 bytes>",
        ),
        (RECEIVED, UNREAD, "response headers:\n    Content-Type: application/json"),
        (
            RECEIVED,
            RESPONSE,
            "response headers:\n    Content-Type: application/json",
        ),
        (READ, RESPONSE, 'response content: {"id": 7}'),
        (READ, Response(204), "response content: <empty>"),
    ],
)
def test_details_are_written_at_debug(
    event: Event, subject: Subject, text: str, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.setLevel(logging.DEBUG)
    tell(LogObserver(), event, subject)
    record = caplog.records[-1]
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, text)
    assert fields(record)["event"] == type(event).__name__
    # The line that is written at INFO comes first, if there is one.
    assert [each.levelno for each in caplog.records[:-1]] == ([] if event is READ else [logging.INFO])


@pytest.mark.parametrize("event", [SENT, RECEIVED, READ, SCHEDULED])
def test_without_a_subject_there_are_no_details(
    event: Event, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.setLevel(logging.DEBUG)
    tell(LogObserver(), event, None)
    assert [record for record in caplog.records if record.levelno == logging.DEBUG] == []


# Who is told, and where it goes


def test_nobody_is_told_when_nothing_would_be_written(logger: logging.Logger) -> None:
    logger.setLevel(logging.ERROR)
    assert LogObserver().for_call() is None
    logger.setLevel(logging.WARNING)
    assert LogObserver().for_call() is not None
    assert LogObserver(log=False).for_call() is None
    assert LogObserver(log=False, debug=True).for_call() is None
    logger.disabled = True
    assert LogObserver().for_call() is None
    assert LogObserver(debug=True).for_call() is None


def test_the_level_counts_when_the_call_begins(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    observer = LogObserver()
    logger.setLevel(logging.ERROR)
    tell(observer, SCHEDULED, REQUEST)
    logger.setLevel(logging.INFO)
    tell(observer, SENT, REQUEST)
    assert [record.getMessage() for record in caplog.records] == [f"→ GET {URL}"]


def test_a_logger_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    own = logging.getLogger("billing.http")
    own.setLevel(logging.INFO)
    tell(LogObserver(own), SENT, REQUEST)
    own.setLevel(logging.NOTSET)
    assert [record.name for record in caplog.records] == ["billing.http"]


@pytest.mark.parametrize("level", [logging.NOTSET, logging.WARNING, logging.CRITICAL])
def test_debug_writes_everything_whatever_the_level(
    level: int, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.setLevel(level)
    handlers = logger.handlers[:]
    observer = LogObserver(debug=True)
    tell(observer, SENT, REQUEST)
    tell(observer, RECEIVED, UNREAD)
    tell(observer, READ, RESPONSE)
    tell(observer, SCHEDULED, REQUEST)
    assert [record.levelname for record in caplog.records] == [
        "INFO", "DEBUG", "INFO", "DEBUG", "DEBUG", "WARNING",
    ]  # fmt: skip
    assert logger.level == level
    assert logger.handlers == handlers


def test_logging_that_is_switched_off_stays_off(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logging.disable(logging.INFO)
    try:
        tell(LogObserver(debug=True), SENT, REQUEST)
        tell(LogObserver(debug=True), SCHEDULED, REQUEST)
    finally:
        logging.disable(logging.NOTSET)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_filters_of_the_logger_count(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    def only_retries(record: logging.LogRecord) -> bool:
        return bool(fields(record)["event"] == "RetryScheduled")

    logger.addFilter(only_retries)
    try:
        tell(LogObserver(debug=True), SENT, REQUEST)
        tell(LogObserver(debug=True), SCHEDULED, REQUEST)
    finally:
        logger.removeFilter(only_retries)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_debug_shows_itself_where_logging_is_not_set_up(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.addHandler(logging.NullHandler())
    with nothing_set_up():
        for _ in range(3):
            tell(LogObserver(debug=True), SENT, REQUEST)
    shown = capsys.readouterr().err
    assert shown.count(f"INFO → GET {URL}\n") == 3
    assert shown.count("DEBUG request headers:\n    Accept: application/json\n") == 3


def test_debug_is_quiet_once_logging_is_set_up(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    with nothing_set_up() as root:
        tell(LogObserver(debug=True), SENT, REQUEST)
        before = capsys.readouterr().err
        root.addHandler(logging.StreamHandler(sys.stdout))
        tell(LogObserver(debug=True), SENT, REQUEST)
        after = capsys.readouterr()
    assert f"→ GET {URL}" in before
    assert f"→ GET {URL}" in after.out
    assert after.err == ""


def test_a_logger_that_does_not_propagate_needs_a_handler_of_its_own(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.propagate = False
    tell(LogObserver(debug=True), SENT, REQUEST)
    assert f"→ GET {URL}" in capsys.readouterr().err


def test_a_standard_error_that_cannot_be_written_fails_no_call(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise ValueError("closed")

    monkeypatch.setattr(sys, "stderr", Closed())
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with nothing_set_up():
        tell(LogObserver(debug=True), SENT, REQUEST)
    assert len([handler for handler in logger.handlers if not isinstance(handler, logging.NullHandler)]) == 1


# Secrets

SECRET = "hunter2-Xyzzy"
SECRET_URL = f"https://api.example.com/users?access_token={SECRET}"
PLANTED: dict[str, tuple[Event, Subject]] = {
    "url": (RequestSent(0.0, 1, "GET", Request("GET", SECRET_URL).url.redacted), Request("GET", SECRET_URL)),
    "authorization": (SENT, Request("GET", URL, {"Authorization": f"Bearer {SECRET}"})),
    "cookie": (SENT, Request("GET", URL, {"Cookie": f"sid={SECRET}"})),
    "unheard-of header": (SENT, Request("GET", URL, {"X-Mine": SECRET})),
    "referer": (SENT, Request("GET", URL, {"Referer": SECRET_URL})),
    "json": (
        SENT,
        Request("POST", URL, {"Content-Type": "application/json"}, json.dumps({"a": [{"pin": SECRET}]}).encode()),
    ),
    "form": (
        SENT,
        Request(
            "POST", URL, {"Content-Type": "application/x-www-form-urlencoded"}, f"a=b&client_secret={SECRET}".encode()
        ),
    ),
    "text": (SENT, Request("POST", URL, {"Content-Type": "text/plain"}, f"password={SECRET}".encode())),
    "set-cookie": (RECEIVED, Response(200, {"Set-Cookie": f"sid={SECRET}"}, request=REQUEST)),
    "location": (RECEIVED, Response(302, {"Location": f"{URL}?code={SECRET}"}, request=REQUEST)),
    "response json": (
        READ,
        Response(200, {"Content-Type": "application/json"}, json.dumps({"token": SECRET}).encode(), request=REQUEST),
    ),
    "echo": (
        READ,
        Response(
            200, {"Content-Type": "application/json"}, json.dumps({"data": f"<{SECRET}>"}).encode(),
            request=Request("GET", URL, {"Authorization": f"Bearer {SECRET}"}),
        ),
    ),
    "foreign error": (CallFailed(0.3, "KeyError", "raised by the flow"), KeyError(SECRET)),
}  # fmt: skip


@pytest.mark.parametrize(("event", "subject"), PLANTED.values(), ids=PLANTED)
def test_no_secret_is_written(
    event: Event, subject: Subject, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.setLevel(logging.DEBUG)
    tell(LogObserver(), event, subject)
    assert caplog.records
    for record in caplog.records:
        assert SECRET not in record.getMessage()
        assert SECRET not in repr(record.__dict__)


def test_no_line_is_forged(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.setLevel(logging.INFO)
    tell(LogObserver(), ResponseReceived(0.1, 1, 200, "OK\r\n\x1b[31mINFO forged", 0.1), RESPONSE)
    (record,) = caplog.records
    assert record.getMessage() == "← 200 OK\\r\\n\\x1b[31mINFO forged (0.1 s)"
