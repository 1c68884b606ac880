"""What every store must do, as checks to run on one's own.

With pytest, for one test per check::

    @pytest.mark.parametrize("check", store_checks(), ids=lambda check: check.__name__)
    def test_it_is_a_store(check, tmp_path):
        check(lambda: MyStore(tmp_path / "cache"))

A check asks for a store, or for two, and clears it: it may well be on the same medium each time. There must be room for
100 entries and 8 MiB, and for single contents of 64 KiB. ``max_content`` is tried out if it is at most 64 MiB: then there
must be room for that much as well.
"""

from __future__ import annotations

from trivet.testing.stores import contents, entries, removal, together
from trivet.testing.stores.checking import Check, MakeStore

__all__ = ["check_store", "store_checks"]


def store_checks() -> tuple[Check, ...]:
    """The checks. Each takes a function that makes a store, and raises AssertionError that says what is wrong.

    >>> from trivet.stores.memory import MemoryStore
    >>> checks = {check.__name__: check for check in store_checks()}
    >>> checks["nothing_is_left_after_clear"](MemoryStore)
    """
    return (*entries.checks, *removal.checks, *contents.checks, *together.checks)


def check_store(make_store: MakeStore) -> None:
    """Check all that a store must do, each on one that ``make_store`` makes.

    Raises AssertionError at the first thing that is wrong, and whatever the store raises.

    >>> from trivet.stores.memory import MemoryStore
    >>> check_store(MemoryStore)
    """
    for check in store_checks():
        check(make_store)
