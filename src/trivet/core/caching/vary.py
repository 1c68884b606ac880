"""Vary (RFC 9111 §4.1): which stored response was selected by fields like those of a request."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from trivet.core.caching.digests import digest, is_credential
from trivet.core.caching.entry import Entry, Selecting
from trivet.core.http.dates import parse_http_date
from trivet.core.http.headers import Headers

__all__ = ["MAX_SELECTING", "MAX_VARIANTS", "choose", "matches", "selected", "selecting_fields", "surplus"]

MAX_VARIANTS: Final = 16
"""How many stored responses of one key are kept, unless the caller says otherwise."""

MAX_SELECTING: Final = 32
"""How many names a Vary may hold; a longer one is as good as ``*``."""

_MAX_NAME: Final = 256

# RFC 9110 §5.6.2, token, in lower case.
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")

# Fields that are known to be lists (RFC 9110 §5.6.1) of what has no case.
_LISTS: Final = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language"})


def selecting_fields(response_headers: Headers) -> tuple[str, ...] | None:
    """The names that Vary lists, in lower case, each once, sorted; None if no request can be known to match.

    That is so for ``*`` anywhere in it (RFC 9110 §12.5.5), for a member that is no field name or too long to be one, and
    for more than `MAX_SELECTING` names.

    >>> selecting_fields(Headers({"Vary": "Accept-Encoding, accept,"}))
    ('accept', 'accept-encoding')
    >>> selecting_fields(Headers({"Vary": "Accept, *"})) is None
    True
    """
    value = response_headers.get("Vary")
    if value is None:
        return ()
    names = {name.strip(" \t") for name in value.lower().split(",")} - {""}
    if len(names) > MAX_SELECTING or "*" in names or not all(map(_TOKEN.issuperset, names)):
        return None
    # What is learned of a name is remembered.
    if any(len(name) > _MAX_NAME for name in names):
        return None
    return tuple(sorted(names))


def selected(request_headers: Headers, names: Iterable[str]) -> Selecting:
    """The names with the request's values, normalised as RFC 9111 §4.1 allows; None for an absent field.

    Several lines are joined and the white space around a value and its commas goes away, unless something is quoted.
    Accept, Accept-Charset, Accept-Encoding and Accept-Language also lose empty members and the case of what has none,
    and Accept-Language its order, which says nothing (RFC 9110 §12.5.4). Of a field that may hold a credential a digest
    is kept.

    >>> selected(Headers({"Accept-Encoding": "GZIP ,br"}), ["accept-encoding", "accept"])
    (('accept-encoding', 'gzip, br'), ('accept', None))
    """
    return tuple([(name, _value(request_headers, name)) for name in names])


def matches(entry_vary: Selecting | None, request_headers: Headers) -> bool:
    """Whether a response stored with these selecting fields may answer a request with such fields."""
    return entry_vary is not None and all(_value(request_headers, name) == value for name, value in entry_vary)


def choose(entries: Iterable[Entry], request_headers: Headers) -> Entry | None:
    """The stored response to use, out of those of one key: of those that match, the most recent by its Date.

    One that names selecting fields goes before one that names none, since origins tend to forget Vary on
    their default response (RFC 9111 §4.1).
    """
    matching = [entry for entry in entries if matches(entry.vary, request_headers)]
    if len(matching) < 2:
        return matching[0] if matching else None
    return max(matching, key=_preference)


def surplus(entries: Iterable[Entry], limit: int = MAX_VARIANTS) -> list[Entry]:
    """Those out of one key's stored responses that are too many: all but the ``limit`` that came last."""
    return sorted(entries, key=_response_time, reverse=True)[limit:]


def _response_time(entry: Entry) -> float:
    return entry.response_time


def _preference(entry: Entry) -> tuple[bool, float, float]:
    date = parse_http_date(entry.headers.get("Date", ""), entry.response_time)
    return bool(entry.vary), entry.response_time if date is None else date, entry.response_time


def _value(headers: Headers, name: str) -> str | None:
    values = headers.get_all(name)
    if not values:
        return None
    value = values[0] if len(values) == 1 else ", ".join([each.strip(" \t") for each in values])
    if is_credential(name):
        return digest(name, value.strip(" \t"))
    if name in _LISTS:
        return _normalised_list(name, value)
    if "," in value and '"' not in value:
        return ", ".join([member.strip(" \t") for member in value.split(",")])
    return value.strip(" \t")


# A program sends the same few values again and again.
@lru_cache(maxsize=64)
def _normalised_list(name: str, value: str) -> str:
    if '"' in value or not value.isascii():
        # A comma in a quoted string ends no member, and bytes beyond ASCII have no case.
        return value.strip(" \t")
    members = [";".join([part.strip(" \t") for part in member.split(";")]) for member in value.split(",")]
    # The parameters of a media range may have case; a charset, a coding and a language range have none.
    found = [_lower_range(member) if name == "accept" else member.lower() for member in members if member]
    return ", ".join(sorted(found) if name == "accept-language" else found)


def _lower_range(member: str) -> str:
    media_range, semicolon, parameters = member.partition(";")
    return f"{media_range.lower()}{semicolon}{parameters}"
