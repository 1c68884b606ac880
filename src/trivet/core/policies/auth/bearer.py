"""Bearer tokens (RFC 6750): a fixed one, or one that is asked for and may be renewed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeAlias

from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.exchange.actions import Invoke
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import AuthRefreshed
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.base import Auth, require_visible
from trivet.core.policies.policy import Forward
from trivet.core.policies.send import read_content

TokenSource: TypeAlias = Callable[[], str | Awaitable[str]]


class Token:
    """A bearer token, ready to be sent. ``expires_at``: monotonic time from which it is not used any more."""

    __slots__ = ("_field_value", "expires_at")

    def __init__(self, text: str, expires_at: float = inf) -> None:
        self._field_value = f"Bearer {text}"
        self.expires_at = expires_at

    @property
    def identity(self) -> str:
        """The value of the field."""
        return self._field_value

    def sign(self, request: Request) -> Request:
        """The request with the token in its Authorization field (RFC 6750 §2.1)."""
        return request.replace(headers=request.headers.with_field("Authorization", self._field_value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._field_value == other._field_value

    def __hash__(self) -> int:
        return hash(self._field_value)

    def __repr__(self) -> str:
        return "Token([redacted])"


class TokenAuth(Auth):
    """Authentication by a bearer token that is obtained by a flow.

    Derive from it for a service that gives out tokens in a way of its own: `obtain` is all there is to
    override. When the server refuses a token (401), `obtain` is asked once for another one. If it has one,
    and the content of the request can be produced again, the request is sent once more.
    """

    __slots__ = ()

    header = "Authorization"

    def obtain(self, request: Request, call: Call, forward: Forward, refused: Token | None) -> Flow[Token | Response]:
        """A token for ``request`` other than ``refused``, or the same one if there is no other.

        ``forward`` sends a request past this policy, without credentials. A `Response` instead of a token,
        such as a 503, answers the call in place of the API's, so that retries treat it like any other.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override obtain()")

    def authenticate(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Send the request with a token, and once more with another token if the first was refused."""
        token = yield from self.obtain(request, call, forward, None)
        if isinstance(token, Response):
            return token
        response = yield from forward(token.sign(request), call)
        # The server has refused to act on the request, so any method may be sent again.
        if response.status != 401 or not request.replayable:
            return response
        # Read, not left open: what fetches another token may need the connection. Nor discarded: the response
        # is returned if there is no other token.
        yield from read_content(response, call)
        renewed = yield from self.obtain(request, call, forward, token)
        if renewed == token:
            return response
        if isinstance(renewed, Response):
            return renewed
        call.record(AuthRefreshed, None)
        return (yield from forward(renewed.sign(request), call))


class BearerAuth(TokenAuth):
    """Send ``token`` in the Authorization field (RFC 6750 §2.1).

    ``token`` is a string, or a function without parameters that returns one; under an asynchronous client the
    function may be a coroutine function. The function is called for every attempt, so it should keep the
    token for as long as it is good; it is called again when the server answers 401, and if the token is
    another one by then the request is sent once more.

    A token that is not a string of visible ASCII characters raises `ConfigError`, or `InvalidRequest` if a
    function returned it. The token is never shown.

    >>> BearerAuth("s3cr3t")
    BearerAuth([redacted])
    """

    __slots__ = ("_source", "_token")

    def __init__(self, token: str | TokenSource) -> None:
        self._token: Token | None = None
        self._source: TokenSource | None = None
        if callable(token):
            self._source = token
        else:
            self._token = Token(require_visible(token, "BearerAuth: the token", ConfigError))

    @property
    def identity(self) -> str | None:
        """The token; None if it comes from a function, which may give another one to every user."""
        return None if self._token is None else self._token.identity

    def identify(self, request: Request) -> Flow[str | None]:
        """The token that the function gives."""
        assert self._source is not None
        text = yield from Invoke(self._source)
        return f"Bearer {text}"

    def carries(self, request: Request, identity: str) -> bool:
        """Whether the token is the one that the function gave before."""
        return request.headers.get("Authorization") == identity

    def authenticate(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Send the request with the token."""
        if self._token is not None:
            return forward(self._token.sign(request), call)
        return super().authenticate(request, call, forward)

    def obtain(self, request: Request, call: Call, forward: Forward, refused: Token | None) -> Flow[Token | Response]:
        """Call the function that was given as the token."""
        assert self._source is not None
        text = yield from Invoke(self._source)
        return Token(require_visible(text, "BearerAuth: the token that the function returned", InvalidRequest))

    def __repr__(self) -> str:
        return "BearerAuth([redacted])"
