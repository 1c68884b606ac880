from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.policies.stepping import Run, event_names
from trivet.core.errors import (
    AttemptTimeout,
    CircuitOpen,
    ConfigError,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    RateLimited,
    ReadError,
)
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.breaker import Breaker
from trivet.core.policies.circuit import ORDINARY, CircuitState

CLOSED, OPEN, HALF_OPEN = CircuitState
ORIGIN = "https://api.example.com"


def call(breaker: Breaker, status: int = 200, *, at: float = 0.0, origin: str = ORIGIN) -> Run:
    run = Run(breaker, Request("GET", f"{origin}/users?token=s3cr3t"), now=at).start()
    return run if run.done else run.reply(Response(status))


def opened(breaker: Breaker, *, at: float = 0.0) -> Breaker:
    for _ in range(breaker.failure_threshold):
        call(breaker, 503, at=at)
    assert breaker.state_of(ORIGIN) is OPEN
    return breaker


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"failure_threshold": 0}, "Breaker(failure_threshold=0)"),
        ({"half_open_calls": 0}, "Breaker(half_open_calls=0)"),
        ({"max_origins": 0}, "Breaker(max_origins=0)"),
        ({"recovery_time": -1.0}, "Breaker(recovery_time=-1.0)"),
        ({"recovery_time": float("inf")}, "Breaker(recovery_time=inf)"),
    ],
)
def test_settings_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Breaker(**arguments)
    assert message in str(caught.value)


