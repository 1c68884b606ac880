"""A client's side of TLS without I/O: it says which bytes to send and when it needs more, and others move them.

Each operation is a generator of moves: bytes are to be sent, None asks for bytes that the peer has sent. One that
is dropped in the middle has lost nothing, provided that the stream beneath keeps what it was given to write.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias, TypeVar

from httpcore import ConnectError, ConnectTimeout, ReadError, ReadTimeout, WriteError, WriteTimeout

T = TypeVar("T")
Moves: TypeAlias = Generator["bytes | None", Any, T]
Ready: TypeAlias = "Callable[[], bytes | None]"
"""Returns what has arrived from the peer, ``b""`` at its end, or None if nothing has."""

CHUNK: Final = 65_536
"""How much is read at a time, and how much is uploaded before the next look at what has arrived."""

FAILURES: Final = (ReadError, ReadTimeout, WriteError, WriteTimeout, ssl.SSLError)
"""What an operation may fail with, before one of the functions below has given it the right name."""


class TLSEngine:
    """The state of one TLS connection."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._plain = memoryview(b"")  # what is to be encrypted
        self._early = b""  # what was decrypted before anybody wanted to read it
        self._ended = False

    @property
    def readable(self) -> bool:
        """Whether bytes from the peer lie in memory, or its end has come."""
        return bool(self._early or self._ended or self.tls.pending() or self._incoming.pending)

    def handshake(self) -> Moves[None]:
        """Negotiate."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                yield from self._exchange()
            else:
                if self._outgoing.pending:
                    yield self._outgoing.read()
                return

    def read(self, max_bytes: int) -> Moves[bytes]:
        """Decrypt what is there; ``b""`` when the peer has closed."""
        if not self.readable:
            # As a rule nothing is there yet, and having TLS say so is expensive.
            yield from self._exchange()
        while (data := self._decrypt(max_bytes)) is None:
            yield from self._exchange()
        return data

    def write(self, buffer: bytes) -> Moves[None]:
        """Encrypt all of it, after what earlier operations have left."""
        self._give(buffer)
        while not self._encrypt():
            yield from self._exchange()
        yield self._outgoing.read()

    def upload(self, buffer: bytes, ready: Ready) -> Moves[bool]:
        """Encrypt all of it, unless something can be read first. Its moves are answered with whether all was sent."""
        self._give(buffer)
        while not self.stirred(ready):
            if not self._encrypt(CHUNK):
                yield from self._exchange()
            elif (yield self._outgoing.read()) and not self._plain:
                return True
        return False

    def stirred(self, ready: Ready) -> bool:
        """Whether there is something to be read among what has arrived: what TLS sends on its own account is not."""
        if not self._early and not self._ended:
            self._early = self.take(CHUNK, ready) or b""
        return bool(self._early or self._ended)

    def take(self, max_bytes: int, ready: Ready) -> bytes | None:
        """Decrypt what has arrived; None if that makes nothing to be read."""
        while (data := self._decrypt(max_bytes)) is None:
            arrived = ready()
            if arrived is None:
                return None
            self._receive(arrived)
        return data

    def _exchange(self) -> Moves[None]:
        if self._outgoing.pending:
            yield self._outgoing.read()
        self._receive((yield None))

    def _receive(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self, max_bytes: int) -> bytes | None:
        early = self._early
        if early:
            self._early = early[max_bytes:]
            return early[:max_bytes]
        try:
            data = self.tls.read(max_bytes)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            # Without a farewell, too: HTTP knows where its messages end.
            data = b""
        if not data:
            self._ended = True
        return data

    def _give(self, buffer: bytes) -> None:
        self._plain = memoryview(b"".join((self._plain, buffer)) if self._plain else bytes(buffer))

    def _encrypt(self, limit: int | None = None) -> bool:
        """Encrypt what was given, up to the limit. False: TLS, which renegotiates, must receive something first."""
        end = self._plain[:limit]
        try:
            while end:
                count = self.tls.write(end)
                end = end[count:]
                self._plain = self._plain[count:]
        except ssl.SSLWantReadError:
            return False
        return True


def handshake_failure(exc: Exception) -> Exception:
    """The exception of httpcore's for a handshake that failed."""
    return (ConnectTimeout if isinstance(exc, (ReadTimeout, WriteTimeout)) else ConnectError)(exc)


def read_failure(exc: Exception) -> Exception:
    """The exception of httpcore's for a read that failed at something else than reading."""
    return (ReadTimeout if isinstance(exc, WriteTimeout) else ReadError)(exc)


def write_failure(exc: Exception) -> Exception:
    """The exception of httpcore's for a write that failed at something else than writing."""
    return (WriteTimeout if isinstance(exc, ReadTimeout) else WriteError)(exc)


def time_left(deadline: float | None, error: type[Exception]) -> float | None:
    """The seconds until the deadline. Raises the error when there are none."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("timed out")
    return left
