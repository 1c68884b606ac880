"""What sibling clients share: the transport and the drivers on it, from the first use until it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from trivet.clients.options import TRANSPORT_OPTIONS
from trivet.core.errors import ConfigError, LocalProtocolError
from trivet.drivers.randomness import shared_rng

if TYPE_CHECKING:
    from trivet.core.exchange.actions import StoreAction
    from trivet.core.exchange.call import Rng
    from trivet.drivers.asynchronous import AsyncDriver
    from trivet.drivers.sync import SyncDriver
    from trivet.transports.protocol import AsyncTransport, Transport


class _Session:
    """The transport, made at the first call: a client that is never used costs nothing."""

    _sends: str
    _half: str

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = {name: options[name] for name in ("limits", *TRANSPORT_OPTIONS) if name in options}
        self._transport: Any = options.get("transport")
        if self._transport is not None and not hasattr(self._transport, self._sends):
            kind = type(self._transport).__name__
            raise ConfigError(f"transport= needs a method {self._sends}() here, and {kind} has none")
        self._rng: Rng | None = options.get("rng")
        self._clock: Any = options.get("clock")
        self._lock = Lock()
        self.closed = False

    @property
    def _dice(self) -> Rng:
        return self._rng or shared_rng()

    def _connect(self) -> Any:
        if self._transport is None:
            from importlib import import_module

            from trivet.transports.http_transport import HTTPTransport

            # Now rather than at the first request, whose deadline would run while the modules load.
            import_module(f"trivet.transports.halves.{self._half}")
            self._transport = HTTPTransport(**self._options)
        return self._transport

    def _check_open(self) -> None:
        if self.closed:
            raise LocalProtocolError("this client is closed; make a new one, or close it later")


class SyncSession(_Session):
    """The session of `Client`."""

    _sends = "send"
    _half = "sync"
    _driver: SyncDriver | None = None

    def driver(self) -> SyncDriver:
        """The driver. Raises `LocalProtocolError` when the session is closed."""
        driver = self._driver
        if driver is None or self.closed:
            with self._lock:
                self._check_open()
                driver = self._driver
                if driver is None:
                    from trivet.drivers.sync import SyncDriver

                    driver = self._driver = SyncDriver(
                        cast("Transport", self._connect()), rng=self._dice, clock=self._clock
                    )
        return driver

    def close(self, closing: StoreAction[None] | None = None) -> None:
        """End what runs in the background and close the connections, and the store. Closing again does nothing."""
        with self._lock:
            self.closed = True
            transport, self._transport = self._transport, None
            driver, self._driver = self._driver, None
        try:
            if driver is not None:
                driver.close()
                if closing is not None:
                    driver.perform(closing)
        finally:
            if transport is not None:
                transport.close()


class AsyncSession(_Session):
    """The session of `AsyncClient`: one transport, with a driver for each runtime that it is used under."""

    _sends = "asend"
    _half = "asynchronous"

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._drivers: dict[str, AsyncDriver] = {}

    def driver(self) -> AsyncDriver:
        """The driver of the running event loop. Raises `LocalProtocolError` when the session is closed."""
        from trivet.drivers.detect import current_runtime

        self._check_open()
        runtime = current_runtime()
        driver = self._drivers.get(runtime)
        if driver is None:
            with self._lock:
                self._check_open()
                driver = self._drivers.get(runtime)
                if driver is None:
                    driver = self._drivers[runtime] = self._make(runtime)
        return driver

    def _make(self, runtime: str) -> AsyncDriver:
        transport = cast("AsyncTransport", self._connect())
        if runtime == "trio":
            from trivet.drivers.trio import TrioDriver

            return TrioDriver(transport, rng=self._dice, clock=self._clock)
        from trivet.drivers.asyncio import AsyncioDriver

        return AsyncioDriver(transport, rng=self._dice, clock=self._clock)

    async def aclose(self, closing: StoreAction[None] | None = None) -> None:
        """End what runs in the background and close the connections, and the store. Closing again does nothing."""
        with self._lock:
            self.closed = True
            transport, self._transport = self._transport, None
            drivers, self._drivers = self._drivers, {}
        try:
            if drivers:
                await _close_drivers(drivers, closing)
        finally:
            if transport is not None:
                await transport.aclose()


async def _close_drivers(drivers: Mapping[str, AsyncDriver], closing: StoreAction[None] | None) -> None:
    from trivet.drivers.detect import current_runtime

    here = current_runtime()
    for runtime, driver in drivers.items():
        if runtime != here:
            driver.stop()
    if here in drivers:
        await drivers[here].aclose()
        if closing is not None:
            await drivers[here].perform(closing)
