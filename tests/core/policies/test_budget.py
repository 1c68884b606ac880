from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from trivet.core.errors import ConfigError
from trivet.core.policies.budget import FailureKind, RetryBudget


def test_from_full_it_pays_for_capacity_over_cost_retries() -> None:
    budget = RetryBudget()

    assert [budget.acquire() for _ in range(101)] == [True] * 100 + [False]
    assert budget.tokens == 0


@pytest.mark.parametrize(
    ("failure", "left"),
    [("error", 495), ("timeout", 490)],
)
def test_what_a_retry_costs(failure: FailureKind, left: int) -> None:
    budget = RetryBudget()

    assert budget.acquire(failure)
    assert budget.tokens == left
    budget.deposit(failure)
    assert budget.tokens == 500


def test_a_retry_that_cannot_be_paid_takes_nothing() -> None:
    budget = RetryBudget(12)
    budget.acquire()

    assert not budget.acquire("timeout")
    assert budget.tokens == 7
    assert budget.acquire()


def test_successes_at_once_fill_it_up_to_its_capacity() -> None:
    budget = RetryBudget(capacity=20, refund=3)
    budget.acquire("timeout")

    levels = []
    for _ in range(5):
        budget.deposit()
        levels.append(budget.tokens)

    assert levels == [13, 16, 19, 20, 20]


def test_in_the_long_run_a_fifth_of_the_successes_may_be_matched_by_failing_retries() -> None:
    budget = RetryBudget()
    while budget.acquire():
        pass

    granted = 0
    for _ in range(1000):
        budget.deposit()
        granted += budget.acquire()

    assert granted == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": -1}, "RetryBudget(capacity=-1) must be a whole number, 0 or more"),
        ({"capacity": 1.5}, "RetryBudget(capacity=1.5) must be a whole number, 0 or more"),
        ({"cost": None}, "RetryBudget(cost=None) must be a whole number, 0 or more"),
        ({"timeout_cost": -2}, "RetryBudget(timeout_cost=-2) must be a whole number, 0 or more"),
        ({"refund": "1"}, "RetryBudget(refund='1') must be a whole number, 0 or more"),
        ({"capacity": 9}, "RetryBudget(capacity=9) is less than one retry costs (10)"),
        (
            {"capacity": 9, "cost": 10, "timeout_cost": 0},
            "RetryBudget(capacity=9) is less than one retry costs (10)",
        ),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryBudget(**options)
    assert str(caught.value) == message


def test_repr_and_settings() -> None:
    budget = RetryBudget(50, cost=4)

    assert repr(budget) == "<RetryBudget: 50 of 50 tokens>"
    assert (budget.capacity, budget.cost, budget.timeout_cost, budget.refund) == (50, 4, 8, 1)


def test_threads_neither_lose_nor_make_tokens() -> None:
    budget = RetryBudget(capacity=1000, cost=1, timeout_cost=2)

    def calls(_: int) -> int:
        return sum(budget.acquire() for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(calls, range(8)))

    assert granted == 1000
    assert budget.tokens == 0


def test_threads_that_give_back_what_they_took_leave_it_full() -> None:
    budget = RetryBudget(capacity=100, cost=1)
    granted: list[bool] = []

    def calls(_: int) -> None:
        for _ in range(500):
            if budget.acquire():
                granted.append(True)
                budget.deposit("error")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(calls, range(8)))

    assert len(granted) == 8 * 500
    assert budget.tokens == 100


class AgainstModel(RuleBasedStateMachine):
    """The budget beside an account book that is balanced from the beginning for each answer."""

    @initialize(
        costs=st.tuples(st.integers(0, 10), st.integers(0, 20)),
        room=st.integers(0, 40),
        refund=st.integers(0, 5),
    )
    def open(self, costs: tuple[int, int], room: int, refund: int) -> None:
        self.costs = {"error": costs[0], "timeout": costs[1], None: -refund}
        self.capacity = max(costs) + room
        self.budget = RetryBudget(self.capacity, cost=costs[0], timeout_cost=costs[1], refund=refund)
        self.book: list[int] = []

    def balance(self) -> int:
        tokens = self.capacity
        for change in self.book:
            tokens = min(self.capacity, tokens + change)
        return tokens

    @rule(failure=st.sampled_from(["error", "timeout"]))
    def acquire(self, failure: FailureKind) -> None:
        affordable = self.balance() >= self.costs[failure]
        assert self.budget.acquire(failure) is affordable
        if affordable:
            self.book.append(-self.costs[failure])

    @rule(retried=st.sampled_from(["error", "timeout", None]))
    def deposit(self, retried: FailureKind | None) -> None:
        self.budget.deposit(retried)
        self.book.append(abs(self.costs[retried]))

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "budget"):
            assert self.budget.tokens == self.balance()
            assert 0 <= self.budget.tokens <= self.capacity


TestAgainstModel = AgainstModel.TestCase
