"""A tiny reference interpretation of what a response permits a cache to do later (RFC 9111, RFC 5861, RFC 8246).

It shares no code with the cache, and is about well-formed fields only. Where RFC 9111 leaves a choice, it permits both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from trivet.core.http.request import Request
from trivet.core.http.response import Response

HEURISTIC: Final = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})


@dataclass
class Grant:
    """What one response permits. ``fields`` have names in lower case, ``asked`` is the request that it answers."""

    number: int
    place: tuple[str, str]
    status: int
    fields: dict[str, str]
    asked: Request
    sent: float
    came: float
    combined: bool = False
    void: bool = False

    def age(self, now: float) -> float:
        """RFC 9111 §4.2.3."""
        made = seconds_of(self.fields.get("date"), self.came)
        age_value = float(self.fields.get("age", "0"))
        return max(self.came - made, 0.0, age_value + self.came - self.sent) + max(0.0, now - self.came)

    def lifetime(self, *, shared: bool) -> float:
        """RFC 9111 §4.2.1."""
        said = directives(self.fields.get("cache-control", ""))
        for name in ("s-maxage", "max-age") if shared else ("max-age",):
            if name in said:
                return number_in(said[name]) or 0.0
        made = seconds_of(self.fields.get("date"), self.came)
        if "expires" in self.fields:
            return max(0.0, seconds_of(self.fields["expires"], -1e9) - made)
        if "last-modified" in self.fields and (self.status in HEURISTIC or "public" in said):
            return max(0.0, made - seconds_of(self.fields["last-modified"], 0.0)) / 10
        return 0.0

    def merged(self, new: Grant) -> Grant:
        """This one, updated by a 304, a 206 or a response to HEAD (RFC 9111 §3.2)."""
        kept = {name: value for name, value in self.fields.items() if name not in ("age", "date")}
        fields = kept | new.fields
        if new.status != 206 and seconds_of(fields.get("date"), -1.0) < 0.0:
            fields["date"] = formatdate(new.came, usegmt=True)
        return replace(new, fields=fields, status=self.status, combined=new.status == 206)


def directives(text: str) -> dict[str, str]:
    """A well-formed Cache-Control."""
    return {name.lower(): value for name, value in re.findall(r'([\w-]+)(?:="?([^",]*)"?)?', text)}


def number_in(text: str | None) -> float | None:
    """The number of seconds that a text is, or None."""
    return float(text) if text is not None and text.isdecimal() else None


def seconds_of(text: str | None, otherwise: float) -> float:
    """The time that a text is, or another one."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else otherwise
    except ValueError:
        return otherwise


def permits(
    grant: Grant,
    request: Request,
    response: Response,
    now: float,
    *,
    shared: bool,
    ttl: float | None,
    failures: Sequence[int | None],
) -> bool:
    """Whether a response permits this answer from a cache that did not ask the origin, or to which it gave no good answer.

    ``failures`` are the statuses from 500 with which the origin answered now, or None where it did not.
    """
    asked = directives(request.headers.get("Cache-Control", ""))
    said = directives(grant.fields.get("cache-control", ""))
    age = max(0.0, now - grant.came) if ttl is not None else grant.age(now)
    if not same_selection(grant, request) or response.headers["Age"] != str(int(age)) or "no-cache" in asked:
        return False
    if ttl is not None:
        return age < ttl
    # A field of a part that is combined with others is what came first.
    restricted = [said.get("no-cache"), said.get("private") if shared and not grant.combined else None]
    if restricted[0] == "" or ("X-Secret" in restricted and "X-Secret" in response.headers):
        return False
    binding = ("must-revalidate", "proxy-revalidate", "s-maxage") if shared else ("must-revalidate",)
    lifetime = grant.lifetime(shared=shared)
    if age >= lifetime and any(name in said for name in binding):
        return False
    on_error = number_in(asked.get("stale-if-error"))
    if failures and on_error is not None:
        return age - lifetime <= on_error
    return _wanted(asked, said, age, lifetime) and _young_enough(asked, said, age - lifetime, failures)


def _wanted(asked: Mapping[str, str], said: Mapping[str, str], age: float, lifetime: float) -> bool:
    """Whether a request takes a response of this age (RFC 9111 §5.2.1)."""
    fresh = age < lifetime
    if "max-age" in asked and not (fresh and "immutable" in said):
        limit = number_in(asked["max-age"]) or 0.0
        if limit == 0.0 or age > limit:
            return False
    if lifetime - age < (number_in(asked.get("min-fresh")) or -1e12):
        return False
    if "max-stale" in asked:
        return age - lifetime <= (number_in(asked["max-stale"]) or 1e12)
    return fresh or "max-age" not in asked


def _young_enough(
    asked: Mapping[str, str], said: Mapping[str, str], stale: float, failures: Sequence[int | None]
) -> bool:
    """Whether something permits to use a response that is stale for so long (RFC 9111 §4.2.4, RFC 5861)."""
    if stale < 0 or "max-stale" in asked or stale <= (number_in(said.get("stale-while-revalidate")) or -1.0):
        return True
    on_error = number_in(said.get("stale-if-error"))
    return bool(failures) and (None in failures if on_error is None else stale <= on_error)


def same_selection(grant: Grant, request: Request) -> bool:
    """RFC 9111 §4.1."""
    names: Sequence[str] = re.findall(r"[\w-]+", grant.fields.get("vary", ""))
    return all(grant.asked.headers.get(name, "-").lower() == request.headers.get(name, "-").lower() for name in names)
