"""Coalescing: identical requests at the same time become one, whose response answers them all.

What is identical is decided with care, for a response must never reach a call that asked for something else, or in
somebody else's name: the method, the URL, every header field, and every policy between here and the wire that may
answer a request or change it, the credentials' among them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import ClassVar, Final, TypeAlias

from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    CircuitOpen,
    DecodingError,
    ResponseTooLarge,
    TransportError,
)
from trivet.core.exchange.actions import Park
from trivet.core.exchange.bodies import body_decoder, close_body, read_body
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import RequestCollapsed
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.url import URL
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.flights import Flight, Flights, Seat
from trivet.core.policies.outcomes import NOTHING, Answer, Failure, Outcome
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.redirect import Redirect
from trivet.core.policies.send import DRAIN_TIME, attempt_deadline, read_content

_SHARED: Final = (TransportError, CircuitOpen, DecodingError, ResponseTooLarge, APIError)
"""Errors that any of the calls would have met. The others are the leader's own: its time was up, say."""

_DISTINCTIVE: Final = frozenset({Stage.CACHE, Stage.ATTEMPT, Stage.AUTH, Stage.WIRE})
"""The stages below this one whose policies answer requests or change them."""

Key: TypeAlias = "tuple[str, URL, tuple[tuple[bytes, bytes], ...], bool, tuple[int, ...], str | None]"


