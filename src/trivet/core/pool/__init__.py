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
* A slot that is freed goes to the ticket that has waited longest of all, those apart whose origin is not allowed
  another one. When it is allowed one again, its tickets go before those that had no turn yet; several such
  origins take turns. When no slot is free, the idle connection that has not been used for the longest makes way.
* An origin is not allowed another slot while it has ``max_per_origin``. Nor is it, if requests are expected to
  share its connections, while one is being opened: it may have room for all. The first that turns out to serve
  one ticket at a time ends that expectation for as long as the origin is remembered, which is as long as it has
  a connection or somebody waits for one.
* A connection that comes up serves the ticket that it was opened for, then those of its origin that have waited
  longest. If it finds nobody it becomes idle. An opening is never abandoned by the pool, nor is it promised to
  anybody but its ticket: should it fail, nobody else is refused.

Every event costs the same however many connections and tickets there are (amortised: a ticket is moved from one
queue to another at most once).
"""

from __future__ import annotations

from trivet.core.pool.decisions import (
    CloseConnection,
    Decision,
    Decisions,
    OpenConnection,
    RefuseTicket,
    UseConnection,
)
from trivet.core.pool.pool import Pool

__all__ = ["CloseConnection", "Decision", "Decisions", "OpenConnection", "Pool", "RefuseTicket", "UseConnection"]
