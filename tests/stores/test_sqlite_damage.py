"""The store in a file when the file is not as it was left, is somebody else's, or cannot be used at all."""

from __future__ import annotations

import os
import random
import re
import resource
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stores.entries import START, entry_of
from trivet.core.caching.entry import Entry
from trivet.core.caching.record import dump_head
from trivet.core.caching.store import StoreWarning
from trivet.stores.sqlite import SQLiteStore
from trivet.testing import VirtualClock

LARGE = random.Random(0).randbytes(600_000)
CONTENTS = {"a": b"small", "b": LARGE, "c": LARGE[:200_000]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(wall=START)


@pytest.fixture
def store(path: Path, clock: VirtualClock) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, busy_timeout=0.05, clock=lambda: clock.now().wall, monotonic=clock.monotonic)
    yield store
    store.close()


def put(store: SQLiteStore, key: str, content: bytes) -> Entry:
    entry = entry_of(key, content)
    assert store.save(entry, content)
    return store.find(key)[0].entry


def get(store: SQLiteStore, key: str) -> bytes | None:
    """The content that is found; None if there is none, or not all of it."""
    for stored in store.find(key):
        if stored.content is not None:
            return stored.content
        pieces = []
        for offset in range(0, stored.entry.size, 65_536):
            piece = store.read(stored.entry, offset, 65_536)
            if piece is None:
                return None
            pieces.append(piece)
        return b"".join(pieces)
    return None


def fill(store: SQLiteStore) -> None:
    for key, content in CONTENTS.items():
        put(store, key, content)


def execute(path: Path, *statements: str) -> list[tuple[Any, ...]]:
    """What another program does to the database, and what it gets for the last of it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


@contextmanager
def warned(pattern: str) -> Iterator[None]:
    """That it warns once, and of nothing else."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [each.category for each in caught] == [StoreWarning]
    assert re.search(pattern, str(caught[0].message))


def names(path: Path) -> set[str]:
    return {each.name for each in path.parent.iterdir()}


def require_works(store: SQLiteStore) -> None:
    """That it keeps what it is given, and finds nothing but what was saved."""
    for key, content in CONTENTS.items():
        assert get(store, key) in (None, content)
    fill(store)
    for key, content in CONTENTS.items():
        assert get(store, key) == content


# Files that are damaged.


def smash_the_first_page(data: bytes) -> bytes:
    """All of it but for the header, which says whose it is."""
    return data[:100] + random.Random(1).randbytes(3996) + data[4096:]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut to the header": lambda data: data[:100],
    "cut in the first page": lambda data: data[:3000],
    "cut to a page": lambda data: data[:4096],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-4096],
    "a first page of nonsense": smash_the_first_page,
    "pages of nonsense": lambda data: data[:4096] + random.Random(1).randbytes(len(data) - 4096),
    "pages of zeros": lambda data: data[:4096] + bytes(len(data) - 4096),
    "pages in another order": lambda data: data[:4096] + data[:4095:-1],
}
NO_DATABASE: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda data: b"Dear diary,\n" * 1000,
    "two bytes": lambda data: b"xy",
    "zeros": lambda data: bytes(len(data)),
    "cut in the header": lambda data: data[:50],
    "no header": lambda data: bytes(16) + data[16:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_file_is_begun_anew(store: SQLiteStore, path: Path, damage: Callable[[bytes], bytes]) -> None:
    fill(store)
    store.close()
    path.write_bytes(damage(path.read_bytes()))

    with warned("was damaged, and is begun anew"):
        require_works(store)

    assert names(path) == {"cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm"}


@pytest.mark.parametrize("damage", {**DAMAGE, **NO_DATABASE}.values(), ids=[*DAMAGE, *NO_DATABASE])
def test_a_file_that_is_damaged_while_it_is_open(
    store: SQLiteStore, path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Only what is read anew is seen to be damaged, so that one who has all of it in memory may see nothing."""
    fill(store)
    store.close()
    assert store.find("a")
    path.write_bytes(damage(path.read_bytes()))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        require_works(store)
        store.close()
        with closing(SQLiteStore(path)) as other:
            require_works(other)

    said = [str(each.message) for each in caught if each.category is StoreWarning]
    assert [text for text in said if "was damaged" not in text and "was no database" not in text] == []
    assert len(caught) == len(said) <= 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database as it is left."""
    path = tmp_path_factory.mktemp("whole") / "cache.sqlite"
    with closing(SQLiteStore(path)) as store:
        fill(store)
    return path.read_bytes()


@settings(max_examples=30)
@given(damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=20)), min_size=1))
def test_bytes_that_are_altered_are_never_handed_out(whole: bytes, damage: list[tuple[float, bytes]]) -> None:
    """Anywhere, and any number of them."""
    data = bytearray(whole)
    # Most of it is content: as many as hit that hit what is around it.
    for where, altered in damage:
        at = int(where * 2 % 1 * (len(data) if where < 0.5 else 40_960))
        data[at : at + len(altered)] = altered
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        path = Path(folder, "cache.sqlite")
        path.write_bytes(data)
        with closing(SQLiteStore(path)) as store:
            for key, content in CONTENTS.items():
                assert get(store, key) in (None, content)
            for key, content in CONTENTS.items():
                store.save(entry_of(key, content), content)
                assert get(store, key) in (None, content)
            store.clear()
        # Whoever says that it is of another application is believed.
        if data[68:72] == whole[68:72] or data[:16] != whole[:16]:
            with closing(SQLiteStore(path)) as store:
                require_works(store)


