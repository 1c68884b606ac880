"""The program of "Embed the core", taken from the page, called against real servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from architecture.markdown import code_blocks
from architecture.source import ROOT
from conftest import MakeHostile
from servers.hostile import read_head, reset, send
from servers.httpbin import Httpbin
from servers.nginx import HELLO, Nginx

PAGE = ROOT / "docs/how-to/embed-the-core.md"
PROGRAM = next(block.text for block in code_blocks(PAGE, "python") if "core.Exchange" in block.text)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "embedded.py"
    path.write_text(PROGRAM)
    return path


def run(program: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, program, url], capture_output=True, text=True, timeout=60)


def test_it_is_short_and_does_without_httpcore() -> None:
    assert len(PROGRAM.splitlines()) <= 80
    assert "httpcore" not in PROGRAM


def test_it_calls_a_real_server(program: Path, nginx: Nginx) -> None:
    outcome = run(program, f"{nginx.url}/redirect/302")
    assert outcome.stdout.endswith(HELLO.decode() + "\n"), outcome.stderr
    assert f"302 redirect to GET {nginx.url}/hello.txt" in outcome.stdout


def test_it_retries_what_fails(program: Path, hostile: MakeHostile) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    done = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
    server = hostile([read_head, send(busy)], [read_head, send(done[:-1]), reset], [read_head, send(done)])
    outcome = run(program, server.url)
    assert outcome.stdout.endswith("done\n"), outcome.stderr
    assert "retry 2 of 3" in outcome.stdout


def test_it_raises_the_typed_error(program: Path, httpbin: Httpbin) -> None:
    outcome = run(program, f"{httpbin.url}/status/404")
    assert outcome.returncode == 1
    assert f"NotFoundError: GET {httpbin.url}/status/404: 404" in outcome.stderr
