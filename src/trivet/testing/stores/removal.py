"""Checks of what is found no more after it was removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from trivet.testing.stores.checking import (
    KEY,
    TRICKY,
    Checks,
    entry_for,
    require,
    require_found,
    require_nothing,
    save,
)

if TYPE_CHECKING:
    from trivet.core.caching.store import Store

checks: Final = Checks()


@checks.of_one
def removing_removes_this_very_content(store: Store) -> None:
    """One that was replaced since, or of another variant, stays."""
    old = save(store, b"old")
    new = save(store, b"new")
    varied = save(store, b"varied", vary=None)
    for other in (
        old,
        new._replace(content_id=""),
        new._replace(content_id=varied.content_id),
        new._replace(key="another key"),
        new._replace(vary=(("accept", "a"),)),
    ):
        require(not store.remove(other), "remove() says that it removed what was not there")
        require(len(store.find(KEY)) == 2, "remove() of what was not there removed something else")
    require(store.remove(new._replace(status=500)), "remove() of an entry that is there returned False")
    require_found(store, entry_for(b"varied", vary=None), b"varied")
    require(not store.remove(new), "remove() returned True twice for one entry")
    require(store.remove(varied), "remove() of the last variant returned False")
    require_nothing(store, "an entry that was removed")


@checks.of_one
def removing_by_prefix(store: Store) -> None:
    """Of the key, character by character; all variants; and how many they were."""
    wanted: Sequence[str] = TRICKY
    for prefix in TRICKY:
        # Those that were removed, again.
        for key in wanted:
            save(store, b"a", key)
            save(store, b"b", key, vary=None)
        wanted = [key for key in TRICKY if key.startswith(prefix)]
        removed = store.remove_where(prefix=prefix)
        require(removed == 2 * len(wanted), f"remove_where(prefix={prefix!r}) of {2 * len(wanted)} removed {removed}")
        for key in TRICKY:
            count = len(store.find(key))
            right = 0 if key in wanted else 2
            require(count == right, f"remove_where(prefix={prefix!r}) left {count} of 2 entries under {key!r}")


@checks.of_one
def removing_by_url(store: Store) -> None:
    """By what a function says to the URL, alone or with a prefix; and how many they were."""
    for number, key in enumerate(("a 1", "a 2", "b 1", "b 2", "c")):
        save(store, b"a", key, url=f"https://api.example.com/{number}")
    asked: list[str] = []

    def even(url: str) -> bool:
        asked.append(url)
        return url[-1] in "02468"

    require(store.remove_where(matches=lambda _: False) == 0, "remove_where() removed what does not match")
    removed = store.remove_where(prefix="a", matches=even)
    require(removed == 1, f"remove_where(prefix=…, matches=…) of 1 entry removed {removed}")
    require(
        set(asked) == {"https://api.example.com/0", "https://api.example.com/1"},
        f"remove_where() asks for the URLs of the entries with the prefix, not for {asked}",
    )
    removed = store.remove_where(matches=even)
    require(removed == 2, f"remove_where(matches=…) of 2 entries removed {removed}")
    left = [key for key in ("a 1", "a 2", "b 1", "b 2", "c") if store.find(key)]
    require(left == ["a 2", "b 2"], f"remove_where(matches=…) left the keys {left} and not ['a 2', 'b 2']")
    removed = store.remove_where()
    require(removed == 2, f"remove_where() of 2 entries removed {removed}")
    require_nothing(store, "an entry after remove_where()", "a 2")


@checks.of_one
def nothing_is_left_after_clear(store: Store) -> None:
    """Of any key; and what is saved afterwards is kept."""
    for key in TRICKY:
        save(store, b"a", key)
    store.clear()
    for key in TRICKY:
        require_nothing(store, "an entry that clear() left", key)
    require(store.remove_where() == 0, "clear() left something to be removed")
    store.clear()
    save(store, b"b")
    require_found(store, entry_for(b"b"), b"b")
