"""Request content in the two shapes that httpcore takes it: an iterable, or an asynchronous iterable.

They are classes with explicit ends rather than generators: httpcore abandons the content when the server
answers early, and an abandoned asynchronous generator is finalised late, with a warning, or never.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from trivet.core.http.stream import Stream
from trivet.transports.content import ContentFailed, close_chunks, close_chunks_async, next_chunk, next_chunk_async
from trivet.transports.runtime import run_in_thread


class SyncContent:
    """The content of one request, for a synchronous pool."""

    __slots__ = ("_chunks", "_content")

    def __init__(self, content: bytes | Stream) -> None:
        self._content = content
        self._chunks: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[bytes]:
        # Called again when the connection that the pool chose turned out to be gone.
        content = self._content
        if isinstance(content, bytes):
            return iter((content,))
        self.close()
        try:
            self._chunks = content.chunks()
        except Exception as error:
            raise ContentFailed(error) from error
        return self

    def __next__(self) -> bytes:
        chunk = next_chunk(self._chunks)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let the source release what it holds."""
        close_chunks(self._chunks)


class AsyncContent:
    """The content of one request, for an asynchronous pool. What may block is produced in a worker thread."""

    __slots__ = ("_asynchronous", "_blocking", "_chunks", "_content")

    def __init__(self, content: bytes | Stream) -> None:
        self._content = content
        self._asynchronous = False
        self._blocking = not isinstance(content, bytes) and content.blocking
        self._chunks: Any = iter(())

    def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._content
        if isinstance(content, bytes):
            self._chunks = iter((content,))
            return self
        try:
            self._chunks = content.open()
        except Exception as error:
            raise ContentFailed(error) from error
        self._asynchronous = isinstance(self._chunks, AsyncIterator)
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes | None
        if self._asynchronous:
            chunk = await next_chunk_async(self._chunks)
        elif self._blocking:
            chunk = await run_in_thread(next_chunk, self._chunks)
        else:
            chunk = next_chunk(self._chunks)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Let the source release what it holds."""
        await close_chunks_async(self._chunks)
