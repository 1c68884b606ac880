"""What a program does with the cache of its client: forget what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trivet.core.errors import InvalidRequest
from trivet.core.http.unset import UNSET

if TYPE_CHECKING:
    from trivet.clients.session import AsyncSession, SyncSession
    from trivet.clients.settings import Settings
    from trivet.core.caching.actions import ClearStore, RemoveEntries
    from trivet.core.http.query import Params
    from trivet.core.http.url import URL


def removal(settings: Settings, target: str, params: Params, path: Mapping[str, Any] | None) -> RemoveEntries | None:
    """The action that removes what is stored for a target or for the URLs that match a pattern; None without a cache."""
    if settings.cache is None:
        return None
    # A client without a cache, which is most of them, starts without all of this.
    from trivet.core.caching.actions import RemoveEntries
    from trivet.core.caching.invalidation import is_pattern, prefixes, url_matcher

    store, invalidations = settings.cache.store, settings.cache.invalidations
    if not is_pattern(target):
        url = settings.request("GET", target, UNSET, {"params": params, "path": path}).url
        targets = prefixes([url])
        invalidations.note(targets)
        _close(settings, url.__eq__)
        return RemoveEntries(store, targets)
    if params is not None or path is not None:
        raise InvalidRequest(f"the pattern {target[:80]!r} takes neither params nor path: write them into it")
    if "://" not in target:
        if settings.base_url is None:
            raise InvalidRequest(f"the pattern {target[:80]!r} needs a client with a base_url, or must be a whole URL")
        target = f"{settings.base_url.rstrip('/')}/{target.lstrip('/')}"
    matches = url_matcher(target)
    invalidations.note_all()
    _close(settings, lambda url: matches(url.redacted))
    return RemoveEntries(store, matches=matches)


def clearance(settings: Settings) -> ClearStore | None:
    """The action that removes everything; None without a cache."""
    if settings.cache is None:
        return None
    from trivet.core.caching.actions import ClearStore

    settings.cache.invalidations.note_all()
    _close(settings, lambda url: True)
    return ClearStore(settings.cache.store)


def _close(settings: Settings, matches: Callable[[URL], bool]) -> None:
    """Let nobody share any more what was asked for before."""
    if settings.coalesce is not None:
        settings.coalesce.close(matches)


class ClientCache:
    """The cache of a `Client`, from `Client.cache`. Without a cache there is nothing to forget, and nothing happens."""

    __slots__ = ("_session", "_settings")

    def __init__(self, settings: Settings, session: Callable[[], SyncSession]) -> None:
        self._settings = settings
        self._session = session

    def invalidate(self, target: str, /, *, params: Params = None, path: Mapping[str, Any] | None = None) -> int:
        """Forget the responses stored for a target, for whomever they were stored; how many it were.

        The target is what a call is given, with ``params`` and ``path``; or a pattern with ``*`` in it for any text, which
        is compared with whole URLs, their queries included.

        >>> import trivet
        >>> with trivet.Client("https://api.example.com", cache=True) as client:
        ...     client.cache.invalidate("/users/*")
        0
        """
        action = removal(self._settings, target, params, path)
        return 0 if action is None else self._session().driver().perform(action)

    def clear(self) -> None:
        """Forget everything that the store holds."""
        action = clearance(self._settings)
        if action is not None:
            self._session().driver().perform(action)


class AsyncClientCache:
    """The cache of an `AsyncClient`, from `AsyncClient.cache`. Without a cache nothing happens."""

    __slots__ = ("_session", "_settings")

    def __init__(self, settings: Settings, session: Callable[[], AsyncSession]) -> None:
        self._settings = settings
        self._session = session

    async def invalidate(self, target: str, /, *, params: Params = None, path: Mapping[str, Any] | None = None) -> int:
        """Forget the responses stored for a target or for URLs that match a pattern: see `ClientCache.invalidate`."""
        action = removal(self._settings, target, params, path)
        return 0 if action is None else await self._session().driver().perform(action)

    async def clear(self) -> None:
        """Forget everything that the store holds."""
        action = clearance(self._settings)
        if action is not None:
            await self._session().driver().perform(action)
