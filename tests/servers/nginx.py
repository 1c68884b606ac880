"""A real nginx: static files with validators, ranges and gzip, redirects, uploads, TLS and HTTP/2."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from servers.process import ServerProcess
from servers.tls import Authority

TEMPLATE = Path(__file__).with_name("nginx.conf")
# Debian keeps nginx in /usr/sbin, which is not on everybody's PATH.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])

HELLO = b"Hello from nginx.\n"
RECORDS = [{"id": number, "name": f"record {number}"} for number in range(100)]
BYTES = bytes(range(256)) * 1024


class Nginx:
    """A running nginx; what it answers is in `nginx.conf` beside this file.

    Its files are `/hello.txt` (HELLO), `/records.json` (RECORDS, gzipped on request) and `/bytes.bin`
    (BYTES); a test may put more into `files`.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        executable = shutil.which("nginx", path=PATH)
        if executable is None:
            raise RuntimeError("nginx is not installed: `apt-get install nginx-light`, or the like")
        self.files = folder / "files"
        self.files.mkdir()
        self.files.joinpath("hello.txt").write_bytes(HELLO)
        self.files.joinpath("records.json").write_text(json.dumps(RECORDS))
        self.files.joinpath("bytes.bin").write_bytes(BYTES)
        self.ca_pem = authority.ca_pem
        certificate = authority.issue()
        configuration = folder / "nginx.conf"

        def command(ports: list[int]) -> list[str | Path]:
            text = TEMPLATE.read_text()
            for name, value in {
                "@PORT@": ports[0],
                "@TLS_PORT@": ports[1],
                "@CERTIFICATE@": certificate,
            }.items():
                text = text.replace(name, str(value))
            configuration.write_text(text)
            # -e: the log that is written before the configuration has been read.
            return [executable, "-e", "stderr", "-p", folder, "-c", configuration]

        self._process = ServerProcess(command, ports=2, log=folder / "nginx.log")
        self.url = f"http://127.0.0.1:{self._process.ports[0]}"
        self.tls_url = f"https://localhost:{self._process.ports[1]}"

    def stop(self) -> None:
        self._process.stop()
