"""URLs (RFC 3986): parsing, percent-encoding and the resolution of references.

This is on the path of every call, so the ordinary URL is split by hand, and what the authority says is kept
for the next URL of the same origin.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NoReturn, final

from trivet.core.errors import InvalidRequest
from trivet.core.http.percent import QUERY_CHARACTERS, encode_path, encode_query_text
from trivet.core.http.redaction import printable_url, redact_url

__all__ = ["URL", "check_characters", "derive", "require_text"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_CLEAN_URL: Final = QUERY_CHARACTERS + b"%#"
_HOST: Final = b"abcdefghijklmnopqrstuvwxyz0123456789-._"
_SCHEME: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.")


@final
class URL(str):
    """An absolute http or https URL: normalised text that knows its parts.

    Scheme and host are in lower case, a default port is left out, an empty path is "/". Spaces and whatever
    else a URL cannot hold are percent-encoded as UTF-8 in path and query; `%XX` stays as it is, and so do dot
    segments. A fragment is dropped, since it is never sent, and so is a "?" without a query. A host in
    another script becomes its IDNA form.

    `host` is without the brackets of an IPv6 address; `authority` is what the Host field says; `target` is
    path and query as sent; `origin` is scheme and authority; `redacted` may be printed, as may the repr.

    Raises InvalidRequest for what is no such URL: another scheme, no host, white space around it, control
    characters, a bad port, or userinfo (`BasicAuth` is the place for a user name and password).

    >>> url = URL("HTTPS://API.Example.com:443/käse?page=2#top")
    >>> url == "https://api.example.com/k%C3%A4se?page=2"
    True
    >>> url.origin, url.port, url.target
    ('https://api.example.com', 443, '/k%C3%A4se?page=2')
    """

    __slots__ = ("_redacted", "authority", "host", "origin", "path", "port", "query", "scheme", "target")

    _redacted: str | None
    authority: str
    host: str
    origin: str
    path: str
    port: int
    query: str
    scheme: str
    target: str

    def __new__(cls, text: str) -> URL:
        if isinstance(text, URL):
            return text
        require_text(text, "a URL")
        try:
            return _parse(text)
        except ValueError as error:
            raise InvalidRequest(f"URL {printable_url(text)}: {error}") from None

    @property
    def redacted(self) -> str:
        """The URL as text that may be printed: the values of unknown query parameters are masked."""
        redacted = self._redacted
        if redacted is None:
            redacted = redact_url(str(self)) if self.query else str(self)
            _set_redacted(self, redacted)
        return redacted

    def same_origin(self, other: URL) -> bool:
        """Whether scheme, host and port are the same (RFC 6454 §5)."""
        return self.origin == other.origin

    # The name is the field's (urljoin), and a URL has no use for str.join.
    def join(self, reference: str) -> URL:  # type: ignore[override]
        """The URL that a reference, such as the value of Location, means here (RFC 3986 §5.2).

        Raises InvalidRequest when the result is no http or https URL.

        >>> URL("https://example.com/a/b?q").join("../c?page=2")
        URL('https://example.com/c?page=2')
        """
        try:
            return self._resolve(reference)
        except ValueError as error:
            where = f"reference {printable_url(reference)} at {self.redacted}"
            raise InvalidRequest(f"{where}: {error}") from None

    def _resolve(self, reference: str) -> URL:
        check_characters(reference)
        reference = reference.partition("#")[0]
        if _has_scheme(reference) or reference.startswith("//"):
            url = _parse(reference if reference[0] != "/" else f"{self.scheme}:{reference}")
            return derive(url, _without_dot_segments(url.path), url.query)
        path, mark, query = reference.partition("?")
        if not path:
            return derive(self, self.path, encode_query_text(query) if mark else self.query)
        if path[0] != "/":
            path = self.path[: self.path.rindex("/") + 1] + path
        return derive(self, _without_dot_segments(encode_path(path)), encode_query_text(query))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a URL is immutable; {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a URL is immutable; {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"URL({self.redacted!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return URL, (str(self),)


# An immutable object is filled through its slots' own descriptors: at half the price of object.__setattr__.
_new = str.__new__
(
    _set_redacted,
    _set_authority,
    _set_host,
    _set_origin,
    _set_path,
    _set_port,
    _set_query,
    _set_scheme,
    _set_target,
) = (URL.__dict__[name].__set__ for name in URL.__slots__)


def derive(url: URL, path: str, query: str) -> URL:
    """The URL with another path and query on the same origin; both are percent-encoded already.

    >>> derive(URL("https://example.com/a?b"), "/c", "page=2")
    URL('https://example.com/c?page=2')
    """
    return _build(url.scheme, url.host, url.port, url.authority, url.origin, path, query)


def _build(scheme: str, host: str, port: int, authority: str, origin: str, path: str, query: str) -> URL:
    target = f"{path}?{query}" if query else path
    url = _new(URL, origin + target)
    _set_redacted(url, None)
    _set_authority(url, authority)
    _set_host(url, host)
    _set_origin(url, origin)
    _set_path(url, path)
    _set_port(url, port)
    _set_query(url, query)
    _set_scheme(url, scheme)
    _set_target(url, target)
    return url


# Parsing. A ValueError in here says what is wrong; the caller adds the text that it is wrong in.


def _parse(text: str) -> URL:
    clean = text.isascii() and not text.encode().translate(None, _CLEAN_URL)
    if not clean:
        check_characters(text)
    scheme, separator, rest = text.partition("#")[0].partition("://")
    if scheme not in _DEFAULT_PORTS:
        scheme = _lower_scheme(text)
    if not separator:
        raise ValueError(f"{scheme}: must be followed by // and a host")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    path = f"/{path}"
    if not clean or "%" in text:
        path, query = encode_path(path), encode_query_text(query)
    return _build(scheme, *_parse_authority(scheme, authority), path, query)


def _lower_scheme(text: str) -> str:
    if not _has_scheme(text):
        raise ValueError("it is not absolute: it must begin with https:// or http:// and a host")
    scheme = text.partition(":")[0].lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("its scheme is neither https nor http")
    return scheme


def _has_scheme(text: str) -> bool:
    """Whether it begins with a scheme (RFC 3986 §3.1), so that it is no relative reference (§4.2)."""
    scheme, colon, _ = text.partition(":")
    return bool(colon and scheme) and scheme[0].isalpha() and _SCHEME.issuperset(scheme)


@lru_cache(maxsize=256)
def _parse_authority(scheme: str, authority: str) -> tuple[str, int, str, str]:
    """Host, port, authority and origin, normalised."""
    if "@" in authority:
        raise ValueError("it holds userinfo before the host; pass a user name and password as auth=BasicAuth(…)")
    if "\\" in authority:
        raise ValueError("it holds a backslash before or in the host")
    if authority.startswith("["):
        literal, bracket, port_text = authority[1:].partition("]")
        if not bracket or (port_text and port_text[0] != ":"):
            raise ValueError("its host is not a bracketed IPv6 address")
        host = _check_ipv6(literal)
        name, port_text = f"[{host}]", port_text[1:]
    else:
        name, _, port_text = authority.partition(":")
        name = host = _check_host(name)
    port = _check_port(port_text, _DEFAULT_PORTS[scheme])
    if port != _DEFAULT_PORTS[scheme]:
        name = f"{name}:{port}"
    return host, port, name, f"{scheme}://{name}"


def _check_port(text: str, default: int) -> int:
    # RFC 3986 §3.2.3 lets a port be empty. It isn't shown: it may be part of a password with a "/" in it.
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536):
        raise ValueError("its port is not a number from 1 to 65535")
    return int(text)


def _check_host(host: str) -> str:
    if not host:
        raise ValueError("it has no host")
    if "%" in host:
        raise ValueError("its host is percent-encoded")
    # The limits are those of DNS (RFC 1035 §2.3.4). The first one also bounds the work of IDNA.
    if len(host) <= 254 and not host.isascii():
        host = _to_ascii(host)
    host = host.lower()
    if host.encode().translate(None, _HOST):
        raise ValueError("its host holds characters that no host name has")
    labels = host.removesuffix(".").split(".")
    if len(host) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError("its host has an empty label or is too long for a host name")
    return host


def _to_ascii(host: str) -> str:
    """The IDNA form of a host name: by the idna package (IDNA 2008) if it is there, else Python's (2003)."""
    try:
        from idna import encode
    except ImportError:
        encoded = host.encode("idna")
    else:
        encoded = encode(host, uts46=True)
    return encoded.decode("ascii")


def _check_ipv6(literal: str) -> str:
    if "%" in literal:
        raise ValueError("its host has an IPv6 zone, which means nothing to the server")
    from ipaddress import IPv6Address

    return IPv6Address(literal).compressed


def require_text(value: object, what: str) -> None:
    """Raise InvalidRequest unless the value is a str: programs without type checks come here too."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what} must be a str, not {type(value).__name__}")


def check_characters(text: str) -> None:
    """Raise ValueError for control characters and for white space around the text."""
    if text.isprintable() and text == text.strip():
        return
    for position, character in enumerate(text):
        if character < " " or character == "\x7f":
            raise ValueError(f"control character U+{ord(character):04X} at position {position}")
    if text != text.strip():
        raise ValueError("white space at its beginning or end")


def _without_dot_segments(path: str) -> str:
    """RFC 3986 §5.2.4, for a path that begins with "/"."""
    if "/." not in path:
        return path
    segments: list[str] = []
    *names, last = path[1:].split("/")
    for name in (*names, last):
        if name == "..":
            del segments[-1:]
        elif name != ".":
            segments.append(name)
    if last in (".", ".."):
        segments.append("")
    return "/" + "/".join(segments)
