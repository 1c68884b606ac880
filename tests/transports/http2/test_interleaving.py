"""Requests side by side, in any order, cut off at any moment: the others get their own answers all the same."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transports.http2.stage import ReadySocket, Socket, Stage, Task
from trivet.core.http.stream import Stream
from trivet.transports.flows.actions import ReadSocket, WriteSocket

SIZES = (0, 1, 1_000, 70_000, 300_000)


def content_of(name: str, size: int) -> bytes:
    return (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size]


class Call:
    """A request, then reads until its end; at a random moment it may be cancelled, time out, or lose interest."""

    def __init__(self, stage: Stage, name: str, draw: random.Random) -> None:
        self.stage = stage
        self.answer = content_of(name, draw.choice(SIZES))
        self.sent = content_of(name, draw.choice(SIZES))
        self.received = b""
        self.fate = draw.choice(("goes on", "goes on", "is cancelled", "times out", "is closed"))
        self.patience = draw.randrange(30)
        self.over = False
        self.request: Task | None = None
        content: Any = self.sent
        if draw.random() < 0.5 and self.sent:
            pieces = [self.sent[start : start + 90_000] for start in range(0, len(self.sent), 90_000)]
            content = Stream(lambda: iter(pieces))
        self.task = self.request = stage.send(f"/{name}", content, headers={"X-Size": str(len(self.answer))})

    def step(self, draw: random.Random) -> None:
        """Go on by one action, or meet one's fate."""
        self.patience -= 1
        task = self.task
        if self.patience < 0 and self.fate in ("is cancelled", "times out"):
            written = draw.randrange(200)
            if self.fate == "is cancelled":
                task.cancel(written)
            else:
                # Something came meanwhile, so that the server is no suspect.
                self.stage.connection._session.received += 1
                task.time_out(draw.choice((None, written)))
            self.stage.tidy()
            self.over = True
            return
        if task.ready:
            task.step(draw.choice((9, 300, 20_000, 65_536)))
        if task.done:
            self.next()

    def next(self) -> None:
        task = self.task
        assert task.error is None, task.error
        if task is self.request:
            if task.result.content is not None:
                self.received = task.result.content
                self.over = True
                return
        elif task.result == b"":
            self.over = True
            return
        else:
            self.received += task.result
        assert self.request is not None
        if self.fate == "is closed" and self.patience < 15:
            closing = self.stage.close(self.request)
            if self.patience % 2 and not closing.done:
                closing.cancel(3)
                self.stage.tidy()
            self.over = True
            return
        self.task = self.stage.read(self.request)
        if self.task.done:
            self.next()


class Answering:
    """The server answers requests when it pleases."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.done: set[int] = set()

    def step(self, draw: random.Random) -> None:
        server = self.stage.server
        waiting = [number for number in server.complete if number not in self.done and number not in server.resets]
        if waiting:
            number = draw.choice(waiting)
            self.done.add(number)
            request = server.requests[number]
            name = request[":path"][1:]
            digest = hashlib.sha256(server.contents[number]).hexdigest()
            server.answer(number, content_of(name, int(request["x-size"])), "200", ("x-digest", digest))


def run(stage: Stage, calls: list[Call], draw: random.Random) -> None:
    answering = Answering(stage)
    for _ in range(50_000):
        answering.step(draw)
        # Reads and writes that nobody waits for any more are those of calls that are over.
        others = [task for task in stage.tasks if not task.done and all(task is not call.task for call in calls)]
        for task in others:
            if task.ready:
                task.step()
        stage.tasks = [task for task in stage.tasks if not task.done]
        under_way = [call for call in calls if not call.over]
        if not under_way:
            return
        able = [call for call in under_way if call.task.ready or call.fate in ("is cancelled", "times out")]
        assert able or others or answering.stage.server.complete - answering.done, [
            (call.fate, call.task.action) for call in under_way
        ]
        draw.choice(able or under_way).step(draw)
    raise AssertionError("it does not come to an end")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_each_gets_its_own_answer(seed: int, count: int) -> None:
    draw = random.Random(seed)
    stage = Stage(socket=draw.choice((Socket, ReadySocket)))
    calls = [Call(stage, f"{number}", draw) for number in range(count)]
    run(stage, calls, draw)
    for call in calls:
        if call.fate == "goes on":
            assert call.received == call.answer
            assert call.request is not None
            (digest,) = [value for name, value in call.request.result.head.fields if name == b"x-digest"]
            assert digest.decode() == hashlib.sha256(call.sent).hexdigest()
        else:
            assert call.answer.startswith(call.received)
    assert not any(isinstance(task.action, ReadSocket | WriteSocket) for task in stage.tasks)
    stage.tasks.clear()
    assert stage.connection.reusable
    assert stage.fetch_prompt() == b"again"
    assert not stage.connection._session.streams
    assert not stage.server.answering
    assert stage.leaked == 0
    wire = stage.connection._wire
    assert [wire._reading, wire._writing, wire._readers, wire._writers] == [False, False, {}, {}]
