"""Storing what the server says (RFC 9111 §3), at once or while it is read."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.caching.world import START, URL, BlockingStore, PieceByPiece, World, date, memory, ok, partial_content
from trivet.core.caching.entry import Entry
from trivet.core.caching.stored_body import IN_MEMORY
from trivet.core.errors import ReadError
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.policy import Policy, Stage
from trivet.stores.memory import MemoryStore, MemoryWriter

ADA = {"Authorization": "Bearer ada"}
LARGE = bytes(range(256)) * (IN_MEMORY // 256 + 1)


def gzipped(content: bytes) -> bytes:
    coder = zlib.compressobj(wbits=31)
    return coder.compress(content) + coder.flush()


# Whether it is stored.


@pytest.mark.parametrize(
    ("answer", "asked", "reason"),
    [
        (ok(), {}, "stored: max-age=60"),
        (ok(""), {}, "not stored: neither fresh for a while nor to be validated"),
        (ok("", ETag='"a"'), {}, "stored: status 200"),
        (ok("", Last_Modified=date(-100)), {}, "stored: status 200"),
        (ok("max-age=0"), {}, "not stored: neither fresh for a while nor to be validated"),
        (ok("max-age=0, stale-while-revalidate=5"), {}, "stored: max-age=0"),
        (ok("no-cache", ETag='"a"'), {}, "stored: status 200"),
        (ok("", Expires=date(60)), {}, "stored: Expires"),
        (ok("", Expires="0"), {}, "not stored: neither fresh for a while nor to be validated"),
        (ok("no-store"), {}, "not stored: no-store"),
        (ok(), {"Cache-Control": "no-store"}, "not stored: no-store in the request"),
        (ok(Vary="*"), {}, "not stored: Vary: *"),
        (ok("private, max-age=60"), {}, "stored: max-age=60"),
        (ok(), ADA, "stored: max-age=60"),
        (Response(404, {"Cache-Control": "max-age=9"}), {}, "stored: max-age=9"),
        (Response(301, {"Location": "/", "Cache-Control": "max-age=9"}), {}, "stored: max-age=9"),
        (Response(500), {}, "not stored: status 500 and no freshness"),
        (Response(304, {"Cache-Control": "max-age=9"}), {}, "not stored: status 304"),
    ],
)
def test_the_trace_says_why_a_response_is_stored_or_not(answer: Response, asked: dict[str, str], reason: str) -> None:
    world = World(answer)
    response = world.get(asked)
    assert world.events() == ["cache miss: nothing is stored", reason]
    stored = reason.startswith("stored")
    assert response.cache_status == ("trivet; fwd=uri-miss; stored" if stored else "trivet; fwd=uri-miss")
    assert "SaveEntry" in world.performed if stored else world.performed == ["FindEntries"]


@pytest.mark.parametrize(
    ("cache_control", "asked", "policies", "reason"),
    [
        ("max-age=60", {}, [], "stored: max-age=60"),
        ("max-age=60, s-maxage=5", {}, [], "stored: s-maxage=5"),
        ("private, max-age=60", {}, [], "not stored: private"),
        ("max-age=60", ADA, [], "not stored: Authorization in the request"),
        ("max-age=60, public", ADA, [], "stored: max-age=60"),
        # What the client adds to the request on its way counts as well.
        ("max-age=60", {}, [BearerAuth("ada")], "not stored: Authorization in the request"),
        ("max-age=60, must-revalidate", {}, [BearerAuth("ada")], "stored: max-age=60"),
        ("max-age=60", {}, [APIKeyAuth("ada")], "stored: max-age=60"),
    ],
)
def test_what_a_shared_cache_stores(
    cache_control: str, asked: dict[str, str], policies: list[Policy], reason: str
) -> None:
    world = World(ok(cache_control), shared=True, policies=policies)
    world.get(asked)
    assert world.events()[-1] == reason
    assert world.get(asked).from_cache is reason.startswith("stored")


@pytest.mark.parametrize(("shared", "kept"), [(True, False), (False, True)])
def test_fields_for_one_user_are_kept_in_a_private_cache_only(shared: bool, kept: bool) -> None:
    world = World(ok('max-age=60, private="X-User"', X_User="ada"), shared=shared)
    assert world.get().headers["X-User"] == "ada"
    assert ("X-User" in world.get().headers) is kept


class MadeUp(Policy):
    """Answers by itself, with a response that no request belongs to."""

    stage = Stage.ATTEMPT

    def handle(self, request: Request, call: Any, forward: Any) -> Any:
        yield from ()
        return ok()


class Setting(Policy):
    """Sets a field of the request on its way to the wire."""

    stage = Stage.ATTEMPT

    def __init__(self, name: str) -> None:
        self.name = name

    def handle(self, request: Request, call: Any, forward: Any) -> Any:
        return forward(request.replace(headers=request.headers.with_field(self.name, "set")), call)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("X-Trace", "stored: max-age=60"),
        ("Accept-Language", "stored: max-age=60"),
        ("Accept", "not stored: a field that Vary names was set by a policy after the cache"),
        ("Authorization", "not stored: credentials were added by a policy after the cache"),
        ("Cookie", "not stored: credentials were added by a policy after the cache"),
    ],
)
@pytest.mark.parametrize("ttl", [None, 60])
def test_what_a_policy_after_the_cache_sets_tells_nobody_apart(name: str, reason: str, ttl: float | None) -> None:
    world = World(ok(Vary="Accept"), policies=[Setting(name)], ttl=ttl)
    assert [world.get().from_cache, world.get().from_cache] == [False, reason.startswith("stored")]
    if not reason.startswith("stored"):
        assert world.events()[-1] == reason


@pytest.mark.parametrize(
    ("headers", "options"),
    [({}, {"credentials": False}), ({"Authorization": "Bearer own"}, {})],
    ids=["a request for another origin", "a request with credentials of its own"],
)
def test_nor_where_the_auth_keeps_out_of_the_way(headers: dict[str, str], options: dict[str, bool]) -> None:
    world = World(ok(), policies=[BearerAuth("ada"), Setting("Cookie")])
    world.get(headers, **options)
    assert world.events()[-1] == "not stored: credentials were added by a policy after the cache"


def test_unless_it_is_what_authenticates_the_request() -> None:
    world = World(ok(Vary="Accept, Authorization"), policies=[BearerAuth("ada")])
    assert [world.get().from_cache, world.get().from_cache] == [False, True]


@pytest.mark.parametrize("shared", [True, False])
def test_a_response_that_a_policy_has_made_up_is_stored_like_any(shared: bool) -> None:
    world = World(policies=[MadeUp()], shared=shared)
    assert [world.get().from_cache, world.get().from_cache] == [False, True]


@pytest.mark.parametrize(
    ("store", "failing", "events"),
    [
        (memory(8), [], ["not stored: the store did not take it"]),
        (
            None,
            ["SaveEntry"],
            [
                "cache: SaveEntry failed with OSError; the call goes on without the store",
                "not stored: the store did not take it",
            ],
        ),
    ],
)
def test_a_store_that_does_not_take_it_fails_no_call(
    store: MemoryStore | None, failing: Sequence[str], events: list[str]
) -> None:
    world = World(ok(), store=store, failing=failing)
    response = world.get()
    assert (response.content, response.cache_status) == (b"one", "trivet; fwd=uri-miss")
    assert world.events()[1:] == events
    assert not world.get().from_cache


# Parts.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (partial_content(0, b"01", 4), "stored: max-age=60, partial"),
        (
            partial_content(0, b"01", 4, Content_Range="bytes 0-2/4"),
            "not stored: a part that is not of the size it says, or large",
        ),
        (
            partial_content(0, b"01", 4, Content_Range="bytes 2-1/4"),
            "not stored: a part that cannot be combined with others",
        ),
        (
            partial_content(0, b"01", 4, Content_Range="lines 0-1/4"),
            "not stored: a part that cannot be combined with others",
        ),
        (
            partial_content(0, b"01", 4, Content_Encoding="identity"),
            "not stored: a part that cannot be combined with others",
        ),
        (partial_content(0, b"01", 4, Cache_Control="no-store"), "not stored: no-store"),
    ],
)
def test_parts_are_stored_as_what_they_are(answer: Response, reason: str) -> None:
    world = World(answer)
    assert world.get({"Range": "bytes=0-1"}).content == b"01"
    assert world.events()[-1] == reason
    assert world.get({"Range": "bytes=1-1"}).from_cache is reason.startswith("stored")


@pytest.mark.parametrize(
    ("asked", "content_range", "length", "buffered", "streamed"),
    [
        ("bytes=-2", "bytes 1-3/4", "2", (2, 3, 4), (2, 3, 4)),
        ("bytes=-2", "bytes 2-3/4", "2", (2, 3, 4), (2, 3, 4)),
        ("bytes=-2", "bytes 1-2/4", "2", (1, 2, 4), (1, 2, 4)),
        ("bytes=-2", "bytes 1-3/*", "2", None, None),
        ("bytes=2-", "bytes 1-3/4", "2", None, None),
        ("bytes=-3", "bytes 1-3/4", "3", None, None),
        # How long the content is counts, and what the field says where the content is still to come.
        ("bytes=-2", "bytes 1-3/4", "3", (2, 3, 4), None),
        ("bytes=-2", "bytes 1-3/4", "", (2, 3, 4), None),
        ("bytes=-2", "bytes 1-3/4", "²", (2, 3, 4), None),
        ("bytes=-2", "bytes 1-3/4", "2" * 5000, (2, 3, 4), None),
    ],
)
def test_the_first_byte_of_a_suffix_that_a_server_counts_wrongly(
    asked: str,
    content_range: str,
    length: str,
    buffered: tuple[int, int, int] | None,
    streamed: tuple[int, int, int] | None,
) -> None:
    fields = {"Cache-Control": "max-age=60", "Content-Range": content_range, "Content-Length": length}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
    answer = Response(206, Headers.from_raw(raw), b"23")
    for pieces, part in ((0, buffered), (1, streamed)):
        world = World(answer, pieces=pieces)
        assert world.read(world.stream({"Range": asked})) == b"23"
        assert [(each.content, each.entry.part) for each in world.find()] == ([(b"23", part)] if part else [])


# While it is read.


def test_a_stream_is_stored_when_it_has_been_read() -> None:
    world = World(ok(content=b"one"), pieces=2)
    response = world.stream()
    assert world.events() == ["cache miss: nothing is stored"]
    assert (world.find(), response.cache_status) == ([], "trivet; fwd=uri-miss")
    assert world.read(response) == b"one"
    assert response.cache_status == "trivet; fwd=uri-miss; stored"
    assert response.trace is not None
    assert str(response.trace[-1]) == "stored: max-age=60"
    again = world.stream()
    assert (again.cache_status, world.read(again)) == ("trivet; hit; ttl=60", b"one")


def test_a_stream_is_stored_as_of_when_it_came() -> None:
    world = World(ok(content=b"one"), pieces=2)
    response = world.stream()
    world.later(50)
    world.read(response)
    assert world.stream().headers["Age"] == "50"
    world.later(10)
    assert not world.stream().from_cache


def abandon(world: World, response: Response) -> None:
    world.run(world.piece_of(response))
    world.release(response)
    assert world.open == {}


def read_in_vain(world: World, response: Response) -> None:
    with pytest.raises(ReadError):
        world.read(response)


def read(world: World, response: Response) -> None:
    world.read(response)


@pytest.mark.parametrize("content", [b"one", LARGE], ids=len)
@pytest.mark.parametrize(
    ("options", "end", "reason"),
    [
        ({}, abandon, "not stored: its content was not read to the end"),
        ({"broken": ReadError("cut off", sent=True)}, read_in_vain, "not stored: its content broke off"),
        ({"store": memory(8)}, read, "not stored: it is too large for the store"),
    ],
)
def test_a_stream_that_is_not_stored(
    content: bytes, options: dict[str, Any], end: Callable[[World, Response], None], reason: str
) -> None:
    world = World(ok(content=content), pieces=-(-len(content) // 2), **options)
    response = world.stream()
    end(world, response)
    assert response.trace is not None
    assert str(response.trace[-1]) == reason
    assert (world.find(), response.cache_status) == ([], "trivet; fwd=uri-miss")


def test_a_buffered_response_that_breaks_off_is_not_stored() -> None:
    world = World(ok(), pieces=2, broken=ReadError("cut off", sent=True))
    with pytest.raises(ReadError):
        world.get()
    assert world.find() == []


@pytest.mark.parametrize("make_store", [memory, PieceByPiece])
def test_large_content_streams_in_and_out(make_store: Callable[[], MemoryStore]) -> None:
    world = World(ok(content=LARGE), pieces=IN_MEMORY // 2, store=make_store())
    assert world.read(world.stream()) == LARGE
    assert world.performed == ["FindEntries", "OpenWriter", "WriteContent", "CommitContent"]
    hit = world.stream()
    assert (hit.cache_status, world.read(hit)) == ("trivet; hit; ttl=60", LARGE)
    assert world.get().content == LARGE


class Noting(BlockingStore):
    """Notes what became of its writers."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: START)
        self.discarded = 0

    def writer(self) -> MemoryWriter:
        return NotingWriter(self)


