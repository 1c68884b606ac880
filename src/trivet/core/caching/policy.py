"""The HTTP cache as a policy (RFC 9111)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from trivet.core.caching.actions import RemoveEntries
from trivet.core.caching.asking import AskingReader
from trivet.core.caching.events import CacheMissed, EntriesInvalidated, StoreFailed
from trivet.core.caching.fixed_ttl import FixedTTL, check_ttl
from trivet.core.caching.handling import Handling, refused
from trivet.core.caching.identity import Identities, Unidentified
from trivet.core.caching.invalidation import invalidated, prefixes
from trivet.core.caching.invalidations import Invalidations
from trivet.core.caching.keeping import draft, keep_as
from trivet.core.caching.keys import cache_key
from trivet.core.caching.posting import as_get
from trivet.core.caching.settings import Revalidations, Settings
from trivet.core.errors import ConfigError, DecodingError, ResponseTooLarge
from trivet.core.http.request import SAFE_METHODS
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.policy import Policy, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trivet.core.caching.asking import Asking
    from trivet.core.caching.store import Store
    from trivet.core.exchange.call import Call
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response
    from trivet.core.http.url import URL
    from trivet.core.policies.pipeline import Pipeline
    from trivet.core.policies.policy import Forward


class Cache(Policy):
    """Keep responses in ``store``, and answer with them as long as RFC 9111 permits.

    By default it is the private cache of whoever uses the client; ``shared=True`` makes it one for several users
    (RFC 9111 §1), which keeps less. What is stored for one set of credentials is never served to another one, nor
    without.

    With ``ttl`` seconds, responses to GET with a status of 2xx are kept for so long *whatever their fields say* about
    caching, but for Vary. Requests are then the same if they differ only in the order of their query parameters, and
    the header ``fields`` named here tell them apart.

    Unsafe requests remove what is stored for their URL (RFC 9111 §4.4), also those that the server may have acted on
    although they failed.

    Raises `ConfigError` for a ``ttl`` that is not a positive number of seconds, for ``fields`` without ``ttl``, and for a
    string in their place.
    """

    __slots__ = ("_bypass", "_refresh", "_revalidations", "fields", "invalidations", "shared", "store", "ttl")

    stage: ClassVar[Stage] = Stage.CACHE

    def __init__(
        self, store: Store, *, ttl: float | None = None, shared: bool = False, fields: Iterable[str] = ()
    ) -> None:
        self.store = store
        self.ttl = check_ttl(ttl)
        self.shared = shared
        if isinstance(fields, str):
            raise ConfigError("Cache(fields=…) takes several names, not a string: write (name,) for one")
        self.fields = tuple(fields)
        if self.fields and ttl is None:
            raise ConfigError("Cache(fields=…) goes with ttl=: without it, Vary says which fields count")
        self._refresh = self._bypass = False
        self._revalidations = Revalidations()
        self.invalidations = Invalidations()

    def refreshing(self) -> Cache:
        """The same cache for calls that use nothing stored, and store what they get."""
        twin = self._twin()
        twin._refresh = True
        return twin

    def bypassing(self) -> Cache:
        """The same cache for calls that use nothing stored and store nothing. Unsafe ones still make invalid."""
        twin = self._twin()
        twin._bypass = True
        return twin

    def _twin(self) -> Cache:
        twin = Cache(self.store, ttl=self.ttl, shared=self.shared, fields=self.fields)
        twin._revalidations, twin.invalidations = self._revalidations, self.invalidations
        return twin

    def placed(self, pipeline: Pipeline, *, streaming: bool) -> Policy:
        """The cache as it stands in a pipeline, whose `Auth` is part of its keys."""
        settings = Settings(
            store=self.store,
            identities=Identities(pipeline.find(Auth)),
            revalidations=self._revalidations,
            invalidations=self.invalidations,
            limits=pipeline.limits,
            shared=self.shared,
            refresh=self._refresh,
            bypass=self._bypass,
            streaming=streaming,
        )
        return _Placed(settings, None if self.ttl is None else FixedTTL(self.ttl, self.fields))

    def __repr__(self) -> str:
        ttl = "" if self.ttl is None else f", ttl={self.ttl:g}"
        return f"Cache({self.store!r}{ttl}{', shared=True' if self.shared else ''})"


class _Placed(Policy):
    """A cache in a pipeline."""

    __slots__ = ("_fixed_ttl", "_reader", "_settings")

    stage: ClassVar[Stage] = Stage.CACHE

    def __init__(self, settings: Settings, fixed_ttl: FixedTTL | None) -> None:
        self._settings = settings
        self._fixed_ttl = fixed_ttl
        self._reader = AskingReader()

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Answer the request from the cache or through it."""
        method = request.method
        if method not in ("GET", "HEAD"):
            if method in SAFE_METHODS:
                return self._past(request, call, forward, "method", f"method {method}")
            return self._unsafe(request, call, forward)
        if self._settings.bypass:
            return self._past(request, call, forward, "bypass", "the call passes by the cache")
        # No key of a stored response holds the content of a request.
        if request.content != b"":
            return self._past(request, call, forward, "bypass", f"{method} with content")
        asking = self._reader.read(request)
        try:
            who = self._settings.identities.of(request, asking.identity)
        except Unidentified:
            return self._answer_whoever_asks(request, asking, call, forward)
        handling = self._handling_for(who, request, asking, call, forward)
        return handling.run() if self._fixed_ttl is None else self._fixed_ttl.run(handling)

    def _answer_whoever_asks(self, request: Request, asking: Asking, call: Call, forward: Forward) -> Flow[Response]:
        try:
            who, identity = yield from self._settings.identities.ask(request, asking.identity)
        except Unidentified:
            reason = "nobody can say whose the credentials are: override Auth.identify"
            return (yield from self._past(request, call, forward, "bypass", reason))
        handling = self._handling_for(who, request, asking, call, forward)
        handling.identity = identity
        return (yield from handling.run() if self._fixed_ttl is None else self._fixed_ttl.run(handling))

    def _handling_for(
        self, who: str | None, request: Request, asking: Asking, call: Call, forward: Forward
    ) -> Handling:
        # What is stored for GET answers HEAD too (RFC 9111 §4).
        asked = request.replace(method="GET") if request.method == "HEAD" else request
        key = cache_key(asked, who) if self._fixed_ttl is None else self._fixed_ttl.key(asked, who)
        return Handling(self._settings, asking, key, request, call, forward)

    def _past(self, request: Request, call: Call, forward: Forward, fwd: str, reason: str) -> Flow[Response]:
        if self._reader.read(request).directives.only_if_cached:
            return refused(request, call, fwd, reason)
        call.record(CacheMissed, request, request.method, request.url.redacted, reason)
        response = yield from forward(request, call)
        response.note_cache(fwd=fwd)
        return response

    def _unsafe(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        try:
            response = yield from forward(request, call)
        except Exception as error:
            # Nobody knows whether the server has done it, and whoever asks next wants to know just that.
            if getattr(error, "sent", isinstance(error, DecodingError | ResponseTooLarge)):
                yield from self._remove(request, call, self._invalidate((request.url,)))
            raise
        response.note_cache(fwd="method")
        invalid = self._invalidate(invalidated(request, response))
        handling = self._of_get(request, response, call, forward)
        # Before the store is waited for, which is not what makes a response younger.
        drafted = None if handling is None else draft(handling, response)
        yield from self._remove(request, call, invalid)
        if handling is not None and drafted is not None:
            yield from keep_as(handling, response, *drafted)
        return response

    def _of_get(self, request: Request, response: Response, call: Call, forward: Forward) -> Handling | None:
        """What is known about the GET to which this is a response as well; None if there is none, or nobody knows whose."""
        keeps = self._fixed_ttl is None and not self._settings.bypass
        get = as_get(request, response) if keeps else None
        if get is None:
            return None
        asking = self._reader.read(get)
        try:
            who = self._settings.identities.of(get, asking.identity)
        except Unidentified:
            # To ask when all is done could bring another answer than when the request was signed, or an error.
            return None
        return self._handling_for(who, get, asking, call, forward)

    def _invalidate(self, urls: tuple[URL, ...]) -> tuple[str, ...]:
        """What the keys begin with that are invalid now. From here on no response to an earlier request is stored."""
        targets = prefixes(urls)
        if targets:
            self._settings.invalidations.note(targets)
        return targets

    def _remove(self, request: Request, call: Call, targets: tuple[str, ...]) -> Flow[None]:
        if targets:
            try:
                count = yield from RemoveEntries(self._settings.store, targets)
            except Exception as error:
                call.record(StoreFailed, error, RemoveEntries.__name__, type(error).__name__)
            else:
                if count:
                    call.record(EntriesInvalidated, request, request.method, request.url.redacted, count)
