"""Stepping through a flow by hand: see what it asks for, say what comes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from trivet.core.exchange.actions import Action
from trivet.core.exchange.call import Rng
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.testing.clock import VirtualClock

T = TypeVar("T")
A = TypeVar("A", bound=Action[Any])


class Playbook(Generic[T]):
    """Runs a flow in an exchange, one action at a time, in virtual time.

    >>> from trivet.core import Pipeline, Request, Response, SendRequest
    >>> book = Playbook(Pipeline().handle(Request("GET", "https://api.example.com/")))
    >>> book.expect(SendRequest).request
    <Request GET https://api.example.com/>
    >>> book.reply(Response(204)).result
    <Response 204 No Content>
    """

    def __init__(self, flow: Flow[T], *, rng: Rng | None = None, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.exchange = Exchange(flow, rng=rng or random.Random(0))
        self.actions: list[Action[Any]] = []
        self.error: Exception | None = None
        self._done: Done[T] | None = None
        self._step(self.exchange.start)

    @property
    def action(self) -> Action[Any] | None:
        """What the flow waits for; None once it has ended."""
        return self.exchange.pending

    @property
    def result(self) -> T:
        """What the flow returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        if self._done is None:
            raise AssertionError(f"the flow has not ended: it waits for {self.action!r}")
        return self._done.result

    def expect(self, kind: type[A]) -> A:
        """The pending action, which must be of this kind."""
        action = self.action
        if not isinstance(action, kind):
            raise AssertionError(f"expected {kind.__name__}, but the flow waits for {action!r}")
        return action

    def reply(self, reply: object = None, *, after: float = 0.0) -> Playbook[T]:
        """The pending action was performed, after so many seconds."""
        self.clock.advance(after)
        self._step(partial(self.exchange.receive, reply))
        return self

    def fail(self, error: Exception, *, after: float = 0.0) -> Playbook[T]:
        """The pending action failed, after so many seconds."""
        self.clock.advance(after)
        self._step(partial(self.exchange.fail, error))
        return self

    def _step(self, step: Callable[[Instant], Action[Any] | Done[T]]) -> None:
        ended = self._done is not None or self.error is not None
        try:
            reached = step(self.clock.now())
        except Exception as error:
            if ended or self.exchange.pending is not None:
                raise
            self.error = error
            return
        if isinstance(reached, Done):
            self._done = reached
        else:
            self.actions.append(reached)
