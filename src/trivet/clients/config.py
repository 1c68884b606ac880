"""The settings of an API client as one value, and how to read it from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.http.url import URL
from trivet.core.policies.validation import require_count, require_number

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """What a client needs to know about an API. Immutable; `repr` hides the key.

    ``base_url``: where the API is, such as ``https://api.example.com/v1``.
    ``api_key``: sent as a bearer token (RFC 6750), unless the client is given another ``auth``.
    ``timeout``: total seconds for one call, retries and waits included.
    ``max_retries``, ``backoff_factor``: how often, and after how many seconds at first, a failure is retried.
    ``cache_ttl``: seconds for which successful GETs are cached; None does not cache.
    ``debug``: log headers and bodies, redacted.

    Raises `ConfigError` that names each setting which makes no sense.

    >>> Config("https://api.example.com", api_key="k3y")
    Config(base_url='https://api.example.com', api_key=[redacted], timeout=60.0, max_retries=3, \
backoff_factor=0.5, cache_ttl=None, debug=False)
    """

    base_url: str
    api_key: str | None = None
    timeout: float = 60.0
    max_retries: int = 3
    backoff_factor: float = 0.5
    cache_ttl: float | None = None
    debug: bool = False

    def __post_init__(self) -> None:
        problems = _problems({name: getattr(self, name) for name in _READERS})
        if problems:
            raise ConfigError("Config: " + "; ".join(f"{name} {text}" for name, text in problems.items()))

    @classmethod
    def from_env(cls, prefix: str = "API_", env: Mapping[str, str] | None = None) -> Config:
        """Read ``API_BASE_URL``, ``API_KEY``, ``API_TIMEOUT``, ``API_MAX_RETRIES``, ``API_BACKOFF_FACTOR``,
        ``API_CACHE_TTL`` and ``API_DEBUG`` from the environment, or from ``env``.

        Only the base URL is required; an empty variable counts as not set. Everything that is missing or
        malformed is reported in one `ConfigError`, by name and never with its value.

        >>> Config.from_env(env={"API_BASE_URL": "https://api.example.com", "API_TIMEOUT": "2.5"}).timeout
        2.5
        >>> Config.from_env("SHOP_", env={"SHOP_TIMEOUT": "soon"})
        Traceback (most recent call last):
        trivet.core.errors.ConfigError: SHOP_TIMEOUT is not a number; SHOP_BASE_URL is not set
        """
        if env is None:
            import os

            env = os.environ
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, (read, expected) in _READERS.items():
            text = env.get(prefix + _VARIABLES[name], "").strip()
            if text:
                try:
                    values[name] = read(text)
                except ValueError:
                    problems[name] = f"is not {expected}"
        if "base_url" not in values:
            problems["base_url"] = "is not set"
        problems = {**_problems(values), **problems}
        if problems:
            raise ConfigError("; ".join(f"{prefix}{_VARIABLES[name]} {text}" for name, text in problems.items()))
        return cls(**values)

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}=[redacted]" if name == "api_key" and self.api_key is not None else f"{name}={value!r}"
            for name in self.__slots__
            for value in (getattr(self, name),)
        )
        return f"Config({fields})"


def _flag(text: str) -> bool:
    word = text.lower()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS
    raise ValueError(word)


_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "base_url": (str, "a URL"),
    "api_key": (str, "a key"),
    "timeout": (float, "a number"),
    "max_retries": (int, "a whole number"),
    "backoff_factor": (float, "a number"),
    "cache_ttl": (float, "a number"),
    "debug": (_flag, "one of true, false, yes, no, on, off, 1, 0"),
}
_VARIABLES = {name: "KEY" if name == "api_key" else name.upper() for name in _READERS}
_OPTIONAL = frozenset({"api_key", "cache_ttl"})


def _problems(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with each of the settings given; the values, which may be secrets, are not in the text."""
    checks: Mapping[str, Callable[[Any], str | None]] = {
        "base_url": _base_url,
        "api_key": _key,
        "timeout": partial(_seconds, minimum=0.001),
        "max_retries": _count,
        "backoff_factor": _seconds,
        "cache_ttl": _seconds,
        "debug": _bool,
    }
    found = {name: checks[name](value) for name, value in values.items() if value is not None or name not in _OPTIONAL}
    return {name: problem for name, problem in found.items() if problem is not None}


def _base_url(value: Any) -> str | None:
    try:
        url = URL(value)
    except InvalidRequest:
        # What the error says of the URL shows the URL, and it may be a key that went into the wrong variable.
        return "is not an absolute http(s) URL without credentials, such as https://api.example.com/v1"
    return "has a query: give it as params= instead" if url.query else None


def _key(value: Any) -> str | None:
    if isinstance(value, str) and value and value.isascii() and value.isprintable():
        return None
    return "is empty, or holds characters that cannot be sent"


def _count(value: Any) -> str | None:
    try:
        require_count("", value)
    except ConfigError:
        return "must be a whole number, 0 or more"
    return None


def _bool(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be True or False"


def _seconds(value: Any, minimum: float = 0.0) -> str | None:
    try:
        require_number("", value, minimum=minimum)
    except ConfigError:
        return "must be a positive number of seconds" if minimum else "must be a number of seconds, 0 or more"
    return None
