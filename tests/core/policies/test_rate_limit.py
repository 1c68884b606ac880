from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.policies.stepping import WALL, Run, event_names
from trivet.core.errors import ConfigError, RateLimited, ReadError
from trivet.core.exchange.actions import SendRequest, SleepUntil
from trivet.core.http.dates import format_http_date
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.rate_limit import RateLimit, Timetable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0}, "both must be more than 0"),
        ({"rate": -1}, "RateLimit(rate=-1)"),
        ({"rate": inf}, "RateLimit(rate=inf)"),
        ({"rate": 1, "per": 0}, "both must be more than 0"),
        ({"rate": 1e-300, "per": 1e300}, "both must be more than 0"),
        ({"rate": 1, "per": "1 s"}, "RateLimit(per='1 s')"),
        ({"rate": 1, "burst": 0}, "RateLimit(burst=0)"),
        ({"rate": 1, "max_wait": -1.0}, "RateLimit(max_wait=-1.0)"),
        ({"rate": 1, "max_pause": -1.0}, "RateLimit(max_pause=-1.0)"),
        ({"rate": 1, "max_origins": 0}, "RateLimit(max_origins=0)"),
    ],
)
def test_settings_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RateLimit(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("burst", "asked_at", "go_at"),
    [
        (1, [0, 0, 0], [0, 1, 2]),
        (1, [0, 5, 5], [0, 5, 6]),
        (1, [0, 0.5, 3.5], [0, 1, 3.5]),
        (3, [0, 0, 0, 0, 0], [0, 0, 0, 1, 2]),
        (3, [0, 0, 0, 1.5, 1.5], [0, 0, 0, 1.5, 2]),
        (2, [0, 9, 9, 9, 10], [0, 9, 9, 10, 11]),
        (1, [-7, -7], [-7, -6]),
    ],
)
def test_timetable(burst: int, asked_at: list[float], go_at: list[float]) -> None:
    table = Timetable(1.0, burst)
    assert [table.take(now).when for now in asked_at] == go_at


@pytest.mark.parametrize(
    ("given_up", "next_at"),
    [
        ([], 4),
        ([3], 3),
        ([3, 2], 2),
        ([2, 3], 2),
        ([1], 4),
        ([1, 2], 4),
        ([1, 2, 3], 1),
        ([2, 1, 3], 1),
        ([3, 1], 3),
    ],
)
def test_seats_at_the_end_are_given_out_anew(given_up: list[int], next_at: float) -> None:
    table = Timetable(1.0, 1)
    seats = [table.take(0.0) for _ in range(4)]
    for index in given_up:
        table.leave(seats[index], used=False)
    assert table.earliest(0.0) == next_at


def test_a_seat_that_is_given_up_late_gives_nothing_back() -> None:
    table = Timetable(1.0, 1)
    table.take(0.0)
    late = table.take(0.0)
    assert table.take(5.0).when == 5.0
    table.leave(late, used=False)
    assert table.earliest(5.0) == 6.0


def test_leaving_out_of_turn() -> None:
    table = Timetable(1.0, 1)
    table.take(0.0)
    first, second, third = (table.take(0.0) for _ in range(3))
    table.leave(second, used=True)
    table.leave(first, used=True)
    table.leave(third, used=False)
    assert table.earliest(2.0) == 3.0


@pytest.mark.parametrize(
    ("burst", "taken", "until", "next_at"),
    [
        (1, 0, 5.0, [5, 6]),
        (3, 0, 5.0, [5, 6]),  # after a pause there is no burst
        (1, 1, 5.0, [5, 6]),
        (1, 1, 0.5, [1, 2]),
        (1, 9, 5.0, [13, 14]),
        (1, 9, 0.25, [9, 10]),
    ],
)
def test_put_off(burst: int, taken: int, until: float, next_at: list[float]) -> None:
    table = Timetable(1.0, burst)
    for _ in range(taken):
        table.take(0.0)
    table.put_off(until)
    assert [table.take(0.0).when for _ in next_at] == next_at


def test_put_off_moves_those_who_wait() -> None:
    table = Timetable(1.0, 1)
    table.take(0.0)
    gone, first, second = (table.take(0.0) for _ in range(3))
    table.leave(gone, used=False)
    table.put_off(10.0)
    assert (first.when, second.when) == (10.0, 11.0)
    table.leave(second, used=False)
    assert table.earliest(0.0) == 11.0
    table.leave(first, used=False)
    assert table.earliest(0.0) == 10.0


@pytest.mark.parametrize(("until", "next_at"), [(0.5, 1.0), (1.5, 1.5), (3.0, 3.0), (4.0, 4.0)])
def test_a_pause_loses_no_seat(until: float, next_at: float) -> None:
    table = Timetable(1.0, 1)
    table.take(0.0)
    *gone, last = (table.take(0.0) for _ in range(3))
    for seat in gone:
        table.leave(seat, used=False)
    table.put_off(until)
    assert last.when == max(3.0, until)
    table.leave(last, used=False)
    assert table.earliest(0.0) == next_at


