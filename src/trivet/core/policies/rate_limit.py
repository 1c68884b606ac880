"""The client's own rate limit: calls are spaced so that the server never has to say 429.

The algorithm is GCRA in its virtual-scheduling form (ITU-T I.371, Annex A): one number, the theoretical
arrival time of the next call, says when that call may go. A call that comes too early does not poll: it takes
a seat in the `Timetable`, sleeps until its time has come and goes. Seats are given out in the order of
asking, so nobody overtakes, and a seat is known to be too late before it is taken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from typing import ClassVar

from trivet.core.errors import ConfigError, RateLimited
from trivet.core.exchange.actions import SleepUntil
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import RateLimitWaited
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.retry_after import parse_retry_after
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.validation import require_count, require_number


class Seat:
    """The place of one waiting call in a `Timetable`. ``when`` moves back if the timetable is put off."""

    __slots__ = ("before", "given_up", "when")

    def __init__(self, when: float, before: float) -> None:
        self.when = when
        self.before = before
        self.given_up = False


class Timetable:
    """When the next calls may go. It is pure: the caller tells it the time and serialises the calls.

    ``interval``: seconds between two calls at the full rate; ``burst``: how many may go at once after a rest.

    >>> table = Timetable(interval=0.5, burst=1)
    >>> [table.take(10.0).when for _ in range(3)]
    [10.0, 10.5, 11.0]
    """

    __slots__ = ("_interval", "_next", "_slack", "_waiting")

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._slack = (burst - 1) * interval
        # The theoretical arrival time of the next call; one that comes up to `slack` before it may pass.
        self._next = -inf
        self._waiting: deque[Seat] = deque()

    def earliest(self, now: float) -> float:
        """When a call that asks now may go."""
        return max(self._next - self._slack, now)

    def take(self, now: float) -> Seat:
        """Give the next seat to a call. If it has to wait for it, `leave` must follow."""
        seat = Seat(self.earliest(now), self._next)
        self._next = max(self._next, now) + self._interval
        if seat.when > now:
            self._waiting.append(seat)
        else:
            # Every seat that was given out before this one is due by now: none may be given back any more.
            self._waiting.clear()
        return seat

    def leave(self, seat: Seat, used: bool) -> None:
        """The call has stopped waiting: it goes now (``used``), or it gives its seat up."""
        waiting = self._waiting
        if used:
            while waiting and waiting[0].when <= seat.when:
                waiting.popleft()
            return
        seat.given_up = True
        # Others have gone to sleep until their own times, so only seats at the end can be given out anew.
        while waiting and waiting[-1].given_up:
            self._next = waiting.pop().before

    def put_off(self, until: float) -> None:
        """Let nobody go before ``until``: the whole timetable moves back, its order and spacing stay."""
        waiting = self._waiting
        floor = until + self._slack
        if not waiting:
            self._next = max(self._next, floor)
            return
        free_from = waiting[0].before
        while waiting[0].given_up:  # the last one never is
            waiting.popleft()
        first = waiting[0]
        delay = until - first.when
        if delay > 0:
            self._next += delay
            for seat in waiting:
                seat.when += delay
                seat.before += delay
        # Should everybody who waits give up, the seats that were given up before them are free again too.
        first.before = max(free_from, floor)


@dataclass(frozen=True, slots=True, eq=False)
class RateLimit(Policy):
    """Send at most ``rate`` calls ``per`` so many seconds; a call that comes too early waits for its turn.

    ``burst``: how many calls may go at once after a rest. With 1, the default, calls are spaced evenly and no
    window of ``per`` seconds ever holds more than ``rate``; with more, a window may hold ``burst - 1`` beyond
    that.
    ``max_wait``: seconds that a call may have to wait (None: any). If its turn would come later, or after the
    call's own deadline, `RateLimited` is raised at once, with ``retry_after``, and no turn is used up.
    ``per_origin``: every origin has a limit of its own, instead of one for all calls together.
    ``max_pause``: after a 429 with Retry-After (RFC 6585 §4) every call waits until then, or for so many
    seconds if the server asks for more; 0: only the call that got the 429 does, by its own retries.
    ``max_origins``: how many origins are kept apart; the one not called for the longest is forgotten first.

    Each attempt counts, retries included. Waiting calls go in the order in which they came. A call that is
    cancelled while it waits gives its turn back, unless another one waits behind it: that turn is lost.

    The object holds the turns: clients that are given the same one share the limit. `ConfigError` is raised
    for a setting that makes no sense.

    >>> RateLimit(100, per=60.0, burst=10).max_wait is None
    True
    """

    stage: ClassVar[Stage] = Stage.RATE_LIMIT

    rate: float
    per: float = 1.0
    burst: int = 1
    max_wait: float | None = None
    per_origin: bool = False
    max_pause: float = 60.0
    max_origins: int = 1000
    # In order of use; without per_origin there is one timetable, under "".
    _timetables: dict[str, Timetable] = field(init=False, repr=False, default_factory=dict[str, Timetable])
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)

    def __post_init__(self) -> None:
        require_number("RateLimit(rate=", self.rate, unit="number of calls")
        require_number("RateLimit(per=", self.per)
        if self.rate == 0 or not 0 < self.per / self.rate < inf:
            raise ConfigError(f"RateLimit(rate={self.rate!r}, per={self.per!r}) is no rate: both must be more than 0")
        require_count("RateLimit(burst=", self.burst, minimum=1)
        if self.max_wait is not None:
            require_number("RateLimit(max_wait=", self.max_wait)
        require_number("RateLimit(max_pause=", self.max_pause)
        require_count("RateLimit(max_origins=", self.max_origins, minimum=1)

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Wait for the turn of this request, then forward it."""
        origin = request.url.origin if self.per_origin else ""
        latest = self._latest(call)
        with self._lock:
            timetable = self._timetable(origin)
            when = timetable.earliest(call.now.monotonic)
            seat = timetable.take(call.now.monotonic) if when <= latest else None
        if seat is None:
            raise self._too_late(when, request, call)
        if when > call.now.monotonic:
            yield from self._wait(timetable, seat, latest, request, call)
        response = yield from forward(request, call)
        if response.status == 429 and self.max_pause:
            asked = parse_retry_after(response.headers.get("Retry-After"), call.now.wall)
            if asked is not None:
                with self._lock:
                    timetable.put_off(call.now.monotonic + min(asked, self.max_pause))
        return response

    def _wait(self, timetable: Timetable, seat: Seat, latest: float, request: Request, call: Call) -> Flow[None]:
        used = False
        try:
            # A pause may move the seat back while its call sleeps.
            while seat.when > call.now.monotonic:
                if seat.when > latest:
                    raise self._too_late(seat.when, request, call)
                call.record(RateLimitWaited, None, seat.when - call.now.monotonic)
                yield from SleepUntil(seat.when)
            used = True
        finally:
            with self._lock:
                timetable.leave(seat, used)

    def _latest(self, call: Call) -> float:
        """The time after which a turn is of no use to the call."""
        now = call.now.monotonic
        latest = inf if self.max_wait is None else now + self.max_wait
        # A call whose deadline has passed already is for the deadline policy to end.
        return max(now, min(latest, call.deadline))

    def _too_late(self, when: float, request: Request, call: Call) -> RateLimited:
        wait = when - call.now.monotonic
        limit = f"{self.rate:g} calls per {self.per:g} s"
        if when > call.deadline:
            reason = f"only {max(0.0, call.time_left()):.3g} s are left to the call"
        else:
            reason = f"max_wait is {self.max_wait:g} s"
        return RateLimited(
            f"the rate limit of {limit} has no turn for {wait:.3g} s, and {reason}",
            retry_after=wait,
            method=request.method,
            url=request.url,
        )

    def _timetable(self, origin: str) -> Timetable:
        timetable = self._timetables.pop(origin, None)
        if timetable is None:
            if len(self._timetables) >= self.max_origins:
                del self._timetables[next(iter(self._timetables))]
            timetable = Timetable(self.per / self.rate, self.burst)
        self._timetables[origin] = timetable  # now the one that was used last
        return timetable
