"""Checks of stores that are used by several at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Final, TypeVar

from trivet.testing.stores.checking import (
    KEY,
    Checks,
    content_of,
    entry_for,
    find,
    read_whole,
    require,
    require_found,
    require_nothing,
    save,
)

if TYPE_CHECKING:
    from trivet.core.caching.entry import Selecting
    from trivet.core.caching.store import Store
    from trivet.core.caching.stored import Stored

T = TypeVar("T")

checks: Final = Checks()

THREADS: Final = 8
OPERATIONS: Final = 100
KEYS: Final = (KEY, "few", "few more")
VARIES: Final[tuple[Selecting | None, ...]] = ((), None, (("accept", "a"),))


def in_many_threads(work: Callable[[int], None]) -> None:
    """Run it in all threads at once, with the number of each. Raises what the first of them raised."""
    start = Barrier(THREADS)

    def run(number: int) -> None:
        start.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        # A list, since what a thread raised is raised where its result is taken.
        list(pool.map(run, range(THREADS)))


def in_a_thread(work: Callable[[], T]) -> T:
    """What it returns or raises in a thread that ends with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def hammer(store: Store, rng: random.Random) -> None:
    """Do all that can be done with a store, in a random order, and check whatever is found meanwhile."""
    operations: tuple[Callable[[Store, str, random.Random], object], ...] = (
        *(save_some, save_some, write_some, write_some),
        *(update_some, update_some, remove_some, remove_by_prefix),
        *(find_some, find_some, find_some, find_some),
    )
    for turn in range(OPERATIONS):
        rng.choice(operations)(store, rng.choice(KEYS), rng)
        if turn == OPERATIONS // 2:
            store.clear()


def some_content(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 10, 1000, 100_000)))


def save_some(store: Store, key: str, rng: random.Random) -> None:
    content = some_content(rng)
    store.save(entry_for(content, key, vary=rng.choice(VARIES)), content)


def write_some(store: Store, key: str, rng: random.Random) -> None:
    content = some_content(rng)
    half = len(content) // 2
    writer = store.writer()
    writer.write(content[:half])
    writer.write(content[half:])
    if rng.random() < 0.2:
        writer.discard()
    else:
        writer.commit(entry_for(content, key, vary=rng.choice(VARIES)))


def update_some(store: Store, key: str, rng: random.Random) -> None:
    for stored in store.find(key):
        store.update(stored.entry._replace(status=rng.randrange(200, 600)))


def remove_some(store: Store, key: str, rng: random.Random) -> None:
    for stored in store.find(key)[: rng.randrange(3)]:
        store.remove(stored.entry)


def remove_by_prefix(store: Store, key: str, rng: random.Random) -> None:
    store.remove_where(prefix=key, matches=lambda _: rng.random() < 0.5)


def find_some(store: Store, key: str, rng: random.Random) -> None:
    for stored in store.find(key):
        content = read_whole(store, stored, rng.choice((4096, 65_536)))
        # Gone, if another thread removed or replaced it since; never a part of it.
        if content is not None:
            require_described(stored, content)


def require_sound(store: Store) -> None:
    """That whatever is found, now that nobody else is at work, can be read and is described by its entry."""
    for key in KEYS:
        found = store.find(key)
        variants = {stored.entry.variant for stored in found}
        require(len(variants) == len(found), f"find({key!r}) found a variant twice")
        for stored in found:
            content = read_whole(store, stored)
            if content is None:
                raise AssertionError(f"find({key!r}) found an entry whose content is gone")
            require_described(stored, content)


def require_described(stored: Stored, content: bytes) -> None:
    require(stored.entry.describes(content), f"{stored.entry!r} was found with content that it does not describe")


@checks.of_one
def many_threads_use_it_at_once(store: Store) -> None:
    """No call fails, and whatever is found describes its content."""
    in_many_threads(lambda number: hammer(store, random.Random(number)))
    require_sound(store)
    store.clear()
    save(store, b"after")
    require_found(store, entry_for(b"after"), b"after")


