"""What tests of a client's cache share: an origin that never gives the same answer twice, and virtual time."""

from __future__ import annotations

import logging
import threading
from itertools import count
from typing import Any

import trivet
from runtimes import Runtime
from trivet.testing import ScriptedTransport, VirtualClock

BASE = "https://api.example.com"
START = 1_700_000_000.0
FRESH = {"Cache-Control": "max-age=60"}


class Origin(ScriptedTransport):
    """Answers with a number, another one to each request, and these fields."""

    def __init__(self, status: int = 200, **fields: str) -> None:
        headers = {name.replace("_", "-"): value for name, value in fields.items()} or FRESH
        numbers = count(1)
        super().__init__(lambda request: trivet.Response(status, headers, b"%d" % next(numbers)), forever=True)


class Late:
    """A cache in virtual time, and the clock."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock(wall=START)
        self.store = trivet.MemoryStore(clock=lambda: self.clock.now().wall)
        self.cache = trivet.Cache(self.store, **options)

    def client(self, runtime: Runtime, transport: Any, **options: Any) -> Any:
        options = {"cache": self.cache, **options}
        return runtime.client(BASE, transport=transport, clock=self.clock, **options)


class Watch(logging.Handler):
    """Watches the log of clients: ``seen`` is set when these events have come up so many times."""

    def __init__(self, *events: str, times: int) -> None:
        super().__init__()
        self.seen = threading.Event()
        self.log = logging.Logger("watched", logging.DEBUG)
        self.log.addHandler(self)
        self._events = events
        self._counting = threading.Lock()
        self._missing = times

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) in self._events:
            with self._counting:
                self._missing -= 1
                if self._missing == 0:
                    self.seen.set()


def told(response: trivet.Response) -> list[str]:
    """What the trace says the cache did, in words."""
    assert response.trace is not None
    return [str(event) for event in response.trace if type(event).__module__ == "trivet.core.caching.events"]
