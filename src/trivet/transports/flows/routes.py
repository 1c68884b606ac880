"""How requests get to their origins: directly, through a Unix socket, or through a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trivet.transports.options import require_package

if TYPE_CHECKING:
    from trivet.core.http.url import URL
    from trivet.transports.options import ConnectionOptions
    from trivet.transports.proxies import Proxy

_MAX_KNOWN: Final = 256


class Route:
    """The way to one origin.

    ``key``: connections with the same one are interchangeable. ``shared``: they are likely to carry several requests
    at a time. ``forwarded``: the proxy reads the requests, as it does for ``http://``.
    """

    __slots__ = ("forwarded", "host", "key", "port", "proxy", "shared", "tls")

    def __init__(self, url: URL, proxy: Proxy | None, *, shared: bool) -> None:
        self.host = url.host
        self.port = url.port
        self.tls = url.scheme == "https"
        self.proxy = proxy
        self.shared = shared and self.tls
        self.forwarded = proxy is not None and not self.tls and proxy.scheme in ("http", "https")
        if proxy is None:
            self.key = url.origin
        elif self.forwarded:
            self.key = proxy.url
        else:
            self.key = f"{url.origin} through {proxy.url}"


class Routes:
    """Finds the route of a request, and remembers it. ``sharing``: whether requests may share a connection."""

    __slots__ = ("_known", "_options", "_sharing")

    def __init__(self, options: ConnectionOptions, *, sharing: bool) -> None:
        self._options = options
        self._sharing = sharing
        self._known: dict[str, Route] = {}

    def find(self, url: URL) -> Route:
        """The route to the origin of a URL."""
        route = self._known.get(url.origin)
        if route is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            route = self._known[url.origin] = self._make(url)
        return route

    def _make(self, url: URL) -> Route:
        options = self._options
        proxy = options.proxy_for(url)
        if options.http2:
            require_package("h2", "http2=True", "http2")
        if proxy is not None and proxy.scheme.startswith("socks"):
            require_package("socksio", "a SOCKS proxy", "socks")
        return Route(url, proxy, shared=self._sharing and options.http2)
