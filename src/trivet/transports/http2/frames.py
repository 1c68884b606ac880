"""The frames of HTTP/2, as far as they are told apart before h2 sees them (RFC 9113 §4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from h2.exceptions import FrameTooLargeError, ProtocolError

DATA: Final = 0x00
RST_STREAM: Final = 0x03
SETTINGS: Final = 0x04
GOAWAY: Final = 0x07

END_STREAM: Final = 0x01
_PADDED: Final = 0x08

MAX_FRAME_SIZE: Final = 16_384
"""The size that we accept, which is the initial one (RFC 9113 §6.5.2)."""

_HEAD: Final = 9
_STREAM_ID: Final = 0x7FFF_FFFF  # the first bit is reserved


class Frame(NamedTuple):
    """One frame. ``data``: all of it, its head included."""

    kind: int
    flags: int
    stream_id: int
    data: bytes

    @property
    def payload(self) -> bytes:
        return self.data[_HEAD:]

    @property
    def content_size(self) -> int:
        """The size of the content in a DATA frame, without padding (RFC 9113 §6.1)."""
        size = len(self.data) - _HEAD
        if self.flags & _PADDED and size:
            size = max(size - 1 - self.data[_HEAD], 0)
        return size


class FrameSplitter:
    """Cuts what the peer sends into frames.

    h2 takes any number of bytes, but when it objects to one frame it loses the events of those before it, and a
    GOAWAY ends all it does. So it gets its frames one by one, and no GOAWAY.
    """

    __slots__ = ("_buffer", "_first")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._first = True

    def split(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with the data. Raises h2's errors for what cannot be a frame."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD:
            length = int.from_bytes(buffer[:3], "big")
            kind = buffer[3]
            if self._first and kind != SETTINGS:
                # RFC 9113 §3.4. Such is also the beginning of an answer in HTTP/1.1.
                raise ProtocolError("it does not begin with SETTINGS, as HTTP/2 does")
            if length > MAX_FRAME_SIZE:
                raise FrameTooLargeError(f"a frame has {length} bytes, more than the {MAX_FRAME_SIZE} agreed on")
            end = _HEAD + length
            if len(buffer) < end:
                return
            self._first = False
            frame = Frame(kind, buffer[4], int.from_bytes(buffer[5:_HEAD], "big") & _STREAM_ID, bytes(buffer[:end]))
            del buffer[:end]
            yield frame


class GoAway(NamedTuple):
    """What a GOAWAY frame says (RFC 9113 §6.8)."""

    last_stream_id: int
    error_code: int

    @classmethod
    def parse(cls, frame: Frame) -> GoAway:
        payload = frame.payload
        if frame.stream_id or len(payload) < 8:
            raise ProtocolError("a GOAWAY frame belongs to a stream, or is too short")
        last_stream_id, error_code = payload[:4], payload[4:8]
        return cls(int.from_bytes(last_stream_id, "big") & _STREAM_ID, int.from_bytes(error_code, "big"))


def without_resets(data: bytes) -> bytes:
    """Frames to be sent, those apart that reset a stream."""
    kept: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + _HEAD + int.from_bytes(data[start : start + 3], "big")
        if data[start + 3] != RST_STREAM:
            kept.append(data[start:end])
        start = end
    return b"".join(kept)
