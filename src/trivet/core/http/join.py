"""Joining a target to a base URL, so that nothing but an explicit `URL` ever leaves the base.

The convention is that of API clients: a target is appended below the path of the base, with or without a "/"
in front, where RFC 3986 would replace the last segment. (`URL.join` is RFC 3986's resolution.)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from trivet.core.errors import InvalidRequest
from trivet.core.http.percent import encode_path, encode_query_text
from trivet.core.http.query import Params, encode_query, merge_query
from trivet.core.http.redaction import printable_url
from trivet.core.http.template import expand, has_dot_segment, reject_placeholders
from trivet.core.http.url import URL, check_characters, derive, require_text

__all__ = ["join_target"]

# Targets of these characters alone need no further look, apart from a "//" in front.
_PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~/"
_LONGEST_KEPT: Final = 256


def join_target(
    base: URL | None,
    target: str | URL,
    path: Mapping[str, Any] | None = None,
    params: Params = None,
) -> URL:
    """The URL of a request: the target below the base, its `{name}` filled from `path`, `params` added.

    An empty target and "/" mean the base as it is written, with or without a "/" at its end. A query of the
    target comes first, then the parameters. A plain str that is an absolute URL must lie within the base; a
    `URL` is used as it is, and is the way to go to another origin on purpose. Without a base the target must
    be absolute.

    Raises InvalidRequest for whatever would lead out of the base: `//host`, backslashes, dot segments, also
    percent-encoded or with path parameters, another scheme; for control characters and fragments; and for a
    template and values that don't fit (see `template.expand`).

    >>> base = URL("https://api.example.com/v1")
    >>> join_target(base, "/users/{id}", {"id": 7}, {"page": 2})
    URL('https://api.example.com/v1/users/7?page=2')
    >>> join_target(base, "group%2Fproject")
    URL('https://api.example.com/v1/group%2Fproject')
    """
    if isinstance(target, URL):
        if path:
            raise InvalidRequest("path= fills the template of a str target; a URL is used as it is")
        url = target
    else:
        require_text(target, "a target")
        if path is not None:
            url = _join_template(base, target, path)
        elif len(target) <= _LONGEST_KEPT:
            url = _join_kept(base, target)
        else:
            url = _join(base, target)
    if params and (query := encode_query(params)):
        return derive(url, url.path, merge_query(url.query, query))
    return url


def _join_template(base: URL | None, template: str, values: Mapping[str, Any]) -> URL:
    if _is_absolute(template):
        authority = template.partition("://")[2].replace("\\", "/").replace("?", "/").partition("/")[0]
        if "{" in authority:
            # Else a value would choose the host.
            raise InvalidRequest(f"template {printable_url(template)}: a placeholder in front of the path")
    elif base is None:
        raise _needs_base(template)
    return _join(base, expand(template, values))


def _join(base: URL | None, target: str) -> URL:
    if base is None or not target.isascii() or target.encode().translate(None, _PLAIN) or target[:2] == "//":
        return _join_checked(base, target)
    return _append(base, target, "")


# Literal targets come again and again. Two hundred of at most 256 characters stay in reach.
_join_kept = lru_cache(maxsize=200)(_join)


def _append(base: URL, path: str, query: str) -> URL:
    if path in ("", "/"):
        return derive(base, base.path, query)
    prefix = _prefix(base)
    return derive(base, f"{prefix}{path}" if path[0] == "/" else f"{prefix}/{path}", query)


@lru_cache(maxsize=64)
def _prefix(base: URL) -> str:
    """The path of the base without a "/" at its end: what every path of the client begins with."""
    if has_dot_segment(base.path):
        raise InvalidRequest(f"base_url {base.redacted}: a dot segment in its path; write it without")
    return base.path.rstrip("/")


def _join_checked(base: URL | None, target: str) -> URL:
    if "{" in target:
        reject_placeholders(target)
    if _is_absolute(target):
        url = URL(target)
        if base is not None:
            _require_within(base, url)
        return url
    if base is None:
        raise _needs_base(target)
    path, _, query = target.partition("?")
    try:
        _check_relative(target, path)
        path, query = encode_path(path), encode_query_text(query)
    except ValueError as error:
        raise InvalidRequest(f"target {printable_url(target)}: {error}") from None
    return _append(base, path, query)


def _check_relative(target: str, path: str) -> None:
    """Raise ValueError for what would lead out of the base, or be taken by somebody as if it did."""
    check_characters(target)
    if "#" in target:
        raise ValueError("a fragment is never sent; write %23 for a '#' that is meant")
    if "\\" in path:
        raise ValueError("a backslash is taken for '/' by some servers; write '/' or %5C")
    if path.startswith("//"):
        raise ValueError("'//' in front would name another host")
    if ":" in path.partition("/")[0]:
        # RFC 3986 §4.2: a colon in the first segment makes it a scheme.
        raise ValueError("it begins like the scheme of a URL; put a '/' in front if it is a path")
    if has_dot_segment(path):
        raise ValueError("a '.' or '..' segment, plain or encoded, could lead out of base_url")


def _require_within(base: URL, url: URL) -> None:
    prefix = _prefix(base)
    within = url.path == prefix or url.path.startswith(f"{prefix}/")
    if not url.same_origin(base) or not within or has_dot_segment(url.path):
        raise InvalidRequest(
            f"target {url.redacted} is outside base_url {base.redacted}; "
            "pass trivet.URL(...) to go to another origin on purpose"
        )


def _is_absolute(target: str) -> bool:
    return target[:8].lower().startswith(("http://", "https://"))


def _needs_base(target: str) -> InvalidRequest:
    return InvalidRequest(f"target {printable_url(target)} needs a base_url or an absolute URL")
