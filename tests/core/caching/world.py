"""A cache in a world of its own: virtual time, a scripted origin server, and no I/O."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from trivet.core.caching.entry import Entry
from trivet.core.caching.keys import cache_key
from trivet.core.caching.policy import Cache
from trivet.core.caching.store import Store
from trivet.core.caching.stored import Stored
from trivet.core.exchange.actions import Action, CloseBody, Invoke, ReadBody, SendRequest, Spawn, StoreAction
from trivet.core.exchange.bodies import FlowBody, handle_to_close
from trivet.core.exchange.exchange import Done, Exchange
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import Trace
from trivet.core.http.dates import format_http_date
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Policy
from trivet.stores.memory import MemoryStore

URL = "https://api.example.com/users"
START = 1_700_000_000.0

Answer: TypeAlias = "Response | Exception | Callable[[Request], Response | Exception]"


class BlockingStore(MemoryStore):
    """A store of which the driver hears, as it does of every one that may block."""

    instant = False


class World:
    """A pipeline with a cache, and what is around it.

    ``wall`` is the time, ``origin`` the answers still to come (the last one stays), ``requests`` what reached the origin
    (``sent``, with all that the transport was told), ``spawned`` the flows to be run in the background, ``open`` the open
    bodies, ``closed`` how many were let go of before their end. The store actions named in ``failing`` raise; True is for
    all of them. ``performed`` are the names of those that were to be done.

    With ``pieces`` the origin's content comes in so many bytes at a time, and then ``broken``, if that is an error.
    """

    def __init__(
        self,
        *origin: Answer,
        store: Store | None = None,
        policies: Sequence[Policy] = (),
        cache: Cache | None = None,
        pieces: int = 0,
        broken: Exception | None = None,
        failing: Sequence[str] | bool = False,
        **options: Any,
    ) -> None:
        self.wall = START
        self.origin = deque(origin)
        self.store = BlockingStore(clock=lambda: self.wall) if store is None else store
        self.cache = Cache(self.store, **options) if cache is None else cache
        self.pipeline = Pipeline(sorted([self.cache, *policies], key=lambda policy: policy.stage))
        self.sent: list[SendRequest] = []
        self.spawned: list[Spawn] = []
        self.accepts_spawned = True
        self.failing = failing
        self.performed: list[str] = []
        self.pieces = pieces
        self.broken = broken
        self.closed = 0
        self.open: dict[object, deque[bytes | Exception]] = {}
        self.trace: Trace | None = None

    @property
    def requests(self) -> list[Request]:
        return [action.request for action in self.sent]

    # What a test does.

    def get(self, headers: dict[str, str] | None = None, url: str = URL, **options: Any) -> Response:
        """GET, with the content read."""
        return self.send(Request("GET", url, headers or {}, **options))

    def head(self, headers: dict[str, str] | None = None, url: str = URL) -> Response:
        return self.send(Request("HEAD", url, headers or {}))

    def send(self, request: Request) -> Response:
        return self.run(self.pipeline.handle(request))

    def stream(self, headers: dict[str, str] | None = None, url: str = URL) -> Response:
        """GET, with the content left open."""
        return self.run(self.pipeline.open(Request("GET", url, headers or {})))

    def read(self, response: Response) -> bytes:
        """Read an open response to its end, content codings left in place."""
        if response.body is None:
            return response.content
        pieces: list[bytes] = []
        while data := self.run(self.piece_of(response)):
            pieces.append(data)
        return b"".join(pieces)

    def piece_of(self, response: Response) -> Flow[bytes]:
        body = response.body
        if isinstance(body, FlowBody):
            return body.read(float("inf"))
        return ReadBody(body).__iter__()

    def release(self, response: Response) -> None:
        """Let go of an open response."""
        handle = handle_to_close(response.body)
        if handle is not None:
            self.perform(CloseBody(handle))

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds

    def find(self, url: str = URL) -> list[Stored]:
        """What is stored for a URL and for nobody in particular, not changed by looking."""
        return list(self.store.find(cache_key(Request("GET", url), None)))

    def in_background(self) -> list[Any]:
        """Run what was spawned; the results, or the errors."""
        outcomes: list[Any] = []
        while self.spawned:
            try:
                outcomes.append(self.run(self.spawned.pop(0).flow))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def events(self) -> list[str]:
        """The trace of the last call as text, without what the transport did."""
        assert self.trace is not None
        return [str(event) for event in self.trace if not str(event).startswith(("→", "←", "content read", "✗"))]

    # What a driver does.

    def now(self) -> Instant:
        return Instant(self.wall - START, self.wall)

    def run(self, flow: Flow[Any]) -> Any:
        exchange: Exchange[Any] = Exchange(flow, rng=random.Random(0))
        step = exchange.start(self.now())
        while not isinstance(step, Done):
            try:
                reply = self.perform(step)
            except Exception as error:
                self.trace = exchange.trace
                step = exchange.fail(error, self.now())
            else:
                step = exchange.receive(reply, self.now())
            self.trace = exchange.trace
        self.trace = exchange.trace
        return step.result

    def perform(self, action: Action[Any]) -> Any:
        if isinstance(action, StoreAction):
            name = type(action).__name__
            self.performed.append(name)
            if self.failing is True or (self.failing and name in self.failing):
                raise OSError("s3cret: the store is broken")
            return action.perform()
        if isinstance(action, Invoke):
            return action.function()
        if isinstance(action, Spawn):
            self.spawned.append(action)
            return self.accepts_spawned
        if isinstance(action, SendRequest):
            self.sent.append(action)
            return self._answer(action.request)
        if isinstance(action, ReadBody):
            pieces = self.open[action.body]
            piece = pieces.popleft() if pieces else b""
            if not piece or isinstance(piece, Exception):
                del self.open[action.body]
            if isinstance(piece, Exception):
                raise piece
            return piece
        assert isinstance(action, CloseBody), action
        self.open.pop(action.body, None)
        self.closed += 1
        return None

    def _answer(self, request: Request) -> Response:
        answer: Any = self.origin[0] if len(self.origin) == 1 else self.origin.popleft()
        if not isinstance(answer, Response | Exception):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        response = copy.copy(answer)
        if self.pieces:
            body = object()
            content = response.content
            pieces = [content[at : at + self.pieces] for at in range(0, len(content), self.pieces)]
            self.open[body] = deque(pieces if self.broken is None else [*pieces, self.broken])
            response = Response(response.status, response.headers, reason=response.reason, body=body)
        return response


class BrokenStore:
    """A store that does nothing but raise errors, without ever blocking."""

    instant = True
    max_content = 1024 * 1024

    def _raise(self, *args: object, **kwargs: object) -> NoReturn:
        raise OSError("s3cret: the store is broken")

    find = save = writer = read = update = remove = remove_where = clear = close = _raise


def memory(max_bytes: int = 64 * 1024 * 1024) -> BlockingStore:
    """A store for which time stands still."""
    return BlockingStore(max_bytes, clock=lambda: START)


class PieceByPiece(BlockingStore):
    """Hands out no content with its entries, as a store does with what is large. ``damage`` is done to what is read."""

    def __init__(self, *, damage: Callable[[bytes], bytes | None] = lambda data: data, **options: Any) -> None:
        super().__init__(clock=lambda: START, **options)
        self.damage = damage

    def find(self, key: str) -> list[Stored]:
        return [Stored(each.entry, None) for each in super().find(key)]

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        data = super().read(entry, offset, size)
        return self.damage(data) if data else data


def ok(cache_control: str = "max-age=60", content: bytes = b"one", **fields: str) -> Response:
    """A 200 with Cache-Control; underscores in the names of further fields are hyphens."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    if cache_control:
        headers["Cache-Control"] = cache_control
    return Response(200, headers, content)


def partial_content(first: int, content: bytes, total: int | str, **fields: str) -> Response:
    """A 206 with these bytes of so many, which is fresh for a minute and has a strong entity tag."""
    fields = {"ETag": '"a"', "Content_Range": f"bytes {first}-{first + len(content) - 1}/{total}", **fields}
    whole = ok(fields.pop("Cache_Control", "max-age=60"), content, **fields)
    return Response(206, whole.headers, whole.content)


def date(seconds: float = 0.0) -> str:
    """An HTTP-date so many seconds after the beginning."""
    return format_http_date(START + seconds)
