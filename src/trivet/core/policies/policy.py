"""What a policy is, and where in the pipeline each one stands."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response

if TYPE_CHECKING:
    from trivet.core.policies.pipeline import Pipeline

Forward: TypeAlias = Callable[[Request, Call], Flow[Response]]


class Stage(IntEnum):
    """The places in a pipeline, from the caller to the wire.

    ``CALL``, ``ATTEMPT`` and ``WIRE`` are for policies of one's own and may hold several: once per call; once
    per attempt, before credentials are added; and once per attempt with the request as it will be sent.
    """

    STATUS = 0
    DEADLINE = 10
    CALL = 15
    REDIRECT = 20
    COALESCE = 30
    CACHE = 40
    RETRY = 50
    BREAKER = 60
    RATE_LIMIT = 70
    ATTEMPT = 75
    AUTH = 80
    WIRE = 90


SHARED_STAGES = frozenset({Stage.CALL, Stage.ATTEMPT, Stage.WIRE})


class Policy:
    """One decision about calls, written once as a flow and carried by every runtime.

    Override `handle` and say in ``stage`` where the policy stands:

    >>> class Stamp(Policy):
    ...     stage = Stage.ATTEMPT
    ...
    ...     def handle(self, request, call, forward):
    ...         stamped = request.replace(headers=request.headers.with_field("X-Attempt", str(call.attempts + 1)))
    ...         return (yield from forward(stamped, call))

    A policy that has nothing to do on the way back may be a plain function that returns ``forward(request,
    call)``. Errors of the transport arrive as exceptions at ``yield from forward(…)``.
    """

    __slots__ = ()

    stage: ClassVar[Stage] = Stage.ATTEMPT

    def placed(self, pipeline: Pipeline, *, streaming: bool) -> Policy:
        """The policy as it stands in a pipeline, whose calls leave the content of their responses unread when they are
        ``streaming``. Most policies are the same everywhere."""
        return self

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Answer the request, usually through ``forward``, which is the rest of the pipeline."""
        return forward(request, call)
