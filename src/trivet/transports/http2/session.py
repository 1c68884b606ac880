"""The state of a connection of HTTP/2, without I/O: h2 and the streams, and what this side does with them.

Flow control works on two levels (RFC 9113 §5.2). What comes for the connection is acknowledged as it comes, so that
neither a slow reader nor a stream that was given up holds up the others. What comes for a stream is acknowledged when
the caller takes it: no stream ever has more than `STREAM_WINDOW` bytes in memory.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings

from trivet.core.errors import RemoteProtocolError
from trivet.transports.http2.fields import header_list_size
from trivet.transports.http2.stream import Failure, Stream

if TYPE_CHECKING:
    from trivet.core.limits import Limits
    from trivet.transports.http2.fields import Fields
    from trivet.transports.network.operation import Operation

STREAM_WINDOW: Final = 256 * 1024
CONNECTION_WINDOW: Final = 16 * 1024 * 1024
# h2 acknowledges what comes for closed streams by itself, once it is half of the window: a quarter is always left.
_ACKNOWLEDGE_CONNECTION: Final = CONNECTION_WINDOW // 4
_ACKNOWLEDGE_STREAM: Final = STREAM_WINDOW // 2
_INITIAL_WINDOW: Final = 65_535  # RFC 9113 §6.9.2

_MAX_STREAMS: Final = 100
_LAST_STREAM_ID: Final = 2**31 - 1


class Session:
    """A connection from the client's side.

    ``streams``: those that are not over. ``unsent``: the bytes to be written next. ``accepts``: whether another
    request may ever be sent. ``answered``: whether a response has come. ``received``: how many frames have.
    ``idle_frames``: how many of them since a stream was last brought forward. ``touched``: the streams that have news.
    """

    __slots__ = (
        "_next_id",
        "_unacknowledged",
        "accepts",
        "answered",
        "failure",
        "h2",
        "idle_frames",
        "received",
        "streams",
        "touched",
        "unsent",
    )

    def __init__(self, limits: Limits) -> None:
        self.h2 = _new_h2(limits)
        self.unsent = bytearray(self.h2.data_to_send())
        self.streams: dict[int, Stream] = {}
        self.touched: dict[Stream, None] = {}
        self.accepts = True
        self.answered = False
        self.received = 0
        self.idle_frames = 0
        self.failure: Failure | None = None
        self._next_id = 1
        self._unacknowledged = 0

    @property
    def capacity(self) -> int:
        """How many requests may be under way at a time (RFC 9113 §5.1.2)."""
        return min(_MAX_STREAMS, self.h2.remote_settings.max_concurrent_streams) if self.accepts else 0

    def check_room(self) -> None:
        """Raise an error if no request can be sent now, as when the peer changed its mind a moment ago.

        No byte of the request has left then: it is as with a connection that turns out to be closed.
        """
        if self.failure is not None or not self.accepts:
            raise RemoteProtocolError("the server takes no more requests on this connection", sent=False, stale=True)
        if len(self.streams) >= self.capacity:
            raise RemoteProtocolError("the server takes no more requests at a time", sent=False, stale=True)

    def open(self, method: str, fields: Fields, operation: Operation, *, ended: bool) -> Stream:
        """Begin a request; ``ended``: it has no content."""
        stream = Stream(self._next_id, method, operation, self.received)
        self.h2.send_headers(stream.id, fields, end_stream=ended)
        stream.sending = not ended
        self.streams[stream.id] = stream
        self._next_id += 2
        if self._next_id > _LAST_STREAM_ID:
            self.accepts = False
        self.idle_frames = 0
        self.collect()
        return stream

    def room(self, stream: Stream) -> int:
        """How many bytes of content can be sent now; both windows count."""
        return self.h2.local_flow_control_window(stream.id) if stream.sending and not stream.over else 0

    def send_content(self, stream: Stream, content: bytes | memoryview, *, ended: bool) -> None:
        """Send content for which there is room, or the mere end; ``ended``: it is the last."""
        size = self.h2.max_outbound_frame_size
        for start in range(0, len(content), size) or (0,):
            last = ended and start + size >= len(content)
            self.h2.send_data(stream.id, content[start : start + size], end_stream=last)
        stream.sending = not ended
        self.idle_frames = 0
        self.collect()

    def acknowledge(self, size: int) -> None:
        """Let the peer send on the connection what it has sent once more."""
        self._unacknowledged += size
        if self._unacknowledged >= _ACKNOWLEDGE_CONNECTION:
            self.h2.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0
            self.collect()

    def consume(self, stream: Stream, size: int) -> None:
        """Let the peer send on the stream what the caller has taken once more."""
        stream.consumed += size
        if stream.consumed >= _ACKNOWLEDGE_STREAM and not stream.over:
            self.h2.increment_flow_control_window(stream.consumed, stream.id)
            stream.consumed = 0
            self.collect()

    def drop(self, stream: Stream) -> None:
        """Nobody waits for the response any more."""
        stream.chunks.clear()
        stream.interim.clear()
        if not stream.over:
            self.close(stream, None)
            self.reset(stream, ErrorCodes.CANCEL)

    def reject(self, stream: Stream, problem: str) -> None:
        """The response is malformed, which is the end of its stream (RFC 9113 §8.1.1)."""
        self.close(stream, partial(remote_error, problem))
        self.reset(stream, ErrorCodes.PROTOCOL_ERROR)

    def close(self, stream: Stream, failure: Failure | None) -> None:
        """Nothing more is to come for the stream."""
        self.streams.pop(stream.id, None)
        self.touched[stream] = None
        stream.over = True
        stream.failure = failure

    def reset(self, stream: Stream, code: ErrorCodes) -> None:
        """Tell the peer that a closed stream is of no more use."""
        stream.sending = False
        if self.failure is None:
            with suppress(StreamClosedError):  # both sides had ended
                self.h2.reset_stream(stream.id, code)
            self.forget_closed()
            self.collect()

    def forget_closed(self) -> None:
        """Let h2 forget its closed streams: a late interim response to one that it remembers is an error to it."""
        _ = self.h2.open_outbound_streams

    def fail(self, failure: Failure) -> None:
        """The connection has come to its end, and all of its streams have."""
        if self.failure is None:
            self.failure = failure
            self.accepts = False
            for stream in list(self.streams.values()):
                self.close(stream, failure)

    def collect(self) -> None:
        """Take over what h2 wants to be sent."""
        self.unsent += self.h2.data_to_send()


def remote_error(text: str, operation: Operation) -> Exception:
    """The server did something that it must not."""
    return RemoteProtocolError(text, sent=True)


def _new_h2(limits: Limits) -> H2Connection:
    """h2 with our settings, this side's preface waiting to be sent (RFC 9113 §3.4)."""
    connection = H2Connection(
        H2Configuration(
            client_side=True,
            # Fields are checked here: h2 takes what is malformed for an error of the whole connection.
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    size = header_list_size(limits)
    settings = {
        SettingCodes.ENABLE_PUSH: 0,
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: size,
    }
    connection.local_settings = Settings(client=True, initial_values=settings)
    # That one is for servers to send (RFC 8441 §3).
    del connection.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]
    connection.decoder.max_header_list_size = size
    connection.initiate_connection()
    connection.increment_flow_control_window(CONNECTION_WINDOW - _INITIAL_WINDOW)
    return connection
