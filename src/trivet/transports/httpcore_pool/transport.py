"""The transport over a pool of httpcore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:


    pass

ABANDON_LIMIT = 16
"""Pieces of content already received that letting go of a body runs through before it takes the short way."""


class SyncPool(Protocol):
    """A pool such as ``httpcore.ConnectionPool``."""

    def handle_request(self, request: Any) -> Any:
        """Send a request, return the head of its response."""
        ...


class AsyncPool(Protocol):
    """A pool such as ``httpcore.AsyncConnectionPool``."""

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request, return the head of its response."""
        ...
