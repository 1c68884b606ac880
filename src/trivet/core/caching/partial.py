"""Ranges: parts of what is stored, and parts that are stored (RFC 9111 §3.3, §3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.actions import SaveEntry
from trivet.core.caching.combining import combine
from trivet.core.caching.conditions import has_conditions
from trivet.core.caching.events import CacheMissed, ResponseStored
from trivet.core.caching.keeping import draft, keep
from trivet.core.caching.ranges import ByteRange, byte_range, covers, if_range_holds, strong_etag
from trivet.core.caching.reuse import Outcome
from trivet.core.caching.stored import Stored
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.core.caching.validation import MAX_TAGS_LENGTH
from trivet.core.policies.send import discard, read_content

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.handling import Handling
    from trivet.core.caching.reuse import Reuse
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response


def answer_range(handling: Handling, chosen: Stored, reuse: Reuse) -> Flow[Response]:
    """Answer a request for a part, from what is stored if it has that part."""
    headers = handling.request.headers
    if reuse.outcome is Outcome.VALIDATE:
        return (yield from handling.ask(reuse.forward, reuse.reason))
    if has_conditions(headers.without("If-Range")):
        return (yield from handling.ask("request", "its conditions are for the server"))
    entry = chosen.entry
    # Range is defined for what would be a 200 (RFC 9110 §14.2), and ignored if If-Range does not hold (§13.1.5).
    if entry.part is None and (entry.status != 200 or not if_range_holds(headers, chosen)):
        return (yield from handling.use(chosen, reuse))
    asked = byte_range(headers)
    part = covers(entry, asked) if isinstance(asked, ByteRange) else None
    # What is read at once is decoded, which a part of coded content cannot be.
    undecodable = entry.coded and not handling.settings.streaming
    if part is None or undecodable or not if_range_holds(headers, chosen):
        return (yield from handling.ask("partial", "the part that was asked for is not stored"))
    return (yield from handling.use(chosen, reuse, part))


def complete(handling: Handling, chosen: Stored, reuse: Reuse) -> Flow[Response]:
    """Answer a request for all of which a part is stored: ask for the rest, if it begins where the stored part ends."""
    call, store, limits = handling.call, handling.settings.store, handling.settings.limits
    asking = _for_the_rest(handling, chosen)
    if asking is None or reuse.outcome is Outcome.VALIDATE or handling.asked.only_if_cached:
        return (yield from handling.ask("partial", "only a part is stored"))
    handling.note(CacheMissed, "only a part is stored, the rest is asked for")
    response = yield from handling.forward(asking, call)
    # Nobody but the cache has asked for a part, so that nobody else is to hear that there is none.
    if response.status not in (206, 416):
        yield from keep(handling, response, "partial")
        return response
    if response.status == 416:
        yield from discard(response, call, limits=limits)
        whole = None
    else:
        yield from read_content(response, call, limits=limits)
        whole = _whole(handling, chosen, response)
    if whole is None:
        return (yield from handling.ask("partial", "what came is not the rest of what is stored"))
    completed = yield from handling.made_of(Stored(*whole), age=None)
    assert completed is not None  # its content is at hand, and as it came
    completed.elapsed = response.elapsed
    completed.note_cache(fwd="partial", fwd_status=206)
    if not handling.outdated and (yield from handling.on_store(SaveEntry(store, *whole), False)):
        completed.note_cache(stored=True)
        handling.note(ResponseStored, "stored: complete now")
    return completed


def _for_the_rest(handling: Handling, chosen: Stored) -> Request | None:
    """The request for what follows a stored part; None if the two could not be combined."""
    request, part, etag = handling.request, chosen.entry.part, strong_etag(chosen.headers)
    if part is None or part.first or part.total is None or etag is None or chosen.content is None:
        return None
    if len(etag) > MAX_TAGS_LENGTH:
        # The server would refuse a field of that size, each time until the part is forgotten.
        return None
    if request.method != "GET" or has_conditions(request.headers):
        return None
    if handling.settings.streaming and part.total > IN_MEMORY:
        # The rest is read before the whole is handed out.
        return None
    headers = request.headers.with_field("Range", f"bytes={part.last + 1}-").with_field("If-Range", etag)
    return request.replace(headers=headers)


def _whole(handling: Handling, chosen: Stored, response: Response) -> tuple[Entry, bytes] | None:
    """The stored part and the rest as one, complete."""
    entry, _ = draft(handling, response)
    if entry is None or entry.part is None or entry.part.size != len(response.content) or chosen.content is None:
        return None
    combined = combine(chosen.entry, chosen.content, entry, response.content)
    return combined if combined is not None and combined[0].complete else None
