"""Responses before the response (RFC 9110 §15.2), and requests that wait for one before they send their content."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import (
    Hostile,
    Peer,
    Step,
    close,
    drip,
    read_head,
    read_request,
    read_to_end,
    repeat,
    send,
    signal,
    start_tls,
    wait_for,
)
from servers.tls import Authority
from transports.calling import PATIENCE, calling
from transports.waiting import patiently
from trivet.core.errors import AttemptTimeout, RemoteProtocolError
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.limits import Limits
from trivet.transports.http1 import connection

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\nX-Progress: 1\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n"


class Heard:
    """A callback that keeps what it hears."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.event = threading.Event()

    def __call__(self, response: Response) -> None:
        self.responses.append(response)
        self.event.set()

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.responses]


async def settled(runtime: Runtime, server: Hostile) -> None:
    """Wait until every connection is closed."""
    await patiently(runtime, server.wait_until, lambda: not server.open)


def one_by_one(heard: Heard, *heads: bytes) -> list[Step]:
    """Send each head only when the one before was heard."""
    steps: list[Step] = []
    for head in heads:
        steps += [send(head), wait_for(heard.event), lambda peer: heard.event.clear()]
    return steps


@pytest.mark.parametrize("together", [True, False], ids=["one-segment", "one-by-one"])
def test_interim_responses_are_reported(runtime: Runtime, hostile: MakeHostile, together: bool) -> None:
    heard = Heard()
    heads = (CONTINUE, PROCESSING, HINTS)
    steps = [send(b"".join(heads) + OK)] if together else [*one_by_one(heard, *heads), send(OK)]
    server = hostile([read_request, *steps, repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            request = Request("GET", server.url, on_interim=heard)
            assert await caller.fetch(request) == b"true"
            assert heard.statuses == [100, 102, 103]
            first, second, third = heard.responses
            assert (first.reason, list(first.headers), first.content) == ("Continue", [], b"")
            assert second.headers["x-progress"] == "1"
            assert third.headers.get_all("link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]
            assert third.request is request
            # They have nothing to do with the next request on the connection.
            assert await caller.fetch(request) == b"true"
            assert len(heard.responses) == 3

    runtime.run(scenario)
    assert server.connections == 1


def test_interim_responses_are_reported_by_clients(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    server = hostile([start_tls(tls.server_context()), repeat(read_request, send(PROCESSING + HINTS + OK))])
    heard = Heard()

    async def scenario() -> None:
        async with runtime.client(server.tls_url, verify=tls.ca_pem) as client:
            assert await client.get("/", on_interim=heard) is True
            assert (await client.raw.post("/", [1], on_interim=heard)).status == 200
            async with client.stream("GET", "/", on_interim=heard) as response:
                # Before the content is read.
                assert heard.statuses == [102, 103] * 3
                assert await response.read() == b"true"
            assert await client.get("/") is True

    runtime.run(scenario)
    assert heard.statuses == [102, 103] * 3
    assert server.connections == 1


@pytest.mark.parametrize("limits", [Limits(max_interim=3), Limits(max_interim=0), Limits()], ids=["3", "0", "default"])
@pytest.mark.parametrize("over", [False, True], ids=["at", "over"])
def test_interim_responses_are_counted(runtime: Runtime, hostile: MakeHostile, limits: Limits, over: bool) -> None:
    most = limits.max_interim
    server = hostile([repeat(read_request, send(HINTS * (most + over) + OK))])
    heard = Heard()

    async def scenario() -> None:
        async with calling(runtime, limits=limits) as caller:
            # Each request has a count of its own.
            for number in (1, 2):
                request = Request("GET", server.url, on_interim=heard)
                if over:
                    message = rf"{most + 1} interim responses; Limits\(max_interim={most}\)"
                    with pytest.raises(RemoteProtocolError, match=message) as caught:
                        await caller.send(request)
                    assert (caught.value.sent, caught.value.stale) == (True, False)
                    await settled(runtime, server)
                else:
                    assert await caller.fetch(request) == b"true"
                assert len(heard.responses) == number * most

    runtime.run(scenario)
    assert server.connections == (2 if over else 1)


def test_a_flood_of_interim_responses_is_bounded(runtime: Runtime, hostile: MakeHostile) -> None:
    """Nobody listens for them, and they are counted all the same."""
    server = hostile([read_request, repeat(send(HINTS))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(RemoteProtocolError, match="17 interim responses"):
                await caller.send(server.url)
            await settled(runtime, server)

    runtime.run(scenario)


def test_interim_responses_do_not_move_the_deadline(runtime: Runtime, hostile: MakeHostile) -> None:
    """A server that says again and again that it is still busy does not make the client wait for ever."""
    heard = Heard()
    server = hostile([read_request, drip(PROCESSING * 1000, size=len(PROCESSING))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_interim=1_000_000)) as caller:
            with pytest.raises(AttemptTimeout) as caught:
                await caller.send(Request("GET", server.url, on_interim=heard), within=0.3)
            assert caught.value.sent is True
            await settled(runtime, server)

    runtime.run(scenario)
    assert len(heard.responses) > 1


class Broken(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [Broken("x"), OSError(5, "disk"), TimeoutError("mine"), RemoteProtocolError("mine too", sent=False)],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("content", [b"", b"x" * 100_000], ids=["GET", "PUT"])
def test_an_error_of_the_callback_propagates_as_it_is(
    runtime: Runtime, hostile: MakeHostile, error: Exception, content: bytes
) -> None:
    server = hostile([read_head, send(HINTS + OK), read_to_end], [repeat(read_request, send(OK))])

    def fail(response: Response) -> None:
        raise error

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(type(error)) as caught:
                await caller.send(Request("PUT" if content else "GET", server.url, (), content, on_interim=fail))
            assert caught.value is error
            assert (error.__cause__, error.__context__) == (None, None)
            # The answer that is under way belongs to nobody.
            await settled(runtime, server)
            assert await caller.fetch(server.url) == b"true"

    runtime.run(scenario)
    assert server.connections == 2


# Content on its way.


def read_some(peer: Peer) -> None:
    """Read a bit of the content, so that it is known to have begun."""
    peer.read_exactly(1000)


@pytest.mark.parametrize("kind", ["bytes", "sized", "chunked"])
def test_an_interim_response_does_not_end_an_upload(runtime: Runtime, hostile: MakeHostile, kind: str) -> None:
    heard = Heard()
    size, pieces = 4_000_000, 40
    seen: list[int] = []

    def read_rest(peer: Peer) -> None:
        if kind == "chunked":
            seen.append(len(peer.read_through(b"\r\n0\r\n\r\n")) + 1000)
        else:
            peer.read_exactly(size - 1000)
            seen.append(size)

    def take_little(peer: Peer) -> None:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)

    # The system holds little of it: most of the content waits until the server has spoken.
    sends_little = (socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    steps = [take_little, read_head, read_some, *one_by_one(heard, PROCESSING, HINTS), read_rest, send(OK)]
    server = hostile([*steps, repeat(read_request, send(OK))])
    content: Any = b"x" * size
    if kind != "bytes":
        length = size if kind == "sized" else None
        content = Stream(lambda: (b"x" * (size // pieces) for _ in range(pieces)), length=length)

    async def scenario() -> None:
        async with calling(runtime, socket_options=[sends_little]) as caller:
            assert await caller.fetch(Request("PUT", server.url, (), content, on_interim=heard)) == b"true"
            assert await caller.fetch(server.url) == b"true"

    runtime.run(scenario)
    assert heard.statuses == [102, 103]
    assert seen[0] >= size
    assert server.connections == 1


# Content that is held back.


class Content:
    """Content of one of three kinds, which knows whether it was asked for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked = False

    def make(self) -> bytes | Stream:
        if self.kind == "bytes":
            return b"hello"
        return Stream(self._pieces, length=5 if self.kind == "sized" else None, replayable=True)

    def _pieces(self) -> Iterator[bytes]:
        self.asked = True
        yield b"he"
        yield b"llo"

    @property
    def sent(self) -> bytes:
        """How it looks when it is sent."""
        return b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" if self.kind == "chunked" else b"hello"


@pytest.fixture(params=["bytes", "sized", "chunked"])
def content(request: pytest.FixtureRequest) -> Content:
    return Content(request.param)


EXPECT = {"Expect": "100-continue"}


def is_quiet(sizes: list[int]) -> Step:
    """Note how much of the content has come: nothing may, as long as the server has not asked for it."""

    def step(peer: Peer) -> None:
        peer.socket.settimeout(0.05)
        with suppress(TimeoutError):
            peer.read_exactly(1_000_000)
        peer.socket.settimeout(None)
        sizes.append(len(peer._buffer))

    return step


@pytest.mark.parametrize("hints", [[], [HINTS], [PROCESSING, HINTS]], ids=["alone", "hints", "more"])
def test_content_is_held_back_until_it_is_wanted(
    runtime: Runtime, hostile: MakeHostile, content: Content, hints: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 100 is what the client waits for: nothing else tells it to go on."""
    monkeypatch.setattr(connection, "_GO_AHEAD_TIME", 1000)
    early: list[int] = []
    heard = Heard()

    def read_content(peer: Peer) -> None:
        peer.server.note_request(peer.read_exactly(len(content.sent)))

    steps = [read_head, *one_by_one(heard, *hints), is_quiet(early), send(CONTINUE), read_content, send(OK)]
    server = hostile([*steps, repeat(read_head, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            request = Request("POST", server.url, EXPECT, content.make(), on_interim=heard)
            assert await caller.fetch(request, within=5.0) == b"true"
            assert await caller.fetch(server.url) == b"true"

    runtime.run(scenario)
    assert early == [0]
    assert heard.statuses == [*[int(head[9:12]) for head in hints], 100]
    assert b"Expect: 100-continue\r\n" in server.requests[0]
    assert server.requests[1] == content.sent
    assert server.connections == 1


@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"413 Content Too Large", b"401 Unauthorized"])
def test_content_that_is_not_wanted_is_not_sent(
    runtime: Runtime, hostile: MakeHostile, content: Content, status: bytes
) -> None:
    rest: list[bytes] = []
    refusal = b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nsorry"

    def read_rest(peer: Peer) -> None:
        rest.append(peer.socket.recv(1000))

    server = hostile([read_head, send(refusal), read_rest], [repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(Request("PUT", server.url, EXPECT, content.make()))
            assert response.status == int(status[:3])
            assert await caller.read_all(response) == b"sorry"
            # The server may still wait for the content: another request would be taken for it.
            await settled(runtime, server)
            assert await caller.fetch(server.url) == b"true"

    runtime.run(scenario)
    assert rest == [b""]
    assert not content.asked
    assert server.connections == 2


def test_a_server_that_knows_nothing_of_it_gets_the_content_after_a_while(
    runtime: Runtime, hostile: MakeHostile, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_GO_AHEAD_TIME", 0.05)
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            for _ in range(2):
                assert await caller.fetch(Request("POST", server.url, EXPECT, content.make())) == b"true"

    runtime.run(scenario)
    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [content.sent] * 2
    assert server.connections == 1


def test_waiting_to_be_wanted_is_no_reason_to_miss_the_deadline(
    runtime: Runtime, hostile: MakeHostile, content: Content
) -> None:
    server = hostile([read_head, read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(AttemptTimeout, match="the server did not answer") as caught:
                await caller.send(Request("POST", server.url, EXPECT, content.make()), within=0.1)
            assert caught.value.sent is True
            await settled(runtime, server)

    runtime.run(scenario)
    assert not content.asked


def test_the_deadline_holds_after_the_content_was_sent_unasked(
    runtime: Runtime, hostile: MakeHostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_GO_AHEAD_TIME", 0.05)
    sent = threading.Event()
    server = hostile([read_request, signal(sent), read_to_end])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            with pytest.raises(AttemptTimeout, match=r"the server did not answer within 0\.4 s"):
                await caller.send(Request("POST", server.url, EXPECT, b"hello"), within=0.4)

    runtime.run(scenario)
    assert sent.wait(PATIENCE)


def test_a_kept_connection_that_ends_before_the_go_ahead(
    runtime: Runtime, hostile: MakeHostile, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the head was sent, and it is sent again on a connection that works, with the content."""
    monkeypatch.setattr(connection, "_GO_AHEAD_TIME", 0.05)
    server = hostile([read_request, send(OK), read_head, close], [read_request, send(OK)])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=None) as client:
            assert await client.get("/") is True
            source: Any = content.make()
            if isinstance(source, Stream):
                source = content._pieces  # a callable makes it anew
            response = await client.raw.put("/", content=source, headers=EXPECT)
            names = [type(event).__name__ for event in response.trace]
            assert names.count("StaleConnectionReplaced") == 1

    runtime.run(scenario)
    assert server.connections == 2


def test_there_is_nothing_to_hold_back_without_content(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            assert await caller.fetch(Request("GET", server.url, EXPECT)) == b"true"

    runtime.run(scenario)
