"""Asking the server whether a stored response is still good (RFC 9111 §4.3), now or in the background (RFC 5861)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.core.caching.actions import RemoveEntry, SaveEntry, UpdateEntry
from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.drafting import useful_until, without_private
from trivet.core.caching.events import CacheMissed, ResponseValidated, StaleServed, ValidationStarted
from trivet.core.caching.identity import Unidentified
from trivet.core.caching.keeping import keep
from trivet.core.caching.keys import cache_key
from trivet.core.caching.reuse import may_serve_stale_on_error
from trivet.core.caching.stored import Stored
from trivet.core.caching.storing import what_forbids
from trivet.core.caching.updating import agrees, freshened
from trivet.core.caching.validation import conditional, selected_by
from trivet.core.errors import AttemptTimeout, CircuitOpen, TransportError
from trivet.core.exchange.call import CurrentCall
from trivet.core.policies.send import discard, read_content

if TYPE_CHECKING:
    from trivet.core.caching.handling import Handling
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.response import Response

UNREACHABLE: Final = (TransportError, AttemptTimeout, CircuitOpen)
"""Failures that leave nobody to ask (RFC 9111 §4.2.4)."""

CLAIM_TIME: Final = 300.0
"""Seconds after which a validation in the background counts as dropped."""


def validate(handling: Handling, fwd: str, reason: str, *, background: bool = False) -> Flow[Response]:
    """Answer with a stored response that the server confirms, or with what it says instead.

    If the server fails, the chosen one may still be the answer (RFC 9111 §4.2.4, RFC 5861 §4). ``fwd`` is the word of RFC
    9211 for why the server is asked, and ``reason`` says it at length.
    """
    request, call = handling.request, handling.call
    if handling.asked.only_if_cached:
        return handling.refuse(fwd, reason)
    asking = conditional(request, handling.found, handling.chosen) if request.method == "GET" else None
    if asking is None and handling.chosen is None:
        return (yield from handling.ask(fwd, reason))
    if asking is None:
        handling.note(CacheMissed, reason)
    else:
        call.record(ValidationStarted, request, request.method, request.url.redacted, reason, background)
    try:
        response = yield from handling.forward(request if asking is None else asking, call)
    except UNREACHABLE:
        stale = yield from _stale(handling, fwd, None)
        if stale is None:
            raise
        return stale
    if response.status == 304 and asking is not None:
        return (yield from _confirmed(handling, fwd, reason, response))
    if response.status >= 500:
        stale = yield from _stale(handling, fwd, response.status)
        if stale is not None:
            yield from discard(response, call, limits=handling.settings.limits)
            return stale
    yield from heed(handling, response)
    yield from keep(handling, response, fwd)
    return response


def heed(handling: Handling, response: Response) -> Flow[None]:
    """Learn from the answer to a request that was forwarded as it was, about what is stored.

    A 304 to the caller's own conditions freshens the response with the same validator (RFC 9111 §4.3.4); what a HEAD
    brings freshens the stored response or makes it invalid (RFC 9111 §4.3.5).
    """
    chosen = handling.chosen
    if chosen is None:
        return
    store = handling.settings.store
    if response.status == 304:
        # One without a validator may speak of what the caller has and the store has not.
        if "ETag" in response.headers or "Last-Modified" in response.headers:
            selected = selected_by(handling.found, response, chosen)
            if selected is not None:
                yield from _update(handling, selected, response)
    elif handling.request.method == "HEAD" and response.status == 200 and chosen.entry.status == 200:
        if agrees(chosen.entry, response):
            yield from _update(handling, chosen, response)
        else:
            yield from handling.on_store(RemoveEntry(store, chosen.entry), False)


def revalidate_later(handling: Handling, reason: str) -> Flow[None]:
    """Have a stale response that was just used validated in the background (RFC 5861 §3)."""
    call, revalidations = handling.call, handling.settings.revalidations
    now = call.now.monotonic
    if revalidations.claim(handling.key, now, now + CLAIM_TIME):
        time_left, attempt_timeout, connect_timeout = call.time_left(), call.attempt_timeout, call.connect_timeout

        def in_background() -> Flow[None]:
            try:
                if not (yield from _is_still_whoever_asked(handling)):
                    return
                own = yield from CurrentCall()
                own.deadline = own.now.monotonic + time_left
                own.attempt_timeout, own.connect_timeout = attempt_timeout, connect_timeout
                # Whoever listens to interim responses has got the answer by now.
                request = handling.request.replace(on_interim=None)
                twin = type(handling)(handling.settings, handling.asking, handling.key, request, own, handling.forward)
                twin.found, twin.chosen, twin.identity = handling.found, handling.chosen, handling.identity
                response = yield from validate(twin, "stale", reason, background=True)
                yield from read_content(response, own, limits=handling.settings.limits)
            finally:
                revalidations.end(handling.key)

        if not (yield from call.spawn(in_background())):
            revalidations.end(handling.key)


def _is_still_whoever_asked(handling: Handling) -> Flow[bool]:
    """Whether the credentials that are known in the background are those for which the response was stored.

    The function that gives a token may know of another user in another thread, or by now.
    """
    identities, request, own = handling.settings.identities, handling.request, handling.asking.identity
    try:
        identities.of(request, own)
    except Unidentified:
        # Whoever asked was identified so, and can be again.
        who, _ = yield from identities.ask(request, own)
        return cache_key(request.replace(method="GET"), who) == handling.key
    return True


def _confirmed(handling: Handling, fwd: str, reason: str, response: Response) -> Flow[Response]:
    """The stored response that a 304 speaks of, freshened."""
    selected = selected_by(handling.found, response, handling.chosen)
    if selected is not None:
        selected = yield from _update(handling, selected, response)
    if selected is not None:
        answer = yield from handling.made_of(selected, age=None)
        if answer is not None:
            answer.elapsed = response.elapsed
            answer.note_cache(fwd=fwd, fwd_status=304)
            validator = "ETag" if "ETag" in selected.headers else "Last-Modified"
            handling.note(ResponseValidated, f"{reason}, validated with {validator} → 304")
            return answer
    # It speaks of something else, or of something that is gone: ask again, without conditions.
    return (yield from handling.ask(fwd, "the server's 304 is about nothing that is stored"))


def _update(handling: Handling, stored: Stored, response: Response) -> Flow[Stored | None]:
    """Take over the fields of a 304 or of a response to HEAD; None if the content is gone by that."""
    settings, now = handling.settings, handling.call.now.wall
    old = stored.entry
    fresh = freshened(
        old,
        response,
        request_time=now - response.elapsed,
        response_time=now,
        expires=old.expires,
        request_headers=handling.request.headers,
    )
    # What was private stays private, also where the new fields do not say so again.
    fields = without_private(fresh.headers, ResponseDirectives.of(fresh.headers), shared=settings.shared)
    fresh = fresh._replace(fields=fields.lines)
    whole = Stored(fresh, None)
    lifetime = whole.lifetime(shared=settings.shared).seconds
    fresh = fresh._replace(expires=useful_until(now, whole.directives, lifetime))
    content = stored.content
    forbidden = what_forbids(
        handling.sent(response), old.status, shared=settings.shared, asked=handling.asked, directives=whole.directives
    )
    if handling.asked.no_store:
        # Of this exchange nothing is stored (RFC 9111 §5.2.1.5); what was stored before stays.
        fresh = fresh._replace(vary=old.vary)
    elif forbidden is not None or fresh.vary is None:
        yield from handling.on_store(RemoveEntry(settings.store, old), False)
        return None if content is None else Stored(fresh, content)
    elif fresh.vary == old.vary:
        yield from handling.on_store(UpdateEntry(settings.store, fresh), False)
    elif content is not None and not handling.outdated:
        # Other request fields select it from now on, so it is another variant.
        yield from handling.on_store(SaveEntry(settings.store, fresh, content), False)
    else:
        # Large content stays where it is, to be read from there this once.
        fresh = fresh._replace(vary=old.vary)
    return Stored(fresh, content)


def _stale(handling: Handling, fwd: str, status: int | None) -> Flow[Response | None]:
    """The chosen response, although the server did not confirm it, if that is allowed: it failed with a status, or
    did not answer."""
    chosen, now = handling.chosen, handling.call.now.wall
    if chosen is None:
        return None
    shared = handling.settings.shared
    allowed, reason = may_serve_stale_on_error(handling.asked, chosen, shared=shared, now=now, status=status)
    if not allowed:
        return None
    age, no_cache = chosen.age(now), chosen.directives.no_cache
    omit = no_cache if isinstance(no_cache, frozenset) else frozenset[str]()
    response = yield from handling.made_of(chosen, age=age, omit=omit)
    if response is not None:
        ttl = chosen.lifetime(shared=shared).seconds - age
        response.note_cache(fwd=fwd, fwd_status=status, ttl=int(ttl), detail="the server failed")
        handling.note(StaleServed, reason)
    return response
