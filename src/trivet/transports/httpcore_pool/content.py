"""Request content in the two shapes that httpcore takes it: an iterable, or an asynchronous iterable.

They are classes with explicit ends rather than generators: httpcore abandons the content when the server
answers early, and an abandoned asynchronous generator is finalised late, with a warning, or never.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from trivet.core.http.stream import Stream
from trivet.transports.runtime import run_in_thread


class ContentFailed(Exception):
    """The content raised ``error`` while it was produced.

    Wrapped so, it gets through httpcore unharmed whatever class it has: httpcore takes some for its own.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


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
        chunk = _pull(self._chunks)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let the source release what it holds."""
        _close(self._chunks)


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
            try:
                chunk = await anext(self._chunks, None)
            except Exception as error:
                raise ContentFailed(error) from error
        elif self._blocking:
            chunk = await run_in_thread(_pull, self._chunks)
        else:
            chunk = _pull(self._chunks)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Let the source release what it holds."""
        if self._asynchronous:
            with suppress(Exception):  # see `_close`
                await self._chunks.aclose()
        else:
            _close(self._chunks)


def _pull(chunks: Iterator[bytes]) -> bytes | None:
    """The next chunk; None at the end, since StopIteration passes through no coroutine."""
    try:
        return next(chunks, None)
    except Exception as error:
        raise ContentFailed(error) from error


def _close(chunks: Any) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        # What became of the request is known by now, and a source that fails when it is let go does not change
        # it. ValueError: a cancelled worker thread still runs the generator, which ends with the thread.
        with suppress(Exception):
            close()
