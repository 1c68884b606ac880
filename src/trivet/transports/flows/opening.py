"""Opening a connection: to the origin or to a proxy, through a tunnel, with TLS, for either version of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from httpcore import ProxyError

from trivet.transports.flows.actions import ConnectTCP, ConnectUnix, ReadSocket, StartTLS, WriteSocket
from trivet.transports.flows.forwarding import Forwarding, proxy_fields
from trivet.transports.http1.connection import HTTP11Connection
from trivet.transports.http1.plain_codec import PlainCodec
from trivet.transports.network.clamped import name_peer, negotiated_http2
from trivet.transports.network.operation import Step

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from trivet.transports.flows.actions import SocketFlow, Waiter
    from trivet.transports.flows.connection import Connection
    from trivet.transports.flows.routes import Route
    from trivet.transports.network.operation import Operation
    from trivet.transports.options import ConnectionOptions
    from trivet.transports.proxies import Proxy


class Opener:
    """Opens connections with the settings of one transport.

    ``abort`` closes a stream at once; ``new_waiter`` makes what the requests on a shared connection wait on.
    """

    __slots__ = ("_abort", "_new_waiter", "options")

    def __init__(
        self, options: ConnectionOptions, abort: Callable[[Any], None], new_waiter: Callable[[], Waiter]
    ) -> None:
        self.options = options
        self._abort = abort
        self._new_waiter = new_waiter

    def open(
        self, route: Route, operation: Operation, on_resize: Callable[[Connection, int], None]
    ) -> SocketFlow[Connection]:
        """Open a connection along the route. Whatever ends this early leaves no stream open."""
        stream: Any = None
        opened: Connection | None = None
        try:
            stream = yield from self._reach(route, operation)
            if route.proxy is not None:
                if route.proxy.scheme == "https":
                    context = self.options.proxy_context()
                    stream = yield from self._secure(stream, context, route.proxy.host, operation)
                if not route.forwarded:
                    yield from self._tunnel(stream, route, route.proxy, operation)
            if route.tls:
                stream = yield from self._secure(stream, self.options.origin_context(), route.host, operation)
            opened = self._speak(stream, route, on_resize)
            return opened
        finally:
            if opened is None and stream is not None:
                self._abort(stream)

    def _reach(self, route: Route, operation: Operation) -> SocketFlow[Any]:
        uds, proxy = self.options.uds, route.proxy
        if uds is not None:
            operation.begin_connect(uds)
            return (yield ConnectUnix(uds))
        host, port = (route.host, route.port) if proxy is None else (proxy.host, proxy.port)
        operation.begin_connect(name_peer(host, port))
        return (yield ConnectTCP(host, port))

    def _secure(self, stream: Any, context: ssl.SSLContext, host: str, operation: Operation) -> SocketFlow[Any]:
        operation.begin_handshake()
        # A name may end in a dot, which is no part of it in a certificate (RFC 6066 §3).
        return (yield StartTLS(stream, context, host.removesuffix(".")))

    def _tunnel(self, stream: Any, route: Route, proxy: Proxy, operation: Operation) -> SocketFlow[None]:
        operation.step = Step.TUNNEL
        if proxy.scheme in ("http", "https"):
            yield from self._connect_tunnel(stream, route, proxy)
        else:
            from trivet.transports.flows.socks import open_socks_tunnel

            yield from open_socks_tunnel(stream, route, proxy)

    def _connect_tunnel(self, stream: Any, route: Route, proxy: Proxy) -> SocketFlow[None]:
        """Ask an HTTP proxy for a tunnel (RFC 9110 §9.3.6)."""
        from trivet.transports.http1.h11_codec import H11Codec

        codec = H11Codec(self.options.limits)
        target = name_peer(route.host, route.port)
        yield WriteSocket(
            stream, codec.message("CONNECT", target, [(b"Host", target.encode("ascii")), *proxy_fields(proxy)], b"")
        )
        interim = 0
        while True:
            head = codec.head()
            if head is None:
                codec.feed((yield ReadSocket(stream)))
            elif head.status >= 200:
                break
            elif (interim := interim + 1) > self.options.limits.max_interim:
                raise ProxyError(f"it sent {interim} interim responses")
        if head.status >= 300:
            raise ProxyError(f"{head.status} {head.reason.decode('latin-1')}".rstrip())
        if codec.trailing:
            # Whoever speaks before us in there is not the origin, which waits for a TLS handshake.
            raise ProxyError("the proxy sent more than its answer")

    def _speak(self, stream: Any, route: Route, on_resize: Callable[[Connection, int], None]) -> Connection:
        limits = self.options.limits
        if route.tls and self.options.http2 and negotiated_http2(stream.get_extra_info("ssl_object")):
            from trivet.transports.http2.connection import HTTP2Connection

            connection: Any = HTTP2Connection(
                stream, limits, self._new_waiter, lambda capacity: on_resize(connection, capacity)
            )
            found: Connection = connection
            return found
        forwarding = Forwarding(route.proxy) if route.forwarded and route.proxy is not None else None
        return HTTP11Connection(stream, PlainCodec(limits), limits, forwarding)
