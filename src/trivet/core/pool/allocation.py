"""Who has a connection, who waits for one, for whom one is opened next and which one makes way for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic

from trivet.core.pool.decisions import C, CloseConnection, Decisions, OpenConnection, T, UseConnection
from trivet.core.pool.records import Connection, Origin, Queue, Waiter


class Allocation(Generic[T, C]):
    """All that a pool has to give, and to whom it is given.

    A ticket waits in ``queue`` until it has its turn for a slot. If its origin is not allowed another one then,
    because it has reached its limit or because an opening that may serve the ticket as well is under way, the
    ticket is parked with its origin and those behind it have their turn. Once the origin is allowed a slot again it
    is ``ready``. Whoever was parked has waited longer than all in the queue, so comes first.

    Once `grant` has run, ``queue`` and ``ready`` hold nobody who could be served.
    """

    __slots__ = (
        "connections",
        "idle",
        "max_connections",
        "max_per_origin",
        "opened",
        "openings",
        "origins",
        "queue",
        "race",
        "ready",
        "waiters",
    )

    def __init__(self, max_connections: int, max_per_origin: int, race: bool) -> None:
        self.max_connections = max_connections
        self.max_per_origin = max_per_origin
        self.race = race
        self.opened = 0
        self.origins: dict[str, Origin[T, C]] = {}
        self.connections: dict[C, Connection[T, C]] = {}
        self.openings: dict[OpenConnection[T], Origin[T, C]] = {}
        # Of all origins, the one used last at the end.
        self.idle: OrderedDict[Connection[T, C], None] = OrderedDict()
        self.waiters: dict[T, Waiter[T, C]] = {}
        # The tickets that had no turn yet, oldest first.
        self.queue: Queue[T, C] = OrderedDict()
        # They take turns. One that is here without need is found out when it has its own.
        self.ready: OrderedDict[Origin[T, C], None] = OrderedDict()

    @property
    def used(self) -> int:
        """How many connections are open or being opened."""
        return len(self.connections) + len(self.openings)

    def add(self, waiter: Waiter[T, C]) -> None:
        """One more ticket waits. `grant` must follow."""
        self.waiters[waiter.ticket] = waiter
        waiter.origin.waiting[waiter] = None
        waiter.move(self.queue)

    def remove(self, waiter: Waiter[T, C]) -> None:
        """A ticket waits no longer."""
        del self.waiters[waiter.ticket]
        waiter.origin.waiting.pop(waiter, None)
        waiter.move(None)

    def give(self, waiter: Waiter[T, C], found: Connection[T, C], decisions: Decisions[T, C]) -> None:
        """Let a connection that has room serve a ticket that waits."""
        self.remove(waiter)
        found.streams += 1
        decisions.append(UseConnection(waiter.ticket, found.handle))

    def fill(self, found: Connection[T, C], decisions: Decisions[T, C]) -> None:
        """Let a connection serve who waits for its origin, then note whether it has room left."""
        origin = found.origin
        while origin.waiting and found.streams < found.capacity:
            self.give(next(iter(origin.waiting)), found, decisions)
        if found.streams < found.capacity:
            origin.room[found] = None
            origin.room.move_to_end(found)
        elif found.streams:
            origin.room.pop(found, None)
        else:
            # It may serve nobody, and nobody uses it: it would take up a slot for nothing.
            self.close(found, decisions)

    def grant(self, decisions: Decisions[T, C]) -> None:
        """Open connections for those who wait for a slot, as long as one is free or can be made free."""
        while (self.ready or self.queue) and (self.idle or self.used < self.max_connections):
            waiter = self._next()
            if waiter is None:
                continue
            if self.used < self.max_connections:
                self._open(waiter, decisions)
            else:
                # Its slot goes to the waiter in the next round.
                self.drop(next(iter(self.idle)), decisions)

    def _next(self) -> Waiter[T, C] | None:
        """Whose turn it is; None if that one must let others pass."""
        if self.ready:
            origin = next(iter(self.ready))
            if origin.parked and self._may_open(origin):
                return next(iter(origin.parked))
            del self.ready[origin]
            return None
        waiter = next(iter(self.queue))
        if self._may_open(waiter.origin):
            return waiter
        waiter.move(waiter.origin.parked)
        return None

    def _may_open(self, origin: Origin[T, C]) -> bool:
        return origin.slots < self.max_per_origin and not (origin.shares and origin.openings)

    def _open(self, waiter: Waiter[T, C], decisions: Decisions[T, C]) -> None:
        origin = waiter.origin
        waiter.move(None)
        self.opened += 1
        waiter.opening = OpenConnection(waiter.ticket, origin.name, self.opened)
        if not self.race:
            del origin.waiting[waiter]
        origin.slots += 1
        origin.openings += 1
        self.openings[waiter.opening] = origin
        if origin in self.ready:
            self.ready.move_to_end(origin)
        decisions.append(waiter.opening)

    def close(self, found: Connection[T, C], decisions: Decisions[T, C]) -> None:
        """Close a connection; its slot goes to who waits for one."""
        self.drop(found, decisions)
        self.grant(decisions)

    def drop(self, found: Connection[T, C], decisions: Decisions[T, C]) -> None:
        """Close a connection. `grant` must follow if anybody may wait for its slot."""
        origin = found.origin
        del self.connections[found.handle]
        self.idle.pop(found, None)
        origin.room.pop(found, None)
        origin.slots -= 1
        decisions.append(CloseConnection(found.handle))
        self.review(origin)

    def review(self, origin: Origin[T, C]) -> None:
        """See what is to become of an origin that may be allowed another slot, or be needed no more."""
        if origin.parked:
            if self._may_open(origin):
                self.ready[origin] = None
        elif not (origin.slots or origin.waiting):
            del self.origins[origin.name]
            self.ready.pop(origin, None)

    def clear(self) -> None:
        """Forget all but what is being opened."""
        for each in (self.waiters, self.connections, self.origins, self.queue, self.ready, self.idle):
            each.clear()
