"""A response that says no becomes an exception, once everything else has been tried."""

from __future__ import annotations

from typing import ClassVar, cast

from trivet.core.classification import classify
from trivet.core.errors import APIError
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.send import read_content


class RaiseForStatus(Policy):
    """Raise the `APIError` for a status of 400 or more.

    It is the outermost policy: retries, redirects and the cache have had their say when it looks.
    """

    __slots__ = ("_limits",)

    stage: ClassVar[Stage] = Stage.STATUS

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Forward, then classify."""
        response = yield from forward(request, call)
        if response.status < 400:
            return response
        # The error's message is in the content, which a streaming call has not read yet.
        yield from read_content(response, call, limits=self._limits)
        # No variable for the error: its traceback refers to this frame, and it would keep itself alive.
        raise cast(APIError, classify(response, now_wall=call.now.wall, max_text=self._limits.max_error_text))
