"""A tunnel through a SOCKS5 proxy (RFC 1928, RFC 1929), with the package socksio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from httpcore import ProxyError
from socksio import socks5

from trivet.transports.flows.actions import ReadSocket, WriteSocket

if TYPE_CHECKING:
    from trivet.transports.flows.actions import SocketFlow
    from trivet.transports.flows.routes import Route
    from trivet.transports.proxies import Proxy


def open_socks_tunnel(stream: Any, route: Route, proxy: Proxy) -> SocketFlow[None]:
    """Have the proxy connect to the origin. It resolves the name, whatever the scheme of its URL is."""
    connection = socks5.SOCKS5Connection()
    method = socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED
    if proxy.credentials is not None:
        method = socks5.SOCKS5AuthMethod.USERNAME_PASSWORD
    chosen = yield from _ask(stream, connection, socks5.SOCKS5AuthMethodsRequest([method]))
    if chosen.method != method:
        raise ProxyError(f"it wants another way of authentication ({chosen.method.name})")
    if proxy.credentials is not None:
        proof = yield from _ask(stream, connection, socks5.SOCKS5UsernamePasswordRequest(*proxy.credentials))
        if not proof.success:
            raise ProxyError("it does not accept the user and the password")
    command = socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, (route.host, route.port))
    reply = yield from _ask(stream, connection, command)
    if reply.reply_code != socks5.SOCKS5ReplyCode.SUCCEEDED:
        raise ProxyError(reply.reply_code.name.replace("_", " ").capitalize())


def _ask(stream: Any, connection: Any, question: Any) -> SocketFlow[Any]:
    connection.send(question)
    yield WriteSocket(stream, connection.data_to_send())
    received = b""
    while len(received) < _length(received, question):
        data: bytes = yield ReadSocket(stream)
        if not data:
            raise ProxyError("it closed the connection")
        received += data
    if len(received) > _length(received, question):
        # What comes behind the answer would be taken for the origin's, which has not been asked anything yet.
        raise ProxyError("it sent more than an answer")
    return connection.receive_data(received)


def _length(received: bytes, question: Any) -> int:
    """How long the answer is, as far as that can be told by what has come of it."""
    if not isinstance(question, socks5.SOCKS5CommandRequest):
        return 2
    kind = received[3:4]
    if kind == socks5.SOCKS5AType.DOMAIN_NAME:
        size = 1 + received[4] if len(received) > 4 else 1
    else:
        size = 16 if kind == socks5.SOCKS5AType.IPV6_ADDRESS else 4
    return 4 + size + 2
