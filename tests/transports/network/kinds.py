"""The kinds of streams there are, in one shape: a test of streams is written once, as a coroutine."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

from runtimes import Asyncio, Runtime, Threads, Trio
from trivet.transports.network.asyncio_backend import AsyncioBackend
from trivet.transports.network.sockets import SocketBackend
from trivet.transports.network.trio_backend import TrioBackend

try:
    import uvloop
except ImportError:  # it does not exist for Windows
    uvloop = None  # type: ignore[assignment]  # a module, or none

T = TypeVar("T")

PATIENCE = 10.0
"""A timeout that no test lets pass."""


class Kind:
    """One implementation: where it runs, and how to do there what tests need."""

    def __init__(self, name: str, runtime: Runtime, backend: Any) -> None:
        self.name = name
        self._runtime = runtime
        self.backend = backend

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._runtime.run(function)

    async def together(self, *functions: Callable[[], Awaitable[T]]) -> list[T]:
        return await self._runtime.together(*functions)

    async def connect(self, port: int, timeout: float = PATIENCE, **options: Any) -> Any:
        return await self.backend.connect_tcp("127.0.0.1", port, timeout, **options)

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the other tasks run until the condition holds."""
        for _ in range(100_000):
            if condition():
                return
            await self.backend.sleep(0.0001)
        raise AssertionError("the condition never held")

    async def cancelled(self, function: Callable[[], Awaitable[Any]]) -> None:
        """Run the function until it waits for something that does not come, then cancel it."""
        if self.name == "trio":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(function)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        else:
            task = asyncio.ensure_future(function())
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    def __repr__(self) -> str:
        return self.name


class Uvloop(Asyncio):
    name = "uvloop"

    def run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with warnings.catch_warnings(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            # When its warning that something was left open is made an error, uvloop never comes to an end.
            warnings.filterwarnings("ignore", "unclosed resource", ResourceWarning)
            return runner.run(function())


class _ShapedBackend:
    """`SocketBackend` in the shape of an asynchronous one."""

    def __init__(self) -> None:
        self._inner = SocketBackend()

    async def connect_tcp(self, *args: Any, **options: Any) -> Any:
        return ShapedStream(self._inner.connect_tcp(*args, **options))

    async def connect_unix_socket(self, *args: Any, **options: Any) -> Any:
        return ShapedStream(self._inner.connect_unix_socket(*args, **options))

    async def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class ShapedStream:
    """A synchronous stream in the shape of an asynchronous one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.abort = inner.abort
        self.get_extra_info = inner.get_extra_info
        self.read_ready = inner.read_ready

    async def read(self, *args: Any) -> bytes:
        return self.inner.read(*args)  # type: ignore[no-any-return]  # whatever stream it is

    async def write(self, *args: Any) -> None:
        self.inner.write(*args)

    async def upload(self, *args: Any) -> bool:
        return self.inner.upload(*args)  # type: ignore[no-any-return]  # whatever stream it is

    async def start_tls(self, *args: Any) -> Any:
        return ShapedStream(self.inner.start_tls(*args))

    async def aclose(self) -> None:
        self.inner.close()


_SYNC = Kind("sync", Threads(), _ShapedBackend())
TRIO = Kind("trio", Trio(), TrioBackend())
_ASYNC = [Kind("asyncio", Asyncio(), AsyncioBackend()), TRIO]
if uvloop is not None:
    _ASYNC.append(Kind("uvloop", Uvloop(), AsyncioBackend()))

ALL = pytest.mark.parametrize("kind", [_SYNC, *_ASYNC], ids=repr)
ASYNC = pytest.mark.parametrize("kind", _ASYNC, ids=repr)
LOOPS = pytest.mark.parametrize("kind", [kind for kind in _ASYNC if kind.name != "trio"], ids=repr)


async def read_exactly(stream: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        received = await stream.read(65536, PATIENCE)
        assert received, f"the stream ended after {len(data)} bytes"
        data += received
    return data
