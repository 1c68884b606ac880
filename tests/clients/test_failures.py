"""Retries, deadlines and broken connections, against servers that misbehave to order."""

from __future__ import annotations

import pytest

import trivet
from conftest import MakeHostile
from runtimes import Runtime
from servers.hostile import close, drip, hang, read_head, read_request, repeat, reset, send
from servers.httpbin import Httpbin
from servers.unreachable import Refusing

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
AT_ONCE = trivet.Retry(backoff=trivet.Backoff(base=0))


def test_a_busy_server_is_asked_again(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(BUSY), read_head, send(BUSY), read_head, send(OK), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=AT_ONCE) as client:
            response = await client.raw.get("/")
        assert response.json() is True
        assert [attempt.status for attempt in response.trace.attempts] == [503, 503, 200]

    runtime.run(scenario)
    assert (len(server.requests), server.connections) == (3, 1)


def test_the_last_failure_is_raised_when_the_retries_are_used(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(BUSY))])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=AT_ONCE) as client:
            with pytest.raises(trivet.ServerError, match="503") as caught:
                await client.get("/")
        assert len(caught.value.trace.attempts) == 4
        assert caught.value.__notes__[0].startswith("4 attempts in ")
        assert caught.value.__notes__[0].endswith(" s: 503, 503, 503, 503; not retried: no retries are left")

    runtime.run(scenario)
    assert len(server.requests) == 4


def test_a_post_is_only_repeated_with_an_idempotency_key(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(BUSY))])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=AT_ONCE) as client:
            with pytest.raises(trivet.ServerError) as caught:
                await client.post("/", {})
            assert caught.value.__notes__ == ["not retried: POST is not idempotent and carries no Idempotency-Key"]
            assert len(server.requests) == 1
            with pytest.raises(trivet.ServerError):
                await client.post("/", {}, idempotency_key="k1")
            assert len(server.requests) == 5
            with pytest.raises(trivet.ServerError):
                await client.post("/", {}, idempotency_key=True, retry=1)

    runtime.run(scenario)
    assert all(b"\r\nidempotency-key: k1\r\n" in request.lower() for request in server.requests[1:5])
    keys = {line for request in server.requests[5:] for line in request.split(b"\r\n") if b"dempotency" in line}
    assert len(server.requests) == 7
    assert len(keys) == 1


def test_one_shot_content_is_never_sent_twice(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_request, send(BUSY))])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=AT_ONCE) as client:
            with pytest.raises(trivet.ServerError):
                await client.put("/", content=iter([b"once"]))
            assert len(server.requests) == 1
            with pytest.raises(trivet.ServerError):
                await client.put("/", content=lambda: iter([b"again"]))
            assert len(server.requests) == 5

    runtime.run(scenario)


def test_retry_after_beyond_what_we_wait_is_raised_at_once(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, send(b"HTTP/1.1 429 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")])

    async def scenario() -> None:
        async with runtime.client(server.url) as client:
            with pytest.raises(trivet.RateLimitError) as caught:
                await client.get("/")
        assert caught.value.retry_after == 3600

    runtime.run(scenario)
    assert len(server.requests) == 1


