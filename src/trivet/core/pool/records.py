"""What a pool remembers of each origin, of each ticket that waits and of each connection."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeAlias

from trivet.core.pool.decisions import C, OpenConnection, T

# The capacity of a connection that takes no more tickets, whatever its peer may still announce.
RETIRED: Final = -1

# An OrderedDict, as a ticket may leave from the middle, and a plain dict finds its first key by walking over all
# that were removed before it.
Queue: TypeAlias = "OrderedDict[Waiter[T, C], None]"


class Origin(Generic[T, C]):
    """What one origin has. ``room`` and ``waiting`` are never both filled: who waits takes what room there is."""

    __slots__ = ("name", "openings", "parked", "room", "shares", "slots", "waiting")

    def __init__(self, name: str, shares: bool) -> None:
        self.name = name
        # Whether its connections are expected to serve several tickets at a time.
        self.shares = shares
        # Its connections, those included that are being opened, …
        self.slots = 0
        # … and these alone.
        self.openings = 0
        # The connections that can serve one more ticket; the one used last at the end.
        self.room: OrderedDict[Connection[T, C], None] = OrderedDict()
        # The tickets that would take a connection that is freed, oldest first …
        self.waiting: Queue[T, C] = OrderedDict()
        # … and those of them that had their turn for a slot when the origin was not allowed another one.
        self.parked: Queue[T, C] = OrderedDict()


class Waiter(Generic[T, C]):
    """A ticket that has got no connection yet."""

    __slots__ = ("opening", "origin", "queue", "ticket")

    def __init__(self, ticket: T, origin: Origin[T, C]) -> None:
        self.ticket = ticket
        self.origin = origin
        self.opening: OpenConnection[T] | None = None
        # Where it waits for a slot: among all, or parked; None once a connection is being opened for it.
        self.queue: Queue[T, C] | None = None

    def move(self, queue: Queue[T, C] | None) -> None:
        """Leave the queue that it is in for the end of another one."""
        if self.queue is not None:
            del self.queue[self]
        self.queue = queue
        if queue is not None:
            queue[self] = None


class Connection(Generic[T, C]):
    """A connection that is open, used by ``streams`` tickets."""

    __slots__ = ("capacity", "handle", "idle_since", "origin", "streams")

    def __init__(self, handle: C, origin: Origin[T, C], capacity: int) -> None:
        self.handle = handle
        self.origin = origin
        self.capacity = capacity
        self.streams = 0
        self.idle_since = 0.0
