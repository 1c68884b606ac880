"""What an exception says about trying again, whichever library it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trivet.core.errors import ConfigError, ConnectError, InvalidRequest, LocalProtocolError, ResponseTooLarge
from trivet.core.policies.schedule import RETRIED_STATUSES

if TYPE_CHECKING:
    from trivet.drivers.clock import Clock

# The first four would fail the same way again; the last two are how iterators say that they have ended.
_FINAL = (
    ConfigError,
    InvalidRequest,
    LocalProtocolError,
    ResponseTooLarge,
    StopIteration,
    StopAsyncIteration,
)


def is_transient(error: Exception) -> bool:
    """Whether trying again may help: what `retry` goes by when it is told nothing else.

    An error that stands for an HTTP response may be transient if its status is 408, 429, 500, 502, 503 or
    504. The status is looked for where trivet, httpx, requests, aiohttp and urllib keep it. Trivet's errors
    about a wrong request or setting never are, nor is a response that was too large or a certificate that
    does not verify; every other error may be.

    >>> from trivet.core.errors import APIError
    >>> from trivet.core.http.response import Response
    >>> is_transient(APIError(Response(503))), is_transient(APIError(Response(404))), is_transient(OSError())
    (True, False, True)
    """
    if isinstance(error, _FINAL) or (isinstance(error, ConnectError) and error.permanent):
        return False
    status = _status(error)
    # Below 300 the server was content, and whatever went wrong then is not what the status speaks of.
    return status is None or status < 300 or status in RETRIED_STATUSES


def retry_after(error: Exception, clock: Clock) -> float | None:
    """The seconds that an error says to wait before the next try, or None.

    That is a number in its attribute ``retry_after``, or else the Retry-After field (RFC 9110 §10.2.3) among
    its ``headers`` or those of its ``response``. The clock is asked only for the meaning of a date.
    """
    seconds = _attribute(error, "retry_after")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        return seconds
    headers = _attribute(_attribute(error, "response"), "headers") or _attribute(error, "headers")
    return _from_headers(headers, clock) if headers else None


def _from_headers(headers: Any, clock: Clock) -> float | None:
    from trivet.core.http.dates import parse_http_date
    from trivet.core.http.retry_after import parse_retry_after

    try:
        value, date = headers.get("Retry-After"), headers.get("Date")
    except Exception:
        # Some other object's `get`. Looking for a hint must not hide the error that is being looked at.
        return None
    if not isinstance(value, str):
        return None
    # Against the server's own Date, a date in Retry-After means the same under a wrong clock of ours.
    now = parse_http_date(date) if isinstance(date, str) else None
    return parse_retry_after(value, clock.now().wall if now is None else now)


def _status(error: Exception) -> int | None:
    response = _attribute(error, "response")
    for holder, name in ((error, "status"), (response, "status_code"), (response, "status")):
        status = _attribute(holder, name)
        if isinstance(status, int) and 100 <= status <= 599:
            return status
    return None


def _attribute(holder: object, name: str) -> Any:
    """An attribute of an object about which nothing is known; None when it has none or will not say."""
    try:
        return getattr(holder, name, None)
    except Exception:
        # httpx, for one, raises RuntimeError from properties that were never set.
        return None
