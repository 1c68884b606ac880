"""Media types and the charset of text: never an exception, whatever a server sends."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.headers import Headers
from trivet.core.http.media_type import (
    MediaType,
    bom_encoding,
    content_type,
    decode_text,
    media_type_of,
    parse_media_type,
)


@pytest.mark.parametrize(
    ("value", "essence", "params"),
    [
        ("text/html", "text/html", {}),
        ("Text/HTML", "text/html", {}),
        ("  text/html ; charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('text/html;CHARSET="utf-8"', "text/html", {"charset": "utf-8"}),
        ('text/html; a="x;y, \\"z\\" \\\\"; b=c', "text/html", {"a": 'x;y, "z" \\', "b": "c"}),
        ("text/html; charset = utf-8", "text/html", {"charset": "utf-8"}),
        ("text/html; charset=utf-8; charset=latin-1", "text/html", {"charset": "utf-8"}),
        ("text/html;;; ;charset=utf-8", "text/html", {"charset": "utf-8"}),
        ("text/html; charset", "text/html", {}),
        ("text/html; charset=", "text/html", {"charset": ""}),
        ('text/html; charset="utf-8', "text/html", {"charset": "utf-8"}),
        ("text/html, text/plain; charset=x", "text/html", {"charset": "x"}),
        ("application/vnd.api+json", "application/vnd.api+json", {}),
        ("", "", {}),
        (None, "", {}),
        ("html", "", {}),
        ("/", "", {}),
        ("text/", "", {}),
        (";charset=utf-8", "", {}),
        ("\xe9/\xe9", "", {}),
    ],
)
def test_parsing(value: str | None, essence: str, params: dict[str, str]) -> None:
    media_type = parse_media_type(value)
    assert (media_type.essence, dict(media_type.params)) == (essence, params)


@given(st.text() | st.text(alphabet='a/;=" \\,charset'))
def test_parsing_never_raises(value: str) -> None:
    assert isinstance(parse_media_type(value), MediaType)


@pytest.mark.parametrize(
    ("value", "is_json"),
    [
        ("application/json", True),
        ("APPLICATION/JSON; charset=utf-8", True),
        ("text/json", True),
        ("application/problem+json", True),
        ("application/jsonp", False),
        ("application/x-ndjson", False),
        ("text/html", False),
        (None, False),
    ],
)
def test_what_is_json(value: str | None, is_json: bool) -> None:
    assert parse_media_type(value).is_json is is_json


def test_reading_the_field() -> None:
    headers = Headers({"content-type": "Text/HTML; Charset=ISO-8859-1"})
    assert content_type(headers) == media_type_of(headers).essence == "text/html"
    assert content_type(Headers()) == ""


CAFE = "café"


@pytest.mark.parametrize(
    ("content", "value", "text"),
    [
        (CAFE.encode(), None, CAFE),
        (CAFE.encode(), "text/plain", CAFE),
        (CAFE.encode("latin-1"), "text/plain; charset=latin-1", CAFE),
        (CAFE.encode("utf-16-le"), "text/plain; charset=utf-16-le", CAFE),
        (CAFE.encode("shift-jis", "replace"), "text/plain; charset=Shift_JIS", "caf?"),
        # A byte order mark knows best, and is no part of the text.
        (CAFE.encode("utf-8-sig"), "text/plain; charset=latin-1", CAFE),
        (codecs.BOM_UTF16_BE + CAFE.encode("utf-16-be"), "text/plain; charset=utf-8", CAFE),
        (codecs.BOM_UTF32_LE + CAFE.encode("utf-32-le"), None, CAFE),
        # JSON is UTF-8.
        (CAFE.encode(), "application/json; charset=latin-1", CAFE),
        # What does not fit is replaced.
        (b"caf\xe9", "text/plain", "caf\ufffd"),
        # What is no charset is as good as none.
        (CAFE.encode(), "text/plain; charset=klingon", CAFE),
        (CAFE.encode(), "text/plain; charset=zlib", CAFE),
        (CAFE.encode(), "text/plain; charset=hex", CAFE),
        (CAFE.encode(), "text/plain; charset=idna", CAFE),
        (CAFE.encode(), "text/plain; charset=unicode_escape", CAFE),
        (CAFE.encode(), "text/plain; charset=undefined", CAFE),
        (b"+ADw-script+AD4-", "text/plain; charset=utf-7", "+ADw-script+AD4-"),
        (CAFE.encode(), 'text/plain; charset="utf-8\\0"', CAFE),
        (CAFE.encode(), "text/plain; charset=\xe9", CAFE),
        (CAFE.encode(), "text/plain; charset=../../etc/passwd", CAFE),
    ],
)
def test_decoding(content: bytes, value: str | None, text: str) -> None:
    assert decode_text(content, Headers({"Content-Type": value} if value else {})) == text


def test_a_charset_name_with_a_nul() -> None:
    # A transport checks fields and lets none of these through; decoding does not rely on it.
    assert decode_text(b"a", Headers.from_raw([(b"Content-Type", b"text/plain; charset=a\0b")])) == "a"


@given(st.binary(), st.text(alphabet=st.characters(max_codepoint=255)))
def test_decoding_never_raises(content: bytes, charset: str) -> None:
    headers = Headers.from_raw([(b"Content-Type", b"text/plain; charset=" + charset.encode("latin-1"))])
    assert isinstance(decode_text(content, headers), str)


@given(st.binary())
def test_every_encoding_python_knows_is_survived(content: bytes) -> None:
    from encodings.aliases import aliases

    for name in sorted(set(aliases.values())):
        assert isinstance(decode_text(content, Headers({"Content-Type": f"text/plain; charset={name}"})), str)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", None),
        (b"a", None),
        (b"\xef\xbb\xbfa", "utf-8-sig"),
        (b"\xff\xfea\0", "utf-16"),
        (b"\xff\xfe\0\0", "utf-32"),
    ],
)
def test_byte_order_marks(content: bytes, encoding: str | None) -> None:
    assert bom_encoding(content) == encoding
