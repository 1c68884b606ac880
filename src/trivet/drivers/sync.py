"""The driver for threads: performs each action by blocking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import inf
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from trivet.core.errors import ConfigError, LocalProtocolError
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
from trivet.drivers.clock import SyncClock, ThreadClock
from trivet.transports.protocol import Transport

if TYPE_CHECKING:
    from trivet.drivers.threads import BackgroundDriver

T = TypeVar("T")


class SyncDriver:
    """Runs flows in the calling thread. One driver serves any number of threads."""

    def __init__(self, transport: Transport, *, rng: Rng, clock: SyncClock | None = None) -> None:
        self.transport = transport
        self.clock = clock or ThreadClock()
        self._rng = rng
        self._handlers: dict[type[Action[Any]], Callable[[Any], Any]] = {
            SendRequest: self._send,
            ReadBody: self._read,
            CloseBody: self._close,
            SleepUntil: self._sleep,
            Park: self._park,
            Invoke: self._invoke,
            Spawn: self._spawn,
        }
        self._lock = Lock()
        self._closed = False
        self._background: BackgroundDriver | None = None

    def run(self, flow: Flow[T], observer: Observer | None = None) -> T:
        """Run the flow to its end and return its result. Whatever ends it early leaves nothing open."""
        exchange = Exchange(flow, rng=self._rng, observer=observer)
        now = self.clock.now
        try:
            step = exchange.start(now())
            while type(step) is not Done:
                try:
                    reply = self.perform(step)  # type: ignore[arg-type]  # neither checker narrows on `type() is not`
                except Exception as error:
                    step = exchange.fail(error, now())
                else:
                    step = exchange.receive(reply, now())
            return step.result
        except BaseException:
            for action in exchange.cancel():
                self._release(action)
            raise

    def perform(self, action: Action[Any]) -> Any:
        """Perform one action and return its reply."""
        handler = self._handlers.get(type(action))
        if handler is None:
            handler = self._learn(type(action))
        return handler(action)

    def spawn(self, flow: Flow[object], observer: Observer | None = None) -> bool:
        """Run a flow in the background, in a thread; whether it was started."""
        with self._lock:
            background = self._background
            if background is None:
                if self._closed:
                    return False
                # Most clients never need it.
                from trivet.drivers.threads import BackgroundDriver

                background = BackgroundDriver(self.transport, rng=self._rng, clock=self.clock)
                self._background = background
        return background.spawn(flow, observer)

    def close(self) -> None:
        """End what runs in the background; from now on nothing is started there. The driver can still `run` flows."""
        with self._lock:
            self._closed = True
            background = self._background
        if background is not None:
            background.close()

    def _learn(self, kind: type[Action[Any]]) -> Callable[[Any], Any]:
        """Note how to perform a kind of action that is seen for the first time."""
        if not issubclass(kind, StoreAction):
            raise LocalProtocolError(f"this driver does not know the action {kind.__name__}")
        handler = self._handlers[kind] = self._store
        return handler

    def _send(self, action: SendRequest) -> Any:
        return self.transport.send(action, self.clock.monotonic)

    def _read(self, action: ReadBody) -> bytes:
        return self.transport.read(action, self.clock.monotonic)

    def _close(self, action: CloseBody) -> None:
        self.transport.close_body(action.body)

    def _sleep(self, action: SleepUntil) -> None:
        seconds = action.when - self.clock.monotonic()
        if seconds > 0:
            self.clock.sleep(seconds)

    def _park(self, action: Park) -> bool:
        event = Event()
        action.slot.on_wake(event.set)
        return self._wait(event, action.until)

    def _wait(self, event: Event, until: float) -> bool:
        return event.wait(None if until == inf else max(0.0, until - self.clock.monotonic()))

    def _store(self, action: StoreAction[Any]) -> Any:
        return action.perform()

    def _spawn(self, action: Spawn) -> bool:
        started = self.spawn(action.flow, action.observer)
        if not started:
            action.flow.close()
        return started

    def _invoke(self, action: Invoke[Any]) -> Any:
        result = action.function()
        if hasattr(result, "__await__"):
            if isinstance(result, Coroutine):
                result.close()  # else Python warns that it was never awaited
            raise ConfigError(
                "an asynchronous function was given to a sync client; use AsyncClient, or a plain function"
            )
        return result

    def _release(self, action: CloseBody) -> None:
        try:
            self.transport.close_body(action.body)
        except Exception:
            # The call has its error already; the transport has dropped the connection.
            return
