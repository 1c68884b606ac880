"""The connections that calls share: those of all threads, or those of one event loop.

A lane carries the decisions of `core.pool` out. Its lock makes each event one step for threads; it is not held
while a flow waits, nor while a stream is closed that cannot be closed at once.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from trivet.core.errors import ConnectError
from trivet.core.pool import CloseConnection, OpenConnection, Pool, UseConnection
from trivet.transports.flows.opening import Opener
from trivet.transports.flows.routes import Routes

if TYPE_CHECKING:
    from trivet.core.pool import Decisions
    from trivet.transports.flows.actions import SocketFlow, Waiter
    from trivet.transports.flows.connection import Connection
    from trivet.transports.network.operation import Operation
    from trivet.transports.options import ConnectionOptions


class Ticket:
    """A call that wants a connection. ``granted``: what it has got; None while it waits."""

    __slots__ = ("granted", "waiter")

    def __init__(self) -> None:
        self.granted: UseConnection[Ticket, Connection] | OpenConnection[Ticket] | None = None
        self.waiter: Waiter | None = None


class Runtime:
    """What a lane needs to know of its surroundings.

    ``monotonic``: the clock by which connections become old. ``new_waiter``: makes what a call waits on.
    ``abort``: closes a stream at once. ``interrupt``: ends one that somebody uses, who closes it then.
    ``soon``: calls a function, given in any thread, where the lane may be used. ``sharing``: whether calls may share
    a connection. ``run``: runs a flow of the lane; ``background``: the same while nobody waits for it.
    """

    __slots__ = ("abort", "background", "interrupt", "monotonic", "new_waiter", "run", "sharing", "soon")

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        new_waiter: Callable[[], Waiter],
        abort: Callable[[Any], None],
        interrupt: Callable[[Any], None],
        soon: Callable[[Callable[[], None]], None],
        sharing: bool,
        run: Callable[[Any, Operation], Any],
        background: Callable[[Callable[[Operation], SocketFlow[None]]], None],
    ) -> None:
        self.monotonic = monotonic
        self.new_waiter = new_waiter
        self.abort = abort
        self.interrupt = interrupt
        self.soon = soon
        self.sharing = sharing
        self.run = run
        self.background = background


class Lane:
    """A pool and the connections in it."""

    __slots__ = ("_abandoned", "_lock", "_pool", "closed", "opener", "routes", "runtime")

    def __init__(self, options: ConnectionOptions, runtime: Runtime) -> None:
        limits = options.limits
        self.runtime = runtime
        self.routes = Routes(options, sharing=runtime.sharing)
        self.opener = Opener(options, runtime.abort, runtime.new_waiter)
        self.closed = False
        self._lock = Lock()
        self._abandoned: deque[Connection] = deque()
        self._pool: Pool[Ticket, Connection] = Pool(
            max_connections=limits.max_connections,
            max_per_origin=limits.max_per_origin,
            max_idle=limits.max_idle,
            idle_timeout=limits.idle_timeout,
            race=False,
        )

    def acquire(self, key: str, ticket: Ticket, shared: bool) -> None:
        """Ask for a connection. If none is granted at once, ``ticket.waiter`` is there to be waited on."""
        with self._lock:
            if self.closed:
                raise closed_error()
            decisions = self._pool.acquire(key, ticket, self.runtime.monotonic(), shared=shared)
            closing = self._carry_out(decisions)
            if ticket.granted is None:
                ticket.waiter = self.runtime.new_waiter()
        self._after(closing)

    def give_up(self, ticket: Ticket) -> None:
        """The call waits no longer; what it was granted in the meantime goes to the next one."""
        with self._lock:
            granted = ticket.granted
            if self.closed:
                return
            if granted is None:
                self._pool.cancelled(ticket)
                closing: list[Connection] = []
            elif isinstance(granted, OpenConnection):
                closing = self._carry_out(self._pool.failed(granted))
            else:
                closing = self._carry_out(self._pool.released(granted.connection, True, self.runtime.monotonic()))
        self._after(closing)

    def connected(self, opening: OpenConnection[Ticket], connection: Connection) -> None:
        """A connection is open; the ticket is granted it, unless the lane was closed meanwhile."""
        capacity = connection.capacity if self.runtime.sharing else 1
        opening.ticket.granted = None
        connection.watch(self.lost)
        with self._lock:
            closing = self._carry_out(
                self._pool.connected(opening, connection, self.runtime.monotonic(), capacity=capacity)
            )
        self._after(closing)

    def failed(self, opening: OpenConnection[Ticket]) -> None:
        """No connection could be opened."""
        with self._lock:
            closing = self._carry_out(self._pool.failed(opening))
        self._after(closing)

    def release(self, connection: Connection, *, fit: bool = True) -> None:
        """A call is done with a connection, which is not ``fit`` for another one if it says so itself either."""
        with self._lock:
            decisions = self._pool.released(connection, fit and connection.reusable, self.runtime.monotonic())
            closing = self._carry_out(decisions) if decisions else None
        if self.closed:
            self.runtime.abort(connection.stream)
            return
        if closing or self._abandoned:
            self._after(closing or [])
        if connection.leftover:
            self.runtime.background(connection.flush)

    def lost(self, connection: Connection) -> None:
        """The peer has closed an idle connection, or has sent what answers no request."""
        with self._lock:
            closing = self._carry_out(self._pool.closed(connection)) if not self.closed else []
        self._after(closing)

    def resized(self, connection: Connection, capacity: int) -> None:
        """A connection can carry another number of requests at a time."""
        if self.runtime.sharing:
            with self._lock:
                closing = self._carry_out(self._pool.resized(connection, capacity)) if not self.closed else []
            self._after(closing)

    def abandon(self, connection: Connection) -> None:
        """Release a connection from a finaliser, which may run in any thread, and in the middle of the above."""
        self._abandoned.append(connection)
        self.runtime.soon(self._reap)

    def close(self) -> None:
        """Close all connections, those in use too, and refuse those who wait."""
        with self._lock:
            self.closed = True
            decisions = self._pool.close_all()
        for decision in decisions:
            if isinstance(decision, CloseConnection):
                end = self.runtime.interrupt if decision.in_use else self.runtime.abort
                end(decision.connection.stream)
            elif decision.ticket.waiter is not None:
                decision.ticket.waiter.wake()

    def disown(self) -> None:
        """Close the sockets that the child of a fork has inherited; those of its parent stay open."""
        # Another thread of the parent may have held it when the process was forked.
        self._lock = Lock()
        self.close()

    def _carry_out(self, decisions: Decisions[Ticket, Connection]) -> list[Connection]:
        """Tell the tickets, and return what is to be closed once the lock is free."""
        closing: list[Connection] = []
        for decision in decisions:
            if isinstance(decision, CloseConnection):
                stream = decision.connection.stream
                if hasattr(stream, "abort"):
                    # Before anybody else can have its slot: there is never a connection too many.
                    self.runtime.abort(stream)
                else:
                    closing.append(decision.connection)
                continue
            ticket = decision.ticket
            if isinstance(decision, UseConnection | OpenConnection):
                ticket.granted = decision
            if ticket.waiter is not None:
                ticket.waiter.wake()
        return closing

    def _after(self, closing: list[Connection]) -> None:
        for connection in closing:
            self.runtime.abort(connection.stream)
        if self._abandoned:
            self._reap()

    def _reap(self) -> None:
        # Whoever holds the lock reaps after that.
        while self._abandoned and self._lock.acquire(blocking=False):
            closing: list[Connection] = []
            try:
                connection = self._abandoned.popleft()
                if self.closed:
                    self.runtime.abort(connection.stream)
                closing = self._carry_out(self._pool.released(connection, False, self.runtime.monotonic()))
            except IndexError:
                pass  # another thread was quicker
            finally:
                self._lock.release()
            for each in closing:
                self.runtime.abort(each.stream)


def closed_error() -> ConnectError:
    """For a call that waited for a connection when the client was closed."""
    error = ConnectError("the client was closed before the request was sent", sent=False)
    error.permanent = True
    return error


def warn_of_abandoned(body: object) -> None:
    """Warn that a response was dropped with its content unread and the response not closed."""
    warnings.warn(f"{body!r} was never read to its end nor closed", ResourceWarning, source=body, stacklevel=2)