@pytest.mark.parametrize("damage", NO_DATABASE.values(), ids=list(NO_DATABASE))
def test_a_file_that_is_no_database_is_set_aside(
    store: SQLiteStore, path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Nobody can tell whose it was, so that nothing of it is lost."""
    fill(store)
    store.close()
    data = damage(path.read_bytes())
    path.write_bytes(data)

    with warned(r"was no database: what it was is .*cache\.sqlite\.damaged'"):
        require_works(store)

    assert path.with_name("cache.sqlite.damaged").read_bytes() == data


def test_not_any_number_of_files_is_set_aside(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        for number in range(9):
            path.write_bytes(b"file %d" % number)
            with closing(SQLiteStore(path)) as store:
                put(store, "a", b"")
    path.write_bytes(b"the tenth")

    with warned("are there already"):
        assert not SQLiteStore(path).save(entry_of("a"), b"")

    assert path.read_bytes() == b"the tenth"
    aside = [path.with_name(f"cache.sqlite.damaged{end}") for end in ("", *(f"-{n}" for n in range(2, 10)))]
    assert [each.read_bytes() for each in aside] == [b"file %d" % number for number in range(9)]


def test_the_log_of_a_damaged_file_is_not_taken_for_that_of_the_next(store: SQLiteStore, path: Path) -> None:
    fill(store)
    store.close()
    assert store.update(store.find("a")[0].entry)
    log = path.with_name("cache.sqlite-wal").read_bytes()
    assert log
    store.close()
    path.write_bytes(b"nonsense")
    path.with_name("cache.sqlite-wal").write_bytes(log)

    with warned("was no database"):
        assert get(store, "a") is None

    assert path.with_name("cache.sqlite.damaged-wal").read_bytes() == log
    require_works(store)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_gone(store: SQLiteStore, path: Path, how: str) -> None:
    """What is saved is found by others, who have another file by now."""
    fill(store)
    if how == "replaced":
        path.rename(path.with_name("other"))
        with closing(SQLiteStore(path)) as other:
            put(other, "d", b"of the other")
    else:
        path.unlink()

    put(store, "a", b"new")

    assert get(store, "b") is None
    with closing(SQLiteStore(path)) as other:
        assert get(other, "a") == b"new"
        assert get(other, "d") == (b"of the other" if how == "replaced" else None)
        fill(other)
    require_works(store)


# Rows that are damaged.


def flipped(column: str, at: int) -> str:
    """An expression: the value of the column with one byte altered."""
    byte = f"(SELECT CASE WHEN hex(substr({column}, {at}, 1)) = '00' THEN x'01' ELSE x'00' END)"
    return f"CAST(substr({column}, 1, {at - 1}) || {byte} || substr({column}, {at} + 1) AS BLOB)"


@pytest.mark.parametrize("key", CONTENTS)
@pytest.mark.parametrize(
    "value",
    [*(flipped("head", at) for at in (1, 5, 9, 40, 100)), "x''", "'text'", "7", "zeroblob(100)", "substr(head, 2)"],
)
@pytest.mark.parametrize("warm", [False, True])
def test_a_damaged_head_is_a_miss(store: SQLiteStore, path: Path, key: str, value: str, warm: bool) -> None:
    fill(store)
    if not warm:
        store = SQLiteStore(path)
    execute(path, f"UPDATE entries SET head = {value} WHERE key = CAST('{key}' AS BLOB)")

    assert list(store.find(key)) == []

    left = {each for each in CONTENTS if get(store, each) == CONTENTS[each]}
    assert left == set(CONTENTS) - {key}
    assert execute(path, "SELECT count(*) FROM entries") == [(2,)]
    assert execute(path, "SELECT entries FROM totals") == [(2,)]
    store.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", flipped("content", 1)),
        ("c", flipped("content", 200_000)),
        ("a", "x''"),
        ("a", "NULL"),
        ("c", "NULL"),
        ("a", "'small'"),
        ("a", "7"),
        ("a", "content || x'00'"),
        ("b", "x'00'"),
    ],
)
@pytest.mark.parametrize("how", ["find", "read"])
def test_damaged_content_in_the_row_is_a_miss(store: SQLiteStore, path: Path, key: str, value: str, how: str) -> None:
    fill(store)
    entry = store.find(key)[0].entry
    execute(path, f"UPDATE entries SET content = {value} WHERE key = CAST('{key}' AS BLOB)")

    if how == "find" or key == "b":
        assert list(store.find(key)) == []
    else:
        assert store.read(entry, 0, 10) is None

    assert execute(path, f"SELECT count(*) FROM entries WHERE key = CAST('{key}' AS BLOB)") == [(0,)]
    require_works(store)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET key = CAST('d' AS BLOB) WHERE key = CAST('a' AS BLOB)",
        "UPDATE entries SET key = CAST('d' AS BLOB) WHERE key = CAST('b' AS BLOB)",
    ],
)
def test_an_entry_of_another_key_is_a_miss(store: SQLiteStore, path: Path, statement: str) -> None:
    fill(store)
    execute(path, statement)

    assert list(store.find("d")) == []

    assert execute(path, "SELECT count(*) FROM entries") == [(2,)]


def test_an_update_of_a_damaged_entry(store: SQLiteStore, path: Path) -> None:
    entry = put(store, "a", b"small")
    execute(path, f"UPDATE entries SET head = {flipped('head', 40)}")

    assert not store.update(entry)
    assert execute(path, "SELECT count(*) FROM entries") == [(0,)]


def test_removing_by_url_takes_what_is_damaged(store: SQLiteStore, path: Path) -> None:
    fill(store)
    execute(path, f"UPDATE entries SET head = {flipped('head', 40)} WHERE key = CAST('a' AS BLOB)")

    assert store.remove_where(matches=lambda _: False) == 1
    assert get(store, "b") == LARGE


CHUNKS: dict[str, tuple[str, bool]] = {
    "the first is missing": ("DELETE FROM chunks WHERE number = 0", False),
    "one is missing": ("DELETE FROM chunks WHERE number = 5", False),
    "the last is missing": ("DELETE FROM chunks WHERE number = 9", False),
    "all are missing": ("DELETE FROM chunks", False),
    "one is cut": ("UPDATE chunks SET piece = substr(piece, 2) WHERE number = 5", False),
    "one is empty": ("UPDATE chunks SET piece = x'' WHERE number = 5", False),
    "nothing tells of them": ("DELETE FROM contents", False),
    "one is altered": (f"UPDATE chunks SET piece = {flipped('piece', 7)} WHERE number = 5", True),
    "one has another checksum": ("UPDATE chunks SET crc = 0 WHERE number = 5", True),
    "one is text": ("UPDATE chunks SET piece = CAST(hex(substr(piece, 1, 32768)) AS TEXT) WHERE number = 5", True),
    "one has another number": ("UPDATE chunks SET number = 15 WHERE number = 5", True),
    "the last has another number": ("UPDATE chunks SET number = 15 WHERE number = 9", True),
}


@pytest.mark.parametrize(("statement", "found"), CHUNKS.values(), ids=list(CHUNKS))
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_damaged_chunks_are_a_miss(
    store: SQLiteStore, path: Path, statement: str, found: bool, warm: bool, at_once: bool
) -> None:
    """Whether some are missing is seen when the entry is found first, whether one is altered when it is read."""
    fill(store)
    if not warm:
        store.close()
        store = SQLiteStore(path)
    execute(path, statement)

    (entry,) = [stored.entry for stored in store.find("b")] or [None]
    assert (entry is not None) is (found or warm)
    assert entry is None or at_once is False or store.read(entry, 0, len(LARGE)) is None
    assert get(store, "b") is None

    assert list(store.find("b")) == []
    assert execute(path, "SELECT count(*) FROM entries") == [(2,)]
    assert execute(path, "SELECT count(*) FROM contents") == [(0,)]
    assert execute(path, "SELECT count(*) FROM chunks") == [(0,)]
    require_works(store)
    store.close()


# Files of others, and of other versions.


def foreign(path: Path, *statements: str) -> bytes:
    execute(path, "CREATE TABLE precious (value)", "INSERT INTO precious VALUES (zeroblob(20000))", *statements)
    return path.read_bytes()


FOREIGN: dict[str, Callable[[Path], bytes]] = {
    "without an id": lambda path: foreign(path, "SELECT 1"),
    "with an id": lambda path: foreign(path, "PRAGMA application_id = 7"),
    "with a version": lambda path: foreign(path, "PRAGMA user_version = 1"),
    "with a log": lambda path: foreign(path, "PRAGMA journal_mode = WAL"),
    "empty, with an id": lambda path: (execute(path, "PRAGMA application_id = 7"), path.read_bytes())[1],
    "empty, with a version": lambda path: (execute(path, "PRAGMA user_version = 1"), path.read_bytes())[1],
    "damaged": lambda path: foreign(path, "PRAGMA user_version = 1")[:9000],
    "damaged in the first page": lambda path: smash_the_first_page(foreign(path, "SELECT 1")),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=list(FOREIGN))
def test_the_database_of_another_application_is_left_alone(
    store: SQLiteStore, path: Path, clock: VirtualClock, content: Callable[[Path], bytes]
) -> None:
    data = content(path)
    path.write_bytes(data)

    with warned("calls go on without it: it .*database of another application"):
        require_empty(store)
        clock.advance(5.0)
        require_empty(store)

    assert path.read_bytes() == data
    assert names(path) == {"cache.sqlite"}


def test_a_database_of_another_application_that_takes_the_place_of_an_open_one(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    fill(store)
    store.close()
    assert store.find("a")
    path.write_bytes(data := foreign(tmp_path / "other", "PRAGMA application_id = 7"))

    with warned("of another application"):
        for key in CONTENTS:
            assert get(store, key) in (None, CONTENTS[key])
        store.save(entry_of("c", LARGE), LARGE)
        store.close()

    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA user_version = 0",),
        ("PRAGMA user_version = 2",),
        ("PRAGMA user_version = 2", 'CREATE TABLE "odd ""name" (x)', "CREATE VIEW seen AS SELECT * FROM entries"),
        ("DROP TABLE entries",),
        ("DROP INDEX entries_by_use",),
        ("DROP TRIGGER content_deleted",),
        ("CREATE TABLE another (x)",),
    ],
)
def test_what_another_version_wrote_is_thrown_away(store: SQLiteStore, path: Path, statements: tuple[str, ...]) -> None:
    fill(store)
    objects = execute(path, "SELECT type, name FROM sqlite_master ORDER BY name")
    store.close()
    execute(path, *statements)

    assert [get(store, key) for key in CONTENTS] == [None] * 3
    require_works(store)

    assert execute(path, "PRAGMA user_version") == [(1,)]
    assert execute(path, "SELECT type, name FROM sqlite_master ORDER BY name") == objects
    assert execute(path, "SELECT count(*) FROM chunks") == [(10,)]


def test_what_was_killed_while_it_cleared_the_database(store: SQLiteStore, path: Path) -> None:
    """Nobody goes on to move pages about with every save."""
    fill(store)
    store.close()
    execute(path, "PRAGMA auto_vacuum = FULL")

    assert get(store, "b") == LARGE
    store.close()

    assert execute(path, "PRAGMA auto_vacuum") == [(2,)]


def test_another_version_that_takes_over_an_open_file(store: SQLiteStore, path: Path, clock: VirtualClock) -> None:
    """They do not take it from each other all the time."""
    fill(store)
    execute(path, "DROP TABLE entries", "CREATE TABLE entries (other)", "PRAGMA user_version = 2")

    with warned("calls go on without it: no such column"):
        require_empty(store)
    assert execute(path, "PRAGMA user_version") == [(2,)]

    clock.advance(5.0)
    require_works(store)


# Files that cannot be used.


def require_empty(store: SQLiteStore) -> None:
    """That it behaves as an empty store, whatever it is asked."""
    small, large = entry_of("a", b"small"), entry_of("b", LARGE)
    assert list(store.find("a")) == []
    assert not store.save(small, b"small")
    assert not store.save(large, LARGE)
    assert store.read(small, 0, 10) is None
    assert store.read(large, 0, 10) is None
    assert not store.update(small)
    assert not store.remove(small)
    assert store.remove_where() == 0
    assert store.remove_where(matches=lambda _: True) == 0
    writer = store.writer()
    assert not writer.write(LARGE)
    assert not writer.commit(large)
    store.clear()
    store.close()


def parent_missing(path: Path) -> Callable[[], None]:
    path.parent.rmdir()
    return path.parent.mkdir


def parent_is_a_file(path: Path) -> Callable[[], None]:
    path.parent.rmdir()
    path.parent.touch()

    def mend() -> None:
        path.parent.unlink()
        path.parent.mkdir()

    return mend


def is_a_folder(path: Path) -> Callable[[], None]:
    path.mkdir()
    return path.rmdir


def is_a_device(path: Path) -> Callable[[], None]:
    path.symlink_to(os.devnull)
    return path.unlink


def is_a_link_to_itself(path: Path) -> Callable[[], None]:
    path.symlink_to(path)
    return path.unlink


def no_sqlite(path: Path) -> Callable[[], None]:
    module = sys.modules["sqlite3"]
    sys.modules["sqlite3"] = None  # type: ignore[assignment]  # which makes importing it an error

    def mend() -> None:
        sys.modules["sqlite3"] = module

    return mend


def sqlite_without_threads(path: Path) -> Callable[[], None]:
    before, sqlite3.threadsafety = sqlite3.threadsafety, 0

    def mend() -> None:
        sqlite3.threadsafety = before

    return mend


@pytest.mark.parametrize(
    "spoil",
    [
        *(parent_missing, parent_is_a_file, is_a_folder, is_a_device, is_a_link_to_itself),
        *(no_sqlite, sqlite_without_threads),
    ],
)
def test_what_cannot_be_used_is_an_empty_store_for_a_while(
    store: SQLiteStore, path: Path, clock: VirtualClock, spoil: Callable[[Path], Callable[[], None]]
) -> None:
    mend = spoil(path)
    try:
        with warned("does not work, and calls go on without it"):
            for _ in range(3):
                require_empty(store)
                clock.advance(5.0)
            require_empty(store)
    finally:
        mend()

    # It is not tried all the time.
    clock.advance(4.9)
    require_empty(store)
    clock.advance(0.1)
    require_works(store)


@pytest.fixture
def locked(path: Path, store: SQLiteStore) -> Iterator[sqlite3.Connection]:
    """Another program that writes to the database, and takes its time; what is there before is there."""
    fill(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_file_that_is_locked_for_too_long(
    store: SQLiteStore, path: Path, clock: VirtualClock, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get(store, "b") == LARGE
    with warned("calls go on without it: database is locked"):
        assert not store.save(entry_of("d"), b"")
        with monkeypatch.context() as patches:
            # Nothing is tried, so that nothing costs anything.
            patches.delattr(sqlite3, "connect")
            assert not store.save(entry_of("d"), b"")
            assert get(store, "b") is None
        clock.advance(5.0)
        assert get(store, "b") == LARGE
        assert not store.save(entry_of("d"), b"")

    locked.execute("COMMIT")
    clock.advance(5.0)
    assert get(store, "b") == LARGE
    assert store.save(entry_of("d"), b"")


def test_closing_waits_for_nobody(store: SQLiteStore, locked: sqlite3.Connection) -> None:
    """Nor does it say anything: when something was last used may be forgotten."""
    assert store.find("a")
    store.close()


def test_a_lock_that_is_let_go_in_time(path: Path, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than SQLite itself would wait, and without a warning."""

    def let_go(seconds: float) -> None:
        if locked.in_transaction:
            locked.execute("COMMIT")

    # It is called only by those who have waited in vain.
    monkeypatch.setattr(time, "sleep", let_go)
    with closing(SQLiteStore(path)) as store:
        assert store.save(entry_of("d"), b"")
    assert not locked.in_transaction


@pytest.mark.parametrize(
    ("remove", "left"),
    [
        (lambda store, entries: store.remove(entries["a"]), "bc"),
        (lambda store, entries: store.remove(entries["b"]), "ac"),
        (lambda store, entries: store.remove_where(prefix="b"), "ac"),
        (lambda store, entries: store.remove_where(prefix="b", matches=lambda _: True), "ac"),
        (lambda store, entries: store.clear(), ""),
    ],
)
@pytest.mark.parametrize("resting", [False, True])
def test_what_could_not_be_removed_is_not_found_again(
    store: SQLiteStore,
    clock: VirtualClock,
    locked: sqlite3.Connection,
    remove: Callable[[SQLiteStore, dict[str, Entry]], Any],
    left: str,
    resting: bool,
) -> None:
    """RFC 9111 §4.4: what is invalidated is not used, be it that the store slept meanwhile."""
    entries = {key: store.find(key)[0].entry for key in CONTENTS}
    with warned("calls go on without it"):
        assert not resting or not store.save(entry_of("d"), b"")
        assert not remove(store, entries)
        # Nor while it still cannot be removed.
        clock.advance(5.0)
        assert get(store, "a") is None

    locked.execute("COMMIT")
    clock.advance(5.0)

    assert "".join(key for key in CONTENTS if store.find(key)) == left


def test_of_too_many_that_could_not_be_removed_all_are(
    store: SQLiteStore, clock: VirtualClock, locked: sqlite3.Connection
) -> None:
    with warned("calls go on without it"):
        for number in range(101):
            assert not store.remove(entry_of(f"{number}"))
    locked.execute("COMMIT")
    clock.advance(5.0)

    assert [key for key in CONTENTS if store.find(key)] == []
    require_works(store)


def test_a_disk_that_is_full(store: SQLiteStore, path: Path, clock: VirtualClock) -> None:
    """Here the files may not grow; what was there stays, and is whole."""
    fill(store)
    store.close()
    store.find("a")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        with warned("calls go on without it: disk"):
            for number in range(10):
                store.save(entry_of("a", LARGE), LARGE)
                clock.advance(number % 2 * 5.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    clock.advance(5.0)
    assert get(store, "b") == LARGE
    assert get(store, "a") in (b"small", LARGE)
    store.clear()
    require_works(store)


def test_a_warning_that_is_an_error(path: Path, clock: VirtualClock) -> None:
    """For whoever wants it so; the store goes on."""
    path.mkdir()
    store = SQLiteStore(path, clock=lambda: START, monotonic=clock.monotonic)

    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        with pytest.raises(StoreWarning):
            store.save(entry_of("a"), b"")

    path.rmdir()
    clock.advance(5.0)
    require_works(store)
    store.close()


def test_mistakes_are_not_taken_for_failures(path: Path) -> None:
    """A clock that fails, in the middle of a transaction, is nobody's disk."""
    ticks = iter([START])
    store = SQLiteStore(path, clock=lambda: next(ticks))

    with pytest.raises(StopIteration):
        store.save(entry_of("a", b"abc"), b"abc")

    with closing(SQLiteStore(path)) as other:
        assert list(other.find("a")) == []
    store.close()


def test_heads_are_what_the_format_says(store: SQLiteStore, path: Path) -> None:
    """Plain data, which others can read: no pickle, and nothing that is evaluated."""
    entry = put(store, "a", b"small")

    assert execute(path, "SELECT head, content, content_id FROM entries") == [
        (dump_head(entry), b"small", entry.content_id)
    ]
