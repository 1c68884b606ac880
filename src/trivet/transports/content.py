"""Producing the content of a request while it is sent, and telling its failures from those of the connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any


class ContentFailed(Exception):
    """The user's own code, which produces the content or hears of interim responses, raised ``error``.

    Wrapped so, it gets through the transport unharmed, whatever class it has: an OSError of a file would be taken for
    one of the connection.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    """The next chunk; None at the end, since StopIteration passes through no coroutine."""
    try:
        return next(chunks, None)
    except Exception as error:
        raise ContentFailed(error) from error


async def next_chunk_async(chunks: Any) -> bytes | None:
    """`next_chunk` for an asynchronous iterator."""
    try:
        chunk: bytes | None = await anext(chunks, None)
    except Exception as error:
        raise ContentFailed(error) from error
    return chunk


def close_chunks(chunks: Any) -> None:
    """Let the source release what it holds."""
    close = getattr(chunks, "close", None)
    if close is not None:
        # What became of the request is known by now, and a source that fails when it is let go does not change
        # it. ValueError: a cancelled worker thread still runs the generator, which ends with the thread.
        with suppress(Exception):
            close()


async def close_chunks_async(chunks: Any) -> None:
    """`close_chunks` for an iterator of either kind."""
    close = getattr(chunks, "aclose", None)
    if close is None:
        close_chunks(chunks)
    else:
        with suppress(Exception):  # see `close_chunks`
            await close()
