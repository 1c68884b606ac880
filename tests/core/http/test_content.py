"""One content per request, and the Content-Type that goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from trivet.core.errors import InvalidRequest
from trivet.core.http.content import Stream, encode_body


@pytest.mark.parametrize(
    ("given", "content", "content_type"),
    [
        ({}, b"", None),
        ({"json": {"a": 1}}, b'{"a":1}', "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"json": ""}, b'""', "application/json"),
        ({"form": {"a": "b c"}}, b"a=b+c", "application/x-www-form-urlencoded"),
        ({"form": {}}, b"", "application/x-www-form-urlencoded"),
        ({"content": b"ab"}, b"ab", None),
        ({"content": b""}, b"", None),
        ({"content": "é"}, b"\xc3\xa9", "text/plain; charset=utf-8"),
    ],
)
def test_encoding(given: dict[str, Any], content: bytes, content_type: str | None) -> None:
    assert encode_body(**given) == (content, content_type)


def test_an_iterator_becomes_a_stream() -> None:
    content, content_type = encode_body(content=iter([b"ab"]))
    assert isinstance(content, Stream)
    assert content_type is None


@pytest.mark.parametrize("form", [None, {"a": "b"}])
def test_files_with_and_without_fields(form: Any) -> None:
    content, content_type = encode_body(files={"f": b"x"}, form=form)
    assert isinstance(content, bytes)
    assert content_type is not None
    assert content_type.startswith("multipart/form-data; boundary=")
    assert (b'name="a"' in content) is (form is not None)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"json": None, "content": b""}, "json= and content="),
        ({"json": 1, "form": {}}, "json= and form="),
        ({"content": b"", "files": {}}, "content= and files="),
        ({"json": 1, "form": {}, "content": b"", "files": {}}, "json= and form= and content= and files="),
    ],
)
def test_more_than_one_content_is_refused(given: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^a request has one content, and {names} were given$"):
        encode_body(**given)
