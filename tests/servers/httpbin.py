"""httpbin, the HTTP testing service, under the waitress WSGI server."""

from __future__ import annotations

import sys
from pathlib import Path

from servers.process import ServerProcess

# /delay and /drip occupy a thread for as long as they last.
THREADS = 32


class Httpbin:
    """A running httpbin: `/status/503`, `/redirect/3`, `/gzip`, `/drip`, `/basic-auth/user/password`, …"""

    def __init__(self, folder: Path) -> None:
        self._process = ServerProcess(
            lambda ports: [
                *(sys.executable, "-m", "waitress", f"--threads={THREADS}"),
                *(f"--listen=127.0.0.1:{ports[0]}", "httpbin:app"),
            ],
            ports=1,
            log=folder / "httpbin.log",
        )
        self.url = f"http://127.0.0.1:{self._process.ports[0]}"

    def stop(self) -> None:
        self._process.stop()
