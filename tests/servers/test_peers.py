"""The real servers play the parts that other tests count on; checked with the standard library's client."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

import pytest

from servers.httpbin import Httpbin
from servers.nginx import BYTES, HELLO, RECORDS, Nginx
from servers.tls import Authority
from servers.unreachable import Deaf, Refusing


def fetch(url: str, target: str, *, method: str = "GET", body: bytes | None = None, **fields: str) -> HTTPResponse:
    """One request on a connection of its own; the content is read through `read` of the response."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10.0)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request(method, target, body=body, headers={"Connection": "close", **headers})
    return connection.getresponse()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/status/503", 503),
        ("/redirect/3", 302),
        ("/stream-bytes/2000", 200),
        ("/stream/3", 200),
        ("/gzip", 200),
        ("/deflate", 200),
        ("/brotli", 200),
        ("/delay/0", 200),
        ("/drip?duration=0&numbytes=4&delay=0", 200),
        ("/basic-auth/user/password", 401),
        ("/bearer", 401),
        ("/anything", 200),
        ("/links/3", 302),
        ("/etag/abc", 200),
    ],
)
def test_httpbin_answers(httpbin: Httpbin, target: str, status: int) -> None:
    with fetch(httpbin.url, target) as response:
        response.read()
        assert response.status == status


def test_httpbin_echoes_a_chunked_request(httpbin: Httpbin) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    with fetch(
        httpbin.url,
        "/anything",
        method="POST",
        body=body,
        Transfer_Encoding="chunked",
        Content_Type="text/plain",
    ) as response:
        assert json.load(response)["data"] == "hello"


def test_nginx_serves_files_with_validators_and_ranges(nginx: Nginx) -> None:
    with fetch(nginx.url, "/hello.txt") as response:
        assert response.read() == HELLO
        etag = response.headers["ETag"]
    with fetch(nginx.url, "/hello.txt", If_None_Match=etag) as response:
        assert response.status == 304
    with fetch(nginx.url, "/bytes.bin", Range="bytes=256-511") as response:
        assert (response.status, response.read()) == (206, BYTES[256:512])
    with fetch(nginx.url, "/missing") as response:
        assert response.status == 404


def test_nginx_compresses_on_request(nginx: Nginx) -> None:
    with fetch(nginx.url, "/records.json") as response:
        assert json.load(response) == RECORDS
    with fetch(nginx.url, "/records.json", Accept_Encoding="gzip") as response:
        assert response.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        *((f"/redirect/{status}", "{url}/hello.txt") for status in (301, 302, 303, 307, 308)),
        ("/redirect/loop", "{url}/redirect/loop"),
        ("/redirect/to-tls", "{tls_url}/hello.txt"),
    ],
)
def test_nginx_redirects(nginx: Nginx, target: str, location: str) -> None:
    with fetch(nginx.url, target) as response:
        assert response.headers["Location"] == location.format(url=nginx.url, tls_url=nginx.tls_url)


def test_nginx_stores_and_limits_uploads(nginx: Nginx) -> None:
    for method, status in (("PUT", 201), ("PUT", 204), ("DELETE", 204), ("DELETE", 404)):
        body = BYTES if method == "PUT" else None
        with fetch(nginx.url, "/store/upload.bin", method=method, body=body) as response:
            assert response.status == status
    with fetch(nginx.url, "/small", method="POST", body=bytes(1025)) as response:
        assert response.status == 413
    with fetch(nginx.url, "/unavailable") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")


def test_nginx_speaks_tls_to_those_who_trust_its_authority(nginx: Nginx, tls: Authority) -> None:
    with urllib.request.urlopen(f"{nginx.tls_url}/protocol", context=tls.client_context()) as response:
        assert response.read() == b"HTTP/1.1 TLSv1.3\n"
    connection = HTTPSConnection(urlsplit(nginx.tls_url).netloc, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/")


def test_nginx_offers_http2(nginx: Nginx, tls: Authority) -> None:
    context = tls.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", urlsplit(nginx.tls_url).port)
    with (
        socket.create_connection(address) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"


def test_nobody_answers_where_nobody_should(refusing: Refusing, deaf: Deaf) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(refusing.url).port), timeout=10.0)
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", urlsplit(deaf.url).port), timeout=0.05)
