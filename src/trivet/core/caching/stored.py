"""A stored response in memory, with what is derived from it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.age import age_value, current_age
from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.freshness import Lifetime, freshness_lifetime
from trivet.core.caching.times import date_value

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.http.headers import Headers


class Stored:
    """A stored response as a store hands it out.

    ``content`` is None where it is large: it is then read in pieces from the store that handed out the entry.

    Immutable, but for what it remembers: a store that keeps the object saves the next hit from deriving it again.
    """

    __slots__ = ("_age", "_date", "_directives", "_headers", "_lifetimes", "content", "entry")

    def __init__(self, entry: Entry, content: bytes | None) -> None:
        self.entry = entry
        self.content = content
        self._headers: Headers | None = None
        self._directives: ResponseDirectives | None = None
        self._lifetimes: dict[bool, Lifetime] = {}
        self._date = 0.0
        self._age: int | None = None

    @property
    def headers(self) -> Headers:
        """The stored fields."""
        headers = self._headers
        if headers is None:
            headers = self._headers = self.entry.headers
        return headers

    @property
    def directives(self) -> ResponseDirectives:
        """What its Cache-Control says."""
        directives = self._directives
        if directives is None:
            directives = self._directives = ResponseDirectives.of(self.headers)
        return directives

    def lifetime(self, *, shared: bool) -> Lifetime:
        """How long it is fresh, in a cache that is shared or not (RFC 9111 §4.2.1)."""
        lifetime = self._lifetimes.get(shared)
        if lifetime is None:
            entry = self.entry
            lifetime = self._lifetimes[shared] = freshness_lifetime(
                entry.status, self.headers, self.directives, shared=shared, response_time=entry.response_time
            )
        return lifetime

    def age(self, now: float) -> float:
        """How old it is at a Unix time, in seconds (RFC 9111 §4.2.3)."""
        entry = self.entry
        received = self._age
        if received is None:
            # The date first: another thread takes the age for a sign that both are there.
            self._date = date_value(self.headers, entry.response_time)
            received = self._age = age_value(self.headers)
        return current_age(
            date_value=self._date,
            age_value=received,
            request_time=entry.request_time,
            response_time=entry.response_time,
            now=now,
        )

    def __repr__(self) -> str:
        return f"<Stored {self.entry!r}>"
