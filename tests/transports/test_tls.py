"""TLS: whom a transport trusts, and what it says of those it does not."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import close, half_close, read_head, read_request, repeat, send, start_tls
from servers.tls import Authority
from transports.calling import calling
from trivet.core.errors import ConfigError, ConnectError, ReadError, RemoteProtocolError
from trivet.core.http.request import Request
from trivet.transports.httpcore_transport import HTTPCoreTransport
from trivet.transports.tls import LazyContext, make_context

pytestmark = pytest.mark.usefixtures("engine_of_ours")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("kind", ["file", "text", "directory", "context", "nobody"])
def test_whom_to_trust(runtime: Runtime, hostile: MakeHostile, tls: Authority, tmp_path: Path, kind: str) -> None:
    server = hostile([start_tls(tls.server_context()), repeat(read_request, send(OK))])
    verify: Any = {
        "file": tls.ca_pem,
        "text": str(tls.ca_pem),
        "context": tls.client_context(),
        "nobody": False,
    }.get(kind)
    if kind == "directory":
        # OpenSSL finds an authority in a directory by the hash of its name.
        command = ["openssl", "x509", "-hash", "-noout", "-in", str(tls.ca_pem)]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        shutil.copy(tls.ca_pem, tmp_path / f"{name}.0")
        verify = tmp_path

    async def scenario() -> None:
        async with calling(runtime, verify=verify) as caller:
            assert await caller.fetch(Request("POST", server.tls_url, (), b"data")) == b"hello"
            assert await caller.fetch(server.tls_url) == b"hello"

    runtime.run(scenario)
    assert server.connections == 1


@pytest.mark.parametrize(
    ("names", "trusted", "message"),
    [
        ((), False, "certificate verify failed: "),
        (("elsewhere.example",), True, "certificate verify failed: Hostname mismatch"),
    ],
    ids=["unknown-authority", "another-name"],
)
def test_a_certificate_that_cannot_be_verified(
    runtime: Runtime,
    hostile: MakeHostile,
    tls: Authority,
    names: tuple[str, ...],
    trusted: bool,
    message: str,
) -> None:
    server = hostile([start_tls(tls.server_context(*names)), read_request])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem if trusted else True) as caller:
            with pytest.raises(ConnectError, match=message) as caught:
                await caller.send(server.tls_url)
            assert caught.value.sent is False
            assert caught.value.permanent is True
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_a_server_that_does_not_speak_tls(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([lambda peer: peer.read_more(), send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), close])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(ConnectError, match=f"the TLS handshake with localhost:{server.port} failed") as caught:
                await caller.send(server.tls_url)
        assert caught.value.sent is False
        assert caught.value.permanent is False

    runtime.run(scenario)


def test_a_server_that_closes_in_the_handshake(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([lambda peer: peer.read_more(), close])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(ConnectError, match="the TLS handshake with .* failed") as caught:
                await caller.send(server.tls_url)
        assert caught.value.sent is False

    runtime.run(scenario)


def test_a_connection_that_ends_without_a_farewell(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), read_head, send(OK[:-2]), half_close])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            response = await caller.send(server.tls_url)
            with pytest.raises((RemoteProtocolError, ReadError)):
                await caller.read_all(response)

    runtime.run(scenario)


def scribble(peer: Any) -> None:
    """Write what is no TLS record below the TLS connection."""
    import socket

    socket.socket.sendall(peer.socket, b"\x17\x03\x03\x00\x20" + b"not encrypted" * 10)


def test_a_record_that_does_not_decrypt(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), read_head, scribble, read_request])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            with pytest.raises(ReadError, match="the connection broke .* before it answered") as caught:
                await caller.send(server.tls_url)
        assert caught.value.sent is True

    runtime.run(scenario)


@pytest.mark.parametrize("shape", ["one file", "two files", "two files and a password"])
def test_a_client_certificate(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, tmp_path: Path, shape: str
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("client.example")
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    given: Any = {
        "one file": both,
        "two files": (chain, key),
        "two files and a password": (chain, key, "unused"),
    }
    context = tls.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    server = hostile([start_tls(context), repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem, cert=given[shape]) as caller:
            assert await caller.fetch(server.tls_url) == b"hello"

    runtime.run(scenario)


@pytest.mark.parametrize("setting", ["verify", "cert"])
def test_certificates_that_cannot_be_loaded(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, tmp_path: Path, setting: str
) -> None:
    server = hostile([read_head])
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    settings = {"verify": tls.ca_pem, setting: broken}

    async def scenario() -> None:
        async with calling(runtime, **settings) as caller:
            with pytest.raises(ConfigError, match=rf"^{setting}: .*broken\.pem"):
                await caller.send(server.tls_url)
            server.wait_until(lambda: not server.open)

    runtime.run(scenario)


def test_certificates_are_loaded_by_the_first_connection_that_needs_them(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = LazyContext.load_verify_locations
    monkeypatch.setattr(
        LazyContext, "load_verify_locations", lambda self, **where: (loads.append(where), load(self, **where))
    )
    plain = hostile([repeat(read_request, send(OK))])
    secure = hostile([start_tls(tls.server_context()), read_request, send(OK), close])

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            await caller.fetch(plain.url)
            assert loads == []
            for _ in range(3):
                await caller.fetch(secure.tls_url)

    runtime.run(scenario)
    assert loads == [{"cafile": tls.ca_pem}]
    assert secure.connections == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"verify": "/nowhere/ca.pem"}, "verify: there is no file or directory '/nowhere/ca.pem'"),
        ({"verify": 1.5}, "verify takes True, False, .* not float"),
        ({"verify": None}, "verify takes True, False, .* not NoneType"),
        ({"verify": ssl.create_default_context(), "cert": "client.pem"}, "cert and an SSLContext"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HTTPCoreTransport(**settings)


@pytest.mark.parametrize(
    ("environment", "trusts"),
    [
        (None, False),
        ({}, False),
        ({"SSL_CERT_FILE": "ca_pem"}, True),
        ({"SSL_CERT_DIR": "nothing", "SSL_CERT_FILE": "ca_pem"}, True),
    ],
)
def test_the_environment_names_authorities_only_if_it_is_trusted(
    tls: Authority, environment: dict[str, str] | None, trusts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_pem))
    if environment is not None and "SSL_CERT_FILE" in environment:
        environment["SSL_CERT_FILE"] = str(tls.ca_pem)
    context = make_context(True, None, environment)
    assert isinstance(context, LazyContext)
    context.load()
    issuers = {
        dict(pair for part in each["issuer"] for pair in part).get("organizationName", "")
        for each in context.get_ca_certs()
    }
    assert any("trustme" in issuer for issuer in issuers) is trusts
