"""The hostile server does what its scripts say, and no more."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

from servers.hostile import (
    Hostile,
    Peer,
    close,
    drip,
    half_close,
    hang,
    read_head,
    read_request,
    read_to_end,
    repeat,
    reset,
    send,
    signal,
    start_tls,
    wait_for,
)
from servers.tls import Authority

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(server: Hostile) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10.0)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_connections_play_their_scripts_and_the_last_script_serves_the_rest(hostile) -> None:
    server = hostile([send(b"first")], [send(b"later")])
    answers = []
    for _ in range(3):
        with connect(server) as connection:
            answers.append(read_all(connection))
    assert answers == [b"first", b"later", b"later"]
    assert server.connections == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"Content-Length: 5\r\n", b"transfer-encoding: chunked\r\n"],
    ids=["none", "length", "chunked"],
)
def test_read_request_notes_the_whole_request(hostile, content: bytes) -> None:
    server = hostile([repeat(read_request, send(b"ok"))])
    body = {b"": b"", b"C": b"hello", b"t": b"5\r\nhello\r\n0\r\n\r\n"}[content[:1]]
    request = b"POST / HTTP/1.1\r\n" + content + b"\r\n" + body
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(2) == b"ok"
    assert server.requests == [request, request]


def test_drip_sends_every_byte(hostile) -> None:
    server = hostile([read_head, drip(b"0123456789", interval=0.001, size=3)])
    with connect(server) as connection:
        connection.sendall(REQUEST)
        assert read_all(connection) == b"0123456789"
    assert server.requests == [REQUEST]


def test_reset_resets(hostile) -> None:
    server = hostile([read_head, send(b"half"), reset])
    with connect(server) as connection:
        connection.sendall(REQUEST)
        server.wait_until(lambda: server.connections == 1 and server.open == 0)
        with pytest.raises(ConnectionResetError):
            read_all(connection)


def test_close_ends_the_script(hostile) -> None:
    server = hostile([close, send(b"never")])
    with connect(server) as connection:
        assert read_all(connection) == b""


def test_half_close_goes_on_reading(hostile) -> None:
    server = hostile([half_close, read_head])
    with connect(server) as connection:
        assert read_all(connection) == b""
        connection.sendall(REQUEST)
        server.wait_until(lambda: server.requests == [REQUEST])


def test_hang_lasts_until_release(hostile) -> None:
    reached = threading.Event()
    server = hostile([signal(reached), hang, send(b"at last")])
    with connect(server) as connection:
        assert reached.wait(10.0)
        server.release()
        assert read_all(connection) == b"at last"


def test_wait_for_lasts_until_the_event(hostile) -> None:
    event = threading.Event()
    server = hostile([wait_for(event), send(b"now")])
    with connect(server) as connection:
        event.set()
        assert read_all(connection) == b"now"


@pytest.mark.parametrize("step", [hang, wait_for(threading.Event()), read_to_end, drip(b"x" * 10, interval=60.0)])
def test_stop_ends_every_wait(step) -> None:
    reached = threading.Event()
    server = Hostile([signal(reached), step])
    with connect(server):
        assert reached.wait(10.0)
        server.stop()
    assert server.open == 0


def test_a_client_that_leaves_is_noticed(hostile) -> None:
    server = hostile([read_to_end])
    with connect(server):
        server.wait_until(lambda: server.open == 1)
    server.wait_until(lambda: server.open == 0)


def test_tls_is_a_step(hostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), read_head, send(b"secret")])
    context = tls.client_context()
    with context.wrap_socket(connect(server), server_hostname="localhost") as connection:
        connection.sendall(REQUEST)
        # The script ends without the close_notify that TLS asks for.
        assert connection.recv(6) == b"secret"
        with pytest.raises(ssl.SSLEOFError):
            connection.unwrap()


def test_a_step_that_fails_is_reported_by_stop() -> None:
    def broken(peer: Peer) -> None:
        raise LookupError("no such thing")

    server = Hostile([broken])
    with connect(server) as connection:
        assert read_all(connection) == b""
    with pytest.raises(ExceptionGroup, match="steps of a hostile server failed") as caught:
        server.stop()
    assert isinstance(caught.value.exceptions[0], LookupError)


def test_a_server_needs_a_script() -> None:
    with pytest.raises(ValueError, match="script"):
        Hostile()
