"""What one client takes more than another, when both take turns in one process.

The difference that is looked for is smaller than what a machine varies by from one second to the next.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from transport.observe import finish

TURN = 20


class Turns:
    """CPU time of the requests of each client: the first, which has a cache, and the other, which has none.

    It is told of every request, and ends the process. `aside` is as that of a `Window`.
    """

    def __init__(self, warm_up: float, seconds: float, aside: Callable[[int], dict[str, float]]) -> None:
        self.turn = 0
        self._seconds = seconds
        self._aside = aside
        self._done = 0
        self._began: int | None = None
        self._due = time.perf_counter() + warm_up
        self._spent = [0.0, 0.0]
        self._since = time.process_time()

    def tick(self) -> None:
        """A request is done."""
        self._done += 1
        if self._done % TURN == 0:
            self._spent[self.turn] += time.process_time() - self._since
            self.turn = 1 - self.turn
            if self.turn == 0 and time.perf_counter() >= self._due:
                self._begin_or_end()
            self._since = time.process_time()

    def _begin_or_end(self) -> None:
        if self._began is not None:
            each = (self._done - self._began) / 2
            cpu, plain = (spent / each * 1e6 for spent in self._spent)
            finish(cpu=cpu, plain=plain, extra=cpu - plain, **self._aside(self._done))
        self._aside(self._done)
        gc.collect()
        self._began, self._spent = self._done, [0.0, 0.0]
        self._due = time.perf_counter() + self._seconds
