"""The states of an exchange, as a table.

The driver's side is four calls – ``start``, ``receive``, ``fail``, ``cancel`` – and `CALLS` says in which states
each of them is legal. The flow's side is what came of running it, a `Signal`, and `TRANSITIONS` says which
state follows. There is nothing else: what is not in the tables is a `LocalProtocolError` and changes nothing.

A flow that ends while bodies are still open does not end the exchange: in CLOSING the driver is handed a
``CloseBody`` for each of them, and only then the result or the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where an exchange stands."""

    IDLE = "idle"
    RUNNING = "running"
    CLOSING = "closing"
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"


class Signal(Enum):
    """What moves an exchange from one state to the next."""

    STARTED = "the driver started it"
    YIELDED = "the flow yielded an action"
    LEFT_OPEN = "the flow ended with bodies open"
    RETURNED = "the flow returned, and nothing is open"
    RAISED = "the flow raised, and nothing is open"
    CANCELLED = "the driver cancelled it"


TRANSITIONS: Mapping[State, Mapping[Signal, State]] = {
    State.IDLE: {
        Signal.STARTED: State.RUNNING,
        Signal.CANCELLED: State.CANCELLED,
    },
    State.RUNNING: {
        Signal.YIELDED: State.RUNNING,
        Signal.LEFT_OPEN: State.CLOSING,
        Signal.RETURNED: State.DONE,
        Signal.RAISED: State.ERROR,
        Signal.CANCELLED: State.CANCELLED,
    },
    State.CLOSING: {
        Signal.LEFT_OPEN: State.CLOSING,
        Signal.RETURNED: State.DONE,
        Signal.RAISED: State.ERROR,
        Signal.CANCELLED: State.CANCELLED,
    },
    State.DONE: {Signal.CANCELLED: State.DONE},
    State.ERROR: {Signal.CANCELLED: State.ERROR},
    State.CANCELLED: {Signal.CANCELLED: State.CANCELLED},
}

CALLS: Mapping[str, frozenset[State]] = {
    "start": frozenset({State.IDLE}),
    "receive": frozenset({State.RUNNING, State.CLOSING}),
    "fail": frozenset({State.RUNNING, State.CLOSING}),
    "cancel": frozenset(State),
}


def diagram() -> str:
    """Draw the table as a Mermaid state diagram; the documentation shows what this returns.

    >>> print(diagram().splitlines()[0])
    stateDiagram-v2
    """
    lines = ["stateDiagram-v2", "    [*] --> IDLE"]
    for state, moves in TRANSITIONS.items():
        for signal, following in moves.items():
            lines.append(f"    {state.name} --> {following.name}: {signal.value}")
    lines += [f"    {state.name} --> [*]" for state in (State.DONE, State.ERROR, State.CANCELLED)]
    return "\n".join(lines) + "\n"
