"""A client for a Redis or Valkey server: the one that is given, or one for a URL."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, Protocol

from trivet.core.errors import ConfigError

__all__ = ["Client", "Opened", "open_client"]

# Unless the URL says otherwise, in seconds. What takes longer to find than to fetch anew is of no use.
_CONNECT_TIMEOUT: Final = 1.0
_TIMEOUT: Final = 2.0

_PACKAGES: Final = ("redis", "valkey")
_URL: Final = re.compile(r"(?P<scheme>[a-z]+)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.S)
# Both packages know these.
_SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}


class Client(Protocol):
    """What is needed of a client of redis-py or valkey-py."""

    connection_pool: Any

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and wait for the reply."""
        ...


class Opened(NamedTuple):
    """A client, which need not have connected yet.

    ``package`` is the one that it is of; ``owned`` says whether it was made here; ``where`` is the server, to be
    shown, and ``secret`` is the password, which is not.
    """

    client: Client
    package: str
    owned: bool
    where: str
    secret: str

    def __repr__(self) -> str:
        return f"<Opened {self.where}>"


def open_client(server: str | Client) -> Opened:
    """A client for a URL, or the one that is given. Nothing is sent yet.

    Raises `ConfigError` if there is no package for it, or it is not fit for a store. No message shows the URL, since
    nobody knows which part of it is the password.
    """
    if isinstance(server, str):
        package = _installed()
        client = _make_client(_checked(server), package)
        if client is None:
            raise ConfigError("RedisStore: the URL has a port, a database or an option that cannot be")
    else:
        package, client = _package_of(server), server
    settings: dict[str, Any] = client.connection_pool.connection_kwargs
    if settings.get("decode_responses"):
        raise ConfigError("RedisStore needs a client that hands out bytes: leave out decode_responses")
    return Opened(client, package, isinstance(server, str), _where(settings), str(settings.get("password") or ""))


def _installed() -> str:
    for package in _PACKAGES:
        try:
            import_module(package)
        except ModuleNotFoundError:
            continue
        return package
    raise ConfigError("RedisStore needs the package redis, or valkey: pip install 'trivet[redis]'")


def _package_of(client: Client) -> str:
    """Which of the packages a client is of."""
    if hasattr(client, "execute_command") and hasattr(client, "connection_pool"):
        if iscoroutinefunction(client.execute_command):
            raise ConfigError("RedisStore needs a blocking client, which is called in a thread under asyncio as well")
        for base in type(client).__mro__:
            package = base.__module__.partition(".")[0]
            if package in _PACKAGES:
                return package
    raise ConfigError(f"RedisStore takes a URL or a client of redis or valkey, not {type(client).__name__}")


def _checked(url: str) -> str:
    """The URL as both packages understand it."""
    found = _URL.fullmatch(url)
    scheme = _SCHEMES.get(found["scheme"]) if found else None
    if found is None or scheme is None:
        raise ConfigError("RedisStore: the URL must begin with redis://, rediss://, valkey://, valkeys:// or unix://")
    authority, rest = found["authority"], found["rest"]
    # Half a password would pass for the host, or for its port.
    if "#" in rest or ("@" in rest and "@" not in authority and scheme != "unix"):
        raise ConfigError("RedisStore: the characters / ? # @ in the URL's name or password must be percent-encoded")
    return f"{scheme}://{authority}{rest}"


def _make_client(url: str, package: str) -> Client | None:
    module: Any = import_module(package)
    retry: Any = import_module(f"{package}.retry")
    backoff: Any = import_module(f"{package}.backoff")
    try:
        client: Client = module.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=_TIMEOUT,
            # What is not there at once is not worth another wait. An old server speaks no later protocol.
            retry=retry.Retry(backoff.NoBackoff(), 0),
            protocol=2,
        )
        pool = client.connection_pool
        # Options are looked at when a connection is made. This one does not connect.
        pool.connection_class(**pool.connection_kwargs)
    except Exception:
        return None
    return client


def _where(settings: dict[str, Any]) -> str:
    if "path" in settings:
        return f"unix://{settings['path']}"
    return f"redis://{settings.get('host', 'localhost')}:{settings.get('port', 6379)}/{settings.get('db') or 0}"