def test_a_call_in_time_is_sent_at_once() -> None:
    run = Run(RateLimit(10)).start()
    assert isinstance(run.action, SendRequest)
    assert run.reply(Response(200)).result is not None
    assert run.events == []


def test_a_call_that_comes_too_early_waits() -> None:
    limit = RateLimit(4)
    Run(limit, now=10.0).start()
    run = Run(limit, now=10.0).start()
    assert run.action == SleepUntil(10.25)
    assert [str(event) for event in run.events] == ["held back for 0.25 s by the rate limit"]
    assert isinstance(run.reply(at=10.25).action, SendRequest)


def test_errors_pass() -> None:
    error = ReadError("reset", sent=True)
    assert Run(RateLimit(1)).start().fail(error).error is error


@pytest.mark.parametrize(
    ("max_wait", "deadline", "reason"),
    [
        (2.5, inf, "max_wait is 2.5 s"),
        (None, 2.5, "only 2.5 s are left to the call"),
        (0.0, inf, "max_wait is 0 s"),
        (9.0, 1.0, "only 1 s are left to the call"),
    ],
)
def test_a_turn_that_comes_too_late_is_refused_at_once(max_wait: float | None, deadline: float, reason: str) -> None:
    limit = RateLimit(1, max_wait=max_wait)
    table = limit._timetable("")
    for _ in range(3):
        table.take(0.0)
    run = Run(limit, deadline=deadline).start()
    assert run.action is None
    assert isinstance(run.error, RateLimited)
    assert run.error.retry_after == 3.0
    assert (run.error.method, run.error.url) == ("GET", "https://api.example.com/users")
    assert run.error.message == f"the rate limit of 1 calls per 1 s has no turn for 3 s, and {reason}"
    assert table.earliest(0.0) == 3.0


def test_a_turn_just_in_time_is_waited_for() -> None:
    limit = RateLimit(1, max_wait=1.0)
    Run(limit).start()
    assert Run(limit, deadline=1.0).start().action == SleepUntil(1.0)


def test_a_spent_deadline_is_not_the_business_of_the_rate_limit() -> None:
    limit = RateLimit(1)
    assert isinstance(Run(limit, now=5.0, deadline=4.0).start().action, SendRequest)


def test_a_cancelled_wait_gives_its_turn_back() -> None:
    limit = RateLimit(1)
    Run(limit).start()
    waiting = [Run(limit).start() for _ in range(3)]
    for run in waiting:
        run.cancel(at=0.5)
    assert Run(limit, now=0.5).start().action == SleepUntil(1.0)


def test_origins_share_one_limit_unless_told_otherwise() -> None:
    a, b = Request("GET", "https://a.example.com"), Request("GET", "https://b.example.com")
    shared, separate = RateLimit(1), RateLimit(1, per_origin=True)
    assert isinstance(Run(shared, a).start().action, SendRequest)
    assert isinstance(Run(shared, b).start().action, SleepUntil)
    assert isinstance(Run(separate, a).start().action, SendRequest)
    assert isinstance(Run(separate, b).start().action, SendRequest)
    assert isinstance(Run(separate, b).start().action, SleepUntil)


def test_the_origin_least_used_is_forgotten() -> None:
    limit = RateLimit(1, per_origin=True, max_origins=2)
    for name in "abac":
        Run(limit, Request("GET", f"https://{name}.example.com")).start()
    assert list(limit._timetables) == ["https://a.example.com", "https://c.example.com"]


@pytest.mark.parametrize(
    ("status", "retry_after", "max_pause", "pause"),
    [
        (429, "5", 60.0, 5.0),
        (429, format_http_date(WALL + 8.0), 60.0, 8.0),
        (429, "3600", 60.0, 60.0),
        (429, "5", 0, None),
        (429, "soon", 60.0, None),
        (429, None, 60.0, None),
        (503, "5", 60.0, None),
        (200, "5", 60.0, None),
    ],
)
def test_retry_after_pauses_everybody(
    status: int, retry_after: str | None, max_pause: float, pause: float | None
) -> None:
    limit = RateLimit(100, burst=10, max_pause=max_pause)
    response = Response(status, {} if retry_after is None else {"Retry-After": retry_after})
    assert Run(limit).start().reply(response).result is response
    action = Run(limit).start().action
    if pause is None:
        assert isinstance(action, SendRequest)
    else:
        assert action == SleepUntil(pause)


