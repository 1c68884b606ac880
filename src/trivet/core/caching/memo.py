"""Remembering what is asked again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")

MEMO_SIZE: Final = 256


class Memo(dict[K, V]):
    """The values of a pure function: ``memo[argument]``. Of `MEMO_SIZE` arguments, then it begins anew.

    Unlike `functools.lru_cache` it does not note in which order they were used, which takes longer than to find them. It is
    safe under threads: two may compute the same value.

    >>> lengths = Memo(len)
    >>> lengths["four"], lengths
    (4, {'four': 4})
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[K], V]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, argument: K) -> V:
        value = self._function(argument)
        if len(self) >= MEMO_SIZE:
            self.clear()
        self[argument] = value
        return value
