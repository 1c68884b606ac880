"""Proxies: how they are named, which requests take them, and what goes over the wire."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import Peer, close, drip, hang, read_head, read_request, repeat, reset, send, start_tls
from servers.tls import Authority
from servers.unreachable import Refusing
from transports.calling import calling
from trivet.core.errors import AttemptTimeout, ConfigError, ConnectError, ConnectTimeout, RemoteProtocolError
from trivet.core.http.request import Request
from trivet.transports.httpcore_transport import HTTPCoreTransport
from trivet.transports.proxies import EnvironmentProxies, Proxy

pytestmark = pytest.mark.usefixtures("engine_of_ours")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "url", "credentials"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example", "http://proxy.example:80", None),
        ("https://proxy.example", "https://proxy.example:443", None),
        ("socks5://proxy.example", "socks5://proxy.example:1080", None),
        ("socks5h://proxy.example:9050/", "socks5h://proxy.example:9050", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("http://[::1]:3128", "http://[::1]:3128", None),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128", None),
        ("http://ada:s%3Acr%C3%A4t@proxy.example", "http://proxy.example:80", (b"ada", "s:crät".encode())),
        ("http://ada@proxy.example", "http://proxy.example:80", (b"ada", b"")),
    ],
)
def test_proxy_urls(text: str, url: str, credentials: tuple[bytes, bytes] | None) -> None:
    proxy = Proxy.parse(text)
    assert (proxy.url, proxy.credentials) == (url, credentials)
    assert repr(proxy) == f"<Proxy {url}>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://ada:secret@proxy.example", "not ftp://"),
        ("http://ada:secret@proxy.example:port", "malformed"),
        ("http://ada:secret@[::1", "malformed"),
        ("http://ada:secret@", "no valid host name"),
        ("http://ada:secret@prox y.example", "no valid host name"),
        ("http://ada:secret@prøxy.example", "no valid host name"),
        ("", "no valid host name"),
    ],
)
def test_malformed_proxy_urls(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        HTTPCoreTransport(proxy=text)
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("proxy: ")


P, Q, R = "http://p.example:1", "http://q.example:2", "socks5://r.example:3"


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://a.example", None),
        ({"http_proxy": P}, "http://a.example", P),
        ({"http_proxy": P}, "https://a.example", None),
        ({"HTTP_PROXY": P}, "http://a.example", P),
        ({"HTTPS_PROXY": P, "https_proxy": Q}, "https://a.example", Q),
        ({"ALL_PROXY": R, "https_proxy": Q}, "https://a.example", Q),
        ({"ALL_PROXY": R, "https_proxy": Q}, "http://a.example", R),
        ({"http_proxy": " "}, "http://a.example", None),
        # httpoxy: under CGI the client's Proxy field arrives as HTTP_PROXY.
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, "http://a.example", None),
        ({"http_proxy": Q, "HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, "http://a.example", Q),
        ({"HTTPS_PROXY": P, "REQUEST_METHOD": "GET"}, "https://a.example", P),
    ],
)
def test_which_proxy_the_environment_names(environment: dict[str, str], url: str, proxy: str | None) -> None:
    scheme, _, host = url.partition("://")
    found = EnvironmentProxies(environment).find(scheme, host, {"http": 80, "https": 443}[scheme])
    assert (None if found is None else found.url) == proxy


@pytest.mark.parametrize(
    ("entries", "host", "port", "direct"),
    [
        ("*", "a.example", 80, True),
        ("a.example", "a.example", 80, True),
        ("a.example", "A.example", 80, True),
        ("a.example", "b.a.example", 80, True),
        ("a.example", "ba.example", 80, False),
        ("a.example", "example", 80, False),
        (".a.example", "a.example", 80, True),
        (".a.example", "b.a.example", 80, True),
        ("*.a.example", "b.a.example", 80, True),
        ("a.example:80", "a.example", 80, True),
        ("a.example:81", "a.example", 80, False),
        (" x.example , a.example ,, ", "a.example", 80, True),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1:80", "127.0.0.1", 81, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "a.example", 80, False),
        ("10.0.0.0/8", "::1", 80, False),
        ("10.0.0.0/99", "10.1.2.3", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:81", "::1", 80, False),
        ("fd00::/8", "fd00::1", 80, True),
        ("", "a.example", 80, False),
    ],
)
def test_what_goes_past_the_proxy(entries: str, host: str, port: int, direct: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        proxies = EnvironmentProxies({"http_proxy": P, name: entries})
        assert (proxies.find("http", host, port) is None) is direct


def test_a_malformed_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="^HTTPS_PROXY: ") as caught:
        EnvironmentProxies({"HTTPS_PROXY": "ftp://ada:secret@proxy.example"})
    assert "secret" not in str(caught.value)


# On the wire. The hostile server is the proxy, and what is behind it.


def test_a_plain_request_is_forwarded(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, proxy=f"http://ada:pw@127.0.0.1:{server.port}") as caller:
            assert await caller.fetch(Request("POST", "http://origin.example/a?b", {"X": "y"}, b"data")) == b"hello"
            assert await caller.fetch("http://origin.example/") == b"hello"

    runtime.run(scenario)
    head = server.requests[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0] in (
        b"POST http://origin.example/a?b HTTP/1.1",
        b"POST http://origin.example:80/a?b HTTP/1.1",  # as httpcore writes it
    )
    assert b"Host: origin.example" in head
    assert b"Proxy-Authorization: Basic YWRhOnB3" in head
    assert server.connections == 1


def test_a_tls_request_goes_through_a_tunnel(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    context = tls.server_context("origin.example")
    server = hostile([read_head, send(OPENED), start_tls(context), repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, proxy=f"http://ada:pw@127.0.0.1:{server.port}") as caller:
            request = Request("POST", "https://origin.example/a", {"Authorization": "Bearer token"}, b"data")
            assert await caller.fetch(request) == b"hello"
            assert await caller.fetch("https://origin.example/") == b"hello"

    runtime.run(scenario)
    connect, first, second = server.requests
    assert connect.startswith(b"CONNECT origin.example:443 HTTP/1.1\r\n")
    # Each side sees its own credentials only.
    assert b"Proxy-Authorization: Basic YWRhOnB3" in connect
    assert b"token" not in connect
    assert b"proxy-authorization" not in (first + second).lower()
    assert server.connections == 1


def test_a_tunnel_through_a_tls_proxy(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    """TLS inside TLS: the server unwraps both layers."""
    inner = tls.server_context("origin.example")
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000

    def nested_tls(peer: Peer) -> None:
        outer = peer.socket
        near, far = socket.socketpair()

        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                socket.socket.shutdown(target, socket.SHUT_WR)
            except OSError:
                pass  # one of the two sides has gone away

        def relay() -> None:
            with outer, far:
                back = threading.Thread(target=pump, args=(far, outer))
                back.start()
                pump(outer, far)
                back.join()

        threading.Thread(target=relay).start()
        peer.socket = inner.wrap_socket(near, server_side=True)

    server = hostile(
        [start_tls(tls.server_context()), read_head, send(OPENED), nested_tls, repeat(read_request, send(large))]
    )

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, proxy=f"https://localhost:{server.port}") as caller:
            for _ in range(2):
                request = Request("POST", "https://origin.example/a", (), b"y" * 1_000_000)
                assert await caller.fetch(request) == b"x" * 1_000_000

    runtime.run(scenario)
    assert [len(request) > 1_000_000 for request in server.requests] == [False, True, True]


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (
            [read_head, send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")],
            ConnectError,
            "opened no tunnel: 407 Proxy Authentication Required",
        ),
        ([read_head, close], ConnectError, "opened no tunnel: Server disconnected"),
        ([read_head, reset], ConnectError, "opened no tunnel: Connection reset"),
        ([read_head, send(b"SSH-2.0\r\n\r\n")], ConnectError, "opened no tunnel: "),
        ([read_head, hang], ConnectTimeout, r"opened no tunnel within 0\.\d+ s"),
        ([read_head, drip(OPENED)], ConnectTimeout, r"opened no tunnel within 0\.\d+ s"),
        ([read_head, send(OPENED), hang], ConnectTimeout, r"the TLS handshake with .* did not finish within 0\.\d+ s"),
        ([read_head, send(OPENED), close], ConnectError, "the TLS handshake with .* failed"),
    ],
    ids=["refused", "closed", "reset", "garbage", "silent", "dripping", "silent-origin", "closed-origin"],
)
@pytest.mark.parametrize("limit", ["within", "connect"])
def test_no_tunnel(
    runtime: Runtime, hostile: MakeHostile, script: Any, kind: type[Exception], message: str, limit: str
) -> None:
    server = hostile(script)

    async def scenario() -> None:
        async with calling(runtime, proxy=server.url) as caller:
            options = {limit: 0.2 if kind is ConnectTimeout else 20.0}
            with pytest.raises(kind, match=message) as caught:
                await caller.send(Request("POST", "https://origin.example/", (), b"data"), **options)
            assert caught.value.sent is False  # type: ignore[attr-defined]  # a TransportError
            server.release()
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_a_proxy_that_refuses_connections(runtime: Runtime, refusing: Refusing) -> None:
    async def scenario() -> None:
        async with calling(runtime, proxy=refusing.url) as caller:
            for url in ("http://origin.example/", "https://origin.example/"):
                with pytest.raises(ConnectError, match=f"connection refused by {refusing.url[7:]}") as caught:
                    await caller.send(url)
                assert caught.value.sent is False

    runtime.run(scenario)


def test_what_was_sent_through_a_tunnel(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    context = tls.server_context("origin.example")
    server = hostile([read_head, send(OPENED), start_tls(context), read_head, send(OK), read_head, close])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, proxy=server.url) as caller:
            assert await caller.fetch("https://origin.example/") == b"hello"
            with pytest.raises(RemoteProtocolError, match="without answering") as caught:
                await caller.send("https://origin.example/")
        assert (caught.value.sent, caught.value.stale) == (True, True)

    runtime.run(scenario)


def socks5(reply: int = 0) -> Any:
    """A SOCKS5 server's part (RFC 1928, RFC 1929): asks for user and password, then answers the command."""

    def step(peer: Peer) -> None:
        version, methods = peer.read_exactly(2)
        peer.server.note_request(bytes([version]) + peer.read_exactly(methods))
        peer.socket.sendall(b"\x05\x02")
        _, length = peer.read_exactly(2)
        user = peer.read_exactly(length)
        password = peer.read_exactly(peer.read_exactly(1)[0])
        peer.server.note_request(user + b":" + password)
        peer.socket.sendall(b"\x01\x00")
        _, _, _, kind = peer.read_exactly(4)
        host = peer.read_exactly(peer.read_exactly(1)[0]) if kind == 3 else peer.read_exactly(4)
        (port,) = struct.unpack("!H", peer.read_exactly(2))
        peer.server.note_request(b"%s:%d" % (host, port))
        peer.socket.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))

    return step


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_socks(runtime: Runtime, hostile: MakeHostile, tls: Authority, scheme: str) -> None:
    wrap = [start_tls(tls.server_context("origin.example"))] if scheme == "https" else []
    server = hostile([socks5(), *wrap, read_head, send(OK), read_head, close])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, proxy=f"socks5://ada:pw@127.0.0.1:{server.port}") as caller:
            assert await caller.fetch(f"{scheme}://origin.example/a") == b"hello"
            with pytest.raises(RemoteProtocolError, match="without answering") as caught:
                await caller.send(f"{scheme}://origin.example/a")
            assert (caught.value.sent, caught.value.stale) == (True, True)

    runtime.run(scenario)
    port = {"http": 80, "https": 443}[scheme]
    assert server.requests[1:3] == [b"ada:pw", b"origin.example:%d" % port]
    assert server.requests[3].startswith(b"GET /a HTTP/1.1\r\nHost: origin.example\r\n")


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ([socks5(5), hang], ConnectError, "opened no tunnel: (Proxy Server could not connect: )?Connection refused"),
        (
            [lambda peer: peer.read_more(), send(b"\x05\xff"), hang],
            ConnectError,
            "opened no tunnel: (Requested|it wants another way of authentication)",
        ),
        ([lambda peer: peer.read_more(), send(b"HTTP"), hang], ConnectError, "opened no tunnel: "),
        ([lambda peer: peer.read_more(), hang], ConnectTimeout, r"opened no tunnel within 0\.\d+ s"),
    ],
    ids=["refused", "no-method", "not-socks", "silent"],
)
def test_no_socks_tunnel(
    runtime: Runtime, hostile: MakeHostile, script: Any, kind: type[Exception], message: str
) -> None:
    server = hostile(script)

    async def scenario() -> None:
        async with calling(runtime, proxy=f"socks5://ada:pw@127.0.0.1:{server.port}") as caller:
            with pytest.raises(kind, match=message) as caught:
                await caller.send("http://origin.example/", connect=0.2 if kind is ConnectTimeout else None)
            assert caught.value.sent is False  # type: ignore[attr-defined]  # a TransportError
            server.release()
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


