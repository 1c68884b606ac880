"""Who asks: what keeps one user's stored responses from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trivet.core.caching.digests import digest, is_credential

if TYPE_CHECKING:
    from trivet.core.exchange.flow import Flow
    from trivet.core.http.request import Request
    from trivet.core.policies.auth.base import Auth


class Unidentified(Exception):
    """The request gets credentials of which nobody can say whose they are."""


class Identities:
    """Tells apart those who ask, by the credentials in their requests and those that ``auth`` is going to add."""

    __slots__ = ("_auth", "_known")

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        identity = None if auth is None else auth.identity
        self._known = None if identity is None else digest("auth", identity)

    def signs(self, request: Request) -> bool:
        """Whether the `Auth` is going to add credentials to the request."""
        auth = self._auth
        return auth is not None and request.credentials and not auth.is_authenticated(request)

    def of(self, request: Request, own: str | None) -> str | None:
        """Who asks, as a digest; None is nobody. ``own`` tells whose credentials are in the request.

        Raises `Unidentified` if only `ask` can tell.
        """
        auth = self._auth
        if auth is None or not request.credentials:
            return own
        if auth.is_authenticated(request):
            header = auth.header
            if header is None or is_credential(header.lower()):
                return own
            # It counts as one, though its name does not sound like it.
            return digest("given", own, request.headers.get(header))
        if self._known is None:
            raise Unidentified
        return self._known if own is None else digest("both", own, self._known)

    def ask(self, request: Request, own: str | None) -> Flow[tuple[str, str]]:
        """Who asks, where the `Auth` must be asked each time, and what it said, for `confirm`.

        Raises `Unidentified` if it does not know either.
        """
        assert self._auth is not None
        identity = yield from self._auth.identify(request)
        if identity is None:
            raise Unidentified
        return digest("asked", own, identity), identity

    def confirm(self, identity: str, sent: Request) -> bool:
        """Whether the request was sent in the name that the `Auth` said when it was asked."""
        assert self._auth is not None
        return self._auth.carries(sent, identity)
