"""What a call that others wait for has for them: a response, an error, or nothing that could be shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from trivet.core.errors import TrivetError
from trivet.core.exchange.call import Call
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

if TYPE_CHECKING:
    from trivet.core.http.cache_status import CacheStatus

E = TypeVar("E", bound=TrivetError)


class Answer(NamedTuple):
    """A response with its content, of which every call is given one of its own."""

    status: int
    headers: Headers
    content: bytes
    reason: str
    http_version: str
    from_cache: bool
    cache_status: CacheStatus | None

    @classmethod
    def of(cls, response: Response) -> Answer:
        """What is to be shared of a response."""
        return cls(
            response.status,
            response.headers,
            response.content,
            response.reason,
            response.http_version,
            response.from_cache,
            response.cache_status,
        )

    def deliver(self, request: Request, call: Call, elapsed: float) -> Response:
        """A response of its own for a call that waited for so many seconds."""
        response = Response(
            self.status,
            self.headers,
            self.content,
            reason=self.reason,
            http_version=self.http_version,
            request=request,
        )
        response.from_cache = self.from_cache
        response.collapsed = True
        status = self.cache_status
        if status is not None:
            # That it was stored, and under which key, is of the call that the server answered.
            response.note_cache(
                hit=status.hit,
                fwd=status.fwd,
                fwd_status=status.fwd_status,
                ttl=status.ttl,
                collapsed=not status.hit,
                detail=status.detail,
            )
        response.elapsed = elapsed
        response.trace = call.trace
        return response


class Failure(NamedTuple):
    """An error, of which every call raises a copy: no object is raised in two threads.

    ``error`` is what it was when it came up; the call whose own it is, the ``cause``, adds to it on its way.
    """

    error: TrivetError
    cause: TrivetError

    @classmethod
    def of(cls, error: TrivetError) -> Failure:
        """What is to be shared of an error."""
        return cls(_copied(error), error)

    def error_for(self, call: Call) -> TrivetError:
        """The error for another call, to be raised from the cause."""
        duplicate = _copied(self.error)
        duplicate.trace = call.trace
        return duplicate


class Nothing:
    """There is nothing to be shared: every call goes on for itself."""

    __slots__ = ()


NOTHING: Final = Nothing()

Outcome: TypeAlias = Answer | Failure | Nothing


def _copied(error: E) -> E:
    duplicate = error.__copy__()
    notes = getattr(error, "__notes__", None)
    if notes:
        # Else a note that is added to the one would be added to the other.
        duplicate.__notes__ = [*notes]
    return duplicate
