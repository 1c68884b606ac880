"""The seam between the HTTP/1.1 connection and whatever turns its messages into bytes and back."""

from __future__ import annotations

from typing import Protocol

from trivet.transports.flows.connection import Head


class Codec(Protocol):
    """The client's side of one HTTP/1.1 connection, without I/O. One request follows the other.

    What breaks the rules raises ``h11.RemoteProtocolError`` if the peer did, ``h11.LocalProtocolError`` if the
    request does; and after either the connection is of no more use. Beyond ``Limits.max_header_bytes`` or
    ``max_fields`` (of a head, or of trailers) it is a `RemoteProtocolError` of Trivet's that names the limit.
    """

    def message(self, method: str, target: str, fields: list[tuple[bytes, bytes]], content: bytes) -> bytes:
        """Begin an exchange with a request whose content is known: all of its bytes. The fields frame it already."""
        ...

    def begin(self, method: str, target: str, fields: list[tuple[bytes, bytes]]) -> bytes:
        """Begin an exchange with a request whose content follows: the bytes of its head."""
        ...

    def chunk(self, data: bytes) -> bytes:
        """The next piece of the request's content, framed."""
        ...

    def finish(self) -> bytes:
        """The end of the request's content."""
        ...

    def feed(self, data: bytes) -> None:
        """Take in what the peer sent; ``b""`` says that it has closed."""
        ...

    def head(self) -> Head | None:
        """The next head of a response, interim ones (1xx) included; None if that takes more bytes.

        If the peer closed before the first byte it raises ``h11.RemoteProtocolError("Server disconnected without
        sending a response")``.
        """
        ...

    def content(self) -> bytes | None:
        """The next piece of the content, its transfer coding removed; ``b""`` at the end of the message; None if that
        takes more bytes."""
        ...

    @property
    def reusable(self) -> bool:
        """Whether both messages are complete, both sides will keep the connection, and nothing came behind the response."""
        ...
