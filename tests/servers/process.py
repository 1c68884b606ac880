"""A server of somebody else's, run as a child process on a free port of the loopback interface."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STARTS = 3
POLLS = 200
POLL_INTERVAL = 0.05
STOP_TIMEOUT = 10.0


class ServerProcess:
    """Starts a server, waits until it listens, and stops it.

    `command` makes the command line for the ports that were chosen; what the server prints goes to `log`.
    A chosen port may be taken by somebody else before the server binds it, so a start that fails is tried
    again with other ports.
    """

    def __init__(self, command: Callable[[list[int]], Sequence[str | Path]], *, ports: int, log: Path) -> None:
        self._log = log
        for _ in range(STARTS):
            self.ports = _free_ports(ports)
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command(self.ports), stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            if self._listens():
                return
            self.stop()
        raise RuntimeError(f"{self._process.args!r} does not start:\n{log.read_text(errors='replace')}")

    def _listens(self) -> bool:
        """Wait until every port answers. A server has no way to report that, so this polls, within bounds."""
        waiting = list(self.ports)
        for _ in range(POLLS):
            if self._process.poll() is not None:
                return False
            waiting = [port for port in waiting if not _answers(port)]
            if not waiting:
                return self._process.poll() is None
            time.sleep(POLL_INTERVAL)
        return False

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_ports(count: int) -> list[int]:
    # All are held until the last is chosen, so that they differ.
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
