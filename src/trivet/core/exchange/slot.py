"""A one-shot signal between calls: how one call waits for what another one is doing."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock


class Slot:
    """A place to park until somebody calls `wake`.

    A flow yields ``Park(slot)``; the driver registers a callback that wakes its thread or task; another
    call – in any thread, under any runtime – calls `wake`. Waking twice does nothing.

    >>> slot = Slot()
    >>> slot.on_wake(lambda: print("awake"))
    >>> slot.wake()
    awake
    >>> slot.is_woken
    True
    """

    __slots__ = ("_callbacks", "_lock", "_woken")

    def __init__(self) -> None:
        self._lock = Lock()
        self._woken = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_woken(self) -> bool:
        """Whether `wake` was called."""
        return self._woken

    def wake(self) -> None:
        """Wake whoever parks here, now or later. Safe in any thread."""
        with self._lock:
            self._woken = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_wake(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in the waking thread; at once if the slot is woken already."""
        with self._lock:
            if not self._woken:
                self._callbacks.append(callback)
                return
        callback()
