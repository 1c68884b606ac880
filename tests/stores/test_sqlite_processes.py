"""One file of SQLite and several processes, some of which are killed.

This is also the program that those processes run. Two of them for half a minute, by hand:
``python tests/stores/test_sqlite_processes.py both FOLDER 30``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path
from threading import Event
from typing import Any
from zlib import crc32

import pytest

from trivet.core.caching.entry import Entry
from trivet.core.caching.store import StoreWarning
from trivet.core.caching.stored import Stored
from trivet.stores.sqlite import SQLiteStore

KEYS = [f"GET https://api.example.com/{number} -" for number in range(8)]
# Of content in the row, and in chunks.
SIZES = (0, 10, 1000, 100_000, 262_144, 262_145, 600_000)
ROOM = 8 * 1024 * 1024
KILLED = 50
OPERATIONS = 1000


def content_for(key: str, number: int, size: int) -> bytes:
    """Content that tells whose it is, at its beginning and at its end."""
    mark = f"{key} {number} ".encode()
    return (mark * (size // len(mark) + 1))[:size]


def entry_for(key: str, number: int, content: bytes) -> Entry:
    fields = ((b"X-Number", b"%d" % number),)
    return Entry(key, "GET", key, 200, "OK", "HTTP/1.1", fields, (), 1.0, 2.0, inf, len(content), crc32(content))


def save(store: SQLiteStore, rng: random.Random) -> bool:
    """Save something, at once or in pieces."""
    key, number = rng.choice(KEYS), rng.randrange(10**6)
    content = content_for(key, number, rng.choice(SIZES))
    entry = entry_for(key, number, content)
    if rng.random() < 0.5:
        return store.save(entry, content)
    writer = store.writer()
    for start in range(0, len(content), 50_000):
        if not writer.write(content[start : start + 50_000]):
            return False
    if rng.random() < 0.1:
        writer.discard()
        return True
    return writer.commit(entry)


def content_of(store: SQLiteStore, stored: Stored) -> bytes | None:
    """The content, read in pieces if it is large; None if it is gone."""
    if stored.content is not None:
        return stored.content
    content = bytearray()
    while len(content) < stored.entry.size:
        piece = store.read(stored.entry, len(content), 65_536)
        if not piece:
            return None
        content += piece
    return bytes(content)


def is_right(stored: Stored, content: bytes) -> bool:
    """Whether it is the content that was saved with this very head."""
    entry = stored.entry
    number = int(dict(entry.fields)[b"X-Number"])
    return entry.describes(content) and content == content_for(entry.key, number, entry.size)


def hammer(path: str, seed: int, seconds: float, operations: float) -> Counter[str]:
    """Do all that can be done, and count it; what was found wrong too."""
    # Whatever a store fails at, it warns.
    warnings.simplefilter("error", StoreWarning)
    rng = random.Random(seed)
    store = SQLiteStore(path, ROOM)
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while done["operations"] < operations and time.monotonic() < end:
        done["operations"] += 1
        chance = rng.random()
        if chance < 0.3:
            done["saved" if save(store, rng) else "refused"] += 1
            continue
        for stored in store.find(rng.choice(KEYS)):
            if chance < 0.35:
                done["removed"] += store.remove(stored.entry)
            elif chance < 0.45:
                done["updated"] += store.update(stored.entry._replace(status=rng.randrange(200, 600)))
            else:
                content = content_of(store, stored)
                if content is None:
                    done["gone"] += 1
                else:
                    done["right" if is_right(stored, content) else "wrong"] += 1
    store.close()
    return done


def save_until_killed(path: str, seed: int) -> None:
    """Tell who this is, and save one after the other, telling of the beginning and the end of each."""
    os.write(1, b"%d\n" % os.getpid())
    rng = random.Random(seed)
    store = SQLiteStore(path, ROOM)
    while True:
        os.write(1, b".")
        save(store, rng)
        os.write(1, b".")


def serve_victims(path: str) -> None:
    """Start a process for each line of input; wait for its end, and say so."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            save_until_killed(path, int(line))
        os.waitpid(pid, 0)
        os.write(1, b"\n")


def put(store: SQLiteStore, key: str) -> bool:
    content = content_for(key, 0, 1000)
    return store.save(entry_for(key, 0, content), content)


def fork(path: str) -> dict[str, object]:
    """Use one store object in a process and in its child at the same time."""
    warnings.simplefilter("error", StoreWarning)
    store = SQLiteStore(path)
    put(store, "of the parent, before")
    pieces = store.writer()
    pieces.write(content_for("pieces", 0, 300_000))
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        saved = put(store, "of the child")
        os.write(to_parent, b".")
        os.read(from_parent, 1)
        right = saved and bool(store.find("of the parent, after")) and put(store, "of the child, after")
        # The store is left open, as in a process that is killed.
        os._exit(0 if right else 1)
    os.read(from_child, 1)
    seen = bool(store.find("of the child"))
    # The last one to close a database takes its log away. It is not the last.
    store.close()
    log = os.path.exists(f"{path}-wal")
    put(store, "of the parent, after")
    os.write(to_child, b".")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    content = content_for("pieces", 0, 300_000)
    committed = pieces.commit(entry_for("pieces", 0, content))
    keys = ("of the parent, before", "of the child", "of the parent, after", "of the child, after", "pieces")
    found = sum(len(store.find(key)) for key in keys)
    store.close()
    return {"seen": seen, "log": log, "code": code, "committed": committed, "found": found}


