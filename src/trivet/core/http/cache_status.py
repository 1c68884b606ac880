"""Cache-Status (RFC 9211): what the cache did with a request, as text and as values."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NoReturn, TypeAlias, final

__all__ = ["CacheStatus", "Forwarded"]

Forwarded: TypeAlias = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
"""Why a request went on to the origin (RFC 9211 §2.2)."""

# RFC 9651 §3.3.1.
_MAX_INTEGER: Final = 999_999_999_999_999
# A string holds no other characters (RFC 9651 §3.3.3).
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_NAME: Final = "trivet"


@final
class CacheStatus(str):
    """Our own member of the Cache-Status field (RFC 9211 §2), as text that knows its parameters.

    - ``hit``: whether the request was answered from the cache without going to the origin
    - ``fwd``: why it went there, else None
    - ``fwd_status``: the status that the origin answered with, if it is another than that of the response
    - ``ttl``: how much longer the response is fresh, in seconds; negative if it is stale
    - ``stored``: whether the response was stored
    - ``collapsed``: whether it shared the answer to another request
    - ``key``: what the response is stored under
    - ``detail``: more about it, in words

    It is made by `of`, and immutable.

    >>> CacheStatus.of(hit=True, ttl=120)
    CacheStatus('trivet; hit; ttl=120')
    >>> status = CacheStatus.of(fwd="stale", fwd_status=304, stored=True, ttl=60, detail="validated with ETag")
    >>> status
    CacheStatus('trivet; fwd=stale; fwd-status=304; stored; ttl=60; detail="validated with ETag"')
    >>> status.hit, status.fwd, status.ttl
    (False, 'stale', 60)
    """

    __slots__ = ("collapsed", "detail", "fwd", "fwd_status", "hit", "key", "stored", "ttl")

    hit: bool
    fwd: Forwarded | None
    fwd_status: int | None
    ttl: int | None
    stored: bool
    collapsed: bool
    key: str | None
    detail: str | None

    @classmethod
    def of(
        cls,
        *,
        hit: bool = False,
        fwd: Forwarded | None = None,
        fwd_status: int | None = None,
        ttl: int | None = None,
        stored: bool = False,
        collapsed: bool = False,
        key: str | None = None,
        detail: str | None = None,
    ) -> CacheStatus:
        """The text for these values. In ``key`` and ``detail`` it has a "?" for what is not printable ASCII.

        Raises ValueError for a hit that was forwarded, which is a contradiction.
        """
        if hit and fwd is not None:
            raise ValueError("a request is answered from the cache or forwarded, not both")
        text = f"{_NAME}; hit" if hit else _NAME if fwd is None else f"{_NAME}; fwd={fwd}"
        if fwd_status is not None:
            text = f"{text}; fwd-status={fwd_status}"
        if stored:
            text += "; stored"
        if collapsed:
            text += "; collapsed"
        if ttl is not None:
            text = f"{text}; ttl={ttl if -_MAX_INTEGER <= ttl <= _MAX_INTEGER else _clamped(ttl)}"
        if key is not None:
            text = f"{text}; key={_quoted(key)}"
        if detail is not None:
            text = f"{text}; detail={_quoted(detail)}"
        return _build(text, hit, fwd, fwd_status, ttl, stored, collapsed, key, detail)

    def __new__(cls, *args: object, **kwargs: object) -> CacheStatus:
        """Not the way to make one. Raises TypeError."""
        raise TypeError("a CacheStatus is made by CacheStatus.of(…)")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a CacheStatus is immutable; {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a CacheStatus is immutable; {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return f"CacheStatus({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.hit, self.fwd, self.fwd_status, self.ttl, self.stored, self.collapsed, self.key, self.detail)
        return _build, (str(self), *values)


# An immutable object is filled through its slots' own descriptors: at half the price of object.__setattr__.
_new = str.__new__
(_set_collapsed, _set_detail, _set_fwd, _set_fwd_status, _set_hit, _set_key, _set_stored, _set_ttl) = (
    CacheStatus.__dict__[name].__set__ for name in CacheStatus.__slots__
)


def _build(
    text: str,
    hit: bool,
    fwd: Forwarded | None,
    fwd_status: int | None,
    ttl: int | None,
    stored: bool,
    collapsed: bool,
    key: str | None,
    detail: str | None,
) -> CacheStatus:
    status = _new(CacheStatus, text)
    _set_hit(status, hit)
    _set_fwd(status, fwd)
    _set_fwd_status(status, fwd_status)
    _set_ttl(status, ttl)
    _set_stored(status, stored)
    _set_collapsed(status, collapsed)
    _set_key(status, key)
    _set_detail(status, detail)
    return status


def _clamped(number: int) -> int:
    return max(-_MAX_INTEGER, min(number, _MAX_INTEGER))


def _quoted(text: str) -> str:
    """A String of structured fields (RFC 9651 §4.1.6)."""
    if not text.isascii() or not text.isprintable():
        text = _UNPRINTABLE.sub("?", text)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
