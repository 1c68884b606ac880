"""A budget of retries that many calls share, so that clients in trouble do not make it worse."""

from __future__ import annotations

from threading import Lock
from typing import Literal, TypeAlias

from trivet.core.errors import ConfigError
from trivet.core.policies.validation import require_count

FailureKind: TypeAlias = Literal["error", "timeout"]


class RetryBudget:
    """A store of tokens that retries take from and successes fill up again; when it is empty, nobody retries.

    Retries multiply the load of a server that is failing because of its load. A budget bounds that over all
    the calls, clients and threads that share it, where ``max_retries`` bounds only each call:

    - The budget starts full, with ``capacity`` tokens, and never holds more.
    - A retry takes ``cost`` tokens, or ``timeout_cost`` when the attempt before it timed out, since those
      hold resources on both sides for longest. With fewer tokens left there is no retry, and none are taken.
    - A call that succeeds after retries puts back what its last retry took; one that succeeds at its first
      attempt puts back ``refund``. A call that fails puts back nothing.

    So from full, at most ``capacity / cost`` retries (100 by default) can fail in a row, and in the long run
    failing retries are at most ``refund / cost`` (one fifth) of the calls that succeed at once. A server that
    comes back refills the budget in ``capacity / refund`` calls. These are the rules and the numbers of the
    "standard" retry mode of the AWS SDKs.

    A budget is safe under threads and holds its lock for no longer than an addition.

    Raises `ConfigError` for a number that is not an int of 0 or more, and for a capacity that would not pay
    for a single retry.

    >>> budget = RetryBudget(capacity=10)
    >>> [budget.acquire(), budget.acquire(), budget.acquire()]
    [True, True, False]
    >>> budget.deposit("error")
    >>> budget
    <RetryBudget: 5 of 10 tokens>
    """

    __slots__ = ("_lock", "_tokens", "capacity", "cost", "refund", "timeout_cost")

    def __init__(self, capacity: int = 500, *, cost: int = 5, timeout_cost: int | None = None, refund: int = 1) -> None:
        """``timeout_cost`` is twice the ``cost`` when left out."""
        require_count("RetryBudget(capacity=", capacity)
        require_count("RetryBudget(cost=", cost)
        timeout_cost = 2 * cost if timeout_cost is None else timeout_cost
        require_count("RetryBudget(timeout_cost=", timeout_cost)
        require_count("RetryBudget(refund=", refund)
        dearest = max(cost, timeout_cost)
        if capacity < dearest:
            raise ConfigError(f"RetryBudget(capacity={capacity}) is less than one retry costs ({dearest})")
        self.capacity = capacity
        self.cost = cost
        self.timeout_cost = timeout_cost
        self.refund = refund
        self._tokens = capacity
        self._lock = Lock()

    @property
    def tokens(self) -> int:
        """How many tokens are left."""
        return self._tokens

    def acquire(self, failure: FailureKind = "error") -> bool:
        """Pay for a retry after this kind of failure. False: there are too few tokens, so do not retry."""
        cost = self._cost(failure)
        with self._lock:
            if self._tokens < cost:
                return False
            self._tokens -= cost
            return True

    def deposit(self, retried: FailureKind | None = None) -> None:
        """A call succeeded: at its first attempt (None), or by a retry that was acquired for this failure."""
        # The lock is spared on the path of every call while all is well: a full budget has no room anyway.
        if self._tokens == self.capacity:
            return
        tokens = self.refund if retried is None else self._cost(retried)
        with self._lock:
            self._tokens = min(self.capacity, self._tokens + tokens)

    def _cost(self, failure: FailureKind) -> int:
        return self.timeout_cost if failure == "timeout" else self.cost

    def __repr__(self) -> str:
        return f"<RetryBudget: {self._tokens} of {self.capacity} tokens>"
