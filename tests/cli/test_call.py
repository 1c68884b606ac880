"""`trivet get|post|… URL`, against real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from conftest import MakeHostile
from servers.hostile import drip, hang, read_head, send
from servers.httpbin import Httpbin
from servers.nginx import BYTES, HELLO, Nginx
from servers.unreachable import Refusing
from trivet.cli import call, exit_codes
from trivet.cli.commands import trivet


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(trivet, arguments, input=stdin, env={"TRIVET_TOKEN": ""})


def test_a_pipe_gets_the_bytes_as_they_are(nginx: Nginx) -> None:
    outcome = run("get", f"{nginx.url}/bytes.bin")
    assert (outcome.exit_code, outcome.stdout_bytes) == (0, BYTES)


def test_fields_parameters_and_the_head(httpbin: Httpbin) -> None:
    outcome = run("get", f"{httpbin.url}/anything", "-H", "X-Team: red", "-p", "page=2", "-p", "q=a=b", "-i")
    head, _, content = outcome.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert "Content-Type: application/json" in head
    echo = json.loads(content)
    assert echo["args"] == {"page": "2", "q": "a=b"}
    assert echo["headers"]["X-Team"] == "red"


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_content(httpbin: Httpbin, verb: str, tmp_path: Path) -> None:
    url = f"{httpbin.url}/anything"
    file = tmp_path / "data.bin"
    file.write_bytes(b"from a file")
    assert json.loads(run(verb, url, "-j", '{"a": 1}').stdout)["json"] == {"a": 1}
    assert json.loads(run(verb, url, "-j", "-", stdin="[2]").stdout)["json"] == [2]
    assert json.loads(run(verb, url, "-f", "a=1", "-f", "b=2").stdout)["form"] == {"a": "1", "b": "2"}
    assert json.loads(run(verb, url, "-d", str(file)).stdout)["data"] == "from a file"
    assert json.loads(run(verb, url).stdout)["data"] == ""


def test_output_goes_to_a_file(nginx: Nginx, tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    outcome = run("get", f"{nginx.url}/bytes.bin", "-o", str(target))
    assert (outcome.exit_code, outcome.stdout, target.read_bytes()) == (0, "", BYTES)


def test_a_failed_call_leaves_the_output_file_alone(httpbin: Httpbin, tmp_path: Path) -> None:
    target = tmp_path / "out.bin"
    assert run("get", f"{httpbin.url}/status/404", "-o", str(target)).exit_code == exit_codes.CLIENT_ERROR
    assert not target.exists()


def test_a_token_is_sent_and_never_shown(httpbin: Httpbin) -> None:
    outcome = run("get", f"{httpbin.url}/bearer", "--token", "t0ken", "--trace", "--debug")
    assert json.loads(outcome.stdout)["token"] == "t0ken"
    assert "t0ken" not in outcome.stderr
    assert "→ GET" in outcome.stderr


def test_the_trace_goes_to_standard_error(hostile: MakeHostile) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    server = hostile([read_head, send(busy), read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")])
    outcome = run("get", server.url, "--trace")
    assert outcome.stdout == "[]"
    assert "← 503 Busy" in outcome.stderr
    assert "retry 1 of 3" in outcome.stderr
    assert "← 200 OK" in outcome.stderr


def test_what_a_file_keeps_answers_the_next_time(hostile: MakeHostile, tmp_path: Path) -> None:
    fields = b"Cache-Control: max-age=60\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\n" + fields + b"true")], [read_head])
    arguments = ("get", f"{server.url}/users?page=2", "--cache", str(tmp_path / "cache.sqlite"), "--trace")
    first, second = run(*arguments), run(*arguments)
    assert (first.stdout, second.stdout) == ("true", "true")
    assert (first.exit_code, second.exit_code) == (exit_codes.OK, exit_codes.OK)
    assert first.stderr.splitlines()[0].endswith("  cache miss: nothing is stored")
    assert first.stderr.splitlines()[-1].endswith("  stored: max-age=60")
    assert f"cache hit: GET {server.url}/users?page=2 (fresh: max-age=60, " in second.stderr
    assert "→ GET" not in second.stderr
    assert len(server.requests) == 1
    assert (tmp_path / "cache.sqlite").stat().st_mode & 0o777 == 0o600


def test_what_a_file_keeps_is_validated(nginx: Nginx, tmp_path: Path) -> None:
    file = tmp_path / "cache.sqlite"
    run("get", f"{nginx.url}/hello.txt", "--cache", str(file))
    asked = ("-H", "Cache-Control: no-cache", "--trace", "-i")
    outcome = run("get", f"{nginx.url}/hello.txt", "--cache", str(file), *asked)
    assert outcome.stdout.startswith("HTTP/1.1 200 OK\n")
    assert outcome.stdout_bytes.endswith(HELLO)
    assert "no-cache in the request, validated now" in outcome.stderr
    assert "← 304 Not Modified" in outcome.stderr
    assert "validated with ETag → 304" in outcome.stderr


def test_exit_codes(httpbin: Httpbin, nginx: Nginx, refusing: Refusing, hostile: MakeHostile) -> None:
    silent = hostile([read_head, hang])
    broken = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")])
    for code, *arguments in [
        (exit_codes.OK, f"{httpbin.url}/get"),
        (exit_codes.USAGE, "not-a-url"),
        (exit_codes.USAGE, f"{httpbin.url}/get", "-t", "-1"),
        (exit_codes.TRANSPORT, refusing.url, "-r", "0"),
        (exit_codes.CLIENT_ERROR, f"{httpbin.url}/status/404"),
        (exit_codes.SERVER_ERROR, f"{httpbin.url}/status/500", "-r", "0"),
        (exit_codes.TIMED_OUT, silent.url, "-t", "0.2"),
        (exit_codes.CONTENT, broken.url),
        (exit_codes.REDIRECT, f"{nginx.url}/redirect/loop"),
    ]:
        assert run("get", *map(str, arguments)).exit_code == code, arguments


def test_an_error_shows_its_message_and_its_content(httpbin: Httpbin) -> None:
    outcome = run("get", f"{httpbin.url}/status/418")
    assert "APIError: GET" in outcome.stderr
    assert "418" in outcome.stderr
    assert "teapot" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-H", "s3cret"], "expected --header NAME:VALUE"),
        (["-p", "s3cret"], "expected --param NAME=VALUE"),
        (["-j", "{s3cret"], "--json is not JSON"),
        (["-j", "{}", "-f", "a=1"], "give one of"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    outcome = run("post", "http://127.0.0.1:9/", *arguments)
    assert outcome.exit_code == exit_codes.USAGE
    assert message in outcome.stderr
    assert "s3cret" not in outcome.stderr


def test_tls_options(nginx: Nginx) -> None:
    url = f"{nginx.tls_url}/hello.txt"
    assert run("get", url, "--ca", str(nginx.ca_pem)).stdout_bytes == HELLO
    assert run("get", url, "--insecure").stdout_bytes == HELLO
    assert run("get", url).exit_code == exit_codes.TRANSPORT


def test_a_terminal_gets_colours(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "Console", lambda **options: Console(force_terminal=True, width=80, **options))
    pretty = run("get", f"{nginx.url}/records.json")
    assert "\x1b[" in pretty.stdout
    assert '\n    "id"' in pretty.stdout.replace("\x1b[0m", "") or "id" in pretty.stdout
    assert "Hello from nginx." in run("get", f"{nginx.url}/hello.txt").stdout
    assert f"<{len(BYTES)} bytes of application/octet-stream>" in run("get", f"{nginx.url}/bytes.bin").stdout


def test_a_slow_stream_is_cut_at_the_total(hostile: MakeHostile, tmp_path: Path) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"), drip(b"x" * 999)])
    outcome = run("get", server.url, "-t", "0.3", "--trace", "-o", str(tmp_path / "out"))
    assert outcome.exit_code == exit_codes.TIMED_OUT
    assert "DeadlineExceeded" in outcome.stderr


def test_it_runs_as_a_program(nginx: Nginx) -> None:
    command = [sys.executable, "-c", "from trivet.cli import main; main()", "get", f"{nginx.url}/hello.txt"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=True).stdout == HELLO


def test_without_its_extra_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['click'] = None; import importlib.util as u\n"
    program += "u.find_spec = lambda name: None\nfrom trivet.cli import main; main()"
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 1
    assert "pip install 'trivet[cli]'" in outcome.stderr