class NotingWriter(MemoryWriter):
    def discard(self) -> None:
        self._store.discarded += 1  # type: ignore[attr-defined]  # a Noting store


@pytest.mark.parametrize(
    ("answer", "failing", "reason"),
    [
        (ok(content=LARGE), ["CommitContent"], "not stored: the store did not take it"),
        (ok(content=LARGE), ["WriteContent"], "not stored: the store failed with OSError"),
        (partial_content(0, LARGE, 2 * len(LARGE)), [], "not stored: a part that is not of the size it says, or large"),
    ],
)
def test_what_was_written_in_vain_is_forgotten(answer: Response, failing: list[str], reason: str) -> None:
    store = Noting()
    world = World(answer, store=store, pieces=IN_MEMORY, failing=failing)
    response = world.stream()
    assert world.read(response) == LARGE
    assert response.trace is not None
    assert str(response.trace[-1]) == reason
    assert (store.discarded, world.find()) == (1, [])


class Declining(NotingWriter):
    def commit(self, entry: Entry) -> bool:
        return False


def test_what_the_store_does_not_take_in_the_end_is_forgotten() -> None:
    store = Noting()
    store.writer = lambda: Declining(store)  # type: ignore[method-assign]  # of this one store
    world = World(ok(content=LARGE), store=store, pieces=IN_MEMORY)
    response = world.stream()
    assert world.read(response) == LARGE
    assert response.trace is not None
    assert str(response.trace[-1]) == "not stored: the store did not take it"
    assert (store.discarded, world.find()) == (1, [])


