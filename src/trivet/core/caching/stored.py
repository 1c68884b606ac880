"""A stored response in memory, with what is derived from it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.age import age_value, current_age
from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.freshness import Lifetime, freshness_lifetime
from trivet.core.caching.times import date_value
from trivet.core.http.headers import Headers

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry


class Stored:
    """A stored response as a store hands it out.

    ``content`` is None where it is large: it is then read in pieces from the store that handed out the entry.

    Immutable, but for what it remembers: a store that keeps the object saves the next hit from deriving it again.
    """

    __slots__ = ("_bare", "_directives", "_headers", "_initial_age", "_lifetime", "content", "entry")

    def __init__(self, entry: Entry, content: bytes | None) -> None:
        self.entry = entry
        self.content = content
        self._headers: Headers | None = None
        self._directives: ResponseDirectives | None = None
        self._lifetime: tuple[bool, Lifetime] | None = None
        self._initial_age: float | None = None
        self._bare: tuple[tuple[bytes, bytes], ...] | None = None

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
        known = self._lifetime
        if known is not None and known[0] is shared:
            return known[1]
        entry = self.entry
        lifetime = freshness_lifetime(
            entry.status, self.headers, self.directives, shared=shared, response_time=entry.response_time
        )
        self._lifetime = shared, lifetime
        return lifetime

    def age(self, now: float) -> float:
        """How old it is at a Unix time, in seconds (RFC 9111 §4.2.3)."""
        came = self.entry.response_time
        initial = self._initial_age
        if initial is None:
            initial = self._initial_age = current_age(
                date_value=date_value(self.headers, came),
                age_value=age_value(self.headers),
                request_time=self.entry.request_time,
                response_time=came,
                now=came,
            )
        return initial + (now - came if now > came else 0.0)

    def headers_of_age(self, seconds: float) -> Headers:
        """The stored fields with this age, as a response that was not validated must have them (RFC 9111 §5.1)."""
        bare = self._bare
        if bare is None:
            bare = self._bare = tuple(self.headers.without("Age").raw)
        return Headers.from_raw((*bare, (b"Age", b"%d" % seconds)))

    def __repr__(self) -> str:
        return f"<Stored {self.entry!r}>"
