"""What is observed of a client at work. Each observer is told of every request that is done, and ends the process.

The requests that are then under way do not matter: as many were when the observation began.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import stat
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NoReturn

MIB = 1024 * 1024
STATUS = Path("/proc/self/status")
# Writing 5 resets the high-water mark of memory: proc(5).
CLEAR_REFS = Path("/proc/self/clear_refs")


def finish(**figures: float) -> NoReturn:
    """Print the figures and leave, closing nothing."""
    print(json.dumps(figures), flush=True)
    os._exit(0)


def connections() -> int:
    """How many connections are open. The sockets that wake an event loop up are of another family."""
    found = 0
    for number in range(3, 4096):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found += socket.socket(fileno=os.dup(number)).family == socket.AF_INET
        except OSError:
            continue
    return found


class Window:
    """CPU and wall-clock time of the requests within a time, once so many are done and the warm-up is over.

    `aside` is called with their number at the beginning and at the end, outside of what is measured; what it then says
    is printed too.
    """

    def __init__(
        self, warm_up: float, seconds: float, least: int, aside: Callable[[int], dict[str, float]] | None = None
    ) -> None:
        self._seconds = seconds
        self._least = least
        self._aside = aside or (lambda done: {})
        self._due = time.perf_counter() + warm_up
        self._done = count(1)
        self._began: tuple[int, float, float] | None = None
        self._turning = threading.Lock()

    def tick(self) -> None:
        """A request is done."""
        done = next(self._done)
        if time.perf_counter() >= self._due and self._turning.acquire(blocking=False):
            self._turn(done)
            self._turning.release()

    def _turn(self, done: int) -> None:
        """Begin or end the observation."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self._began is None:
            if done >= self._least:
                self._aside(done)
                gc.collect()
                self._began = done, time.perf_counter(), time.process_time()
                self._due = time.perf_counter() + self._seconds
        # A single slow request may outlast the window.
        elif done > self._began[0]:
            requests = done - self._began[0]
            finish(
                cpu=(cpu - self._began[2]) / requests * 1e6,
                rate=requests / (wall - self._began[1]),
                connections=connections(),
                **self._aside(done),
            )


def resident(field: str = "VmRSS") -> float:
    """Bytes of memory that the process has, or had at most (VmHWM)."""
    for line in STATUS.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    sys.exit(f"{field} is not known here")


def growth(warm_up: int, requests: int) -> Iterator[None]:
    """MiB that the process grows by during so many requests. Every step is a request."""
    for _ in range(warm_up):
        yield
    gc.collect()
    before = resident()
    for _ in range(requests):
        yield
    gc.collect()
    finish(growth=(resident() - before) / MIB)


def peak(warm_up: int) -> Iterator[None]:
    """MiB that one request needs at most: of the process, and of what Python allocates. Every step is a request.

    The requests to warm up must be small, for what they leave behind is not seen when it is used again.
    """
    for _ in range(warm_up):
        yield
    gc.collect()
    CLEAR_REFS.write_text("5", "ascii")
    before = resident()
    yield
    process = resident("VmHWM") - before
    # A measurement of its own, for tracing needs memory; and once more to warm up, for the same reason.
    tracemalloc.start()
    yield
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    yield
    finish(process=process / MIB, traced=(tracemalloc.get_traced_memory()[1] - before) / MIB)
