"""What `Client` and `AsyncClient` share: everything but blocking and awaiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from trivet.clients.config import Config
from trivet.clients.options import BodyOptions, check_names
from trivet.clients.session import AsyncSession, SyncSession
from trivet.clients.settings import Settings
from trivet.core.errors import TrivetError
from trivet.core.exchange.actions import StoreAction
from trivet.core.exchange.call import Observer
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response
from trivet.core.http.url import URL

S = TypeVar("S", SyncSession, AsyncSession)

CALL_OPTIONS = frozenset(BodyOptions.__annotations__)


class ClientBase(Generic[S]):
    """The part of a client that knows no runtime."""

    _session_class: type[S]

    def __init__(self, base_url: str | URL | Config | None, options: Mapping[str, Any]) -> None:
        self._settings = Settings(base_url, options)
        self._session: S = self._session_class(options)
        self._owns_session = True
        self._observe: Any = None

    @property
    def base_url(self) -> URL | None:
        """What relative targets are joined to."""
        return self._settings.base_url

    def _flow(self, method: str, target: str, json: object, options: Mapping[str, Any]) -> Flow[Response]:
        """The flow of one buffered call; raises at once for a request that cannot be sent."""
        settings = self._settings
        if not options:
            return settings.pipeline.handle(settings.request(method, target, json, options))
        check_names(options, CALL_OPTIONS, method.lower())
        return settings.pipeline_for(options).handle(settings.request(method, target, json, options))

    def _open_flow(self, method: str, target: str, json: object, options: Mapping[str, Any]) -> Flow[Response]:
        check_names(options, CALL_OPTIONS, "stream")
        settings = self._settings
        return settings.pipeline_for(options).open(settings.request(method, target, json, options))

    def _observer(self) -> Observer | None:
        """Whom to tell of the events of a call; nobody, when nothing would be logged."""
        settings = self._settings
        if settings.log is False:
            return None
        observe = self._observe
        if observe is None:
            from trivet.observers.logging import LogObserver

            observe = self._observe = LogObserver(settings.log, debug=settings.debug)
        observer: Observer | None = observe.for_call()
        return observer

    def _check_into(self, into: Any) -> None:
        """Raise `InvalidRequest`, before anything is sent, for a type that nothing can be decoded into."""
        if into is not None:
            from trivet.core.sdk.decoding import check_into

            check_into(into)

    def _result(self, response: Response, into: Any) -> Any:
        """The decoded content: None when there is none, JSON, or ``into`` that type."""
        try:
            if into is None:
                if not response.content:
                    return None
                return response.json(max_depth=self._settings.limits.max_json_depth)
            from trivet.core.sdk.decoding import decode_response

            return decode_response(response, into, max_depth=self._settings.limits.max_json_depth)
        except TrivetError as error:
            if error.trace is None:
                error.trace = response.trace
            raise

    def _sibling(self, overrides: Mapping[str, Any]) -> Self:
        sibling = object.__new__(type(self))
        sibling.__dict__.update(self.__dict__)
        sibling._settings = self._settings.derive(overrides)
        sibling._owns_session = False
        sibling._observe = None
        return sibling

    def _closing(self) -> StoreAction[None] | None:
        """What closes the store of the cache; None if there is none, or if it is for another client to do."""
        cache = self._settings.cache
        if cache is None or not self._owns_session:
            return None
        from trivet.core.caching.actions import CloseStore

        return CloseStore(cache.store)

    def _leave_session(self) -> S:
        """Give up the session: the owner's is to be closed, a sibling just stops to use it."""
        session = self._session
        if not self._owns_session:
            session = self._session_class({})
            self._session = session
        return session

    def __repr__(self) -> str:
        where = f" {self.base_url.redacted}" if self.base_url is not None else ""
        closed = " closed" if self._session.closed else ""
        return f"<{type(self).__name__}{where}{closed}>"
