"""Proxies: a URL that names one, and what the environment says about which requests go through one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlsplit

from trivet.core.errors import ConfigError

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Proxy:
    """A proxy: ``scheme`` (http, https, socks5, socks5h), ``host``, ``port``, and ``credentials``, the user and the
    password in bytes, which are never printed.

    >>> Proxy.parse("http://ada:secret@proxy.example:3128")
    <Proxy http://proxy.example:3128>
    """

    __slots__ = ("credentials", "host", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, credentials: tuple[bytes, bytes] | None) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.credentials = credentials

    @classmethod
    def parse(cls, text: str, source: str = "proxy") -> Proxy:
        """Read a proxy's URL; without a scheme it is ``http://``.

        Raises `ConfigError` that names ``source``, and not the text: there may be a password in it.
        """
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{source}: the URL of the proxy is malformed") from error
        if scheme not in _DEFAULT_PORTS:
            raise ConfigError(f"{source}: a proxy is http://, https://, socks5:// or socks5h://, not {scheme}://")
        if not host or not host.isascii() or any(c <= " " or c == "\x7f" for c in host):
            raise ConfigError(f"{source}: the URL of the proxy has no valid host name")
        credentials = None
        if parts.username is not None:
            credentials = unquote_to_bytes(parts.username), unquote_to_bytes(parts.password or "")
        return cls(scheme, host, port or _DEFAULT_PORTS[scheme], credentials)

    @property
    def url(self) -> str:
        """Its URL without the credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self.url}>"


class EnvironmentProxies:
    """What ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` say, in either case.

    Entries of ``no_proxy`` are ``*``, a host name (its subdomains are meant too), an address, or a network such
    as ``10.0.0.0/8``, each with an optional port.

    Under CGI, where a request's ``Proxy`` field arrives in the variable HTTP_PROXY, only the name in lower case
    is believed (the attack is known as httpoxy).

    >>> proxies = EnvironmentProxies({"https_proxy": "http://proxy.example:3128", "NO_PROXY": "internal.example"})
    >>> proxies.find("https", "api.example.com", 443)
    <Proxy http://proxy.example:3128>
    >>> proxies.find("https", "git.internal.example", 443)
    """

    __slots__ = ("_bypass", "_proxies")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._proxies: dict[str, Proxy] = {}
        for name in ("http", "https", "all"):
            variable, value = _variable(environment, f"{name}_proxy", upper=not _is_cgi(environment, name))
            if value:
                self._proxies[name] = Proxy.parse(value, variable)
        _, value = _variable(environment, "no_proxy")
        self._bypass = [_Bypass(entry.strip()) for entry in value.split(",") if entry.strip()]

    def find(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for requests to an origin; None: it is asked directly."""
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if proxy is None or any(entry.matches(host, port) for entry in self._bypass):
            return None
        return proxy


class _Bypass:
    """One entry of no_proxy."""

    __slots__ = ("_host", "_network", "_port")

    def __init__(self, entry: str) -> None:
        host, _, port = entry.rpartition(":")
        # What follows the last colon is a port, unless the entry is an IPv6 address without brackets.
        if not port.isdigit() or (":" in host and not host.endswith("]")):
            host, port = entry, ""
        self._port = int(port) if port else None
        self._host = host.strip("[]").removeprefix("*").removeprefix(".").lower() if host != "*" else "*"
        self._network = _network(self._host)

    def matches(self, host: str, port: int) -> bool:
        if self._port not in (None, port):
            return False
        host = host.strip("[]").lower()
        if self._host in ("*", host) or host.endswith(f".{self._host}"):
            return True
        return self._network is not None and _is_in(host, self._network)


def _variable(environment: Mapping[str, str], name: str, *, upper: bool = True) -> tuple[str, str]:
    for variable in (name, name.upper()) if upper else (name,):
        value = environment.get(variable, "").strip()
        if value:
            return variable, value
    return name, ""


def _is_cgi(environment: Mapping[str, str], name: str) -> bool:
    return name == "http" and "REQUEST_METHOD" in environment


def _network(text: str) -> IPv4Network | IPv6Network | None:
    if "/" not in text:
        return None
    from ipaddress import ip_network

    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_in(host: str, network: IPv4Network | IPv6Network) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host) in network
    except ValueError:
        return False  # the host is a name
