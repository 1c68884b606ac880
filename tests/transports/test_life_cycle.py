"""How long connections live: event loops, forks, the end of the program, the garbage collector, close()."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

import trivet
from conftest import MakeHostile
from fresh import loaded_by
from runtimes import Asyncio, Runtime, Threads, Trio
from servers.hostile import Hostile, hang, read_request, read_to_end, repeat, send, signal, start_tls, wait_for
from servers.tls import Authority
from transports.calling import PATIENCE, Caller, calling
from transports.waiting import Queue, patiently
from trivet.core.errors import ConnectError, TransportError
from trivet.core.exchange.actions import SendRequest
from trivet.core.http.request import Request
from trivet.core.limits import Limits
from trivet.core.policies.retry import Retry
from trivet.transports.http_transport import HTTPTransport
from trivet.transports.httpcore_transport import HTTPCoreTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"

both = pytest.mark.parametrize("kind", [HTTPTransport, HTTPCoreTransport])


# Making one, and the event loops that it lives in.


@both
def test_making_a_transport_costs_next_to_nothing(kind: type[Any]) -> None:
    program = f"from {kind.__module__} import {kind.__name__}; {kind.__name__}()"
    assert not loaded_by(program, ["httpcore", "h11", "ssl", "socket", "asyncio", "trio", "anyio"])
    kind()
    tracemalloc.start()
    try:
        kept = [kind() for _ in range(100)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(kept) < 4096


@both
def test_one_event_loop_after_the_other(hostile: MakeHostile, kind: type[Any]) -> None:
    server = hostile([repeat(read_request, send(OK))])
    transport = kind()

    async def call(runtime: Runtime) -> None:
        caller = Caller(runtime, transport)
        assert await caller.fetch(server.url) == b"true"
        assert await caller.fetch(server.url) == b"true"

    for _ in range(3):
        asyncio.run(call(Asyncio()))
        # The connection was closed with its loop, without a word of the transport's user.
        server.wait_until(lambda: not server.open)
    trio.run(call, Trio())
    server.wait_until(lambda: not server.open)
    Threads().run(lambda: call(Threads()))
    assert server.open == 1
    transport.close()
    server.wait_until(lambda: not server.open)
    assert server.connections == 5
    gc.collect()


def test_one_run_after_the_other_with_one_client(hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    client = trivet.AsyncClient(server.url)

    async def call() -> None:
        assert await client.get("/") is True
        assert await client.get("/") is True

    for runtime in (Asyncio(), Asyncio(), Asyncio(), Trio(), Asyncio()):
        runtime.run(call)
        server.wait_until(lambda: not server.open)
    assert server.connections == 5
    gc.collect()


@both
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_event_loop_that_ended_without_ceremony(hostile: MakeHostile, kind: type[Any]) -> None:
    server = hostile([repeat(read_request, send(OK))])
    transport = kind()

    async def call() -> None:
        assert await Caller(Asyncio(), transport).fetch(server.url) == b"true"

    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        loop.close()
        del loop
    asyncio.run(call())
    gc.collect()
    server.wait_until(lambda: not server.open)
    assert server.connections == 3


@both
def test_event_loops_side_by_side(hostile: MakeHostile, kind: type[Any]) -> None:
    server = hostile([repeat(read_request, send(OK))])
    transport = kind()
    meeting = threading.Barrier(4)
    failures: list[BaseException] = []

    async def call(runtime: Runtime) -> None:
        caller = Caller(runtime, transport)
        assert await caller.fetch(server.url) == b"true"
        meeting.wait(PATIENCE)
        assert await caller.fetch(server.url) == b"true"
        await caller.close()
        assert await caller.fetch(server.url) == b"true"
        meeting.wait(PATIENCE)

    def work(runtime: Runtime) -> None:
        try:
            runtime.run(lambda: call(runtime))
        except BaseException as error:
            failures.append(error)
            meeting.abort()

    threads = [threading.Thread(target=work, args=(each,)) for each in (Asyncio(), Asyncio(), Trio(), Threads())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    transport.close()
    server.wait_until(lambda: not server.open)
    assert server.connections == 8


# Programs of their own.

# The programs must see nothing of the tests' own interpreter, but find the package where it is installed.
STRICT = [sys.executable, "-X", "dev", "-W", "error"]


def run_program(program: str, *arguments: str) -> str:
    """What a program prints, which must end well and complain of nothing, not even at its very end."""
    ended = subprocess.run(
        [*STRICT, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


SYNC_PROGRAM = """
    import sys
    import trivet

    client = trivet.Client(sys.argv[1])
    assert client.get("/") is True
    {}
