"""Cache-Control (RFC 9111 §5.2), as requests and responses have it. Nothing here raises, whatever is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from trivet.core.caching.times import delta_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trivet.core.http.headers import Headers

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_INNER = r'[^"\\]*(?:\\.[^"\\]*)*'
# Members are separated by commas. What is not well-formed reaches to the next comma that is not in quotes, or
# to the end of the line if a quote is never closed.
_MEMBER = re.compile(
    rf"""[ \t]*(?:({_TOKEN})(?:=(?:({_TOKEN})|"({_INNER})"))?[ \t]*)?(?:,|\Z)"""
    rf"""|((?:[^,"]|"{_INNER}")*)(".*)?(?:,|\Z)""",
    re.DOTALL,
)
_QUOTED = re.compile(f'"{_INNER}"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NAMES = re.compile(rf"(?:\A|[,;])[ \t]*({_TOKEN})")
_FIELD_NAME = re.compile(_TOKEN)


class Directive(NamedTuple):
    """One member of a Cache-Control field: its name in lower case, and its argument without the quotes.

    One that is not ``well_formed`` is known by its name only. It must not permit anything, but what it forbids
    was surely meant.
    """

    name: str
    argument: str | None = None
    well_formed: bool = True


_Found: TypeAlias = dict[str, list[Directive]]


def parse_directives(values: Iterable[str]) -> list[Directive]:
    """The members of Cache-Control field lines (RFC 9111 §5.2), in order, unknown ones among them.

    What is not even introduced by a name is left out, and takes no other member with it.

    >>> parse_directives(['Max-Age=60, ext="a, b"'])
    [Directive(name='max-age', argument='60', well_formed=True), \
Directive(name='ext', argument='a, b', well_formed=True)]
    >>> parse_directives(["max-age = 60, =, no-store"])
    [Directive(name='max-age', argument=None, well_formed=False), \
Directive(name='no-store', argument=None, well_formed=True)]
    """
    found: list[Directive] = []
    for value in values:
        for match in _MEMBER.finditer(value):
            name, token, quoted, malformed, unclosed = match.groups()
            if name:
                argument = token if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
                found.append(Directive(name.lower(), argument))
            elif malformed or unclosed:
                # Semicolons in the place of commas are a common mistake: `no-cache; no-store`.
                names = _NAMES.findall(_QUOTED.sub('""', malformed) + (unclosed or ""))
                found += [Directive(each.lower(), None, False) for each in names]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDirectives:
    """What the Cache-Control of a request asks for (RFC 9111 §5.2.1; RFC 5861 §4). Seconds, or None.

    ``max_stale`` is infinite for the directive without an argument: a response of any staleness will do.
    """

    max_age: int | None = None
    max_stale: float | None = None
    min_fresh: int | None = None
    stale_if_error: int | None = None
    no_cache: bool = False
    no_store: bool = False
    no_transform: bool = False
    only_if_cached: bool = False

    @classmethod
    def of(cls, headers: Headers) -> RequestDirectives:
        """Those of a request with these fields.

        Of a directive given twice the first counts. An invalid ``max-age`` is 0, the most careful reading;
        other arguments that are invalid are ignored. ``Pragma: no-cache`` counts where there is no
        Cache-Control (RFC 9111 §5.4).

        >>> from trivet.core.http.headers import Headers
        >>> RequestDirectives.of(Headers({"Cache-Control": "max-age=0, max-stale"})).max_stale
        inf
        >>> RequestDirectives.of(Headers({"Pragma": "no-cache"})).no_cache
        True
        """
        lines = headers.get_all("Cache-Control")
        if not lines:
            lines = headers.get_all("Pragma")
            if not lines:
                return _NOTHING_ASKED
            pragma = _grouped(lines)
            return cls(no_cache="no-cache" in pragma)
        found = _grouped(lines)
        unlimited = "max-stale" in found and found["max-stale"][0] == Directive("max-stale")
        return cls(
            max_age=_seconds(found, "max-age", invalid=0),
            max_stale=inf if unlimited else _seconds(found, "max-stale"),
            min_fresh=_seconds(found, "min-fresh"),
            stale_if_error=_seconds(found, "stale-if-error"),
            no_cache="no-cache" in found,
            no_store="no-store" in found,
            no_transform="no-transform" in found,
            only_if_cached="only-if-cached" in found,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDirectives:
    """What the Cache-Control of a response says (RFC 9111 §5.2.2; RFC 5861; RFC 8246). Seconds, or None.

    ``no_cache`` and ``private`` are the names of fields, in lower case, where the directive is restricted to
    these; else whether it is there.
    """

    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    no_cache: bool | frozenset[str] = False
    private: bool | frozenset[str] = False
    no_store: bool = False
    no_transform: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    public: bool = False
    immutable: bool = False

    @classmethod
    def of(cls, headers: Headers) -> ResponseDirectives:
        """Those of a response with these fields.

        Of a directive given twice the first counts, and a ``max-age`` or ``s-maxage`` that is invalid is 0, so
        that the response is stale (RFC 9111 §4.2.1). A directive that restricts counts whatever its argument;
        one that permits counts only if it is as the RFC defines it.

        >>> from trivet.core.http.headers import Headers
        >>> directives = ResponseDirectives.of(Headers({"Cache-Control": 'max-age=60, no-cache="Set-Cookie"'}))
        >>> directives.max_age, directives.no_cache
        (60, frozenset({'set-cookie'}))
        """
        text = headers.get("Cache-Control")
        if text is None:
            return _NOTHING_SAID
        # A server says the same for most responses. Quotation marks may tell where a line ends.
        return _remembered(text) if '"' not in text else cls.said(headers.get_all("Cache-Control"))

    @classmethod
    def said(cls, lines: Iterable[str]) -> ResponseDirectives:
        """Those of these lines of Cache-Control."""
        found = _grouped(lines)
        return cls(
            max_age=_seconds(found, "max-age", invalid=0),
            s_maxage=_seconds(found, "s-maxage", invalid=0),
            stale_while_revalidate=_seconds(found, "stale-while-revalidate"),
            stale_if_error=_seconds(found, "stale-if-error"),
            no_cache=_whole_or_fields(found, "no-cache"),
            private=_whole_or_fields(found, "private"),
            no_store="no-store" in found,
            no_transform="no-transform" in found,
            must_revalidate="must-revalidate" in found,
            proxy_revalidate="proxy-revalidate" in found,
            must_understand=_permitted(found, "must-understand"),
            public=_permitted(found, "public"),
            immutable=_permitted(found, "immutable"),
        )


_NOTHING_ASKED = RequestDirectives()
_NOTHING_SAID = ResponseDirectives()


@lru_cache(maxsize=256)
def _remembered(text: str) -> ResponseDirectives:
    return ResponseDirectives.said([text])


def _grouped(lines: Iterable[str]) -> _Found:
    found: _Found = {}
    for directive in parse_directives(lines):
        found.setdefault(directive.name, []).append(directive)
    return found


def _permitted(found: _Found, name: str) -> bool:
    return Directive(name) in found.get(name, ())


def _seconds(found: _Found, name: str, *, invalid: int | None = None) -> int | None:
    directives = found.get(name)
    if directives is None:
        return None
    # One that is not well-formed has no argument, so it is no number either.
    seconds = delta_seconds(directives[0].argument)
    return invalid if seconds is None else seconds


def _whole_or_fields(found: _Found, name: str) -> bool | frozenset[str]:
    """Whether a directive is there, or the fields that it is restricted to: of all that restrict it so."""
    names: set[str] = set()
    for directive in found.get(name, ()):
        listed = {each.strip(" \t").lower() for each in (directive.argument or "").split(",")} - {""}
        # An argument that is not a list of names cannot be obeyed but by obeying the whole directive.
        if not listed or not all(map(_FIELD_NAME.fullmatch, listed)):
            return True
        names |= listed
    return frozenset(names) if names else False
