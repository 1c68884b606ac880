"""Checks of what is found after it was saved, updated or removed."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Any, Final

from trivet.core.caching.entry import Part
from trivet.testing.stores.checking import (
    KEY,
    TRICKY,
    Checks,
    content_of,
    entry_for,
    find,
    read_whole,
    require,
    require_content,
    require_found,
    require_nothing,
    require_same,
    save,
    write,
)

if TYPE_CHECKING:
    from trivet.core.caching.store import Store

checks: Final = Checks()

HOUR: Final = 3600.0

ODD: Final[tuple[dict[str, Any], ...]] = (
    {"vary": None},
    {"vary": (("accept", None),)},
    {"vary": (("accept", ""), ("accept-language", "en, de"), ("x-a", "="), ("x-b", None))},
    {"part": Part(0, 4, 10)},
    {"part": Part(7, 11, None), "status": 206},
    {"coded": True},
    {"status": 599, "reason": "", "http_version": "HTTP/2"},
    {
        "reason": "Gar nicht sch\u00f6n \u2014 \U0001f600",
        "method": "QUERY",
        "url": "https://api.example.com:8443/?a=%00",
    },
    {"fields": ()},
    {"fields": ((b"X-A", b""), (b"x-a", bytes(range(0x80, 0x100))), (b"x-a", b"\x00\t \r=,;"))},
    {"fields": tuple([(b"X-%d" % number, b"v" * number) for number in range(128)])},
    {"request_time": 0.1, "response_time": 1e9 + 1 / 3},
    {"content_id": "of another content"},
)


@checks.of_one
def entries_are_found_as_they_were_saved(store: Store) -> None:
    """Every value of an entry comes back, the odd ones too."""
    content = b"hello"
    for values in ODD:
        store.clear()
        entry = entry_for(content)._replace(**values)
        require(store.save(entry, content), f"save() refused an entry with {values!r}")
        found = require_found(store, entry, content)
        require(found.content_id != entry.content_id, "save() left the content_id as it was")


@checks.of_one
def contents_are_found_as_they_were_saved(store: Store) -> None:
    """Content of any size comes back."""
    for size in (0, 1, 2, 1000, 65_535, 65_536, 1024 * 1024):
        if size <= store.max_content:
            content = content_of(size)
            save(store, content)
            require_found(store, entry_for(content), content)


@checks.of_one
def entries_that_expire_late_are_kept(store: Store) -> None:
    """An expiry far beyond any calendar is no reason to refuse an entry, or to drop it."""
    for expires in (time.time() + HOUR, 2.0**31, 2.0**32, 1e12, 2.0**63, 1e300, inf):
        save(store, b"a", expires=expires)
        require_found(store, entry_for(b"a")._replace(expires=expires), b"a")


@checks.of_one
def nothing_is_found_under_an_unknown_key(store: Store) -> None:
    """Whatever else is stored."""
    require_nothing(store, "an entry from an empty store")
    save(store, b"a")
    for key in ("", KEY[:-1], KEY + " ", KEY.lower(), KEY.upper(), "%", "*"):
        require_nothing(store, f"the entry of the key {KEY!r}", key)


@checks.of_one
def keys_are_told_apart(store: Store) -> None:
    """Keys are compared character by character, and none is taken for a pattern."""
    for number, key in enumerate(TRICKY):
        save(store, b"%d" % number, key)
    for number, key in enumerate(TRICKY):
        require_found(store, entry_for(b"%d" % number, key), b"%d" % number)


@checks.of_one
def saving_replaces_the_same_variant(store: Store) -> None:
    """Of one key and variant there is one entry: the last."""
    vary = (("accept", "a"),)
    save(store, b"before", vary=vary)
    save(store, b"and after", vary=vary, status=203)
    require_found(store, entry_for(b"and after", vary=vary)._replace(status=203), b"and after")


@checks.of_one
def saving_keeps_other_variants_and_keys(store: Store) -> None:
    """Variants of one key are found together, each with its own content."""
    selecting = [None, (), (("a", None),), (("a", ""),), (("a", "1"),), (("b", "1"),), (("a", "1"), ("b", "1"))]
    contents = {entry_for(b"", vary=vary).variant: b"%d" % number for number, vary in enumerate(selecting)}
    save(store, b"another", "another key")
    for vary, content in zip(selecting, contents.values(), strict=True):
        save(store, content, vary=vary)
    found = store.find(KEY)
    require(len(found) == len(selecting), f"{len(selecting)} variants were saved, {len(found)} found")
    for stored in found:
        require_content(store, stored, contents[stored.entry.variant])
    require_found(store, entry_for(b"another", "another key"), b"another")


@checks.of_one
def many_variants_of_one_key(store: Store) -> None:
    """A store may keep the last few of them; what it hands out is sound, and the last is there."""
    for number in range(40):
        vary = (("accept", str(number)),)
        save(store, b"%d" % number, vary=vary, response_time=1_700_000_000.0 + number)
    for stored in store.find(KEY):
        require_content(store, stored, (dict(stored.entry.vary or ())["accept"] or "").encode())


@checks.of_one
def every_content_has_an_id_of_its_own(store: Store) -> None:
    """Equal contents, one after the other, have different ids, also if the former is gone."""
    ids: list[str] = []
    for forget in (store.clear, store.close, store.remove_where):
        ids += [save(store, b"the same").content_id for _ in range(2)]
        require(store.remove(find(store).entry), "remove() of what was saved just now returned False")
        ids.append(save(store, b"the same").content_id)
        forget()
    ids.append(save(store, b"the same").content_id)
    ids.append(save(store, b"the same", "another key").content_id)
    ids.append(save(store, b"the same", content_id=ids[0]).content_id)
    require(len(set(ids)) == len(ids), f"a content_id was given twice: {ids}")


@checks.of_one
def updating_keeps_the_content(store: Store) -> None:
    """All values are those of the update but for the content and its id."""
    content = content_of(min(store.max_content, 1024 * 1024))
    for each in (b"small", content):
        entry = save(store, each)
        fields = ((b"ETag", b'"2"'), (b"X-Long", b"v" * 1000))
        later = entry._replace(status=203, reason="", fields=fields, response_time=1.8e9, expires=time.time() + HOUR)
        require(store.update(later), "update() of an entry that is there returned False")
        found = require_found(store, later, each)
        require(found.content_id == entry.content_id, "update() changed the content_id")


@checks.of_one
def updating_takes_no_other_content(store: Store) -> None:
    """An update of what was replaced, removed or never there is refused, and changes nothing."""
    old = save(store, b"old")
    save(store, b"new")
    require(not store.update(old._replace(status=500)), "update() took an entry whose content was replaced")
    new = require_found(store, entry_for(b"new"), b"new")
    for other in (
        new._replace(key="another key"),
        new._replace(vary=None),
        new._replace(content_id=""),
        new._replace(content_id="no such id"),
    ):
        require(not store.update(other), f"update() took an entry that is not there: {other!r}")
        require_nothing(store, "an entry that was only updated", "another key")
        require_found(store, entry_for(b"new"), b"new")
    store.remove(new)
    require(not store.update(new), "update() took an entry that was removed")
    require_nothing(store, "an entry that was removed, then updated")


@checks.of_one
def expired_entries_are_not_found(store: Store) -> None:
    """Nor do they stand in the way of others; an update is no different from saving."""
    for expires in (time.time() - 1.0, 0.0, -1.0, -inf):
        store.clear()
        store.save(entry_for(b"old")._replace(expires=expires), b"old")
        require_nothing(store, "an entry that had expired when it was saved")
        save(store, b"varied", vary=None)
        store.save(entry_for(b"old")._replace(expires=expires), b"old")
        entry = require_found(store, entry_for(b"varied", vary=None), b"varied")
        store.update(entry._replace(expires=expires))
        require_nothing(store, "an entry that was updated to have expired")
        save(store, b"new")
        require_found(store, entry_for(b"new"), b"new")


@checks.of_one
def a_closed_store_is_used_again(store: Store) -> None:
    """Closing twice is no error, and using it opens it."""
    save(store, b"a")
    store.close()
    store.close()
    save(store, b"b")
    require_found(store, entry_for(b"b"), b"b")
    store.close()
    for stored in store.find(KEY):
        require_same(stored.entry, entry_for(b"b"))
        require(read_whole(store, stored) == b"b", "an entry was found after close() without its content")
    store.close()
    require(write(store, entry_for(b"c"), [b"c"]), "a writer of a store that was closed does not save")
    store.close()
    require(store.remove_where() in (0, 1), "there is more than one entry after one was saved again and again")
    store.close()
    store.clear()