"""

ASYNC_PROGRAM = """
    import logging
    import sys
    import {0}
    import trivet

    # The first call loads modules, upon which asyncio, in its debug mode, remarks that this took long.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    client = trivet.AsyncClient(sys.argv[1])

    async def main():
        assert await client.get("/") is True
        {1}

    {2}
"""


def leaving(runtime: Runtime, sync_line: str, async_line: str) -> str:
    """A program that makes a call, does what the line says, and ends."""
    if runtime.name == "sync":
        return SYNC_PROGRAM.format(sync_line)
    run = "asyncio.run(main())" if runtime.name == "asyncio" else "trio.run(main)"
    return ASYNC_PROGRAM.format(runtime.name, async_line, run)


def test_a_program_may_just_end(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    run_program(leaving(runtime, "pass", "pass"), server.url)
    server.wait_until(lambda: not server.open)
    assert server.connections == 1


def test_a_program_may_end_in_the_middle_of_a_stream(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request, send(OK), read_request, send(HALF), read_to_end])
    program = leaving(
        runtime,
        'context = client.stream("GET", "/"); response = context.__enter__(); next(response.iter_bytes())',
        'async with client.stream("GET", "/") as response:\n            async for piece in response.iter_bytes():\n'
        "                return",
    )
    run_program(program, server.url)
    server.wait_until(lambda: not server.open)


def test_a_program_may_end_with_a_stream_in_a_variable(runtime: Runtime, hostile: MakeHostile) -> None:
    """Nothing but the end of the program, or of the event loop, closes the stream."""
    server = hostile([read_request, send(OK), read_request, send(HALF), read_to_end])
    line = 'global context; context = client.stream("GET", "/"); await context.__aenter__()'
    run_program(leaving(runtime, "context = client.stream('GET', '/'); context.__enter__()", line), server.url)
    server.wait_until(lambda: not server.open)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORK = """
    import logging
    import os
    import sys
    import threading
    import trivet

    # The first call loads modules, upon which asyncio, in its debug mode, remarks that this took long.
    logging.getLogger("asyncio").setLevel(logging.ERROR)

    def in_child(function):
        "Run the function in a forked child, which ends as any program does, and wait for it."
        child = os.fork()
        if child == 0:
            function()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "the child has failed"
"""


@needs_fork
def test_a_forked_child_opens_connections_of_its_own(hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    client = trivet.Client(sys.argv[1], retry=None)
    assert client.get("/parent") is True
    in_child(lambda: [client.get("/child"), client.get("/child")])
    response = client.raw.get("/parent")
    assert [type(event).__name__ for event in response.trace if "Stale" in type(event).__name__] == []
    """
    )
    run_program(program, server.url)
    assert server.connections == 2
    assert [request.split()[1] for request in server.requests] == [b"/parent", b"/child", b"/child", b"/parent"]


