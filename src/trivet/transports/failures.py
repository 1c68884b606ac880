"""What Trivet raises for what comes out of a pool.

Exceptions are recognised by the names of their classes, as httpcore and httpcore2 have them; whatever their
network layers let through unmapped (sockets, TLS, anyio, trio, h11, h2, socksio) is recognised as well.
Anything else is a defect, and not hidden.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from math import isfinite
from typing import Final, cast

from trivet.core.errors import (
    AttemptTimeout,
    ConnectError,
    ConnectTimeout,
    InvalidRequest,
    ReadError,
    RemoteProtocolError,
    TrivetError,
    WriteError,
)
from trivet.transports.network.operation import Operation, Step

_TEXT_LIMIT = 200


def explain(error: Exception, operation: Operation) -> TrivetError | None:
    """The error to raise for one out of a pool that worked on the operation; None: propagate it as it is."""
    if isinstance(error, TrivetError):
        return None
    for kind in type(error).__mro__:
        library = kind.__module__.partition(".")[0]
        handler = _HANDLERS.get((library if library not in _ENGINES else "httpcore", kind.__name__))
        handler = handler or _LIBRARIES.get(library)
        if handler is not None:
            return handler(error, operation)
    if isinstance(error, OSError):
        return _broken(error, operation)
    if isinstance(error, UnicodeError) and operation.step is Step.CONNECT:
        # A name with a label too long for IDNA.
        return _connect_error(error, operation)
    return None


def root_cause(error: BaseException) -> BaseException:
    """The exception at the bottom: what the operating system or OpenSSL said.

    Down the chain lead ``__cause__``, the members of a group, and what an exception was made from, which is
    where httpcore keeps it. Not ``__context__``: that is also what the caller happened to be handling.
    """
    for _ in range(10):
        inner = error.__cause__
        if inner is None:
            made_from = _members(error) or error.args
            inner = made_from[0] if made_from and isinstance(made_from[0], BaseException) else None
        if inner is None:
            break
        error = inner
    return error


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))


def _may_be_sent(operation: Operation) -> bool:
    """Whether the server may have seen any of the request: unless it is known that it has not."""
    return operation.sent is not False


# Failures before there is a connection: unless the request left on an earlier one, nothing was sent.


def _queue_timeout(error: Exception, operation: Operation) -> TrivetError:
    return AttemptTimeout(
        f"no connection became free{_within(operation.deadline - operation.began)}", sent=bool(operation.sent)
    )


def _connect_timeout(error: Exception, operation: Operation) -> TrivetError:
    peer = operation.peer
    allowed = operation.deadline - operation.began
    if operation.connect_timeout is not None and (operation.limit < operation.deadline or operation.step is Step.QUEUE):
        allowed = min(allowed, operation.connect_timeout)
    seconds = _within(allowed)
    if operation.step is Step.HANDSHAKE:
        message = f"the TLS handshake with {peer} did not finish{seconds}"
    elif operation.step is Step.TUNNEL:
        message = f"the proxy {peer} opened no tunnel{seconds}"
    else:
        message = f"no connection to {peer}{seconds}"
    return ConnectTimeout(message, sent=bool(operation.sent))


def _connect_error(error: Exception, operation: Operation) -> TrivetError:
    failure = ConnectError(_why_no_connection(error, operation), sent=bool(operation.sent))
    # A certificate that does not verify now will not in a moment.
    failure.permanent = _verification(root_cause(error)) is not None
    return failure


def _verification(cause: BaseException) -> str | None:
    """What OpenSSL has against the peer's certificate."""
    return getattr(cause, "verify_message", None)


def _why_no_connection(error: Exception, operation: Operation) -> str:
    cause = root_cause(error)
    peer = operation.peer
    if verification := _verification(cause):
        return f"certificate verify failed: {verification.rstrip('.')}"
    if type(cause).__name__ == "gaierror" or isinstance(cause, UnicodeError):
        return f"the name of {peer} could not be resolved: {_text(cause)}"
    if operation.step is Step.HANDSHAKE:
        return f"the TLS handshake with {peer} failed: {_text(cause)}"
    if operation.step is Step.TUNNEL:
        return f"the proxy {peer} opened no tunnel: {_text(cause)}"
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return f"connection refused by {peer}"
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"there is no route to {peer}"
    if number == errno.ENOENT:
        return f"there is no Unix socket {peer}"
    return f"could not connect to {peer}: {_text(cause)}"


def _proxy_error(error: Exception, operation: Operation) -> TrivetError:
    return ConnectError(f"the proxy {operation.peer} opened no tunnel: {_text(error)}", sent=bool(operation.sent))


# Failures of the exchange.


