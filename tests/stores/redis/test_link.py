"""A server that fails: calls go on without it, and it is left alone for a while."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, urlsplit
from zlib import crc32

import pytest
from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.retry import Retry

from conftest import MakeHostile
from servers.hostile import Hostile, Peer, Script, close, read_to_end, send
from servers.redis import Redis
from servers.unreachable import Deaf, Refusing
from trivet.core.caching.entry import Entry
from trivet.core.caching.store import StoreWarning
from trivet.stores.redis import RedisStore
from trivet.stores.redis.link import BACK_OFF
from trivet.testing import VirtualClock

ENTRY = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, inf, 2, crc32(b"hi"))
LARGE = bytes(300_000)
LARGE_ENTRY = ENTRY._replace(size=len(LARGE), crc=crc32(LARGE))
# What no message may show, and what it is in a URL.
PASSWORD = "s3cret:p@ss/w#rd?"
IN_URL = quote(PASSWORD, safe="")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(wall=1_700_000_000.0)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Redis]:
    """A server that a test may kill."""
    server = Redis(tmp_path)
    yield server
    server.stop()


def redis_url(server: Hostile | Refusing | Deaf) -> str:
    return server.url.replace("http://", "redis://")


def open_store(url: str | Client, clock: VirtualClock) -> RedisStore:
    return RedisStore(url, clock=lambda: clock.now().wall)


def use(store: RedisStore) -> None:
    """All that can be done with a store that has nothing to offer."""
    assert not store.find("k")
    assert store.save(ENTRY, b"hi") is False
    assert store.save(LARGE_ENTRY, LARGE) is False
    assert store.read(ENTRY, 0, 2) is None
    assert store.read(LARGE_ENTRY, 0, 2) is None
    assert store.read(LARGE_ENTRY, len(LARGE), 2) is None
    assert store.update(ENTRY) is False
    assert store.remove(ENTRY) is False
    assert store.remove_where() == 0
    assert store.remove_where(prefix=f"GET https://a.example/ {'0' * 40} ") == 0
    writer = store.writer()
    assert writer.write(b"hi")
    assert writer.commit(ENTRY) is False
    writer = store.writer()
    assert writer.write(LARGE) is False
    assert writer.commit(LARGE_ENTRY) is False
    store.clear()
    store.close()


def warned(store: RedisStore) -> str:
    """What is said when it is used."""
    with pytest.warns(StoreWarning) as caught:
        use(store)
    (warning,) = caught
    assert warning.filename == __file__
    return str(warning.message)


def test_a_server_dies_and_comes_back(private: Redis, clock: VirtualClock) -> None:
    store = open_store(private.url, clock)
    assert store.save(ENTRY, b"hi")
    assert store.save(LARGE_ENTRY._replace(key="large"), LARGE)
    (large,) = store.find("large")
    writer = store.writer()
    assert writer.write(LARGE)

    private.kill()
    with pytest.warns(StoreWarning, match=re.escape(f"the store on {private.url} fails")):
        assert writer.write(LARGE) is False
    # Once is enough: a warning is an error here.
    use(store)
    assert store.read(large.entry, 0, 10) is None
    clock.advance(BACK_OFF)
    use(store)

    private.restart()
    # It is left alone yet, then found empty, and works.
    clock.advance(BACK_OFF - 0.1)
    assert not store.save(ENTRY, b"hi")
    clock.advance(0.1)
    assert not store.find("k")
    assert store.save(ENTRY, b"hi")
    assert [stored.content for stored in store.find("k")] == [b"hi"]

    private.kill()
    use(store)
    private.restart()
    # That the clock was set back is no reason to wait longer.
    clock.advance(-100.0)
    assert store.save(ENTRY, b"hi")
    store.close()


class Slow(Client):
    """A client that counts what it is asked for, and waits until it may send it."""

    asked = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        self.entered.set()
        assert self.may_send.wait(10.0)
        return super().execute_command(*args, **options)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.entered, self.may_send = Event(), Event()


def test_one_call_tries_again_and_the_others_do_not_wait_for_it(private: Redis, clock: VirtualClock) -> None:
    client = Slow.from_url(private.url, retry=Retry(NoBackoff(), 0))
    client.may_send.set()
    store = open_store(client, clock)
    assert store.save(ENTRY, b"hi")
    private.kill()
    with pytest.warns(StoreWarning):
        assert not store.find("k")
    private.restart()
    clock.advance(BACK_OFF)
    client.may_send.clear()
    client.entered.clear()
    client.asked = 0
    with ThreadPoolExecutor(1) as pool:
        try:
            trying = pool.submit(store.save, ENTRY, b"hi")
            assert client.entered.wait(10.0)
            assert not any(store.find("k") for _ in range(100))
            assert client.asked == 1
        finally:
            client.may_send.set()
        assert trying.result()
    assert store.find("k")
    client.close()


def test_a_server_that_takes_no_connection(deaf: Deaf, clock: VirtualClock) -> None:
    assert "TimeoutError" in warned(open_store(f"{redis_url(deaf)}?socket_connect_timeout=0.02", clock))


def test_a_server_that_says_nothing(hostile: MakeHostile, clock: VirtualClock) -> None:
    url = redis_url(hostile([read_to_end]))
    assert "TimeoutError" in warned(open_store(f"{url}?socket_timeout=0.02", clock))


def echo(peer: Peer) -> None:
    """Send back as an error what was sent, the password too."""
    while data := peer.socket.recv(65536):
        peer.socket.sendall(b"-ERR no: " + b" ".join(data.split()) + b"\r\n")


def babble(peer: Peer) -> None:
    """Send back what was sent, which is no reply."""
    while data := peer.socket.recv(65536):
        peer.socket.sendall(b"?" + data)


@pytest.mark.parametrize("script", [[echo], [babble], [close], [send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), close]])
@pytest.mark.parametrize("given", ["authority", "query", "plain", "client"])
def test_what_no_redis_would_answer(hostile: MakeHostile, clock: VirtualClock, script: Script, given: str) -> None:
    url = redis_url(hostile(script))
    server: str | Client = f"{url.replace('//', f'//:{IN_URL}@')}/3"
    if given == "query":
        server = f"{url}/3?password={IN_URL}"
    elif given == "plain":
        server = f"{url.replace('//', '//:s3cret@')}/3"
    elif given == "client":
        server = Client.from_url(f"{url}/3", password=PASSWORD, retry=Retry(NoBackoff(), 0))
    text = warned(open_store(server, clock))
    assert text.startswith(f"the store on {url}/3 fails, and calls go on without it: ")
    assert_shows_nothing(text, IN_URL)
    if isinstance(server, Client):
        server.close()


def test_a_password_is_not_shown_in_other_words(hostile: MakeHostile, clock: VirtualClock) -> None:
    """As one that is escaped, in which it would not be recognised."""
    url = redis_url(hostile([send("é-s3cret\r\n".encode()), read_to_end]))
    text = warned(open_store(url.replace("//", "//:%C3%A9-s3cret@"), clock))
    assert text.endswith("without it: InvalidResponse")


def assert_shows_nothing(text: str, password: str) -> None:
    assert all(secret not in text for secret in (password, PASSWORD, "s3cret"))


@pytest.mark.parametrize("given", ["url", "query", "client"])
def test_a_wrong_password_is_not_shown(redis: Redis, clock: VirtualClock, given: str) -> None:
    address = urlsplit(redis.url).netloc
    server: str | Client = f"redis://ada:{IN_URL}@{address}/1"
    if given == "query":
        server = f"redis://{address}/1?username=ada&password={IN_URL}"
    elif given == "client":
        server = Client.from_url(str(server))
    store = open_store(server, clock)
    text = warned(store)
    assert text.startswith(f"the store on redis://{address}/1 fails, and calls go on without it: AuthenticationError")
    assert_shows_nothing(text + repr(store), IN_URL)
    if isinstance(server, Client):
        server.close()


def test_the_right_password(redis: Redis, clock: VirtualClock) -> None:
    with Client.from_url(redis.url) as client:
        client.acl_setuser("bob", enabled=True, passwords=f"+{PASSWORD}", commands=["+@all"], keys=["*"], reset=True)
        store = open_store(f"redis://bob:{IN_URL}@{urlsplit(redis.url).netloc}/0", clock)
        assert store.save(ENTRY, b"hi")
        assert_shows_nothing(repr(store), IN_URL)
        # What the server will not do any more for this user is no reason to leave it alone.
        client.acl_setuser("bob", commands=["-del", "-unlink"])
        with pytest.warns(StoreWarning, match="NoPermissionError: "):
            store.clear()
        assert store.find("k")
        store.close()
        client.acl_deluser("bob")


def test_a_full_server_keeps_no_more(redis: Redis, clock: VirtualClock) -> None:
    store = open_store(redis.url, clock)
    with Client.from_url(redis.url) as client:
        client.flushall()
        assert store.save(ENTRY, b"hi")
        client.config_set("maxmemory", "1")
        try:
            with pytest.warns(StoreWarning, match="OutOfMemoryError"):
                assert not store.save(ENTRY, b"hi")
            assert not store.save(ENTRY, b"hi")
            assert not store.save(LARGE_ENTRY, LARGE)
            assert [stored.content for stored in store.find("k")] == [b"hi"]
            assert store.remove_where() == 1
        finally:
            client.config_set("maxmemory", "0")
    assert store.save(ENTRY, b"hi")
    store.close()


def test_many_threads_are_told_once(refusing: Refusing, clock: VirtualClock) -> None:
    store = open_store(redis_url(refusing), clock)
    with pytest.warns(StoreWarning) as caught, ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(store.find, "abcdefgh"))
    assert len(caught) == 1
