"""Forms with files: read back by another implementation, streamed, measured, sent again."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.multipart import encode_multipart, guess_media_type
from trivet.core.http.stream import Stream


def whole(content: bytes | Stream) -> bytes:
    return content if isinstance(content, bytes) else b"".join(content.chunks())


def encode(files: Any, form: Any = None) -> str:
    content, content_type = encode_multipart(files, form, boundary="B")
    assert content_type == "multipart/form-data; boundary=B"
    return whole(content).decode()


def read_back(content: bytes, content_type: str) -> list[Message]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content)
    assert message.is_multipart()
    assert message.defects == []
    return list(message.iter_parts())  # type: ignore[attr-defined]  # the policy makes EmailMessages


def head(name: str, filename: str, media_type: str = "application/octet-stream") -> str:
    return (
        f'--B\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )


class Named(io.BytesIO):
    def __init__(self, data: bytes, name: object) -> None:
        super().__init__(data)
        self.name = name


@pytest.mark.parametrize(
    ("file", "filename", "media_type"),
    [
        (b"x", "doc", "application/octet-stream"),
        (bytearray(b"x"), "doc", "application/octet-stream"),
        (io.BytesIO(b"x"), "doc", "application/octet-stream"),
        (Named(b"x", "/home/ada/photo.png"), "photo.png", "image/png"),
        (Named(b"x", b"photo.png"), "photo.png", "image/png"),
        (Named(b"x", Path("a/photo.png")), "photo.png", "image/png"),
        (Named(b"x", 3), "doc", "application/octet-stream"),
        (Named(b"x", "<stdin>"), "doc", "application/octet-stream"),
        (Named(b"x", ""), "doc", "application/octet-stream"),
        (Named(b"x", None), "doc", "application/octet-stream"),
        (("a.txt", b"x"), "a.txt", "text/plain"),
        (("a.txt", "x"), "a.txt", "text/plain"),
        (("a.txt", b"x", None), "a.txt", "text/plain"),
        (("a.txt", b"x", "text/markdown; charset=utf-8"), "a.txt", "text/markdown; charset=utf-8"),
        (("a.json", Named(b"x", "b.png")), "a.json", "application/json"),
        (["a.txt", b"x"][1:][0], "doc", "application/octet-stream"),
        (lambda: iter([b"x"]), "doc", "application/octet-stream"),
        (iter([b"", b"x"]), "doc", "application/octet-stream"),
    ],
)
def test_files_of_every_kind(file: Any, filename: str, media_type: str) -> None:
    assert encode({"doc": file}) == head("doc", filename, media_type) + "x\r\n--B--\r\n"


def test_fields_come_first_and_everything_in_order() -> None:
    text = encode([("f", b"1"), ("g", [b"2", ("h.txt", b"3")]), ("f", b"4")], {"a": ["x", "y"], "b": 7, "c": None})
    assert re.findall(r'; name="(\w+)"', text) == ["a", "a", "b", "f", "g", "g", "f"]
    assert re.findall(r"^(\w)\r$", text, re.M) == ["x", "y", "7", "1", "2", "3", "4"]


@pytest.mark.parametrize("form", [None, {}, []])
def test_no_fields_and_no_files_is_an_empty_form(form: Any) -> None:
    assert encode({}, form) == "--B--\r\n"


def test_fields_have_no_content_type() -> None:
    assert encode({}, {"a": "é"}) == '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\né\r\n--B--\r\n'


@pytest.mark.parametrize(
    ("name", "escaped"),
    [('a"b', "a%22b"), ("a\r\nb", "a%0D%0Ab"), ("é\\x", "é\\x"), ("100%", "100%"), ("a;b", "a;b")],
)
def test_names_are_escaped_as_browsers_do(name: str, escaped: str) -> None:
    assert encode({name: (name, b"x")}).startswith(head(escaped, escaped))


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet=st.characters(codec="utf-8")))
def test_no_name_can_end_the_head(name: str, filename: str) -> None:
    lines = encode({name: (filename, b"x")}).split("\r\n")
    assert [line.partition(":")[0] for line in lines[:4]] == ["--B", "Content-Disposition", "Content-Type", ""]
    assert lines[4:] == ["x", "--B--", ""]


def test_another_implementation_reads_it() -> None:
    content, content_type = encode_multipart({"doc": ("a.bin", bytes(range(256)))}, {"title": "hello"})
    title, doc = read_back(whole(content), content_type)
    assert title.get_param("name", header="content-disposition") == "title"
    assert title.get_payload(decode=True) == b"hello"
    assert doc.get_filename() == "a.bin"
    assert doc.get_payload(decode=True) == bytes(range(256))


def test_the_boundary_is_random_and_a_token() -> None:
    first, second = (encode_multipart({"a": b"x"})[1] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"multipart/form-data; boundary=[0-9a-f]{32}", first)


# Streaming


def test_what_is_small_and_in_memory_is_joined() -> None:
    content, _ = encode_multipart({"a": b"x" * 1000})
    assert isinstance(content, bytes)


def test_what_is_large_is_not_copied() -> None:
    data = b"x" * 100_000
    content, _ = encode_multipart({"a": data})
    assert isinstance(content, Stream)
    assert (content.replayable, content.blocking) == (True, False)
    assert any(chunk is data for chunk in content.chunks())


def test_files_are_read_while_they_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 200_000)
    with path.open("rb") as file:
        content, _ = encode_multipart({"a": path, "b": file}, {"c": "d"})
        assert isinstance(content, Stream)
        assert (content.replayable, content.blocking) == (True, True)
        assert file.tell() == 0
        first, second = whole(content), whole(content)
        assert first == second
        assert content.length == len(first) > 400_000
        assert max(map(len, content.chunks())) <= 65536


@pytest.mark.parametrize(
    ("file", "length_known", "replayable"),
    [(iter([b"x"]), False, False), (lambda: iter([b"x"]), False, True), ([[b"x"]], True, True)],
)
def test_the_form_is_what_its_files_are(file: Any, length_known: bool, replayable: bool) -> None:
    content, _ = encode_multipart({"a": b"y", "b": file})
    assert isinstance(content, Stream)
    assert (content.length is not None, content.replayable, content.blocking) == (length_known, replayable, False)


def test_leaving_early_closes_the_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    closed = []

    def source() -> Iterator[bytes]:
        try:
            yield b"x"
        finally:
            closed.append(True)

    content, _ = encode_multipart({"a": source, "b": path})
    assert isinstance(content, Stream)
    chunks: Any = content.chunks()
    assert [next(chunks), next(chunks)][1] == b"x"
    chunks.close()
    assert closed == [True]


# What is refused


async def later() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "photo.png"}, r"files\['a'\]: is the string a path or the content\? Give pathlib\.Path"),
        ({"a": later()}, r"files\['a'\]: a file in a form cannot be an asynchronous iterator"),
        ({"a": ("a.txt", later())}, "cannot be an asynchronous iterator"),
        ({"a": (b"a.txt", b"x")}, r"a tuple is \(filename, content\[, media type\]\)"),
        ({"a": ("a.txt",)}, "a tuple is"),
        ({"a": ("a.txt", b"x", "text/plain", {})}, "a tuple is"),
        ({"a": None}, r"files\['a'\]: content cannot be a NoneType"),
        ({"a": Path("missing.txt")}, r"files\['a'\]: cannot read the file 'missing.txt': No such file"),
        ({"a": ("a.txt", b"x", "text/plain\r\nX: y")}, "the media type is not text of printable ASCII"),
        ({"a": ("a.txt", b"x", "é/é")}, "the media type is not text of printable ASCII"),
        ({"a": ("\ud800", b"x")}, "a name in the form is not valid Unicode"),
        ({"a": ("a.txt", b"x", 7)}, "the media type is not text of printable ASCII"),
        (7, "files is a mapping of names to files"),
        ({1: b"x"}, "files is a mapping of names to files"),
        ([b"x"], "files is a mapping of names to files"),
        ([("a", b"x", b"y")], "files is a mapping of names to files"),
    ],
)
def test_what_is_refused(files: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        encode_multipart(files)


@pytest.mark.parametrize(
    ("filename", "media_type"),
    [
        ("a.json", "application/json"),
        ("A.PNG", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a.tar.bz2", "application/octet-stream"),
        ("a.unknown-extension", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_media_types_are_guessed_from_names(filename: str, media_type: str) -> None:
    assert guess_media_type(filename) == media_type
