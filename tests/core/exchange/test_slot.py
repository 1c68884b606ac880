from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from trivet.core.exchange.slot import Slot


@pytest.mark.parametrize(
    ("steps", "calls"),
    [
        ("", 0),
        ("r", 0),
        ("w", 0),
        ("rw", 1),
        ("wr", 1),
        ("rww", 1),
        ("rrw", 2),
        ("rwr", 2),
        ("wrwr", 2),
    ],
)
def test_each_callback_is_called_once_whenever_it_comes(steps: str, calls: int) -> None:
    slot = Slot()
    called: list[int] = []

    for number, step in enumerate(steps):
        if step == "w":
            slot.wake()
        else:
            slot.on_wake(lambda number=number: called.append(number))  # type: ignore[misc]  # the default is the number

    assert len(called) == len(set(called)) == calls
    assert slot.is_woken is ("w" in steps)


def test_callbacks_are_called_in_the_order_they_came() -> None:
    slot = Slot()
    called: list[int] = []
    for number in range(5):
        slot.on_wake(lambda number=number: called.append(number))  # type: ignore[misc]  # the default is the number

    slot.wake()

    assert called == [0, 1, 2, 3, 4]


def test_a_callback_may_use_the_slot() -> None:
    # The lock is not held while callbacks run, or this would never end.
    slot = Slot()
    seen: list[bool] = []

    def again() -> None:
        slot.wake()
        slot.on_wake(lambda: seen.append(slot.is_woken))

    slot.on_wake(again)
    slot.wake()

    assert seen == [True]


def test_wakes_and_registrations_of_many_threads_meet() -> None:
    for _ in range(50):
        slot = Slot()
        called: list[int] = []
        barrier = threading.Barrier(8)

        def work(
            number: int, slot: Slot = slot, called: list[int] = called, barrier: threading.Barrier = barrier
        ) -> None:
            barrier.wait()
            if number % 4 == 0:
                slot.wake()
            else:
                slot.on_wake(lambda: called.append(number))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))

        assert sorted(called) == [1, 2, 3, 5, 6, 7]
