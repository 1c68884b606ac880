"""Whether a stored response may be used without asking the server (RFC 9111 §4.2, §4.2.4, §5.2; RFC 5861; RFC 8246)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from trivet.core.caching.directives import RequestDirectives, ResponseDirectives
    from trivet.core.caching.stored import Stored

ERRORS: Final = frozenset({500, 502, 503, 504})
"""Statuses that stale-if-error takes for an error (RFC 5861 §4)."""

_NO_FIELDS: Final[frozenset[str]] = frozenset()


class Outcome(Enum):
    """What may be done with a stored response.

    ``STALE`` is stale use that the request permits, with max-stale; ``STALE_WHILE_REVALIDATE`` one that the response
    permits, provided that it is validated in the background.
    """

    FRESH = "fresh"
    STALE = "stale"
    STALE_WHILE_REVALIDATE = "stale while revalidate"
    VALIDATE = "validate"


class Reuse(NamedTuple):
    """What may be done with a stored response, and why, in words.

    - ``age``, and ``ttl``: how long it is still fresh, in seconds, negative once it is stale
    - ``forward``: ``"stale"`` or ``"request"`` where it must be validated: the parameter fwd of RFC 9211 §2.2
    - ``omit``: the fields, in lower case, that must be left out if it is used without validation, whatever permits
      that (RFC 9111 §5.2.2.4)
    """

    outcome: Outcome
    reason: str
    age: float
    ttl: float
    forward: str = ""
    omit: frozenset[str] = _NO_FIELDS


def decide(asked: RequestDirectives, stored: Stored, *, shared: bool, now: float) -> Reuse:
    """What may be done with a stored response, at a Unix time, for a request with these directives.

    - ``no-cache`` in either of them asks for validation, and so does an age beyond the request's ``max-age``, which
      at 0 no age is within. A fresh ``immutable`` response is not validated for a ``max-age``, since that is what a
      reload sends, but is for ``no-cache``, with which the user overrides it (RFC 8246 §2).
    - Stale use needs the permission of one of them, ``max-stale`` or ``stale-while-revalidate``, and is forbidden by
      ``must-revalidate``, in a ``shared`` cache also by ``proxy-revalidate`` and ``s-maxage``, and by a request that
      has ``min-fresh``, a ``max-age`` without ``max-stale``, or a ``max-stale`` that is too short.

    >>> from trivet.core.caching.directives import RequestDirectives
    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.caching.stored import Stored
    >>> fields = ((b"Cache-Control", b"max-age=60, stale-while-revalidate=30"),)
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, 1e9, 0, 0)
    >>> for now in (12, 72, 100):
    ...     reuse = decide(RequestDirectives(), Stored(entry, b""), shared=False, now=now)
    ...     print(reuse.outcome.name, "|", reuse.reason)
    FRESH | fresh: max-age=60, 12 s old
    STALE_WHILE_REVALIDATE | stale by 12 s (max-age=60), stale-while-revalidate=30
    VALIDATE | stale by 40 s (max-age=60)
    """
    directives = stored.directives
    lifetime = stored.lifetime(shared=shared)
    age = stored.age(now)
    ttl = lifetime.seconds - age
    no_cache = directives.no_cache
    omit = _NO_FIELDS if no_cache is False or no_cache is True else no_cache
    obstacle = _against_any_use(asked, directives, age, ttl)
    if ttl > 0:
        if obstacle is None:
            return Reuse(Outcome.FRESH, f"fresh: {lifetime.source}, {int(age)} s old", age, ttl, "", omit)
        forward = "stale" if no_cache is True else "request"
        return Reuse(Outcome.VALIDATE, obstacle, age, ttl, forward, omit)
    stale = _stale(lifetime.source, -ttl)
    obstacle = obstacle or _against_stale_use(asked, directives, shared=shared) or _too_stale(asked, -ttl)
    if obstacle is not None:
        # Where nothing says how long it is fresh, that it is stale explains nothing.
        reason = obstacle if lifetime.source == "none" else f"{stale}, {obstacle}"
        return Reuse(Outcome.VALIDATE, reason, age, ttl, "stale", omit)
    window = directives.stale_while_revalidate
    if window is not None and -ttl <= window:
        # Where the request permits stale use as well, this one leaves something fresh for the next.
        reason = f"{stale}, stale-while-revalidate={window}"
        return Reuse(Outcome.STALE_WHILE_REVALIDATE, reason, age, ttl, "", omit)
    if asked.max_stale is not None:
        return Reuse(Outcome.STALE, f"{stale}, {_max_stale(asked)}", age, ttl, "", omit)
    return Reuse(Outcome.VALIDATE, stale, age, ttl, "stale", omit)


def may_serve_stale_on_error(
    asked: RequestDirectives, stored: Stored, *, shared: bool, now: float, status: int | None
) -> tuple[bool, str]:
    """Whether a stored response may stand in for the answer that there is not, and why (not), in words.

    ``status`` is that of an error response, or None if there was no response at all. Then nothing needs to permit stale
    use (RFC 9111 §4.2.4); an error response needs a ``stale-if-error``, of the request or of the response (RFC 5861
    §4). One that does not reach as far as the response is stale forbids it in both cases.

    It is never allowed against ``no-cache`` of either of them, nor against what forbids any stale use, see `decide`.
    A ``stale-if-error`` of the request goes before its own ``max-age``, ``min-fresh`` and ``max-stale``, and before the
    ``stale-if-error`` of the response.

    >>> from trivet.core.caching.directives import RequestDirectives
    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.caching.stored import Stored
    >>> fields = ((b"Cache-Control", b"max-age=60"),)
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, 1e9, 0, 0)
    >>> may_serve_stale_on_error(RequestDirectives(), Stored(entry, b""), shared=False, now=72, status=None)
    (True, 'stale by 12 s (max-age=60), but there is no answer')
    >>> may_serve_stale_on_error(RequestDirectives(), Stored(entry, b""), shared=False, now=72, status=503)
    (False, 'stale by 12 s (max-age=60), no stale-if-error for status 503')
    """
    if status is not None and status not in ERRORS:
        return False, f"status {status} is no error that stale-if-error is about"
    lifetime = stored.lifetime(shared=shared)
    age = stored.age(now)
    ttl = lifetime.seconds - age
    state = f"fresh: {lifetime.source}, {int(age)} s old" if ttl > 0 else _stale(lifetime.source, -ttl)
    allowed, why = _on_error(asked, stored.directives, age, ttl, shared=shared, status=status)
    return allowed, f"{state}, {why}"


def _on_error(
    asked: RequestDirectives,
    directives: ResponseDirectives,
    age: float,
    ttl: float,
    *,
    shared: bool,
    status: int | None,
) -> tuple[bool, str]:
    if asked.no_cache or directives.no_cache is True:
        return False, _no_cache(asked)
    # As long as it is fresh, what is said about stale use does not matter.
    obstacle = _unless_validated(directives, shared=shared) if ttl <= 0 else None
    if obstacle is not None:
        return False, obstacle
    staleness = max(0.0, -ttl)
    if asked.stale_if_error is not None:
        # "Regardless of other freshness information" (RFC 5861 §4).
        return _within(staleness, asked.stale_if_error, f"stale-if-error={asked.stale_if_error} in the request")
    obstacle = _against_any_use(asked, directives, age, ttl)
    if obstacle is None and ttl <= 0:
        obstacle = _against_stale_use(asked, directives, shared=shared) or _too_stale(asked, staleness)
    if obstacle is not None:
        return False, obstacle
    if directives.stale_if_error is not None:
        return _within(staleness, directives.stale_if_error, f"stale-if-error={directives.stale_if_error}")
    if status is None:
        return True, "but there is no answer"
    return False, f"no stale-if-error for status {status}"


def _within(staleness: float, limit: int, words: str) -> tuple[bool, str]:
    return (True, words) if staleness <= limit else (False, f"more than {words}")


def _against_any_use(asked: RequestDirectives, directives: ResponseDirectives, age: float, ttl: float) -> str | None:
    """What asks for validation whether the response is fresh or not."""
    if asked.no_cache or directives.no_cache is True:
        return _no_cache(asked)
    max_age = asked.max_age
    # Age counts in seconds: a response that is as old as the call itself is not what max-age=0 asks for.
    if max_age is not None and (age > max_age or max_age == 0) and not (directives.immutable and ttl > 0):
        return f"max-age={max_age} in the request, {int(age)} s old"
    if asked.min_fresh is not None and ttl < asked.min_fresh:
        return f"min-fresh={asked.min_fresh} in the request"
    return None


def _no_cache(asked: RequestDirectives) -> str:
    return "no-cache in the request" if asked.no_cache else "no-cache in the response"


def _against_stale_use(asked: RequestDirectives, directives: ResponseDirectives, *, shared: bool) -> str | None:
    """What forbids to use a stale response, however little it is stale."""
    if asked.max_age is not None and asked.max_stale is None:
        # RFC 9111 §5.2.1.1: then the client does not wish to receive a stale response.
        return f"max-age={asked.max_age} without max-stale in the request"
    return _unless_validated(directives, shared=shared)


def _unless_validated(directives: ResponseDirectives, *, shared: bool) -> str | None:
    """What in a response forbids to use it once it is stale (RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.10)."""
    if directives.must_revalidate:
        return "must-revalidate"
    if shared and directives.proxy_revalidate:
        return "proxy-revalidate"
    if shared and directives.s_maxage is not None:
        return "s-maxage"
    return None


def _too_stale(asked: RequestDirectives, staleness: float) -> str | None:
    if asked.max_stale is not None and staleness > asked.max_stale:
        return f"more than {_max_stale(asked)}"
    return None


def _max_stale(asked: RequestDirectives) -> str:
    # It is infinite for the directive without an argument.
    limit = "" if asked.max_stale == float("inf") else f"={asked.max_stale:.0f}"
    return f"max-stale{limit} in the request"


def _stale(source: str, seconds: float) -> str:
    if source == "none":
        return f"stale: nothing says how long it is fresh, {int(seconds)} s old"
    return f"stale by {int(seconds)} s ({source})"
