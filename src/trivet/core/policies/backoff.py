"""How long to wait before each retry: exponential backoff with jitter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from trivet.core.policies.validation import require_choice, require_number

if TYPE_CHECKING:
    from trivet.core.exchange.call import Rng

Jitter: TypeAlias = Literal["full", "equal", "proportional", "decorrelated", "none"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow by ``factor`` from ``base`` up to ``cap`` seconds, with jitter.

    The unjittered delay of retry n is ``d = min(cap, base * factor ** (n - 1))``. Jitter is applied after the
    cap, so it always spreads, and no delay is ever longer than ``cap``:

    ================ ==================================================
    ``jitter``       the delay is drawn uniformly from
    ================ ==================================================
    ``full``         0 to d
    ``equal``        d / 2 to d
    ``proportional`` 3 d / 4 to d
    ``decorrelated`` base to 3 times the previous delay, at most cap
    ``none``         d itself
    ================ ==================================================

    ``decorrelated`` grows by itself and does not use ``factor``; its first retry counts ``base`` as the
    previous delay. ``full``, ``equal`` and ``decorrelated`` are those of Brooker, "Exponential Backoff And
    Jitter" (AWS Architecture Blog, 2015).

    Raises `ConfigError` for a ``base`` or ``cap`` that is not a finite number of 0 or more, a ``factor``
    below 1, or an unknown ``jitter``. A ``cap`` below ``base`` is allowed, and rules.

    >>> import random
    >>> Backoff(base=1, cap=10, jitter="none").delay(3, random.Random())
    4.0
    """

    base: float = 0.5
    factor: float = 2.0
    cap: float = 8.0
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        require_number("Backoff(base=", self.base)
        require_number("Backoff(factor=", self.factor, minimum=1.0, unit="number")
        require_number("Backoff(cap=", self.cap)
        require_choice("Backoff(jitter=", self.jitter, get_args(Jitter))

    def bounds(self, retry_number: int, previous: float | None = None) -> tuple[float, float]:
        """The shortest and the longest delay that may come before this retry; the first is retry 1.

        >>> Backoff(jitter="equal").bounds(2)
        (0.5, 1.0)
        """
        if retry_number < 1:
            raise ValueError(f"retries are counted from 1, not from {retry_number}")
        cap = float(self.cap)
        if self.jitter == "decorrelated":
            base = min(cap, float(self.base))
            longest = 3.0 * (base if previous is None else previous)
            return base, max(base, min(cap, longest))
        try:
            # As floats: an int raised to the power of a huge retry number would be computed digit by digit.
            longest = min(cap, self.base * float(self.factor) ** (retry_number - 1))
        except OverflowError:
            longest = cap if self.base else 0.0
        return _SHORTEST[self.jitter] * longest, longest

    def delay(self, retry_number: int, rng: Rng, previous: float | None = None) -> float:
        """Seconds to wait before this retry, drawn with ``rng``; the first is retry 1.

        ``previous`` is the delay before the retry that came before, which only ``decorrelated`` asks for.
        """
        shortest, longest = self.bounds(retry_number, previous)
        if shortest == longest:
            return longest
        # The sum inside uniform() may round up past its end.
        return min(longest, rng.uniform(shortest, longest))

    def delays(self, rng: Rng) -> Iterator[float]:
        """The delays of one call's retries, one after the other, without end.

        >>> import random
        >>> from itertools import islice
        >>> list(islice(Backoff(jitter="none").delays(random.Random()), 6))
        [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
        """
        retry_number = 1
        previous: float | None = None
        while True:
            previous = self.delay(retry_number, rng, previous)
            yield previous
            retry_number += 1


_SHORTEST = {"full": 0.0, "equal": 0.5, "proportional": 0.75, "none": 1.0}
