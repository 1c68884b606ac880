"""The API of the demonstration: on loopback, and not at its best."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast


class MisbehavingAPI(ThreadingHTTPServer):
    """Fails in a different way at each path, the first time or two, and then works.

    The first segment of a path names the caller, so that each one meets the same trouble: ``/sync/flaky``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.stopping = threading.Event()
        self._visits: Counter[str] = Counter()
        self._lock = threading.Lock()

    def visit(self, path: str) -> int:
        """Count a visit; the first is 1."""
        with self._lock:
            self._visits[path] += 1
            return self._visits[path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing to report: here a broken connection is part of the play."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response leaves in one piece

    @property
    def _api(self) -> MisbehavingAPI:
        return cast("MisbehavingAPI", self.server)

    def do_GET(self) -> None:
        visit = self._api.visit(self.path)
        act = getattr(self, "_" + self.path.rsplit("/", 1)[-1].replace("-", "_"), None)
        if act is None:
            self._answer(404, {"error": {"message": "there is nothing here", "code": "not_found"}})
        else:
            act(visit)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the client's timeline is what is on show."""

    def _flaky(self, visit: int) -> None:
        if visit <= 2:
            self._answer(503, {"error": "overloaded"})
        else:
            self._answer(200, {"worked_at_attempt": visit})

    def _limited(self, visit: int) -> None:
        if visit == 1:
            self._answer(429, {"error": "slow down"}, ("Retry-After", "1"))
        else:
            self._answer(200, {"patience": "rewarded"})

    def _slow(self, visit: int) -> None:
        if visit == 1:
            self._api.stopping.wait(5)
            self.close_connection = True
        else:
            self._answer(200, {"awake": True})

    def _reset(self, visit: int) -> None:
        if visit == 1:
            self._break_off()
        else:
            self._answer(200, {"connection": "replaced"})

    def _old(self, visit: int) -> None:
        self._answer(302, None, ("Location", self.path.removesuffix("old") + "new"))

    def _new(self, visit: int) -> None:
        self._answer(200, {"moved": "here"})

    def _steady(self, visit: int) -> None:
        self._answer(200, {"visit": visit}, ("Cache-Control", "max-age=60"))

    def _tagged(self, visit: int) -> None:
        fields = ("Cache-Control", "no-cache"), ("ETag", '"first"')
        if self.headers["If-None-Match"] == '"first"':
            self._answer(304, None, *fields)
        else:
            self._answer(200, {"visit": visit}, *fields)

    def _failing(self, visit: int) -> None:
        if visit == 1:
            self._answer(200, {"visit": visit}, ("Cache-Control", "max-age=0, stale-if-error=600"))
        else:
            self._break_off()

    def _break_off(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-")
        self.wfile.flush()
        # SO_LINGER with no time makes the close a TCP reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _answer(self, status: int, content: object, *fields: tuple[str, str]) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