@pytest.mark.parametrize("trusted", [False, True])
def test_the_environment_is_heeded_only_if_it_is_trusted(
    runtime: Runtime, hostile: MakeHostile, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    proxy = hostile([repeat(read_request, send(OK))])
    origin = hostile([repeat(read_request, send(OK))])
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost")

    async def scenario() -> None:
        async with calling(runtime, trust_env=trusted) as caller:
            assert await caller.fetch(origin.url) == b"hello"
            assert await caller.fetch(f"http://localhost:{origin.port}/") == b"hello"

    runtime.run(scenario)
    assert (len(proxy.requests), len(origin.requests)) == ((1, 1) if trusted else (0, 2))


@pytest.mark.parametrize(
    ("settings", "module", "message"),
    [
        ({"proxy": "socks5://proxy.example"}, "socksio", r"a SOCKS proxy needs .* 'trivet\[socks\]'"),
        ({"http2": True}, "h2", r"http2=True needs .* 'trivet\[http2\]'"),
    ],
)
def test_packages_that_are_missing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], module: str, message: str
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))

    async def scenario() -> None:
        async with calling(runtime, **settings) as caller:
            with pytest.raises(ConfigError, match=message):
                await caller.send("http://origin.example/")

    runtime.run(scenario)


def test_a_forwarded_request_that_is_not_answered_was_sent(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, hang])

    async def scenario() -> None:
        async with calling(runtime, proxy=server.url) as caller:
            with pytest.raises(AttemptTimeout, match="did not answer") as caught:
                await caller.send("http://origin.example/", within=0.5)
            assert caught.value.sent is True

    runtime.run(scenario)
