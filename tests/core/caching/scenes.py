"""What happens at random around a cache: calls of several users, clocks that jump, a store that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from core.caching.model import ORIGIN, Model, Plan, modified
from core.caching.world import BlockingStore, World
from trivet.core.caching.stored import Stored
from trivet.core.errors import ReadError
from trivet.core.exchange.actions import CloseBody
from trivet.core.exchange.bodies import FlowBody
from trivet.core.exchange.instant import Instant
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.pipeline import Pipeline
from trivet.stores.memory import MemoryStore

URLS = [
    *([f"{ORIGIN}/a"] * 16),
    *("HTTPS://API.example.com:443/a#top", f"{ORIGIN}/a?x=1&y=2", f"{ORIGIN}/a?y=2&x=1", "https://other.example.com/a"),
]
METHODS = ["GET"] * 24 + ["HEAD", "HEAD", "POST", "DELETE"]

# The number of a pipeline, and fields.
PERSONS: list[tuple[int, dict[str, str]]] = [
    *([(0, {})] * 14),
    *([(0, {"Accept-Language": "de"})] * 3),
    *[(0, {"Accept-Language": language}) for language in ("en", "EN")],
    *[(who, {}) for who in (1, 1, 2, 3, 3, 3)],
    *[(0, {"Authorization": f"Bearer {token}"}) for token in ("ada", "bob")],
    *[(who, {"Cookie": "session=1"}) for who in (0, 1)],
]

ASKED = """
    no-cache | no-store | max-age=0 | max-age=15 | max-age=15, max-stale | max-stale | max-stale=20 | min-fresh=30 |
    only-if-cached | only-if-cached, max-stale | stale-if-error=40, max-age=1
""".split("|")
RANGES = ["bytes=0-59", "bytes=60-", "bytes=-10", "bytes=20-79", "bytes=9999-"]

# A number is of seconds that pass; a negative one sets the clock back.
CHANGES: list[float | str] = [
    *(["nothing"] * 16),
    *(0.4, 1.0, 5.0, 15.0, 15.0, 30.0, 30.0, 100.0, 2000.0, 700_000.0, -1.0, -15.0, -2000.0),
    *("the store fails", "the store fails", "somebody else has the token", "somebody else has the token"),
]


class Step(NamedTuple):
    """A call. ``who`` is the number of a pipeline, ``read`` how many pieces of the content are read: None for all, at once."""

    plan: Plan
    method: str
    url: str
    who: int
    fields: dict[str, str]
    read: int | None

    @classmethod
    def of(cls, random: Random) -> Step:
        """Some step. Most are simple, since a cache has nothing to say to most of what is unusual."""
        choice = random.choice
        who, fields = choice(PERSONS)
        fields = {**fields, **_extras(random)}
        read = choice([None] * 6 + [0, 1, 9])
        return cls(Plan.of(random), choice(METHODS), choice(URLS), who, fields, read)

    @property
    def request(self) -> Request:
        """The request of the call."""
        return Request(self.method, self.url, self.fields)


def _extras(random: Random) -> dict[str, str]:
    choice, number = random.choice, random.randrange(8)
    fields: dict[str, str] = {}
    kind = choice(["plain"] * 8 + ["asked", "asked", "range", "range", "condition", "all"])
    if kind in ("asked", "all"):
        fields["Cache-Control"] = choice(ASKED).strip()
    if kind in ("range", "all"):
        fields["Range"] = choice(RANGES)
        if random.random() < 0.3:
            fields["If-Range"] = f'"{number}"'
    elif kind == "condition":
        since = {"If-Modified-Since": modified(number)}
        fields |= choice([since, {"If-None-Match": "*"}, {"If-None-Match": f'W/"x", "{number}"'}])
    return fields


class Piecemeal(BlockingStore):
    """Hands out no content with its entries, as a store does with what is large."""

    def find(self, key: str) -> Sequence[Stored]:
        return [Stored(each.entry, None) for each in super().find(key)]


class Scene(World):
    """Several users, each with a pipeline, one cache, and the origin of a model."""

    def __init__(self, model: Model, kind: type[MemoryStore], **options: Any) -> None:
        super().__init__(store=kind(clock=lambda: self.wall), shared=model.shared, ttl=model.ttl, **options)
        self.model = model
        self.monotonic = 0.0
        self.token = "ada"
        # When the action that is performed now was asked for, if that is not now.
        self.asked_at: float | None = None
        auths = [BearerAuth("ada"), BearerAuth("bob"), BearerAuth(lambda: self.token)]
        self.pipelines = [self.pipeline, *(Pipeline([self.cache, auth]) for auth in auths)]

    def user(self, step: Step) -> str:
        """Whom the origin is going to see."""
        signed = ["-", "Bearer ada", "Bearer bob", f"Bearer {self.token}"][step.who]
        return f"{step.fields.get('Authorization', signed)} {step.fields.get('Cookie', '-')}"

    def now(self) -> Instant:
        return Instant(self.monotonic, self.wall)

    def later(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def change(self, what: float | str) -> None:
        """Have something happen. The store works again after one step."""
        # One that does not block is in memory, which does not fail.
        self.failing = self.model.store_fails = what == "the store fails" and not self.store.instant
        if isinstance(what, float):
            self.monotonic += max(0.0, what)
            self.wall += what
        elif what == "somebody else has the token":
            self.token = "bob" if self.token == "ada" else "ada"

    def release(self, response: Response) -> None:
        """Let go of an open response, as a client does."""
        body, response.body = response.body, None
        handle = body.release() if isinstance(body, FlowBody) else body
        if handle is not None:
            self.perform(CloseBody(handle))

    def _answer(self, request: Request) -> Response:
        plan, sent = self.model.notes.plan, self.wall if self.asked_at is None else self.asked_at
        self.later(plan.latency)
        answer = self.model.answer(request, sent, self.wall)
        breaks_off = plan.failure == "content" and isinstance(answer, Response) and answer.content != b""
        self.broken = ReadError("broken off", sent=True) if breaks_off else None
        self.origin = deque([answer if self.pieces or self.broken is None else self.broken])
        return super()._answer(request)
