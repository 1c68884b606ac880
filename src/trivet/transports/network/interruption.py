"""Stopping a socket operation from outside, in a way that looks like a time-out to whoever awaits it."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from anyio import CancelScope

T = TypeVar("T")


class Interruption:
    """Lets one task stop the socket operations of another, without cancelling that task."""

    __slots__ = ("_scope", "requested")

    def __init__(self) -> None:
        self.requested = False
        self._scope: CancelScope | None = None

    def request(self) -> bool:
        """Stop the operation that is under way, and every later one. Whether there was one."""
        self.requested = True
        if self._scope is None:
            return False
        self._scope.cancel()
        return True

    async def guard(self, operation: Awaitable[T], too_late: Exception) -> T:
        """Await the operation; raise ``too_late`` if it is stopped."""
        from anyio import CancelScope

        with CancelScope() as scope:
            if self.requested:
                scope.cancel()
            self._scope = scope
            try:
                return await operation
            finally:
                self._scope = None
        raise too_late


current_interruption: ContextVar[Interruption | None] = ContextVar("trivet_interruption", default=None)
"""What may stop the socket operations in this context."""


async def interruptible(operation: Awaitable[T], too_late: Exception) -> T:
    """Await a socket operation, which the interruption of this context may stop."""
    interruption = current_interruption.get()
    return await (operation if interruption is None else interruption.guard(operation, too_late))
