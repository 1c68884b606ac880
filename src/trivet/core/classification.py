"""Which exception is this response? A pure function from a response to an `APIError` that explains itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from trivet.core.errors import APIError, DecodingError, LocalProtocolError, error_class
from trivet.core.http.dates import parse_http_date
from trivet.core.http.retry_after import parse_retry_after
from trivet.core.http.status import REASONS
from trivet.core.http.unset import UNSET

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers
    from trivet.core.http.response import Response

MAX_JSON_BYTES: Final = 65_536
"""A longer JSON body is not parsed for a message; its beginning is read as text."""

MAX_JSON_DEPTH: Final = 32

REQUEST_ID_FIELDS: Final = (
    *("X-Request-Id", "Request-Id", "X-Amzn-RequestId", "X-Amz-Request-Id", "X-GitHub-Request-Id"),
    *("X-Ms-Request-Id", "X-Correlation-Id", "X-Trace-Id", "X-Amzn-Trace-Id", "traceparent", "CF-Ray"),
)
"""Where a request id is looked for, in this order: what the service calls it, then traces, then the edge."""

_MAX_ID_LENGTH: Final = 200
_MAX_STATUS_LENGTH: Final = 100


def classify(response: Response, *, now_wall: float | None = None, max_text: int = 2048) -> APIError | None:
    """The error that a response stands for, or None below 400.

    The message is what the server says, from the usual places of its body (see `error_message`). The content
    must have been read; without it the status alone speaks. ``now_wall`` (Unix seconds) is what an HTTP-date
    in Retry-After is measured from; without it the Date of the response is, and without both there is no
    ``retry_after``.

    >>> from trivet.core.http.response import Response
    >>> error = classify(Response(404, {"X-Request-Id": "abc123"}, b'{"error": "No user with id 7"}'))
    >>> type(error).__name__, str(error)
    ('NotFoundError', '404 Not Found: No user with id 7 (request id abc123)')
    """
    if response.status < 400:
        return None
    content = _content(response)
    document = _parse(content, response.headers)
    error = error_class(response.status)(response, _message(response, content, document, max_text))
    if document is not UNSET:
        from trivet.core.http.media_type import media_type_of
        from trivet.core.http.problem import read_problem

        error.problem = read_problem(document, media_type_of(response.headers), response.status)
    error.request_id = request_id(response.headers)
    error.retry_after = _retry_after(response.headers, now_wall)
    return error


def error_message(response: Response, *, max_text: int = 2048) -> str:
    """What went wrong in one line: the status, what the server says about it, and the request id.

    JSON is searched for the members that APIs use for messages; of HTML the title or the visible text is
    taken, of XML the element that holds the message, of plain text all. Only the first ``max_text`` bytes of
    text are looked at and at most 500 characters shown, on one line, without control characters, and with
    what looks like a secret, or is one that the request carried, masked.

    >>> from trivet.core.http.response import Response
    >>> error_message(Response(403, (), b'{"error": {"message": "The key api_key=abc is blocked"}}'))
    '403 Forbidden: The key api_key=[redacted] is blocked'
    """
    content = _content(response)
    return _message(response, content, _parse(content, response.headers), max_text)


def request_id(headers: Headers) -> str | None:
    """The server's name for the exchange: the first of `REQUEST_ID_FIELDS`, at most 200 printable characters.

    >>> from trivet.core.http.headers import Headers
    >>> request_id(Headers({"CF-Ray": "8f1", "X-Request-Id": "abc123"}))
    'abc123'
    """
    for name in REQUEST_ID_FIELDS:
        value = headers.get(name)
        if value and (shown := "".join(filter(str.isprintable, value))[:_MAX_ID_LENGTH].strip()):
            return shown
    return None


def _content(response: Response) -> bytes:
    try:
        return response.content
    except LocalProtocolError:
        return b""


def _parse(content: bytes, headers: Headers) -> Any:
    """The content as JSON, or UNSET. Many servers call JSON text/plain, so the first byte decides."""
    if not content or len(content) > MAX_JSON_BYTES:
        return UNSET
    if content[0] not in b"{[" and content[:64].lstrip()[:1] not in (b"{", b"["):
        from trivet.core.http.media_type import media_type_of

        if not media_type_of(headers).is_json:
            return UNSET
    from trivet.core.http.json import parse_json

    try:
        return parse_json(content, max_depth=MAX_JSON_DEPTH)
    except DecodingError:
        return UNSET


def _message(response: Response, content: bytes, document: Any, max_text: int) -> str:
    reason = response.reason
    message = f"{response.status} {reason}".rstrip()
    text = _said(response, content, document, max_text)
    if text or reason != REASONS.get(response.status, ""):
        from trivet.core.http.masking import beginning, excerpt

        secrets = _sent_secrets(response)
        message = excerpt(message, secrets, length=_MAX_STATUS_LENGTH)
        if text := excerpt(beginning(text, max_text), secrets):
            message = f"{message}: {text}"
    identity = request_id(response.headers)
    return message if identity is None else f"{message} (request id {identity})"


def _sent_secrets(response: Response) -> list[str]:
    from trivet.core.http.sent_secrets import sent_secrets

    try:
        return sent_secrets(response.request)
    except LocalProtocolError:
        return []  # a response made by hand belongs to no request


def _said(response: Response, content: bytes, document: Any, max_text: int) -> str:
    """What the server says beyond the status, as it says it."""
    from trivet.core.http.error_text import message_in_text, says_more

    status, reason = response.status, response.reason
    if not content:
        # A bearer token's refusal explains itself in the challenge (RFC 6750 §3).
        challenge = response.headers.get("WWW-Authenticate", "") if status in (401, 403) else ""
        found = re.search(r'error_description="([^"]*)"', challenge)
        return found[1] if found else ""
    if document is UNSET:
        return message_in_text(content, response.headers, status=status, reason=reason, max_text=max_text)
    from trivet.core.http.error_json import message_in_json

    text = message_in_json(document)
    # A problem's title is often the reason phrase (RFC 9457 §4.2.1); it need not stand there twice.
    title, colon, detail = text.partition(": ")
    if colon and not says_more(title, status, reason):
        text = detail
    return text if says_more(text, status, reason) else ""


def _retry_after(headers: Headers, now_wall: float | None) -> float | None:
    value = headers.get("Retry-After")
    if value is None:
        return None
    if now_wall is None:
        now_wall = parse_http_date(headers.get("Date", ""))
    if now_wall is None:
        # Seconds mean the same at any time.
        return parse_retry_after(value, 0.0) if value.strip().isdigit() else None
    return parse_retry_after(value, now_wall)
