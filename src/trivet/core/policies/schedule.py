"""Whether to try again, and when: the one decision behind the `Retry` policy and the `retry` decorator."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trivet.core.exchange.call import Rng
    from trivet.core.policies.backoff import Backoff

# What a server may answer differently in a moment: timeout, too many requests, and the failures of a server
# or gateway that are not a refusal (RFC 9110 §15.5.9, §15.6; RFC 6585 §4).
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class GiveUp(Enum):
    """Why a failure that could be retried is not.

    >>> str(GiveUp.NO_TIME_LEFT)
    'the next attempt could not start before the deadline'
    """

    NO_RETRIES_LEFT = "no retries are left"
    RETRY_AFTER_TOO_LONG = "the server asks for a longer wait than max_retry_after"
    NO_TIME_LEFT = "the next attempt could not start before the deadline"

    def __str__(self) -> str:
        return self.value


def next_delay(
    backoff: Backoff,
    retry_number: int,
    rng: Rng,
    *,
    max_retries: int,
    previous: float | None = None,
    retry_after: float | None = None,
    max_retry_after: float = 60.0,
    time_left: float = inf,
) -> float | GiveUp:
    """Seconds to wait before retry ``retry_number`` (the first is 1), or the reason not to make it.

    ``previous`` is the delay before the retry that came before, ``retry_after`` what the server asked for
    (None: nothing) and ``time_left`` the seconds until the deadline. A Retry-After is a floor under the
    backoff, which may lie above its cap; one beyond ``max_retry_after`` is neither waited for nor undercut
    (RFC 9110 §10.2.3).

    >>> import random
    >>> from trivet.core.policies.backoff import Backoff
    >>> backoff, rng = Backoff(base=1.0, jitter="none"), random.Random()
    >>> next_delay(backoff, 1, rng, max_retries=3, retry_after=20.0)
    20.0
    >>> next_delay(backoff, 4, rng, max_retries=3)
    <GiveUp.NO_RETRIES_LEFT: 'no retries are left'>
    """
    if retry_number > max_retries:
        return GiveUp.NO_RETRIES_LEFT
    floor = 0.0 if retry_after is None else retry_after
    if floor > max_retry_after:
        return GiveUp.RETRY_AFTER_TOO_LONG
    delay = max(floor, backoff.delay(retry_number, rng, previous))
    # A wait that ends on the deadline leaves the attempt no time at all.
    return delay if delay < time_left else GiveUp.NO_TIME_LEFT