def fork_among_threads(path: str, count: float) -> list[int]:
    """Fork while other threads save, and have the children save; what became of these."""
    warnings.simplefilter("error", StoreWarning)
    store = SQLiteStore(path)
    stop = Event()

    def keep_saving(number: int) -> None:
        while not stop.is_set():
            assert put(store, f"of thread {number}")

    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(keep_saving, number) for number in range(2)]
        codes: list[int] = []
        for number in range(int(count)):
            pid = os.fork()
            if not pid:
                os._exit(0 if put(store, f"of child {number}") and store.find(f"of child {number}") else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stop.set()
        for each in threads:
            each.result()
    store.close()
    return codes


def begin_together(path: str, count: float) -> list[int]:
    """Have processes make the file, all at the same moment, and each use it; what became of these. Again and again."""
    warnings.simplefilter("error", StoreWarning)
    codes: list[int] = []
    for turn in range(int(count)):
        ready, start = os.pipe()
        pids: list[int] = []
        for number in range(4):
            pids.append(os.fork())
            if not pids[-1]:
                os.close(start)
                store = SQLiteStore(f"{path}{turn}")
                # Its end comes when the parent closes the pipe.
                os.read(ready, 1)
                right = put(store, f"{number}") and len(store.find(f"{number}")) == 1
                store.close()
                os._exit(0 if right else 1)
        os.close(ready)
        os.close(start)
        codes += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        with closing(SQLiteStore(f"{path}{turn}")) as store:
            codes += [not store.find(f"{number}") for number in range(4)]
    return codes


def main(job: str, path: str, *numbers: str) -> None:
    if job == "victims":
        serve_victims(path)
    elif job == "hammer":
        seed, seconds, operations = map(float, numbers)
        print(json.dumps(hammer(path, int(seed), seconds, operations)))
    elif job == "both":
        print(*run_both(f"{path}/cache.sqlite", float(numbers[0]), inf), sep="\n")
    elif job == "begin together":
        print(json.dumps(begin_together(path, float(numbers[0]))))
    elif job == "fork":
        print(json.dumps(fork(path)))
    elif job == "fork among threads":
        print(json.dumps(fork_among_threads(path, float(numbers[0]))))


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """This program in a process of its own, which ends here at the latest."""
    command = [sys.executable, __file__, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_of(process: subprocess.Popen[bytes]) -> Any:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(output)


def run_both(path: str, seconds: float, operations: float) -> list[dict[str, int]]:
    """What two processes did to one file at the same time."""
    with (
        running("hammer", path, 1, seconds, operations) as one,
        running("hammer", path, 2, seconds, operations) as other,
    ):
        return [answer_of(one), answer_of(other)]


# The tests.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


def require_whole(store: SQLiteStore) -> int:
    """That whatever is found is whole and right; how much that is."""
    found = 0
    for key in KEYS:
        for stored in store.find(key):
            content = content_of(store, stored)
            assert content is not None
            assert is_right(stored, content)
            found += 1
    return found


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_processes_that_are_killed_leave_whole_entries(path: Path) -> None:
    """Fifty of them, each at another moment of the beginning, the middle or the end of saving something."""
    rng = random.Random(4)
    found = 0
    with running("victims", path) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for number in range(KILLED):
            parent.stdin.write(b"%d\n" % number)
            parent.stdin.flush()
            pid = int(parent.stdout.readline())
            # A dot when it begins to save, and one when it is done.
            assert parent.stdout.read(rng.randrange(1, 9)).strip(b".") == b""
            os.kill(pid, signal.SIGKILL)
            assert parent.stdout.readline().strip(b".\n") == b""

            with closing(SQLiteStore(path, ROOM)) as store:
                found += require_whole(store)
                assert put(store, KEYS[0])
                assert require_whole(store)
        parent.stdin.close()

    assert found > KILLED
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    # What they were about to write is removed when they are known to be dead.
    with closing(SQLiteStore(path, ROOM, clock=lambda: time.time() + 3600)) as store:
        for _ in range(20):
            put(store, KEYS[0])
        left = require_whole(store)
    assert rows(path, "SELECT entries FROM totals") == [(left,)]
    chunked = rows(path, "SELECT content_id FROM entries WHERE content IS NULL")
    assert sorted(rows(path, "SELECT content_id FROM contents")) == sorted(chunked)
    assert sorted(rows(path, "SELECT DISTINCT content_id FROM chunks")) == sorted(chunked)


def test_two_processes_at_once(path: Path) -> None:
    """From the very beginning, when there is no file. No call fails, and nothing wrong is found."""
    for done in run_both(str(path), 60, OPERATIONS):
        assert done["operations"] == OPERATIONS
        assert "wrong" not in done
        assert "refused" not in done
        assert done["right"] > OPERATIONS / 10

    with closing(SQLiteStore(path, ROOM)) as store:
        require_whole(store)
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_processes_that_begin_at_the_same_moment(path: Path) -> None:
    """One of them makes the file, and all use it."""
    with running("begin together", path, 25) as process:
        assert answer_of(process) == [0] * 25 * 8


def test_a_process_that_forks(path: Path) -> None:
    """Both go on with the store, and see what the other one does."""
    right = {"seen": True, "log": True, "code": 0, "committed": True, "found": 5}
    with running("fork", path) as process:
        assert answer_of(process) == right


def test_a_process_that_forks_while_threads_use_the_store(path: Path) -> None:
    """None of its children waits for a lock that a thread had, which is not there."""
    with running("fork among threads", path, 10) as process:
        assert answer_of(process) == [0] * 10

    with closing(SQLiteStore(path)) as store:
        assert [number for number in range(10) if not store.find(f"of child {number}")] == []


if __name__ == "__main__":
    main(*sys.argv[1:])