def test_store_failures_leak_nothing() -> None:
    world = World(ok(content=LARGE), pieces=IN_MEMORY, failing=True)
    response = world.stream()
    assert world.read(response) == LARGE
    assert response.trace is not None
    assert "s3cret" not in str(response.trace)


# Content codings.


@pytest.mark.parametrize("pieces", [0, 7])
@pytest.mark.parametrize("first_streams", [True, False])
def test_coded_content_is_the_same_whoever_reads_it(pieces: int, first_streams: bool) -> None:
    coded = gzipped(b"one" * 10)
    world = World(ok(content=coded, Content_Encoding="gzip"), pieces=pieces or 99)
    if first_streams:
        assert world.read(world.stream()) == coded
        hit = world.stream()
        assert (hit.from_cache, world.read(hit)) == (True, coded)
    else:
        assert world.get().content == b"one" * 10
    assert world.find()[0].entry.coded is first_streams
    hit = world.get()
    assert (hit.from_cache, hit.content, hit.headers["Content-Encoding"]) == (True, b"one" * 10, "gzip")


def test_corrupt_coded_content_is_a_miss_and_removed() -> None:
    world = World(ok(content=b"no gzip", Content_Encoding="gzip"), ok(content=b"one"), pieces=4)
    assert world.read(world.stream()) == b"no gzip"
    assert [each.entry.coded for each in world.find()] == [True]
    response = world.get()
    assert (response.content, response.from_cache) == (b"one", False)
    assert response.cache_status == "trivet; fwd=miss; stored"
    assert world.events() == ["cache miss: what was stored is damaged", "stored: max-age=60"]
    assert world.performed.count("RemoveEntry") == 1
    assert world.get().content == b"one"