def test_a_pause_moves_those_who_wait_already() -> None:
    limit = RateLimit(1)
    running = Run(limit).start()
    waiting = Run(limit).start()
    hasty = Run(limit, deadline=4.0).start()
    assert (waiting.action, hasty.action) == (SleepUntil(1.0), SleepUntil(2.0))
    running.reply(Response(429, {"Retry-After": "5"}), at=0.5)
    assert waiting.reply(at=1.0).action == SleepUntil(5.5)
    assert event_names(waiting) == ["RateLimitWaited", "RateLimitWaited"]
    hasty.reply(at=2.0)
    assert isinstance(hasty.error, RateLimited)
    assert hasty.error.retry_after == 4.5
    assert isinstance(waiting.reply(at=5.5).action, SendRequest)
    assert Run(limit, now=5.5).start().action == SleepUntil(6.5)


def wakes_at(run: Run) -> float:
    assert isinstance(run.action, SleepUntil)
    return run.action.when


class RateLimitMachine(RuleBasedStateMachine):
    """Any interleaving of arrivals, cancellations, pauses and time; sleepers wake at their time."""

    @initialize(burst=st.integers(1, 4))
    def begin(self, burst: int) -> None:
        self.limit = RateLimit(2, burst=burst)
        self.interval, self.burst = 0.5, burst
        self.now = 0.0
        self.waiting: list[Run] = []
        self.running: list[Run] = []
        self.sent_at: list[float] = []
        self.not_before = -inf

    def took_off(self, run: Run) -> None:
        assert isinstance(run.action, SendRequest)
        assert self.now >= self.not_before
        self.sent_at.append(self.now)
        self.running.append(run)

    @rule(wait=st.sampled_from([0.0, 0.5, 1.75, inf]))
    def arrive(self, wait: float) -> None:
        before = self.limit._timetables[""].earliest(self.now) if self.limit._timetables else self.now
        run = Run(self.limit, now=self.now, deadline=self.now + wait).start()
        if run.error is not None:
            assert isinstance(run.error, RateLimited)
            assert run.error.retry_after == before - self.now > wait
            assert self.limit._timetables[""].earliest(self.now) == before
        elif isinstance(run.action, SleepUntil):
            assert run.action.when == before <= self.now + wait
            self.waiting.append(run)
        else:
            assert not self.waiting, "it overtook somebody"
            self.took_off(run)

    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0, 4.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.waiting:
            run = min(self.waiting, key=wakes_at)
            if wakes_at(run) > until:
                break
            self.now = wakes_at(run)
            run.reply(at=self.now)
            if isinstance(run.action, SleepUntil):
                continue
            place = self.waiting.index(run)
            del self.waiting[place]
            if run.error is not None:
                assert isinstance(run.error, RateLimited)
            else:
                assert place == 0, "it overtook somebody"
                self.took_off(run)
        self.now = until

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1))).cancel(at=self.now)

    @precondition(lambda self: self.running)
    @rule(seconds=st.sampled_from([None, 0, 1, 3]))
    def answer(self, seconds: int | None) -> None:
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        self.running.pop(0).reply(Response(429, headers), at=self.now)
        if seconds is not None:
            self.not_before = max(self.not_before, self.now + seconds)

    @invariant()
    def no_window_holds_too_many(self) -> None:
        sent = self.sent_at
        for last in range(len(sent)):
            for first in range(max(0, last - 20), last):
                beyond_burst = last - first + 1 - self.burst
                assert sent[last] - sent[first] >= beyond_burst * self.interval

    @invariant()
    def nothing_is_lost_when_nobody_waits(self) -> None:
        if self.waiting or not self.sent_at:
            return
        latest = max(self.now, self.not_before, self.sent_at[-1] + self.interval)
        assert self.limit._timetables[""].earliest(self.now) <= latest


TestRateLimitMachine = RateLimitMachine.TestCase
TestRateLimitMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(
    rate=st.integers(1, 50),
    per=st.sampled_from([1.0, 0.5, 60.0]),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_with_a_burst_of_one_no_period_holds_more_than_the_rate(rate: int, per: float, gaps: list[float]) -> None:
    table = Timetable(per / rate, 1)
    now, gone = 1e6, []
    for gap in gaps:
        now += gap
        gone.append(table.take(now).when)
    assert gone == sorted(gone)
    for earlier, later in zip(gone, gone[rate:], strict=False):
        assert later - earlier >= per * (1 - 1e-9) - 1e-6


def test_threads() -> None:
    limit = RateLimit(8, burst=2)

    def work(seed: int) -> list[float]:
        rng = random.Random(seed)
        gone: list[float] = []
        for _ in range(100):
            run = Run(limit).start()
            if isinstance(run.action, SleepUntil):
                if rng.random() < 0.3:
                    run.cancel()
                    continue
                run.reply(at=run.action.when)
            assert isinstance(run.action, SendRequest)
            gone.append(run.call.now.monotonic)
            run.reply(Response(200))
        return gone

    with ThreadPoolExecutor(32) as pool:
        gone = sorted(when for found in pool.map(work, range(32)) for when in found)
    # Every turn was given to one call at most.
    assert gone[:2] == [0.0, 0.0]
    assert all(later - earlier >= 0.125 for earlier, later in pairwise(gone[1:]))
