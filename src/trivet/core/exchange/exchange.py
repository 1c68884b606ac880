"""The state machine that runs a flow, one action at a time, without performing any of them.

A driver's loop is: `Exchange.start`, then perform the action that came back and hand its reply to
`Exchange.receive` – or the error to `Exchange.fail` – until `Done` comes back or an error is raised.

The exchange keeps a ledger of every body that a reply opened. However the flow ends, each body it left open
comes back as a `CloseBody` action before the result does; a flow cannot leak. The one exception is a body
that belongs to the `Response` the flow returns: it is handed over, still open, to whoever gets the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from trivet.core.errors import LocalProtocolError, TrivetError
from trivet.core.exchange.actions import Action, CloseBody, ReadBody, SendRequest
from trivet.core.exchange.bodies import FlowBody
from trivet.core.exchange.call import Call, CurrentCall, Observer, Rng
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.states import CALLS, TRANSITIONS, Signal, State
from trivet.core.exchange.trace import AttemptFailed, CallFailed, RequestSent, ResponseReceived, Trace
from trivet.core.http.request import Request
from trivet.core.http.response import Response

T = TypeVar("T")


class Done(Generic[T]):
    """The flow returned ``result``; there is nothing left to perform."""

    __slots__ = ("result",)
    __match_args__ = ("result",)

    def __init__(self, result: T) -> None:
        self.result = result

    def __repr__(self) -> str:
        return f"Done({self.result!r})"


class Exchange(Generic[T]):
    """Run ``flow``. ``rng`` is drawn from for jitter and keys; ``observer`` is told of trace events.

    ``start``, ``receive`` and ``fail`` return the next action to perform or `Done`, and raise the error that the
    flow ended with. A call that is illegal in the present state (see `core.exchange.states`) raises
    `LocalProtocolError` and changes nothing.

    >>> import random
    >>> def flow():
    ...     response = yield from SendRequest(Request("GET", "https://api.example.com/"))
    ...     return response.status
    >>> exchange = Exchange(flow(), rng=random.Random())
    >>> exchange.start(Instant(0.0, 0.0)).request
    <Request GET https://api.example.com/>
    >>> exchange.receive(Response(204), Instant(0.1, 0.1))
    Done(204)
    """

    __slots__ = ("_call", "_flow", "_observer", "_open", "_outcome", "_pending", "_rng", "_sent_at", "_state")

    def __init__(self, flow: Flow[T], *, rng: Rng, observer: Observer | None = None) -> None:
        self._flow = flow
        self._rng = rng
        self._observer = observer
        self._state = State.IDLE
        self._pending: Action[Any] | None = None
        self._open: dict[object, Response] = {}
        self._outcome: Done[T] | Exception | None = None
        self._sent_at = 0.0
        self._call: Call | None = None

    @property
    def state(self) -> State:
        """Where the exchange stands."""
        return self._state

    @property
    def trace(self) -> Trace | None:
        """What has happened so far; None before the start."""
        return self._call.trace if self._call is not None else None

    @property
    def pending(self) -> Action[Any] | None:
        """The action that waits for its reply."""
        return self._pending

    def start(self, now: Instant) -> Action[Any] | Done[T]:
        """Run the flow up to its first action."""
        if self._state is not State.IDLE:
            raise self._illegal("start")
        self._state = State.RUNNING
        self._call = Call(now, self._rng, Trace(now), self._observer)
        return self._resume(self._flow.send, None)

    def receive(self, reply: object, now: Instant) -> Action[Any] | Done[T]:
        """Hand over the reply to the action that was performed."""
        if self._state is not State.RUNNING:
            return self._close_next("receive")
        call = cast(Call, self._call)
        call.now = now
        action = self._pending
        if isinstance(action, SendRequest):
            reply = self._received(action, reply, call)
        elif isinstance(action, ReadBody):
            if not isinstance(reply, bytes):
                raise LocalProtocolError(f"the reply to ReadBody is bytes, not {type(reply).__name__}")
            if not reply:
                self._open.pop(action.body, None)
        elif isinstance(action, CloseBody):
            self._open.pop(action.body, None)
        return self._resume(self._flow.send, reply)

    def fail(self, error: Exception, now: Instant) -> Action[Any] | Done[T]:
        """Hand over the error with which the action failed. A body that could not be read counts as released."""
        if self._state is not State.RUNNING:
            return self._close_next("fail")
        call = cast(Call, self._call)
        call.now = now
        action = self._pending
        if isinstance(action, SendRequest):
            self._failed(action.request, error, call)
        elif isinstance(action, ReadBody | CloseBody):
            response = self._open.pop(action.body, None)
            # A response without its body was let go of: what becomes of its content is no failure any more.
            if response is not None and response.body is not None:
                self._failed(response.request, error, call)
        try:
            return self._resume(self._flow.throw, error)
        finally:
            # If it is raised again, its traceback refers to this frame, and the error would keep itself alive.
            del error

    def cancel(self) -> list[CloseBody]:
        """End the flow where it stands and return what must still be closed. Legal in every state."""
        leftovers = [CloseBody(body) for body in self._open]
        self._open.clear()
        self._state = TRANSITIONS[self._state][Signal.CANCELLED]
        self._pending = None
        self._close_flow()
        return leftovers

    def _resume(self, resume: Callable[[Any], Action[Any]], value: object) -> Action[Any] | Done[T]:
        try:
            action = resume(value)
            while type(action) is CurrentCall:
                action = self._flow.send(self._call)
        except StopIteration as stop:
            return self._ended(Done(stop.value))
        except Exception as error:
            value = None  # see fail()
            return self._ended(error)
        if not isinstance(action, Action):
            self._close_flow()
            kind = type(action).__name__
            return self._ended(LocalProtocolError(f"a flow yields actions, not {kind}: was 'yield from' meant?"))
        self._pending = action
        if type(action) is SendRequest:
            self._sending(action)
        return action

    def _sending(self, action: SendRequest) -> None:
        call = cast(Call, self._call)
        self._sent_at = call.now.monotonic
        call.attempts += 1
        request = action.request
        call.record(RequestSent, request, call.attempts, request.method, request.url.redacted)

    def _received(self, action: SendRequest, reply: object, call: Call) -> Response:
        if not isinstance(reply, Response):
            raise LocalProtocolError(f"the reply to SendRequest is a Response, not {type(reply).__name__}")
        reply.request = action.request
        reply.trace = call.trace
        reply.elapsed = call.now.monotonic - self._sent_at
        if reply.body is not None:
            self._open[reply.body] = reply
        call.record(ResponseReceived, reply, call.attempts, reply.status, reply.reason, reply.elapsed)
        return reply

    def _failed(self, request: Request, error: Exception, call: Call) -> None:
        if isinstance(error, TrivetError):
            error.locate(request.method, request.url.redacted)
            call.record(AttemptFailed, error, call.attempts, type(error).__name__, error.message)

    def _ended(self, outcome: Done[T] | Exception) -> Action[Any] | Done[T]:
        if not isinstance(outcome, Done):
            call = cast(Call, self._call)
            if isinstance(outcome, TrivetError):
                if outcome.trace is None:
                    outcome.trace = call.trace
                if summary := call.trace.summary():
                    outcome.add_note(summary)
                call.record(CallFailed, outcome, type(outcome).__name__, outcome.message)
            else:
                # The message of somebody else's exception may hold anything, so it stays out of the trace.
                call.record(CallFailed, outcome, type(outcome).__name__, "raised by the flow")
        self._outcome = outcome
        del outcome  # see fail()
        return self._finish()

    def _close_next(self, caller: str) -> Action[Any] | Done[T]:
        if self._state not in CALLS[caller]:
            raise self._illegal(caller)
        # Whether closing succeeded makes no difference: the body is not tried a second time.
        self._open.pop(cast(CloseBody, self._pending).body, None)
        return self._finish()

    def _finish(self) -> Action[Any] | Done[T]:
        moves = TRANSITIONS[self._state]
        if self._open:
            result = self._outcome.result if isinstance(self._outcome, Done) else None
            kept = result.body if isinstance(result, Response) else None
            if isinstance(kept, FlowBody):
                kept = kept.handle
            for body in self._open:
                if body is not kept:
                    self._state = moves[Signal.LEFT_OPEN]
                    self._pending = CloseBody(body)
                    return self._pending
            # Only now is it handed over: until here, a cancellation would have closed it like the others.
            self._open.clear()
        outcome, self._outcome, self._pending = self._outcome, None, None
        if isinstance(outcome, Exception):
            self._state = moves[Signal.RAISED]
            try:
                raise outcome
            finally:
                del outcome  # see fail()
        self._state = moves[Signal.RETURNED]
        return cast("Done[T]", outcome)

    def _close_flow(self) -> None:
        try:
            self._flow.close()
        except Exception as error:
            # A flow that misbehaves while it is closed must not keep the driver from closing the bodies.
            if self._call is not None:
                self._call.record(CallFailed, error, type(error).__name__, "the flow failed while it was closed")

    def _illegal(self, caller: str) -> LocalProtocolError:
        allowed = ", ".join(sorted(state.name for state in CALLS[caller]))
        return LocalProtocolError(f"{caller}() is legal in {allowed}; this exchange is {self._state.name}")
