"""The store in memory: what it lets go of and when, and that threads do it no harm."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from math import inf
from threading import Thread
from typing import Any

import pytest

from stores.entries import START, entry_of
from trivet.core.caching.entry import Entry
from trivet.core.caching.store import Store
from trivet.core.caching.vary import MAX_VARIANTS
from trivet.core.errors import ConfigError
from trivet.stores.memory import MemoryStore
from trivet.testing import VirtualClock, store_checks
from trivet.testing.stores.together import hammer, in_many_threads, require_sound


def put(store: MemoryStore, key: str, content: bytes = b"", **values: Any) -> bool:
    return store.save(entry_of(key, content, **values), content)


def keys_in(store: MemoryStore, keys: str = "abcdefgh") -> str:
    """Which of these keys are there. It has no effect on which go next, which remove_where() does not count as use."""
    left: list[str] = []
    for key in keys:
        store.remove_where(prefix=key, matches=lambda _, key=key: bool(left.append(key)))
    return "".join(dict.fromkeys(left))


@pytest.mark.parametrize("check", store_checks(), ids=lambda check: check.__name__)
def test_it_is_a_store(check: Callable[[Callable[[], Store]], None]) -> None:
    check(MemoryStore)


@pytest.mark.parametrize("name", ["max_bytes", "max_entries"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, True])
def test_bounds_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        MemoryStore(**{name: value})

    assert str(caught.value) == f"MemoryStore: {name} takes a whole number from 1, not {value!r}"


def test_what_it_says_of_itself() -> None:
    store = MemoryStore(max_bytes=100_000, max_entries=7)

    assert store.instant
    assert store.max_content == 25_000
    assert (len(store), store.size, bool(store)) == (0, 0, True)
    assert repr(store) == "<MemoryStore: 0 of 7 entries, 0 of 100000 bytes>"

    assert put(store, "a", b"x" * 10)

    assert (len(store), store.size, bool(store)) == (1, 1037, True)
    assert repr(store) == "<MemoryStore: 1 of 7 entries, 1037 of 100000 bytes>"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_there_is_one_of_it(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="a MemoryStore cannot be copied"):
        duplicate(MemoryStore())


# Bounds.


@pytest.mark.parametrize(
    ("uses", "left"),
    [
        ("a b c d", "abcd"),
        ("a b c d e", "bcde"),
        ("a b c d e f", "cdef"),
        ("a b c d ?a e", "acde"),
        ("a b c d ?a ?b e f", "abef"),
        ("a b c d ?a ?a e f", "aefd"),
        ("a b c d +a e", "acde"),
        ("a b c d a e", "acde"),
        ("a b c d <a e", "acde"),
        ("a b c d ?x e", "bcde"),
        ("a b c d -a e", "bcde"),
        ("a b c d -d e f", "bcef"),
        ("a b c d e a", "acde"),
    ],
)
def test_what_was_not_used_for_the_longest_time_goes(uses: str, left: str) -> None:
    """Of four at most: ? finds, + updates, < reads, - removes, and a key alone is saved."""
    store = MemoryStore(max_entries=4)
    saved: dict[str, Entry] = {}
    for use in uses.split():
        key = use[-1]
        match use[0]:
            case "?":
                store.find(key)
            case "+":
                assert store.update(saved[key]._replace(status=203))
            case "<":
                assert store.read(saved[key], 0, 1) == b""
            case "-":
                assert store.remove(saved[key])
            case _:
                assert put(store, key)
                saved[key] = store._shelves.peek(key)[0].entry

    assert keys_in(store) == "".join(sorted(left))


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((2000, 2000, 2000), "abc"),
        ((2000, 2000, 2000, 2000), "abcd"),
        ((2000, 2000, 2000, 2000, 0), "bcde"),
        ((0, 0, 0, 2000, 2000, 2000, 2000), "defg"),
        ((3000, 3000, 3000, 0), "bcd"),
        ((2000, 2000, 2000, 2142), "abcd"),
        ((2000, 2000, 2000, 2143), "bcd"),
    ],
)
def test_bytes_are_bounded(sizes: tuple[int, ...], left: str) -> None:
    store = MemoryStore(max_bytes=12_250)

    for key, size in zip("abcdefgh", sizes, strict=False):
        assert put(store, key, bytes(size))

    assert keys_in(store) == left
    assert store.size == sum(size + 1027 for key, size in zip("abcdefgh", sizes, strict=False) if key in left)


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({}, 1027),
        ({"key": "a" * 100}, 1126),
        ({"content": b"12345"}, 1032),
        ({"fields": ((b"Ab", b"cde"), (b"", b""))}, 1435),
        ({"vary": (("accept", None), ("a", "bc"))}, 1436),
        ({"vary": None}, 1027),
    ],
)
def test_what_counts(values: dict[str, Any], size: int) -> None:
    store = MemoryStore()

    put(store, **{"key": "a", **values})

    assert store.size == size


@pytest.mark.parametrize(("size", "kept"), [(2500, True), (2501, False)])
def test_a_single_content_is_bounded(size: int, kept: bool) -> None:
    store = MemoryStore(max_bytes=10_000)
    put(store, "a", b"before")

    assert put(store, "a", bytes(size)) is kept

    assert store.find("a")[0].entry.size == (size if kept else 6)


def test_an_entry_that_is_too_large_without_its_content_is_refused() -> None:
    store = MemoryStore(max_bytes=10_000)
    put(store, "a")
    put(store, "b")
    large = ((b"a", bytes(10_000)),)

    assert not put(store, "a", fields=large)
    assert not store.update(store.find("a")[0].entry._replace(fields=large))

    assert keys_in(store) == "ab"
    assert store.find("a")[0].entry.fields == ()


@pytest.mark.parametrize(("max_bytes", "kept"), [(1, False), (1026, False), (1027, True)])
def test_a_store_that_is_too_small_for_anything(max_bytes: int, kept: bool) -> None:
    store = MemoryStore(max_bytes=max_bytes)

    assert put(store, "a") is kept
    assert len(store.find("a")) == kept


def test_an_update_may_need_room() -> None:
    store = MemoryStore(max_bytes=4000)
    for key in "abc":
        put(store, key)

    assert store.update(store.find("a")[0].entry._replace(fields=((b"a", bytes(1000)),)))

    assert keys_in(store) == "ac"
    assert store.size == 2 * 1027 + 200 + 1002


def test_of_a_key_with_variants_the_first_goes_first() -> None:
    store = MemoryStore(max_entries=4)
    for accept in "123":
        put(store, "a", vary=(("accept", accept),))
    put(store, "b")
    put(store, "a", vary=(("accept", "1"),))
    store.find("b")

    put(store, "c")

    assert [stored.entry.vary for stored in store.find("a")] == [(("accept", "3"),), (("accept", "1"),)]


@pytest.mark.parametrize(
    ("times", "left"),
    [
        (range(MAX_VARIANTS), range(MAX_VARIANTS)),
        (range(MAX_VARIANTS + 3), range(3, MAX_VARIANTS + 3)),
        (range(MAX_VARIANTS + 3, 0, -1), range(4, MAX_VARIANTS + 4)),
    ],
)
def test_variants_of_one_key_are_bounded(times: range, left: range) -> None:
    """Those are kept that came last, in whatever order they are saved."""
    store = MemoryStore()

    for time in times:
        kept = put(store, "a", response_time=START + time, vary=(("accept", str(time)),))
        assert kept is (time in left or (time < MAX_VARIANTS and times.step == 1))

    assert sorted(stored.entry.response_time - START for stored in store.find("a")) == list(left)
    assert len(store) == MAX_VARIANTS


def test_of_variants_that_came_at_one_time_those_saved_last_are_kept() -> None:
    store = MemoryStore()

    for number in range(MAX_VARIANTS + 2):
        assert put(store, "a", vary=(("accept", str(number)),))

    found = [dict(stored.entry.vary or ())["accept"] for stored in store.find("a")]
    assert found == [str(number) for number in range(2, MAX_VARIANTS + 2)]


# Expiry.


def test_what_expires_is_dropped_when_it_is_met() -> None:
    clock = VirtualClock(wall=START)
    store = MemoryStore(clock=lambda: clock.now().wall)
    put(store, "a", expires=START + 10)
    put(store, "a", expires=START + 20, vary=None)
    put(store, "b", expires=START + 20)
    assert len(store.find("a")) == 2

    clock.advance(9.75)
    assert len(store.find("a")) == 2
    clock.advance(0.25)
    assert [stored.entry.vary for stored in store.find("a")] == [None]
    assert len(store) == 2
    clock.advance(10)
    assert store.find("a") == store.find("b") == ()
    assert (len(store), store.size) == (0, 0)


def test_what_has_expired_is_not_saved() -> None:
    store = MemoryStore(clock=lambda: START)
    put(store, "a", b"before", expires=START + 1)

    assert not put(store, "a", b"after", expires=START)

    assert store.find("a")[0].content == b"before"


def test_what_has_expired_goes_first() -> None:
    """However much later than others it was used."""
    clock = VirtualClock(wall=START)
    store = MemoryStore(max_entries=4, clock=lambda: clock.now().wall)
    for key in "abcd":
        put(store, key, expires=START + 10 if key in "bd" else inf)
    clock.advance(10)

    put(store, "e")

    assert keys_in(store) == "ace"
    assert len(store) == 3


def test_not_all_keys_are_searched_for_what_has_expired() -> None:
    clock = VirtualClock(wall=START)
    store = MemoryStore(max_entries=100, clock=lambda: clock.now().wall)
    for number in range(100):
        put(store, f"{number:02}", expires=START + 10 if number >= 2 else inf)
    clock.advance(10)

    put(store, "x")

    assert len(store) == 101 - 2
    assert store.find("00") != ()


def test_what_expired_while_it_is_read_is_read_to_its_end_and_may_be_revived() -> None:
    clock = VirtualClock(wall=START)
    store = MemoryStore(clock=lambda: clock.now().wall)
    put(store, "a", b"content", expires=START + 10)
    entry = store.find("a")[0].entry
    clock.advance(10)

    assert store.read(entry, 3, 100) == b"tent"
    assert store.update(entry._replace(expires=START + 20))

    assert store.find("a")[0].content == b"content"


# What is handed out.


def test_the_same_objects_are_handed_out() -> None:
    store = MemoryStore()
    put(store, "a")
    put(store, "a", vary=None)
    found = store.find("a")

    put(store, "b")

    assert store.find("a") is found
    put(store, "a", vary=(("accept", "a"),))
    assert [one is other for one, other in zip(store.find("a"), found, strict=False)] == [True, True]


def test_content_is_not_copied() -> None:
    store = MemoryStore()
    content = bytes(10_000)

    put(store, "a", content)

    assert store.find("a")[0].content is content
    store.update(store.find("a")[0].entry._replace(status=203))
    assert store.find("a")[0].content is content


def test_what_one_store_made_up_means_nothing_to_another() -> None:
    one, other = MemoryStore(), MemoryStore()
    put(one, "a")
    put(other, "a")

    assert not other.remove(one.find("a")[0].entry)
    assert other.find("a") != ()


@pytest.mark.parametrize("pieces", [[2501], [2500, 1], [2000, 501, 0, 1]])
def test_a_writer_keeps_no_more_than_may_be_saved(pieces: list[int]) -> None:
    store = MemoryStore(max_bytes=10_000)
    writer = store.writer()

    wanted = [writer.write(bytes(size)) for size in pieces]

    assert wanted == [sum(pieces[: index + 1]) <= 2500 for index in range(len(pieces))]
    assert not writer.commit(entry_of("a", bytes(sum(pieces))))
    assert not writer.commit(entry_of("a"))


def test_a_writer_commits_once() -> None:
    store = MemoryStore()
    writer = store.writer()
    writer.write(b"content")

    assert writer.commit(entry_of("a", b"content"))
    assert not writer.commit(entry_of("b", b"content"))
    assert not writer.write(b"more")
    assert keys_in(store) == "a"


# Threads.


def test_many_threads_leave_it_within_its_bounds() -> None:
    store = MemoryStore(max_bytes=400_000, max_entries=5)

    def work(number: int) -> None:
        hammer(store, random.Random(number))
        # The last thing that happens is that more is saved than there may be.
        for turn in range(100):
            put(store, f"{number} {turn % 7}", bytes(turn))

    in_many_threads(work)

    require_sound(store)
    assert (len(store), store.size <= 400_000) == (5, True)
    assert store.remove_where() == 5
    assert (len(store), store.size) == (0, 0)


@pytest.mark.parametrize("foreign", ["matches", "clock"])
def test_nobody_waits_for_what_the_store_is_given(foreign: str) -> None:
    """Neither that function nor the clock is called while others are locked out."""
    asked: list[bool] = []

    def ask() -> None:
        another = Thread(target=store.read, args=(entry_of("a"), 0, 1), daemon=True)
        another.start()
        another.join(10.0)
        asked.append(another.is_alive())

    def clock() -> float:
        if foreign == "clock":
            ask()
        return START

    def matches(url: str) -> bool:
        if foreign == "matches":
            ask()
        return False

    store = MemoryStore(clock=clock)
    put(store, "a")
    store.update(store.find("a")[0].entry)
    store.remove_where(matches=matches)

    assert asked
    assert not any(asked)
