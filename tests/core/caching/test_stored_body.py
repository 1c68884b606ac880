"""Bodies that are stored while they are read, and bodies that are read from a store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import pytest

from core.caching.world import START, BlockingStore, PieceByPiece, World, memory
from trivet.core.caching.actions import OpenWriter, WriteContent
from trivet.core.caching.entry import Entry
from trivet.core.caching.store import Store
from trivet.core.caching.stored import Stored
from trivet.core.caching.stored_body import IN_MEMORY, PIECE, StoredBody, StoringBody, discard
from trivet.core.errors import ReadError
from trivet.core.exchange.flow import Flow
from trivet.stores.memory import MemoryStore, MemoryWriter

CONTENT = bytes(range(256)) * 1025  # more than is held in memory
LARGE = len(CONTENT)
BROKEN = ReadError("the connection broke", sent=True)


class Outcome:
    """What became of the content of a body, read piece by piece."""

    def __init__(self, *pieces: bytes | Exception, store: Store | None = None, failing: Sequence[str] = ()) -> None:
        self.world = World(store=store, failing=failing)
        self.kept: list[tuple[Any, int, int]] = []
        self.forgone: list[str] = []
        handle = object()
        self.world.open[handle] = deque(pieces)
        self.handle = handle
        self.body = StoringBody(handle, self.world.store, self._keep, self.forgone.append)

    def _keep(self, content: Any, size: int, crc: int) -> Flow[None]:
        yield from ()
        self.kept.append((content, size, crc))

    def read(self) -> bytes:
        return self.world.run(self.body.read(float("inf")))

    def read_all(self) -> bytes:
        return b"".join(iter(self.read, b""))


# While it is stored.


def test_content_is_kept_at_its_end_and_not_before() -> None:
    outcome = Outcome(b"on", b"e")
    assert [outcome.read(), outcome.read(), outcome.kept] == [b"on", b"e", []]
    assert outcome.body.handle is outcome.handle
    assert (outcome.read(), outcome.body.handle) == (b"", None)
    assert outcome.kept == [(b"one", 3, crc32(b"one"))]
    assert (outcome.forgone, outcome.world.performed) == ([], [])


def test_what_is_empty_is_kept_too() -> None:
    outcome = Outcome()
    assert (outcome.read_all(), outcome.kept) == (b"", [(b"", 0, 0)])


def test_large_content_goes_to_the_store_piece_by_piece() -> None:
    outcome = Outcome(CONTENT[:5], CONTENT[5:-5], CONTENT[-5:])
    assert outcome.read() == CONTENT[:5]
    assert outcome.world.performed == []
    assert outcome.read_all() == CONTENT[5:]
    ((writer, size, crc),) = outcome.kept
    assert outcome.world.performed == [OpenWriter.__name__, WriteContent.__name__, WriteContent.__name__]
    assert (size, crc) == (LARGE, crc32(CONTENT))
    entry = Entry("k", "GET", "", 200, "", "", (), (), START, START, START + 60, size, crc)
    assert writer.commit(entry)
    assert [each.content for each in outcome.world.store.find("k")] == [CONTENT]


@pytest.mark.parametrize(("size", "written"), [(IN_MEMORY, False), (IN_MEMORY + 1, True)])
def test_how_much_is_held_memory(size: int, written: bool) -> None:
    outcome = Outcome(bytes(size))
    assert len(outcome.read_all()) == size
    assert isinstance(outcome.kept[0][0], MemoryWriter) is written


@pytest.mark.parametrize("pieces", [(b"one",), (CONTENT,)])
def test_what_is_abandoned_is_not_kept(pieces: tuple[bytes, ...]) -> None:
    outcome = Outcome(*pieces, b"more")
    outcome.read()
    assert [outcome.body.release(), outcome.body.release()] == [outcome.handle, None]
    assert (outcome.kept, outcome.forgone) == ([], ["not stored: its content was not read to the end"])


@pytest.mark.parametrize("pieces", [(b"one",), (CONTENT,)])
def test_what_breaks_off_is_not_kept(pieces: tuple[bytes, ...]) -> None:
    outcome = Outcome(*pieces, BROKEN)
    outcome.read()
    with pytest.raises(ReadError) as caught:
        outcome.read()
    assert caught.value is BROKEN
    assert (outcome.kept, outcome.forgone) == ([], ["not stored: its content broke off"])
    # Nothing is left to be released, so nothing is to be closed twice.
    assert (outcome.body.release(), outcome.body.handle) == (None, None)
    assert len(outcome.forgone) == 1


def test_after_its_end_there_is_nothing_to_release() -> None:
    outcome = Outcome(b"one")
    outcome.read_all()
    assert (outcome.body.release(), outcome.forgone) == (None, [])


@pytest.mark.parametrize("pieces", [[b"12345"], [b"1234", b"5"]])
def test_what_is_too_large_for_the_store_is_handed_on_all_the_same(pieces: list[bytes]) -> None:
    outcome = Outcome(*pieces, b"6", store=memory(16))
    assert outcome.read_all() == b"123456"
    assert (outcome.kept, outcome.forgone) == ([], ["not stored: it is too large for the store"])


def test_what_is_just_large_enough_for_the_store_is_kept() -> None:
    outcome = Outcome(b"123", b"4", store=memory(16))
    assert outcome.read_all() == b"1234"
    assert [content for content, _, _ in outcome.kept] == [b"1234"]


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (["OpenWriter"], "not stored: the store failed with OSError"),
        (["WriteContent"], "not stored: the store failed with OSError"),
    ],
)
def test_a_store_that_fails_costs_nobody_the_content(failing: list[str], reason: str) -> None:
    outcome = Outcome(CONTENT, b"more", failing=failing)
    assert outcome.read_all() == CONTENT + b"more"
    assert (outcome.kept, outcome.forgone) == ([], [reason])


class Reluctant(BlockingStore):
    """Has had enough after the first piece, and does not even take leave properly."""

    def writer(self) -> Any:
        return ReluctantWriter(self)


class ReluctantWriter(MemoryWriter):
    def write(self, piece: bytes) -> bool:
        return False

    def discard(self) -> None:
        raise OSError("s3cret: cannot forget")


def test_a_store_that_wants_no_more_gets_no_more() -> None:
    outcome = Outcome(CONTENT, b"more", store=Reluctant())
    assert outcome.read_all() == CONTENT + b"more"
    assert outcome.world.performed == [OpenWriter.__name__, WriteContent.__name__]
    assert (outcome.kept, outcome.forgone) == ([], ["not stored: the store did not take it"])


@pytest.mark.parametrize("content", [None, b"", b"one", ReluctantWriter(MemoryStore())])
def test_to_discard_never_fails(content: Any) -> None:
    discard(content)


def test_to_discard_a_writer_forgets_what_was_written() -> None:
    writer = MemoryStore().writer()
    assert writer.write(b"one")
    discard(writer)
    assert not writer.write(b"two")


# What is read from a store.


def stored(content: bytes, store: MemoryStore, *, coded: bool = False) -> Stored:
    """Save the content; what the store then has to say of it."""
    entry = Entry(
        "k", "GET", "https://a.example/", 200, "", "", (), (), START, START, START + 60, len(content), crc32(content)
    )
    assert store.save(entry._replace(coded=coded), content)
    (found,) = store.find("k")
    return found


def pieces(body: StoredBody, world: World) -> list[bytes]:
    return list(iter(lambda: world.run(body.read(float("inf"))), b""))


@pytest.mark.parametrize("make_store", [memory, PieceByPiece])
@pytest.mark.parametrize("content", [b"", b"one", CONTENT, bytes(2 * PIECE), bytes(PIECE + 1)], ids=len)
def test_stored_content_comes_in_pieces(make_store: Callable[[], MemoryStore], content: bytes) -> None:
    store = make_store()
    world, found = World(store=store), stored(content, store)
    read = pieces(StoredBody(found, store), world)
    assert b"".join(read) == content
    assert all(len(piece) == PIECE for piece in read[:-1])
    assert world.performed == ["ReadContent"] * (len(read) if found.content is None else 0)


@pytest.mark.parametrize("make_store", [memory, PieceByPiece])
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (5, 9), (PIECE - 1, LARGE - 1), (0, LARGE), (7, LARGE), (3, 3)])
def test_a_part_of_it(make_store: Callable[[], MemoryStore], start: int, stop: int) -> None:
    store = make_store()
    body = StoredBody(stored(CONTENT, store), store, start, stop)
    assert b"".join(pieces(body, World(store=store))) == CONTENT[start:stop]


@pytest.mark.parametrize("coded", [True, False])
def test_whether_its_content_codings_are_removed(coded: bool) -> None:
    store = memory()
    body = StoredBody(stored(b"one", store, coded=coded), store)
    assert (body.decoded, body.release(), body.handle) == (not coded, None, None)


def altered(data: bytes) -> bytes:
    return b"x" + data[1:]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: None, "the stored content was removed while it was read"),
        (lambda data: b"", "the stored content was removed while it was read"),
        (altered, "the stored content is damaged"),
    ],
)
def test_content_that_is_gone_or_damaged_is_an_error_and_removed(damage: Any, message: str) -> None:
    store = PieceByPiece(damage=damage)
    body, world = StoredBody(stored(b"one", store), store), World(store=store)
    with pytest.raises(ReadError) as caught:
        pieces(body, world)
    assert (caught.value.message, caught.value.sent) == (message, False)
    assert world.performed == ["ReadContent", "RemoveEntry"]
    assert len(store) == 0


def test_damaged_content_memory_is_found_out_as_well() -> None:
    store = memory()
    found = stored(b"one", store)
    with pytest.raises(ReadError, match="damaged"):
        pieces(StoredBody(Stored(found.entry, b"two"), store), World(store=store))


def test_of_a_part_nobody_can_tell() -> None:
    store = PieceByPiece(damage=altered)
    assert pieces(StoredBody(stored(b"one", store), store, 1, 3), World(store=store)) == [b"xe"]


@pytest.mark.parametrize(
    ("damage", "failing", "message"),
    [
        (lambda data: data, ["ReadContent"], "the store failed with OSError"),
        (altered, ["RemoveEntry"], "the stored content is damaged"),
    ],
)
def test_a_store_that_fails_shows_nothing_of_its_own(damage: Any, failing: list[str], message: str) -> None:
    store = PieceByPiece(damage=damage)
    body = StoredBody(stored(b"one", store), store)
    with pytest.raises(ReadError) as caught:
        pieces(body, World(store=store, failing=failing))
    assert (caught.value.message, caught.value.sent) == (message, False)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, message.startswith("the store failed"))
