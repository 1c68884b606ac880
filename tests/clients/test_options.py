"""Reading the options of clients and calls."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import trivet
from trivet.clients.settings import Settings
from trivet.testing import ScriptedTransport, VirtualClock

OK = trivet.Response(200, content=b"true")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auth": "t0ken"}, "auth= takes an Auth.*not str"),
        ({"breaker": 5}, "breaker= takes"),
        ({"rate_limit": "10"}, "rate_limit= takes"),
        ({"rate_limit": True}, "rate_limit= takes"),
        ({"rate_limit": -1}, "RateLimit"),
        ({"retry": "3"}, "max_retries"),
        ({"retry": -1}, "max_retries"),
        ({"timeout": "5"}, "Timeout"),
        ({"timeout": 0}, "Timeout"),
        ({"redirects": -1}, "max_redirects"),
        ({"policies": [object()]}, "policies= takes"),
        ({"headers": {"Bad Name": "x"}}, "headers"),
        ({"cache": "yes"}, "cache= takes a Cache, True, a number of seconds or None, not str"),
        ({"cache": -1}, r"Cache\(ttl=-1\)"),
        ({"coalesce": 1.5}, "coalesce= takes a Coalesce, True, False or None, not float"),
        ({"limits": 5}, "limits= takes a Limits, not int"),
        ({"transport": object()}, r"needs a method send\(\) here"),
        (
            {"transport": ScriptedTransport(), "verify": False, "proxy": "http://p"},
            "proxy, verify would have no effect",
        ),
        ({"auth": trivet.BearerAuth("t0ken"), "headers": {"authorization": "x"}}, "both set Authorization"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(trivet.ConfigError, match=message) as caught:
        trivet.Client("https://api.example.com", **options)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("api.example.com", "base_url"),
        ("ftp://api.example.com", "base_url"),
        ("https://user:s3cret@api.example.com", "BasicAuth"),
        ("https://api.example.com?key=s3cret", "params"),
        ("https://", "base_url"),
    ],
)
def test_base_urls_that_make_no_sense(base_url: str, message: str) -> None:
    with pytest.raises(trivet.ConfigError, match=message) as caught:
        trivet.Client(base_url)
    assert "s3cret" not in str(caught.value)


def test_two_of_one_kind_are_refused() -> None:
    with pytest.raises(trivet.ConfigError, match="same stage"):
        trivet.Client("https://api.example.com", policies=[trivet.Retry()])


def test_without_a_base_url_targets_are_absolute() -> None:
    transport = ScriptedTransport(OK, forever=True)
    with trivet.Client(transport=transport, auth=trivet.BearerAuth("t0ken")) as client:
        assert client.get("https://api.example.com/x") is True
        with pytest.raises(trivet.InvalidRequest, match="base_url"):
            client.get("/x")
    assert transport.requests[0].headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("idempotency_keys", [True, False])
def test_idempotency_keys_for_every_post(idempotency_keys: bool) -> None:
    transport = ScriptedTransport(OK, forever=True)
    with trivet.Client("https://api.example.com", transport=transport, idempotency_keys=idempotency_keys) as client:
        client.post("/x")
        client.put("/x")
    assert ["Idempotency-Key" in request.headers for request in transport.requests] == [
        idempotency_keys,
        False,
    ]


def test_with_options_changes_only_what_it_names() -> None:
    transport = ScriptedTransport(OK, forever=True)
    client = trivet.Client(
        "https://api.example.com",
        transport=transport,
        auth=trivet.BearerAuth("t0ken"),
        headers={"X-Team": "red"},
        params={"v": 1},
    )
    client.with_options(headers={"X-Team": "blue"}).get("/x")
    client.get("/x")
    first, second = transport.requests
    assert (first.headers["X-Team"], second.headers["X-Team"]) == ("blue", "red")
    assert first.headers["Authorization"] == second.headers["Authorization"]
    assert first.url == second.url == "https://api.example.com/x?v=1"
    with pytest.raises(trivet.ConfigError, match="verify: siblings share the connections"):
        client.with_options(verify=False)


def test_a_call_changes_only_the_total_of_the_timeout() -> None:
    settings = Settings("https://api.example.com", {"timeout": trivet.Timeout(10, 3, 1)})
    pipeline = settings.pipeline_for({"timeout": 5})
    deadline = pipeline.find(trivet.core.Deadline)
    assert deadline is not None
    assert deadline.timeout == trivet.Timeout(5, 3, 1)
    assert settings.pipeline_for({"params": {}}) is settings.pipeline


def test_config_decides_what_options_do_not() -> None:
    config = trivet.Config("https://api.example.com", api_key="k3y", timeout=7, max_retries=1, backoff_factor=0.25)
    settings = Settings(config, {"retry": 5})
    assert settings.timeout.total == 7
    assert settings.retry.max_retries == 5
    assert settings.auth is not None
    assert Settings(config, {}).retry.backoff.base == 0.25
    assert Settings(config, {"auth": None}).auth is None


def test_from_env_sends_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BASE_URL", "https://shop.example.com/v2")
    monkeypatch.setenv("SHOP_KEY", "k3y")
    transport = ScriptedTransport(OK)
    with trivet.Client.from_env("SHOP_", transport=transport) as client:
        client.get("/x")
    assert transport.requests[0].headers["Authorization"] == "Bearer k3y"
    assert transport.requests[0].url == "https://shop.example.com/v2/x"
    assert "k3y" not in repr(client)
    sibling = trivet.AsyncClient.from_env("SHOP_", transport=transport)
    assert sibling.base_url == client.base_url


@pytest.mark.parametrize(("seconds", "sent"), [(None, 2), (0, 2), (60, 1)])
def test_the_cache_ttl_of_a_config(seconds: float | None, sent: int) -> None:
    transport = ScriptedTransport(OK, forever=True)
    config = trivet.Config("https://api.example.com", cache_ttl=seconds)
    with trivet.Client(config, transport=transport) as client:
        assert [client.get("/x"), client.get("/x")] == [True, True]
    assert len(transport.requests) == sent


def test_jitter_comes_from_the_rng_that_was_given() -> None:
    class Dice:
        def random(self) -> float:
            return 0.5

        def uniform(self, a: float, b: float, /) -> float:
            return a + (b - a) * 0.5

        def getrandbits(self, k: int, /) -> int:
            return 4

    transport = ScriptedTransport(trivet.Response(503), OK)
    clock = VirtualClock()
    with trivet.Client("https://api.example.com", transport=transport, rng=Dice(), clock=clock) as client:
        client.get("/x")
    assert clock.sleeps == [0.25]


def test_log_false_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with trivet.Client("https://api.example.com", transport=ScriptedTransport(OK), log=False) as client:
        client.get("/x")
    assert not caplog.records


def test_calls_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="trivet")
    with trivet.Client("https://api.example.com", transport=ScriptedTransport(OK)) as client:
        client.get("/x", params={"token": "s3cret"})
    out, back = (record.getMessage() for record in caplog.records)
    assert out.startswith("→ GET https://api.example.com/x?token=")
    assert "s3cret" not in out
    assert back.startswith("← 200 OK (")


def test_a_number_of_retries_leaves_the_rest_as_it_is() -> None:
    retry = trivet.Retry(5, trivet.Backoff(base=7), statuses={503})
    settings = Settings("https://api.example.com", {"retry": retry})
    for changed in (settings.pipeline_for({"retry": 1}), settings.derive({"retry": 1}).pipeline):
        assert changed.find(trivet.Retry) == trivet.Retry(1, trivet.Backoff(base=7), statuses={503})
    off = settings.pipeline_for({"retry": None}).find(trivet.Retry)
    assert off is not None
    assert off.max_retries == 0
    assert settings.pipeline_for({"retry": trivet.Retry(2)}).find(trivet.Retry) == trivet.Retry(2)


def test_a_number_in_with_options_changes_the_total_alone() -> None:
    settings = Settings("https://api.example.com", {"timeout": trivet.Timeout(10, 3, 1)})
    assert settings.derive({"timeout": 5}).timeout == trivet.Timeout(5, 3, 1)
    assert settings.derive({"timeout": None}).timeout == trivet.Timeout(None, None, None)


@pytest.mark.parametrize(("breaker", "given"), [(None, False), (False, False), (True, True), (trivet.Breaker(), True)])
def test_a_breaker_is_an_option(breaker: Any, given: bool) -> None:
    assert (Settings("https://api.example.com", {"breaker": breaker}).breaker is not None) == given


@pytest.mark.parametrize("cache", [None, False, "refresh"])
def test_a_call_says_how_the_cache_is_used_though_there_is_none(cache: Any) -> None:
    with trivet.Client("https://api.example.com", transport=ScriptedTransport(OK)) as client:
        assert client.get("/x", cache=cache) is True
        assert client.cache.invalidate("/*") == 0
        client.clear_cache()


@pytest.mark.parametrize("cache", [True, 60, "reload", trivet.Cache()])
def test_a_call_does_not_bring_a_cache(cache: Any) -> None:
    client = trivet.Client("https://api.example.com", transport=ScriptedTransport(OK), cache=True)
    with client, pytest.raises(trivet.ConfigError, match='cache= of a call takes False or "refresh"'):
        client.get("/x", cache=cache)


def test_siblings_coalesce_together_as_long_as_they_share_the_cache() -> None:
    settings = Settings("https://api.example.com", {"cache": True})
    assert settings.derive({"timeout": 5}).coalesce is settings.coalesce is not None
    assert settings.derive({}).derive({}).coalesce is settings.coalesce
    assert settings.derive({"cache": None}).coalesce is None
    assert settings.derive({"cache": None}).derive({"cache": True}).coalesce not in (None, settings.coalesce)
    assert settings.derive({"cache": True}).coalesce not in (None, settings.coalesce)
    assert settings.derive({"coalesce": False}).coalesce is None
    assert settings.derive({"coalesce": False}).derive({"timeout": 5}).coalesce is None
    own = trivet.Coalesce()
    assert settings.derive({"coalesce": own}).derive({"cache": None}).coalesce is own
    without = Settings("https://api.example.com", {"coalesce": True})
    assert without.derive({"timeout": 5}).coalesce is without.coalesce is not None
    assert without.derive({"cache": True}).coalesce is without.coalesce