@needs_fork
def test_a_forked_child_that_makes_no_call_leaves_the_connections_alone(hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    client = trivet.Client(sys.argv[1], retry=None)
    assert client.get("/") is True
    in_child(lambda: None)
    in_child(client.close)
    assert client.get("/") is True
    """
    )
    run_program(program, server.url)
    assert server.connections == 1


@needs_fork
@pytest.mark.parametrize("calls", [False, True], ids=["quiet", "calling"])
def test_the_parent_may_fork_in_the_middle_of_a_stream(hostile: MakeHostile, calls: bool) -> None:
    forked = threading.Event()
    child = [[read_request, send(OK), read_to_end]] if calls else []
    server = hostile(
        [read_request, send(HALF), wait_for(forked), send(b"world"), hang],
        *child,
        [read_request, send(OK), signal(forked), read_to_end],
    )
    program = (
        FORK
        + """
    client = trivet.Client(sys.argv[1], retry=None)
    with client.stream("GET", "/stream") as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"hello"
        # The child leaves this block, too, and so closes the stream that it has inherited.
        in_child((lambda: client.get("/child")) if sys.argv[2] == "True" else (lambda: None))
        assert client.get("/go-on") is True
        assert b"".join(pieces) == b"world"
    """
    )
    run_program(program, server.url, str(calls))
    server.release()
    assert server.connections == 2 + calls


@needs_fork
def test_a_fork_while_another_thread_holds_the_lock(hostile: MakeHostile) -> None:
    """The child inherits the lock as it is, and nobody in there would ever free it."""
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    transport = trivet.HTTPTransport()
    client = trivet.Client(sys.argv[1], retry=None, transport=transport)
    assert client.get("/") is True
    half = transport._half
    held, done = threading.Event(), threading.Event()

    def hold():
        with half._lock, half._lane._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    in_child(lambda: client.get("/"))
    done.set()
    thread.join()
    assert client.get("/") is True
    """
    )
    run_program(program, server.url)
    assert server.connections == 2


@needs_fork
def test_an_event_loop_in_a_forked_child(hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    import asyncio

    client = trivet.AsyncClient(sys.argv[1], retry=None)

    async def call():
        assert await client.get("/child") is True

    async def main():
        assert await client.get("/parent") is True
        child = os.fork()
        if child == 0:
            return True
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "the child has failed"
        response = await client.raw.get("/parent")
        assert [type(event).__name__ for event in response.trace if "Stale" in type(event).__name__] == []
        return False

    loop = asyncio.new_event_loop()
    if loop.run_until_complete(main()):
        # The child of a fork: as the documentation of asyncio has it, it leaves its parent's loop alone.
        asyncio._set_running_loop(None)
        asyncio.run(call())
        os._exit(0)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    """
    )
    run_program(program, server.url)
    assert server.connections == 2


@needs_fork
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_a_forked_child_that_drops_the_client_leaves_the_connections_alone(hostile: MakeHostile, name: str) -> None:
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    import gc
    import asyncio
    import trio

    client = trivet.AsyncClient(sys.argv[1], retry=None)

    async def main():
        global client
        assert await client.get("/") is True
        child = os.fork()
        if child == 0:
            del client
            gc.collect()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "the child has failed"
        assert await client.get("/") is True

    asyncio.run(main()) if sys.argv[2] == "asyncio" else trio.run(main)
    """
    )
    run_program(program, server.url, name)
    assert server.connections == 1


@needs_fork
def test_event_loops_before_and_after_a_fork(hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])
    program = (
        FORK
        + """
    import asyncio
    import trio

    client = trivet.AsyncClient(sys.argv[1], retry=None)

    async def call():
        assert await client.get("/") is True
        assert await client.get("/") is True

    asyncio.run(call())
    in_child(lambda: [asyncio.run(call()), trio.run(call)])
    asyncio.run(call())
    """
    )
    run_program(program, server.url)
    server.wait_until(lambda: not server.open)
    assert server.connections == 4


# The garbage collector.


