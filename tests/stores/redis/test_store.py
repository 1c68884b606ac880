"""The store on a real Redis server: the kit, and what is Redis's own."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any
from zlib import crc32

import pytest
from redis import Redis as Client
from valkey import Valkey

from servers.redis import Redis
from trivet.core.caching.entry import Entry
from trivet.core.caching.keys import target_prefix
from trivet.core.caching.record import dump_entry
from trivet.core.caching.store import Store, StoreWarning
from trivet.core.caching.vary import MAX_VARIANTS
from trivet.core.errors import ConfigError
from trivet.core.http.url import URL
from trivet.stores.redis import RedisStore
from trivet.testing import VirtualClock, store_checks

NOW = 1_700_000_000.0
TARGET = target_prefix("GET", URL("https://api.example.com/users"))
KEY = TARGET + "-"
ENTRIES, TARGETS = b"trivet:e1:" + KEY.encode(), b"trivet:t1:" + TARGET.encode()
LARGE = random.Random(0).randbytes(300_000)
SMALL = b"small"


def entry_of(content: bytes, key: str = KEY, **values: Any) -> Entry:
    entry = Entry(
        *(key, "GET", "https://api.example.com/users", 200, "OK", "HTTP/1.1"),
        *(((b"ETag", b'"1"'),), (), NOW - 1.0, NOW - 0.5, inf, len(content), crc32(content)),
    )
    return entry._replace(**values)


def save(store: Store, content: bytes, key: str = KEY, **values: Any) -> Entry:
    """The entry as it is found after it was saved."""
    entry = entry_of(content, key, **values)
    assert store.save(entry, content)
    return next(stored.entry for stored in store.find(key) if stored.entry.variant == entry.variant)


def content_of(store: Store, entry: Entry) -> bytes | None:
    pieces = []
    for offset in range(0, entry.size, 65_536):
        piece = store.read(entry, offset, 65_536)
        if piece is None:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def content_key(entry: Entry) -> bytes:
    return b"trivet:c1:" + entry.content_id.encode()


def varied(number: int) -> dict[str, Any]:
    return {"vary": (("accept", str(number)),), "response_time": NOW + number}


@pytest.fixture(autouse=True)
def failures_are_seen() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StoreWarning)
        yield


@pytest.fixture
def database(redis: Redis) -> Iterator[Client]:
    """The database as others see it, empty."""
    with Client.from_url(redis.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(wall=NOW)


@pytest.fixture
def store(redis: Redis, database: Client, clock: VirtualClock) -> Iterator[RedisStore]:
    store = RedisStore(redis.url, clock=lambda: clock.now().wall)
    yield store
    store.close()


@pytest.mark.parametrize("check", store_checks(), ids=lambda check: check.__name__)
def test_it_is_a_store(check: Callable[[Callable[[], Store]], None], redis: Redis) -> None:
    check(lambda: RedisStore(redis.url))


def test_it_is_not_instant(store: RedisStore) -> None:
    assert store.instant is False


# What becomes of a key.


@pytest.mark.parametrize(
    ("expires", "max_ttl", "seconds"),
    [
        (NOW + 5000.0, None, 5000.0),
        (NOW + 5000.0, 7000.0, 5000.0),
        (NOW + 5000.0, 3000.0, 3000.0),
        (inf, 3000.0, 3000.0),
        (1e300, 3000.0, 3000.0),
    ],
)
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_keys_live_as_long_as_the_entry_is_of_use(
    redis: Redis, database: Client, content: bytes, expires: float, max_ttl: float | None, seconds: float
) -> None:
    store = RedisStore(redis.url, max_ttl=max_ttl, clock=lambda: NOW)
    entry = save(store, content, expires=expires)
    # Redis counts down while the test runs.
    for name in (ENTRIES, TARGETS):
        assert seconds - 600.0 < database.pttl(name) / 1000 <= seconds
    if content is LARGE:
        # It outlives the entry for those who are reading it then.
        assert seconds < database.pttl(content_key(entry)) / 1000 <= seconds + 120.0
    store.close()


@pytest.mark.parametrize("expires", [inf, 1e300, NOW + 2e10])
def test_without_a_limit_an_entry_may_live_for_ever(redis: Redis, database: Client, expires: float) -> None:
    store = RedisStore(redis.url, max_ttl=None, clock=lambda: NOW)
    entry = save(store, LARGE, expires=expires)
    assert [database.pttl(name) for name in (ENTRIES, TARGETS, content_key(entry))] == [-1, -1, -1]
    assert store.update(entry._replace(expires=NOW + 60.0))
    assert database.pttl(content_key(entry)) == -1
    store.close()


def test_entries_are_kept_for_a_month_unless_told_otherwise(database: Client, store: RedisStore) -> None:
    save(store, SMALL)
    assert 29.9 < database.pttl(ENTRIES) / 86_400_000 <= 30.0


def test_a_variant_does_not_shorten_the_life_of_the_others(database: Client, store: RedisStore) -> None:
    save(store, SMALL, expires=NOW + 9000.0)
    save(store, SMALL, expires=NOW + 10.0, vary=None)
    assert database.pttl(ENTRIES) > 8_000_000
    assert database.pttl(TARGETS) > 8_000_000
    save(store, SMALL, expires=NOW + 20_000.0, vary=None)
    assert database.pttl(ENTRIES) > 19_000_000


def test_an_update_prolongs_the_life(database: Client, store: RedisStore) -> None:
    entry = save(store, LARGE, expires=NOW + 100.0)
    assert store.update(entry._replace(expires=NOW + 9000.0, status=203))
    for name in (ENTRIES, TARGETS, content_key(entry)):
        assert database.pttl(name) > 8_000_000
    (found,) = store.find(KEY)
    assert (found.entry.status, found.content, content_of(store, found.entry)) == (203, None, LARGE)


@pytest.mark.parametrize("forget", ["replace", "remove", "remove_where"])
def test_what_is_being_read_may_be_read_for_a_while_yet(database: Client, store: RedisStore, forget: str) -> None:
    old = save(store, LARGE)
    if forget == "replace":
        save(store, SMALL)
    elif forget == "remove":
        assert store.remove(old)
    else:
        assert store.remove_where(prefix=TARGET) == 1
    assert content_of(store, old) == LARGE
    assert 0 < database.pttl(content_key(old)) <= 120_000


def test_nothing_is_left_of_a_writer_that_died(database: Client, store: RedisStore) -> None:
    writer = store.writer()
    assert writer.write(LARGE)
    (name,) = database.keys(b"*")
    assert 0 < database.pttl(name) <= 600_000
    writer.discard()
    # It waits for nothing, so not for the server either.
    assert database.pttl(name) > 0


def test_expired_entries_are_taken_out(database: Client, store: RedisStore, clock: VirtualClock) -> None:
    save(store, SMALL, expires=NOW + 10.0)
    save(store, SMALL, expires=NOW + 20.0, vary=None)
    clock.advance(10.0)
    assert [stored.entry.vary for stored in store.find(KEY)] == [None]
    assert database.hlen(ENTRIES) == 1


def test_expired_entries_do_not_count(store: RedisStore, clock: VirtualClock) -> None:
    save(store, SMALL, expires=NOW + 10.0)
    save(store, SMALL, expires=NOW + 20.0, vary=None)
    clock.advance(10.0)
    assert store.remove_where(prefix=TARGET) == 1
    assert store.remove_where() == 0


def test_variants_are_bounded(database: Client, store: RedisStore) -> None:
    for number in range(MAX_VARIANTS):
        save(store, LARGE if number in (0, 3) else SMALL, **varied(number))
    ids = {stored.entry.response_time - NOW: stored.entry for stored in store.find(KEY)}
    assert len(ids) == MAX_VARIANTS
    # The one that came first goes, also where it was saved last; one that came before all of them is not taken.
    save(store, SMALL, **varied(3))
    assert 0 < database.pttl(content_key(ids[3])) <= 120_000
    for number in (100, 101, 102):
        save(store, SMALL, **varied(number))
    assert 0 < database.pttl(content_key(ids[0])) <= 120_000
    assert not store.save(entry_of(SMALL, **varied(-1)), SMALL)
    assert not store.save(entry_of(LARGE, **varied(-1)), LARGE)
    assert sorted(stored.entry.response_time - NOW for stored in store.find(KEY)) == [*range(3, 16), 100, 101, 102]


def test_expired_variants_go_first(store: RedisStore, clock: VirtualClock) -> None:
    for number in range(MAX_VARIANTS):
        save(store, SMALL, **varied(number), expires=NOW + (5.0 if number in (7, 9) else 50.0))
    clock.advance(6.0)
    save(store, SMALL, **varied(100))
    expected = [*range(7), 8, *range(10, MAX_VARIANTS), 100]
    assert sorted(stored.entry.response_time - NOW for stored in store.find(KEY)) == expected


# Other data in the database.


PREFIXES = ["trivet:", "a*b:", "a?b:", "a[b-z]:", "[^a]", "back\\slash:", "{tag}é:"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_other_keys_are_not_touched(redis: Redis, database: Client, prefix: str) -> None:
    lookalikes = (
        "trivet",
        "trivet:x",
        "trivet:e:k",
        "trivet:e2:k",
        "Trivet:e1:k",
        "aXb:e1:k",
        "ab:e1:k",
        "ac:e1:k",
        "e1:k",
    )
    for name in (*lookalikes, f"x{prefix}e1:k", f"{prefix}x1:k", f"{prefix}e11:k", "be1:k", "-e1:k", "backslash:e1:k"):
        database.set(name, "somebody else's")
    others = {*database.keys("*")}
    store, other = RedisStore(redis.url, prefix=prefix), RedisStore(redis.url, prefix=f"{prefix}other:")
    for key in (KEY, "*", "k"):
        save(store, SMALL, key)
    save(other, LARGE, KEY)
    assert store.remove_where(prefix="*") == 1
    assert store.remove_where(matches=lambda url: url == "https://api.example.com/users") == 2
    save(store, LARGE)
    store.clear()
    assert not store.find(KEY)
    assert other.find(KEY)
    other.clear()
    assert {*database.keys("*")} == others
    for each in (store, other):
        each.close()


def test_what_was_cleared_leaves_nothing(database: Client, store: RedisStore) -> None:
    for number in range(3000):
        database.hset(f"trivet:e1:{number}", "x", "y")
    save(store, LARGE)
    store.clear()
    assert database.dbsize() == 0


# Damage.


def flip(place: int) -> Callable[[bytes], bytes]:
    def alter(value: bytes) -> bytes:
        return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]

    return alter


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda value: b"",
    "a header in part": lambda value: value[:40],
    "no record": lambda value: value[:73],
    "no content": lambda value: value[: -len(SMALL)],
    "cut off": lambda value: value[:-1],
    "longer": lambda value: value + b"x",
    "no store's": lambda value: b"\x80\x04\x95pickled",
    "of another key": lambda value: (
        value[:73] + dump_entry(entry_of(SMALL, "k", content_id=value[:32].decode()), SMALL)
    ),
    "of another content": lambda value: b"0" * 32 + value[32:],
    "of no known kind": lambda value: value[:32] + b"?" + value[33:],
    "not apart": lambda value: value[:32] + b"x" + value[33:],
    "of another version": lambda value: value[:76] + b"\x02" + value[77:],
    "altered in the id": flip(0),
    "altered in the expiry": flip(48),
    "altered in the time of the response": flip(64),
    "altered in the length of the head": flip(72),
    "without numbers": lambda value: value[:33] + b"z" * 40 + value[73:],
    "altered in the head": flip(120),
    "altered in the content": flip(-2),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_value_is_a_miss_and_removed(
    database: Client, store: RedisStore, damage: Callable[[bytes], bytes]
) -> None:
    save(store, SMALL)
    other = save(store, b"other", vary=None)
    value = database.hget(ENTRIES, "-")
    assert isinstance(value, bytes)
    database.hset(ENTRIES, "-", damage(value))
    assert [stored.entry for stored in store.find(KEY)] == [other]
    assert database.hkeys(ENTRIES) == [b"*"]
    entry = save(store, SMALL)
    value = database.hget(ENTRIES, "-")
    assert isinstance(value, bytes)
    database.hset(ENTRIES, "-", damage(value))
    store.update(entry)
    assert all(stored.entry in (entry, other) for stored in store.find(KEY))
    save(store, SMALL)
    assert len(store.find(KEY)) == 2


def test_a_damaged_head_matches_nothing(database: Client, store: RedisStore) -> None:
    save(store, SMALL)
    value = database.hget(ENTRIES, "-")
    assert isinstance(value, bytes)
    database.hset(ENTRIES, "-", flip(120)(value))
    assert store.remove_where(matches=lambda url: True) == 0
    assert store.remove_where() == 1


@pytest.mark.parametrize("name", [ENTRIES, TARGETS])
def test_a_value_of_another_type_gives_way(database: Client, store: RedisStore, name: bytes) -> None:
    save(store, SMALL)
    for use in (lambda: store.find(KEY), lambda: store.save(entry_of(SMALL), SMALL)):
        database.set(name, "of another type")
        assert not use()
        assert database.get(name) is None
    for prefix in (TARGET, ""):
        database.flushall()
        save(store, SMALL)
        save(store, SMALL, TARGET + "another")
        database.set(name, "of another type")
        # A target is of no use, but where all keys are looked at anyway.
        expected = 1 if name == ENTRIES else 0 if prefix else 2
        assert store.remove_where(prefix=prefix) == expected
        assert database.exists(name) == (expected == 2)


def test_without_its_content_an_entry_is_not_found(database: Client, store: RedisStore) -> None:
    entry = save(store, LARGE)
    database.delete(content_key(entry))
    assert store.read(entry, 0, 100) is None
    assert store.read(entry, len(LARGE), 100) is None
    assert not store.find(KEY)
    assert database.exists(ENTRIES) == 0
    entry = save(store, LARGE)
    database.delete(content_key(entry))
    assert not store.update(entry)
    assert database.exists(ENTRIES) == 0


def test_content_that_was_cut_off_is_not_read_beyond_its_end(database: Client, store: RedisStore) -> None:
    entry = save(store, LARGE)
    database.set(content_key(entry), LARGE[:200_000])
    assert store.read(entry, 0, 200_000) == LARGE[:200_000]
    assert store.read(entry, 199_999, 2) is None
    assert store.read(entry, 250_000, 100) is None


def test_a_writer_notices_that_its_pieces_are_lost(database: Client, store: RedisStore) -> None:
    for lost_before in ("write", "commit", "save"):
        writer = store.writer()
        assert writer.write(LARGE)
        if lost_before == "commit":
            assert writer.write(SMALL)
            database.flushall()
            assert not writer.commit(entry_of(LARGE + SMALL))
        elif lost_before == "save":
            # Nothing is left to be sent.
            database.flushall()
            assert not writer.commit(entry_of(LARGE))
        else:
            database.flushall()
            assert not writer.write(LARGE)
            assert not writer.write(SMALL)
            assert not writer.commit(entry_of(LARGE + LARGE + SMALL))
    assert not store.find(KEY)


# Targets.


def test_removing_by_target_looks_at_that_alone(database: Client, store: RedisStore) -> None:
    users = [f"{TARGET}{number:040x}" for number in range(60)]
    for key in users:
        save(store, SMALL, key)
    save(store, SMALL, users[0], vary=None)
    others = [TARGET.replace("/users ", "/users/1 ") + "-", TARGET.replace("GET", "HEAD") + "-", TARGET[:-1]]
    for key in others:
        save(store, SMALL, key)
    database.config_resetstat()
    # Those that end in 10 to 1f: 16 to 31.
    assert store.remove_where(prefix=users[16][:-1]) == 16
    assert store.remove_where(prefix=TARGET, matches=lambda url: url.endswith("/users")) == 60 - 16 + 1
    assert store.remove_where(prefix=TARGET) == 0
    assert "cmdstat_scan" not in database.info("commandstats")
    assert all(len(store.find(key)) == 1 for key in others)


def test_entries_that_their_target_does_not_know_are_not_found(database: Client, store: RedisStore) -> None:
    """Or an unsafe request would not remove them: the server may have evicted the target."""
    save(store, SMALL)
    database.delete(TARGETS)
    assert not store.find(KEY)
    save(store, SMALL)
    assert len(store.find(KEY)) == 1


def test_a_target_forgets_the_keys_that_have_expired(database: Client, store: RedisStore, clock: VirtualClock) -> None:
    for number in range(5):
        save(store, SMALL, f"{TARGET}{number}", expires=NOW + 10.0)
    # The last of its variants counts.
    save(store, SMALL, f"{TARGET}4", expires=NOW + 90.0, vary=None)
    save(store, SMALL, f"{TARGET}4", expires=NOW + 20.0)
    clock.advance(60.0)
    save(store, SMALL, f"{TARGET}5")
    assert database.zrange(TARGETS, 0, -1) == [b"4", b"5"]
    assert len(store.find(f"{TARGET}4")) == 1


# How it is used.


class Counting(Client):
    """A client that counts its round trips."""

    trips = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.trips += 1
        return super().execute_command(*args, **options)


def test_to_find_and_to_save_is_one_round_trip(redis: Redis, database: Client) -> None:
    with Counting.from_url(redis.url) as client:
        store = RedisStore(client)
        for number in range(3):
            save(store, SMALL, **varied(number))
        client.trips = 0
        assert len(store.find(KEY)) == 3
        assert client.trips == 1
        assert store.save(entry_of(SMALL), SMALL)
        assert client.trips == 2


def test_closing_leaves_the_client_of_somebody_else_open(redis: Redis, database: Client) -> None:
    with Client.from_url(redis.url) as client:
        number = client.client_id()
        store = RedisStore(client)
        save(store, SMALL)
        store.close()
        assert client.client_id() == number


class Repeating(Client):
    """A client that sends all twice, as one does that did not get the reply to the first time."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        super().execute_command(*args, **options)
        return super().execute_command(*args, **options)


