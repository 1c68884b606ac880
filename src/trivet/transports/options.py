"""The settings that every pool of a transport is made with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from trivet.core.errors import ConfigError
from trivet.core.limits import Limits
from trivet.transports.proxies import EnvironmentProxies, Proxy

if TYPE_CHECKING:
    import ssl

    import httpcore

    from trivet.core.http.url import URL
    from trivet.transports.tls import ClientCertificate, Path


class ConnectionOptions:
    """Checked settings. Raises `ConfigError` for those that make no sense, or none together."""

    __slots__ = (
        "_cert",
        "_context",
        "_environment",
        "_environment_proxies",
        "_lock",
        "_origin_context",
        "_proxy",
        "_proxy_context",
        "_verify",
        "http2",
        "limits",
        "local_address",
        "socket_options",
        "uds",
    )

    def __init__(
        self,
        *,
        limits: Limits,
        verify: bool | Path | ssl.SSLContext,
        cert: ClientCertificate | None,
        http2: bool,
        proxy: str | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
        uds: str | None,
        environment: Mapping[str, str] | None,
    ) -> None:
        self.limits = limits
        self.http2 = http2
        self.local_address = local_address
        self.socket_options = None if socket_options is None else tuple(socket_options)
        self.uds = uds
        self._verify = verify
        self._cert = cert
        self._environment = environment
        self._proxy = None if proxy is None else Proxy.parse(proxy)
        self._environment_proxies: EnvironmentProxies | None = None
        if environment is not None and proxy is None and uds is None:
            self._environment_proxies = EnvironmentProxies(environment)
        self._context: ssl.SSLContext | None = None
        self._origin_context: ssl.SSLContext | None = None
        self._proxy_context: ssl.SSLContext | None = None
        self._lock = Lock()
        self._check()

    def _check(self) -> None:
        verify, given_context = self._verify, not isinstance(self._verify, bool | str | os.PathLike)
        if given_context and not hasattr(verify, "wrap_bio"):
            raise ConfigError(
                f"verify takes True, False, the path of a file or directory of CA certificates, or an ssl.SSLContext, "
                f"not {type(verify).__name__}"
            )
        if isinstance(verify, str | os.PathLike) and not os.path.exists(verify):
            raise ConfigError(f"verify: there is no file or directory {os.fspath(verify)!r}")
        if given_context and self._cert is not None:
            raise ConfigError("cert and an SSLContext exclude each other: load the client certificate into the context")
        if self.uds is not None and self._proxy is not None:
            raise ConfigError("uds and proxy exclude each other")
        if self.uds is not None and self.local_address is not None:
            raise ConfigError("uds and local_address exclude each other")

    def proxy_for(self, url: URL) -> Proxy | None:
        """The proxy for a request, if it takes one."""
        if self._environment_proxies is None:
            return self._proxy
        return self._environment_proxies.find(url.scheme, url.host, url.port)

    def context(self) -> ssl.SSLContext:
        """The one TLS context for all origins."""
        with self._lock:
            if self._context is None:
                self._context = self.new_context()
            return self._context

    def origin_context(self) -> ssl.SSLContext:
        """`context`, told which protocols to offer (RFC 7301)."""
        context = self._origin_context
        if context is None:
            context = self.context()
            context.set_alpn_protocols(["h2", "http/1.1"] if self.http2 else ["http/1.1"])
            self._origin_context = context
        return context

    def proxy_context(self) -> ssl.SSLContext:
        """The TLS context for proxies, which are offered HTTP/1.1 only, and shown no client certificate."""
        context = self._proxy_context
        if context is None:
            from trivet.transports.tls import make_context

            context = make_context(self._verify, None, self._environment)
            if context is not self._verify:
                context.set_alpn_protocols(["http/1.1"])
            self._proxy_context = context
        return context

    def new_context(self) -> ssl.SSLContext:
        """A TLS context with the same trust, or the one that was given."""
        from trivet.transports.tls import make_context

        return make_context(self._verify, self._cert, self._environment)


def require_package(module: str, setting: str, extra: str) -> None:
    """Raise `ConfigError` that says what to install, if an optional package is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(f"{setting} needs the package {module}: pip install 'trivet[{extra}]'")