def test_what_is_stored_tells_when_and_for_what() -> None:
    world = World(ok(Vary="Accept"))
    world.get({"Accept": "text/html"})
    (found,) = world.find()
    entry = found.entry
    assert (entry.method, entry.url, entry.vary) == ("GET", URL, (("accept", "text/html"),))
    assert (entry.response_time, entry.size, entry.describes(b"one")) == (START, 3, True)


# What is out of date goes, also where its successor is not stored.

UNSTORED = {"Cache-Control": "no-store"}


@pytest.mark.parametrize("ttl", [None, 300])
@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (Response(200, {**UNSTORED, "Vary": "*"}), True),
        (Response(404, UNSTORED), True),
        (Response(410, UNSTORED), True),
        (Response(302, UNSTORED | {"Location": "/there"}), True),
        (Response(206, UNSTORED | {"Content-Range": "bytes 0-1/3"}), False),
        (Response(401, UNSTORED), False),
        (Response(429, UNSTORED), False),
        (Response(503, UNSTORED), False),
    ],
    ids=lambda answer: str(getattr(answer, "status", answer)),
)
def test_a_refresh_removes_what_is_known_to_be_out_of_date(answer: Response, gone: bool, ttl: float | None) -> None:
    world = World(ok(), answer, ok(content=b"new"), ttl=ttl)
    world.get()
    world.get({"Cache-Control": "no-cache"})
    assert ("cache: 1 stored invalidated by GET" in world.events()) is gone
    assert world.get().content == (b"new" if gone else b"one")


