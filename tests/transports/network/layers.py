"""The server's side of TLS inside TLS, which the ssl module has for memory only."""

from __future__ import annotations

import ssl
from copy import copy
from typing import Any

from servers.hostile import Peer, Step


class _Layer:
    """The server's side of TLS inside TLS, with as much of a socket as the steps use."""

    def __init__(self, inner: Any, context: ssl.SSLContext) -> None:
        self._inner, self._in, self._out = inner, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._perform(self._tls.do_handshake)

    def _perform(self, step: Any, *args: Any) -> Any:
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self._flush()
                data = self._inner.recv(65536)
                self._in.write(data) if data else self._in.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._out.pending:
            self._inner.sendall(self._out.read())

    def recv(self, size: int) -> bytes:
        try:
            return bytes(self._perform(self._tls.read, size))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def sendall(self, data: bytes) -> None:
        self._perform(self._tls.write, data)


def nested(context: ssl.SSLContext, *steps: Step) -> Step:
    """Play the steps inside a further layer of TLS."""

    def step(peer: Peer) -> None:
        # A peer of its own, because the server cuts off what it finds in the first one.
        inner = copy(peer)
        inner.socket = _Layer(peer.socket, context)  # type: ignore[assignment]  # enough of a socket
        for each in steps:
            each(inner)

    return step
