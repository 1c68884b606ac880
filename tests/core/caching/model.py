"""An origin that answers at random, and a check of what a cache makes of it.

The origin numbers its representations, and the number is in the fields and in the content of every response: so each answer
of a cache can be traced to the responses that permit it, if any does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from core.caching.reference import Grant, directives, permits, seconds_of
from trivet.core.errors import ConnectError, ReadError
from trivet.core.http.request import Request
from trivet.core.http.response import Response

ORIGIN: Final = "https://api.example.com"
BEGINNING: Final = 1_700_000_000.0

CONTROLS: Final = """
    max-age=60 | max-age=60 | max-age=60 | max-age=60 | max-age=20 | max-age=100000 | | max-age=0 | max-age=junk |
    no-store | no-cache | max-age=60, no-cache | max-age=60, no-cache="X-Secret" | max-age=60, private="X-Secret" |
    private, max-age=60 | public | public, max-age=20, s-maxage=60 | max-age=20, must-revalidate | s-maxage=30 |
    max-age=20, proxy-revalidate | max-age=20, immutable | max-age=20, stale-while-revalidate=30 |
    max-age=20, stale-while-revalidate=60 | public, max-age=20, stale-while-revalidate=1000 |
    max-age=20, stale-if-error=30 | max-age=20, stale-if-error=30, must-revalidate | public, max-age=20, must-revalidate
""".split("|")

Place: TypeAlias = "tuple[str, str]"
"""A URL and a user."""


class Plan(NamedTuple):
    """How the origin answers the requests of one call. Dates are in seconds from the time when it answers."""

    choice: str = "current"
    status: int = 200
    control: str = ""
    vary: str = ""
    expires: str = ""
    age: str = ""
    date: str = "0"
    latency: float = 0.0
    failure: str = ""
    heeds_conditions: bool = True
    location: str = ""

    @classmethod
    def of(cls, random: Random) -> Plan:
        """Some plan, of which most parts are usual."""

        def mostly(usual: Any, *others: Any) -> Any:
            return usual if random.random() < 0.8 else random.choice(others)

        return cls(
            choice=mostly("current", "new", "other"),
            status=mostly(200, 404, 301, 204, 302, 500, 503),
            control=random.choice(CONTROLS).strip(),
            vary=mostly("", "Accept-Language", "Accept-Language, X-Test", "Cookie, Accept-Language", "*"),
            expires=mostly("", "60", "-60", "0", "soon"),
            age=mostly("", "5", "50"),
            date=mostly("0", "-30", "30", "", "today"),
            latency=mostly(0.0, 2.5),
            failure=mostly("", "connect", "read", "content"),
            heeds_conditions=mostly(True, False),
            location=mostly("", "/a", "/a?x=1&y=2", "https://other.example.com/a"),
        )


class Representation(NamedTuple):
    """What a request is answered with."""

    number: int
    place: Place
    status: int
    content: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The number and the validators: a strong tag, a weak one, a date, both, or none."""
        found = {"X-Number": str(self.number), "X-Secret": "s3cret"}
        kind = self.number % 5
        if self.status == 200 and kind in (0, 1, 3):
            found["ETag"] = f'W/"{self.number}"' if kind == 1 else f'"{self.number}"'
        if self.status == 200 and kind in (2, 3):
            found["Last-Modified"] = modified(self.number)
        return found


def modified(number: int) -> str:
    """When a representation was modified: each at another time, some lately, some long ago."""
    return formatdate(BEGINNING - (number + 2 if number % 2 else 10_000 + number), usegmt=True)


@dataclass
class Notes:
    """What happens in one call: how the origin answers, and what it has answered.

    ``given`` are the numbers of what it sent, ``confirmed`` of what it knows the cache to have, wholly or in part.
    ``failures`` are statuses from 500, and None where there was no whole answer.
    """

    plan: Plan = field(default_factory=Plan)
    given: set[int] = field(default_factory=set[int])
    confirmed: set[int] = field(default_factory=set[int])
    failures: list[int | None] = field(default_factory=list["int | None"])


