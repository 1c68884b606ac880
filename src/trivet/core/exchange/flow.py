"""Flows: the generators in which policies, endpoints and multi-step logic are written, once for every runtime.

Two rules keep a flow cancellable at every yield: no ``yield`` inside ``finally``, and no ``except
BaseException``. What a flow leaves open, its exchange closes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

from trivet.core.exchange.actions import Action, SleepUntil
from trivet.core.exchange.call import CurrentCall

T = TypeVar("T")

Flow: TypeAlias = Generator[Action[Any], Any, T]


def sleep(seconds: float) -> Flow[None]:
    """Wait for so many seconds, without saying in which runtime.

    >>> from trivet.core import Exchange, Instant
    >>> import random
    >>> exchange = Exchange(sleep(2.0), rng=random.Random())
    >>> exchange.start(Instant(monotonic=10.0, wall=0.0))
    SleepUntil(when=12.0)
    """
    call = yield from CurrentCall()
    yield from SleepUntil(call.now.monotonic + seconds)
