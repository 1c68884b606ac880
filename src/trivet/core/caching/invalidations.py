"""What was made invalid while requests were under way (RFC 9111 §4.4)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from trivet.core.caching.keys import target_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TARGETS: Final = 1000


class Invalidations:
    """Tells of each key whether it was made invalid since a certain moment. Shared by threads.

    A response to a request that was sent before may show what was there before: to store it would undo the invalidation.
    Only the latest are remembered, `MAX_TARGETS` of them; before that everything counts as invalid.

    ``count``: how many there were, which is what moments are told apart by.

    >>> invalidations = Invalidations()
    >>> before = invalidations.count
    >>> invalidations.note(["GET https://api.example.com/users - "])
    >>> invalidations.include("GET https://api.example.com/users - 9c1e", since=before)
    True
    >>> invalidations.include("GET https://api.example.com/users - 9c1e", since=invalidations.count)
    False
    """

    __slots__ = ("_all", "_latest", "_lock", "count")

    def __init__(self) -> None:
        self._lock = Lock()
        self._latest: dict[str, int] = {}
        self._all = 0
        self.count = 0

    def note(self, targets: Iterable[str]) -> None:
        """Note that the keys of these targets (`target_prefix`) are made invalid."""
        with self._lock:
            self.count += 1
            for target in targets:
                self._latest[target] = self.count
            if len(self._latest) > MAX_TARGETS:
                self._forget()

    def note_all(self) -> None:
        """Note that every key may have been made invalid."""
        with self._lock:
            self.count += 1
            self._forget()

    def include(self, key: str, *, since: int) -> bool:
        """Whether a key was made invalid after the moment at which ``count`` was ``since``."""
        with self._lock:
            return max(self._all, self._latest.get(target_of(key), 0)) > since

    def _forget(self) -> None:
        self._latest.clear()
        self._all = self.count