class Coalesce(Policy):
    """Let identical GET and HEAD requests at the same time be one: the first is sent, the others wait for its response.

    Requests are identical if they have the same method, URL and header fields, and are signed by the same `Auth` in the
    same name: an `Auth` without an `identity` is asked each time. One with content, one that asks for a fresh answer
    (``Cache-Control: no-cache`` or ``no-store``, ``Pragma: no-cache``), one with ``on_interim``, one of which nobody can
    say whose it is, and a stream go by themselves.

    Responses are shared, whatever their status, and so are failures of the transport; with ``share_errors=False``
    neither failures nor statuses from 500 are, and each call that waited sends its own request. If the first call is
    cancelled or runs out of its own time, another one takes over. A call whose total time is up while it waits raises
    `AttemptTimeout`.

    Who comes after an unsafe request to the same origin does not wait for a response that was asked for before it: whoever
    has changed something sees the change.

    The object knows what is under way: clients that are given the same one share it.

    >>> Coalesce(share_errors=False)
    Coalesce(share_errors=False)
    """

    __slots__ = ("_asked", "_below", "_flights", "_follows", "_last", "_limits", "_streaming", "_who", "share_errors")

    stage: ClassVar[Stage] = Stage.COALESCE

    def __init__(self, *, share_errors: bool = True) -> None:
        self.share_errors = share_errors
        self._flights: Flights[Key, Outcome] = Flights()
        self._asked: Auth | None = None
        self._below: tuple[Policy, ...] = ()
        self._limits = DEFAULT_LIMITS
        self._who: tuple[int, ...] = ()
        self._follows = self._streaming = False
        # The fields of the last request, and whether they want an answer of their own: most calls send the same object.
        self._last: tuple[Headers | None, bool] = None, False

    def placed(self, pipeline: Pipeline, *, streaming: bool) -> Policy:
        """The same flights, boarded in the name of this pipeline; calls that stream board none."""
        placed = Coalesce(share_errors=self.share_errors)
        placed._flights = self._flights
        placed._streaming = streaming
        placed._below = tuple(policy for policy in pipeline.policies if policy.stage in _DISTINCTIVE)
        placed._limits = pipeline.limits
        # Whoever leads or waits holds its policies, so no other object can have their ids meanwhile.
        placed._who = (id(pipeline.limits), *map(id, placed._below))
        auth = pipeline.find(Auth)
        placed._asked = auth if auth is not None and auth.identity is None else None
        redirect = pipeline.find(Redirect)
        placed._follows = redirect is not None and redirect.max_redirects > 0
        return placed

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Lead, or wait for the response of the call that does."""
        if request.method not in ("GET", "HEAD"):
            return forward(request, call) if request.safe else self._change(request, call, forward)
        if self._streaming or request.content != b"" or request.on_interim is not None:
            return forward(request, call)
        headers, apart = self._last
        if headers is not request.headers:
            apart = want_an_answer_of_their_own(request.headers)
            self._last = request.headers, apart
        return forward(request, call) if apart else self._board(request, call, forward)

    def close(self, matches: Callable[[URL], bool]) -> None:
        """Let nobody who comes from now on wait for what is under way at the URLs that match: it may be out of date."""
        self._flights.close(lambda key: matches(key[1]))

    def _board(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        auth, name = self._asked, None
        if auth is not None and request.credentials and not auth.is_authenticated(request):
            # The same object may sign one call for one user and the next one for another.
            name = yield from auth.identify(request)
            if name is None:
                return (yield from forward(request, call))
        key = request.method, request.url, request.headers.lines, request.credentials, self._who, name
        flight, seat = self._flights.board(key)
        if seat is not None:
            started = call.now.monotonic
            outcome = yield from self._await(flight, seat, request, call)
            if isinstance(outcome, Answer):
                return outcome.deliver(request, call, call.now.monotonic - started)
            if isinstance(outcome, Failure):
                raise outcome.error_for(call) from outcome.cause
            if outcome is not None:
                return (yield from forward(request, call))
        outcome = None
        over = False
        try:
            response = yield from forward(request, call)
            over = self._flights.end_unshared(flight)
            if not over:
                outcome = yield from self._outcome(response, name, call)
            return response
        except _SHARED as error:
            if not isinstance(error, AttemptTimeout):
                outcome = Failure.of(error) if self.share_errors else NOTHING
            raise
        finally:
            # However it ended, cancelled included: those who wait must hear of it.
            if outcome is not None:
                self._flights.land(flight, outcome)
            elif not over:
                self._flights.hand_over(flight)
            del flight, outcome  # the traceback of an error refers to this frame, which must not lead back to it

    def _change(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        try:
            return (yield from forward(request, call))
        finally:
            # However it ended: the server may have done it. What else it has changed thereby only the server knows.
            self.close(request.url.same_origin)

    def _await(self, flight: Flight[Key, Outcome], seat: Seat, request: Request, call: Call) -> Flow[Outcome | None]:
        """What the flight has brought; None if this call is to lead it now."""
        woken = False
        try:
            call.record(RequestCollapsed, request, request.method, request.url.redacted)
            woken = yield from Park(seat.slot, _patience(call))
        finally:
            if not woken:
                self._flights.leave(flight, seat)
        if not woken and flight.outcome is None:
            raise AttemptTimeout(
                "no time left to wait for the same request, which another call has under way",
                sent=False,
                method=request.method,
                url=request.url.redacted,
            )
        return None if seat.leads else flight.outcome

    def _outcome(self, response: Response, name: str | None, call: Call) -> Flow[Outcome]:
        """What those who wait have of the response. Its content is read if it is not yet."""
        # What is from the cache was kept for whoever asks in this name.
        auth = self._asked
        if auth is not None and name is not None and not (response.from_cache or auth.carries(response.request, name)):
            return NOTHING
        if response.status >= 500 and not self.share_errors:
            return NOTHING
        if response.body is not None:
            if self._follows and response.is_redirect:
                if not (yield from _read_undecoded(response, call, self._limits)):
                    return NOTHING
            else:
                # The pipeline would read it next.
                yield from read_content(response, call, limits=self._limits)
        return Answer.of(response)

    def __repr__(self) -> str:
        return f"Coalesce(share_errors={self.share_errors})"


def want_an_answer_of_their_own(headers: Headers) -> bool:
    """Whether fields ask for a response that no other request was answered with.

    >>> want_an_answer_of_their_own(Headers({"Cache-Control": "no-cache"}))
    True
    """
    # Whatever else is in it, a field that holds these words wants one.
    control = headers.get("Cache-Control")
    if control is not None and ("no-cache" in (control := control.lower()) or "no-store" in control):
        return True
    pragma = headers.get("Pragma")
    return pragma is not None and "no-cache" in pragma.lower()


def _patience(call: Call) -> float:
    """When a call stops to wait. The one that it waits for may make several attempts, but not for ever."""
    return call.deadline if call.deadline < inf else attempt_deadline(call)


def _read_undecoded(response: Response, call: Call, limits: Limits) -> Flow[bool]:
    """Read the content of a redirect, of which the call that follows it has no use; whether it is there for others.

    What is read is bounded as it is by `discard`, and nothing is decoded.
    """
    body = response.body
    assert body is not None
    if limits.max_drain == 0 or body_decoder(response, limits.max_codings) is not None:
        return False
    response.complete(b"")
    pieces: list[bytes] = []
    size = 0
    deadline = min(attempt_deadline(call), call.now.monotonic + DRAIN_TIME)
    try:
        while size <= limits.max_drain:
            data = yield from read_body(body, deadline)
            if not data:
                response.complete(b"".join(pieces))
                return True
            size += len(data)
            pieces.append(data)
        yield from close_body(body)
    except (TransportError, AttemptTimeout):
        pass  # the connection is lost, the call is not
    return False