@checks.of_one
def many_threads_save_under_keys_of_their_own(store: Store) -> None:
    """None is lost."""

    def fill(number: int) -> None:
        for turn in range(5):
            save(store, b"%d" % turn, f"{number} {turn}")

    in_many_threads(fill)
    for number in range(THREADS):
        for turn in range(5):
            require_found(store, entry_for(b"%d" % turn, f"{number} {turn}"), b"%d" % turn)


@checks.of_one
def a_writer_goes_from_thread_to_thread(store: Store) -> None:
    """Each step may be taken in another thread, and those before may be over."""
    first, second = content_of(1000, 1), content_of(1000, 2)
    entry = entry_for(first + second)
    writer = in_a_thread(store.writer)
    # In this thread too, since one that begins after another ended may pass for it.
    require(writer.write(first), "write() fails in another thread")
    require(in_a_thread(partial(writer.write, second)), "write() fails in another thread")
    require(writer.commit(entry), "commit() fails in another thread")
    in_a_thread(writer.discard)
    require_found(store, entry, first + second)
    store.clear()
    writer = store.writer()
    in_a_thread(partial(writer.write, first))
    writer.write(second)
    require(in_a_thread(partial(writer.commit, entry)), "commit() fails in another thread")
    require_found(store, entry, first + second)
    in_a_thread(store.close)
    unfinished = in_a_thread(store.writer)
    in_a_thread(partial(unfinished.write, b"abc"))
    unfinished.discard()
    save(store, b"after")
    require_found(store, entry_for(b"after"), b"after")


@checks.of_two
def two_stores_do_no_harm_to_each_other(one: Store, other: Store) -> None:
    """On one medium or not, an entry of the one is not taken for one of the other."""
    old = save(one, b"of the one")
    new = save(other, b"of the other")
    one.update(old._replace(status=500))
    require_found(other, entry_for(b"of the other"), b"of the other")
    one.remove(old)
    require_found(other, entry_for(b"of the other"), b"of the other")
    one.close()
    require_found(other, entry_for(b"of the other"), b"of the other")
    require(other.update(new._replace(status=203)), "update() fails after another store was closed")
    writers = [one.writer(), other.writer()]
    contents = [content_of(5000, 1), content_of(5000, 2)]
    for start in range(0, 5000, 1000):
        for writer, content in zip(writers, contents, strict=True):
            writer.write(content[start : start + 1000])
    writers[0].discard()
    require(writers[1].commit(entry_for(contents[1])), "commit() fails after another store discarded its own")
    require_found(other, entry_for(contents[1]), contents[1])
    require_sound(one)
    save(one, b"again")
    require_found(one, entry_for(b"again"), b"again")


@checks.of_two
def two_stores_on_one_medium_see_the_same(one: Store, other: Store) -> None:
    """What the one saves, updates and removes, the other finds so."""
    entry = save(one, b"from the one")
    if not other.find(KEY):
        # They are not on one medium.
        return
    require_found(other, entry, b"from the one")
    require(other.update(entry._replace(status=203)), "update() does not know what another store saved")
    require_found(one, entry._replace(status=203), b"from the one")
    later = save(other, b"from the other")
    require(later.content_id != entry.content_id, "two stores gave the same content_id")
    require(not one.remove(entry), "remove() removed what another store had replaced")
    require(find(one).entry.content_id == later.content_id, "find() does not know what another store replaced")
    require(one.remove(later), "remove() does not know what another store saved")
    require_nothing(other, "what another store removed")
    save(one, b"from the one")
    other.clear()
    require_nothing(one, "what another store cleared")


@checks.of_two
def many_threads_use_two_stores_at_once(one: Store, other: Store) -> None:
    """As with one."""
    in_many_threads(lambda number: hammer((one, other)[number % 2], random.Random(number)))
    require_sound(one)
    require_sound(other)
