"""What happened during a call, as events: the answer to "what did the library do, and why?"

Events are past participles, hold plain data only, and carry no secret: a URL in an event is redacted text. They
are named tuples because there are many of them, and each dataclass would cost every program half a millisecond
when it starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, overload

from trivet.core.exchange.instant import Instant

MAX_EVENTS = 1000
MAX_OUTCOMES = 10


class Event(Protocol):
    """Something that happened ``at`` a monotonic time. One of your own is any frozen class with that first field."""

    @property
    def at(self) -> float:
        """When it happened, in seconds on the monotonic clock of the call."""
        ...


class RequestSent(NamedTuple):
    """An attempt began: the request was given to the transport."""

    at: float
    attempt: int
    method: str
    url: str

    def __str__(self) -> str:
        return f"→ {self.method} {self.url}"


class ResponseReceived(NamedTuple):
    """The head of a response arrived, ``duration`` seconds after its request was sent."""

    at: float
    attempt: int
    status: int
    reason: str
    duration: float

    def __str__(self) -> str:
        return f"← {self.status} {self.reason} ({self.duration:.3g} s)"


class ContentReceived(NamedTuple):
    """The content of the response was read to its end; ``size`` is in bytes, content codings removed."""

    at: float
    attempt: int
    status: int
    reason: str
    duration: float
    size: int

    def __str__(self) -> str:
        return f"content read: {self.size} bytes ({self.duration:.3g} s since the request)"


class AttemptFailed(NamedTuple):
    """An attempt ended without a response, or its content could not be read."""

    at: float
    attempt: int
    error: str
    message: str

    def __str__(self) -> str:
        return f"✗ {self.error}: {self.message}"


class RetryScheduled(NamedTuple):
    """The request will be sent again after ``delay`` seconds, as retry number ``retry`` of ``max_retries``."""

    at: float
    method: str
    url: str
    retry: int
    max_retries: int
    delay: float
    reason: str

    def __str__(self) -> str:
        return f"retry {self.retry} of {self.max_retries} in {self.delay:.3g} s: {self.reason}"


class RetryRefused(NamedTuple):
    """A failure was not retried, and why."""

    at: float
    reason: str

    def __str__(self) -> str:
        return f"not retried: {self.reason}"


class StaleConnectionReplaced(NamedTuple):
    """The server had closed a kept connection; the request was sent again at once, outside the retry count."""

    at: float

    def __str__(self) -> str:
        return "the kept connection was closed by the server: sent again at once"


class RedirectFollowed(NamedTuple):
    """A redirect response was followed to ``url``."""

    at: float
    status: int
    method: str
    url: str

    def __str__(self) -> str:
        return f"{self.status} redirect to {self.method} {self.url}"


class RequestCollapsed(NamedTuple):
    """The same request was under way for another call: this one waits for its response instead of sending its own."""

    at: float
    method: str
    url: str

    def __str__(self) -> str:
        return f"collapsed: waits for the same {self.method} {self.url} that is under way"


class CircuitOpened(NamedTuple):
    """The breaker of an origin opened: calls fail at once for ``recovery_time`` seconds."""

    at: float
    origin: str
    recovery_time: float

    def __str__(self) -> str:
        return f"circuit to {self.origin} opened for {self.recovery_time:.3g} s"


class CircuitClosed(NamedTuple):
    """The breaker of an origin closed again: a probe succeeded."""

    at: float
    origin: str

    def __str__(self) -> str:
        return f"circuit to {self.origin} closed"


class RateLimitWaited(NamedTuple):
    """The call is held back for ``delay`` seconds to keep to the client's own rate limit."""

    at: float
    delay: float

    def __str__(self) -> str:
        return f"held back for {self.delay:.3g} s by the rate limit"


class AuthRefreshed(NamedTuple):
    """The credentials were renewed."""

    at: float

    def __str__(self) -> str:
        return "credentials renewed"


class CallFailed(NamedTuple):
    """The call ended with an error."""

    at: float
    error: str
    message: str

    def __str__(self) -> str:
        return f"✗ failed with {self.error}: {self.message}"


class Attempt(NamedTuple):
    """One request of a call and what came of it: a ``status``, or an ``error`` (its class and message)."""

    number: int
    method: str
    url: str
    started: float
    duration: float | None = None
    status: int | None = None
    error: str | None = None

    @property
    def outcome(self) -> str:
        """The status or the error in a word or two."""
        return self.error if self.error is not None else str(self.status) if self.status else "unfinished"


_Entry = tuple[Callable[..., Event], float, tuple[Any, ...]]


class Trace(Sequence[Event]):
    """The events of one call in order; only the last 1,000 of a very long flow are kept.

    ``print(response.trace)`` shows them as a timeline, in seconds since the call began.
    """

    __slots__ = ("_entries", "started")

    def __init__(self, started: Instant) -> None:
        self.started = started
        self._entries: deque[_Entry] = deque(maxlen=MAX_EVENTS)

    @property
    def note(self) -> Callable[[_Entry], None]:
        """Takes an event to be made when it is looked at: its class, when it happened, and its other arguments."""
        return self._entries.append

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return list(self)[index]
        event, at, args = self._entries[index]
        return event(at, *args)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Event]:
        for event, at, args in tuple(self._entries):
            yield event(at, *args)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The requests that were sent, each with its outcome."""
        found: dict[int, Attempt] = {}
        for event in self:
            if isinstance(event, RequestSent):
                found[event.attempt] = Attempt(event.attempt, event.method, event.url, event.at)
            elif isinstance(event, ResponseReceived | ContentReceived | AttemptFailed) and event.attempt in found:
                found[event.attempt] = _with_outcome(found[event.attempt], event)
        return tuple(found.values())

    def summary(self) -> str:
        """What was tried and why no more, in a line; empty when there is nothing to say beyond one attempt.

        >>> Trace(Instant(0.0, 0.0)).summary()
        ''
        """
        parts: list[str] = []
        attempts = self.attempts
        if len(attempts) > 1:
            seconds = self[-1].at - self.started.monotonic
            outcomes = ", ".join(attempt.outcome for attempt in attempts[-MAX_OUTCOMES:])
            more = "…, " if len(attempts) > MAX_OUTCOMES else ""
            parts.append(f"{len(attempts)} attempts in {seconds:.3g} s: {more}{outcomes}")
        refusals = [event for event in self if isinstance(event, RetryRefused)]
        return "; ".join([*parts, *map(str, refusals[-1:])])

    def __str__(self) -> str:
        zero = self.started.monotonic
        return "\n".join(f"{event.at - zero:8.3f}  {event}" for event in self)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events>"


def _with_outcome(attempt: Attempt, event: ResponseReceived | ContentReceived | AttemptFailed) -> Attempt:
    duration = event.at - attempt.started
    if isinstance(event, AttemptFailed):
        return Attempt(attempt.number, attempt.method, attempt.url, attempt.started, duration, None, event.error)
    return Attempt(attempt.number, attempt.method, attempt.url, attempt.started, duration, event.status)
