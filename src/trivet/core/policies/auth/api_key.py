"""API keys: a secret in a field, or in the query."""

from __future__ import annotations

from urllib.parse import quote

from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.url import derive
from trivet.core.policies.auth.base import Auth, require_text, require_visible

DEFAULT_HEADER = "X-API-Key"


class APIKeyAuth(Auth):
    """Send ``key`` in the field ``header`` (by default X-API-Key) or in the query as the parameter ``query``.

    A key in the query shows in the logs of every server and proxy on the way: prefer the field where the
    service takes both. A request that has the field or the parameter already keeps its own. Raises
    `ConfigError` for a key that cannot be sent, a name that is none, and for ``header`` and ``query``
    together.

    >>> APIKeyAuth("k3y", query="api_key")
    APIKeyAuth([redacted], query='api_key')
    """

    __slots__ = ("_key", "_parameter", "header", "query")

    def __init__(self, key: str, *, header: str | None = None, query: str | None = None) -> None:
        if header is not None and query is not None:
            raise ConfigError("APIKeyAuth: the key goes into a header or into the query, not both")
        self.query = query
        self.header: str | None = None
        self._parameter = ""
        if query is None:
            self._key = require_visible(key, "APIKeyAuth: the key")
            self.header = _field_name(DEFAULT_HEADER if header is None else header)
            return
        self._key = require_text(key, "APIKeyAuth: the key")
        if not query or not key:
            raise ConfigError("APIKeyAuth: neither the key nor the name of its query parameter may be empty")
        self._parameter = quote(query, safe="") + "="

    @property
    def identity(self) -> str:
        """The key and its place."""
        return f"{self.header} {self._parameter} {self._key}"

    def is_authenticated(self, request: Request) -> bool:
        """Whether the caller has put a key of its own into the field or the parameter."""
        if self.header is not None:
            return self.header in request.headers
        return any(pair.startswith(self._parameter) for pair in request.url.query.split("&"))

    def sign(self, request: Request) -> Request:
        """The request with the key in its field or in its query."""
        if self.header is not None:
            return request.replace(headers=request.headers.with_field(self.header, self._key))
        url = request.url
        pair = self._parameter + quote(self._key, safe="")
        return request.replace(url=derive(url, url.path, f"{url.query}&{pair}" if url.query else pair))

    def __repr__(self) -> str:
        place = f"header={self.header!r}" if self.query is None else f"query={self.query!r}"
        return f"APIKeyAuth([redacted], {place})"


def _field_name(name: str) -> str:
    try:
        Headers({name: "key"})
    except InvalidRequest:
        raise ConfigError(f"APIKeyAuth: {name!r} is no field name") from None
    return name
