"""What the peer of a connection of HTTP/2 does: its frames, sorted to the streams that they are for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import DenialOfServiceError, H2Error
from h2.settings import SettingCodes
from httpcore import RemoteProtocolError as BrokenRules

from trivet.core.errors import RemoteProtocolError
from trivet.transports.http2.fields import fields_problem, response_head
from trivet.transports.http2.frames import DATA, END_STREAM, GOAWAY, FrameSplitter, GoAway, without_resets
from trivet.transports.http2.session import remote_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.limits import Limits
    from trivet.transports.http2.frames import Frame
    from trivet.transports.http2.session import Session
    from trivet.transports.http2.stream import Failure, Stream
    from trivet.transports.network.operation import Operation

_MAX_IDLE_FRAMES: Final = 1_000
"""How many frames in a row may bring no stream forward: PING, SETTINGS, empty DATA … (RFC 9113 §10.5)."""
_MAX_UNSENT: Final = 1024 * 1024
"""How much may wait to be written; the peer can drive it up with what has to be answered."""


class Receiver:
    """Takes in what the peer sends on a session's connection."""

    __slots__ = ("_farewell", "_handlers", "_limits", "_session", "_splitter")

    def __init__(self, session: Session, limits: Limits) -> None:
        self._session = session
        self._limits = limits
        self._splitter = FrameSplitter()
        self._farewell: Failure = _disconnected
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            ResponseReceived: self._on_response,
            InformationalResponseReceived: self._on_interim,
            DataReceived: self._on_data,
            TrailersReceived: self._on_trailers,
            StreamEnded: self._on_end,
            StreamReset: self._on_reset,
            WindowUpdated: self._on_window,
            RemoteSettingsChanged: self._on_settings,
        }

    def feed(self, data: bytes) -> None:
        """Take in data; ``b""`` says that the peer has closed. What is wrong with it fails the session."""
        session = self._session
        if session.failure is not None:
            return
        if not data:
            session.fail(self._farewell)
            return
        try:
            for frame in self._splitter.split(data):
                self._receive(frame)
                if session.failure is not None:
                    break
        except DenialOfServiceError:
            # The state of HPACK is lost with a head that is not decoded to its end, and so is the connection.
            limit = self._limits.max_header_bytes
            text = f"the head of a response is larger than Limits(max_header_bytes={limit}) allows"
            session.collect()
            session.fail(partial(remote_error, text))
        except H2Error as error:
            session.collect()  # a GOAWAY that says why
            text = str(error) or type(error).__name__
            session.fail(lambda operation: BrokenRules(text))

    def _receive(self, frame: Frame) -> None:
        session = self._session
        session.received += 1
        session.idle_frames += 1
        if frame.kind == GOAWAY:
            self._on_goaway(GoAway.parse(frame))
            return
        stream = session.streams.get(frame.stream_id)
        if frame.kind == DATA and stream is not None:
            # h2 takes a wrong length for an error of the connection, when it notices it at all.
            problem = stream.length_problem(frame.content_size, bool(frame.flags & END_STREAM))
            if problem is not None:
                session.reject(stream, problem)
                stream = None
        for event in session.h2.receive_data(frame.data):
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)
        answer = session.h2.data_to_send()
        if frame.stream_id and stream is None:
            # h2 resets a closed stream once more for each frame that was still on its way (RFC 9113 §5.1).
            answer = without_resets(answer)
            if frame.kind == DATA and frame.content_size:
                session.idle_frames = 0
        session.unsent += answer
        if session.idle_frames > _MAX_IDLE_FRAMES or len(session.unsent) > _MAX_UNSENT:
            session.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            session.collect()
            session.fail(partial(remote_error, "the server floods the connection with frames of no use"))

    def _on_goaway(self, said: GoAway) -> None:
        """The peer takes no more requests, and processes none of those above a certain one (RFC 9113 §6.8)."""
        session = self._session
        session.accepts = False
        name = _name(said.error_code)
        if said.error_code:
            self._farewell = partial(remote_error, f"the server closed the connection ({name})")
        text = f"the server closes the connection and has not processed the request ({name})"
        for stream in [stream for stream in session.streams.values() if stream.id > said.last_stream_id]:
            session.close(stream, partial(_unprocessed, text, True))

    def _on_response(self, event: ResponseReceived) -> None:
        stream = self._advance(event.stream_id)
        if stream is not None:
            self._session.answered = True
            head = response_head(event.headers, self._limits)
            if isinstance(head, str):
                self._session.reject(stream, head)
            else:
                stream.take_head(head)

    def _on_interim(self, event: InformationalResponseReceived) -> None:
        stream = self._advance(event.stream_id)
        if stream is not None:
            head = response_head(event.headers, self._limits)
            if isinstance(head, str):
                self._session.reject(stream, head)
            elif stream.interim_count <= self._limits.max_interim:
                # With the one too many the flow of the request fails.
                stream.interim_count += 1
                stream.interim.append(head)

    def _on_data(self, event: DataReceived) -> None:
        size, data = event.flow_controlled_length, event.data
        self._session.acknowledge(size)
        stream = self._advance(event.stream_id) if data else self._session.streams.get(event.stream_id)
        if stream is None:
            return
        if data:
            stream.received += len(data)
            stream.chunks.append(data)
        if size > len(data) and event.stream_ended is None:
            self._session.consume(stream, size - len(data))  # padding

    def _on_trailers(self, event: TrailersReceived) -> None:
        stream = self._advance(event.stream_id)
        if stream is not None:
            problem = fields_problem([(name, value) for name, value in event.headers], self._limits, "trailer section")
            if problem is not None:
                self._session.reject(stream, problem)

    def _on_end(self, event: StreamEnded) -> None:
        stream = self._advance(event.stream_id)
        if stream is None:
            return
        problem = stream.length_problem(0, ended=True)
        if problem is not None:
            self._session.reject(stream, problem)
            return
        self._session.close(stream, None)
        if stream.sending:
            # The response is complete without the rest of the content, which nobody will read now (RFC 9113 §8.1).
            self._session.reset(stream, ErrorCodes.NO_ERROR)

    def _on_reset(self, event: StreamReset) -> None:
        stream = self._advance(event.stream_id)
        if stream is None:
            return
        name = _name(event.error_code)
        if event.error_code == ErrorCodes.REFUSED_STREAM:
            failure = partial(_unprocessed, f"the server refused to process the request ({name})", False)
        elif event.error_code == ErrorCodes.HTTP_1_1_REQUIRED:
            failure = partial(remote_error, f"the server answers this request over HTTP/1.1 only ({name})")
        elif event.remote_reset:
            failure = partial(remote_error, f"the server broke the exchange off ({name})")
        else:
            failure = partial(remote_error, f"the server broke the rules of HTTP: {name}")
        self._session.close(stream, failure)
        self._session.forget_closed()

    def _on_window(self, event: WindowUpdated) -> None:
        for stream in self._session.streams.values():
            if stream.sending and event.stream_id in (0, stream.id):
                self._session.touched[stream] = None

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            for stream in self._session.streams.values():
                if stream.sending:
                    self._session.touched[stream] = None

    def _advance(self, stream_id: int | None) -> Stream | None:
        """Something came for a stream; None if nobody waits for it."""
        session = self._session
        stream = session.streams.get(stream_id or 0)
        if stream is not None:
            stream.operation.answered = True
            session.touched[stream] = None
            session.idle_frames = 0
        return stream


def _name(code: ErrorCodes | int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"error {code}"


def _disconnected(operation: Operation) -> Exception:
    return BrokenRules("Server disconnected")  # in the words of httpcore, which `failures.explain` knows


def _unprocessed(text: str, closing: bool, operation: Operation) -> Exception:
    """The request can be sent again, whatever its method (RFC 9113 §8.7)."""
    operation.sent = False
    return RemoteProtocolError(text, sent=False, stale=closing and operation.reused)
