"""One GET or HEAD on its way through the cache (RFC 9111 §4): look up, decide, answer or ask the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from trivet.core.caching.actions import FindEntries, RemoveEntry
from trivet.core.caching.answers import answer, unsatisfiable
from trivet.core.caching.conditions import answerable, not_modified
from trivet.core.caching.events import CacheHit, CacheMissed, StoreFailed
from trivet.core.caching.keeping import keep
from trivet.core.caching.partial import answer_range, complete
from trivet.core.caching.reuse import Outcome, decide
from trivet.core.caching.validating import heed, revalidate_later, validate
from trivet.core.caching.vary import choose, matches
from trivet.core.errors import DecodingError, LocalProtocolError, ReadError
from trivet.core.policies.send import read_content, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivet.core.caching.asking import Asking
    from trivet.core.caching.entry import Part
    from trivet.core.caching.reuse import Reuse
    from trivet.core.caching.settings import Settings
    from trivet.core.caching.stored import Stored
    from trivet.core.exchange.actions import StoreAction
    from trivet.core.exchange.call import Call
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response
    from trivet.core.policies.policy import Forward

T = TypeVar("T")


def refused(request: Request, call: Call, fwd: str, reason: str) -> Response:
    """The answer to a request for what is stored or nothing, where that is nothing (RFC 9111 §5.2.1.7)."""
    reason = f"{reason}, and the request is only-if-cached"
    call.record(CacheMissed, request, request.method, request.url.redacted, reason)
    response = unsatisfiable(request, call)
    response.note_cache(fwd=fwd, detail="only-if-cached")
    return response


class Handling:
    """What is known about one request. It is made for one call and used once.

    ``found``: what is stored under its key; ``chosen``: the one of these that its fields select, if any.
    """

    __slots__ = (
        "_begun",
        "asked",
        "asking",
        "call",
        "chosen",
        "forward",
        "found",
        "identity",
        "key",
        "request",
        "settings",
    )

    def __init__(
        self, settings: Settings, asking: Asking, key: str, request: Request, call: Call, forward: Forward
    ) -> None:
        self.settings = settings
        self.key = key
        self.request = request
        self.call = call
        self.forward = forward
        self.asking = asking
        self.asked = asking.directives
        self._begun = settings.invalidations.count
        # What the `Auth` said about who asks, if it was asked.
        self.identity: str | None = None
        self.found: Sequence[Stored] = ()
        self.chosen: Stored | None = None

    def run(self) -> Flow[Response]:
        """Answer the request."""
        if not self.settings.store.instant:
            return self._run()
        found = self.found_at_once()
        return self._begin(self.choose(found)) if found else self._unmatched()

    def look_up(self) -> Flow[Stored | None]:
        """Find what is stored, and choose."""
        store = self.settings.store
        if store.instant:
            return self.choose(self.found_at_once())
        return self.choose((yield from self.on_store(FindEntries(store, self.key), ())))

    def found_at_once(self) -> Sequence[Stored]:
        """What is stored in a store that does not block: that is no I/O, and the driver's part would double its price."""
        try:
            return self.settings.store.find(self.key)
        except Exception as error:
            return self.without_store(FindEntries, error, ())

    def choose(self, found: Sequence[Stored]) -> Stored | None:
        """Choose from what was found."""
        self.found = found
        headers = self.request.headers
        if len(found) == 1:
            self.chosen = found[0] if matches(found[0].entry.vary, headers) else None
        elif found:
            entry = choose([each.entry for each in found], headers)
            self.chosen = next((each for each in found if each.entry is entry), None)
        return self.chosen

    def on_store(self, action: StoreAction[T], otherwise: T) -> Flow[T]:
        """Have something done with the store, and go on whatever becomes of it."""
        try:
            return action.perform() if action.instant else (yield from action)
        except Exception as error:
            return self.without_store(type(action), error, otherwise)

    def without_store(self, action: type[StoreAction[T]], error: Exception, otherwise: T) -> T:
        """Go on without the store, which has failed."""
        # Its message may hold anything.
        self.call.record(StoreFailed, error, action.__name__, type(error).__name__)
        return otherwise

    def ask(self, fwd: str, reason: str) -> Flow[Response]:
        """Have the server answer, and store what it says. ``fwd`` is a word of RFC 9211 for why."""
        if self.asked.only_if_cached:
            return self.refuse(fwd, reason)
        request, call = self.request, self.call
        call.record(CacheMissed, request, request.method, request.url.redacted, reason)
        response = yield from self.forward(request, call)
        if self.chosen is not None:
            yield from heed(self, response)
        yield from keep(self, response, fwd)
        return response

    def refuse(self, fwd: str, reason: str) -> Response:
        """The answer to a request that asks for what is stored or nothing (RFC 9111 §5.2.1.7)."""
        return refused(self.request, self.call, fwd, reason)

    def use(self, chosen: Stored, reuse: Reuse, part: Part | None = None) -> Flow[Response]:
        """Answer with a stored response that needs no validation."""
        response = yield from self.made_of(
            chosen, age=reuse.age, omit=reuse.omit, part=part, not_modified=part is None and self._unmodified(chosen)
        )
        if response is None:
            return (yield from self.ask("miss", "what was stored is damaged"))
        response.note_cache(hit=True, ttl=int(reuse.ttl))
        self.note(CacheHit, reuse.reason)
        if reuse.outcome is Outcome.STALE_WHILE_REVALIDATE and not self.asked.only_if_cached:
            yield from revalidate_later(self, reuse.reason)
        return response

    def made_of(
        self,
        stored: Stored,
        *,
        age: float | None,
        omit: frozenset[str] = frozenset(),
        part: Part | None = None,
        not_modified: bool = False,
    ) -> Flow[Response | None]:
        """A response made of a stored one; None if its content turns out to be gone, or damaged, which removes it."""
        store, limits, streaming = self.settings.store, self.settings.limits, self.settings.streaming
        request, call = self.request, self.call
        response = answer(
            stored,
            request,
            call,
            store,
            age=age,
            omit=omit,
            part=part,
            not_modified=not_modified,
            streaming=streaming,
        )
        if streaming:
            return response
        if response.body is None:
            # It may have been stored by a stream, or by a client with other limits.
            if len(response.content) > limits.max_content:
                error = too_large(limits)
                error.locate(request.method, request.url.redacted)
                raise error
        else:
            try:
                yield from read_content(response, call, limits=limits)
            except ReadError:
                return None
            except DecodingError:
                yield from self.on_store(RemoveEntry(store, stored.entry), False)
                return None
        return response

    @property
    def outdated(self) -> bool:
        """Whether what the response shows was made invalid since the request began, so that it is not to be stored."""
        invalidations = self.settings.invalidations
        return invalidations.count != self._begun and invalidations.include(self.key, since=self._begun)

    def sent(self, response: Response) -> Request:
        """The request that was answered, as it was sent."""
        try:
            return response.request
        except LocalProtocolError:
            # A policy has made the response up.
            return self.request

    def note(self, event: type, reason: str) -> None:
        """Record an event about this request."""
        request = self.request
        self.call.record(event, request, request.method, request.url.redacted, reason)

    def _run(self) -> Flow[Response]:
        chosen = yield from self.look_up()
        return (yield from self._begin(chosen))

    def _begin(self, chosen: Stored | None) -> Flow[Response]:
        """What to do now that it is known what is stored."""
        if chosen is None:
            return self._unmatched()
        if self.settings.refresh:
            return self.ask("request", "a refresh was asked for")
        reuse = decide(self.asked, chosen, shared=self.settings.shared, now=self.call.now.wall)
        if self.asking.ranged and self.request.method == "GET":
            return answer_range(self, chosen, reuse)
        if chosen.entry.part is not None:
            return complete(self, chosen, reuse)
        if self.asking.conditional:
            return self._conditional(chosen, reuse)
        if reuse.outcome is Outcome.VALIDATE:
            return validate(self, reuse.forward, reuse.reason)
        return self.use(chosen, reuse)

    def _unmatched(self) -> Flow[Response]:
        """What to do when nothing stored was selected by fields like the request's."""
        if self.settings.refresh:
            return self.ask("request", "a refresh was asked for")
        if not self.found:
            return self.ask("uri-miss", "nothing is stored")
        reason = "what is stored was selected by other fields"
        if self.asking.ranged or self.asking.conditional:
            return self.ask("vary-miss", reason)
        # The server may say that it would send one of them (RFC 9111 §4.1, §4.3.1).
        return validate(self, "vary-miss", reason)

    def _conditional(self, chosen: Stored, reuse: Reuse) -> Flow[Response]:
        """Answer a request with conditions of its own (RFC 9111 §4.3.2), or leave it to the server."""
        if reuse.outcome is Outcome.VALIDATE:
            return self.ask(reuse.forward, reuse.reason)
        if not answerable(self.request.headers):
            return self.ask("request", "its conditions are for the server")
        return self.use(chosen, reuse)

    def _unmodified(self, chosen: Stored) -> bool:
        return self.asking.conditional and chosen.entry.status == 200 and not_modified(self.request.headers, chosen)
