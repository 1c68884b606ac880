"""The events of a connection pool, and what is decided on each."""

from __future__ import annotations

from math import inf
from typing import Generic

from trivet.core.errors import ConfigError, LocalProtocolError
from trivet.core.pool.allocation import Allocation
from trivet.core.pool.decisions import (
    C,
    CloseConnection,
    Decisions,
    OpenConnection,
    RefuseTicket,
    T,
    UseConnection,
)
from trivet.core.pool.records import RETIRED, Connection, Origin, Waiter


class Pool(Generic[T, C]):
    """The state machine of one pool. An illegal call raises `LocalProtocolError` and changes nothing.

    ``max_connections``, ``max_per_origin`` (None: no limit of its own): open connections, those included that
    are being opened. ``max_idle``: connections kept while nobody uses them. ``idle_timeout``: seconds that they
    are kept; with 0 for either, none is. ``race``: a ticket whose connection is being opened takes one that is
    freed before that is up; False for a transport that opens connections in the very thread that waits, where it
    could not be told. `ConfigError` is raised if no connection could ever be opened.

    >>> pool: Pool[str, str] = Pool(max_connections=1)
    >>> [opening] = pool.acquire("https://api.example.com", "first", 0.0)
    >>> pool.connected(opening, "connection 1", 0.1)
    [UseConnection(ticket='first', connection='connection 1')]
    >>> pool.acquire("https://cdn.example.com", "second", 0.2)
    []
    >>> closing, opening = pool.released("connection 1", True, 0.3)
    >>> closing.connection, opening.ticket
    ('connection 1', 'second')
    """

    def __init__(
        self,
        *,
        max_connections: int = 100,
        max_per_origin: int | None = None,
        max_idle: int = 20,
        idle_timeout: float = 60.0,
        race: bool = True,
    ) -> None:
        if max_connections < 1 or (max_per_origin is not None and max_per_origin < 1):
            raise ConfigError("a pool with max_connections or max_per_origin below 1 could open no connection")
        # A connection that is kept for no time is not kept, rather than until somebody looks at the clock.
        self._max_idle = max_idle if idle_timeout > 0 else 0
        self._idle_timeout = idle_timeout
        self._closed = False
        self._allocation: Allocation[T, C] = Allocation(
            max_connections, max_connections if max_per_origin is None else max_per_origin, race
        )

    @property
    def slots(self) -> int:
        """How many connections are open or being opened."""
        return self._allocation.used

    @property
    def idle(self) -> int:
        """How many connections nobody uses."""
        return len(self._allocation.idle)

    @property
    def waiting(self) -> int:
        """How many tickets have got no connection yet."""
        return len(self._allocation.waiters)

    def acquire(self, origin: str, ticket: T, now: float, shared: bool = False) -> Decisions[T, C]:
        """``ticket`` wants a connection to ``origin``. It waits if no decision about it comes back.

        ``shared``: a connection to this origin will probably serve several tickets at a time, as HTTP/2 does, so
        that it is better to wait for one that is being opened than to open another. The first ticket of an origin
        decides that for all, as long as the origin is remembered.

        >>> pool: Pool[str, str] = Pool()
        >>> [opening] = pool.acquire("https://api.example.com", "first", 0.0, shared=True)
        >>> pool.acquire("https://api.example.com", "second", 0.0, shared=True)
        []
        >>> pool.connected(opening, "connection 1", 0.1, capacity=100)
        [UseConnection(ticket='first', connection='connection 1'), UseConnection(ticket='second', connection='connection 1')]
        """
        has = self._allocation
        if self._closed or ticket in has.waiters:
            reason = "the pool is closed" if self._closed else "this ticket waits for a connection already"
            raise LocalProtocolError(f"acquire() was called, but {reason}")
        decisions: Decisions[T, C] = []
        if has.idle and next(iter(has.idle)).idle_since + self._idle_timeout <= now:
            decisions = self.expire(now)
        record = has.origins.get(origin)
        if record is None:
            record = has.origins[origin] = Origin(origin, shared)
        elif record.room:
            found = next(reversed(record.room))
            if not found.streams:
                del has.idle[found]
            found.streams += 1
            if found.streams >= found.capacity:
                del record.room[found]
            decisions.append(UseConnection(ticket, found.handle))
            return decisions
        has.add(Waiter(ticket, record))
        has.grant(decisions)
        return decisions

    def cancelled(self, ticket: T) -> None:
        """``ticket`` waits no longer.

        What is being opened for it goes on, for others that wait, unless the transport stops that and calls
        `failed`. A ticket that has got its connection is not cancelled: its connection is released.
        """
        has = self._allocation
        waiter = has.waiters.get(ticket)
        if waiter is None:
            raise LocalProtocolError("cancelled() names a ticket that does not wait: release its connection instead")
        has.remove(waiter)
        has.review(waiter.origin)

    def connected(self, opening: OpenConnection[T], connection: C, now: float, capacity: int = 1) -> Decisions[T, C]:
        """A connection is up; it can serve ``capacity`` tickets at a time."""
        has = self._allocation
        if opening not in has.openings or connection in has.connections or capacity < 1:
            raise LocalProtocolError("connected() takes an opening under way, a new connection and a capacity from 1")
        origin = has.openings.pop(opening)
        if self._closed:
            return [CloseConnection(connection)]
        origin.openings -= 1
        if capacity == 1:
            origin.shares = False
        decisions: Decisions[T, C] = []
        opened = has.connections[connection] = Connection(connection, origin, capacity)
        waiter = has.waiters.get(opening.ticket)
        if waiter is not None and waiter.opening == opening:
            has.give(waiter, opened, decisions)
        self._settle(opened, now, decisions)
        if origin.parked:
            # There was no room for these, and nothing is being opened that they might share.
            has.review(origin)
            has.grant(decisions)
        return decisions

    def failed(self, opening: OpenConnection[T]) -> Decisions[T, C]:
        """No connection came of ``opening``. Its ticket is refused if it still waits; its slot is free."""
        has = self._allocation
        origin = has.openings.pop(opening, None)
        if origin is None:
            raise LocalProtocolError("failed() takes an opening that is under way")
        decisions: Decisions[T, C] = []
        if self._closed:
            return decisions
        waiter = has.waiters.get(opening.ticket)
        if waiter is not None and waiter.opening == opening:
            has.remove(waiter)
            decisions.append(RefuseTicket(waiter.ticket))
        origin.openings -= 1
        origin.slots -= 1
        has.review(origin)
        has.grant(decisions)
        return decisions

    def released(self, connection: C, reusable: bool, now: float) -> Decisions[T, C]:
        """One ticket is done with ``connection``. If it is not ``reusable`` it serves no more, and is closed after
        the last release.

        A ticket that finds its connection dead releases it so, and may ask again.
        """
        if self._closed:
            return []
        found = self._allocation.connections.get(connection)
        if found is None or not found.streams:
            raise LocalProtocolError("released() names a connection that no ticket uses")
        decisions: Decisions[T, C] = []
        found.streams -= 1
        if not reusable:
            found.capacity = RETIRED
        self._settle(found, now, decisions)
        return decisions

    def resized(self, connection: C, capacity: int) -> Decisions[T, C]:
        """The connection can now serve ``capacity`` tickets at a time (RFC 9113 §5.1.2). Who has got it keeps it."""
        if capacity < 0:
            raise LocalProtocolError(f"resized() takes a capacity from 0, not {capacity!r}")
        return self._resize("resized", connection, capacity)

    def closed(self, connection: C) -> Decisions[T, C]:
        """The peer has closed ``connection``, or takes no more requests on it (GOAWAY, RFC 9113 §6.8).

        If it is idle it is closed now; otherwise it is after the last release.
        """
        return self._resize("closed", connection, RETIRED)

    def next_expiry(self) -> float:
        """When `expire` is due; infinity while nothing is idle. `acquire` sees to it as well."""
        idle = self._allocation.idle
        return next(iter(idle)).idle_since + self._idle_timeout if idle else inf

    def expire(self, now: float) -> Decisions[T, C]:
        """Close what has been idle for ``idle_timeout``."""
        decisions: Decisions[T, C] = []
        # While anything is idle nobody waits who may have its slot, so there is nobody to serve with what is freed.
        idle = self._allocation.idle
        while idle and self.next_expiry() <= now:
            self._allocation.drop(next(iter(idle)), decisions)
        return decisions

    def close_all(self) -> Decisions[T, C]:
        """Refuse whoever waits and close every connection, those in use too; for good.

        What is still being opened is closed when it is up. Releases that come later change nothing.
        """
        has = self._allocation
        decisions: Decisions[T, C] = [RefuseTicket(ticket) for ticket in has.waiters]
        decisions += [CloseConnection(handle, bool(found.streams)) for handle, found in has.connections.items()]
        self._closed = True
        has.clear()
        return decisions

    def _resize(self, event: str, connection: C, capacity: int) -> Decisions[T, C]:
        if self._closed:
            return []
        found = self._allocation.connections.get(connection)
        if found is None:
            raise LocalProtocolError(f"{event}() names a connection that is not in this pool")
        decisions: Decisions[T, C] = []
        if found.capacity != RETIRED:
            found.capacity = capacity
            self._allocation.fill(found, decisions)
        return decisions

    def _settle(self, found: Connection[T, C], now: float, decisions: Decisions[T, C]) -> None:
        """Let a connection that was opened or freed serve who waits, or else rest."""
        has = self._allocation
        has.fill(found, decisions)
        if found.streams or found.capacity <= 0:
            return
        found.idle_since = now
        has.idle[found] = None
        # Nobody of its own origin wants it; somebody of another one may want its slot.
        if has.queue or has.ready:
            has.grant(decisions)
        if len(has.idle) > self._max_idle:
            has.close(next(iter(has.idle)), decisions)
