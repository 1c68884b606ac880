"""Content produced while it is sent: opened as often as it may be, checked as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.stream import Stream


class AsyncSource:
    """An asynchronous iterator that notes when it is closed."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = iter(chunks)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def collect(chunks: Iterator[bytes] | AsyncIterator[bytes]) -> list[bytes]:
    """What either kind of iterator yields."""
    if isinstance(chunks, AsyncIterator):

        async def run() -> list[bytes]:
            return [chunk async for chunk in chunks]

        return asyncio.run(run())
    return list(chunks)


KINDS: list[Callable[[Iterable[Any]], Any]] = [iter, AsyncSource]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["sync", "async"])


@each_kind
@given(chunks=st.lists(st.binary(max_size=5)))
def test_the_chunks_come_as_they_are_but_for_empty_ones(kind: Callable[..., Any], chunks: list[bytes]) -> None:
    for length in (None, sum(map(len, chunks))):
        assert collect(Stream(lambda: kind(chunks), length=length).open()) == [chunk for chunk in chunks if chunk]


@each_kind
@pytest.mark.parametrize("chunk", [bytearray(b"ab"), memoryview(b"ab")])
def test_whatever_is_like_bytes_becomes_bytes(kind: Callable[..., Any], chunk: object) -> None:
    (data,) = collect(Stream(lambda: kind([chunk])).open())
    assert type(data) is bytes
    assert data == b"ab"


@each_kind
@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        ("text", "content must come in chunks of bytes, not str; open files in binary mode and encode text"),
        (7, "content must come in chunks of bytes, not int"),
        (None, "content must come in chunks of bytes, not NoneType"),
    ],
)
def test_other_chunks_are_refused(kind: Callable[..., Any], chunk: object, message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}$"):
        collect(Stream(lambda: kind([b"a", chunk])).open())


@each_kind
@pytest.mark.parametrize(
    ("length", "message"),
    [(2, "longer than its Content-Length"), (4, "ended 1 bytes before"), (0, "longer"), (100, "ended 97 bytes before")],
)
def test_another_length_than_promised_is_an_error(kind: Callable[..., Any], length: int, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        collect(Stream(lambda: kind([b"ab", b"c"]), length=length).open())


def test_a_replayable_stream_opens_again() -> None:
    stream = Stream(lambda: iter([b"a"]), replayable=True)
    assert list(stream.chunks()) == list(stream.chunks()) == [b"a"]


@pytest.mark.parametrize("open_", [Stream.open, Stream.chunks])
def test_a_one_shot_stream_opens_once(open_: Callable[[Stream], object]) -> None:
    stream = Stream(lambda: iter([b"a"]))
    open_(stream)
    with pytest.raises(InvalidRequest, match="can be produced only once and has been"):
        open_(stream)


def test_an_asynchronous_source_is_not_for_a_synchronous_sender() -> None:
    with pytest.raises(InvalidRequest, match="^asynchronous content needs AsyncClient$"):
        Stream(lambda: AsyncSource([b"a"])).chunks()


@pytest.mark.parametrize("source", [None, 7, object()])
def test_a_callable_that_returns_no_iterator(source: Any) -> None:
    with pytest.raises(InvalidRequest, match="a callable given as content must return an iterator, not"):
        Stream(lambda: source).open()


def test_closing_early_closes_the_source() -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    chunks: Any = Stream(source).open()
    assert next(chunks) == b"a"
    chunks.close()
    assert closed == [True]
    assert list(chunks) == []


def test_closing_early_closes_an_asynchronous_source() -> None:
    source = AsyncSource([b"a", b"b"])

    async def run() -> None:
        chunks: Any = Stream(lambda: source).open()
        assert await anext(chunks) == b"a"
        await chunks.aclose()

    asyncio.run(run())
    assert source.closed


def test_closing_a_source_that_cannot_be_closed() -> None:
    class Endless:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self  # type: ignore[return-value]  # __anext__ is not needed here

    chunks: Any = Stream(Endless).open()  # type: ignore[arg-type]  # see above
    asyncio.run(chunks.aclose())
    sync: Any = Stream(lambda: [b"a"]).open()
    assert next(sync) == b"a"
    sync.close()


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (Stream(list), "<Stream of unknown length>"),
        (Stream(list, length=5), "<Stream of 5 bytes>"),
        (Stream(list, length=5, replayable=True, blocking=True), "<Stream of 5 bytes, replayable>"),
    ],
)
def test_the_repr_says_how_it_can_be_sent(stream: Stream, text: str) -> None:
    assert repr(stream) == text
