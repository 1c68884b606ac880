"""The server that every client is measured against: small, and quick enough not to be what is measured.

It knows GET requests without content, whole, in parts or several at once, and keeps its connections open. It prints
its port, and ends when its standard input does: with the process that started it. Other benchmarks have it answer in
another way.
"""

from __future__ import annotations

import asyncio
import json
import sys
from email.utils import formatdate
from typing import Any

from transport.cores import pin

ITEM = {
    "id": 12345,
    "name": "Trivet, cast iron",
    "price": {"amount": "24.90", "currency": "EUR"},
    "tags": ["kitchen", "iron", "three legs"],
    "stock": 17,
    "reserved": False,
}
CONTENT = json.dumps(ITEM).encode()
PIECE = bytes(256 * 1024)
MAX_HEAD = 65536
FIELDS = b"Cache-Control: no-store\r\nX-Request-Id: 6f1c0e9a2b7d4c35\r\n"


class Date:
    """The field of that name, made once a second."""

    line = b""

    def refresh(self) -> None:
        self.line = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        asyncio.get_running_loop().call_later(1.0, self.refresh)


DATE = Date()


def head(status: bytes, length: int, content_type: bytes = b"application/json", more: bytes = FIELDS) -> bytes:
    """The head of a response but for its Date."""
    fields = b"Server: bench\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (content_type, length)
    return b"HTTP/1.1 " + status + b"\r\n" + fields + more


ITEM_HEAD = head(b"200 OK", len(CONTENT))
NOT_FOUND = head(b"404 Not Found", 0)
NOT_ALLOWED = head(b"405 Method Not Allowed", 0)


class Connection(asyncio.Protocol):
    """One connection. Responses go out in the order of the requests, as fast as they are read."""

    def __init__(self) -> None:
        self.received = b""
        self.unsent = 0
        self.paused = False
        self.last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.proceed()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.proceed()

    def proceed(self) -> None:
        """Write what can be written, and answer what has arrived."""
        while not self.paused and not self.transport.is_closing():
            if self.unsent:
                size = min(self.unsent, len(PIECE))
                self.unsent -= size
                self.transport.write(PIECE[:size])
            elif self.last:
                self.transport.close()
            else:
                request, end, rest = self.received.partition(b"\r\n\r\n")
                if not end:
                    if len(request) > MAX_HEAD:
                        self.transport.close()
                    return
                self.received = rest
                self.answer(request)

    def answer(self, request: bytes) -> None:
        """Write the response, or its head if it is a long one."""
        self.last = b"connection: close" in request.lower()
        if request.startswith(b"GET /item "):
            self.transport.write(ITEM_HEAD + DATE.line + b"\r\n" + CONTENT)
        elif request.startswith(b"GET /stream/"):
            self.unsent = int(request[12:].partition(b" ")[0])
            self.transport.write(head(b"200 OK", self.unsent, b"application/octet-stream") + DATE.line + b"\r\n")
        elif request.startswith(b"GET "):
            self.transport.write(NOT_FOUND + DATE.line + b"\r\n")
        else:
            # There may be content behind the head of another method, which is not parsed here.
            self.last = True
            self.transport.write(NOT_ALLOWED + DATE.line + b"\r\n")


async def serve(connection: type[Connection]) -> None:
    """Serve on a free port of the loopback interface."""
    loop = asyncio.get_running_loop()
    DATE.refresh()
    server = await loop.create_server(connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main(connection: type[Connection] = Connection) -> None:
    """Serve under uvloop if it is there."""
    pin(-1)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(connection))
    else:
        uvloop.run(serve(connection))


if __name__ == "__main__":
    main()
