"""What the asyncio and the trio driver share: all but waiting and cleaning up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from trivet.core.errors import LocalProtocolError
from trivet.core.exchange.actions import Action, CloseBody, Invoke, Park, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.call import Observer, Rng
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.drivers.clock import AsyncClock
from trivet.transports.protocol import AsyncTransport

T = TypeVar("T")

CLEANUP_GRACE = 2.0
"""Seconds that releasing the bodies of a failed or cancelled call may take, whatever its deadline was."""


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
        }

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
            raise LocalProtocolError(f"this driver does not know the action {type(action).__name__}")
        return handler(action)

    @abstractmethod
    async def release(self, actions: list[CloseBody]) -> None:
        """Close bodies although the task is being cancelled, within `CLEANUP_GRACE`."""

    @abstractmethod
    async def _park(self, action: Park) -> bool: ...

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

    async def _close_all(self, actions: list[CloseBody]) -> None:
        for action in actions:
            try:
                await self.transport.aclose_body(action.body)
            except Exception:
                # The call has its error already; the transport has dropped the connection.
                continue
