"""Who reads and who writes on a connection that several flows share.

There is no task in the background. A flow that waits for news of its stream reads for all of them if nobody else
does; the others wait until they are woken: because there is news for them, or because reading is theirs now. Writing
is done by one flow at a time as well. However a flow ends, it hands over what it did. Flows run on one event loop,
so that each is alone between two yields.

A read that ends early loses nothing. Of a write that ends early our asynchronous streams keep the rest, which goes
out before the next write; with others the connection is of no more use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from httpcore import ReadError, ReadTimeout, WriteTimeout

from trivet.core.errors import AttemptTimeout
from trivet.transports.failures import explain, root_cause
from trivet.transports.flows.actions import ReadSocket, SocketAction, Wait, WriteSocket
from trivet.transports.http2.receiver import Receiver
from trivet.transports.network.clamped import TOO_LATE

if TYPE_CHECKING:
    from collections.abc import Generator

    from trivet.core.limits import Limits
    from trivet.transports.flows.actions import SocketFlow, Waiter
    from trivet.transports.http2.session import Session
    from trivet.transports.network.operation import Operation

_READ_SIZE: Final = 65_536
_MAX_REFRESH: Final = 8
"""How many reads an idle connection may take before a request is sent on it."""


class Wire:
    """The socket of a session, and the turns that flows take at it.

    ``muted``: writing has failed, so only what the peer has sent before is left to be read.
    """

    __slots__ = (
        "_announced",
        "_new_waiter",
        "_on_resize",
        "_read_socket",
        "_readers",
        "_reading",
        "_receiver",
        "_rest",
        "_session",
        "_writers",
        "_writing",
        "muted",
        "socket",
    )

    def __init__(
        self,
        socket: Any,
        session: Session,
        limits: Limits,
        new_waiter: Callable[[], Waiter],
        on_resize: Callable[[int], None],
    ) -> None:
        self.socket = socket
        self.muted = False
        self._session = session
        self._receiver = Receiver(session, limits)
        self._new_waiter = new_waiter
        self._on_resize = on_resize
        self._announced = session.capacity
        self._read_socket = ReadSocket(socket)
        self._reading = False
        self._writing = False
        # Whether the socket keeps the rest of a write.
        self._rest = False
        # Who waits, in the order in which they began to.
        self._readers: dict[Operation, Waiter] = {}
        self._writers: dict[Operation, Waiter] = {}

    @property
    def may_flush(self) -> bool:
        """Whether there is something to be written and nobody who does it."""
        if self._writing or self.muted or self._session.failure is not None:
            return False
        return self._rest or bool(self._session.unsent)

    def await_news(
        self,
        has_news: Callable[[], bool],
        operation: Operation,
        late: Callable[[], Exception] = ReadTimeout,
    ) -> SocketFlow[None]:
        """Wait for something that the peer sends, and read it if nobody else does.

        What waits to be written is written first: the peer may be waiting for that, and send nothing before.
        """
        try:
            while not has_news():
                if self.may_flush:
                    yield from self.flush(operation)
                elif not self._reading:
                    yield from self._read(has_news, operation)
                else:
                    yield from self._wait(self._readers, operation, late)
        finally:
            self.hand_over()

    def peek(self, operation: Operation) -> SocketFlow[None]:
        """Read once if there is something to be read and nobody else does."""
        if self._reading or self._session.failure is not None:
            return
        read_ready = getattr(self.socket, "read_ready", None)
        if read_ready is None:
            if self.socket.get_extra_info("is_readable"):
                yield from self._read(lambda: True, operation)
            return
        # What can be read may be nothing but a matter of TLS, upon which a read would wait for more.
        try:
            data: bytes | None = read_ready(_READ_SIZE)
        except Exception as error:
            self.fail(error)
            raise
        if data is not None:
            self._receiver.feed(data)
            self.notify()

    def refresh(self, operation: Operation) -> SocketFlow[None]:
        """Look at what has come while nobody used the connection, often its end, before a request is sent.

        The session fails if it was the end; that is no failure of the request yet.
        """
        session = self._session
        if not session.received or session.streams:
            # Before the first frame TLS may have something to read that is nothing to us.
            return
        for _ in range(_MAX_REFRESH):
            received = session.received
            try:
                yield from self.peek(operation)
            except Exception:
                if session.failure is None:
                    raise
            if session.received == received:
                break

    def turn(self, operation: Operation) -> SocketFlow[None]:
        """Wait until nobody writes. The turn is over with the next yield, if it is not one of `flush`."""
        while self._writing:
            yield from self._wait(self._writers, operation, WriteTimeout)

    def flush(self, operation: Operation) -> SocketFlow[None]:
        """Write what there is, also what others add meanwhile. A failure mutes the wire: an answer may still be read."""
        session = self._session
        self._writing = True
        interrupted = True
        data = b""
        try:
            while session.unsent or self._rest:
                if not session.unsent:
                    # The rest goes out before something else that is written; anything will do.
                    session.h2.ping(bytes(8))
                    session.collect()
                data, session.unsent = bytes(session.unsent), bytearray()
                yield WriteSocket(self.socket, data)
                self._rest = False
            interrupted = False
        except Exception as error:
            if _is_timeout(error, operation):
                if error.args == (TOO_LATE,):
                    # The stream was not even asked to.
                    session.unsent[:0] = data
                    interrupted = False
                raise
            interrupted = False
            self.muted = True
            self.retire()
            if explain(error, operation) is None:
                raise
        finally:
            self._writing = False
            if interrupted:
                self._interrupted()
            self.hand_over()

    def hand_over(self) -> None:
        """Wake those whose turn it is now. Whoever does something else than it was woken for calls this as well."""
        if not self._writing:
            if self._writers:
                next(iter(self._writers.values())).wake()
            elif self._readers and self.may_flush:
                next(iter(self._readers.values())).wake()
        if not self._reading and self._readers:
            next(iter(self._readers.values())).wake()

    def notify(self) -> None:
        """Wake those whose streams have news, and tell the pool about another capacity."""
        session = self._session
        for stream in session.touched:
            waiter = self._readers.get(stream.operation)
            if waiter is not None:
                waiter.wake()
        session.touched.clear()
        capacity = session.capacity
        if capacity != self._announced:
            self._announced = capacity
            self._on_resize(capacity)

    def retire(self) -> None:
        """Let the requests under way go on, and take no more."""
        self._session.accepts = False
        self.notify()

    def suspect(self, error: Exception, operation: Operation, received_before: int) -> None:
        """Take no more requests if one has timed out and nothing at all was received since it was sent.

        The peer may be gone without a word. A PING would tell, but somebody would have to wait for its answer; a new
        connection costs less.
        """
        if self._session.received != received_before or error.args == (TOO_LATE,):
            # It was heard of, or it is not to blame: the time was up before the stream was asked for anything.
            return
        if _is_timeout(error, operation):
            self.retire()

    def fail(self, error: Exception) -> None:
        """The connection broke: all of its requests do, each with an error of its own."""
        cause = root_cause(error)
        self._session.fail(partial(_broken, cause))
        self.notify()

    def _read(self, has_news: Callable[[], bool], operation: Operation) -> SocketFlow[None]:
        """Read until there is news, or something to be written, which is better done while another one reads."""
        session = self._session
        self._reading = True
        try:
            while True:
                data: bytes = yield self._read_socket
                self._receiver.feed(data)
                self.notify()
                if session.failure is not None:
                    if session.unsent and data and not (self._writing or self.muted):
                        yield from self._say_goodbye()
                    return
                if has_news() or self.may_flush:
                    return
        except Exception as error:
            if not _is_timeout(error, operation):
                self.fail(error)
            raise
        finally:
            self._reading = False
            self.hand_over()

    def _say_goodbye(self) -> SocketFlow[None]:
        """Tell the peer what was wrong, if that can be done (RFC 9113 §5.4.1)."""
        data, self._session.unsent = bytes(self._session.unsent), bytearray()
        try:
            yield WriteSocket(self.socket, data)
        except Exception:
            # The error that ended the connection is what counts.
            return

    def _wait(
        self, queue: dict[Operation, Waiter], operation: Operation, late: Callable[[], Exception]
    ) -> Generator[SocketAction[Any], Any, None]:
        self.hand_over()
        waiter = queue[operation] = self._new_waiter()
        woken = False
        try:
            woken = yield Wait(waiter)
        finally:
            del queue[operation]
            if not woken:
                self.hand_over()
        if not woken:
            raise late()

    def _interrupted(self) -> None:
        # Of ours the asynchronous ones keep the rest.
        if hasattr(self.socket, "abort") and hasattr(self.socket, "aclose"):
            self._rest = True
        else:
            self.fail(ReadError("a write was interrupted"))


def _is_timeout(error: Exception, operation: Operation) -> bool:
    return isinstance(error, AttemptTimeout) or isinstance(explain(error, operation), AttemptTimeout)


def _broken(cause: BaseException, operation: Operation) -> Exception:
    return ReadError(cause)
