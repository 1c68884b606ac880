"""What is remembered of a function."""

from __future__ import annotations

from trivet.core.caching.memo import MEMO_SIZE, Memo


def test_a_value_is_computed_once_and_only_so_many_are_kept() -> None:
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    memo = Memo(double)
    assert [memo[7], memo[7], asked] == [14, 14, [7]]
    for number in range(10 * MEMO_SIZE):
        assert memo[number] == 2 * number
        assert len(memo) <= MEMO_SIZE
