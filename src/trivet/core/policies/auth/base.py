"""What every kind of authentication shares: when to keep out of the way, and how to keep a secret.

`Auth` is the innermost stage, so that every attempt is signed anew and nothing between the caller and the
wire - cache, retries, redirects - ever holds the credentials.
"""

from __future__ import annotations

import re
from typing import ClassVar, NoReturn

from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.policy import Forward, Policy, Stage

_VISIBLE = re.compile(r"[!-~]+")
# With the surrogates, which are no characters and have no UTF-8.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Auth(Policy):
    """Authentication of a client's requests. Derive from it to write one's own.

    Override `sign` if the request is all it takes:

    >>> class TenantAuth(Auth):
    ...     header = "X-Tenant"
    ...
    ...     def sign(self, request):
    ...         return request.replace(headers=request.headers.with_field("X-Tenant", "acme"))

    Override `authenticate` if it takes a flow: a request of one's own, a second try, a look at the response.

    A request that must carry none of the client's credentials, because it goes to another origin than the
    client's, is never signed. Nor is one that carries the field named by ``header`` already: what the caller
    wrote for one request is meant for it.
    """

    __slots__ = ()

    stage: ClassVar[Stage] = Stage.AUTH

    header: str | None = None

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Authenticate the request, unless it must not be or need not be. Not to be overridden."""
        if not request.credentials or self.is_authenticated(request):
            return forward(request, call)
        return self.authenticate(request, call, forward)

    def is_authenticated(self, request: Request) -> bool:
        """Whether the caller has given the request credentials of its own."""
        return self.header is not None and self.header in request.headers

    def authenticate(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Answer the request through ``forward``, with credentials added to it."""
        return forward(self.sign(request), call)

    @property
    def identity(self) -> str | None:
        """What tells these credentials from any others, if that is the same for every request; else None.

        A cache keeps responses apart by it. It may be the secret itself: it is only ever used for a digest.
        """
        return None

    def identify(self, request: Request) -> Flow[str | None]:
        """What tells the credentials that this request would get from any others, where `identity` does not say.

        None means that nobody knows; such responses are not cached. Unless overridden, it is what `sign` adds, and None
        for a kind of authentication that overrides `authenticate`.
        """
        yield from ()  # a flow, though this one asks for nothing
        if type(self).authenticate is Auth.authenticate:
            signed = self.sign(request)
            added = sorted(set(signed.headers.raw) - set(request.headers.raw))
            return f"{added!r} {signed.url if signed.url != request.url else ''}"
        return None

    def carries(self, request: Request, identity: str) -> bool:
        """Whether a request, as it was sent, has the credentials that `identify` named before.

        They may have changed in between, and what came is then kept for nobody. Unless overridden, they have not.
        """
        return True

    def sign(self, request: Request) -> Request:
        """The request with credentials added to it."""
        raise NotImplementedError(f"{type(self).__name__} overrides neither sign() nor authenticate()")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds secrets, so it is not pickled: make a new one over there")


def is_visible(text: str) -> bool:
    """Whether the text is one or more visible ASCII characters."""
    return _VISIBLE.fullmatch(text) is not None


def require_visible(secret: object, what: str, error: type[ConfigError | InvalidRequest] = ConfigError) -> str:
    """The secret, if it is a string of visible ASCII characters that a field can carry as it is.

    Raises ``error``, which says what is wrong with it and does not show it.

    >>> require_visible("s3cr3t\\n", "the token")
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: the token has a blank, a line break or a character that is not ASCII
    """
    if not isinstance(secret, str):
        raise error(f"{what} must be a string, not {type(secret).__name__}")
    if not secret:
        raise error(f"{what} is empty")
    if not is_visible(secret):
        # Read from a file, it usually still has the line break at its end.
        raise error(f"{what} has a blank, a line break or a character that is not ASCII")
    return secret


def require_text(secret: object, what: str) -> str:
    """The secret, if it is a string without control characters; else `ConfigError`, without showing it."""
    if not isinstance(secret, str):
        raise ConfigError(f"{what} must be a string, not {type(secret).__name__}")
    if _CONTROL.search(secret) is not None:
        raise ConfigError(f"{what} has a line break or another control character")
    return secret


def basic_credentials(username: str, password: str) -> str:
    """The value of an Authorization field for the Basic scheme, in UTF-8 (RFC 7617 §2).

    >>> basic_credentials("Aladdin", "open sesame")
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    from binascii import b2a_base64

    return "Basic " + b2a_base64(f"{username}:{password}".encode(), newline=False).decode("ascii")
