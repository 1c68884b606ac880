"""What stands between an asyncio transport and the stream that is read and written: buffers, waiting, flow control."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from math import inf
from threading import Lock
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from httpcore import ReadError, ReadTimeout, WriteError, WriteTimeout

from trivet.transports.network.polling import readable_check

_BUFFER_SIZE: Final = 65_536

# Each piece is as long as the read buffer at most: a quarter of a MiB may lie unread before the peer has to wait.
_PAUSE_AT: Final = 4
_RESUME_AT: Final = 1

# What is rescued of the bytes that had arrived when a connection broke.
_RESCUED_PIECES: Final = 16

_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()
_lock = Lock()


class SocketProtocol(asyncio.BufferedProtocol):
    """The receiving end of a transport.

    It reads whether or not anybody waits for it, so that the end of a connection is noticed when it comes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = _shared_buffer(loop)
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.on_lost: Callable[[], None] | None = None
        self.pieces: deque[bytes] = deque()
        self._taken = 0  # bytes of the first piece
        # ended: nothing more will be received; lost: nothing more can be sent either; closed: that was our doing.
        self.ended = self.lost = self.closed = False
        self.error: Exception | None = None
        self.writing_paused = False
        self._reading_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: set[asyncio.Future[None]] = set()
        self._uploaders: set[asyncio.Future[None]] = set()
        self._deadline = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf
        self._poll: Callable[[], bool] | None = None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self.transport = cast(asyncio.Transport, transport)
        # A write is done when the system has taken all of it.
        self.transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive into. All connections of a loop share it: its content is taken out at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        pieces = self.pieces
        pieces.append(bytes(self._buffer[:nbytes]))
        if len(pieces) >= _PAUSE_AT and not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()
        self._arrived()

    def eof_received(self) -> bool:
        """The peer will send nothing more. The transport stays open: something may be left to be sent."""
        self.ended = True
        self._arrived()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if exc is not None and not self.closed:
            self._rescue()
        self.ended = self.lost = True
        self.error = exc
        self._stop_timer()
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_exception(self.write_error())
        self._arrived()

    def pause_writing(self) -> None:
        """The system takes no more bytes."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """All bytes are with the system."""
        self.writing_paused = False
        for waiter in (*self._writers, *self._uploaders):
            _wake(waiter)

    # What the stream calls.

    def take(self, max_bytes: int) -> bytes:
        """What has arrived; when that is used up, ``b""`` for the end of the stream, or `ReadError`."""
        pieces = self.pieces
        if not pieces:
            if self.closed:
                raise ReadError("the stream is closed")
            if self.error is not None:
                raise ReadError(self.error) from self.error
            return b""
        piece = pieces[0]
        taken = self._taken
        if len(piece) - taken <= max_bytes:
            pieces.popleft()
            self._taken = 0
            if self._reading_paused and len(pieces) <= _RESUME_AT:
                self._reading_paused = False
                if not self.lost and not self.closed:
                    self.transport.resume_reading()
            return piece[taken:] if taken else piece
        self._taken = taken + max_bytes
        return piece[taken : taken + max_bytes]

    async def arrival(self, timeout: float | None) -> None:
        """Wait until there is something to take. Raises `ReadTimeout`."""
        if self._reader is not None:
            raise RuntimeError("another task is reading from this stream")
        self._reader = waiter = self._loop.create_future()
        if timeout is None:
            self._deadline = inf
        else:
            self._deadline = deadline = self._loop.time() + timeout
            # One timer serves many reads: one that is due too early is set anew when it fires.
            if deadline < self._timer_due:
                self._stop_timer()
                self._set_timer(deadline)
        try:
            await waiter
        finally:
            self._reader = None

    async def flushed(self, timeout: float | None, *, watch: bool = False) -> None:
        """Wait until the system has taken all bytes; with ``watch`` at most until something has arrived.

        Raises `WriteTimeout`, and without ``watch`` `WriteError` when the connection is lost.
        """
        waiters = self._uploaders if watch else self._writers
        waiter: asyncio.Future[None] = self._loop.create_future()
        waiters.add(waiter)
        timer = None if timeout is None else self._loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        finally:
            waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    def write_error(self) -> WriteError:
        """Why nothing can be written any more."""
        if self.error is None:
            return WriteError("the stream is closed" if self.closed else "the connection is closed")
        error = WriteError(self.error)
        error.__cause__ = self.error
        return error

    def stirred(self) -> bool:
        """Whether bytes or the end have been received. Raises `WriteError` if there is nothing but a broken connection."""
        if self.pieces:
            return True
        if self.lost or self.closed:
            raise self.write_error()
        return self.ended

    def is_readable(self) -> bool:
        """Whether a read would return at once, counting what the loop has not received yet."""
        if self.pieces or self.ended or self.closed:
            return True
        if self._poll is None:
            self._poll = readable_check(self.transport.get_extra_info("socket").fileno())
        return self._poll()

    def close(self) -> None:
        """Note that the stream is closed from this side."""
        self.closed = True
        self.on_lost = None
        self.pieces.clear()
        self._taken = 0
        self._stop_timer()
        if self._loop.is_closed():
            # Nobody waits any more, and nobody can be woken.
            self._reader = None
            self._writers.clear()
            self._uploaders.clear()
        self._arrived()

    def _arrived(self) -> None:
        if self._reader is not None:
            _wake(self._reader)
        for waiter in self._uploaders:
            _wake(waiter)
        callback = self.on_lost
        if callback is not None and self._reader is None:
            self.on_lost = None
            callback()

    def _rescue(self) -> None:
        # Sending fails at once when the peer has reset the connection, though bytes that it sent before that, such
        # as its reason, may still lie with the system. The transport closes its socket after this call.
        if sys.platform == "win32":  # pragma: no cover: no file descriptor to read from
            return
        number = self.transport.get_extra_info("socket").fileno()
        try:
            for _ in range(_RESCUED_PIECES):
                data = os.read(number, _BUFFER_SIZE)
                if not data:
                    return
                self.pieces.append(data)
        except OSError:
            pass  # It says once more what is known.

    def _set_timer(self, due: float) -> None:
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._time_is_up)

    def _stop_timer(self) -> None:
        self._timer_due = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        self._timer_due = inf
        waiter, deadline = self._reader, self._deadline
        if waiter is None or waiter.done() or deadline == inf:
            return
        if self._loop.time() < deadline:
            self._set_timer(deadline)
        else:
            waiter.set_exception(ReadTimeout("timed out"))


def _wake(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(WriteTimeout("timed out"))


def _shared_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    with _lock:
        buffer = _buffers.get(loop)
        if buffer is None:
            buffer = _buffers[loop] = memoryview(bytearray(_BUFFER_SIZE))
        return buffer