def test_a_truncated_body_is_fetched_again(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile(
        [read_head, send(OK[:-2]), close],
        [read_head, send(OK[:-1]), reset],
        [read_head, send(OK), read_head],
    )

    async def scenario() -> None:
        async with runtime.client(server.url, retry=AT_ONCE) as client:
            assert await client.get("/") is True

    runtime.run(scenario)
    assert len(server.requests) == 3


def test_a_refused_connection_was_not_sent(runtime: Runtime, refusing: Refusing) -> None:
    async def scenario() -> None:
        async with runtime.client(refusing.url, retry=AT_ONCE) as client:
            with pytest.raises(trivet.ConnectError, match="refused") as caught:
                await client.post("/", {})
        assert caught.value.sent is False
        assert len(caught.value.trace.attempts) == 4

    runtime.run(scenario)


def test_a_kept_connection_that_was_closed_is_replaced_without_a_retry(runtime: Runtime, hostile: MakeHostile) -> None:
    # The second request arrives before the close does: the race that no check beforehand can win.
    server = hostile([read_head, send(OK), read_head, close], [read_head, send(OK), read_head])

    async def scenario() -> None:
        async with runtime.client(server.url, retry=0) as client:
            assert await client.get("/") is True
            response = await client.raw.get("/")
        assert response.json() is True
        assert any("sent again at once" in str(event) for event in response.trace)

    runtime.run(scenario)
    assert len(server.requests) == 3


@pytest.mark.parametrize("retry", [0, 3])
def test_a_drip_does_not_outlive_the_total(runtime: Runtime, hostile: MakeHostile, retry: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    in_body = hostile([read_head, send(head), drip(b"x" * 1000)])
    in_head = hostile([read_head, drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000)])

    async def scenario() -> None:
        for server in (in_body, in_head):
            async with runtime.client(server.url, timeout=0.5, retry=retry) as client:
                with pytest.raises(trivet.DeadlineExceeded) as caught:
                    await client.get("/")
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.sent is True

    runtime.run(scenario)


def test_an_attempt_that_takes_too_long_is_retried(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, hang], [read_head, send(OK), read_head])

    async def scenario() -> None:
        timeout = trivet.Timeout(total=30, attempt=0.5)
        async with runtime.client(server.url, timeout=timeout, retry=AT_ONCE) as client:
            response = await client.raw.get("/")
            assert [attempt.outcome for attempt in response.trace.attempts] == ["AttemptTimeout", "200"]

    runtime.run(scenario)


def test_an_attempt_timeout_is_its_own_error(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([read_head, hang])

    async def scenario() -> None:
        async with runtime.client(server.url, timeout=trivet.Timeout(attempt=0.5), retry=0) as client:
            with pytest.raises(trivet.AttemptTimeout) as caught:
                await client.get("/")
            assert not isinstance(caught.value, trivet.DeadlineExceeded)

    runtime.run(scenario)


def test_a_client_lives_on_after_errors(runtime: Runtime, httpbin: Httpbin) -> None:
    async def scenario() -> None:
        async with runtime.client(httpbin.url, retry=0) as client:
            for _ in range(3):
                with pytest.raises(trivet.NotFoundError):
                    await client.get("/status/404")
                with pytest.raises(trivet.DeadlineExceeded):
                    await client.get("/delay/5", timeout=0.2)
                with pytest.raises(trivet.InvalidRequest):
                    await client.get("//evil.example")
            assert (await client.get("/get"))["args"] == {}

    runtime.run(scenario)


def test_a_breaker_stops_calling(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(BUSY))])

    async def scenario() -> None:
        breaker = trivet.Breaker(failure_threshold=2)
        async with runtime.client(server.url, breaker=breaker, retry=0) as client:
            for _ in range(2):
                with pytest.raises(trivet.ServerError):
                    await client.get("/")
            with pytest.raises(trivet.CircuitOpen) as caught:
                await client.with_options(headers={"X": "1"}).get("/")
        assert 0 < caught.value.retry_after <= 30

    runtime.run(scenario)
    assert len(server.requests) == 2


def test_a_rate_limit_refuses_what_cannot_wait(runtime: Runtime, hostile: MakeHostile) -> None:
    server = hostile([repeat(read_head, send(OK))])

    async def scenario() -> None:
        limit = trivet.RateLimit(1, per=3600)
        async with runtime.client(server.url, rate_limit=limit) as client:
            assert await client.get("/") is True
            with pytest.raises(trivet.RateLimited) as caught:
                await client.get("/")
        assert caught.value.retry_after > 3000

    runtime.run(scenario)
    assert len(server.requests) == 1