@dataclass
class Model:
    """The origin, and what its responses permit to a cache that is ``shared`` or has a ``ttl``.

    ``notes`` are those of the call that goes on; ``store_fails`` says that the store does nothing now.
    """

    shared: bool = False
    ttl: float | None = None
    notes: Notes = field(default_factory=Notes)
    store_fails: bool = False
    representations: list[Representation] = field(default_factory=list[Representation])
    current: dict[tuple[Place, str], Representation] = field(default_factory=dict["tuple[Place, str]", Representation])
    grants: list[Grant] = field(default_factory=list[Grant])

    # The origin.

    def answer(self, request: Request, sent: float, now: float) -> Response | Exception:
        """Answer a request that reached the origin, and note what the response permits."""
        failure = self.notes.plan.failure
        if failure == "connect":
            self.notes.failures.append(None)
            return ConnectError("refused", sent=False)
        answer = self._read(request, sent, now) if request.safe else self._change(request, sent, now)
        if failure == "read":
            self.notes.failures.append(None)
            return ReadError("broken", sent=True)
        return answer

    def _read(self, request: Request, sent: float, now: float) -> Response:
        found, plan = self._choose(request), self.notes.plan
        status, content = found.status, found.content
        fields = found.fields | dict(_control(plan, now))
        if status == 200 and plan.heeds_conditions and _not_modified(request, found):
            status, content = 304, b""
        elif status == 200 and request.method == "GET" and (part := _part(request, found)):
            first, last = part
            status, content = 206, content[first : last + 1]
            fields["Content-Range"] = f"bytes {first}-{last}/{len(found.content)}"
        fields["Content-Length"] = str(len(found.content if request.method == "HEAD" else content))
        content = b"" if request.method == "HEAD" else content
        self.notes.given.add(found.number)
        if self._arrives(content):
            if status >= 500:
                self.notes.failures.append(status)
            self._note(Grant(found.number, found.place, status, _lower(fields), request, sent, now))
        return Response(status, fields, content)

    def _change(self, request: Request, sent: float, now: float) -> Response:
        plan = self.notes.plan
        made = self._make(self._place(request), plan.status, request.method)
        self.notes.given.add(made.number)
        fields = made.fields | dict(_control(plan, now))
        named = request.url
        if plan.location:
            fields["Content-Location"] = plan.location
            named = request.url.join(plan.location)
        if 200 <= plan.status < 400:
            urls = {self._url(request)}
            if named.same_origin(request.url) and not plan.failure:
                urls.add(self._url(request.replace(url=named)))
            self._void(urls)
        explicit = {"max-age", "s-maxage"} & directives(plan.control).keys() or plan.expires
        of_get = request.method == "POST" and plan.status == 200 and plan.location and named == request.url
        if self._arrives(made.content) and of_get and explicit:
            # It is a response to GET as well (RFC 9110 §9.3.3).
            self._grant(Grant(made.number, made.place, 200, _lower(fields), request, sent, now))
        return Response(plan.status, fields, made.content)

    def _choose(self, request: Request) -> Representation:
        place, plan = self._place(request), self.notes.plan
        where = place, request.headers.get("Accept-Language", "-").lower()
        found = self.current.get(where)
        if plan.choice == "other":
            # The same as in another language.
            found = next((each for each in self.current.values() if each.place == place), None)
        if found is None or plan.choice == "new" or plan.status != 200:
            found = self._make(place, plan.status, where[1])
        if found.status < 500:
            self.current[where] = found
        return found

    def _make(self, place: Place, status: int, what: str) -> Representation:
        number = len(self.representations)
        # Where there are no validators, the length tells one from another.
        text = f"{number} {place[0]} {place[1]} {what} ".ljust(150 + (number if number % 5 == 4 else 0), ".")
        made = Representation(number, place, status, b"" if status == 204 else text.encode())
        self.representations.append(made)
        return made

    def _arrives(self, content: bytes) -> bool:
        """Whether the response comes whole."""
        failure = self.notes.plan.failure
        if failure == "content" and content:
            self.notes.failures.append(None)
        return not failure or (failure == "content" and not content)

    def _place(self, request: Request) -> Place:
        headers = request.headers
        return self._url(request), f"{headers.get('Authorization', '-')} {headers.get('Cookie', '-')}"

    def _url(self, request: Request) -> str:
        url = request.url
        # For a fixed time, the order of parameters makes no difference.
        return f"{url.origin}{url.path}?{'&'.join(sorted(url.query.split('&')) if self.ttl else [url.query])}"

    # What its responses permit.

    def _note(self, new: Grant) -> None:
        if new.status in (206, 304) or new.asked.method == "HEAD":
            self.notes.confirmed.add(new.number)
            # With what is stored already it makes something new, whichever of the earlier responses that is.
            same = {tuple(sorted(each.fields.items())): each for each in self.grants if each.number == new.number}
            for each in same.values() if self.ttl is None else ():
                self._grant(each.merged(new))
        if new.status != 304 and new.asked.method == "GET":
            self._grant(new)

    def _grant(self, grant: Grant) -> None:
        """Note what a response permits, unless it must not be stored (RFC 9111 §3, §3.5)."""
        said = directives(grant.fields.get("cache-control", ""))
        asked = directives(grant.asked.headers.get("Cache-Control", ""))
        forbidden = "no-store" in asked or "*" in grant.fields.get("vary", "")
        if self.ttl is not None:
            forbidden = forbidden or grant.asked.method != "GET" or grant.status not in (200, 204)
        else:
            forbidden = forbidden or "no-store" in said or (self.shared and said.get("private") == "")
            if self.shared and "Authorization" in grant.asked.headers:
                forbidden = forbidden or not {"public", "must-revalidate", "s-maxage"} & said.keys()
        if not forbidden:
            self.grants.append(grant)

    def _void(self, urls: set[str]) -> None:
        """Take back what was said before about these URLs (RFC 9111 §4.4). What a store cannot remove stays, though."""
        self.current = {where: each for where, each in self.current.items() if each.place[0] not in urls}
        if not self.store_fails:
            for grant in self.grants:
                grant.void = grant.void or grant.place[0] in urls

    def check(
        self,
        request: Request,
        user: str,
        response: Response,
        content: bytes | None,
        times: Sequence[float],
        *,
        also_void: bool = False,
    ) -> None:
        """Raise AssertionError unless this may be the answer to a request of this user at one of these times.

        ``content`` is None if it was not read to its end.
        """
        asked = directives(request.headers.get("Cache-Control", ""))
        if response.status == 504 and not response.from_cache:
            assert "only-if-cached" in asked
            assert not self.notes.given
            assert not self.notes.failures
            return
        found = self.representations[int(response.headers["X-Number"])]
        assert found.place == (self._url(request), user), "another URL or another user"
        assert content is None or _is_content(request, response, content, found), "not its content"
        if not response.from_cache:
            assert found.number in self.notes.given, "from another call"
        elif found.number not in self.notes.confirmed:
            grants = [each for each in self.grants if each.number == found.number and (also_void or not each.void)]
            assert any(self._permits(grant, request, response, now) for grant in grants for now in times)

    def _permits(self, grant: Grant, request: Request, response: Response, now: float) -> bool:
        return permits(grant, request, response, now, shared=self.shared, ttl=self.ttl, failures=self.notes.failures)


