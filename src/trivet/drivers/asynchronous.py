"""What the asyncio and the trio driver share: all but waiting and cleaning up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from trivet.core.errors import LocalProtocolError
from trivet.core.exchange.actions import (
    Action,
    CloseBody,
    Invoke,
    Park,
    ReadBody,
    SendRequest,
    SleepUntil,
    Spawn,
    StoreAction,
)
from trivet.core.exchange.call import Observer, Rng
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.drivers.background import discarding
from trivet.drivers.clock import AsyncClock
from trivet.transports.protocol import AsyncTransport

T = TypeVar("T")


class AsyncDriver(ABC):
    """Runs flows in the calling task. One driver serves any number of tasks."""

    def __init__(self, transport: AsyncTransport, *, rng: Rng, clock: AsyncClock) -> None:
        self.transport = transport
        self.clock = clock
        self._rng = rng
        self._handlers: dict[type[Action[Any]], Callable[[Any], Awaitable[Any]]] = {
            SendRequest: self._send,
            ReadBody: self._read,
            CloseBody: self._close,
            SleepUntil: self._sleep,
            Park: self._park,
            Invoke: self._invoke,
            Spawn: self._spawn,
        }
        self._closed = False

    async def run(self, flow: Flow[T], observer: Observer | None = None) -> T:
        """Run the flow to its end and return its result. Whatever ends it early leaves nothing open."""
        exchange = Exchange(flow, rng=self._rng, observer=observer)
        now = self.clock.now
        try:
            step = exchange.start(now())
            while type(step) is not Done:
                try:
                    reply = await self.perform(step)  # type: ignore[arg-type]  # no narrowing on `type() is not`
                except Exception as error:
                    step = exchange.fail(error, now())
                else:
                    step = exchange.receive(reply, now())
            return step.result
        except BaseException:
            leftovers = exchange.cancel()
            if leftovers:
                await self.release(leftovers)
            raise

    def perform(self, action: Action[Any]) -> Awaitable[Any]:
        """Perform one action and return its reply."""
        handler = self._handlers.get(type(action))
        if handler is None:
            handler = self._learn(type(action))
        return handler(action)

    @abstractmethod
    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies although the task is being cancelled, within `CLEANUP_GRACE`."""

    @abstractmethod
    async def aclose(self) -> None:
        """`stop`, and wait within `CLEANUP_GRACE` for the end of what runs in the background of this event loop."""

    @abstractmethod
    def stop(self) -> None:
        """Cancel what runs in the background, in whatever event loop; from now on nothing is started there.

        The driver can still `run` flows.
        """

    @abstractmethod
    async def _park(self, action: Park) -> bool: ...

    @abstractmethod
    def _start(self, flow: Flow[object], observer: Observer | None) -> None:
        """Run a flow `_in_background`, in a task that neither the caller's cancellation nor its deadline reaches."""

    @abstractmethod
    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        """Call a blocking function. A cancellation does not wait for it."""

    def _learn(self, kind: type[Action[Any]]) -> Callable[[Any], Awaitable[Any]]:
        """Note how to perform a kind of action that is seen for the first time."""
        if not issubclass(kind, StoreAction):
            raise LocalProtocolError(f"this driver does not know the action {kind.__name__}")
        handler = self._handlers[kind] = self._store
        return handler

    def _send(self, action: SendRequest) -> Awaitable[Any]:
        return self.transport.asend(action, self.clock.monotonic)

    def _read(self, action: ReadBody) -> Awaitable[bytes]:
        return self.transport.aread(action, self.clock.monotonic)

    def _close(self, action: CloseBody) -> Awaitable[None]:
        return self.transport.aclose_body(action.body)

    async def _sleep(self, action: SleepUntil) -> None:
        # Also a wait of no seconds passes through the event loop: a retry loop must be cancellable.
        await self.clock.asleep(max(0.0, action.when - self.clock.monotonic()))

    async def _invoke(self, action: Invoke[Any]) -> Any:
        result = action.function()
        if hasattr(result, "__await__"):
            return await result
        return result

    async def _store(self, action: StoreAction[Any]) -> Any:
        if action.instant:
            return action.perform()
        return await self._in_thread(action.perform)

    async def _spawn(self, action: Spawn) -> bool:
        if self._closed:
            action.flow.close()
            return False
        self._start(action.flow, action.observer)
        if self._closed:
            self.stop()  # it was closed in another thread while this one got here
        return True

    async def _in_background(self, flow: Flow[object], observer: Observer | None) -> None:
        try:
            await self.run(discarding(flow), observer)
        except Exception:
            # The observer was told of it, and nobody else waits for it.
            return

    async def _close_all(self, actions: list[CloseBody]) -> None:
        for action in actions:
            try:
                await self.transport.aclose_body(action.body)
            except Exception:
                # The call has its error already; the transport has dropped the connection.
                continue
