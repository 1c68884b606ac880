"""One scenario file, three runtimes: the recorded actions are equal.

Each scenario of ``scenarios.json`` says what the client is, what it calls and what the server answers. The
transport is scripted and the time virtual, so what a driver is asked to do can be compared to the last digit.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
import trio

import trivet
from trivet.testing import ActionRecorder, After, ScriptedTransport, Streamed, VirtualClock

SCENARIOS: dict[str, Any] = json.loads(Path(__file__).with_name("scenarios.json").read_text())
ERRORS = {
    "refused": lambda: trivet.ConnectError("connection refused", sent=False),
    "reset": lambda: trivet.ReadError("connection reset", sent=True),
    "stale": lambda: trivet.RemoteProtocolError("closed", sent=True, stale=True),
}


def reply(told: dict[str, Any]) -> Any:
    found: Any
    if "error" in told:
        found = ERRORS[told["error"]]()
    else:
        pieces: list[Any] = [piece.encode() for piece in told.get("pieces", [])]
        if "breaks" in told:
            pieces.append(ERRORS[told["breaks"]]())
        found = Streamed(told["status"], told.get("headers", {}), [*pieces, b""])
    return After(told["after"], found) if "after" in told else found


def play(name: str, runtime: str) -> tuple[ActionRecorder, str]:
    scenario = SCENARIOS[name]
    clock = VirtualClock(wall=1_700_000_000.0)
    transport = ScriptedTransport(*map(reply, scenario["replies"]), clock=clock)
    recorder = ActionRecorder()
    options = {**scenario.get("client", {}), "transport": transport, "rng": random.Random(1), "clock": clock}
    if "timeout" in options:
        options["timeout"] = trivet.Timeout(**options["timeout"])
    call = {"method": "GET", "target": "/things", **scenario.get("call", {})}
    method, target = call.pop("method"), call.pop("target")
    if runtime == "sync":
        client = trivet.Client("https://api.example.com/v1", **options)
        recorder.attach(client._session.driver())
        outcome = describe(lambda: client.raw.request(method, target, **call))
    else:

        async def main() -> trivet.Response:
            client = trivet.AsyncClient("https://api.example.com/v1", **options)
            recorder.attach(client._session.driver())
            return await client.raw.request(method, target, **call)

        outcome = describe(lambda: asyncio.run(main()) if runtime == "asyncio" else trio.run(main))
    assert not transport.open
    return recorder, outcome


def describe(call: Any) -> str:
    try:
        response = call()
    except trivet.TrivetError as error:
        return f"{type(error).__name__}: {error}"
    return f"{response.status} {response.url} {response.content!r}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_three_runtimes_do_the_same(name: str) -> None:
    recorded, outcome = play(name, "sync")
    assert play(name, "asyncio") == (recorded, outcome)
    assert play(name, "trio") == (recorded, outcome)
    expected = SCENARIOS[name]["expect"]
    assert [action[0] for action in recorded] == expected["actions"]
    assert expected["outcome"] in outcome
