"""A real Redis, or Valkey: an empty database that is kept in memory only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from servers.process import ServerProcess


class Redis(ServerProcess):
    """A running server, with the same port for as long as it lives, which may be several times."""

    def __init__(self, folder: Path) -> None:
        executable = shutil.which("redis-server") or shutil.which("valkey-server")
        if executable is None:
            raise RuntimeError("Redis is not installed: `apt-get install redis-server`, or the like")

        def command(ports: list[int]) -> list[str | Path]:
            return [
                *(executable, "--bind", "127.0.0.1", "--port", str(ports[0])),
                *("--unixsocket", folder / "socket", "--dir", folder, "--save", "", "--appendonly", "no"),
            ]

        super().__init__(command, ports=1, log=folder / "redis.log")
        self.socket = folder / "socket"
        self.url = f"redis://127.0.0.1:{self.ports[0]}/0"

    def kill(self) -> None:
        """End it as a crash does. What it held is gone."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start it again, on the same port."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._process.args, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if not self._listens():
            raise RuntimeError(f"Redis does not start again:\n{self._log.read_text(errors='replace')}")
