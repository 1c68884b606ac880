"""The common case of storing, decided once for many responses.

Most of what is stored is a 200 whose fate Cache-Control alone decides, with a max-age. What follows from that text is
remembered, so that such a response costs one look at each of its lines; every other one takes the long way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from trivet.core.caching.directives import RequestDirectives, ResponseDirectives
from trivet.core.caching.drafting import useful_until
from trivet.core.caching.freshness import freshness_lifetime
from trivet.core.caching.storing import is_of_the_connection, may_store
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

# What is longer is not remembered, lest a server fill the memory with it.
_LONG: Final = 256

Lines: TypeAlias = "tuple[tuple[bytes, bytes], ...]"


class Verdict(NamedTuple):
    """What Cache-Control says of a 200: why it is stored, and for how many seconds that can be of use."""

    reason: str
    useful: float


# What a field is to the common case. Plain numbers, since the members of an Enum take longer to look up than to compare.
_KEPT: Final = 0
_DROPPED: Final = 1
_CONTROL: Final = 2
_CONNECTION: Final = 3
_OTHER: Final = 4

_roles: dict[bytes, int] = {}
_MOST_ROLES: Final = 512


def plain_lines(lines: Iterable[tuple[bytes, bytes]]) -> tuple[Lines, bytes] | None:
    """The lines to be stored of a response, and its Cache-Control; None if anything else may count.

    >>> plain_lines([(b"Connection", b"close"), (b"ETag", b'"a"'), (b"Cache-Control", b"max-age=60")])
    (((b'ETag', b'"a"'), (b'Cache-Control', b'max-age=60')), b'max-age=60')
    >>> plain_lines([(b"Vary", b"Accept"), (b"Cache-Control", b"max-age=60")]) is None
    True
    """
    kept: list[tuple[bytes, bytes]] = []
    control = None
    for line in lines:
        role = _roles.get(line[0])
        if role is None:
            role = _learn(line[0])
        if role:
            if role == _DROPPED:
                continue
            if role == _CONNECTION:
                # Whatever else it says names fields.
                if line[1].lower() not in (b"keep-alive", b"close"):
                    return None
                continue
            if role == _OTHER or control is not None:
                return None
            control = line[1]
        kept.append(line)
    return None if control is None or len(control) > _LONG else (tuple(kept), control)


@lru_cache(maxsize=256)
def verdict_on(control: bytes, *, shared: bool) -> Verdict | None:
    """What follows from a Cache-Control for a 200 to a GET; None if other fields may count, or it is not to be stored."""
    headers = Headers.from_raw([(b"Cache-Control", control)])
    directives = ResponseDirectives.of(headers)
    # For a shared cache it also counts who asked (RFC 9111 §3.5), and who may see which field.
    if directives.max_age is None or shared or not isinstance(directives.no_cache, bool):
        return None
    storing = may_store(_ASKED, Response(200, headers), shared=shared, asked=_NOTHING_ASKED, directives=directives)
    lifetime, _ = freshness_lifetime(200, headers, directives, shared=shared, response_time=0.0)
    # One that is stale at once is kept only if it has a validator.
    if not storing.allowed or lifetime <= 0:
        return None
    return Verdict(storing.reason, useful_until(0.0, directives, lifetime))


_ASKED = Request("GET", "https://localhost/")
_NOTHING_ASKED = RequestDirectives()


def _learn(name: bytes) -> int:
    """What a field is, by its name as it was sent."""
    if len(name) > _LONG:
        return _OTHER
    lower = name.lower()
    if lower == b"cache-control":
        role = _CONTROL
    elif lower == b"connection":
        role = _CONNECTION
    elif is_of_the_connection(lower):
        role = _DROPPED
    else:
        role = _OTHER if lower == b"vary" else _KEPT
    if len(_roles) < _MOST_ROLES:
        _roles[name] = role
    return role
