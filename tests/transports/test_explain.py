"""Which error an exception out of a pool becomes, one by one."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import anyio
import h2.exceptions
import h11
import httpcore
import pytest
import socksio
import trio

from trivet.core.errors import (
    AttemptTimeout,
    ConfigError,
    ConnectError,
    ConnectTimeout,
    InvalidRequest,
    ReadError,
    RemoteProtocolError,
    WriteError,
)
from trivet.transports.failures import explain, root_cause
from trivet.transports.network.operation import Operation, Step

State = Callable[[Operation], None]


def unknown(operation: Operation) -> None:
    """In a pool without our backends, or on a connection that is shared."""


def connecting(operation: Operation) -> None:
    operation.begin_connect("api.example.com:443")


def shaking_hands(operation: Operation) -> None:
    connecting(operation)
    operation.begin_handshake()


def tunnelling(operation: Operation) -> None:
    connecting(operation)
    operation.step = Step.TUNNEL


def sent(operation: Operation) -> None:
    connecting(operation)
    operation.begin_request(reused=False)


def stale(operation: Operation) -> None:
    sent(operation)
    operation.stale = True


def answered(operation: Operation) -> None:
    sent(operation)
    operation.answered = True


def reading(operation: Operation) -> None:
    answered(operation)
    operation.step = Step.CONTENT


def reconnecting(operation: Operation) -> None:
    """The pool tries again by itself, after the request had left on a first connection."""
    sent(operation)
    connecting(operation)


def caused(kind: type[Exception], *inner: object) -> Exception:
    """An exception of httpcore made from another one, as it makes them."""
    cause = OSError(*inner) if isinstance(inner[0], int) else inner[0]
    return kind(cause)


def group(*errors: OSError) -> OSError:
    """As anyio and trio report several addresses."""
    error = OSError("all attempts failed")
    error.__cause__ = ExceptionGroup("several", list(errors))
    return error


TABLE: list[tuple[State, Exception, type[Exception], str]] = [
    (unknown, httpcore.PoolTimeout(), AttemptTimeout, "no connection became free within 10 s"),
    (unknown, httpcore.ConnectTimeout(), ConnectTimeout, "no connection to the server within 2 s"),
    (connecting, httpcore.ConnectTimeout(), ConnectTimeout, "no connection to api.example.com:443 within 2 s"),
    (shaking_hands, httpcore.ConnectTimeout(), ConnectTimeout, "the TLS handshake with api.example.com:443 did not"),
    (tunnelling, httpcore.ReadTimeout(), ConnectTimeout, "the proxy api.example.com:443 opened no tunnel within 2 s"),
    (tunnelling, httpcore.WriteTimeout(), ConnectTimeout, "opened no tunnel within 2 s"),
    (connecting, caused(httpcore.ConnectError, errno.ECONNREFUSED, "x"), ConnectError, "refused by api.example.com"),
    (connecting, caused(httpcore.ConnectError, errno.ENETUNREACH, "x"), ConnectError, "there is no route to api"),
    (connecting, caused(httpcore.ConnectError, errno.EHOSTUNREACH, "x"), ConnectError, "there is no route to api"),
    (connecting, caused(httpcore.ConnectError, errno.ENOENT, "x"), ConnectError, "there is no Unix socket api"),
    (connecting, caused(httpcore.ConnectError, errno.EMFILE, "Too many"), ConnectError, "could not connect to .*: Too"),
    (connecting, httpcore.ConnectError(group(OSError(errno.ECONNREFUSED, "x"))), ConnectError, "refused by"),
    (connecting, httpcore.ConnectError(socket.gaierror(-2, "no name")), ConnectError, "could not be resolved: no name"),
    (connecting, UnicodeError("label too long"), ConnectError, "could not be resolved: label too long"),
    (connecting, httpcore.ConnectError(), ConnectError, "could not connect to api.example.com:443: ConnectError"),
    (
        shaking_hands,
        httpcore.ConnectError(ssl.SSLError(1, "wrong version")),
        ConnectError,
        "handshake .* wrong version",
    ),
    (tunnelling, httpcore.ProxyError("407 No"), ConnectError, "opened no tunnel: 407 No"),
    (tunnelling, socksio.ProtocolError("odd"), ConnectError, "opened no tunnel: odd"),
    (tunnelling, httpcore.ReadError(), ConnectError, "opened no tunnel: ReadError"),
    (tunnelling, httpcore.RemoteProtocolError("Server disconnected"), ConnectError, "opened no tunnel: Server"),
    (tunnelling, httpcore.WriteError(), ConnectError, "opened no tunnel: WriteError"),
    (sent, httpcore.ReadTimeout(), AttemptTimeout, "the server did not answer within 10 s"),
    (answered, httpcore.ReadTimeout(), AttemptTimeout, "the head of the response was not complete within 10 s"),
    (reading, httpcore.ReadTimeout(), AttemptTimeout, "the content of the response did not arrive within 10 s"),
    (sent, httpcore.WriteTimeout(), AttemptTimeout, "the request could not be written within 10 s"),
    (sent, caused(httpcore.ReadError, errno.ECONNRESET, "x"), ReadError, "the server reset the connection before it"),
    (
        answered,
        caused(httpcore.ReadError, errno.EPIPE, "x"),
        ReadError,
        "reset the connection in the middle of the head",
    ),
    (reading, httpcore.ReadError("odd"), ReadError, r"the connection broke \(odd\) in the middle of the content"),
    (sent, caused(httpcore.WriteError, errno.EPIPE, "x"), WriteError, "reset the connection while the request was"),
    (sent, ssl.SSLError(1, "bad record"), ReadError, r"the connection broke \(bad record\) before it answered"),
    (reading, anyio.BrokenResourceError(), ReadError, "the connection broke"),
    (reading, anyio.ClosedResourceError(), ReadError, "the connection broke"),
    (reading, anyio.EndOfStream(), ReadError, "the connection broke"),
    (reading, trio.BrokenResourceError("odd"), ReadError, "the connection broke"),
    (reading, trio.ClosedResourceError("odd"), ReadError, "the connection broke"),
    (
        sent,
        httpcore.RemoteProtocolError("Server disconnected without sending a response."),
        RemoteProtocolError,
        "closed",
    ),
    (stale, httpcore.RemoteProtocolError("Server disconnected"), RemoteProtocolError, "without answering"),
    (stale, httpcore.ReadError(), ReadError, "before it answered"),
    (stale, httpcore.WriteError(), WriteError, "while the request was being written"),
    (sent, httpcore.RemoteProtocolError("Receive buffer too long"), RemoteProtocolError, "the head .* is too long"),
    (sent, httpcore.RemoteProtocolError("x" * 1000), RemoteProtocolError, "broke the rules of HTTP: x{200}…$"),
    (sent, httpcore.RemoteProtocolError("two\nlines"), RemoteProtocolError, "two lines$"),
    (reading, h11.RemoteProtocolError("odd"), RemoteProtocolError, "broke the rules of HTTP: odd"),
    (reading, h2.exceptions.FrameTooLargeError("odd"), RemoteProtocolError, "broke the rules of HTTP: odd"),
    (unknown, httpcore.LocalProtocolError(h2.exceptions.ProtocolError("odd")), RemoteProtocolError, "HTTP: odd"),
    (sent, httpcore.LocalProtocolError("odd"), InvalidRequest, "the request cannot be sent: odd"),
    (sent, h11.LocalProtocolError("odd"), InvalidRequest, "the request cannot be sent: odd"),
    (unknown, httpcore.UnsupportedProtocol("odd"), InvalidRequest, "the request cannot be sent: odd"),
    (unknown, OSError(errno.ECONNRESET, "x"), ReadError, "the server reset the connection before it answered"),
    (reconnecting, caused(httpcore.ConnectError, errno.ECONNREFUSED, "x"), ConnectError, "refused"),
    (reconnecting, httpcore.ConnectTimeout(), ConnectTimeout, "no connection"),
]


def label(value: Any) -> str | None:
    if isinstance(value, Exception):
        return f"{type(value).__module__.partition('.')[0]}-{type(value).__name__}"
    return getattr(value, "__name__", "") if callable(value) else ""


@pytest.mark.parametrize(("state", "error", "kind", "message"), TABLE, ids=label)
def test_table(state: State, error: Exception, kind: type[Exception], message: str) -> None:
    operation = Operation(110.0, lambda: 100.0, 2.0)
    state(operation)
    explained: Any = explain(error, operation)
    assert type(explained) is kind
    with pytest.raises(kind, match=message):
        raise explained
    if kind is not InvalidRequest:
        # Nothing was sent where it is known, and where there was no connection to send it on.
        no_connection = issubclass(kind, ConnectError) or isinstance(error, httpcore.PoolTimeout)
        assert explained.sent is (operation.sent if operation.sent is not None else not no_connection)
        assert getattr(explained, "stale", False) is (state is stale)


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError("odd"), ConfigError("mine"), AttemptTimeout("x", sent=True)]
)
def test_what_is_left_as_it_is(error: Exception) -> None:
    assert explain(error, Operation(110.0, lambda: 100.0)) is None


def test_without_a_deadline_no_time_is_named() -> None:
    operation = Operation(float("inf"), lambda: 100.0)
    sent(operation)
    with pytest.raises(AttemptTimeout, match="^the server did not answer$"):
        raise explain(httpcore.ReadTimeout(), operation) or AssertionError


def test_the_root_of_a_cycle_is_found() -> None:
    first, second = OSError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    assert root_cause(first) in (first, second)
