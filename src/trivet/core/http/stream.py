"""A request body that is produced while it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from trivet.core.errors import InvalidRequest
from trivet.core.http.kinds import BYTES

Source: TypeAlias = Iterable[bytes] | AsyncIterable[bytes]


class Stream:
    """Content that is not in memory as a whole: a file, an iterator, a multipart form with files.

    ``source`` is called without arguments each time the content is sent and returns its chunks.

    ``length``: size in bytes, sent as Content-Length; None if it is not known, which is sent in chunks
    (RFC 9112 §7.1). A source that turns out to be of another length is an `InvalidRequest`.

    ``replayable``: whether ``source`` can be called again, for a retry or a redirect.

    ``blocking``: whether producing a chunk reads a file. An asynchronous driver then asks for chunks in a
    worker thread.

    >>> stream = Stream(lambda: iter([b"a,b\\n", b"1,2\\n"]), length=8, replayable=True)
    >>> list(stream.chunks())
    [b'a,b\\n', b'1,2\\n']
    """

    __slots__ = ("_opened", "_source", "blocking", "length", "replayable")

    def __init__(
        self,
        source: Callable[[], Source],
        *,
        length: int | None = None,
        replayable: bool = False,
        blocking: bool = False,
    ) -> None:
        self._source = source
        self._opened = False
        self.length = length
        self.replayable = replayable
        self.blocking = blocking

    def open(self) -> Iterator[bytes] | AsyncIterator[bytes]:
        """Begin to produce the content. Chunks are never empty; empty ones of the source are left out.

        The iterator has ``close()``, or ``aclose()`` if it is asynchronous, which releases what the source
        holds; a sender calls it when it is done, also after a failure.

        Raises `InvalidRequest` if the content can be produced only once and has been, if the source yields
        something else than bytes, or if it does not keep to ``length``.
        """
        if self._opened and not self.replayable:
            raise InvalidRequest(
                "the content can be produced only once and has been; give bytes, a file, or a callable that "
                "returns a new iterator"
            )
        self._opened = True
        source: Any = self._source()
        if hasattr(source, "__aiter__"):
            return _AsyncChunks(source, self.length)
        if not hasattr(source, "__iter__"):
            raise InvalidRequest(f"a callable given as content must return an iterator, not {_name(source)}")
        return _chunks(source, self.length)

    def chunks(self) -> Iterator[bytes]:
        """Like `open`, for senders that cannot await: `InvalidRequest` if the source is asynchronous."""
        chunks = self.open()
        if isinstance(chunks, _AsyncChunks):
            raise InvalidRequest("asynchronous content needs AsyncClient")
        return cast("Iterator[bytes]", chunks)  # nothing else is left

    def __repr__(self) -> str:
        length = "unknown length" if self.length is None else f"{self.length} bytes"
        return f"<Stream of {length}{', replayable' if self.replayable else ''}>"


class _Meter:
    """Checks the chunks of a stream against what was promised."""

    __slots__ = ("_left",)

    def __init__(self, length: int | None) -> None:
        self._left = length

    def check(self, chunk: bytes) -> bytes:
        if type(chunk) is not bytes:
            chunk = _as_bytes(chunk)
        if self._left is not None:
            # A body longer or shorter than its Content-Length would corrupt the connection (RFC 9110 §8.6).
            self._left -= len(chunk)
            if self._left < 0:
                raise InvalidRequest("the content is longer than its Content-Length")
        return chunk

    def finish(self) -> None:
        if self._left:
            raise InvalidRequest(f"the content ended {self._left} bytes before its Content-Length")


def _chunks(source: Iterable[bytes], length: int | None) -> Iterator[bytes]:
    meter = _Meter(length)
    iterator = iter(source)
    try:
        for chunk in iterator:
            if data := meter.check(chunk):
                yield data
        meter.finish()
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class _AsyncChunks(AsyncIterator[bytes]):
    """`_chunks` for an asynchronous source; a class, because an asynchronous generator would need a running
    event loop to be finalised."""

    __slots__ = ("_iterator", "_meter")

    def __init__(self, source: AsyncIterable[bytes], length: int | None) -> None:
        self._iterator = source.__aiter__()
        self._meter = _Meter(length)

    async def __anext__(self) -> bytes:
        async for chunk in self._iterator:
            if data := self._meter.check(chunk):
                return data
        self._meter.finish()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


def _as_bytes(chunk: Any) -> bytes:
    if isinstance(chunk, BYTES):
        return bytes(chunk)
    hint = "; open files in binary mode and encode text" if isinstance(chunk, str) else ""
    raise InvalidRequest(f"content must come in chunks of bytes, not {_name(chunk)}{hint}")


def _name(value: object) -> str:
    return type(value).__name__
