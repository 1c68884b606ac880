"""A server that misbehaves to order: each connection plays a script of steps over a bare socket.

    server = hostile([read_head, send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nhalf"), reset])

The first connection plays the first script, the second the second, and all further ones the last. A step is a
function of the `Peer`, so a test can write one of its own. When a script ends, the connection is closed.

Nothing here sleeps by the clock alone: every wait ends at once when the server stops, and a test that needs
to know how far the server is waits for it with `wait_until`, or for an event that the script sets with
`signal`.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

PATIENCE = 10.0


class EndOfScript(Exception):
    """Raised by a step to leave the script, and the connection, as it is."""


class Peer:
    """The server's side of one connection, which the steps of a script work on."""

    def __init__(self, server: Hostile, connection: socket.socket) -> None:
        self.server = server
        self.socket = connection
        self._buffer = b""

    def read_more(self) -> None:
        """Take in what comes next; `ConnectionError` if the client has closed."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the client has closed the connection")
        self._buffer += data

    def read_through(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self.read_more()
        head, _, self._buffer = self._buffer.partition(end)
        return head + end

    def read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self.read_more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the server runs, whose stop ends the script."""
        if self.server.stopping.wait(seconds):
            raise EndOfScript


Step: TypeAlias = Callable[[Peer], None]
Script: TypeAlias = Sequence[Step]


def read_head(peer: Peer) -> None:
    """Read a request up to the end of its header section, and note it."""
    peer.server.note_request(peer.read_through(b"\r\n\r\n"))


def read_request(peer: Peer) -> None:
    """Read a request with its content, framed by Content-Length or chunked, and note all of it as it came."""
    request = peer.read_through(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in request.split(b"\r\n")[1:-2])
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        size = -1
        while size != 0:
            line = peer.read_through(b"\r\n")
            size = int(line, 16)
            request += line + peer.read_exactly(size + 2)
    else:
        request += peer.read_exactly(int(fields.get(b"content-length", 0)))
    peer.server.note_request(request)


def read_to_end(peer: Peer) -> None:
    """Read, and throw away, until the client closes the connection."""
    while peer.socket.recv(65536):
        pass


def send(data: bytes) -> Step:
    return lambda peer: peer.socket.sendall(data)


def drip(data: bytes, *, interval: float = 0.01, size: int = 1) -> Step:
    """Send `size` bytes at a time, with `interval` seconds after each piece."""

    def step(peer: Peer) -> None:
        for start in range(0, len(data), size):
            peer.socket.sendall(data[start : start + size])
            peer.sleep(interval)

    return step


def hang(peer: Peer) -> None:
    """Do nothing until the test calls `release`."""
    peer.server.released.wait()
    peer.sleep(0)


def wait_for(event: threading.Event) -> Step:
    """Do nothing until the test sets the event."""

    def step(peer: Peer) -> None:
        peer.server.wake_at_stop(event)
        event.wait()
        peer.sleep(0)

    return step


def signal(event: threading.Event) -> Step:
    """Tell the test, which waits for the event, that the script has come this far."""
    return lambda peer: event.set()


def start_tls(context: ssl.SSLContext) -> Step:
    """Do the server's part of a TLS handshake; what follows is encrypted."""

    def step(peer: Peer) -> None:
        peer.socket = context.wrap_socket(peer.socket, server_side=True)

    return step


def half_close(peer: Peer) -> None:
    """Say that nothing more will be sent, and go on reading; under TLS, without the due close_notify."""
    socket.socket.shutdown(peer.socket, socket.SHUT_WR)


def close(peer: Peer) -> None:
    """Close the connection. If the client has sent what was not read, the system resets it instead."""
    peer.socket.close()
    raise EndOfScript


def reset(peer: Peer) -> None:
    """Close the connection with a TCP reset: SO_LINGER with a time of nought."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()
    raise EndOfScript


def repeat(*steps: Step) -> Step:
    """Play the steps again and again, until the client closes the connection."""

    def step(peer: Peer) -> None:
        while not peer.server.stopping.is_set():
            for each in steps:
                each(peer)

    return step


class Hostile:
    """The running server.

    `requests` holds what the reading steps have noted, `connections` counts those accepted so far, and `open`
    those that are not closed yet.
    """

    def __init__(self, *scripts: Script) -> None:
        if not scripts:
            raise ValueError("a hostile server needs a script to play")
        self._scripts = scripts
        self._changed = threading.Condition()
        self._peers: dict[Peer, threading.Thread] = {}
        self._failures: list[Exception] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.released = threading.Event()
        self._wake_at_stop = [self.released]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://localhost:{self.port}"
        self._waker, self._wake = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="hostile-acceptor")
        self._acceptor.start()

    @property
    def open(self) -> int:
        with self._changed:
            return len(self._peers)

    def release(self) -> None:
        """Let the connections that hang go on with their scripts."""
        self.released.set()

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition, which may look at this server, holds; fail if it never does."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), "the server never came to the awaited state"

    def stop(self) -> None:
        """Close every connection and wait for every thread; raise what went wrong in the scripts."""
        with self._changed:
            self.stopping.set()
            for event in self._wake_at_stop:
                event.set()
        self._wake.send(b"\0")
        self._acceptor.join()
        with self._changed:
            peers = dict(self._peers)
        for peer, thread in peers.items():
            _abort(peer.socket)
            thread.join(PATIENCE)
            if thread.is_alive():
                self._failures.append(RuntimeError("a step goes on although its connection was cut"))
        for each in (self._listener, self._waker, self._wake):
            each.close()
        if self._failures:
            raise ExceptionGroup("steps of a hostile server failed", self._failures)

    def wake_at_stop(self, event: threading.Event) -> None:
        """Have `stop` set the event, so that no script waits for it in vain."""
        with self._changed:
            self._wake_at_stop.append(event)
            if self.stopping.is_set():
                event.set()

    def note_request(self, request: bytes) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while True:
                selector.select()
                if self.stopping.is_set():
                    return
                connection, _ = self._listener.accept()
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        peer = Peer(self, connection)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        thread = threading.Thread(target=self._play, args=(peer, script), name="hostile-connection")
        with self._changed:
            self.connections += 1
            self._peers[peer] = thread
            self._changed.notify_all()
        thread.start()

    def _play(self, peer: Peer, script: Script) -> None:
        try:
            for step in script:
                step(peer)
        except (EndOfScript, OSError):
            pass  # The client has gone away, as the clients of such a server will.
        except Exception as error:
            self._failures.append(error)
        finally:
            peer.socket.close()
            with self._changed:
                del self._peers[peer]
                self._changed.notify_all()


def _abort(connection: socket.socket) -> None:
    """Wake the thread that reads from or writes to the connection. (SSLSocket's own method would pull its TLS
    object from under that thread.)"""
    try:
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # It is closed already.
