"""What the fields of a request ask of a cache, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trivet.core.caching.conditions import has_conditions
from trivet.core.caching.directives import RequestDirectives
from trivet.core.caching.keys import credentials_identity

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers
    from trivet.core.http.request import Request


class Asking(NamedTuple):
    """What a cache reads in the fields of a request.

    ``identity``: whose credentials are in them, as a digest; None for nobody's. ``conditional``, ``ranged``: whether they
    have conditions or a Range.

    >>> from trivet.core.http.request import Request
    >>> asking = Asking.of(
    ...     Request("GET", "https://api.example.com/", {"Cache-Control": "no-cache", "Range": "bytes=0-"})
    ... )
    >>> asking.directives.no_cache, asking.ranged, asking.conditional, asking.identity
    (True, True, False, None)
    """

    directives: RequestDirectives
    identity: str | None
    conditional: bool
    ranged: bool

    @classmethod
    def of(cls, request: Request) -> Asking:
        """Read the fields of a request."""
        headers = request.headers
        return cls(
            RequestDirectives.of(headers), credentials_identity(request), has_conditions(headers), "Range" in headers
        )


class AskingReader:
    """Reads the fields of requests, and remembers the last ones: most calls of a client send the very same object."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[Headers | None, Asking | None] = None, None

    def read(self, request: Request) -> Asking:
        """What the request asks. Safe in several threads: what is remembered changes as one."""
        headers, asking = self._last
        if asking is None or headers is not request.headers:
            asking = Asking.of(request)
            self._last = request.headers, asking
        return asking
