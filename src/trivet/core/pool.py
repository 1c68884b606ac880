"""The connection pool as a state machine: who gets which connection, what to open, what to close.

It is pure. A transport tells it what happened and carries out, in their order, the decisions that come back.
It has no locks: the transport serialises its calls, and may carry out the decisions after that. Times are
monotonic seconds that the transport passes in.

Who asks is a *ticket*, any hashable object of the transport's. What it waits for comes as a decision that
names it, exactly one: `UseConnection`, or `RefuseTicket`. `OpenConnection` only says that a connection is now
being opened on its behalf. A connection is a hashable handle; its *slot* is taken from the decision to open
it until the decision to close it, and every connection gets exactly one `CloseConnection` in the end.

* A connection with room – idle, or HTTP/2 with streams to spare – serves its origin, the one used last first.
* A connection that is freed goes straight to the ticket of its origin that has waited longest.
* A slot that is freed goes to the ticket that has waited longest of all, those apart whose origin has reached
  ``max_per_origin``. When no slot is free, the idle connection that has not been used for the longest makes way.
* A connection that comes up serves the ticket that it was opened for. If that one was cancelled or has got
  another, the connection serves who waits longest for its origin, or becomes idle. An opening is never abandoned
  by the pool, nor is it promised to anybody else: should it fail, nobody else is affected.

Every event costs the same however many connections and tickets there are (amortised: a ticket is moved from one
queue to another at most once). The queues are `OrderedDict`: a ticket may leave from the middle, and a plain
dict finds its first key by walking over all that were removed before it.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from trivet.core.errors import ConfigError, LocalProtocolError

T = TypeVar("T")
C = TypeVar("C")

# The capacity of a connection that takes no more tickets, whatever its peer may still announce.
_RETIRED: Final = -1


class UseConnection(NamedTuple, Generic[T, C]):
    """``ticket`` has got ``connection``; `Pool.released` must follow."""

    ticket: T
    connection: C


class OpenConnection(NamedTuple, Generic[T]):
    """Open a connection to ``origin`` for ``ticket``; then this object goes to `Pool.connected` or `Pool.failed`.

    ``number`` tells it from all others: a ticket that was cancelled may ask again.
    """

    ticket: T
    origin: str
    number: int


class CloseConnection(NamedTuple, Generic[C]):
    """Close ``connection``: the pool has forgotten it."""

    connection: C


class RefuseTicket(NamedTuple, Generic[T]):
    """``ticket`` gets nothing: its opening failed, with the error that is to be raised, or the pool was closed."""

    ticket: T


Decision: TypeAlias = UseConnection[T, C] | OpenConnection[T] | CloseConnection[C] | RefuseTicket[T]
Decisions: TypeAlias = list[Decision[T, C]]
_Queue: TypeAlias = "OrderedDict[_Waiter[T, C], None]"


class _Origin(Generic[T, C]):
    """What one origin has. ``room`` and ``waiting`` are never both filled: who waits takes what room there is."""

    __slots__ = ("name", "parked", "room", "slots", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.slots = 0
        # The connections that can serve one more ticket; the one used last at the end.
        self.room: OrderedDict[_Connection[T, C], None] = OrderedDict()
        # The tickets that would take a connection that is freed, oldest first …
        self.waiting: _Queue[T, C] = OrderedDict()
        # … and those of them that had their turn for a slot when the origin had reached its own limit.
        self.parked: _Queue[T, C] = OrderedDict()


class _Waiter(Generic[T, C]):
    __slots__ = ("opening", "origin", "queue", "ticket")

    def __init__(self, ticket: T, origin: _Origin[T, C]) -> None:
        self.ticket = ticket
        self.origin = origin
        self.opening: OpenConnection[T] | None = None
        # Where it waits for a slot: among all, or parked; None once a connection is being opened for it.
        self.queue: _Queue[T, C] | None = None


class _Connection(Generic[T, C]):
    __slots__ = ("capacity", "handle", "idle_since", "origin", "streams")

    def __init__(self, handle: C, origin: _Origin[T, C], capacity: int) -> None:
        self.handle = handle
        self.origin = origin
        self.capacity = capacity
        self.streams = 0
        self.idle_since = 0.0


class Pool(Generic[T, C]):
    """The state machine of one pool. An illegal call raises `LocalProtocolError` and changes nothing.

    ``max_connections``, ``max_per_origin`` (None: no limit of its own): open connections, those included that
    are being opened. ``max_idle``: connections kept while nobody uses them. ``idle_timeout``: seconds that they
    are kept. ``race``: a ticket whose connection is being opened takes one that is freed before that is up;
    False for a transport that opens connections in the very thread that waits, where it could not be told.
    `ConfigError` is raised if no connection could ever be opened.

    >>> pool: Pool[str, str] = Pool(max_connections=1)
    >>> [opening] = pool.acquire("https://api.example.com", "first", 0.0)
    >>> pool.connected(opening, "connection 1", 0.1)
    [UseConnection(ticket='first', connection='connection 1')]
    >>> pool.acquire("https://cdn.example.com", "second", 0.2)
    []
    >>> pool.released("connection 1", True, 0.3)
    [CloseConnection(connection='connection 1'), OpenConnection(ticket='second', origin='https://cdn.example.com', number=2)]
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
        self._max_connections = max_connections
        self._max_per_origin = max_connections if max_per_origin is None else max_per_origin
        self._max_idle = max_idle
        self._idle_timeout = idle_timeout
        self._race = race
        self._closed = False
        self._opened = 0
        self._origins: dict[str, _Origin[T, C]] = {}
        self._connections: dict[C, _Connection[T, C]] = {}
        self._openings: dict[OpenConnection[T], _Origin[T, C]] = {}
        self._waiters: dict[T, _Waiter[T, C]] = {}
        # The tickets that wait for a slot, oldest first. What is parked had its turn before, so is older than these.
        self._queue: _Queue[T, C] = OrderedDict()
        # Of all origins, the one used last at the end.
        self._idle: OrderedDict[_Connection[T, C], None] = OrderedDict()

    @property
    def slots(self) -> int:
        """How many connections are open or being opened."""
        return len(self._connections) + len(self._openings)

    @property
    def idle(self) -> int:
        """How many connections nobody uses."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many tickets have got no connection yet."""
        return len(self._waiters)

    def acquire(self, origin: str, ticket: T, now: float) -> Decisions[T, C]:
        """``ticket`` wants a connection to ``origin``. It waits if no decision about it comes back."""
        if self._closed or ticket in self._waiters:
            reason = "the pool is closed" if self._closed else "this ticket waits for a connection already"
            raise LocalProtocolError(f"acquire() was called, but {reason}")
        decisions = self.expire(now)
        record = self._origins.get(origin)
        if record is None:
            record = self._origins[origin] = _Origin(origin)
        elif record.room:
            found = next(reversed(record.room))
            if not found.streams:
                del self._idle[found]
            found.streams += 1
            if found.streams >= found.capacity:
                del record.room[found]
            decisions.append(UseConnection(ticket, found.handle))
            return decisions
        waiter = self._waiters[ticket] = _Waiter(ticket, record)
        record.waiting[waiter] = None
        self._move(waiter, self._queue)
        self._grant_slots(decisions)
        return decisions

    def cancelled(self, ticket: T) -> None:
        """``ticket`` waits no longer.

        What is being opened for it goes on, unless the transport stops that and calls `failed`. A ticket that has
        got its connection is not cancelled: its connection is released.
        """
        waiter = self._waiters.get(ticket)
        if waiter is None:
            raise LocalProtocolError("cancelled() names a ticket that does not wait: release its connection instead")
        self._remove(waiter)
        self._forget_if_empty(waiter.origin)

    def connected(self, opening: OpenConnection[T], connection: C, now: float, capacity: int = 1) -> Decisions[T, C]:
        """A connection is up; it can serve ``capacity`` tickets at a time."""
        if opening not in self._openings or connection in self._connections or capacity < 1:
            raise LocalProtocolError("connected() takes an opening under way, a new connection and a capacity from 1")
        origin = self._openings.pop(opening)
        if self._closed:
            return [CloseConnection(connection)]
        decisions: Decisions[T, C] = []
        opened = self._connections[connection] = _Connection(connection, origin, capacity)
        waiter = self._waiters.get(opening.ticket)
        if waiter is not None and waiter.opening == opening:
            self._give(waiter, opened, decisions)
        self._settle(opened, now, decisions)
        return decisions

    def failed(self, opening: OpenConnection[T]) -> Decisions[T, C]:
        """No connection came of ``opening``. Its ticket is refused if it still waits; its slot is free."""
        origin = self._openings.pop(opening, None)
        if origin is None:
            raise LocalProtocolError("failed() takes an opening that is under way")
        decisions: Decisions[T, C] = []
        if self._closed:
            return decisions
        waiter = self._waiters.get(opening.ticket)
        if waiter is not None and waiter.opening == opening:
            self._remove(waiter)
            decisions.append(RefuseTicket(waiter.ticket))
        self._slot_freed(origin, decisions)
        return decisions

    def released(self, connection: C, reusable: bool, now: float) -> Decisions[T, C]:
        """One ticket is done with ``connection``. If it is not ``reusable`` it serves no more, and is closed after
        the last release."""
        if self._closed:
            return []
        found = self._connections.get(connection)
        if found is None or not found.streams:
            raise LocalProtocolError("released() names a connection that no ticket uses")
        decisions: Decisions[T, C] = []
        found.streams -= 1
        if not reusable:
            found.capacity = _RETIRED
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
        return self._resize("closed", connection, _RETIRED)

    def next_expiry(self) -> float:
        """When `expire` is due; infinity while nothing is idle. `acquire` sees to it as well."""
        return next(iter(self._idle)).idle_since + self._idle_timeout if self._idle else inf

    def expire(self, now: float) -> Decisions[T, C]:
        """Close what has been idle for ``idle_timeout``."""
        decisions: Decisions[T, C] = []
        # While anything is idle nobody waits for a slot, so there is nobody to serve with those that are freed here.
        while self._idle and self.next_expiry() <= now:
            self._close(next(iter(self._idle)), decisions)
        return decisions

    def close_all(self) -> Decisions[T, C]:
        """Refuse whoever waits and close every connection, those in use too; for good.

        What is still being opened is closed when it is up. Releases that come later change nothing.
        """
        decisions: Decisions[T, C] = [RefuseTicket(ticket) for ticket in self._waiters]
        decisions += [CloseConnection(connection) for connection in self._connections]
        self._closed = True
        for each in (self._waiters, self._connections, self._origins, self._queue, self._idle):
            each.clear()
        return decisions

    def _resize(self, event: str, connection: C, capacity: int) -> Decisions[T, C]:
        if self._closed:
            return []
        found = self._connections.get(connection)
        if found is None:
            raise LocalProtocolError(f"{event}() names a connection that is not in this pool")
        decisions: Decisions[T, C] = []
        if found.capacity != _RETIRED:
            found.capacity = capacity
            self._fill(found, decisions)
        return decisions

    def _settle(self, found: _Connection[T, C], now: float, decisions: Decisions[T, C]) -> None:
        """Let a connection that was opened or freed serve who waits, or else rest."""
        self._fill(found, decisions)
        if found.streams or found.capacity <= 0:
            return
        found.idle_since = now
        self._idle[found] = None
        # Nobody of its own origin wants it; somebody of another one may want its slot.
        self._grant_slots(decisions)
        if len(self._idle) > self._max_idle:
            self._close(next(iter(self._idle)), decisions)

    def _fill(self, found: _Connection[T, C], decisions: Decisions[T, C]) -> None:
        """Let a connection serve who waits for its origin, then note whether it has room left."""
        origin = found.origin
        while origin.waiting and found.streams < found.capacity:
            self._give(next(iter(origin.waiting)), found, decisions)
        if found.streams < found.capacity:
            origin.room[found] = None
            origin.room.move_to_end(found)
        elif found.streams:
            origin.room.pop(found, None)
        else:
            # It may serve nobody, and nobody uses it: it would take up a slot for nothing.
            self._close(found, decisions)

    def _give(self, waiter: _Waiter[T, C], found: _Connection[T, C], decisions: Decisions[T, C]) -> None:
        self._remove(waiter)
        found.streams += 1
        decisions.append(UseConnection(waiter.ticket, found.handle))

    def _grant_slots(self, decisions: Decisions[T, C]) -> None:
        """Open connections for those who wait for a slot, as long as one is free or can be made free."""
        while self._queue and (self.slots < self._max_connections or self._idle):
            waiter = next(iter(self._queue))
            origin = waiter.origin
            if origin.slots >= self._max_per_origin:
                self._move(waiter, origin.parked)
            elif self.slots < self._max_connections:
                self._open(waiter, decisions)
            else:
                # Its slot goes to the waiter before the call returns.
                self._close(next(iter(self._idle)), decisions)

    def _open(self, waiter: _Waiter[T, C], decisions: Decisions[T, C]) -> None:
        origin = waiter.origin
        self._move(waiter, None)
        self._opened += 1
        waiter.opening = OpenConnection(waiter.ticket, origin.name, self._opened)
        if not self._race:
            del origin.waiting[waiter]
        origin.slots += 1
        self._openings[waiter.opening] = origin
        decisions.append(waiter.opening)

    def _close(self, found: _Connection[T, C], decisions: Decisions[T, C]) -> None:
        del self._connections[found.handle]
        self._idle.pop(found, None)
        found.origin.room.pop(found, None)
        decisions.append(CloseConnection(found.handle))
        self._slot_freed(found.origin, decisions)

    def _slot_freed(self, origin: _Origin[T, C], decisions: Decisions[T, C]) -> None:
        origin.slots -= 1
        if origin.parked:
            self._open(next(iter(origin.parked)), decisions)
        else:
            self._grant_slots(decisions)
        self._forget_if_empty(origin)

    def _remove(self, waiter: _Waiter[T, C]) -> None:
        del self._waiters[waiter.ticket]
        waiter.origin.waiting.pop(waiter, None)
        self._move(waiter, None)

    def _move(self, waiter: _Waiter[T, C], queue: _Queue[T, C] | None) -> None:
        if waiter.queue is not None:
            del waiter.queue[waiter]
        waiter.queue = queue
        if queue is not None:
            queue[waiter] = None

    def _forget_if_empty(self, origin: _Origin[T, C]) -> None:
        if not (origin.slots or origin.waiting):
            del self._origins[origin.name]
