from __future__ import annotations

import asyncio
import random
from math import inf
from typing import Any

import pytest

from trivet.core.exchange.actions import Action, CloseBody, Invoke, Park, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.slot import Slot
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.retry import Retry
from trivet.drivers.asyncio import AsyncioDriver
from trivet.drivers.sync import SyncDriver
from trivet.drivers.trio import TrioDriver
from trivet.testing import ActionRecorder, ScriptedTransport, Streamed, VirtualClock

REQUEST = Request("GET", "https://api.example.com/", {"Accept": "text/html", "X-Tag": "a"})


@pytest.mark.parametrize(
    ("action", "noted"),
    [
        (
            SendRequest(REQUEST, 5.0, 1.0),
            (
                "SendRequest",
                "GET",
                "https://api.example.com/",
                (("Accept", "text/html"), ("X-Tag", "a")),
                5.0,
                1.0,
            ),
        ),
        (SendRequest(Request("PUT", "http://a.example/")), ("SendRequest", "PUT", "http://a.example/", (), inf, None)),
        (ReadBody(object(), 3.0), ("ReadBody", 3.0)),
        (SleepUntil(2.0), ("SleepUntil", 2.0)),
        (CloseBody(object()), ("CloseBody",)),
        (Park(Slot()), ("Park",)),
        (Invoke(print), ("Invoke",)),
    ],
)
def test_what_is_noted_of_an_action(action: Action[Any], noted: tuple[Any, ...]) -> None:
    recorder = ActionRecorder()

    recorder.note(action)

    assert recorder == [noted]


SCRIPT = (Response(503), Streamed(200, pieces=[b"one", b"two"]))
PIPELINE = Pipeline([Deadline(Timeout(total=60.0)), Retry(backoff=Backoff(base=1.0, jitter="none"))])


def record(runtime: str) -> tuple[ActionRecorder, Response]:
    clock = VirtualClock()
    transport = ScriptedTransport(*SCRIPT, clock=clock)
    recorder = ActionRecorder()
    flow = PIPELINE.handle(REQUEST)
    if runtime == "sync":
        driver = SyncDriver(transport, rng=random.Random(0), clock=clock)
        recorder.attach(driver)
        return recorder, driver.run(flow)
    if runtime == "asyncio":
        asyncio_driver = AsyncioDriver(transport, rng=random.Random(0), clock=clock)
        recorder.attach(asyncio_driver)
        return recorder, asyncio.run(asyncio_driver.run(flow))
    import trio

    trio_driver = TrioDriver(transport, rng=random.Random(0), clock=clock)
    recorder.attach(trio_driver)
    return recorder, trio.run(trio_driver.run, flow)


@pytest.mark.parametrize("runtime", ["sync", "asyncio", "trio"])
def test_a_driver_does_what_it_did_before_and_is_recorded(runtime: str) -> None:
    recorder, response = record(runtime)

    assert response.content == b"onetwo"
    sent = ("SendRequest", "GET", "https://api.example.com/", tuple(REQUEST.headers.items()))
    assert recorder == [
        (*sent, 30.0, 5.0),
        ("SleepUntil", 1.0),
        (*sent, 31.0, 5.0),
        ("ReadBody", 31.0),
        ("ReadBody", 31.0),
        ("ReadBody", 31.0),
    ]
