"""Log lines about calls, from the events of their traces.

The logger is ``trivet``, or the one given as ``log=``:

- INFO: a line for each request and its response, and for what happens in between (a redirect, a wait)
- WARNING: a line for each retry and each failed call
- DEBUG: the headers and the content of requests and responses, redacted

Records carry fields for structured logging, each where it makes sense: ``event`` (the name of the event),
``http_method``, ``http_url`` (redacted), ``http_status``, ``duration`` and ``delay`` (seconds), ``attempt``
(from 1), ``error`` (the name of the class).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from logging import DEBUG, INFO, WARNING
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from trivet.core.caching.events import CacheMissed, ResponseNotStored, ResponseStored, StoreFailed
from trivet.core.errors import APIError, LocalProtocolError, TrivetError
from trivet.core.exchange.trace import (
    CallFailed,
    CircuitOpened,
    ContentReceived,
    Event,
    RequestSent,
    ResponseReceived,
    RetryScheduled,
)
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.observers.details import printable, shown_headers, shown_request_content, shown_response_content

if TYPE_CHECKING:
    from trivet.core.exchange.call import Observer

Subject: TypeAlias = "Request | Response | Exception | None"

_LEVELS: Final[Mapping[type[Event], int]] = {
    RetryScheduled: WARNING,
    CallFailed: WARNING,
    CircuitOpened: WARNING,
    StoreFailed: WARNING,
    # The head's line has said it all but the content.
    ContentReceived: DEBUG,
    # A request line follows a miss, and stands before what becomes of the response.
    CacheMissed: DEBUG,
    ResponseStored: DEBUG,
    ResponseNotStored: DEBUG,
}
_FIELDS: Final[Mapping[str, str]] = {
    "http_method": "method",
    "http_url": "url",
    "http_status": "status",
    "duration": "duration",
    "delay": "delay",
    "attempt": "attempt",
    "error": "error",
}
_INDENT: Final = "\n    "


# Until the program sets up logging, the fallback of the logging module would print warnings to standard error.
logging.getLogger("trivet").addHandler(logging.NullHandler())


class LogObserver:
    """Writes log lines for the calls of one client.

    ``log``: the logger, None for ``trivet``, False for none. With ``debug`` everything is written whatever
    the level of the logger, headers and content included; if no handler is set up that would show it, one
    that writes to standard error is.

    >>> LogObserver(log=False).for_call() is None
    True
    """

    __slots__ = ("_debug", "_logger", "_warnings")

    def __init__(self, log: logging.Logger | Literal[False] | None = None, *, debug: bool = False) -> None:
        self._logger = logging.getLogger("trivet") if log is None else log or None
        self._debug = debug
        self._warnings = _Warnings(self._write)

    def for_call(self) -> Observer | None:
        """What to tell of the events of a call; None when nothing would be written, so that none is made."""
        logger = self._logger
        if logger is None or logger.disabled:
            return None
        if self._debug:
            _show(logger)
            return self._write_with_details
        if not logger.isEnabledFor(WARNING):
            return None
        if logger.isEnabledFor(DEBUG):
            return self._write_with_details
        return self._write if logger.isEnabledFor(INFO) else self._warnings

    def _write(self, event: Event, subject: Subject, /) -> None:
        level = _LEVELS.get(type(event), INFO)
        if level > DEBUG:
            message = printable(_line(event, subject))
            self._emit(level, message, _fields(event, subject))

    def _write_with_details(self, event: Event, subject: Subject, /) -> None:
        self._write(event, subject)
        details = _details(event, subject)
        if details:
            self._emit(DEBUG, details, _fields(event, subject))

    def _emit(self, level: int, message: str, fields: dict[str, Any]) -> None:
        logger = self._logger
        if logger is None or logger.manager.disable >= level:
            return
        # Not logger.log, which would ask for the level again: with debug=True this client's records pass
        # whatever it is, and it stays as it is for everybody else.
        record = logger.makeRecord(logger.name, level, __file__, 0, message, (), None, extra=fields)
        logger.handle(record)


class _Warnings:
    """Passes on what is worth a warning. Most calls have nothing of the kind, and then no event is ever made."""

    __slots__ = ("_write",)

    kinds: Final = frozenset(kind for kind, level in _LEVELS.items() if level >= WARNING)

    def __init__(self, write: Observer) -> None:
        self._write = write

    def __call__(self, event: Event, subject: Subject, /) -> None:
        if type(event) in self.kinds:
            self._write(event, subject)


def _line(event: Event, subject: Subject) -> str:
    if isinstance(event, RetryScheduled):
        return (
            f"retrying {event.method} {event.url} in {event.delay:.3g} s, "
            f"attempt {event.retry + 1} of {event.max_retries + 1}: {event.reason}"
        )
    if isinstance(event, CallFailed):
        # The message of somebody else's exception may hold anything, so the event does not repeat it.
        return str(subject) if isinstance(subject, TrivetError) else str(event)
    return str(event)


def _details(event: Event, subject: Subject) -> str:
    """The headers that came with the event and the content, as far as it is there, on several lines."""
    if isinstance(event, RequestSent) and isinstance(subject, Request):
        title, headers, content = "request", shown_headers(subject.headers), shown_request_content(subject)
    elif isinstance(event, ResponseReceived) and isinstance(subject, Response):
        # Its content has an event of its own.
        title, headers, content = "response", shown_headers(subject.headers), ""
    elif isinstance(event, ContentReceived) and isinstance(subject, Response):
        return f"response content: {shown_response_content(subject) or '<empty>'}"
    else:
        return printable(str(event)) if isinstance(event, CacheMissed | ResponseStored | ResponseNotStored) else ""
    text = _INDENT.join([f"{title} headers:", *headers]) if headers else f"{title} without headers"
    return f"{text}\n{title} content: {content}" if content else text


def _fields(event: Event, subject: Subject) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": type(event).__name__}
    for name, attribute in _FIELDS.items():
        value = getattr(event, attribute, None)
        if value is not None:
            fields[name] = value
    if isinstance(event, RetryScheduled):
        fields["attempt"] = event.retry + 1
    if isinstance(subject, TrivetError):
        if subject.method is not None and subject.url is not None:
            fields.update(http_method=subject.method, http_url=subject.url)
        if isinstance(subject, APIError):
            fields["http_status"] = subject.status
    elif isinstance(subject, Response) and isinstance(event, ResponseReceived | ContentReceived):
        try:
            fields.update(http_method=subject.request.method, http_url=subject.url.redacted)
        except LocalProtocolError:
            pass  # a response made by hand belongs to no request
    return fields


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at the time, until the program sets up logging of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        if any(handler is not self for handler in _handlers(logging.getLogger(record.name))):
            return
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            # As every handler does: a log that cannot be written must not fail the call.
            self.handleError(record)


_adding = Lock()


def _show(logger: logging.Logger) -> None:
    """Give the logger a handler if nothing would show what is written to it."""
    with _adding:
        if not _handlers(logger):
            handler = _StandardError()
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)


def _handlers(logger: logging.Logger) -> list[logging.Handler]:
    """The handlers that a record of this logger reaches; a NullHandler shows nothing and does not count."""
    found: list[logging.Handler] = []
    current: logging.Logger | None = logger
    while current is not None:
        found += (handler for handler in current.handlers if not isinstance(handler, logging.NullHandler))
        current = current.parent if current.propagate else None
    return found
