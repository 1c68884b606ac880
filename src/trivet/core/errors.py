"""Every exception that Trivet raises.

::

    TrivetError
    ├── ConfigError               a setting is missing or makes no sense
    ├── InvalidRequest            this request cannot be sent (also a ValueError)
    ├── LocalProtocolError        an exchange or a response was used out of turn
    ├── TransportError            the network failed: .sent .stale
    │   ├── ConnectError          no connection was made
    │   │   └── ConnectTimeout    … within the time allowed (also an AttemptTimeout)
    │   ├── ReadError             the connection broke while reading
    │   ├── WriteError            the connection broke while writing
    │   └── RemoteProtocolError   the peer broke the rules of HTTP
    ├── AttemptTimeout            one attempt ran out of time: .sent (also a TimeoutError)
    ├── DeadlineExceeded          the whole call ran out of time: .sent (also a TimeoutError)
    ├── DecodingError             the content is not what it claims to be (also a ValueError)
    ├── ResponseTooLarge          a limit on what a response may hold was passed
    ├── CircuitOpen               the circuit breaker refused to send: .retry_after
    ├── RateLimited               our own rate limit refused to send: .retry_after
    └── APIError                  a response said no: .status .response .problem .request_id .retry_after
        ├── RedirectError         3xx that may not be followed
        ├── BadRequestError       400
        ├── AuthenticationError   401
        │   └── PermissionDeniedError  403
        ├── NotFoundError         404
        ├── ConflictError         409
        ├── UnprocessableError    422
        ├── RateLimitError        429
        └── ServerError           5xx

Every error pickles and copies, says what happened in a message that is never empty, names the method and
the URL when they are known, and shows no secret: a URL is kept as redacted text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from trivet.core.exchange.trace import Trace
    from trivet.core.http.problem import Problem
    from trivet.core.http.response import Response

E = TypeVar("E", bound="TrivetError")


class TrivetError(Exception):
    """The base of every error that Trivet raises.

    ``message`` says what happened; ``method`` and ``url`` (redacted text) say to which request, when that
    is known; ``trace`` is the record of the call, when there was one.

        >>> print(TrivetError("the peer hung up", method="GET", url="https://api.example.com/users"))
        GET https://api.example.com/users: the peer hung up
    """

    # Defaults on the class keep a subclass usable whose own __init__ forgets to call this one.
    message: str = ""
    method: str | None = None
    url: str | None = None
    _trace: Trace | None = None
    _default_message: ClassVar[str] = "the call failed"

    def __init__(self, message: str, *, method: str | None = None, url: str | None = None) -> None:
        if not message or message.isspace():
            message = self._default_message
        super().__init__(message)
        self.message = message
        self.locate(method, url)

    def locate(self, method: str | None, url: str | None) -> None:
        """Note which request failed. What is known already stays: who knew first was closest to the cause."""
        if self.method is None and method is not None:
            self.method = method
        if self.url is None and url is not None:
            # A URL object knows how to hide its own secrets; plain text has been redacted by whoever made it.
            self.url = getattr(url, "redacted", url)

    @property
    def trace(self) -> Trace | None:
        """The record of the call that ended in this error; None when it failed before there was one."""
        return self._trace

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._trace = trace

    def __str__(self) -> str:
        message = self.message or self._default_message
        if self.method is None or self.url is None:
            return message
        return f"{self.method} {self.url}: {message}"

    def __copy__(self: E) -> E:
        duplicate = _rebuild(type(self), self.args)
        duplicate.__dict__.update(self.__dict__)
        return duplicate

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), _picklable(self.__dict__)


def _rebuild(kind: type[E], args: tuple[Any, ...]) -> E:
    """An error of this class without a call of its ``__init__``, whose parameters only the subclass knows."""
    error = kind.__new__(kind, *args)
    error.args = args  # OSError.__new__ leaves them to OSError.__init__
    return error


def _picklable(state: dict[str, Any]) -> dict[str, Any]:
    """The part of an error's state that can be pickled; an open file attached by a user, say, is left out."""
    import io
    import pickle

    class Probe(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            # What an error holds may lead back to it. Probing it again from its own __reduce__ would never
            # end, so inside a probe an error is taken as it is.
            if isinstance(obj, TrivetError):
                return _rebuild, (type(obj), obj.args), obj.__dict__
            return NotImplemented

    kept: dict[str, Any] = {}
    for name, value in state.items():
        try:
            Probe(io.BytesIO()).dump(value)
        except Exception:
            # Whatever a foreign object raises here (TypeError, PicklingError, its own), it stays behind.
            continue
        kept[name] = value
    return kept


class ConfigError(TrivetError):
    """A setting is missing, malformed or contradicts another one. Nothing was sent."""

    _default_message = "the configuration is not valid"


class InvalidRequest(TrivetError, ValueError):
    """This request cannot be sent as it stands: a bad URL, method, field or body. Nothing was sent."""

    _default_message = "the request is not valid"


class LocalProtocolError(TrivetError):
    """An object was used in a way its state does not allow, such as the text of an unread response."""

    _default_message = "not allowed in this state"


class TransportError(TrivetError):
    """The network, or the peer on it, failed before a whole response had arrived.

    ``sent``: may the server have seen any of the request? ``stale``: a kept-alive connection turned out to
    be closed before the first byte of a response, which RFC 9112 §9.3.1 allows to be tried again.
    """

    sent: bool = True
    stale: bool = False
    _default_message = "the connection failed"

    def __init__(
        self,
        message: str,
        *,
        sent: bool,
        stale: bool = False,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        # By name: under ConnectTimeout the next class in line is AttemptTimeout, which takes no `stale`.
        TrivetError.__init__(self, message, method=method, url=url)
        self.sent = sent
        self.stale = stale


class ConnectError(TransportError):
    """No connection was made: the name did not resolve, the peer refused, or TLS failed.

    ``permanent``: trying again would end the same way, as with a certificate that cannot be verified.
    """

    permanent: bool = False

    _default_message = "could not connect"


class ReadError(TransportError):
    """The connection broke while the response was being read."""

    _default_message = "the connection broke while reading"


class WriteError(TransportError):
    """The connection broke while the request was being written."""

    _default_message = "the connection broke while writing"


class RemoteProtocolError(TransportError):
    """The peer sent something that is not HTTP, or closed in the middle of a message (RFC 9112 §8)."""

    _default_message = "the peer broke the HTTP protocol"


class AttemptTimeout(TrivetError, TimeoutError):
    """One attempt ran out of time. ``sent``: may the server have seen any of the request?"""

    sent: bool = True
    _default_message = "the attempt timed out"

    def __init__(self, message: str, *, sent: bool, method: str | None = None, url: str | None = None) -> None:
        TrivetError.__init__(self, message, method=method, url=url)
        self.sent = sent


class ConnectTimeout(ConnectError, AttemptTimeout):
    """No connection was made within the time allowed for it."""

    _default_message = "connecting timed out"


class DeadlineExceeded(TrivetError, TimeoutError):
    """The total time of the call is spent, waits and retries included.

    ``sent``: may the server have seen any of the request?
    """

    sent: bool = False
    _default_message = "the deadline of the call has passed"

    def __init__(self, message: str, *, sent: bool = False, method: str | None = None, url: str | None = None) -> None:
        super().__init__(message, method=method, url=url)
        self.sent = sent


class DecodingError(TrivetError, ValueError):
    """The content cannot be decoded: a broken content coding, charset, JSON text, or the wrong shape."""

    _default_message = "the content could not be decoded"


class ResponseTooLarge(TrivetError):
    """The response passed one of the `Limits` and was abandoned."""

    _default_message = "the response is too large"


class CircuitOpen(TrivetError):
    """The circuit breaker is open, so nothing was sent. ``retry_after``: seconds until it lets a call try."""

    retry_after: float | None = None
    _default_message = "the circuit breaker is open"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message, method=method, url=url)
        self.retry_after = retry_after


class RateLimited(TrivetError):
    """Our own rate limit has no room in time, so nothing was sent. ``retry_after``: seconds until it has."""

    retry_after: float = 0.0
    _default_message = "the rate limit of this client is spent"

    def __init__(self, message: str, *, retry_after: float, method: str | None = None, url: str | None = None) -> None:
        super().__init__(message, method=method, url=url)
        self.retry_after = retry_after


class APIError(TrivetError):
    """A response that says no.

    ``status`` and ``response`` are what came back and ``message`` is what the server said about it;
    ``problem`` is the parsed problem of RFC 9457, ``request_id`` the server's name for the exchange and
    ``retry_after`` the seconds it asked us to wait (RFC 9110 §10.2.3). `classify` fills the last three.
    """

    status: int
    response: Response
    problem: Problem | None = None
    request_id: str | None = None
    retry_after: float | None = None
    _default_message = "the server refused the request"

    def __init__(self, response: Response, message: str | None = None) -> None:
        super().__init__(message or f"{response.status} {response.reason}".rstrip())
        self.status = response.status
        self.response = response
        try:
            request = response.request
        except LocalProtocolError:
            return  # a response made by hand belongs to no request
        self.locate(request.method, request.url)

    @property
    def trace(self) -> Trace | None:
        """The record of the call; that of the response when the error was raised without one of its own."""
        if self._trace is not None:
            return self._trace
        # A response that could not be pickled is missing from the copy.
        response: Response | None = self.__dict__.get("response")
        return response.trace if response is not None else None

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._trace = trace


class RedirectError(APIError):
    """A redirect that may not be followed: one too many, from https to http, or a body that is gone."""


class BadRequestError(APIError):
    """400 Bad Request (RFC 9110 §15.5.1)."""


class AuthenticationError(APIError):
    """401 Unauthorized (RFC 9110 §15.5.2): the credentials are missing or not valid."""


class PermissionDeniedError(AuthenticationError):
    """403 Forbidden (RFC 9110 §15.5.4): the credentials are not enough."""


class NotFoundError(APIError):
    """404 Not Found (RFC 9110 §15.5.5)."""


class ConflictError(APIError):
    """409 Conflict (RFC 9110 §15.5.10)."""


class UnprocessableError(APIError):
    """422 Unprocessable Content (RFC 9110 §15.5.21)."""


class RateLimitError(APIError):
    """429 Too Many Requests (RFC 6585 §4)."""


class ServerError(APIError):
    """5xx: the server knows that it failed (RFC 9110 §15.6)."""


_CLASSES: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitError,
}


def error_class(status: int) -> type[APIError]:
    """The class of error for a status code.

    >>> error_class(404).__name__, error_class(503).__name__, error_class(418).__name__
    ('NotFoundError', 'ServerError', 'APIError')
    """
    if status >= 500:
        return ServerError
    if 300 <= status < 400:
        return RedirectError
    return _CLASSES.get(status, APIError)
