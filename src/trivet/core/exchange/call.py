"""The state of one call that its policies share: the time, the randomness, the deadline, the trace."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import TYPE_CHECKING, Protocol

from trivet.core.exchange.actions import Action, Spawn
from trivet.core.exchange.trace import Event, Trace

if TYPE_CHECKING:
    from trivet.core.exchange.flow import Flow
    from trivet.core.exchange.instant import Instant
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response


class Rng(Protocol):
    """The part of `random.Random` that the core draws from."""

    def random(self) -> float:
        """A number from 0 to 1, 1 not included."""
        ...

    def uniform(self, a: float, b: float, /) -> float:
        """A number from a to b."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """A number of k random bits."""
        ...


class Observer(Protocol):
    """Told of each event as it is recorded, with the object that the event is about, if it is about one.

    One with an attribute ``kinds``, a set of classes, is told of the events of these classes only.
    """

    def __call__(self, event: Event, subject: Request | Response | Exception | None, /) -> None: ...


class Call:
    """One call's view of the world. The exchange makes it and keeps ``now`` current at every resumption.

    ``deadline``: monotonic time at which the whole call is given up (``inf``: never).
    ``attempt_timeout``, ``connect_timeout``: seconds for one attempt and for opening a connection, or None.
    ``attempts``: how many requests this call has sent.
    """

    __slots__ = (
        "_kinds",
        "_note",
        "_observer",
        "attempt_timeout",
        "attempts",
        "connect_timeout",
        "deadline",
        "now",
        "rng",
        "trace",
    )

    def __init__(self, now: Instant, rng: Rng, trace: Trace, observer: Observer | None = None) -> None:
        self.now = now
        self.rng = rng
        self.trace = trace
        self._note = trace.note
        self.deadline = inf
        self.attempt_timeout: float | None = None
        self.connect_timeout: float | None = None
        self.attempts = 0
        self._observer = observer
        self._kinds: Collection[object] | None = getattr(observer, "kinds", None)

    def time_left(self) -> float:
        """Seconds until the deadline; negative when it has passed, ``inf`` when there is none."""
        return self.deadline - self.now.monotonic

    def record(
        self, event: Callable[..., Event], subject: Request | Response | Exception | None, *values: object
    ) -> None:
        """Record an event, given as its class and what follows ``at``: ``record(RetryScheduled, error, 1, …)``.

        The event itself is only made when somebody looks at it, which for most calls is never.
        """
        at = self.now.monotonic
        self._note((event, at, values))
        observer = self._observer
        if observer is not None and (self._kinds is None or event in self._kinds):
            observer(event(at, *values), subject)

    def spawn(self, flow: Flow[object]) -> Spawn:
        """The action that runs a flow in the background, seen by whoever sees this call."""
        return Spawn(flow, self._observer)


class CurrentCall(Action[Call]):
    """Ask for the `Call` that the flow runs in. The exchange answers it; a driver never sees it."""

    __slots__ = ()
