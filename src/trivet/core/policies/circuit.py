"""The state machine behind the circuit breaker: pure, and written down in full in `TRANSITIONS`.

* CLOSED: calls pass. Failures in a row are counted, and one success sets the count back to nought.
* OPEN: calls are refused until ``recovery_time`` has passed.
* HALF_OPEN: a few calls pass as probes and the others are refused. When ``half_open_calls`` probes have
  succeeded the circuit closes; when one fails it opens again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class CircuitState(Enum):
    """Where the circuit of one origin stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitSignal(Enum):
    """What moves a circuit from one state to the next."""

    TRIPPED = "failure_threshold calls failed in a row"
    COOLED = "recovery_time has passed"
    RECOVERED = "half_open_calls probes succeeded"
    RELAPSED = "a probe failed"


TRANSITIONS: Mapping[CircuitState, Mapping[CircuitSignal, CircuitState]] = {
    CircuitState.CLOSED: {CircuitSignal.TRIPPED: CircuitState.OPEN},
    CircuitState.OPEN: {CircuitSignal.COOLED: CircuitState.HALF_OPEN},
    CircuitState.HALF_OPEN: {
        CircuitSignal.RECOVERED: CircuitState.CLOSED,
        CircuitSignal.RELAPSED: CircuitState.OPEN,
    },
}

ORDINARY: Final = object()
"""The ticket of a call that passes a closed circuit. Every probe has a ticket of its own."""


class Circuit:
    """The state machine of one origin. It is pure: the caller tells it the time and serialises the calls.

    >>> circuit = Circuit(failure_threshold=1, recovery_time=30.0, half_open_calls=1)
    >>> circuit.settle(circuit.admit(0.0), False, 0.0)
    True
    >>> circuit.state, circuit.admit(29.0)
    (<CircuitState.OPEN: 'open'>, None)
    """

    __slots__ = (
        "_failure_threshold",
        "_half_open_calls",
        "_passed",
        "_probes",
        "_recovers_at",
        "_recovery_time",
        "failures",
        "state",
    )

    def __init__(self, failure_threshold: int, recovery_time: float, half_open_calls: int) -> None:
        self._failure_threshold = failure_threshold
        self._recovery_time = recovery_time
        self._half_open_calls = half_open_calls
        self.state = CircuitState.CLOSED
        self.failures = 0
        self._recovers_at = 0.0
        self._probes: set[object] = set()
        self._passed = 0

    def admit(self, now: float) -> object | None:
        """A ticket for a call that may be sent now, to be handed to `settle`; None when it may not."""
        if self.state is CircuitState.OPEN and now >= self._recovers_at:
            self._move(CircuitSignal.COOLED)
        if self.state is CircuitState.CLOSED:
            return ORDINARY
        if self.state is CircuitState.OPEN or len(self._probes) + self._passed >= self._half_open_calls:
            return None
        probe = object()
        self._probes.add(probe)
        return probe

    def settle(self, ticket: object, ok: bool | None, now: float) -> bool:
        """Take the outcome of an admitted call (None: cancelled, or it says nothing about the server).

        Returns whether the circuit opened or closed by it.
        """
        if self.state is CircuitState.CLOSED:
            return self._count(ok, now)
        if ticket not in self._probes:
            # The call was admitted before the circuit opened: it says nothing about the server now.
            return False
        self._probes.discard(ticket)
        if ok is None:
            return False
        if not ok:
            self._move(CircuitSignal.RELAPSED, now)
            return True
        self._passed += 1
        if self._passed < self._half_open_calls:
            return False
        self._move(CircuitSignal.RECOVERED)
        return True

    def retry_after(self, now: float) -> float | None:
        """Seconds until a probe may pass; None while one is under way, for then nobody can say."""
        return max(0.0, self._recovers_at - now) if self.state is CircuitState.OPEN else None

    def _count(self, ok: bool | None, now: float) -> bool:
        if ok is None:
            return False
        self.failures = 0 if ok else self.failures + 1
        if self.failures < self._failure_threshold:
            return False
        self._move(CircuitSignal.TRIPPED, now)
        return True

    def _move(self, signal: CircuitSignal, now: float = 0.0) -> None:
        self.state = TRANSITIONS[self.state][signal]
        self.failures = 0
        self._probes.clear()
        self._passed = 0
        if self.state is CircuitState.OPEN:
            self._recovers_at = now + self._recovery_time