def _lower(fields: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in fields.items()}


def _control(plan: Plan, now: float) -> Iterator[tuple[str, str]]:
    """The fields that say what may be done with a response."""
    for name, value in (("Cache-Control", plan.control), ("Vary", plan.vary), ("Age", plan.age)):
        if value:
            yield name, value
    for name, value in (("Date", plan.date), ("Expires", plan.expires)):
        if value:
            is_offset = value.lstrip("-").isdecimal()
            yield name, formatdate(now + int(value), usegmt=True) if is_offset else value


def _not_modified(request: Request, found: Representation) -> bool:
    """RFC 9110 §13.2.2."""
    tags, since = request.headers.get("If-None-Match"), request.headers.get("If-Modified-Since")
    if tags is not None:
        own = found.fields.get("ETag", "").removeprefix("W/")
        return tags == "*" or (own != "" and own in [tag.strip().removeprefix("W/") for tag in tags.split(",")])
    last = found.fields.get("Last-Modified")
    return since is not None and last is not None and seconds_of(last, 0.0) <= seconds_of(since, -1e9)


def _part(request: Request, found: Representation) -> tuple[int, int] | None:
    """Which bytes a request asks for, if the representation has them and If-Range holds."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    condition = request.headers.get("If-Range")
    if match is None or (condition is not None and condition != found.fields.get("ETag")):
        return None
    first, last = match.groups()
    size = len(found.content)
    if not first:
        return max(0, size - int(last)), size - 1
    return (int(first), min(int(last or size), size - 1)) if int(first) < size else None


def _is_content(request: Request, response: Response, content: bytes, found: Representation) -> bool:
    if request.method == "HEAD" or response.status == 304:
        return content == b""
    if response.status != 206:
        return response.status == found.status and content == found.content
    first, last, total = map(int, re.findall(r"\d+", response.headers["Content-Range"]))
    return content == found.content[first : last + 1] != b"" and total == len(found.content)
