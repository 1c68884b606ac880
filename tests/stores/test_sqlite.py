"""The store in a file: where it keeps what, what it lets go of and when."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from math import inf, nan
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fresh import loaded_by
from stores.entries import START, entry_of
from trivet.core.caching.entry import Entry
from trivet.core.caching.store import Store
from trivet.core.caching.vary import MAX_VARIANTS
from trivet.core.errors import ConfigError
from trivet.stores.sqlite import SQLiteStore
from trivet.testing import VirtualClock, store_checks
from trivet.testing.stores.together import hammer, in_many_threads

MIB = 1024 * 1024
# Kept in chunks: nine, and a short one.
LARGE = random.Random(0).randbytes(600_000)
MINUTE = 60.0
HOUR = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(wall=START)


@pytest.fixture
def make(path: Path, clock: VirtualClock) -> Iterator[Callable[..., SQLiteStore]]:
    """Make stores on one file, with one clock."""
    stores: list[SQLiteStore] = []

    def make(**values: Any) -> SQLiteStore:
        stores.append(SQLiteStore(path, clock=lambda: clock.now().wall, monotonic=clock.monotonic, **values))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def put(store: Store, key: str, content: bytes = b"", **values: Any) -> Entry:
    """Save it; the entry as it is found."""
    entry = entry_of(key, content, **values)
    assert store.save(entry, content)
    return next(stored.entry for stored in store.find(key) if stored.entry.variant == entry.variant)


def keys_in(store: Store, keys: str = "abcdefgh") -> str:
    """Which of these keys are there, without using them."""
    left: list[str] = []
    for key in keys:
        store.remove_where(prefix=key, matches=lambda _, key=key: bool(left.append(key)))
    return "".join(dict.fromkeys(left))


def rows(path: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What another program sees in the database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(query, parameters).fetchall()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("check", store_checks(), ids=lambda check: check.__name__)
def test_it_is_a_store(check: Callable[[Callable[[], Store]], None], path: Path) -> None:
    check(lambda: SQLiteStore(path, 16 * MIB))


# Settings and the file.


@pytest.mark.parametrize("name", ["max_bytes", "max_entries"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, True])
def test_bounds_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        SQLiteStore("cache.sqlite", **{name: value})

    assert str(caught.value) == f"SQLiteStore: {name} takes a whole number from 1, not {value!r}"


@pytest.mark.parametrize("value", [-1, nan, inf, "1", None])
def test_a_timeout_that_makes_no_sense(value: Any) -> None:
    with pytest.raises(ConfigError, match="busy_timeout takes a number of seconds"):
        SQLiteStore("cache.sqlite", busy_timeout=value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (":memory:", "MemoryStore"),
        (Path(":memory:"), "MemoryStore"),
        ("file::memory:?cache=shared", "MemoryStore"),
        ("", "the path of a file"),
        ("a\0b", "the path of a file"),
        (7, "the path of a file"),
        (None, "the path of a file"),
        (b"cache", "the path of a file"),
    ],
)
def test_paths_that_are_none(path: Any, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        SQLiteStore(path)


def test_nothing_is_opened_before_it_is_used(path: Path) -> None:
    store = SQLiteStore(path, max_bytes=1000)

    assert repr(store) == f"SQLiteStore({str(path)!r})"
    assert (store.instant, store.max_content) == (False, 250)
    store.writer().discard()
    store.close()

    assert list(path.parent.iterdir()) == []
    statement = "from trivet.stores.sqlite import SQLiteStore; SQLiteStore('cache.sqlite')"
    assert loaded_by(statement, ["sqlite3", "logging", "asyncio"]) == set()


def test_the_path_is_that_of_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    stores = [SQLiteStore("a b?c#d%41.sqlite"), SQLiteStore("~/cache.sqlite")]

    monkeypatch.chdir("home")
    for store in stores:
        put(store, "a")

    assert (tmp_path / "a b?c#d%41.sqlite").exists()
    assert (tmp_path / "home/cache.sqlite").exists()
    for store in stores:
        store.close()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("link", [False, True])
def test_only_its_owner_may_read_it(path: Path, mask: int, link: bool) -> None:
    if link:
        path.symlink_to("elsewhere.sqlite")

    with umask(mask), closing(SQLiteStore(path)) as store:
        put(store, "a", LARGE)

        files = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in path.parent.iterdir() if each != path}

    name = "elsewhere.sqlite" if link else "cache.sqlite"
    if not link:
        files[name] = stat.S_IMODE(path.stat().st_mode)
    assert files == {name: 0o600, f"{name}-wal": 0o600, f"{name}-shm": 0o600}


def test_what_the_file_says_of_itself(path: Path) -> None:
    with closing(SQLiteStore(path)) as store:
        put(store, "a")

    said = [
        rows(path, f"PRAGMA {name}")[0][0] for name in "application_id user_version journal_mode auto_vacuum".split()
    ]
    assert said == [int.from_bytes(b"TvtC", "big"), 1, "wal", 2]


def test_an_empty_file_is_as_good_as_none(path: Path) -> None:
    path.touch()

    with closing(SQLiteStore(path)) as store:
        put(store, "a")

    assert [stored.entry.key for stored in SQLiteStore(path).find("a")] == ["a"]


def test_closing_closes_everything(path: Path) -> None:
    """The last one to close the database removes the files beside it."""
    store = SQLiteStore(path)
    in_many_threads(lambda number: [put(store, f"{number} {turn}") for turn in range(5)])

    store.close()

    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_threads_that_come_and_go_share_connections(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    opened: list[object] = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **values: opened.append(args) or connect(*args, **values))

    for _ in range(20):
        thread = Thread(target=put, args=(store, "a"))
        thread.start()
        thread.join()

    store.close()
    assert len(opened) == 1


def test_it_is_closed_while_others_use_it(path: Path) -> None:
    """Nobody fails, and nobody misses what is there."""
    store = SQLiteStore(path)
    put(store, "a", b"abc")

    def use(number: int) -> None:
        for _ in range(50):
            if number % 2:
                store.close()
            else:
                assert [stored.content for stored in store.find("a")] == [b"abc"]

    in_many_threads(use)
    store.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "values", [{"key": "\ud800"}, {"url": "a\nb"}, {"status": 99}, {"fields": ((b"X-A", b"1\n2"),)}, {"expires": nan}]
)
def test_an_entry_that_cannot_be_written(make: Callable[..., SQLiteStore], values: dict[str, Any]) -> None:
    store = make()
    good = put(store, "a", b"abc")
    bad = good._replace(**values)

    assert not store.save(bad, b"abc")
    assert not store.update(bad)
    assert not store.find("\ud800")
    assert store.read(bad._replace(key="\ud800"), 0, 1) is None
    assert not store.remove(bad._replace(key="\ud800"))
    assert store.find("a")[0].entry == good


@pytest.mark.parametrize(
    ("content", "values"), [(b"abd", {}), (b"ab", {}), (b"abc", {"size": 4}), (b"abc", {"crc": 0})]
)
def test_an_entry_of_other_content(make: Callable[..., SQLiteStore], content: bytes, values: dict[str, Any]) -> None:
    store = make()
    entry = put(store, "a", b"abc")
    other = entry_of("a", b"abc")._replace(**values)

    assert not store.save(other, content)
    assert not values or not store.update(entry._replace(**values))
    assert store.find("a")[0].entry == entry


def test_what_was_found_before_is_handed_out_again(make: Callable[..., SQLiteStore]) -> None:
    """What was derived from it comes with it; what another store changes is seen all the same."""
    store, other = make(), make()
    entry = put(store, "a", b"abc")
    put(store, "b", LARGE)

    for key in "ab":
        (stored,) = store.find(key)
        assert store.find(key)[0] is stored

    assert other.update(entry._replace(status=404))
    assert store.find("a")[0].entry.status == 404
    put(other, "a", b"xyz")
    assert store.find("a")[0].content == b"xyz"
    other.clear()
    assert not store.find("a")


def test_more_is_found_than_is_remembered(make: Callable[..., SQLiteStore]) -> None:
    store = make()
    for turn in range(2):
        for number in range(600):
            if turn == 0:
                assert store.save(entry_of(str(number), b"%d" % number), b"%d" % number)
            assert store.find(str(number))[0].content == b"%d" % number


def test_what_a_function_says_to_a_url_is_its_own_affair(make: Callable[..., SQLiteStore]) -> None:
    store = make()
    for number in range(1200):
        assert store.save(entry_of(f"{number:04}"), b"")

    with pytest.raises(ZeroDivisionError):
        store.remove_where(matches=lambda _: 1 / 0)
    assert store.remove_where(matches=lambda _: bool(store.find("0000"))) == 1200


# Bounds.


@pytest.mark.parametrize(
    ("uses", "left"),
    [
        ("a b c d", "abcd"),
        ("a b c d e", "bcde"),
        ("a b c d e f", "cdef"),
        ("a b c d ?a e", "acde"),
        ("a b c d ?a ?b e f", "abef"),
        ("a b c d +a e", "acde"),
        ("a b c d a e", "acde"),
        ("a b c d ?x e", "bcde"),
        ("a b c d -a e", "bcde"),
        ("a b c d ?a . e", "acde"),
        ("a b c d ?a . ?b . e f", "abef"),
    ],
)
@pytest.mark.parametrize("content", [b"", LARGE])
def test_what_was_not_used_for_the_longest_time_goes(
    make: Callable[..., SQLiteStore], clock: VirtualClock, uses: str, left: str, content: bytes
) -> None:
    """Of four at most: ? finds, + updates, - removes, a key alone is saved, and . goes on with another store."""
    store = make(max_entries=4)
    entries: dict[str, Entry] = {}
    for use in uses.split():
        clock.advance(1.0)
        key = use[-1]
        match use[0]:
            case ".":
                store.close()
                store = make(max_entries=4)
            case "?":
                store.find(key)
            case "+":
                assert store.update(entries[key]._replace(status=203))
            case "-":
                assert store.remove(entries[key])
            case _:
                entries[key] = put(store, key, content)

    assert keys_in(store) == left


@pytest.mark.parametrize(
    "sizes",
    [
        *((1000,) * 150, (1800,) * 100, (3900,) * 50, (9000,) * 30),
        (0, 500_000, 300_000, 0, 0, 10_000, 400_000, 262_144, 262_145, 500_000),
    ],
)
def test_bytes_are_bounded(
    make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path, sizes: tuple[int, ...]
) -> None:
    """And with them the file."""
    bound = 2 * MIB if max(sizes) > 10_000 else 256 * 1024
    store = make(max_bytes=bound)
    store.clear()
    with closing(sqlite3.connect(path)) as other:
        for turn in range(3):
            for number, size in enumerate(sizes):
                clock.advance(1.0)
                put(store, f"{turn} {number}", bytes(size))

                (total,) = other.execute("SELECT bytes FROM totals").fetchone()
                assert total <= bound

    assert total > bound / 2
    store.close()
    # The schema and the indexes take some pages however little there is.
    assert path.stat().st_size <= 1.1 * bound + 25 * 4096


def test_one_that_there_is_no_room_for(make: Callable[..., SQLiteStore]) -> None:
    store = make(max_bytes=1000)
    put(store, "a")

    assert not store.save(entry_of("b", b"", fields=((b"X-A", b"x" * 1000),)), b"")
    assert keys_in(store) == "a"


def test_the_variants_of_a_key_are_bounded(make: Callable[..., SQLiteStore], path: Path) -> None:
    """Those that came last are kept."""
    store = make()
    for number in range(MAX_VARIANTS + 3):
        put(store, "a", vary=(("x", str(number)),), response_time=START + number)
    rows(path, "UPDATE entries SET head = 'altered' WHERE id = 10")

    late = entry_of("a", vary=None, response_time=START + 100)
    early = entry_of("a", vary=(), response_time=START - 1)

    assert store.save(late, b"")
    assert not store.save(early, b"")
    left = sorted(stored.entry.response_time - START for stored in store.find("a"))
    assert left == [*range(3, 9), *range(10, MAX_VARIANTS + 3), 100]


def test_the_totals_are_those_of_the_tables(path: Path) -> None:
    with closing(SQLiteStore(path, MIB)) as store:
        in_many_threads(lambda number: hammer(store, random.Random(number)))

    entries, size = rows(path, "SELECT entries, bytes FROM totals")[0]
    assert entries == rows(path, "SELECT count(*) FROM entries")[0][0]
    in_chunks = rows(path, "SELECT coalesce(sum(length(piece)), 0) FROM chunks")[0][0]
    assert size == rows(path, "SELECT coalesce(sum(bytes), 0) FROM entries")[0][0] + in_chunks
    assert rows(path, "SELECT count(*) FROM entries WHERE bytes < length(head) + coalesce(length(content), 0)") == [
        (0,)
    ]


def test_totals_that_are_wrong_are_corrected(make: Callable[..., SQLiteStore], path: Path) -> None:
    store = make()
    put(store, "a")
    rows(path, "UPDATE totals SET bytes = 1000000000000")

    for key in "bcd":
        put(store, key)

    assert keys_in(store) == "bcd"


# What is removed with time.


def test_what_has_expired_is_removed(make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path) -> None:
    store = make()
    for number in range(600):
        assert store.save(entry_of(f"{number}", LARGE[:1000], expires=START + 30), LARGE[:1000])
    put(store, "a", LARGE, expires=START + 30)
    put(store, "b", expires=START + 31)
    clock.advance(30.0)

    assert not store.find("a")
    assert store.find("b")
    clock.advance(31.0)
    for key in "cde":
        put(store, key)

    assert [key for (key,) in rows(path, "SELECT key FROM entries ORDER BY key")] == [b"c", b"d", b"e"]
    assert rows(path, "SELECT count(*) FROM chunks") == [(0,)]


def test_a_clock_that_is_set_back_puts_off_nothing(
    make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path
) -> None:
    store = make()
    put(store, "a")
    clock.advance(-HOUR)
    put(store, "b", expires=clock.now().wall + 10)
    clock.advance(MINUTE)

    put(store, "c")

    assert rows(path, "SELECT count(*) FROM entries") == [(2,)]


@pytest.mark.parametrize("how", ["expiry", "removal"])
def test_the_file_shrinks(make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path, how: str) -> None:
    """A bit at a time."""
    store = make()
    for number in range(20):
        put(store, f"{number}", LARGE, expires=START + 30)
    store.close()
    full = path.stat().st_size
    assert full > 20 * len(LARGE)

    if how == "removal":
        assert store.remove_where() == 20
    clock.advance(MINUTE)
    for _ in range(20):
        put(store, "a")

    store.close()
    assert path.stat().st_size < full / 8


def test_the_file_shrinks_when_it_is_cleared(make: Callable[..., SQLiteStore], path: Path) -> None:
    """At once, though others have it open, and the log as well."""
    store, other = make(), make()
    for number in range(5):
        put(store, f"{number}", LARGE)
    assert other.find("0")

    store.clear()

    assert sum(each.stat().st_size for each in path.parent.iterdir()) < len(LARGE) / 2
    assert not other.find("0")


def test_what_was_replaced_is_read_for_a_minute(
    make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path
) -> None:
    store = make()
    old = put(store, "a", LARGE)
    clock.advance(30.0)
    put(store, "a", LARGE[::-1])

    clock.advance(59.0)
    put(store, "b")
    assert store.read(old, 100_000, 100) == LARGE[100_000:100_100]

    clock.advance(MINUTE)
    put(store, "c")
    assert store.read(old, 100_000, 100) is None
    assert rows(path, "SELECT count(*) FROM contents") == [(1,)]


def test_what_was_replaced_is_the_first_to_go(make: Callable[..., SQLiteStore], path: Path) -> None:
    store = make(max_bytes=4 * len(LARGE))
    put(store, "a")
    old = put(store, "b", LARGE)
    for _ in range(4):
        put(store, "b", LARGE)

    assert store.read(old, 0, 1) is None
    assert keys_in(store) == "ab"


def write(store: SQLiteStore, content: bytes) -> Any:
    writer = store.writer()
    for start in range(0, len(content), 10_000):
        assert writer.write(content[start : start + 10_000])
    return writer


def test_what_was_discarded_is_removed_with_the_next_save(make: Callable[..., SQLiteStore], path: Path) -> None:
    store = make()
    discarded, given_up = write(store, LARGE), write(store, LARGE)
    assert rows(path, "SELECT count(*) FROM contents") == [(2,)]

    discarded.discard()
    assert not given_up.commit(entry_of("a", LARGE[1:]))
    assert rows(path, "SELECT count(*) FROM contents") == [(2,)]
    store.close()

    assert rows(path, "SELECT count(*) FROM contents") == [(0,)]
    assert rows(path, "SELECT count(*) FROM chunks") == [(0,)]
    assert not discarded.write(b"more")
    assert not discarded.commit(entry_of("a", LARGE))


@pytest.mark.parametrize("other", [LARGE[:-1], LARGE + b"x", LARGE[::-1]])
def test_large_content_that_is_another_is_not_committed(
    make: Callable[..., SQLiteStore], path: Path, other: bytes
) -> None:
    store = make()
    put(store, "a", b"before")

    assert not write(store, LARGE).commit(entry_of("a", other))

    assert store.find("a")[0].content == b"before"
    store.close()
    assert rows(path, "SELECT count(*) FROM contents") == [(0,)]


def test_what_a_dead_writer_left_is_removed(make: Callable[..., SQLiteStore], clock: VirtualClock, path: Path) -> None:
    dead, late, slow = [write(make(), LARGE) for _ in range(3)]
    store = make()
    put(store, "a")
    clock.advance(5 * MINUTE)
    assert slow.write(LARGE)
    put(store, "a")
    assert rows(path, "SELECT count(*) FROM contents") == [(3,)]

    clock.advance(6 * MINUTE)
    put(store, "a")

    assert rows(path, "SELECT count(*) FROM contents") == [(1,)]
    assert slow.commit(entry_of("b", LARGE + LARGE))
    # One that was merely slow finds that it is too late.
    assert not late.commit(entry_of("c", LARGE))
    assert not dead.write(LARGE)
    assert not dead.commit(entry_of("c", LARGE + LARGE))
    assert keys_in(store) == "ab"


def test_writers_that_leave_each_other_no_room(make: Callable[..., SQLiteStore], path: Path) -> None:
    store = make(max_bytes=3 * MIB)
    put(store, "a")
    writers = [write(store, LARGE) for _ in range(5)]

    late = store.writer()
    wanted = late.write(LARGE)

    assert not wanted
    assert not late.commit(entry_of("b", LARGE))
    assert [writer.commit(entry_of("c", LARGE)) for writer in writers] == [True] * 5
    assert keys_in(store) == "c"
