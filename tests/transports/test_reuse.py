"""Which connections carry another request, and whose turn it is: nobody gets an answer that is not theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import (
    Script,
    Step,
    close,
    half_close,
    hang,
    read_request,
    read_to_end,
    repeat,
    reset,
    send,
    signal,
    start_tls,
    wait_for,
)
from servers.tls import Authority
from transports.calling import PATIENCE, calling
from transports.waiting import Queue, patiently
from trivet.core.errors import TransportError
from trivet.core.http.request import Request
from trivet.core.limits import Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

HONEST: Script = [repeat(read_request, send(OK))]


@pytest.fixture
def queue(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(runtime, monkeypatch)


# Bytes behind a response.


@pytest.fixture(params=["plain", "tls"])
def secured(request: pytest.FixtureRequest, tls: Authority) -> Callable[[Script], Script]:
    """Makes a script one over TLS, in half of the tests."""
    if request.param == "plain":
        return lambda script: script
    context = tls.server_context()
    return lambda script: [start_tls(context), *script]


ENDINGS = {
    "length": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
    "chunked": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"),
    "trailers": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\nA: b\r\n\r\n"),
    "empty": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("planted", [EVIL, b"\r\n"], ids=["response", "line-end"])
def test_bytes_right_behind_a_response_answer_no_request(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, secured: Any, ending: str, planted: bytes
) -> None:
    method, response = ENDINGS[ending]
    server = hostile(secured([read_request, send(response + planted), read_to_end]), secured(HONEST))
    url = server.tls_url if secured([]) else server.url

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            content = await caller.fetch(Request(method, f"{url}/first"))
            assert content == (b"first" if b"first" in response else b"")
            assert await caller.fetch(f"{url}/second") == b"right"

    runtime.run(scenario)
    assert server.connections == 2


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
def test_bytes_on_an_idle_connection_answer_no_request(
    runtime: Runtime, hostile: MakeHostile, tls: Authority, secured: Any, ending: str, noticed: bool
) -> None:
    method, response = ENDINGS[ending]
    idle, planted = threading.Event(), threading.Event()
    server = hostile(
        secured([read_request, send(response), wait_for(idle), send(EVIL), signal(planted), read_to_end]),
        secured(HONEST),
    )
    url = server.tls_url if secured([]) else server.url

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:
            await caller.fetch(Request(method, f"{url}/first"))
            assert server.open == 1
            idle.set()
            if noticed:
                # The event loop sees the bytes when they come, and closes the connection at once.
                await patiently(runtime, planted.wait)
                if runtime.name == "asyncio":
                    await patiently(runtime, server.wait_until, lambda: not server.open)
            else:
                planted.wait()
            assert await caller.fetch(f"{url}/second") == b"right"

    runtime.run(scenario)
    assert server.connections == 2


@pytest.mark.parametrize("close_early", [False, True], ids=["read", "closed"])
def test_bytes_behind_content_that_came_later(runtime: Runtime, hostile: MakeHostile, close_early: bool) -> None:
    """The content is read piece by piece, or let go of when the rest of it has come."""
    begun, planted = threading.Event(), threading.Event()
    head, rest = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst", b"first" + EVIL
    server = hostile([read_request, send(head), wait_for(begun), send(rest), signal(planted), read_to_end], HONEST)

    async def scenario() -> None:
        async with calling(runtime) as caller:
            response = await caller.send(f"{server.url}/first")
            assert await caller.read(response) == b"first"
            begun.set()
            await patiently(runtime, planted.wait)
            if close_early:
                await caller.close_body(response)
            else:
                assert await caller.read_all(response) == b"first"
            assert await caller.fetch(f"{server.url}/second") == b"right"

    runtime.run(scenario)
    assert server.connections == 2


# Connections that the server has closed, or is about to close.


def stale_events(response: Any) -> list[str]:
    """What the trace says of connections that were replaced, and of retries."""
    names = [type(event).__name__ for event in response.trace]
    return [name for name in names if name.startswith(("Stale", "Retry"))]


@pytest.mark.parametrize("end", [close, reset, half_close], ids=["closed", "reset", "half-closed"])
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
def test_an_idle_connection_that_the_server_closed_is_not_used(
    runtime: Runtime, hostile: MakeHostile, end: Step, noticed: bool
) -> None:
    idle, ended = threading.Event(), threading.Event()

    def finish(peer: Any) -> None:
        try:
            end(peer)
        finally:
            ended.set()

    server = hostile([read_request, send(OK), wait_for(idle), finish, read_to_end], HONEST)

    async def scenario() -> None:
        async with runtime.client(server.url, retry=None) as client:
            assert (await client.raw.get("/")).content == b"right"
            idle.set()
            if noticed:
                await patiently(runtime, ended.wait)
            else:
                ended.wait()
            response = await client.raw.get("/")
            assert (response.content, stale_events(response)) == (b"right", [])

    runtime.run(scenario)
    assert (server.connections, len(server.requests)) == (2, 2)


# The server had decided to close before it saw the second request, as far as anybody can tell.
LOST: Script = [read_request, send(OK), read_request, close]


@pytest.mark.parametrize("options", [{}, {"retry": None}], ids=["retries", "no-retries"])
@pytest.mark.parametrize("end", [close, reset], ids=["closed", "reset"])
def test_a_request_that_lost_the_race_is_sent_again(
    runtime: Runtime, hostile: MakeHostile, options: dict[str, Any], end: Step
) -> None:
    server = hostile([read_request, send(OK), read_request, end], HONEST)

    async def scenario() -> None:
        async with runtime.client(server.url, **options) as client:
            await client.raw.get("/")
            response = await client.raw.get("/")
            assert (response.content, stale_events(response)) == (b"right", ["StaleConnectionReplaced"])

    runtime.run(scenario)
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize(
    ("method", "options", "again"),
    [
        ("PUT", {"content": b"bytes"}, True),
        ("DELETE", {}, True),
        ("POST", {"content": b"bytes", "idempotency_key": "once"}, True),
        ("POST", {"content": b"bytes"}, False),
        ("PATCH", {"content": b"bytes"}, False),
        ("PUT", {"content": "iterator"}, False),
        ("POST", {"content": "iterator", "idempotency_key": "once"}, False),
    ],
    ids=["PUT", "DELETE", "POST-with-key", "POST", "PATCH", "PUT-one-shot", "POST-one-shot-with-key"],
)
def test_what_is_sent_again(
    runtime: Runtime, hostile: MakeHostile, method: str, options: dict[str, Any], again: bool
) -> None:
    server = hostile(LOST, HONEST)

    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b"shot"

    async def scenario() -> None:
        async with runtime.client(server.url, retry=None) as client:
            await client.raw.get("/")
            chosen = options | ({"content": pieces()} if options.get("content") == "iterator" else {})
            if again:
                response = await client.raw.request(method, "/", **chosen)
                assert (response.content, stale_events(response)) == (b"right", ["StaleConnectionReplaced"])
            else:
                with pytest.raises(TransportError) as caught:
                    await client.raw.request(method, "/", **chosen)
                assert (caught.value.sent, caught.value.stale) == (True, True)
                assert stale_events(caught.value) == []

    runtime.run(scenario)
    assert (server.connections, len(server.requests)) == ((2, 3) if again else (1, 2))


def test_a_request_is_sent_again_only_once(runtime: Runtime, hostile: MakeHostile) -> None:
    """Two connections are kept, and neither answers any more."""
    meeting = threading.Barrier(2)

    def meet(peer: Any) -> None:
        meeting.wait(PATIENCE)

    server = hostile([read_request, meet, send(OK), read_request, close])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=None) as client:
            await runtime.together(*[lambda: client.raw.get("/")] * 2)
            with pytest.raises(TransportError) as caught:
                await client.raw.get("/")
            assert stale_events(caught.value) == ["StaleConnectionReplaced"]

    runtime.run(scenario)
    assert (server.connections, len(server.requests)) == (2, 4)


# Connections that are not kept.


@pytest.mark.parametrize(
    ("response", "fields", "limits"),
    [
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), {}, Limits()),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: x, CLOSE\r\n\r\n"), {}, Limits()),
        (OK.replace(b"HTTP/1.1", b"HTTP/1.0"), {}, Limits()),
        (OK, {"Connection": "close"}, Limits()),
        (OK, {}, Limits(max_idle=0)),
        (OK, {}, Limits(idle_timeout=0)),
    ],
    ids=["close", "close-among-others", "HTTP/1.0", "asked-to-close", "max_idle", "idle_timeout"],
)
def test_connections_that_are_not_kept(
    runtime: Runtime, hostile: MakeHostile, response: bytes, fields: dict[str, str], limits: Limits
) -> None:
    # The server would answer more, if it were asked.
    server = hostile([repeat(read_request, send(response))])

    async def scenario() -> None:
        async with calling(runtime, limits=limits) as caller:
            for number in (1, 2):
                assert await caller.fetch(Request("GET", server.url, fields)) == b"right"
                await patiently(runtime, server.wait_until, lambda: not server.open)
                assert server.connections == number

    runtime.run(scenario)


# Whose turn it is.


def test_connections_to_one_origin_are_bounded(runtime: Runtime, hostile: MakeHostile, queue: Queue) -> None:
    go_on = threading.Event()
    busy = hostile([read_request, wait_for(go_on), send(OK), repeat(read_request, send(OK))])
    other = hostile(HONEST)

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_per_origin=1)) as caller:

            async def ask_another() -> None:
                await queue.holds(1)
                assert await caller.fetch(other.url) == b"right"
                go_on.set()

            async def ask() -> None:
                assert await caller.fetch(busy.url) == b"right"

            await runtime.together(ask, ask, ask_another)

    runtime.run(scenario)
    assert (busy.connections, len(busy.requests), other.connections) == (1, 2, 1)


def test_an_idle_connection_makes_way_for_another_origin(runtime: Runtime, hostile: MakeHostile) -> None:
    first, second, third = (hostile(HONEST) for _ in range(3))

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=2)) as caller:
            for server in (first, second, third):
                assert await caller.fetch(server.url, within=5.0) == b"right"
            # The one that nobody has used for longest goes.
            await patiently(runtime, first.wait_until, lambda: not first.open)
            assert (second.open, third.open) == (1, 1)
            assert await caller.fetch(second.url) == b"right"
            assert await caller.fetch(first.url) == b"right"
            await patiently(runtime, third.wait_until, lambda: not third.open)

    runtime.run(scenario)
    assert [server.connections for server in (first, second, third)] == [2, 1, 1]


def test_a_freed_connection_makes_way_for_who_waits(runtime: Runtime, hostile: MakeHostile, queue: Queue) -> None:
    busy = hostile([read_request, send(OK[:-5]), hang], HONEST)
    other = hostile(HONEST)

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(busy.url)

            async def finish() -> None:
                await queue.holds(1)
                await caller.close_body(response)

            async def ask_another() -> None:
                assert await caller.fetch(other.url, within=5.0) == b"right"

            await runtime.together(ask_another, finish)
            busy.release()
            assert await caller.fetch(busy.url) == b"right"

    runtime.run(scenario)
    assert (busy.connections, other.connections) == (2, 1)


def test_first_come_first_served(runtime: Runtime, hostile: MakeHostile, queue: Queue) -> None:
    count = 5  # asyncio has no more threads that could do the waiting for certain
    go_on = threading.Event()
    server = hostile([read_request, wait_for(go_on), send(OK), repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:

            def asking(number: int) -> Callable[[], Any]:
                async def ask() -> None:
                    if number:
                        # The first is being served, and those before this one have begun to wait.
                        await patiently(runtime, server.wait_until, lambda: server.requests)
                        await queue.holds(number - 1)
                    assert await caller.fetch(f"{server.url}/{number}") == b"right"

                return ask

            async def begin() -> None:
                await queue.holds(count - 1)
                go_on.set()

            await runtime.together(*map(asking, range(count)), begin)

    runtime.run(scenario)
    assert [request.split()[1] for request in server.requests] == [b"/%d" % number for number in range(count)]
    assert server.connections == 1


def test_one_who_gives_up_is_passed_over(runtime: Runtime, hostile: MakeHostile, queue: Queue) -> None:
    go_on = threading.Event()
    server = hostile([read_request, wait_for(go_on), send(OK), repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:

            async def first() -> None:
                await caller.fetch(f"{server.url}/first")

            async def impatient() -> None:
                await patiently(runtime, server.wait_until, lambda: server.requests)
                with pytest.raises(trivet.AttemptTimeout, match="no connection became free") as caught:
                    await caller.fetch(f"{server.url}/impatient", within=0.05)
                assert caught.value.sent is False
                go_on.set()

            async def patient() -> None:
                await queue.holds(1)
                await caller.fetch(f"{server.url}/patient")

            await runtime.together(first, impatient, patient)

    runtime.run(scenario)
    assert [request.split()[1] for request in server.requests] == [b"/first", b"/patient"]
