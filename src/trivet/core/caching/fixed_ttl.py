"""Keeping responses for a fixed time, whatever they say about caching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.drafting import draft_entry
from trivet.core.caching.events import CacheHit, CacheMissed
from trivet.core.caching.keeping import keep_as
from trivet.core.caching.keys import fixed_ttl_key
from trivet.core.caching.vary import selecting_fields
from trivet.core.errors import ConfigError
from trivet.core.policies.validation import require_number

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.handling import Handling
    from trivet.core.caching.stored import Stored
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response


def check_ttl(ttl: float | None) -> float | None:
    """The ``ttl`` of a `Cache`. Raises `ConfigError` unless it is a positive number of seconds, or None."""
    if ttl is not None:
        require_number("Cache(ttl=", ttl)
        if ttl == 0:
            raise ConfigError(
                "Cache(ttl=0) would keep nothing: leave the cache out, or give a positive number of seconds"
            )
    return ttl


class FixedTTL:
    """Answers GET with what was stored at most ``ttl`` seconds ago, and stores what has a status of 2xx.

    What asks for something else than the whole present representation, a part or a change, is for the server: so are HEAD,
    Range and conditions. Of the request's own directives ``no-cache``, ``no-store`` and ``only-if-cached`` count.
    """

    __slots__ = ("_fields", "_ttl")

    def __init__(self, ttl: float, fields: tuple[str, ...]) -> None:
        self._ttl = ttl
        self._fields = fields

    def key(self, request: Request, who: str | None) -> str:
        """What the response to a request is stored under."""
        return fixed_ttl_key(request, who, self._fields)

    def run(self, handling: Handling) -> Flow[Response]:
        """Answer the request."""
        passes_by = _passes_by(handling)
        if passes_by is not None:
            fwd, reason = "bypass", passes_by
        else:
            chosen = yield from handling.look_up()
            if handling.settings.refresh or handling.asked.no_cache:
                fwd, reason = "request", "a refresh was asked for"
            elif chosen is not None:
                hit, fwd, reason = yield from self._hit(handling, chosen)
                if hit is not None:
                    return hit
            elif handling.found:
                fwd, reason = "vary-miss", "what is stored was selected by other fields"
            else:
                fwd, reason = "uri-miss", "nothing is stored"
        if handling.asked.only_if_cached:
            return handling.refuse(fwd, reason)
        handling.note(CacheMissed, reason)
        response = yield from handling.forward(handling.request, handling.call)
        response.note_cache(fwd=fwd)
        if passes_by is None:
            yield from keep_as(handling, response, *self._draft(handling, response))
        return response

    def _hit(self, handling: Handling, chosen: Stored) -> Flow[tuple[Response | None, str, str]]:
        """The answer, if what is stored may still be used; else why it may not, as a word of RFC 9211 and at length."""
        now = handling.call.now.wall
        # A clock that was set back makes nothing younger than new.
        age = max(0.0, now - chosen.entry.response_time)
        if age >= self._ttl or chosen.entry.expires <= now:
            return None, "stale", "stored too long ago"
        response = yield from handling.made_of(chosen, age=age)
        if response is not None:
            response.note_cache(hit=True, ttl=int(self._ttl - age))
            handling.note(CacheHit, f"{age:.0f} s old, kept for {self._ttl:g} s")
        return response, "miss", "what was stored is damaged"

    def _draft(self, handling: Handling, response: Response) -> tuple[Entry | None, str]:
        if not response.is_success or response.status == 206:
            return None, f"not stored: status {response.status}"
        if handling.asked.no_store:
            return None, "not stored: no-store in the request"
        if selecting_fields(response.headers) is None:
            return None, "not stored: Vary: *"
        now, directives = handling.call.now.wall, ResponseDirectives.of(response.headers)
        entry = draft_entry(
            handling.key, handling.request, response, directives, shared=False, now=now, expires=now + self._ttl
        )
        return entry, f"stored: for {self._ttl:g} s"


def _passes_by(handling: Handling) -> str | None:
    """Why a request is for the server alone; None if it is not."""
    if handling.request.method == "HEAD":
        return "method HEAD"
    if handling.asking.ranged:
        return "a part was asked for"
    return "its conditions are for the server" if handling.asking.conditional else None
