"""Drive a flow by hand, one action at a time, at the times a test chooses."""

from __future__ import annotations

import random
from math import inf
from typing import Any

from trivet.core.exchange.actions import Action, ReadBody, SendRequest
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import Event, Trace
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.policy import Policy

URL = "https://api.example.com/users"
WALL = 1_700_000_000.0


def send(request: Request, call: Call) -> Flow[Response]:
    """The rest of the pipeline in these tests: one SendRequest."""
    return SendRequest(request, call.deadline).__iter__()


class Run:
    """One call through one policy: ``action`` is what it waits for, in the end ``result`` or ``error``."""

    def __init__(
        self,
        policy: Policy,
        request: Request | None = None,
        *,
        now: float = 0.0,
        deadline: float = inf,
        seed: int = 0,
    ) -> None:
        self.policy = policy
        self.request = request if request is not None else Request("GET", URL)
        instant = Instant(now, WALL + now)
        self.call = Call(instant, random.Random(seed), Trace(instant))
        self.call.deadline = deadline
        self.action: Action[Any] | None = None
        self.result: Response | None = None
        self.error: BaseException | None = None
        self._flow: Flow[Response] | None = None

    @property
    def events(self) -> list[Event]:
        return list(self.call.trace)

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def sent(self) -> Request:
        """The request that the flow wants sent now."""
        assert isinstance(self.action, SendRequest), self.action
        return self.action.request

    def start(self) -> Run:
        try:
            self._flow = self.policy.handle(self.request, self.call, send)
        except Exception as error:
            self.error = error
            return self
        return self._resume(lambda flow: next(flow))

    def reply(self, value: Any = None, *, at: float | None = None) -> Run:
        self._tick(at)
        if isinstance(value, Response) and isinstance(self.action, SendRequest):
            value.request = self.action.request
        return self._resume(lambda flow: flow.send(value))

    def fail(self, error: Exception, *, at: float | None = None) -> Run:
        self._tick(at)
        return self._resume(lambda flow: flow.throw(error))

    def cancel(self, *, at: float | None = None) -> Run:
        self._tick(at)
        assert self._flow is not None
        self._flow.close()
        self.action = None
        self.error = GeneratorExit()
        return self

    def read(self, *pieces: bytes) -> Run:
        """Answer the reads of a body with these pieces and its end."""
        for piece in (*pieces, b""):
            assert isinstance(self.action, ReadBody), self.action
            self.reply(piece)
        return self

    def _tick(self, at: float | None) -> None:
        if at is not None:
            assert at >= self.call.now.monotonic
            self.call.now = Instant(at, WALL + at)

    def _resume(self, step: Any) -> Run:
        self.action = None
        try:
            self.action = step(self._flow)
        except StopIteration as stop:
            self.result = stop.value
        except Exception as error:
            self.error = error
        return self


def event_names(run: Run) -> list[str]:
    return [type(event).__name__ for event in run.events]