def test_what_the_store_does_not_remove_is_not_said_to_be_gone() -> None:
    world = World(ok(), Response(200, UNSTORED), failing=["RemoveEntry"])
    world.get()
    assert world.get({"Cache-Control": "no-cache"}).status == 200
    assert "cache: 1 stored invalidated by GET" not in world.events()


@pytest.mark.parametrize("asked", [{"Range": "bytes=0-0"}, {"Cache-Control": "no-cache, no-store"}])
def test_what_was_asked_in_another_way_removes_nothing(asked: dict[str, str]) -> None:
    world = World(ok(), Response(200, UNSTORED))
    world.get()
    world.get({"Cache-Control": "no-cache"} | asked)
    assert len(world.find()) == 1


# What was made invalid while the response was under way (RFC 9111 §4.4).


def change(world: World, target: str = URL, status: int = 204) -> Response:
    twin = World(Response(status), cache=world.cache)
    return twin.send(Request("PUT", target))


@pytest.mark.parametrize("ttl", [None, 60])
@pytest.mark.parametrize("instant", [True, False])
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    ("target", "status", "stored"),
    [(URL, 204, False), (URL, 409, True), (f"{URL}?other", 204, True), (f"{URL}/other", 204, True)],
)
def test_a_response_to_what_changed_meanwhile_is_not_stored(
    target: str, status: int, stored: bool, streams: bool, instant: bool, ttl: float | None
) -> None:
    def answer(request: Request) -> Response:
        change(world, target, status)
        return ok(content=LARGE)

    store = MemoryStore(clock=lambda: START) if instant else None
    world = World(answer, store=store, ttl=ttl, pieces=IN_MEMORY if streams else 0)
    response = world.stream() if streams else world.get()
    assert world.read(response) == LARGE
    assert response.trace is not None
    if stored:
        assert str(response.trace[-1]).startswith("stored: ")
    else:
        assert str(response.trace[-1]) == "not stored: made invalid while it was under way"
    assert (len(world.store) == 1) is stored


def test_a_stream_that_is_read_across_a_change_is_not_stored() -> None:
    store = Noting()
    world = World(ok(content=LARGE), store=store, pieces=IN_MEMORY)
    response = world.stream()
    assert len(world.run(world.piece_of(response))) == IN_MEMORY
    change(world)
    world.read(response)
    assert (store.discarded, world.find()) == (1, [])


@pytest.mark.parametrize("instant", [True, False])
@pytest.mark.parametrize("streams", [True, False])
def test_a_change_while_the_store_is_at_work(streams: bool, instant: bool) -> None:
    """In another thread: what it removes is not there yet, and is when it has gone."""

    class Slow(MemoryStore):
        def save(self, entry: Entry, content: bytes) -> bool:
            change(world)
            return super().save(entry, content)

    store = Slow(clock=lambda: START)
    store.instant = instant
    world = World(ok(content=LARGE), store=store, pieces=IN_MEMORY if streams else 0)
    response = world.stream() if streams else world.get()
    assert world.read(response) == LARGE
    assert response.trace is not None
    assert str(response.trace[-1]) == "not stored: made invalid while it was under way"
    assert "stored" not in str(response.cache_status)
    assert len(store) == 0


def test_a_validation_does_not_bring_back_what_changed_meanwhile() -> None:
    def confirm(request: Request) -> Response:
        change(world)
        return Response(304, {"ETag": '"a"', "Cache-Control": "max-age=60", "Vary": "Accept"})

    world = World(ok("max-age=0", ETag='"a"'), confirm)
    world.get()
    assert len(world.find()) == 1
    assert world.get().content == b"one"
    assert world.find() == []


def test_the_rest_of_a_part_does_not_complete_what_changed_meanwhile() -> None:
    def rest(request: Request) -> Response:
        change(world)
        return partial_content(3, b"def", 6)

    world = World(partial_content(0, b"abc", 6), rest)
    world.get({"Range": "bytes=0-2"})
    assert world.get().content == b"abcdef"
    assert world.find() == []


def test_what_is_asked_for_after_the_change_is_stored() -> None:
    world = World(ok())
    change(world)
    assert [world.get().from_cache, world.get().from_cache] == [False, True]
