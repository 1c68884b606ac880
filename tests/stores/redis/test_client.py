"""Clients for a store: URLs and clients that are fit for one, and those that are not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import redis.asyncio
from redis import Redis as Client
from valkey import Valkey

from trivet.core.errors import ConfigError
from trivet.stores.redis import RedisStore
from trivet.stores.redis.client import open_client


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://cache.example", "redis://cache.example:6379/0"),
        ("redis://:s3cret@cache.example:7000/2", "redis://cache.example:7000/2"),
        ("rediss://ada:s3cret@cache.example/2?ssl_cert_reqs=none", "redis://cache.example:6379/2"),
        ("valkey://ada:s3cret@cache.example?db=4", "redis://cache.example:6379/4"),
        ("valkeys://ada:s3c%40ret@cache.example?password=s3cret", "redis://cache.example:6379/0"),
        ("redis://cache.example?username=ada&password=s3cret", "redis://cache.example:6379/0"),
        ("redis://ada:s3cret@cache.example?client_name=a@b", "redis://cache.example:6379/0"),
        ("redis://", "redis://localhost:6379/0"),
        ("unix:///run/redis.sock?password=s3cret", "unix:///run/redis.sock"),
        ("unix://ada:s3cret@/run/a@b.sock", "unix:///run/a@b.sock"),
    ],
)
@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_a_url(monkeypatch: pytest.MonkeyPatch, url: str, where: str, package: str) -> None:
    if package == "valkey":
        monkeypatch.setitem(sys.modules, "redis", None)
    opened = open_client(url)
    assert (opened.package, opened.where, opened.owned) == (package, where, True)
    assert repr(opened) == f"<Opened {where}>"
    assert repr(RedisStore(url, prefix="p:")) == f"<RedisStore {where}, prefix 'p:'>"
    settings = opened.client.connection_pool.connection_kwargs
    assert (settings["socket_connect_timeout"], settings["socket_timeout"]) == (1.0, 2.0)
    # redis-py 5 and valkey-py have no better way to ask.
    assert settings["retry"]._retries == 0


def test_the_url_has_the_last_word_on_timeouts() -> None:
    opened = open_client("redis://localhost?socket_timeout=7.5&socket_connect_timeout=0.5")
    settings = opened.client.connection_pool.connection_kwargs
    assert (settings["socket_connect_timeout"], settings["socket_timeout"]) == (0.5, 7.5)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Client(host="cache.example", password="s3cret"), "redis://cache.example:6379/0"),
        (lambda: Client(unix_socket_path="/run/redis.sock"), "unix:///run/redis.sock"),
        (lambda: Valkey(port=7000, db=3), "redis://localhost:7000/3"),
    ],
)
def test_a_client(make: Callable[[], Any], where: str) -> None:
    client = make()
    opened = open_client(client)
    assert opened.client is client
    assert (opened.where, opened.owned) == (where, False)
    assert opened.package == type(client).__name__.lower()
    client.close()


NAME_OR_PASSWORD = r"the characters / \? # @ in the URL's name or password must be percent-encoded"
MUST_BEGIN = "the URL must begin with redis://"
CANNOT_BE = "the URL has a port, a database or an option that cannot be"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", MUST_BEGIN),
        ("cache.example:6379", MUST_BEGIN),
        ("http://:s3cret@cache.example", MUST_BEGIN),
        ("REDIS://:s3cret@cache.example", MUST_BEGIN),
        ("redis://:1#s3cret@cache.example", NAME_OR_PASSWORD),
        ("redis://s3cret:1#1@cache.example", NAME_OR_PASSWORD),
        ("redis://s3cret:1/1@cache.example", NAME_OR_PASSWORD),
        ("redis://:s3cret?@cache.example", NAME_OR_PASSWORD),
        ("redis://:s3cret@1#1@cache.example", NAME_OR_PASSWORD),
        ("redis://cache.example:s3cret", CANNOT_BE),
        ("redis://cache.example?socket_timeout=s3cret", CANNOT_BE),
        ("redis://cache.example?s3cret=1", CANNOT_BE),
        ("redis://[s3cret", CANNOT_BE),
        ("redis://:s3cret@cache.example?decode_responses=true", "leave out decode_responses"),
    ],
)
def test_a_url_that_cannot_be(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        RedisStore(url)
    error: BaseException | None = caught.value
    assert error is not None
    # Nor is it in what came before, which a traceback shows as well.
    assert error.__cause__ is error.__context__ is None
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Client(decode_responses=True), "leave out decode_responses"),
        (redis.asyncio.Redis, "needs a blocking client"),
        (object, "takes a URL or a client of redis or valkey, not object"),
        (lambda: None, "takes a URL or a client of redis or valkey, not NoneType"),
    ],
)
def test_a_client_that_is_not_fit(make: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        RedisStore(make())


class Lookalike:
    """It has what a client has, but is of neither package, whose errors are the ones that are known."""

    connection_pool = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("it was used")


def test_a_client_of_another_package() -> None:
    with pytest.raises(ConfigError, match="takes a URL or a client of redis or valkey, not Lookalike"):
        RedisStore(Lookalike())


def test_without_a_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "valkey", None)
    with pytest.raises(ConfigError, match=r"needs the package redis, or valkey: pip install 'trivet\[redis\]'"):
        RedisStore("redis://localhost")
