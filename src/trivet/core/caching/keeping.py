"""Storing what the server says (RFC 9111 §3), at once or while it is read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from trivet.core.caching.actions import CommitContent, RemoveEntries, RemoveEntry, SaveEntry
from trivet.core.caching.combining import combine
from trivet.core.caching.digests import is_credential
from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.drafting import draft_entry, is_of_use, useful_until
from trivet.core.caching.entry import Part
from trivet.core.caching.events import EntriesInvalidated, ResponseNotStored, ResponseStored
from trivet.core.caching.freshness import freshness_lifetime
from trivet.core.caching.keys import credentials_identity, target_of
from trivet.core.caching.plain import draft_plain
from trivet.core.caching.ranges import ByteRange, byte_range, content_range
from trivet.core.caching.stored_body import StoringBody, discard
from trivet.core.caching.storing import may_store
from trivet.core.caching.vary import selected

if TYPE_CHECKING:
    from trivet.core.caching.entry import Entry
    from trivet.core.caching.handling import Handling
    from trivet.core.caching.store import Writer
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.headers import Headers
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

Keeping: TypeAlias = "Flow[None] | tuple[()]"
"""What is still to be done to store a response: a flow, or nothing."""

_NOTHING: Final[tuple[()]] = ()
_OUTDATED: Final = "not stored: made invalid while it was under way"
_BAD_PART: Final = "not stored: a part that is not of the size it says, or large"

_REPLACING: Final = frozenset({301, 302, 303, 307, 308, 404, 410})
"""Statuses other than 2xx that say what is there now; the others say that something went wrong."""


def keep(handling: Handling, response: Response, fwd: str) -> Keeping:
    """Store the response that the server gave, if that is allowed and of use.

    One whose content is still to be read is stored when it has been. ``fwd`` is for Cache-Status.
    """
    response.note_cache(fwd=fwd)
    plain = draft_plain(handling, response)
    if plain is not None:
        entry, reason = plain
        return _save(handling, response, entry, reason, response.content)
    if handling.sent(response).method != handling.request.method:
        # Such as one for a token, which answers where there is none.
        handling.note(ResponseNotStored, "not stored: it answers a request of another method")
        return _NOTHING
    return keep_as(handling, response, *draft(handling, response))


def keep_as(handling: Handling, response: Response, entry: Entry | None, reason: str) -> Keeping:
    """Store the response as this entry, when its content is there; None is for one that is not stored, for a reason."""
    identity = handling.identity
    if identity is not None and not handling.settings.identities.confirm(identity, handling.sent(response)):
        handling.note(ResponseNotStored, "not stored: the credentials changed on the way")
        return _NOTHING
    if entry is None:
        handling.note(ResponseNotStored, reason)
        return _displace(handling) if _replaces(handling, response) else _NOTHING
    changed = _changed_on_the_way(handling, entry, handling.sent(response))
    if changed is not None:
        handling.note(ResponseNotStored, f"not stored: {changed} by a policy after the cache")
        return _NOTHING
    if response.body is not None:
        entry = entry._replace(coded="Content-Encoding" in response.headers)
        save = partial(_save_what_was_read, handling, response, entry, reason)
        forgo = partial(handling.note, ResponseNotStored)
        response.body = StoringBody(response.body, handling.settings.store, save, forgo)
        return _NOTHING
    return _save(handling, response, entry, reason, response.content)


def _changed_on_the_way(handling: Handling, entry: Entry, was: Request) -> str | None:
    """What the request was sent with that its key and its selecting fields do not tell, so that others might find it."""
    request = handling.request
    if was is request:
        return None
    if not handling.settings.identities.signs(request) and credentials_identity(was) != handling.asking.identity:
        return "credentials were added"
    names = [name for name, _ in entry.vary or () if not is_credential(name)]
    return (
        "a field that Vary names was set" if selected(was.headers, names) != selected(request.headers, names) else None
    )


def _replaces(handling: Handling, response: Response) -> bool:
    """Whether what is stored is known to be out of date from a response that is not stored itself."""
    if handling.chosen is None or handling.request.method != "GET" or handling.asking.ranged or handling.asked.no_store:
        return False
    return response.status in _REPLACING or (response.is_success and response.status != 206)


def _displace(handling: Handling) -> Flow[None]:
    assert handling.chosen is not None
    if (yield from handling.on_store(RemoveEntry(handling.settings.store, handling.chosen.entry), False)):
        request = handling.request
        handling.call.record(EntriesInvalidated, request, request.method, request.url.redacted, 1)


def draft(handling: Handling, response: Response) -> tuple[Entry | None, str]:
    """The entry to be saved, if any, and why (not)."""
    request, settings = handling.request, handling.settings
    directives = ResponseDirectives.of(response.headers)
    asked = request
    if settings.shared:
        # Authentication comes after the cache, and counts (RFC 9111 §3.5).
        asked = request.replace(headers=handling.sent(response).headers)
    verdict = may_store(asked, response, shared=settings.shared, asked=handling.asked, directives=directives)
    if not verdict.allowed:
        return None, verdict.reason
    part = None
    if verdict.partial:
        part = _part(request, response)
        if part is None or "Content-Encoding" in response.headers:
            return None, "not stored: a part that cannot be combined with others"
    now, shared = handling.call.now.wall, settings.shared
    lifetime, _ = freshness_lifetime(response.status, response.headers, directives, shared=shared, response_time=now)
    if not is_of_use(response.headers, directives, lifetime=lifetime):
        return None, "not stored: neither fresh for a while nor to be validated"
    expires = useful_until(now, directives, lifetime)
    entry = draft_entry(handling.key, request, response, directives, shared=shared, now=now, expires=expires, part=part)
    return entry, verdict.reason


def _part(request: Request, response: Response) -> Part | None:
    """Which part a 206 brings.

    Some servers count the first byte of a suffix wrongly. Its end is certain, and its length is that of the content.
    """
    part, asked = content_range(response.headers), byte_range(request.headers)
    if part is not None and part.total is not None and isinstance(asked, ByteRange) and asked.suffix is not None:
        size = len(response.content) if response.body is None else _content_length(response.headers)
        if size == asked.suffix < part.total == part.last + 1:
            return Part(part.total - size, part.last, part.total)
    return part


def _content_length(headers: Headers) -> int:
    """The Content-Length; 0 if that says nothing of use."""
    length = headers.get("Content-Length", "")
    # Other digits than ASCII's, and thousands of them, are not read as a number.
    return int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else 0


def _save(handling: Handling, response: Response, entry: Entry, reason: str, content: bytes) -> Keeping:
    """Save an entry whose content is in memory: at once, if the store does not block."""
    if entry.part is not None:
        if entry.part.size != entry.size:
            handling.note(ResponseNotStored, _BAD_PART)
            return _NOTHING
        entry, content = _combined(handling, entry, content)
    if handling.outdated:
        handling.note(ResponseNotStored, _OUTDATED)
        return _NOTHING
    store = handling.settings.store
    if not store.instant:
        return _save_by(SaveEntry(store, entry, content), handling, response, reason)
    try:
        saved = store.save(entry, content)
    except Exception as error:
        saved = handling.without_store(SaveEntry, error, False)
    if saved and handling.outdated:
        return _take_back(handling)
    _note_saved(saved, handling, response, reason)
    return _NOTHING


def _save_by(action: SaveEntry | CommitContent, handling: Handling, response: Response, reason: str) -> Flow[None]:
    saved = yield from handling.on_store(action, False)
    if not saved and isinstance(action, CommitContent):
        discard(action.writer)
    if saved and handling.outdated:
        yield from _take_back(handling)
    else:
        _note_saved(saved, handling, response, reason)


def _take_back(handling: Handling) -> Flow[None]:
    """Remove again what was made invalid while the store was at work, which may have been before it was there."""
    yield from handling.on_store(RemoveEntries(handling.settings.store, (target_of(handling.key),)), 0)
    handling.note(ResponseNotStored, _OUTDATED)


def _save_what_was_read(
    handling: Handling, response: Response, entry: Entry, reason: str, content: bytes | Writer, size: int, crc: int
) -> Flow[None]:
    """Save an entry of whose content the size and the sum are known by now."""
    entry = entry._replace(size=size, crc=crc)
    if isinstance(content, bytes):
        yield from _save(handling, response, entry, reason, content)
    elif handling.outdated:
        discard(content)
        handling.note(ResponseNotStored, _OUTDATED)
    elif entry.part is None:
        action = CommitContent(handling.settings.store, content, entry)
        yield from _save_by(action, handling, response, reason)
    else:
        discard(content)
        handling.note(ResponseNotStored, _BAD_PART)


def _note_saved(saved: bool, handling: Handling, response: Response, reason: str) -> None:
    if saved:
        response.note_cache(stored=True)
        request = handling.request
        handling.call.record(ResponseStored, request, request.method, request.url.redacted, reason)
    else:
        handling.note(ResponseNotStored, "not stored: the store did not take it")


def _combined(handling: Handling, entry: Entry, content: bytes) -> tuple[Entry, bytes]:
    """The part together with what is stored of the same representation, if anything is (RFC 9111 §3.4)."""
    chosen = handling.chosen
    if chosen is None or chosen.content is None:
        return entry, content
    return combine(chosen.entry, chosen.content, entry, content) or (entry, content)
