from __future__ import annotations

from itertools import product

import pytest

from trivet.core.policies.circuit import ORDINARY, TRANSITIONS, Circuit, CircuitSignal, CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState


def in_state(state: CircuitState, *, half_open_calls: int = 1) -> Circuit:
    """A circuit that opened at 0, if it did, and recovers at 10."""
    circuit = Circuit(failure_threshold=2, recovery_time=10.0, half_open_calls=half_open_calls)
    if state is not CLOSED:
        assert not circuit.settle(ORDINARY, False, 0.0)
        assert circuit.settle(ORDINARY, False, 0.0)
    if state is HALF_OPEN:
        probe = circuit.admit(10.0)
        assert probe is not None
        circuit.settle(probe, None, 10.0)
    assert circuit.state is state
    return circuit


def test_every_state_has_a_row_and_every_signal_is_used_once() -> None:
    assert set(TRANSITIONS) == set(CircuitState)
    signals = [signal for row in TRANSITIONS.values() for signal in row]
    assert sorted(signals, key=str) == sorted(CircuitSignal, key=str)


def test_every_state_can_be_left_for_any_other() -> None:
    for start, goal in product(CircuitState, repeat=2):
        reached, frontier = {start}, [start]
        while frontier:
            new = set(TRANSITIONS[frontier.pop()].values()) - reached
            reached |= new
            frontier += new
        assert goal in reached


@pytest.mark.parametrize(
    ("state", "now", "admitted", "state_after", "retry_after"),
    [
        (CLOSED, 0.0, True, CLOSED, None),
        (OPEN, 0.0, False, OPEN, 10.0),
        (OPEN, 9.75, False, OPEN, 0.25),
        (OPEN, 10.0, True, HALF_OPEN, None),
        (OPEN, 99.0, True, HALF_OPEN, None),
        (HALF_OPEN, 10.0, True, HALF_OPEN, None),
    ],
)
def test_admit(
    state: CircuitState, now: float, admitted: bool, state_after: CircuitState, retry_after: float | None
) -> None:
    circuit = in_state(state)
    assert (circuit.admit(now) is not None) is admitted
    assert circuit.state is state_after
    assert circuit.retry_after(now) == retry_after


def test_retry_after_is_never_negative() -> None:
    assert in_state(OPEN).retry_after(11.0) == 0.0


@pytest.mark.parametrize(
    ("outcomes", "state", "failures"),
    [
        ([], CLOSED, 0),
        ([False], CLOSED, 1),
        ([False, None], CLOSED, 1),
        ([False, True], CLOSED, 0),
        ([False, True, False], CLOSED, 1),
        ([False, None, False], OPEN, 0),
        ([False, False], OPEN, 0),
        ([False, False, True], OPEN, 0),
        ([False, False, False], OPEN, 0),
        ([False, False, None], OPEN, 0),
    ],
)
def test_ordinary_calls(outcomes: list[bool | None], state: CircuitState, failures: int) -> None:
    circuit = in_state(CLOSED)
    changes = [circuit.settle(ORDINARY, ok, 0.0) for ok in outcomes]
    assert (circuit.state, circuit.failures) == (state, failures)
    assert changes.count(True) == (state is OPEN)


@pytest.mark.parametrize(
    ("ok", "changed", "state"), [(True, True, CLOSED), (False, True, OPEN), (None, False, HALF_OPEN)]
)
def test_one_probe_decides(ok: bool | None, changed: bool, state: CircuitState) -> None:
    circuit = in_state(HALF_OPEN)
    probe = circuit.admit(10.0)
    assert circuit.admit(10.0) is None
    assert circuit.settle(probe, ok, 12.0) is changed
    assert circuit.state is state
    if state is OPEN:
        assert circuit.retry_after(12.0) == 10.0
    else:
        assert circuit.admit(12.0) is not None


def test_all_probes_must_succeed() -> None:
    circuit = in_state(HALF_OPEN, half_open_calls=2)
    first, second = circuit.admit(10.0), circuit.admit(10.0)
    assert first is not second
    assert not circuit.settle(first, True, 11.0)
    # A probe that has passed is not made again, and one that was cancelled is.
    assert circuit.admit(11.0) is None
    assert not circuit.settle(second, None, 11.0)
    third = circuit.admit(11.0)
    assert circuit.settle(third, True, 12.0)
    assert circuit.state is CLOSED


def test_what_an_earlier_round_says_does_not_count() -> None:
    circuit = in_state(HALF_OPEN, half_open_calls=2)
    first, second = circuit.admit(10.0), circuit.admit(10.0)
    assert circuit.settle(first, False, 11.0)
    assert circuit.admit(21.0) is not None
    for late in (second, ORDINARY):
        for ok in (True, False, None):
            assert not circuit.settle(late, ok, 21.0)
    assert circuit.state is HALF_OPEN
    # Two probes may be under way in this round: one is, and the late answers took no place away.
    assert circuit.admit(21.0) is not None
    assert circuit.admit(21.0) is None
