"""The demonstration: every scene on every runtime, and the same outcome on each."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from trivet.cli import demo
from trivet.cli.commands import trivet
from trivet.cli.exit_codes import UNEXPECTED, exit_code
from trivet.core.errors import CircuitOpen


def shape(text: str, runtime: str) -> str:
    """The timeline of a runtime without what differs from run to run."""
    scenes = [scene for scene in text.split("\n\n") if scene.startswith(f"{runtime}  GET")]
    joined = "\n".join(scenes).replace(runtime, "RUNTIME")
    return re.sub(r"\d+\.\d+ s|\d+(\.\d+)?(e-\d+)? s|:\d+", "…", joined)


def test_the_three_runtimes_tell_the_same_story() -> None:
    outcome = CliRunner().invoke(trivet, ["demo", "--seed", "1"])
    assert outcome.exit_code == 0, outcome.output
    story = shape(outcome.output, "sync")
    assert story == shape(outcome.output, "asyncio") == shape(outcome.output, "trio")
    for line in (
        "← 503 Service Unavailable",
        "retry 2 of 3",
        "← 429 Too Many Requests",
        "retry 1 of 3 in …: 429 Too Many Requests",
        "✗ AttemptTimeout",
        "✗ ReadError",
        "302 redirect to GET",
        "NotFoundError: GET",
        "there is nothing here",
        "{'worked_at_attempt': 3}",
        "stored: max-age=60",
        "cache hit: GET",
        "no-cache in the response, validated with ETag → 304",
        "cache: stale response served",
    ):
        assert line in story, line
    assert "36 calls" in outcome.output


def test_a_runtime_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str, options: object) -> None:
        raise ImportError("no trio")

    monkeypatch.setattr(demo, "with_threads", lambda url, options: [])
    monkeypatch.setattr(demo, "with_asyncio", lambda url, options: [])
    monkeypatch.setattr(demo, "with_trio", missing)
    outcome = CliRunner().invoke(trivet, ["demo"])
    assert "pip install 'trivet[trio]'" in outcome.output
    assert "0 calls" in outcome.output


def test_an_error_of_another_kind() -> None:
    assert exit_code(CircuitOpen("open")) == UNEXPECTED
