from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import ResponseTooLarge
from trivet.core.http.lines import LineDecoder


def split(pieces: Iterable[bytes], charset: str = "utf-8", max_line: int = 1000) -> list[str]:
    decoder = LineDecoder(charset, max_line=max_line)
    return [line for piece in pieces for line in decoder.feed(piece)] + list(decoder.flush())


def one_by_one(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\r\n", ["one"]),
        (b"one\r", ["one"]),
        (b"one\ntwo", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"one\rtwo", ["one", "two"]),
        (b"\n", [""]),
        (b"\r\n", [""]),
        (b"\r", [""]),
        (b"\n\n", ["", ""]),
        (b"\r\r", ["", ""]),
        (b"\r\n\r\n", ["", ""]),
        (b"\n\r", ["", ""]),
        (b"\r\r\n", ["", ""]),
        (b"\n\r\n", ["", ""]),
        (b"one\n\ntwo\n", ["one", "", "two"]),
        (b" one \n\ttwo\n", [" one ", "\ttwo"]),
        # Only these three end a line: JSON text, say, may hold the others.
        ("a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg".encode(), ["a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg"]),
        ("é€😀\n".encode(), ["é€😀"]),
        (b"caf\xe9\n", ["caf\ufffd"]),
        (b"caf\xc3", ["caf\ufffd"]),
        (b"a\xc3\nb", ["a\ufffd", "b"]),
    ],
)
def test_lines_end_where_they_should_however_they_come(data: bytes, lines: list[str]) -> None:
    assert split([data]) == lines
    assert split(one_by_one(data)) == lines
    assert split([data[: len(data) // 2], b"", data[len(data) // 2 :]]) == lines


@pytest.mark.parametrize(
    ("charset", "data", "lines"),
    [
        ("latin-1", b"caf\xe9\r\nth\xe9", ["café", "thé"]),
        ("utf-16", "one\r\ntwo\nthr€e".encode("utf-16"), ["one", "two", "thr€e"]),
        ("utf-16-le", "one\r\ntwo".encode("utf-16-le"), ["one", "two"]),
        ("shift_jis", "日本\r\n語".encode("shift_jis"), ["日本", "語"]),
    ],
)
def test_other_charsets(charset: str, data: bytes, lines: list[str]) -> None:
    assert split([data], charset) == lines
    assert split(one_by_one(data), charset) == lines


def test_a_line_is_given_out_as_soon_as_it_ends() -> None:
    decoder = LineDecoder("utf-8", max_line=100)

    assert list(decoder.feed(b"one")) == []
    assert list(decoder.feed(b"\r")) == ["one"]
    assert list(decoder.feed(b"\n")) == []
    assert list(decoder.feed(b"two\nthree\nfo")) == ["two", "three"]
    assert list(decoder.flush()) == ["fo"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize(
    ("line", "fits"),
    [
        (b"", True),
        (b"x" * 9, True),
        (b"x" * 10, True),
        (b"x" * 11, False),
        ("é".encode() * 10, True),
        (b"x" * 99, False),
    ],
)
@pytest.mark.parametrize("before", [b"", b"0123456789\n"])
@pytest.mark.parametrize("piecewise", [False, True])
def test_how_long_a_line_may_be(line: bytes, fits: bool, end: bytes, before: bytes, piecewise: bool) -> None:
    data = before + line + end
    pieces = one_by_one(data) if piecewise else [data]

    if fits:
        text = line.decode()
        expected = (["0123456789"] if before else []) + ([text] if text or end else [])
        assert split(pieces, max_line=10) == expected
    else:
        with pytest.raises(ResponseTooLarge) as caught:
            split(pieces, max_line=10)
        assert str(caught.value) == "a line of the response is longer than 10 characters; raise Limits(max_line=…)"


def test_a_line_without_an_end_is_left_as_soon_as_it_is_too_long() -> None:
    decoder = LineDecoder("utf-8", max_line=1000)

    for _ in range(10):
        assert list(decoder.feed(b"x" * 100)) == []
    with pytest.raises(ResponseTooLarge):
        list(decoder.feed(b"x"))


def test_lines_before_one_that_is_too_long_are_given_out() -> None:
    lines = LineDecoder("utf-8", max_line=5).feed(b"one\ntwo\nthree and more\n")

    assert [next(lines), next(lines)] == ["one", "two"]
    with pytest.raises(ResponseTooLarge):
        next(lines)


TEXT = st.text(st.sampled_from("ab\n\r é€😀\u2028"), max_size=40)


@given(text=TEXT, cuts=st.lists(st.integers(0, 120)), charset=st.sampled_from(["utf-8", "utf-16-be", "utf-32"]))
def test_where_pieces_break_makes_no_difference(text: str, cuts: list[int], charset: str) -> None:
    data = text.encode(charset)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(places)]

    *lines, rest = re.split("\r\n|\r|\n", text)
    assert split(pieces, charset) == lines + ([rest] if rest else [])