@pytest.mark.parametrize("content", [SMALL, LARGE, LARGE * 5], ids=["small", "large", "in pieces"])
def test_what_is_sent_again_is_not_done_again(redis: Redis, database: Client, content: bytes) -> None:
    with Repeating.from_url(redis.url) as client:
        store = RedisStore(client)
        entry = save(store, content)
        assert store.update(entry._replace(status=203))
        assert content_of(store, entry) == content
        if content is not SMALL:
            assert client.pttl(content_key(entry)) > 120_000
        assert len(store.find(KEY)) == 1


def test_scripts_that_the_server_forgot_are_sent_again(database: Client, store: RedisStore) -> None:
    entry = save(store, LARGE)
    for use in (
        lambda: store.find(KEY),
        lambda: store.update(entry),
        lambda: store.remove(entry),
        lambda: store.save(entry_of(LARGE), LARGE),
        lambda: store.remove_where(),
    ):
        database.script_flush()
        assert use()


@pytest.mark.parametrize("kind", ["unix", "valkey"])
def test_other_ways_to_a_server(redis: Redis, database: Client, kind: str) -> None:
    server: Any = f"unix://{redis.socket}" if kind == "unix" else Valkey.from_url(redis.url)
    store, other = RedisStore(server), RedisStore(redis.url)
    for content in (SMALL, LARGE):
        entry = save(store, content)
        assert [stored.entry for stored in other.find(KEY)] == [entry]
        assert content_of(other, entry) == content
    assert store.remove_where() == 1
    database.script_flush()
    assert not store.find(KEY)
    for each in (store, other):
        each.close()
    if kind == "valkey":
        server.close()


