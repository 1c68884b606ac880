"""What callers may give as content, and how each kind of it is sent."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from trivet.core.errors import InvalidRequest
from trivet.core.http.sources import BLOCK, as_content
from trivet.core.http.stream import Stream


def stream_of(value: Any) -> Stream:
    stream = as_content(value)
    assert isinstance(stream, Stream)
    return stream


def facts(stream: Stream) -> tuple[int | None, bool, bool]:
    return stream.length, stream.replayable, stream.blocking


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (b"ab", b"ab"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"xaby")[1:3], b"ab"),
        ("é", b"\xc3\xa9"),
        ("", b""),
        (b"", b""),
    ],
)
def test_what_is_in_memory_becomes_bytes(value: Any, content: bytes) -> None:
    assert as_content(value) == content
    assert type(as_content(value)) is bytes


def test_a_stream_stays_as_it_is() -> None:
    stream = Stream(list)
    assert as_content(stream) is stream


def test_a_file_is_sent_from_where_it_stands_as_often_as_needed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789" * 20_000)
    with path.open("rb") as file:
        file.seek(5)
        stream = stream_of(file)
        assert facts(stream) == (199_995, True, True)
        assert file.tell() == 5
        first, second = list(stream.chunks()), list(stream.chunks())
        assert max(map(len, first)) == BLOCK
        assert b"".join(first) == b"".join(second) == path.read_bytes()[5:]


@pytest.mark.parametrize("make", [io.BytesIO, lambda data: io.BufferedReader(io.BytesIO(data))])
def test_a_file_in_memory(make: Any) -> None:
    stream = stream_of(make(b"hello"))
    assert facts(stream) == (5, True, True)
    assert list(stream.chunks()) == [b"hello"]


def test_a_spooled_file() -> None:
    with tempfile.SpooledTemporaryFile() as file:
        file.write(b"hello")
        file.seek(1)
        assert list(stream_of(file).chunks()) == [b"ello"]


def test_a_file_that_stands_beyond_its_end() -> None:
    file = io.BytesIO(b"hello")
    file.seek(10)
    assert facts(stream_of(file)) == (0, True, True)
    assert list(stream_of(file).chunks()) == []


def test_a_file_that_grew_is_sent_up_to_its_announced_length() -> None:
    file = io.BytesIO(b"hello")
    stream = stream_of(file)
    file.getbuffer().release()
    file.seek(0, os.SEEK_END)
    file.write(b" and more")
    assert list(stream.chunks()) == [b"hello"]


def test_a_file_that_shrank_is_an_error() -> None:
    file = io.BytesIO(b"hello")
    stream = stream_of(file)
    file.truncate(2)
    with pytest.raises(InvalidRequest, match="the content ended 3 bytes before its Content-Length"):
        list(stream.chunks())


class OnlyRead:
    """The least that a file can be."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class Boastful(OnlyRead):
    """It says that it can seek, as some sockets and archives do."""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        raise OSError("cannot")


class NotSeekable(OnlyRead):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", [OnlyRead, Boastful, NotSeekable])
def test_a_file_that_cannot_seek_is_sent_once(kind: Any) -> None:
    stream = stream_of(kind(b"hello"))
    assert facts(stream) == (None, False, True)
    assert list(stream.chunks()) == [b"hello"]


def test_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"hello")
    os.close(writer)
    with open(reader, "rb") as file:
        stream = stream_of(file)
        assert facts(stream) == (None, False, True)
        assert list(stream.chunks()) == [b"hello"]


def test_a_file_in_text_mode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("x")
    with path.open() as file, pytest.raises(InvalidRequest, match="must be opened in binary mode"):
        as_content(file)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidRequest, match="binary mode"):
        as_content(io.StringIO("x"))  # type: ignore[arg-type]  # that is the point


def test_a_closed_file_is_refused() -> None:
    file = io.BytesIO(b"x")
    file.close()
    with pytest.raises(InvalidRequest, match="is closed"):
        as_content(file)


def test_a_path_is_opened_when_it_is_sent_and_closed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"hello")
    stream = stream_of(path)
    assert facts(stream) == (5, True, True)
    path.write_bytes(b"HELLO")
    assert list(stream.chunks()) == list(stream.chunks()) == [b"HELLO"]
    chunks: Any = stream.chunks()
    assert next(chunks) == b"HELLO"
    chunks.close()  # an open file would be a ResourceWarning, which is an error here


@pytest.mark.parametrize(("name", "message"), [("missing", "No such file or directory"), (".", "it is a directory")])
def test_a_path_that_cannot_be_read_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        as_content(tmp_path / name)


def test_a_path_that_is_no_ordinary_file_has_no_length(tmp_path: Path) -> None:
    assert stream_of(Path(os.devnull)).length is None
    assert list(stream_of(Path(os.devnull)).chunks()) == []


@pytest.mark.parametrize(
    ("chunks", "length"),
    [([b"ab", b"", b"c"], 3), ((b"ab", bytearray(b"c")), 3), ([], 0), ([memoryview(b"abc")], None)],
)
def test_a_list_of_bytes_can_be_sent_again(chunks: Any, length: int | None) -> None:
    stream = stream_of(chunks)
    assert facts(stream) == (length, True, False)
    assert b"".join(stream.chunks()) == b"".join(stream.chunks()) == b"".join(map(bytes, chunks))


def test_a_list_that_changes_later_is_sent_as_it_was() -> None:
    chunks = [b"a"]
    stream = stream_of(chunks)
    chunks.append(b"b")
    assert list(stream.chunks()) == [b"a"]


def generate() -> Iterator[bytes]:
    yield b"ab"
    yield b"c"


async def generate_later() -> AsyncIterator[bytes]:
    yield b"ab"


@pytest.mark.parametrize("value", [generate(), iter([b"ab", b"c"]), map(bytes, [b"ab", b"c"]), {b"abc": 1}.keys()])
def test_an_iterator_is_sent_once(value: Any) -> None:
    stream = stream_of(value)
    assert facts(stream) == (None, False, False)
    assert b"".join(stream.chunks()) == b"abc"


def test_a_callable_that_makes_iterators_can_be_sent_again() -> None:
    stream = stream_of(generate)
    assert facts(stream) == (None, True, False)
    assert list(stream.chunks()) == list(stream.chunks()) == [b"ab", b"c"]


class AsyncFile:
    """Like the files of trio and anyio: its lines are iterated, its read() must be awaited."""

    async def read(self) -> bytes:
        raise AssertionError("nobody awaits this")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return generate_later()


@pytest.mark.parametrize("value", [AsyncFile(), generate_later])
def test_asynchronous_content(value: Any) -> None:
    stream = stream_of(value)
    assert (stream.length, stream.blocking) == (None, False)
    assert isinstance(stream.open(), AsyncIterator)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": b"b"}, "content cannot be a dict; give json= for JSON and form= for a form"),
        (7, "content cannot be a int; give json= for JSON and form= for a form"),
        (object(), "content cannot be a object: it is bytes, str, a binary file, a path, an iterator of bytes"),
        ("\ud800", "the text is not valid Unicode: it has a lone surrogate"),
    ],
)
def test_what_cannot_be_content(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        as_content(value)
