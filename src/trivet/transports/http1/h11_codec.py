"""HTTP/1.1 by h11: strict about whatever a peer may send, and the judge of what a faster codec does not understand."""

from __future__ import annotations

from typing import Final

import h11

from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import Limits
from trivet.transports.flows.connection import Head

# Texts that whoever explains a failure recognises (see `trivet.transports.failures`).
_NO_RESPONSE: Final = "Server disconnected without sending a response"
_NO_END: Final = "peer closed connection without sending complete message body (incomplete chunked read)"
# Texts of h11 that say too little about where it happened.
_CLOSED: Final = "peer unexpectedly closed connection"
_TOO_LONG: Final = "Receive buffer too long"


class H11Codec:
    """A `Codec` over h11. Names of fields keep their case."""

    __slots__ = ("_closed", "_connection", "_ended", "_limits", "_used")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_header_bytes)
        # Whether a request has begun, whether its response has ended, and whether the peer has closed.
        self._used = False
        self._ended = False
        self._closed = False

    def message(self, method: str, target: str, fields: list[tuple[bytes, bytes]], content: bytes) -> bytes:
        head = self.begin(method, target, fields)
        if not content:
            # With chunks the end of the content is bytes of its own.
            return head + self.finish()
        return b"".join((head, self.chunk(content), self.finish()))

    def begin(self, method: str, target: str, fields: list[tuple[bytes, bytes]]) -> bytes:
        if not self.reusable:
            raise h11.LocalProtocolError("this connection cannot carry another request")
        connection = self._connection
        if self._used:
            connection.start_next_cycle()
        self._used = True
        self._ended = False
        return self._send(h11.Request(method=method, target=target, headers=fields))

    def chunk(self, data: bytes) -> bytes:
        return self._send(h11.Data(data))

    def finish(self) -> bytes:
        return self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> bytes:
        return self._connection.send(event) or b""

    def feed(self, data: bytes) -> None:
        if not data:
            self._closed = True
        self._connection.receive_data(data)

    def head(self) -> Head | None:
        connection = self._connection
        if self._closed and not connection.trailing_data[0]:
            # h11 would say that it cannot handle ConnectionClosed.
            raise h11.RemoteProtocolError(_NO_RESPONSE)
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if str(error) == _CLOSED:
                raise h11.RemoteProtocolError(_NO_RESPONSE) from error
            raise
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            return None
        status = event.status_code
        if status == 101:
            # The request may have asked for it, but nothing here speaks another protocol (RFC 9110 §15.2.2).
            raise RemoteProtocolError(
                "the server answered with an interim status, 101, as if it were the last", sent=True
            )
        fields = event.headers.raw_items()
        self._check("the head of the response has", fields)
        return Head(status, fields, event.reason, f"HTTP/{event.http_version.decode('ascii')}")

    def content(self) -> bytes | None:
        if self._ended:
            return b""
        try:
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            text = str(error)
            if text == _CLOSED:
                raise h11.RemoteProtocolError(_NO_END) from error
            if text == _TOO_LONG:
                raise RemoteProtocolError(
                    "the trailers of the response, or what introduces a chunk of its content, are too long; "
                    f"Limits(max_header_bytes={self._limits.max_header_bytes}) allows no more",
                    sent=True,
                ) from error
            raise
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if event is h11.NEED_DATA:
            return None
        # It is the end of the message, or h11 pauses because the connection has become a tunnel.
        if isinstance(event, h11.EndOfMessage):
            self._check("the trailers of the response have", event.headers.raw_items())
        self._ended = True
        return b""

    @property
    def reusable(self) -> bool:
        """Whether another request may follow. A connection that has carried none yet may carry its first."""
        connection = self._connection
        state = h11.DONE if self._used else h11.IDLE
        return (
            connection.our_state is state
            and connection.their_state is state
            and self._ended == self._used
            and not self._closed
            and not connection.trailing_data[0]
        )

    @property
    def trailing(self) -> bytes:
        """What came behind the response: once CONNECT was answered with 2xx, the first bytes out of the tunnel."""
        return self._connection.trailing_data[0]

    def _check(self, whose: str, fields: list[tuple[bytes, bytes]]) -> None:
        limits = self._limits
        if len(fields) > limits.max_fields:
            problem = f"{len(fields)} fields; Limits(max_fields={limits.max_fields})"
        else:
            # Four bytes for the colon, the space and the end of a line.
            size = sum([len(name) + len(value) for name, value in fields]) + 4 * len(fields)
            if size <= limits.max_header_bytes:
                return
            problem = f"{size} bytes; Limits(max_header_bytes={limits.max_header_bytes})"
        raise RemoteProtocolError(f"{whose} {problem} allows no more", sent=True)
