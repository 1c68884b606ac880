"""The synchronous clients, each with room for 100 connections, and the timeouts of Trivet where it has them.

Each function makes a client and returns what performs one request: a small GET whose JSON is decoded, or a stream
of so many bytes that is read piece by piece and counted. Imports are local, since a process measures one client.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 100
IDLE = 60.0
CONNECT, READ, TOTAL = 5.0, 30.0, 60.0
# httpcore takes them with each request.
HTTPCORE_TIMEOUTS = {"timeout": {"connect": CONNECT, "read": READ, "write": READ, "pool": TOTAL}}


def httpx_options(httpx: Any) -> dict[str, Any]:
    """For httpx and httpx2. A proxy of the environment would be asked for the loopback interface too."""
    return {
        "limits": httpx.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE
        ),
        "timeout": httpx.Timeout(READ, connect=CONNECT, pool=TOTAL),
        "trust_env": False,
    }


def trivet_get(url: str) -> Callable[[], Any]:
    import trivet

    client = trivet.Client(url)
    return lambda: client.get("/item")


def httpcore_get(url: str) -> Callable[[], Any]:
    import httpcore

    pool = httpcore.ConnectionPool(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE
    )
    target = f"{url}/item"
    return lambda: json.loads(pool.request("GET", target, extensions=HTTPCORE_TIMEOUTS).content)


def httpx_get(url: str) -> Callable[[], Any]:
    import httpx

    client = httpx.Client(base_url=url, **httpx_options(httpx))
    return lambda: client.get("/item").json()


def httpx2_get(url: str) -> Callable[[], Any]:
    import httpx2

    client = httpx2.Client(base_url=url, **httpx_options(httpx2))
    return lambda: client.get("/item").json()


def urllib3_get(url: str) -> Callable[[], Any]:
    import urllib3

    pool = urllib3.PoolManager(maxsize=CONNECTIONS, timeout=urllib3.Timeout(connect=CONNECT, read=READ))
    target = f"{url}/item"
    return lambda: pool.request("GET", target).json()


def h11_get(url: str) -> Callable[[], Any]:
    """No client, but what is left of one without a pool, policies and checks."""
    import socket

    import h11

    address = urlsplit(url)
    connected = socket.create_connection((address.hostname, address.port))
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target="/item", headers=[("Host", address.netloc)])

    def get() -> Any:
        connected.sendall((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        content = b""
        while type(event := connection.next_event()) is not h11.EndOfMessage:
            if event is h11.NEED_DATA:
                connection.receive_data(connected.recv(65536))
            elif type(event) is h11.Data:
                content += event.data
        connection.start_next_cycle()
        return json.loads(content)

    return get


def trivet_stream(url: str) -> Callable[[int], int]:
    import trivet

    client = trivet.Client(url)

    def stream(size: int) -> int:
        with client.stream("GET", f"/stream/{size}") as response:
            return sum(len(piece) for piece in response.iter_bytes())

    return stream


def httpcore_stream(url: str) -> Callable[[int], int]:
    import httpcore

    pool = httpcore.ConnectionPool(keepalive_expiry=IDLE)

    def stream(size: int) -> int:
        with pool.stream("GET", f"{url}/stream/{size}", extensions=HTTPCORE_TIMEOUTS) as response:
            return sum(len(piece) for piece in response.iter_stream())

    return stream


GETS = {
    "trivet": trivet_get,
    "httpcore": httpcore_get,
    "httpx": httpx_get,
    "httpx2": httpx2_get,
    "urllib3": urllib3_get,
    "h11": h11_get,
}
STREAMS = {"trivet": trivet_stream, "httpcore": httpcore_stream}
