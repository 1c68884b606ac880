"""What the cache of one pipeline goes by."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from trivet.core.caching.identity import Identities
    from trivet.core.caching.invalidations import Invalidations
    from trivet.core.caching.store import Store
    from trivet.core.limits import Limits

MAX_REVALIDATIONS: Final = 1000


class Revalidations:
    """Which keys are being validated in the background, so that each is by one call at a time. Shared by threads.

    A claim ends by itself after a while, since a background call may be dropped before it ever ran.
    """

    __slots__ = ("_claims", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._claims: dict[str, float] = {}

    def claim(self, key: str, now: float, until: float) -> bool:
        """Whether nobody else has it; if so it is claimed. Times are in seconds on any one clock."""
        with self._lock:
            if self._claims.get(key, now) > now:
                return False
            if len(self._claims) >= MAX_REVALIDATIONS:
                self._claims = {each: end for each, end in self._claims.items() if end > now}
            if len(self._claims) >= MAX_REVALIDATIONS:
                return False
            self._claims[key] = until
            return True

    def end(self, key: str) -> None:
        """Give the claim back."""
        with self._lock:
            self._claims.pop(key, None)


class Settings(NamedTuple):
    """The options of a `Cache` and the circumstances of the pipeline in which it stands.

    ``refresh``: stored responses are not used, only replaced. ``bypass``: nothing is used and nothing stored.
    ``streaming``: content is left unread.
    """

    store: Store
    identities: Identities
    revalidations: Revalidations
    invalidations: Invalidations
    limits: Limits
    shared: bool = False
    refresh: bool = False
    bypass: bool = False
    streaming: bool = False