def test_valkey_is_taken_where_there_is_no_redis(
    redis: Redis, database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    store = RedisStore(redis.url.replace("redis://", "valkey://"))
    save(store, LARGE)
    assert type(store._link._client).__module__.startswith("valkey")
    store.close()


def test_threads_never_mix_heads_and_contents(redis: Redis, database: Client) -> None:
    """With contents that are written in pieces and kept apart."""
    store = RedisStore(redis.url)

    def work(number: int) -> int:
        rng = random.Random(number)
        read = 0
        for _ in range(12):
            content = rng.randbytes(1000) * rng.choice((1, 300, 600))
            if rng.random() < 0.5:
                assert store.save(entry_of(content), content)
            else:
                writer = store.writer()
                for start in range(0, len(content), 100_000):
                    assert writer.write(content[start : start + 100_000])
                assert writer.commit(entry_of(content))
            for stored in store.find(KEY):
                found = content_of(store, stored.entry) if stored.content is None else stored.content
                assert found is not None
                assert stored.entry.describes(found)
                read += 1
        return read

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 6 * 12
    store.close()


FORKING = """
import os, sys, warnings
from trivet.core.caching.entry import Entry
from trivet.stores.redis import RedisStore

warnings.simplefilter("error")
store = RedisStore(sys.argv[1])
entry = Entry("", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, 4e9, 0, 0)
assert store.save(entry._replace(key="before"), b"")
child = os.fork()
for number in range(50):
    key = f"{number} {child == 0}"
    assert store.save(entry._replace(key=key), b"")
    (found,) = store.find(key)
    assert found.entry.key == key, found.entry.key
    assert len(store.find("before")) == 1
store.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert store.remove_where() == 101
"""


def test_forked_processes_share_it(redis: Redis, database: Client) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, redis.url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"prefix": ""}, "prefix must be printable text that is not empty, not ''"),
        ({"prefix": "a\n"}, "prefix must be printable"),
        ({"max_content": -1}, "max_content must be from 0 to 536870912 bytes, not -1"),
        ({"max_content": 2**30}, "max_content must be"),
        ({"max_ttl": 0.0}, "max_ttl must be a positive number of seconds or None, not 0.0"),
        ({"max_ttl": float("nan")}, "max_ttl must be"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        RedisStore("redis://localhost", **settings)


def test_an_entry_that_cannot_be_written_is_not_saved(store: RedisStore) -> None:
    for values in ({"reason": "a\nb"}, {"expires": float("nan")}, {"crc": 1}):
        assert not store.save(entry_of(SMALL, **values), SMALL)
    entry = save(store, SMALL)
    assert not store.update(entry._replace(reason="a\nb"))
    assert store.find(KEY)[0].entry == entry
    assert store.find("\ud800") == ()


def test_a_small_limit(redis: Redis, database: Client) -> None:
    store = RedisStore(redis.url, max_content=4)
    assert not store.save(entry_of(SMALL), SMALL)
    assert store.save(entry_of(b"tiny"), b"tiny")
    store.close()