def _read_timeout(error: Exception, operation: Operation) -> TrivetError:
    if operation.sent is False:
        return _connect_timeout(error, operation)
    if operation.step is Step.CONTENT:
        message = f"the content of the response did not arrive{_within(operation.deadline - operation.began)}"
    elif operation.answered:
        message = f"the head of the response was not complete{_within(operation.deadline - operation.began)}"
    else:
        message = f"the server did not answer{_within(operation.deadline - operation.began)}"
    return AttemptTimeout(message, sent=True)


def _write_timeout(error: Exception, operation: Operation) -> TrivetError:
    if operation.sent is False:
        return _connect_timeout(error, operation)
    return AttemptTimeout(f"the request could not be written{_within(operation.deadline - operation.began)}", sent=True)


def _broken(error: Exception, operation: Operation) -> TrivetError:
    """The connection broke while it was read from, or in a way that does not tell."""
    if operation.sent is False:
        return _connect_error(error, operation)
    return ReadError(f"{_how_it_broke(error)} {_where(operation)}", sent=True, stale=operation.stale)


def _write_error(error: Exception, operation: Operation) -> TrivetError:
    if operation.sent is False:
        return _connect_error(error, operation)
    message = f"{_how_it_broke(error)} while the request was being written"
    return WriteError(message, sent=True, stale=operation.stale)


def _how_it_broke(error: Exception) -> str:
    cause = root_cause(error)
    number = cause.errno if isinstance(cause, OSError) else None
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return "the server reset the connection"
    text = _text(cause)
    return f"the connection broke ({text})" if text else "the connection broke"


def _where(operation: Operation) -> str:
    if operation.step is Step.CONTENT:
        return "in the middle of the content"
    return "in the middle of the head of the response" if operation.answered else "before it answered"


def _protocol_error(error: Exception, operation: Operation) -> TrivetError:
    text = str(error)
    if operation.step is Step.TUNNEL and operation.sent is False:
        return ConnectError(f"the proxy {operation.peer} opened no tunnel: {_text(error)}", sent=False)
    if "without sending a response" in text or text == "Server disconnected":
        where = "without answering" if not operation.answered else _where(operation)
        message = f"the server closed the connection {where}"
    elif text.startswith("peer closed connection without sending complete message body"):
        detail = text.partition("body")[2]
        message = f"the server closed the connection before the content was complete{detail}"
    elif text == "Receive buffer too long":
        message = "the head of the response is too long"
    else:
        message = f"the server broke the rules of HTTP: {_text(error)}"
    return RemoteProtocolError(message, sent=_may_be_sent(operation), stale=operation.stale)


def _local_protocol_error(error: Exception, operation: Operation) -> TrivetError:
    if error.args and type(error.args[0]).__module__.partition(".")[0] == "h2":
        # httpcore blames whatever h2 objects to while it waits for the head on this side.
        return _protocol_error(error, operation)
    return InvalidRequest(f"the request cannot be sent: {_text(error)}")


def _within(seconds: float) -> str:
    if not isfinite(seconds):
        return ""
    # A limit of half a second was set a moment before the clock was read: 0.4997 s says less.
    text = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
    return f" within {text.rstrip('0').rstrip('.')} s"


def _text(error: BaseException) -> str:
    """What an exception says, in one line of bounded length."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"


_Handler = Callable[[Exception, Operation], TrivetError]

_ENGINES: Final = frozenset({"httpcore", "httpcore2"})

_HANDLERS: Final[dict[tuple[str, str], _Handler]] = {
    ("httpcore", "PoolTimeout"): _queue_timeout,
    ("httpcore", "ConnectTimeout"): _connect_timeout,
    ("httpcore", "ReadTimeout"): _read_timeout,
    ("httpcore", "WriteTimeout"): _write_timeout,
    ("httpcore", "ConnectError"): _connect_error,
    ("httpcore", "ReadError"): _broken,
    ("httpcore", "WriteError"): _write_error,
    ("httpcore", "ProxyError"): _proxy_error,
    ("httpcore", "RemoteProtocolError"): _protocol_error,
    ("httpcore", "LocalProtocolError"): _local_protocol_error,
    ("httpcore", "UnsupportedProtocol"): _local_protocol_error,
    ("h11", "RemoteProtocolError"): _protocol_error,
    ("h11", "LocalProtocolError"): _local_protocol_error,
    ("anyio", "BrokenResourceError"): _broken,
    ("anyio", "ClosedResourceError"): _broken,
    ("anyio", "EndOfStream"): _broken,
    ("trio", "BrokenResourceError"): _broken,
    ("trio", "ClosedResourceError"): _broken,
}

_LIBRARIES: Final[dict[str, _Handler]] = {
    "h2": _protocol_error,
    "hpack": _protocol_error,
    "hyperframe": _protocol_error,
    "socksio": _proxy_error,
}
