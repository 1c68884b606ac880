"""One test, three runtimes: a test is written once, as a coroutine, and run under threads, asyncio and trio.

For threads the sync client is given the shape of the asynchronous one: its coroutines never suspend, so stepping
one once runs it to its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
import trio

import trivet

T = TypeVar("T")

PATIENCE = 20.0
VERBS = frozenset(
    {"get", "head", "options", "delete", "post", "put", "patch", "request", "send"}
    | {"clear_cache", "clear", "invalidate"}
)


class Runtime:
    """How to run a coroutine, several at once, and make the client that belongs to it."""

    name: str

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        raise NotImplementedError

    async def together(self, *functions: Callable[[], Awaitable[T]]) -> list[T]:
        """Run them concurrently; results in order."""
        raise NotImplementedError

    async def wait_for(self, event: threading.Event) -> None:
        """Wait for what happens in another thread or task; fail if it never does."""
        raise NotImplementedError

    def client(self, *args: Any, **options: Any) -> Any:
        return trivet.AsyncClient(*args, **options)

    def __repr__(self) -> str:
        return self.name


class Threads(Runtime):
    name = "sync"

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        coroutine = function()
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # a StopIteration does not know its type
        coroutine.close()
        raise AssertionError("a synchronous call suspended")

    async def together(self, *functions: Callable[[], Awaitable[T]]) -> list[T]:
        outcomes: dict[int, Any] = {}
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                outcomes[number] = self.run(functions[number])  # type: ignore[arg-type]  # they are coroutine functions
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [outcomes[number] for number in range(len(functions))]

    async def wait_for(self, event: threading.Event) -> None:
        assert event.wait(PATIENCE), "it never happened"

    def client(self, *args: Any, **options: Any) -> Any:
        return Shaped(trivet.Client(*args, **options))


class Asyncio(Runtime):
    name = "asyncio"

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(function())

    async def together(self, *functions: Callable[[], Awaitable[T]]) -> list[T]:
        return list(await asyncio.gather(*(function() for function in functions)))

    async def wait_for(self, event: threading.Event) -> None:
        assert await asyncio.to_thread(event.wait, PATIENCE), "it never happened"


class Trio(Runtime):
    name = "trio"

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return trio.run(function)

    async def together(self, *functions: Callable[[], Awaitable[T]]) -> list[T]:
        outcomes: dict[int, T] = {}

        async def work(number: int) -> None:
            outcomes[number] = await functions[number]()

        async with trio.open_nursery() as nursery:
            for number in range(len(functions)):
                nursery.start_soon(work, number)
        return [outcomes[number] for number in range(len(functions))]

    async def wait_for(self, event: threading.Event) -> None:
        assert await trio.to_thread.run_sync(event.wait, PATIENCE), "it never happened"


class Shaped:
    """A `Client` (or its ``raw``, or its ``cache``) in the shape of an `AsyncClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if name in VERBS:

            async def call(*args: Any, **options: Any) -> Any:
                return value(*args, **options)

            return call
        if name in ("raw", "cache"):
            return Shaped(value)
        if name == "with_options":
            return lambda **options: Shaped(value(**options))
        return value

    def __repr__(self) -> str:
        return repr(self._client)

    @asynccontextmanager
    async def stream(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        with self._client.stream(*args, **options) as response:
            yield ShapedStream(response)

    async def aclose(self) -> None:
        self._client.close()

    async def __aenter__(self) -> Shaped:
        self._client.__enter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._client.__exit__(*exc_info)


class ShapedStream:
    """An `OpenResponse` in the shape of an `AsyncOpenResponse`."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        for piece in self._response.iter_bytes():
            yield piece

    async def iter_lines(self) -> AsyncIterator[str]:
        for line in self._response.iter_lines():
            yield line

    async def read(self) -> bytes:
        content: bytes = self._response.read()
        return content

    async def aclose(self) -> None:
        self._response.close()


RUNTIMES = [pytest.param(runtime, id=runtime.name) for runtime in (Threads(), Asyncio(), Trio())]
