"""Writing down what a driver was asked to do, in a form that is equal on every runtime."""

from __future__ import annotations

from typing import Any, Protocol

from trivet.core.exchange.actions import Action, CloseBody, ReadBody, SendRequest, SleepUntil


class Performs(Protocol):
    """A driver, as far as it matters here."""

    def perform(self, action: Action[Any]) -> Any: ...


class ActionRecorder(list[tuple[Any, ...]]):
    """The actions that drivers performed, as plain tuples: equal lists are equal behaviour.

    >>> from trivet.core import SleepUntil
    >>> recorder = ActionRecorder()
    >>> recorder.note(SleepUntil(2.0))
    >>> recorder
    [('SleepUntil', 2.0)]
    """

    def attach(self, driver: Performs) -> None:
        """Note every action that this driver performs from now on."""
        perform = driver.perform

        def noted(action: Action[Any]) -> Any:
            self.note(action)
            return perform(action)

        driver.perform = noted  # type: ignore[method-assign]  # a driver is observed from outside, as a test does

    def note(self, action: Action[Any]) -> None:
        """Note one action."""
        kind = type(action).__name__
        if isinstance(action, SendRequest):
            request = action.request
            fields = tuple(request.headers.items())
            self.append((kind, request.method, str(request.url), fields, action.deadline, action.connect_timeout))
        elif isinstance(action, ReadBody):
            self.append((kind, action.deadline))
        elif isinstance(action, SleepUntil):
            self.append((kind, action.when))
        else:
            assert isinstance(action, Action | CloseBody)
            self.append((kind,))
