"""What the cache did during a call, and why, as events of its trace."""

from __future__ import annotations

from typing import NamedTuple


class CacheHit(NamedTuple):
    """A stored response answered the request without asking the server."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return f"cache hit: {self.method} {self.url} ({self.reason})"


class CacheMissed(NamedTuple):
    """No stored response could answer the request, which goes to the server."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return f"cache miss: {self.reason}"


class ValidationStarted(NamedTuple):
    """A stored response needs the server's word; ``background``: it was used already, and the next call will profit."""

    at: float
    method: str
    url: str
    reason: str
    background: bool

    def __str__(self) -> str:
        where = "in the background" if self.background else "now"
        return f"cache: {self.reason}, validated {where}"


class ResponseValidated(NamedTuple):
    """The server said that a stored response is still good."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return f"cache: {self.reason}"


class StaleServed(NamedTuple):
    """The server failed, and a stored response answered in its place."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return f"cache: stale response served: {self.reason}"


class ResponseStored(NamedTuple):
    """A response was stored, and what permits it."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class ResponseNotStored(NamedTuple):
    """A response was not stored, and why."""

    at: float
    method: str
    url: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class EntriesInvalidated(NamedTuple):
    """An unsafe request made stored responses invalid; ``removed`` is how many."""

    at: float
    method: str
    url: str
    removed: int

    def __str__(self) -> str:
        return f"cache: {self.removed} stored invalidated by {self.method}"


class StoreFailed(NamedTuple):
    """The store raised an error; the call goes on without it."""

    at: float
    action: str
    error: str

    def __str__(self) -> str:
        return f"cache: {self.action} failed with {self.error}; the call goes on without the store"
