"""The client for threads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar, Unpack, overload

from trivet.clients.base import ClientBase
from trivet.clients.caching import ClientCache
from trivet.clients.config import Config
from trivet.clients.options import BodyOptions, CallOptions, ClientOptions, takes
from trivet.clients.session import SyncSession
from trivet.clients.streams import OpenResponse
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response
from trivet.core.http.unset import UNSET
from trivet.core.http.url import URL

T = TypeVar("T")


class Client(ClientBase[SyncSession]):
    """A client of one HTTP API, for any number of threads.

    Verbs return the decoded JSON content, or None when there is none; ``into=`` decodes into a type; ``raw``
    has the same verbs for the whole `Response`. A status of 400 or more raises an `APIError`, after the retries.

    The options are those of `ClientOptions`, of a call those of `CallOptions`. Connections open with the first
    call and stay until `close`, or the end of the ``with`` block.

    >>> client = Client("https://api.example.com/v1", headers={"X-Team": "red"}, timeout=10, retry=5)
    >>> client
    <Client https://api.example.com/v1>
    >>> client.close()
    """

    _session_class = SyncSession

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
    def get(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    def get(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    def get(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """GET the target (RFC 9110 §9.3.1)."""
        return self._decoded("GET", target, UNSET, into, options)

    @overload
    def head(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    def head(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    def head(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """HEAD: whether a GET would succeed (RFC 9110 §9.3.2). There is no content: ``raw.head`` has the fields."""
        return self._decoded("HEAD", target, UNSET, into, options)

    @overload
    def options(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    def options(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    def options(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """OPTIONS: what can be done with the target (RFC 9110 §9.3.7)."""
        return self._decoded("OPTIONS", target, UNSET, into, options)

    @overload
    def delete(self, target: str, /, *, into: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    def delete(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any: ...
    @takes(CallOptions)
    def delete(self, target: str, /, *, into: Any = None, **options: Unpack[CallOptions]) -> Any:
        """DELETE the target (RFC 9110 §9.3.5)."""
        return self._decoded("DELETE", target, UNSET, into, options)

    @overload
    def post(self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def post(self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]) -> Any: ...
    @takes(BodyOptions)
    def post(self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]) -> Any:
        """POST content to the target (RFC 9110 §9.3.3): ``json``, or one of the options of `BodyOptions`."""
        return self._decoded("POST", target, json, into, options)

    @overload
    def put(self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def put(self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]) -> Any: ...
    @takes(BodyOptions)
    def put(self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]) -> Any:
        """PUT content in the place of the target (RFC 9110 §9.3.4)."""
        return self._decoded("PUT", target, json, into, options)

    @overload
    def patch(self, target: str, /, json: object = ..., *, into: type[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def patch(self, target: str, /, json: object = ..., *, into: Any = None, **options: Unpack[BodyOptions]) -> Any: ...
    @takes(BodyOptions)
    def patch(self, target: str, /, json: object = UNSET, *, into: Any = None, **options: Unpack[BodyOptions]) -> Any:
        """PATCH the target (RFC 5789)."""
        return self._decoded("PATCH", target, json, into, options)

    @overload
    def request(
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
    def request(
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
    def request(
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
        return self._decoded(method, target, json, into, options)

    @property
    def raw(self) -> RawClient:
        """The same verbs, returning the whole `Response`."""
        return RawClient(self._call)

    @contextmanager
    @takes(BodyOptions)
    def stream(
        self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]
    ) -> Generator[OpenResponse, None, None]:
        """Call the target and hand out the response while its content is still to be read.

        Leaving the block early is always clean. The total of the timeout goes on counting inside the block.
        """
        flow = self._open_flow(method, target, json, options)
        driver = self._session.driver()
        with OpenResponse(driver.run(flow, self._observer()), self._settings.limits, driver) as response:
            yield response

    @takes(BodyOptions)
    def flow(self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Flow[Response]:
        """One call as a flow, to build others from: ``response = yield from client.flow("GET", "/users")``."""
        return self._flow(method, target, json, options)

    def send(self, flow: Flow[T]) -> T:
        """Run a flow and return its result."""
        return self._session.driver().run(flow, self._observer())

    def with_options(self, **overrides: Unpack[ClientOptions]) -> Self:
        """A sibling with other options, which shares the connections. Closing it leaves them open."""
        return self._sibling(overrides)

    @property
    def cache(self) -> ClientCache:
        """The cache, to forget what is stored: ``client.cache.invalidate("/users/*")``."""
        return ClientCache(self._settings, lambda: self._session)

    def clear_cache(self) -> None:
        """Forget everything that the cache's store holds."""
        self.cache.clear()

    def close(self) -> None:
        """Close the connections, and the store of the cache; the client refuses calls from then on.

        A store that other clients use as well opens again by itself.
        """
        self._leave_session().close(self._closing())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _call(self, method: str, target: str, json: object, options: Mapping[str, Any]) -> Response:
        return self._session.driver().run(self._flow(method, target, json, options), self._observer())

    def _decoded(self, method: str, target: str, json: object, into: Any, options: Mapping[str, Any]) -> Any:
        self._check_into(into)
        return self._result(self._call(method, target, json, options), into)


class RawClient:
    """The verbs of a `Client`, returning the whole `Response`. They raise just the same."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[str, str, object, Mapping[str, Any]], Response]) -> None:
        self._call = call

    @takes(CallOptions)
    def get(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """GET the target."""
        return self._call("GET", target, UNSET, options)

    @takes(CallOptions)
    def head(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """HEAD: the fields that a GET would bring."""
        return self._call("HEAD", target, UNSET, options)

    @takes(CallOptions)
    def options(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """OPTIONS: what can be done with the target."""
        return self._call("OPTIONS", target, UNSET, options)

    @takes(CallOptions)
    def delete(self, target: str, /, **options: Unpack[CallOptions]) -> Response:
        """DELETE the target."""
        return self._call("DELETE", target, UNSET, options)

    @takes(BodyOptions)
    def post(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """POST content to the target."""
        return self._call("POST", target, json, options)

    @takes(BodyOptions)
    def put(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """PUT content in the place of the target."""
        return self._call("PUT", target, json, options)

    @takes(BodyOptions)
    def patch(self, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """PATCH the target."""
        return self._call("PATCH", target, json, options)

    @takes(BodyOptions)
    def request(self, method: str, target: str, /, json: object = UNSET, **options: Unpack[BodyOptions]) -> Response:
        """Call the target with any method."""
        return self._call(method, target, json, options)
