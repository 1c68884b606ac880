"""The client for asyncio and trio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, Unpack, overload

from trivet.clients.base import ClientBase
from trivet.clients.caching import AsyncClientCache
from trivet.clients.config import Config
from trivet.clients.options import BodyOptions, CallOptions, ClientOptions, takes
from trivet.clients.session import AsyncSession
from trivet.clients.streams import AsyncOpenResponse
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response
from trivet.core.http.unset import UNSET
from trivet.core.http.url import URL

T = TypeVar("T")


class AsyncClient(ClientBase[AsyncSession]):
    """A client of one HTTP API, for any number of tasks under asyncio or trio.

    Verbs return the decoded JSON content, or None when there is none; ``into=`` decodes into a type; ``raw``
    has the same verbs for the whole `Response`. A status of 400 or more raises an `APIError`, after the retries.

    The options are those of `ClientOptions`, of a call those of `CallOptions`. Connections open with the first
    call and stay until `aclose`, or the end of the ``async with`` block.

    >>> client = AsyncClient("https://api.example.com/v1", headers={"X-Team": "red"}, timeout=10, retry=5)
    >>> client
    <AsyncClient https://api.example.com/v1>
    """

    _session_class = AsyncSession

    @takes(ClientOptions)
    def __init__(self, base_url: str | URL | Config | None = None, **options: Unpack[ClientOptions]) -> None:
        super().__init__(base_url, options)

    @classmethod
    def from_env(
        cls, prefix: str = "API_", env: Mapping[str, str] | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """A client as the environment describes it; see `Config.from_env`. ``options`` come before it."""
        return cls(Config.from_env(prefix, env), **options)

    @overload
    async def get(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def get(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    async def get(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """GET the target (RFC 9110 §9.3.1)."""
        return await self._decoded("GET", target, UNSET, into, options)

    @overload
    async def head(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def head(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    async def head(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """HEAD: whether a GET would succeed (RFC 9110 §9.3.2). There is no content: ``raw.head`` has the fields."""
        return await self._decoded("HEAD", target, UNSET, into, options)

    @overload
    async def options(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def options(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    async def options(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """OPTIONS: what can be done with the target (RFC 9110 §9.3.7)."""
        return await self._decoded("OPTIONS", target, UNSET, into, options)

    @overload
    async def delete(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    async def delete(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    async def delete(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """DELETE the target (RFC 9110 §9.3.5)."""
        return await self._decoded("DELETE", target, UNSET, into, options)

    @overload
    async def post(self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    async def post(
        self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any: ...
    @takes(BodyOptions)
    async def post(
        self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any:
        """POST content to the target (RFC 9110 §9.3.3): ``json``, or one of the options of `BodyOptions`."""
        return await self._decoded("POST", target, json, into, options)

    @overload
    async def put(self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    async def put(
        self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any: ...
    @takes(BodyOptions)
    async def put(
        self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any:
        """PUT content in the place of the target (RFC 9110 §9.3.4)."""
        return await self._decoded("PUT", target, json, into, options)

    @overload
    async def patch(
        self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]
    ) -> T: ...
    @overload
    async def patch(
        self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any: ...
    @takes(BodyOptions)
    async def patch(
        self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]
    ) -> Any:
        """PATCH the target (RFC 5789)."""
        return await self._decoded("PATCH", target, json, into, options)

    @overload
    async def request(
        self,
        method: str,
        target: str,
        /,
        json: object = ...,
        *,
        into: type[T],
        **options: Unpack[BodyOptions],
    ) -> T: ...
    @overload
    async def request(
        self,
        method: str,
        target: str,
        /,
        json: object = ...,
        *,
        into: Any = None,
        **options: Unpack[BodyOptions],
    ) -> Any: ...
    @takes(BodyOptions)
    async def request(
        self,
        method: str,
        target: str,
        /,
        json: object = UNSET,
        *,
        into: Any = None,
        **options: Unpack[BodyOptions],
    ) -> Any:
        """Call the target with any method."""
        return await self._decoded(method, target, json, into, options)

    @property
    def raw(self) -> RawAsyncClient:
        """The same verbs, returning the whole `Response`."""
        return RawAsyncClient(self._call)

    @asynccontextmanager
    @takes(BodyOptions)
    async def stream(
        self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]
    ) -> AsyncGenerator[AsyncOpenResponse, None]:
        """Call the target and hand out the response while its content is still to be read.

        Leaving the block early is always clean. The total of the timeout goes on counting inside the block.
        """
        flow = self._open_flow(method, target, json, options)
        driver = self._session.driver()
        response = await driver.run(flow, self._observer())
        async with AsyncOpenResponse(response, self._settings.limits, driver) as opened:
            yield opened

    @takes(BodyOptions)
    def flow(self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Flow[Response]:
        """One call as a flow, to build others from: ``response = yield from client.flow("GET", "/users")``."""
        return self._flow(method, target, json, options)

    async def send(self, flow: Flow[T]) -> T:
        """Run a flow and return its result."""
        return await self._session.driver().run(flow, self._observer())

    def with_options(self, **overrides: Unpack[ClientOptions]) -> Self:
        """A sibling with other options, which shares the connections. Closing it leaves them open."""
        return self._sibling(overrides)

    @property
    def cache(self) -> AsyncClientCache:
        """The cache, to forget what is stored: ``await client.cache.invalidate("/users/*")``."""
        return AsyncClientCache(self._settings, lambda: self._session)

    async def clear_cache(self) -> None:
        """Forget everything that the cache's store holds."""
        await self.cache.clear()

    async def aclose(self) -> None:
        """Close the connections, and the store of the cache; the client refuses calls from then on.

        A store that other clients use as well opens again by itself.
        """
        await self._leave_session().aclose(self._closing())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _call(self, method: str, target: str, json: object, options: Mapping[str, Any]) -> Response:
        return await self._session.driver().run(self._flow(method, target, json, options), self._observer())

    async def _decoded(self, method: str, target: str, json: object, into: Any, options: Mapping[str, Any]) -> Any:
        self._check_into(into)
        return self._result(await self._call(method, target, json, options), into)


class RawAsyncClient:
    """The verbs of an `AsyncClient`, returning the whole `Response`. They raise just the same."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[str, str, object, Mapping[str, Any]], Awaitable[Response]]) -> None:
        self._call = call

    @takes(CallOptions)
    async def get(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """GET the target."""
        return await self._call("GET", target, UNSET, options)

    @takes(CallOptions)
    async def head(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """HEAD: the fields that a GET would bring."""
        return await self._call("HEAD", target, UNSET, options)

    @takes(CallOptions)
    async def options(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """OPTIONS: what can be done with the target."""
        return await self._call("OPTIONS", target, UNSET, options)

    @takes(CallOptions)
    async def delete(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """DELETE the target."""
        return await self._call("DELETE", target, UNSET, options)

    @takes(BodyOptions)
    async def post(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """POST content to the target."""
        return await self._call("POST", target, json, options)

    @takes(BodyOptions)
    async def put(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """PUT content in the place of the target."""
        return await self._call("PUT", target, json, options)

    @takes(BodyOptions)
    async def patch(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """PATCH the target."""
        return await self._call("PATCH", target, json, options)

    @takes(BodyOptions)
    async def request(
        self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]
    ) -> Response:
        """Call the target with any method."""
        return await self._call(method, target, json, options)
