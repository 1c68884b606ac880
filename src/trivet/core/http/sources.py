"""What callers give as content: bytes, text, files, paths, iterators, and callables that make iterators."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, TypeAlias

from trivet.core.errors import InvalidRequest
from trivet.core.http.kinds import ARRAY, BYTES
from trivet.core.http.stream import Source, Stream

BLOCK: Final = 65536
PATH: Any = os.PathLike  # see `kinds`

Bytes: TypeAlias = bytes | bytearray | memoryview
ContentInput: TypeAlias = Bytes | str | IO[bytes] | os.PathLike[str] | Source | Callable[[], Source] | Stream
"""What ``content=`` takes."""


def as_content(value: ContentInput) -> bytes | Stream:
    """The content as bytes or as a `Stream`.

    - bytes, bytearray, memoryview, and str as UTF-8;
    - a binary file: sent from where it stands; if it can seek, its length is known and it can be sent again;
    - a path: opened when it is sent, and closed afterwards;
    - a list or tuple of bytes, and a callable that returns an iterator: can be sent again;
    - any other iterator, synchronous or asynchronous: can be sent once.

    Raises `InvalidRequest` for anything else, for a file in text mode, and for a path that cannot be read.
    """
    if isinstance(value, bytes | Stream):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest("the text is not valid Unicode: it has a lone surrogate") from error
    return _other_content(value)


def _other_content(value: Any) -> bytes | Stream:
    if isinstance(value, BYTES):
        return bytes(value)
    if isinstance(value, PATH):
        return _path(os.fsdecode(value))
    # An asynchronous file has a read() too, but not one that gives bytes.
    if hasattr(value, "__aiter__"):
        return Stream(lambda: value)
    if hasattr(value, "read"):
        return _file(value)
    if isinstance(value, ARRAY):
        chunks = tuple(value)
        sizes = [len(chunk) for chunk in chunks if isinstance(chunk, bytes | bytearray)]
        length = sum(sizes) if len(sizes) == len(chunks) else None
        return Stream(lambda: chunks, length=length, replayable=True)
    if hasattr(value, "keys") or isinstance(value, int | float):
        raise InvalidRequest(f"content cannot be {_name(value)}; give json= for JSON and form= for a form")
    if hasattr(value, "__iter__"):
        return Stream(lambda: value)
    if hasattr(value, "__call__"):  # noqa: B004  # callable() would narrow it to a function of unknown result
        return Stream(value, replayable=True)
    raise InvalidRequest(
        f"content cannot be {_name(value)}: it is bytes, str, a binary file, a path, an iterator of bytes, "
        "or a callable that returns one"
    )


def _file(file: IO[bytes]) -> Stream:
    if hasattr(file, "encoding") and hasattr(file, "errors"):
        raise InvalidRequest('a file given as content must be opened in binary mode: open(…, "rb")')
    if getattr(file, "closed", False):
        raise InvalidRequest("the file given as content is closed")
    start = length = None
    try:
        if file.seekable():
            start = file.tell()
            length = max(file.seek(0, os.SEEK_END) - start, 0)
            file.seek(start)
    except (AttributeError, OSError, ValueError):
        # An object with no more than read(), or one that promised to seek and cannot.
        start = length = None

    def blocks() -> Source:
        if start is not None:
            file.seek(start)
        return _read(file, length)

    return Stream(blocks, length=length, replayable=start is not None, blocking=True)


def _path(path: str) -> Stream:
    from stat import S_ISDIR, S_ISREG

    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidRequest(f"cannot read the file {path!r}: {error.strerror}") from error
    if S_ISDIR(status.st_mode):
        raise InvalidRequest(f"cannot send {path!r}: it is a directory")
    length = status.st_size if S_ISREG(status.st_mode) else None

    def blocks() -> Iterator[bytes]:
        with open(path, "rb") as file:
            yield from _read(file, length)

    return Stream(blocks, length=length, replayable=True, blocking=True)


def _read(file: IO[bytes], length: int | None) -> Iterator[bytes]:
    """Blocks of the file; no more than the length that was announced, should it have grown since."""
    left = BLOCK if length is None else length
    while left > 0 and (block := file.read(min(left, BLOCK))):
        yield block
        if length is not None:
            left -= len(block)


def _name(value: object) -> str:
    return f"a {type(value).__name__}"
