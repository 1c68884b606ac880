"""The keyword arguments of clients and calls: named once, the same for both clients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from trivet.core.http.unset import UNSET

if TYPE_CHECKING:
    import logging
    import ssl

    from trivet.core.caching.policy import Cache
    from trivet.core.exchange.call import Rng
    from trivet.core.http.content import ContentInput, FilesInput, FormInput
    from trivet.core.http.headers import HeadersInput
    from trivet.core.http.query import Params
    from trivet.core.http.response import Response
    from trivet.core.limits import Limits
    from trivet.core.policies.auth.base import Auth
    from trivet.core.policies.breaker import Breaker
    from trivet.core.policies.coalesce import Coalesce
    from trivet.core.policies.deadline import Timeout
    from trivet.core.policies.policy import Policy
    from trivet.core.policies.rate_limit import RateLimit
    from trivet.core.policies.retry import Retry
    from trivet.drivers.clock import AsyncClock, SyncClock
    from trivet.transports.protocol import AsyncTransport, Transport

F = TypeVar("F", bound=Callable[..., Any])


class CallOptions(TypedDict, total=False):
    """What every verb takes.

    ``params``: query parameters, added to those of the target; lists repeat, None is left out.
    ``path``: values for the ``{name}`` places of the target.
    ``headers``: added to, and before, the client's own.
    ``timeout``: a `Timeout`, or the total seconds. ``retry``: a `Retry`, a number of retries, or None.
    ``cache``: False passes by the client's cache, "refresh" asks the server and stores what it says.
    ``auth``: other credentials for this call, or None.
    ``idempotency_key``: sent as ``Idempotency-Key``; True makes one up.
    ``raise_for_status``: False hands back a response of any status.
    ``on_interim``: called with each 1xx response.
    """

    params: Params
    path: Mapping[str, Any] | None
    headers: HeadersInput
    timeout: Timeout | float | None
    retry: Retry | int | None
    cache: Literal[False, "refresh"] | None
    auth: Auth | None
    idempotency_key: str | bool | None
    raise_for_status: bool
    on_interim: Callable[[Response], None] | None


class BodyOptions(CallOptions, total=False):
    """What the verbs with content take besides ``json``: at most one of these (``files`` and ``form`` go together).

    ``form``: fields, sent URL-encoded. ``files``: sent as multipart/form-data (RFC 7578), streamed.
    ``content``: bytes, text, an open file, an iterator, or a function that makes iterators.
    """

    form: FormInput
    content: ContentInput
    files: FilesInput


class ClientOptions(TypedDict, total=False):
    """What a client takes besides the base URL.

    ``auth``: credentials for calls to the base URL's origin. ``headers``, ``params``: sent with every call.
    ``timeout``, ``retry``, ``redirects`` (how many are followed), ``rate_limit`` (a `RateLimit` or calls per
    second), ``breaker`` (a `Breaker` or True), ``raise_for_status``: how calls behave.
    ``cache``: a `Cache`; True is one by RFC 9111 in memory, a number of seconds keeps successful GETs for so long.
    ``coalesce``: whether identical requests at the same time become one; None: if there is a cache.
    ``policies``: policies of your own; each says by its ``stage`` where it stands.
    ``idempotency_keys``: True sends an ``Idempotency-Key`` with every POST and PATCH.
    ``limits``: a `Limits`. ``transport``: a transport of your own, instead of the following five.
    ``verify``: True, False, a CA file, or an ``ssl.SSLContext``. ``cert``: client certificate, a file or a
    pair of certificate and key file. ``http2``, ``proxy`` (a URL), ``trust_env`` (read proxies from the
    environment).
    ``log``: a logger, or False for none. ``debug``: log headers and bodies, redacted. ``rng``: the source of
    randomness. ``clock``: another clock, such as a virtual one in a test.
    """

    auth: Auth | None
    headers: HeadersInput
    params: Params
    timeout: Timeout | float | None
    retry: Retry | int | None
    cache: Cache | bool | float | None
    coalesce: Coalesce | bool | None
    rate_limit: RateLimit | float | None
    breaker: Breaker | bool | None
    redirects: int | bool
    raise_for_status: bool
    policies: Sequence[Policy]
    idempotency_keys: bool
    limits: Limits
    transport: Transport | AsyncTransport
    verify: bool | str | ssl.SSLContext
    cert: str | tuple[str, str] | None
    http2: bool
    proxy: str | None
    trust_env: bool
    log: logging.Logger | Literal[False] | None
    debug: bool
    rng: Rng
    clock: SyncClock | AsyncClock


TRANSPORT_OPTIONS = frozenset({"verify", "cert", "http2", "proxy", "trust_env"})
"""Options of the transport that a client makes for itself."""

CONNECTION_OPTIONS = TRANSPORT_OPTIONS | {"transport", "limits", "rng", "clock"}
"""Options that belong to the connections, which sibling clients share."""


def takes(options: type) -> Callable[[F], F]:
    """Show the options of a TypedDict in the signature of a function that takes them as ``**options``.

    Type checkers know them from the annotation; this is for `help`, `inspect.signature` and documentation.
    """

    def decorate(function: F) -> F:
        plain = signature(function)
        kept = [p for p in plain.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        names = [p for p in options.__annotations__ if p not in plain.parameters]
        shown = [Parameter(name, Parameter.KEYWORD_ONLY, default=UNSET) for name in names]
        function.__signature__ = plain.replace(parameters=kept + shown)  # type: ignore[attr-defined]  # read by inspect
        return function

    return decorate


def check_names(options: Mapping[str, object], allowed: Collection[str], caller: str) -> None:
    """Raise `TypeError` for an option that there is not, as Python itself would, with the likely right name."""
    for name in options:
        if name not in allowed:
            from difflib import get_close_matches

            close = get_close_matches(name, allowed, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}{hint}")
