"""Open responses: iterating, leaving early, limits."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import drip, read_head, send
from servers.httpbin import Httpbin
from servers.nginx import BYTES, RECORDS, Nginx


def chunked(*pieces: bytes, fields: str = "") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return f"HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n".encode() + body + b"0\r\n\r\n"


async def collect(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


def test_iterating_over_bytes(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client, client.stream("GET", "/bytes.bin") as response:
            assert response.status == 200
            assert int(response.headers["Content-Length"]) == len(BYTES)
            pieces = await collect(response.iter_bytes())
        assert b"".join(pieces) == BYTES
        assert max(map(len, pieces)) <= 65536

    runtime.run(scenario)


def test_iterating_over_lines(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(chunked(b"one\r", b"\ntwo\nthr\xc3", b"\xa9e")), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url) as client, client.stream("GET", "/") as response:
            assert await collect(response.iter_lines()) == ["one", "two", "thrée"]

    runtime.run(scenario)


def test_reading_the_rest(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client:
            async with client.stream("GET", "/records.json") as response:
                with pytest.raises(trivet.LocalProtocolError, match=r"read\(\)"):
                    response.json()
                assert await response.read() == response.content
                assert response.json() == RECORDS
                assert b"".join(await collect(response.iter_bytes())) == response.content
            assert response.json() == RECORDS

    runtime.run(scenario)


def test_content_is_read_once(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        async with runtime.client(nginx.url) as client, client.stream("GET", "/hello.txt") as response:
            await collect(response.iter_bytes())
            with pytest.raises(trivet.LocalProtocolError, match="once"):
                await collect(response.iter_bytes())

    runtime.run(scenario)


def test_leaving_early_is_clean(runtime: Runtime, nginx: Nginx) -> None:
    async def scenario() -> None:
        limits = trivet.Limits(max_connections=2)
        async with runtime.client(nginx.url, limits=limits) as client:
            for _ in range(5):
                async with client.stream("GET", "/slow.bin") as response:
                    async for _piece in response.iter_bytes():
                        break
                with pytest.raises(KeyError):
                    async with client.stream("GET", "/slow.bin") as response:
                        raise KeyError
            assert await client.get("/records.json") == RECORDS

    runtime.run(scenario)


def test_an_error_status_raises_with_its_message(runtime: Runtime, hostile: MakeHostile) -> None:
    error = b'{"error": {"message": "no such export"}}'
    head = f"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {len(error)}\r\n\r\n"
    server = hostile([read_head, send(head.encode() + error), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            with pytest.raises(trivet.NotFoundError, match="no such export"):
                async with client.stream("GET", "/"):
                    pytest.fail("the block is not entered")

    runtime.run(scenario)


def test_the_total_bounds_the_content(runtime: Runtime, hostile: MakeHostile) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    server = hostile([read_head, send(head), drip(b"x" * 1000)])

    async def scenario() -> None:
        async with runtime.client(server.url, timeout=0.6) as client:
            async with client.stream("GET", "/") as response:
                with pytest.raises(trivet.DeadlineExceeded, match=f"GET {server.url}/: ") as caught:
                    await collect(response.iter_bytes())
            assert caught.value.trace is response.trace

    runtime.run(scenario)


def test_a_truncated_stream_is_an_error(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")])

    async def scenario() -> None:
        async with runtime.client(server.url) as client, client.stream("GET", "/") as response:
            with pytest.raises(trivet.TransportError, match=server.url):
                await collect(response.iter_bytes())

    runtime.run(scenario)


def test_a_bomb_is_stopped(runtime: Runtime, hostile: MakeHostile) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    server = hostile([read_head, send(chunked(bomb, fields="Content-Encoding: gzip\r\n"))] * 1)

    async def scenario() -> None:
        limits = trivet.Limits(max_content=1_000_000)
        async with runtime.client(server.url, limits=limits) as client:
            with pytest.raises(trivet.ResponseTooLarge, match="1000000"):
                await client.raw.get("/")
            async with client.stream("GET", "/") as response:
                with pytest.raises(trivet.ResponseTooLarge, match="1000000"):
                    await response.read()
            async with client.stream("GET", "/") as response:
                size = 0
                async for piece in response.iter_bytes():
                    assert len(piece) <= 65536
                    size += len(piece)
                assert size == 10_000_000

    runtime.run(scenario)


def test_a_line_has_a_limit(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        client = runtime.client(httpbin.url, limits=trivet.Limits(max_line=10))
        async with client, client.stream("GET", "/anything", params={"q": "x" * 50}) as response:
            with pytest.raises(trivet.ResponseTooLarge, match=f"GET {httpbin.url}/anything.*max_line") as caught:
                await collect(response.iter_lines())
        assert caught.value.trace is response.trace

    runtime.run(scenario)


def test_content_that_is_broken_says_where_it_is_from(runtime: Runtime, hostile: MakeHostile) -> None:
    broken = chunked(gzip.compress(b"whole")[:-9], fields="Content-Encoding: gzip\r\n")
    server = hostile([read_head, send(broken)])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            with pytest.raises(trivet.DecodingError, match=f"GET {server.url}/: "):
                await client.raw.get("/")
            async with client.stream("GET", "/") as response:
                with pytest.raises(trivet.DecodingError, match=f"GET {server.url}/: ") as caught:
                    await collect(response.iter_bytes())
            assert caught.value.trace is response.trace

    runtime.run(scenario)