@pytest.fixture
def queue(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(runtime, monkeypatch)


@contextmanager
def collecting() -> Iterator[list[warnings.WarningMessage]]:
    """Collect garbage only when it is asked for, and record all warnings."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        gc.enable()


async def settle(runtime: Runtime, server: Hostile) -> None:
    """Wait until every connection is closed."""
    await patiently(runtime, server.wait_until, lambda: not server.open)


def test_a_client_that_is_collected_closes_its_connections(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        client = runtime.client(server.url)
        assert await client.get("/") is True
        assert server.open == 1
        del client
        gc.collect()
        await settle(runtime, server)

    with collecting() as caught:
        runtime.run(scenario)
    assert [str(warning.message) for warning in caught] == []


def test_a_client_is_not_collected_under_an_open_stream(runtime: Runtime, hostile: MakeHostile) -> None:
    more = threading.Event()
    server = hostile([read_request, send(HALF), wait_for(more), send(b"world"), read_to_end])

    async def scenario() -> None:
        async with runtime.client(server.url).stream("GET", "/") as response:
            gc.collect()
            more.set()
            assert await response.read() == b"helloworld"

    runtime.run(scenario)


def abandoned(caught: list[warnings.WarningMessage]) -> list[str]:
    """What the warnings of a test say that lets go of open responses, none of which is of another kind."""
    assert {warning.category for warning in caught} <= {ResourceWarning}
    return [str(warning.message) for warning in caught]


def test_an_abandoned_response_gives_its_connection_back(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(f"{server.url}/x?key=secret&page=2")
            assert await caller.read(response) == b"hello"
            del response
            gc.collect()
            await patiently(runtime, server.wait_until, lambda: not server.open)
            for _ in range(2):
                assert await caller.fetch(server.url) == b"true"

    with collecting() as caught:
        runtime.run(scenario)
    [message] = abandoned(caught)
    assert f"{server.url}/x?key=" in message
    assert "secret" not in message
    assert server.connections == 2


def test_a_flow_of_ones_own_that_abandons_a_response(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with runtime.client(server.url, limits=Limits(max_connections=1), retry=None) as client:

            def flow() -> trivet.Flow[int]:
                response = yield from SendRequest(Request("GET", f"{server.url}/x?key=secret"))
                return response.status

            assert await client.send(flow()) == 200
            gc.collect()
            assert await client.get("/", timeout=PATIENCE) is True

    with collecting() as caught:
        runtime.run(scenario)
    # What a flow leaves open its exchange closes: there is nothing to warn of.
    assert abandoned(caught) == []
    assert server.connections == 2


def test_an_abandoned_response_when_warnings_are_errors(
    runtime: Runtime, hostile: MakeHostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: unraisable.append(args.exc_type))

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(server.url)
            warnings.simplefilter("error")
            del response
            gc.collect()
            assert await caller.fetch(server.url, within=PATIENCE / 4) == b"true"

    with collecting():
        runtime.run(scenario)
    assert unraisable == [ResourceWarning]


def test_an_abandoned_response_that_another_thread_collects(
    runtime: Runtime, hostile: MakeHostile, queue: Queue
) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:

            async def collect() -> None:
                cycle: list[Any] = [await caller.send(server.url)]
                cycle.append(cycle)
                del cycle
                ready.set()
                # Somebody waits for the very connection.
                await queue.holds(1)
                thread = threading.Thread(target=gc.collect)
                thread.start()
                await patiently(runtime, thread.join)

            async def wait() -> None:
                await patiently(runtime, ready.wait)
                assert await caller.fetch(server.url) == b"true"

            ready = threading.Event()
            await runtime.together(collect, wait)

    with collecting() as caught:
        runtime.run(scenario)
    assert len(abandoned(caught)) == 1
    assert server.connections == 2


def test_an_abandoned_response_whose_client_was_closed(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(server.url)
            await caller.close()
            del response
            gc.collect()
            assert await caller.fetch(server.url) == b"true"

    with collecting() as caught:
        runtime.run(scenario)
    assert len(abandoned(caught)) == 1


def test_a_response_that_outlives_its_event_loop(hostile: MakeHostile) -> None:
    server = hostile([read_request, send(HALF), read_to_end])
    transport = HTTPTransport()
    kept: list[Any] = []

    async def call(runtime: Runtime) -> None:
        kept.append(await Caller(runtime, transport).send(server.url))

    with collecting() as caught:
        asyncio.run(call(Asyncio()))
        trio.run(call, Trio())
        server.wait_until(lambda: not server.open)
        kept.clear()
        gc.collect()
    assert len(abandoned(caught)) == 2


# close()


def test_closing_refuses_those_who_wait_and_stops_those_under_way(
    runtime: Runtime, hostile: MakeHostile, queue: Queue
) -> None:
    server = hostile([read_request, send(HALF), read_to_end], [repeat(read_request, send(OK))])
    errors: list[Any] = []

    async def scenario() -> None:
        async with calling(runtime, limits=Limits(max_connections=1)) as caller:
            response = await caller.send(server.url)
            assert await caller.read(response) == b"hello"

            async def read() -> None:
                with pytest.raises(TransportError) as caught:
                    await caller.read(response)
                assert caught.value.sent is True

            async def wait() -> None:
                with pytest.raises(ConnectError, match="the client was closed before the request was sent") as caught:
                    await caller.fetch(server.url)
                errors.append(caught.value)

            async def close() -> None:
                await queue.holds(2)
                await caller.close()

            await runtime.together(read, wait, wait, close)
            # A body that is closed now has nothing left to give back.
            await caller.close_body(response)
            # The transport itself goes on, with connections of its new life.
            for _ in range(2):
                assert await caller.fetch(server.url) == b"true"
        await settle(runtime, server)

    runtime.run(scenario)
    assert [(error.sent, error.stale, error.permanent) for error in errors] == [(False, False, True)] * 2
    assert server.connections == 2


def test_a_call_that_waits_when_its_client_is_closed_is_not_retried(
    runtime: Runtime, hostile: MakeHostile, queue: Queue
) -> None:
    server = hostile([read_request, send(HALF), read_to_end])

    async def scenario() -> None:
        client = runtime.client(server.url, limits=Limits(max_connections=1), retry=Retry(max_retries=3))

        async def wait() -> None:
            with pytest.raises(ConnectError, match="the client was closed") as caught:
                await client.get("/")
            names = [type(event).__name__ for event in caught.value.trace or ()]
            assert names.count("RequestSent") == 1
            assert "RetryScheduled" not in names

        async def close() -> None:
            await queue.holds(1)
            await client.aclose()

        with pytest.raises(TransportError):
            async with client.stream("GET", "/") as response:
                await runtime.together(wait, close)
                await response.read()

    runtime.run(scenario)


def test_closing_while_a_connection_is_being_opened(runtime: Runtime, hostile: MakeHostile, tls: Authority) -> None:
    go_on = threading.Event()
    server = hostile(
        [wait_for(go_on), start_tls(tls.server_context()), read_to_end],
        [start_tls(tls.server_context()), repeat(read_request, send(OK))],
    )

    async def scenario() -> None:
        async with calling(runtime, verify=tls.ca_pem) as caller:

            async def call() -> None:
                with pytest.raises(ConnectError, match="the client was closed") as caught:
                    await caller.fetch(server.tls_url)
                assert caught.value.sent is False

            async def close() -> None:
                await patiently(runtime, server.wait_until, lambda: server.connections == 1)
                await caller.close()
                go_on.set()

            await runtime.together(call, close)
            await settle(runtime, server)
            assert await caller.fetch(server.tls_url) == b"true"

    runtime.run(scenario)


def test_closing_twice_or_unused(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(OK))])

    async def scenario() -> None:
        async with calling(runtime) as caller:
            await caller.close()
            for _ in range(2):
                assert await caller.fetch(server.url) == b"true"
                await caller.close()
                await caller.close()

    runtime.run(scenario)
    assert server.connections == 2