def test_repr_shows_settings_only() -> None:
    text = repr(opened(Breaker(statuses=[503])))
    assert text == (
        "Breaker(failure_threshold=5, recovery_time=30.0, half_open_calls=1, statuses=frozenset({503}), "
        "max_origins=1000)"
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failing_statuses_open_the_circuit(status: int) -> None:
    breaker = Breaker(failure_threshold=2)
    assert call(breaker, status).result is not None
    last = call(breaker, status)
    assert last.result is not None
    assert last.result.status == status
    assert event_names(last) == ["CircuitOpened"]
    assert breaker.state_of(ORIGIN) is OPEN


@pytest.mark.parametrize(
    "error",
    [
        ConnectError("refused", sent=False),
        ReadError("reset", sent=True),
        ConnectTimeout("slow", sent=False),
        AttemptTimeout("slow", sent=True),
    ],
)
def test_failing_transports_open_the_circuit(error: Exception) -> None:
    breaker = Breaker(failure_threshold=1)
    run = Run(breaker).start().fail(error)
    assert run.error is error
    assert event_names(run) == ["CircuitOpened"]
    assert breaker.state_of(ORIGIN) is OPEN


@pytest.mark.parametrize("status", [200, 304, 400, 404, 429, 501])
def test_other_statuses_are_successes(status: int) -> None:
    breaker = Breaker(failure_threshold=2)
    call(breaker, 503)
    assert event_names(call(breaker, status)) == []
    call(breaker, 503)
    assert breaker.state_of(ORIGIN) is CLOSED


@pytest.mark.parametrize(
    "error",
    [DeadlineExceeded("spent"), RateLimited("full", retry_after=1.0), ValueError("not HTTP's business")],
)
def test_other_errors_say_nothing(error: Exception) -> None:
    breaker = Breaker(failure_threshold=2)
    call(breaker, 503)
    assert Run(breaker).start().fail(error).error is error
    assert breaker.state_of(ORIGIN) is CLOSED
    call(breaker, 503)
    assert breaker.state_of(ORIGIN) is OPEN


def test_an_open_circuit_refuses_before_sending() -> None:
    breaker = opened(Breaker(recovery_time=30.0), at=100.0)
    refused = call(breaker, at=112.5)
    assert refused.action is None
    error = refused.error
    assert isinstance(error, CircuitOpen)
    assert error.retry_after == 17.5
    assert str(error) == (
        "GET https://api.example.com/users?token=[redacted]: the circuit to https://api.example.com is open, "
        "since calls kept failing; the next one may try in 17.5 s"
    )


def test_while_a_probe_is_under_way_others_are_refused() -> None:
    breaker = opened(Breaker(recovery_time=30.0))
    probe = Run(breaker, now=30.0).start()
    assert not probe.done
    error = call(breaker, at=31.0).error
    assert isinstance(error, CircuitOpen)
    assert error.retry_after is None
    assert "half open" in error.message
    assert event_names(probe.reply(Response(200), at=32.0)) == ["CircuitClosed"]
    assert breaker.state_of(ORIGIN) is CLOSED
    assert call(breaker, at=32.0).result is not None


def test_a_failed_probe_opens_it_again() -> None:
    breaker = opened(Breaker(recovery_time=30.0))
    probe = Run(breaker, now=30.0).start().fail(ReadError("reset", sent=True), at=35.0)
    assert event_names(probe) == ["CircuitOpened"]
    error = call(breaker, at=36.0).error
    assert isinstance(error, CircuitOpen)
    assert error.retry_after == 29.0


@pytest.mark.parametrize("ending", ["cancel", "unrelated error", "garbage"])
def test_a_probe_without_an_outcome_makes_room_for_the_next(ending: str) -> None:
    breaker = opened(Breaker(recovery_time=30.0))
    probe = Run(breaker, now=30.0).start()
    if ending == "cancel":
        probe.cancel()
    elif ending == "garbage":
        del probe
    else:
        probe.fail(ValueError("elsewhere"))
    assert breaker.state_of(ORIGIN) is HALF_OPEN
    assert call(breaker, at=30.0).result is not None
    assert breaker.state_of(ORIGIN) is CLOSED


def test_origins_have_circuits_of_their_own() -> None:
    breaker = opened(Breaker())
    for origin in ("https://api.example.com:8443", "http://api.example.com", "https://example.com"):
        assert call(breaker, origin=origin).result is not None
        assert breaker.state_of(origin) is CLOSED
    assert isinstance(call(breaker).error, CircuitOpen)


def test_a_success_that_began_before_the_failures_counts() -> None:
    breaker = Breaker(failure_threshold=2)
    early = Run(breaker).start()
    call(breaker, 503)
    early.reply(Response(200))
    call(breaker, 503)
    assert breaker.state_of(ORIGIN) is CLOSED


def test_a_failure_after_the_count_was_cleared_counts() -> None:
    breaker = Breaker(failure_threshold=2)
    call(breaker, 503)
    early = Run(breaker).start()
    call(breaker, 200)
    early.reply(Response(503))
    call(breaker, 503)
    assert breaker.state_of(ORIGIN) is OPEN


@pytest.mark.parametrize("outcome", [200, None])
def test_a_circuit_that_is_gone_misses_nothing(outcome: int | None) -> None:
    breaker = opened(Breaker(failure_threshold=1, half_open_calls=2, max_origins=1))
    probe = Run(breaker, now=30.0).start()
    call(breaker, 503, origin="https://other.example.com")  # takes the only place
    assert breaker.state_of(ORIGIN) is CLOSED
    probe.cancel() if outcome is None else probe.reply(Response(outcome))
    assert breaker.state_of(ORIGIN) is CLOSED


def test_the_memory_is_bounded() -> None:
    breaker = Breaker(failure_threshold=1, max_origins=2)
    origins = [f"https://{name}.example.com" for name in "abc"]
    for origin in origins:
        call(breaker, 503, origin=origin)
    assert [breaker.state_of(origin) for origin in origins] == [CLOSED, OPEN, OPEN]


def test_a_circuit_that_closes_between_the_look_and_the_lock() -> None:
    breaker = Breaker(failure_threshold=1)
    run = Run(breaker)
    assert breaker._admit(ORIGIN, run.request, run.call) is ORDINARY
    breaker._settle(ORIGIN, ORDINARY, True, run.call)
    breaker._settle(ORIGIN, ORDINARY, None, run.call)
    assert breaker.state_of(ORIGIN) is CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Any interleaving of calls, outcomes, cancellations and time, against a model in plain words."""

    THRESHOLD, RECOVERY, PROBES = 3, 8.0, 2

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(self.THRESHOLD, self.RECOVERY, self.PROBES)
        self.now = 0.0
        self.running: list[tuple[Run, int | None]] = []  # with the number of its round, if it is a probe
        self.state = CLOSED
        self.in_a_row = 0
        self.opened_at = 0.0
        self.round = 0
        self.passed = 0

    def probes(self) -> int:
        return sum(number == self.round for _, number in self.running) if self.state is HALF_OPEN else 0

    @rule(seconds=st.sampled_from([0.5, 3.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        if self.state is OPEN and self.now >= self.opened_at + self.RECOVERY:
            self.state, self.passed, self.round = HALF_OPEN, 0, self.round + 1
        run = Run(self.breaker, now=self.now).start()
        if self.state is OPEN:
            assert isinstance(run.error, CircuitOpen)
            assert run.error.retry_after == self.opened_at + self.RECOVERY - self.now
        elif self.state is HALF_OPEN and self.probes() + self.passed >= self.PROBES:
            assert isinstance(run.error, CircuitOpen)
            assert run.error.retry_after is None
        else:
            assert not run.done
            self.running.append((run, self.round if self.state is HALF_OPEN else None))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=st.sampled_from(["ok", "status", "error", "unrelated", "cancelled"]))
    def end(self, data: st.DataObject, outcome: str) -> None:
        run, number = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        if outcome in ("ok", "status"):
            run.reply(Response(200 if outcome == "ok" else 503), at=self.now)
        elif outcome == "cancelled":
            run.cancel(at=self.now)
        else:
            run.fail(ReadError("reset", sent=True) if outcome == "error" else ValueError(), at=self.now)
        self.learn(number, {"ok": True, "status": False, "error": False}.get(outcome))

    def learn(self, number: int | None, ok: bool | None) -> None:
        if ok is None or self.state is OPEN:
            return
        if self.state is CLOSED:
            self.in_a_row = 0 if ok else self.in_a_row + 1
            if self.in_a_row == self.THRESHOLD:
                self.state, self.opened_at, self.in_a_row = OPEN, self.now, 0
        elif number == self.round:
            self.passed += ok
            if not ok:
                self.state, self.opened_at = OPEN, self.now
            elif self.passed == self.PROBES:
                self.state = CLOSED

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state_of(ORIGIN) is self.state

    def teardown(self) -> None:
        # Whatever happened, a server that answers again is found again.
        for run, _ in self.running:
            run.cancel(at=self.now)
        for _ in range(self.PROBES + 1):
            last = call(self.breaker, at=self.now + self.RECOVERY)
            assert last.result is not None
        assert self.breaker.state_of(ORIGIN) is CLOSED


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_threads_share_the_probes() -> None:
    breaker = Breaker(failure_threshold=3, recovery_time=8.0, half_open_calls=4)
    for at in range(0, 80, 8):
        with ThreadPoolExecutor(32) as pool:
            failing = [Run(breaker, now=float(at)).start() for _ in range(3)]
            list(pool.map(lambda run: run.reply(Response(503)), failing))
            assert breaker.state_of(ORIGIN) is OPEN
            early = list(pool.map(lambda _, at=at: Run(breaker, now=at + 7.5).start(), range(32)))
            assert all(isinstance(run.error, CircuitOpen) for run in early)
            runs = list(pool.map(lambda _, at=at: Run(breaker, now=at + 8.0).start(), range(32)))
            probes = [run for run in runs if run.action is not None]
            assert len(probes) == 4
            list(pool.map(lambda run: run.reply(Response(200)), probes))
        names = [name for run in (*failing, *probes) for name in event_names(run)]
        assert names == ["CircuitOpened", "CircuitClosed"]
        assert breaker.state_of(ORIGIN) is CLOSED


def test_threads_leave_it_sound() -> None:
    breaker = Breaker(failure_threshold=3, recovery_time=1.0, half_open_calls=2)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for step in range(200):
            run = Run(breaker, now=float(step)).start()
            if run.action is not None:
                choice = rng.random()
                if choice < 0.8:
                    run.reply(Response(503 if choice < 0.5 else 200))
                else:
                    run.cancel()
            assert isinstance(run.error, CircuitOpen | GeneratorExit) or run.result is not None

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    for _ in range(3):
        assert call(breaker, at=1000.0).result is not None
    assert breaker.state_of(ORIGIN) is CLOSED
    assert not breaker._circuits
