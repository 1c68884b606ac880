"""The circuit breaker: stop calling a server that keeps failing, and try it again later.

Each origin has a `Circuit` of its own. It counts failures in a row, rather than a share of failures over a
rolling window: that needs no window to tune and no least number of calls, and "five failed, none between them
succeeded" says all there is to say about why a circuit opened. A server that fails every second call is left
to the retries.

Only what is known to be in trouble is remembered: an origin without recent failures has no circuit at all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar

from trivet.core.errors import AttemptTimeout, CircuitOpen, TransportError
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import CircuitClosed, CircuitOpened
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.circuit import ORDINARY, Circuit, CircuitState
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.validation import require_count, require_number


@dataclass(frozen=True, slots=True, eq=False)
class Breaker(Policy):
    """Refuse calls to an origin that keeps failing, and let single calls probe whether it recovered.

    ``failure_threshold``: failures in a row after which the circuit opens. A failure is a `TransportError`,
    an `AttemptTimeout` or one of ``statuses``; 429 is none, since a server that says "later" is well. Each
    attempt counts, so the retries of one call may open it.
    ``recovery_time``: seconds during which calls then fail at once with `CircuitOpen`, whose
    ``retry_after`` says for how much longer.
    ``half_open_calls``: how many probes must then succeed to close it; no more pass at a time.
    ``max_origins``: how many failing origins are remembered; the one that began first is forgotten first.

    The object holds the circuits: clients that are given the same one share them. `ConfigError` is raised
    for a setting that makes no sense.

    >>> Breaker(failure_threshold=3, recovery_time=10.0).half_open_calls
    1
    """

    stage: ClassVar[Stage] = Stage.BREAKER

    failure_threshold: int = 5
    recovery_time: float = 30.0
    half_open_calls: int = 1
    statuses: Collection[int] = frozenset({500, 502, 503, 504})
    max_origins: int = 1000
    # A key is looked up without the lock, so an entry is never taken out only to be put back.
    _circuits: dict[str, Circuit] = field(init=False, repr=False, default_factory=dict[str, Circuit])
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statuses", frozenset(self.statuses))
        for name in ("failure_threshold", "half_open_calls", "max_origins"):
            require_count(f"Breaker({name}=", getattr(self, name), minimum=1)
        require_number("Breaker(recovery_time=", self.recovery_time)

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Forward, unless the circuit is open, and count what came of it."""
        origin = request.url.origin
        ticket = self._admit(origin, request, call) if origin in self._circuits else ORDINARY
        ok: bool | None = None
        try:
            response = yield from forward(request, call)
            ok = response.status not in self.statuses
            return response
        except (TransportError, AttemptTimeout):
            ok = False
            raise
        finally:
            # A cancelled probe comes by here too, and makes room for the next one.
            if ok is False or origin in self._circuits:
                self._settle(origin, ticket, ok, call)

    def state_of(self, origin: str) -> CircuitState:
        """The state of the circuit of an origin (``"https://api.example.com"``) after the last call."""
        circuit = self._circuits.get(origin)
        return CircuitState.CLOSED if circuit is None else circuit.state

    def _admit(self, origin: str, request: Request, call: Call) -> object:
        now = call.now.monotonic
        with self._lock:
            circuit = self._circuits.get(origin)
            if circuit is None:
                return ORDINARY  # it has just closed
            ticket = circuit.admit(now)
            retry_after = circuit.retry_after(now)
        if ticket is not None:
            return ticket
        if retry_after is None:
            reason = "is half open and waits for the outcome of a probe"
        else:
            reason = f"is open, since calls kept failing; the next one may try in {retry_after:.3g} s"
        raise CircuitOpen(
            f"the circuit to {origin} {reason}",
            retry_after=retry_after,
            method=request.method,
            url=request.url,
        )

    def _settle(self, origin: str, ticket: object, ok: bool | None, call: Call) -> None:
        now = call.now.monotonic
        with self._lock:
            # Whichever circuit the origin has by now: one that has closed or was forgotten is gone for good.
            circuit = self._circuits.get(origin)
            if circuit is None:
                if ok is not False:
                    return
                circuit = self._remember(origin)
            changed = circuit.settle(ticket, ok, now)
            state = circuit.state
            if state is CircuitState.CLOSED and not circuit.failures:
                del self._circuits[origin]
        if not changed:
            return
        if state is CircuitState.OPEN:
            call.record(CircuitOpened, None, origin, self.recovery_time)
        else:
            call.record(CircuitClosed, None, origin)

    def _remember(self, origin: str) -> Circuit:
        if len(self._circuits) >= self.max_origins:
            del self._circuits[next(iter(self._circuits))]
        circuit = Circuit(self.failure_threshold, self.recovery_time, self.half_open_calls)
        self._circuits[origin] = circuit
        return circuit
