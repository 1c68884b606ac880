"""What the whole pipeline costs a call, over a transport that returns a canned response.

The client has its default policies and a bearer token; the response comes complete, or with a body to be read. Beside it
the same driver runs an empty flow, so the difference is what the policies cost. CPU µs per call, the best of
several runs in one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trivet
from trivet import core

CALLS = 20_000
RUNS = 7
CONTENT = b'{"id": 12345}'
HEADERS = core.Headers.from_raw(
    [
        (b"Date", b"Tue, 14 Nov 2023 22:13:20 GMT"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"13"),
        (b"Server", b"canned"),
    ]
)


class Canned:
    """Answers at once, with the content in the response."""

    def send(self, action: core.SendRequest, monotonic: Any) -> core.Response:
        return core.Response(200, HEADERS, CONTENT)

    def read(self, action: core.ReadBody, monotonic: Any) -> bytes:
        raise AssertionError("there is nothing to read")

    def close_body(self, body: object) -> None:
        pass

    def close(self) -> None:
        pass


class CannedStream(Canned):
    """Answers at once, with a body of one piece."""

    def send(self, action: core.SendRequest, monotonic: Any) -> core.Response:
        self.pieces = [b"", CONTENT]
        return core.Response(200, HEADERS, body=self)

    def read(self, action: core.ReadBody, monotonic: Any) -> bytes:
        return self.pieces.pop()


def microseconds(call: Callable[[], object]) -> float:
    """CPU time of one call."""
    best = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.process_time() - started)
    return best / CALLS * 1e6


def empty(request: core.Request) -> core.Flow[core.Response]:
    return (yield from core.SendRequest(request))


def main() -> None:
    """Measure and print."""
    print(f"{'CPU µs per call':<44}{'complete':>10}{'with body':>10}")
    rows: dict[str, list[float]] = {}
    for transport in (Canned(), CannedStream()):
        client = trivet.Client("https://api.example.com/v1", auth=trivet.BearerAuth("t0ken"), transport=transport)
        raw = client.raw
        request = core.build_request("GET", "https://api.example.com/v1/users")
        for name, call in {
            "client.raw.get(…), everything on": lambda raw=raw: raw.get("/users"),
            "client.send(client.flow(…))": lambda client=client: client.send(client.flow("GET", "/users")),
            "client.send(empty flow)": lambda client=client, request=request: client.send(empty(request)),
            "client.get(…), JSON decoded": lambda client=client: client.get("/users"),
        }.items():
            rows.setdefault(name, []).append(microseconds(call))
    for name, found in rows.items():
        print(f"{name:<44}" + "".join(f"{figure:>10.1f}" for figure in found))


if __name__ == "__main__":
    main()
