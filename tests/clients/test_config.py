"""Settings as one value: given in the program, or read from the environment."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import traceback
from typing import Any

import pytest

import trivet
from trivet import Config, ConfigError

BASE = {"API_BASE_URL": "https://api.example.com/v1"}
SECRET = "s3cr3t-k3y"


# From the environment


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("API_BASE_URL", "http://localhost:8080", "base_url", "http://localhost:8080"),
        ("API_BASE_URL", "  https://api.example.com  ", "base_url", "https://api.example.com"),
        ("API_KEY", SECRET, "api_key", SECRET),
        ("API_KEY", f" {SECRET}\n", "api_key", SECRET),
        ("API_TIMEOUT", "2.5", "timeout", 2.5),
        ("API_TIMEOUT", "0.001", "timeout", 0.001),
        ("API_TIMEOUT", "30", "timeout", 30.0),
        ("API_TIMEOUT", "1e2", "timeout", 100.0),
        ("API_TIMEOUT", " 7 ", "timeout", 7.0),
        ("API_MAX_RETRIES", "0", "max_retries", 0),
        ("API_MAX_RETRIES", "12", "max_retries", 12),
        ("API_BACKOFF_FACTOR", "0", "backoff_factor", 0.0),
        ("API_BACKOFF_FACTOR", "0.25", "backoff_factor", 0.25),
        ("API_CACHE_TTL", "300", "cache_ttl", 300.0),
        ("API_CACHE_TTL", "0", "cache_ttl", 0.0),
        *[("API_DEBUG", word, "debug", True) for word in ("1", "true", "TRUE", "True", "yes", "on", " On ")],
        *[("API_DEBUG", word, "debug", False) for word in ("0", "false", "FALSE", "no", "No", "off")],
    ],
)
def test_each_variable(variable: str, text: str, name: str, value: object) -> None:
    config = Config.from_env(env={**BASE, variable: text})

    found = getattr(config, name)
    assert found == value
    assert type(found) is type(value)
    # And nothing else has changed.
    given = {"base_url": BASE["API_BASE_URL"], name: value}
    assert config == Config(**given)  # type: ignore[arg-type]  # one of its fields


def test_what_is_not_set_has_its_default() -> None:
    assert Config.from_env(env=BASE) == Config("https://api.example.com/v1", None, 60.0, 3, 0.5, None, False)


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
@pytest.mark.parametrize(
    "variable", ["API_KEY", "API_TIMEOUT", "API_MAX_RETRIES", "API_BACKOFF_FACTOR", "API_CACHE_TTL", "API_DEBUG"]
)
def test_an_empty_variable_is_not_set(variable: str, text: str) -> None:
    assert Config.from_env(env={**BASE, variable: text}) == Config.from_env(env=BASE)


@pytest.mark.parametrize("env", [{}, {"API_BASE_URL": ""}, {"API_BASE_URL": "  "}, {"BASE_URL": "https://a.example"}])
def test_the_base_url_is_needed(env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="^API_BASE_URL is not set$"):
        Config.from_env(env=env)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("API_BASE_URL", "api.example.com", "API_BASE_URL is not an absolute http(s) URL"),
        ("API_BASE_URL", "ftp://api.example.com", "API_BASE_URL is not an absolute http(s) URL"),
        ("API_BASE_URL", "https://", "API_BASE_URL is not an absolute http(s) URL"),
        ("API_BASE_URL", "https://api.example.com:99999", "API_BASE_URL is not an absolute http(s) URL"),
        ("API_BASE_URL", "https://api.example.com/?page=2", "API_BASE_URL has a query: give it as params= instead"),
        ("API_KEY", "two\nlines", "API_KEY is empty, or holds characters that cannot be sent"),
        ("API_KEY", "schlüssel", "API_KEY is empty, or holds characters that cannot be sent"),
        ("API_TIMEOUT", "soon", "API_TIMEOUT is not a number"),
        ("API_TIMEOUT", "5s", "API_TIMEOUT is not a number"),
        ("API_TIMEOUT", "1,5", "API_TIMEOUT is not a number"),
        ("API_TIMEOUT", "0", "API_TIMEOUT must be a positive number of seconds"),
        ("API_TIMEOUT", "-1", "API_TIMEOUT must be a positive number of seconds"),
        ("API_TIMEOUT", "inf", "API_TIMEOUT must be a positive number of seconds"),
        ("API_TIMEOUT", "nan", "API_TIMEOUT must be a positive number of seconds"),
        ("API_TIMEOUT", "1e999", "API_TIMEOUT must be a positive number of seconds"),
        ("API_MAX_RETRIES", "3.0", "API_MAX_RETRIES is not a whole number"),
        ("API_MAX_RETRIES", "many", "API_MAX_RETRIES is not a whole number"),
        ("API_MAX_RETRIES", "9" * 5000, "API_MAX_RETRIES is not a whole number"),
        ("API_MAX_RETRIES", "-1", "API_MAX_RETRIES must be a whole number, 0 or more"),
        ("API_BACKOFF_FACTOR", "fast", "API_BACKOFF_FACTOR is not a number"),
        ("API_BACKOFF_FACTOR", "-0.5", "API_BACKOFF_FACTOR must be a number of seconds, 0 or more"),
        ("API_BACKOFF_FACTOR", "nan", "API_BACKOFF_FACTOR must be a number of seconds, 0 or more"),
        ("API_CACHE_TTL", "forever", "API_CACHE_TTL is not a number"),
        ("API_CACHE_TTL", "-1", "API_CACHE_TTL must be a number of seconds, 0 or more"),
        ("API_DEBUG", "maybe", "API_DEBUG is not one of true, false, yes, no, on, off, 1, 0"),
        ("API_DEBUG", "2", "API_DEBUG is not one of true, false, yes, no, on, off, 1, 0"),
    ],
)
def test_a_malformed_variable(variable: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_env(env={**BASE, variable: text})

    assert str(caught.value).startswith(message)
    if variable != "API_BASE_URL" and len(text) > 2:
        assert text not in str(caught.value)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    env = {
        "SHOP_KEY": f"{SECRET}\x00",
        "SHOP_TIMEOUT": "soon",
        "SHOP_MAX_RETRIES": "-1",
        "SHOP_BACKOFF_FACTOR": "fast",
        "SHOP_CACHE_TTL": "-1",
        "SHOP_DEBUG": "maybe",
    }

    with pytest.raises(ConfigError) as caught:
        Config.from_env("SHOP_", env)

    message = str(caught.value)
    for name in ("BASE_URL", "KEY", "TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "CACHE_TTL", "DEBUG"):
        assert message.count(f"SHOP_{name} ") == 1
    assert "API_" not in message


@pytest.mark.parametrize("prefix", ["SHOP_", "", "my_app_"])
def test_the_prefix(prefix: str) -> None:
    env = {f"{prefix}BASE_URL": "https://shop.example.com", f"{prefix}KEY": SECRET, **BASE, "API_KEY": "another"}

    config = Config.from_env(prefix, env)

    assert config == Config("https://shop.example.com", SECRET)


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BASE_URL", "https://shop.example.com")
    monkeypatch.setenv("SHOP_MAX_RETRIES", "7")

    assert Config.from_env("SHOP_") == Config("https://shop.example.com", max_retries=7)


def test_other_variables_are_nobodys_business() -> None:
    assert Config.from_env(env={**BASE, "API_TOKEN": "x", "API_TIMEOUTS": "soon"}) == Config.from_env(env=BASE)


# In the program


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": ""}, "Config: base_url is not an absolute http(s) URL"),
        ({"base_url": None}, "Config: base_url is not an absolute http(s) URL"),
        ({"base_url": 5}, "Config: base_url is not an absolute http(s) URL"),
        ({"base_url": "https://api.example.com?a=b"}, "Config: base_url has a query"),
        ({"api_key": ""}, "Config: api_key is empty, or holds characters that cannot be sent"),
        ({"api_key": b"bytes"}, "Config: api_key is empty, or holds characters that cannot be sent"),
        ({"timeout": None}, "Config: timeout must be a positive number of seconds"),
        ({"timeout": "5"}, "Config: timeout must be a positive number of seconds"),
        ({"timeout": True}, "Config: timeout must be a positive number of seconds"),
        ({"max_retries": 1.5}, "Config: max_retries must be a whole number, 0 or more"),
        ({"max_retries": True}, "Config: max_retries must be a whole number, 0 or more"),
        ({"max_retries": None}, "Config: max_retries must be a whole number, 0 or more"),
        ({"backoff_factor": -1}, "Config: backoff_factor must be a number of seconds, 0 or more"),
        ({"cache_ttl": "300"}, "Config: cache_ttl must be a number of seconds, 0 or more"),
        ({"debug": "yes"}, "Config: debug must be True or False"),
        ({"debug": None}, "Config: debug must be True or False"),
        (
            {"timeout": 0, "max_retries": -1},
            "Config: timeout must be a positive number of seconds; max_retries must be a whole number, 0 or more",
        ),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**{"base_url": "https://api.example.com", **options})
    assert str(caught.value).startswith(message)


def test_a_config_does_not_change() -> None:
    config = Config("https://api.example.com")

    with pytest.raises(dataclasses.FrozenInstanceError):
        config.timeout = 5.0  # type: ignore[misc]  # the point of the test
    assert dataclasses.replace(config, timeout=5.0).timeout == 5.0
    with pytest.raises(ConfigError, match="timeout"):
        dataclasses.replace(config, timeout=-5.0)


def test_a_config_is_a_value() -> None:
    config = Config("https://api.example.com", SECRET, max_retries=1)

    assert config == Config("https://api.example.com", SECRET, max_retries=1)
    assert hash(config) == hash(copy.copy(config))
    assert config != Config("https://api.example.com", "another", max_retries=1)
    assert pickle.loads(pickle.dumps(config)) == config


# Secrets are never printed


def test_neither_repr_nor_str_shows_the_key() -> None:
    config = Config("https://api.example.com", SECRET, cache_ttl=5.0, debug=True)

    assert repr(config) == (
        "Config(base_url='https://api.example.com', api_key=[redacted], timeout=60.0, max_retries=3, "
        "backoff_factor=0.5, cache_ttl=5.0, debug=True)"
    )
    assert SECRET not in str(config)
    assert SECRET not in f"{config}{[config]}"
    assert "api_key=None" in repr(Config("https://api.example.com"))


@pytest.mark.parametrize(
    "env",
    [
        {"API_KEY": f"{SECRET}\x00"},
        {"API_BASE_URL": f"https://user:{SECRET}@api.example.com"},
        {"API_BASE_URL": f"https://api.example.com/?key={SECRET}"},
        {"API_BASE_URL": SECRET},
        {"API_TIMEOUT": SECRET},
        {"API_MAX_RETRIES": SECRET},
        {"API_BACKOFF_FACTOR": SECRET},
        {"API_CACHE_TTL": SECRET},
        {"API_DEBUG": SECRET},
    ],
)
def test_no_error_shows_a_value(env: dict[str, str]) -> None:
    # A key pasted into the wrong variable is still a key.
    with pytest.raises(ConfigError) as caught:
        Config.from_env(env={**BASE, **env})

    assert SECRET not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ConfigError) as caught:
        trivet.Client.from_env(env={**BASE, **env})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
