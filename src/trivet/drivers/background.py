"""What the drivers share about flows that run in the background."""

from __future__ import annotations

from typing import Final

from trivet.core.exchange.bodies import close_body
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response

CLEANUP_GRACE: Final = 2.0
"""Seconds that cleaning up may take, whatever the deadline was: releasing the bodies of a failed or cancelled call, or
ending what runs in the background of a client that is closed."""


def discarding(flow: Flow[object]) -> Flow[None]:
    """The same flow for nobody: what it returns is let go of."""
    result = yield from flow
    if isinstance(result, Response) and result.body is not None:
        yield from close_body(result.body)
