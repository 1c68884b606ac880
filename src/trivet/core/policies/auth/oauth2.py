"""OAuth 2.0 client credentials (RFC 6749 §4.4): a token for the program itself, fetched when it is needed.

However many calls need a token at once, one of them fetches it: a `Flight`. The others park until it lands,
and what the token endpoint answered, token or refusal, is the answer for all of them. If the fetching call
gets no answer - the connection fails, its time runs out, it is cancelled - one of those that waited takes
over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from threading import Lock
from typing import Any, Final, Literal, cast
from urllib.parse import quote_plus, urlencode

from trivet.core.errors import AttemptTimeout, AuthenticationError, ConfigError, DecodingError, TransportError
from trivet.core.exchange.actions import Park
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.slot import Slot
from trivet.core.http.headers import Headers
from trivet.core.http.json import dump_json, parse_json
from trivet.core.http.redaction import REDACTED, redact_headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.url import URL
from trivet.core.limits import Limits
from trivet.core.policies.auth.base import basic_credentials, is_visible, require_text
from trivet.core.policies.auth.bearer import Token, TokenAuth
from trivet.core.policies.policy import Forward
from trivet.core.policies.send import attempt_deadline, read_content
from trivet.core.policies.validation import require_choice, require_number

TOKEN_LIMITS: Final = Limits(max_content=1024 * 1024, max_json_depth=50)
"""Bounds on the answer of a token endpoint, which is a small JSON object."""

MAX_TEXT: Final = 500
"""Characters kept of each text in a refusal."""

_REFUSAL_MEMBERS: Final = ("error", "error_description", "error_uri")


class Flight:
    """One fetch of a token and those who wait for its ``answer``, which stays None if none came back."""

    __slots__ = ("answer", "waiting")

    def __init__(self) -> None:
        self.answer: Token | Response | None = None
        self.waiting: list[Slot] = []


class OAuth2ClientCredentials(TokenAuth):
    """Send a bearer token that the authorization server gives out for ``client_id`` and ``client_secret``.

    The token is fetched by the first call that needs it, shared by all calls, threads and clients that use
    this object, and fetched anew ``leeway`` seconds before it expires, or when the API answers 401.

    ``scope``: one text or several to be joined. ``audience``, ``extra``: further parameters of the token
    request.
    ``client_auth``: whether the client authenticates by Basic or in the content (RFC 6749 §2.3.1).
    ``allow_insecure``: accept a ``token_url`` that is neither https nor on this machine.

    A call fails with `AuthenticationError` if the token endpoint refuses; if the endpoint is in trouble (429,
    5xx) its response answers the call, so that it is retried like any other. Neither holds a token or the
    secret. `ConfigError` is raised for settings that make no sense.

    >>> OAuth2ClientCredentials("https://auth.example.com/token", "reporter", "s3cr3t", scope="read")
    OAuth2ClientCredentials('https://auth.example.com/token', 'reporter', [redacted])
    """

    __slots__ = ("_client_id", "_flight", "_leeway", "_lock", "_request", "_secret", "_token")

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str | Iterable[str] | None = None,
        audience: str | None = None,
        client_auth: Literal["basic", "body"] = "basic",
        leeway: float = 30.0,
        extra: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
    ) -> None:
        require_choice("OAuth2ClientCredentials(client_auth=", client_auth, ("basic", "body"))
        require_number("OAuth2ClientCredentials(leeway=", leeway)
        self._client_id = require_text(client_id, "OAuth2ClientCredentials: client_id")
        self._secret = require_text(client_secret, "OAuth2ClientCredentials: client_secret")
        if not client_id or not client_secret:
            raise ConfigError("OAuth2ClientCredentials: client_id and client_secret must not be empty")
        self._leeway = leeway
        form = {"grant_type": "client_credentials"}
        if scope is not None:
            form["scope"] = scope if isinstance(scope, str) else " ".join(scope)
        if audience is not None:
            form["audience"] = audience
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if client_auth == "basic":
            # RFC 6749 §2.3.1: both are form-encoded before they are joined, so that a colon may be in either.
            headers["Authorization"] = basic_credentials(quote_plus(client_id), quote_plus(client_secret))
        else:
            form.update(client_id=client_id, client_secret=client_secret)
        self._request = Request(
            "POST",
            _token_url(token_url, allow_insecure),
            headers,
            urlencode(_extended(form, extra or {})).encode("ascii"),
            credentials=False,
        )
        self._token: Token | None = None
        self._flight: Flight | None = None
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """The client, and what it asks for: tokens come and go."""
        asking = self._request
        return f"{asking.url} {asking.headers.get('Authorization')} {asking.content!r}"

    def obtain(self, request: Request, call: Call, forward: Forward, refused: Token | None) -> Flow[Token | Response]:
        """The shared token; or a new one, fetched by this call or by another one that is at it already."""
        while True:
            with self._lock:
                token = self._token
                if token is not None and token is not refused and call.now.monotonic < token.expires_at:
                    return token
                flight = self._flight
                slot = None
                if flight is None:
                    flight = self._flight = Flight()
                else:
                    slot = Slot()
                    flight.waiting.append(slot)
            if slot is None:
                return (yield from self._fly(flight, request, call, forward))
            if not (yield from Park(slot, attempt_deadline(call))):
                raise AttemptTimeout("no time left to wait for the token that another call is fetching", sent=False)
            if flight.answer is not None:
                return self._deliver(flight.answer, call)

    def _fly(self, flight: Flight, request: Request, call: Call, forward: Forward) -> Flow[Token | Response]:
        try:
            answer = flight.answer = yield from self._fetch(request, call, forward)
        finally:
            # However it ended, cancelled included: those who wait must hear of it.
            with self._lock:
                self._flight = None
                if isinstance(flight.answer, Token):
                    self._token = flight.answer
            for slot in flight.waiting:
                slot.wake()
        return self._deliver(answer, call)

    def _fetch(self, request: Request, call: Call, forward: Forward) -> Flow[Token | Response]:
        """Ask the token endpoint. Its answer is a token, or a response that is safe to show."""
        asking = self._request
        agent = request.headers.get("User-Agent")
        if agent is not None:
            asking = asking.replace(headers=asking.headers.with_field("User-Agent", agent))
        try:
            response = yield from forward(asking, call)
            yield from read_content(response, call, limits=TOKEN_LIMITS)
        except (TransportError, AttemptTimeout) as error:
            error.locate("POST", self._request.url.redacted)
            # Asking for a token is harmless, and nothing of the call's own request has been sent.
            error.sent = False
            raise
        answer = _json_object(response.content)
        if response.is_success:
            token = _bearer_token(answer)
            if token is not None:
                return Token(token, call.now.monotonic + self._lifetime(answer.get("expires_in")))
        return self._presentable(response, answer)

    def _lifetime(self, expires_in: Any) -> float:
        """Seconds for which a token is used: ``expires_in`` less the leeway, but at least half of it."""
        try:
            seconds = float(expires_in)  # some servers send the number as a string
        except (TypeError, ValueError, OverflowError):
            return inf  # RFC 6749 §5.1 only recommends to tell; a 401 will
        return max(seconds - self._leeway, seconds / 2) if seconds > 0 else 0.0

    def _deliver(self, answer: Token | Response, call: Call) -> Token | Response:
        """The answer of a flight for one of its passengers, each of whom gets a response of its own."""
        if isinstance(answer, Token):
            return answer
        response = Response(answer.status, answer.headers, answer.content, reason=answer.reason, request=answer.request)
        response.elapsed, response.trace = answer.elapsed, call.trace
        if response.status == 429 or response.status >= 500:
            return response
        raise AuthenticationError(response, f"the token endpoint gave out no token: {_why(response)}")

    def _presentable(self, response: Response, answer: Mapping[str, Any]) -> Response:
        """What may be seen of a refusal: its OAuth error (RFC 6749 §5.2), but no token and no secret."""
        members = {name: self._clean(text) for name in _REFUSAL_MEMBERS if isinstance(text := answer.get(name), str)}
        # Raw: what a server sends need not pass the checks for what is sent to one.
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in redact_headers(response.headers)]
        presentable = Response(
            response.status,
            Headers.from_raw(lines).without("Content-Length", "Content-Encoding"),
            dump_json(members) if members else b"",
            reason=response.reason,
            request=Request("POST", self._request.url, credentials=False),
        )
        presentable.elapsed = response.elapsed
        return presentable

    def _clean(self, text: str) -> str:
        for secret in (self._secret, quote_plus(self._secret)):
            text = text.replace(secret, REDACTED)
        return "".join(character if character.isprintable() else " " for character in text[:MAX_TEXT])

    def __repr__(self) -> str:
        return f"OAuth2ClientCredentials({self._request.url.redacted!r}, {self._client_id!r}, [redacted])"


def _token_url(text: str, allow_insecure: bool) -> URL:
    url = URL(text)
    if url.scheme == "https" or allow_insecure or _is_loopback(url.host):
        return url
    raise ConfigError(
        f"OAuth2ClientCredentials: the token URL {url.redacted} is not https, so the secret could be read on "
        "the way; pass allow_insecure=True if you are sure"
    )


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _extended(form: dict[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    clashing = ", ".join(sorted(form.keys() & extra.keys()))
    if clashing:
        raise ConfigError(f"OAuth2ClientCredentials: extra repeats {clashing}, which is set already")
    return {**form, **extra}


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        value = parse_json(content, max_depth=TOKEN_LIMITS.max_json_depth)
    except DecodingError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _bearer_token(answer: Mapping[str, Any]) -> str | None:
    """The token in a successful answer (RFC 6749 §5.1), if it is one that can be sent."""
    token, kind = answer.get("access_token"), answer.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    return token if isinstance(token, str) and is_visible(token) else None


def _why(response: Response) -> str:
    members: dict[str, str] = response.json() if response.content else {}
    told = [members[name] for name in ("error", "error_description") if members.get(name)]
    if told:
        return ": ".join(told)
    status = f"{response.status} {response.reason}".rstrip()
    return f"{status} without a usable access_token of type bearer" if response.is_success else status
