"""JSON in: strict, bounded, in any encoding it may have, and silent about what it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivet.core.errors import DecodingError
from trivet.core.http.json import check_depth, dump_json, parse_json, utf8_json

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]

TEXTS = st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from('[]{}"\\'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def depth(value: object) -> int:
    """The levels of arrays and objects, counted without recursion."""
    levels, level = 0, [value]
    while level := [part for part in level if isinstance(part, list | dict)]:
        levels += 1
        level = [item for part in level for item in (part.values() if isinstance(part, dict) else part)]
    return levels


@given(VALUES)
def test_a_round_trip(value: object) -> None:
    assert parse_json(dump_json(value)) == value
    assert parse_json(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("value", [{"id": 7}, ["é€😀"], 7, 12, "é", [], None])
def test_every_encoding_that_json_may_have(encoding: str, value: object) -> None:
    content = json.dumps(value, ensure_ascii=False).encode(encoding)
    assert parse_json(content) == value
    assert json.loads(utf8_json(content, max_depth=9).decode("utf-8")) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "invalid JSON at line 1, column 1: expecting value; there is no content"),
        (b" \n", "invalid JSON at line 2, column 1: expecting value; there is no content"),
        (b"\xef\xbb\xbf", "invalid JSON at line 1, column 1: expecting value; there is no content"),
        (b" <html>", "invalid JSON at line 1, column 2: expecting value; it looks like HTML or XML"),
        (b"[1, 2", "invalid JSON at line 1, column 6: expecting ',' delimiter"),
        (b'{\n "a" 1}', "invalid JSON at line 2, column 6: expecting ':' delimiter"),
        (b"[1] [2]", "invalid JSON at line 1, column 5: extra data"),
        (b"s3cret", "invalid JSON at line 1, column 1: expecting value"),
        (b'["s3cret', "invalid JSON at line 1, column 2: unterminated string starting at"),
        (b"NaN", "NaN is not JSON (RFC 8259 §6)"),
        (b"[1, Infinity]", "Infinity is not JSON (RFC 8259 §6)"),
        (b'{"a": -Infinity}', "-Infinity is not JSON (RFC 8259 §6)"),
        (b'["\xff"]', "the JSON is not valid UTF-8 at byte 2"),
        (b'["\xed\xa0\x80"]', "the JSON is not valid UTF-8 at byte 2"),
        (b"\xff\xfe[\0]", "the JSON is not valid UTF-16 at byte 4"),
        (b"[\0\0\0]\0\0", "the JSON is not valid UTF-32-LE at byte 4"),
        (b"1" * 5000, "the JSON holds an integer with too many digits (see sys.set_int_max_str_digits)"),
    ],
)
def test_what_is_no_json(content: bytes, message: str) -> None:
    with pytest.raises(DecodingError) as caught:
        parse_json(content)
    assert caught.value.message == message
    # The error of the parser holds the whole document.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@given(st.binary() | st.text(alphabet='[]{}",:\\u0truefalsn1e-. ').map(str.encode))
def test_garbage_is_one_kind_of_error(content: bytes) -> None:
    try:
        parse_json(content)
    except DecodingError as error:
        assert error.message


def test_the_last_of_the_same_names_counts() -> None:
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"[":['])
@pytest.mark.parametrize("times", [1_001, 100_000])
def test_deep_nesting_is_refused_before_it_is_parsed(opening: bytes, times: int) -> None:
    with pytest.raises(DecodingError, match="nested deeper than 500 levels"):
        parse_json(opening * times)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_limit_is_exact_in_every_encoding(encoding: str) -> None:
    content = ("[" * 300 + '{"é]":' * 200 + "1" + "}" * 200 + "]" * 300).encode(encoding)
    assert depth(parse_json(content)) == 500
    assert utf8_json(content, max_depth=500).startswith(b"[")
    for read in (parse_json, utf8_json):
        with pytest.raises(DecodingError, match="nested deeper than 499 levels"):
            read(content, max_depth=499)


@given(VALUES)
@example([["]" * 9]])
@example([['\\"]' * 9], ['"\\\\']])
@example({"\\": {"[": []}, "]": [{}, {}, [{}]]})
@example([[[[]]], [[[[[[[[[[]]]]]]]]]]])
def test_depth_counts_brackets_outside_strings(value: object) -> None:
    levels = depth(value)
    for content in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode()):
        check_depth(content, levels)
        if levels:
            with pytest.raises(DecodingError, match=f"deeper than {levels - 1} levels"):
                check_depth(content, levels - 1)


def test_wide_content_is_not_deep() -> None:
    value = [{"id": index, "tags": ["a", "[", "]"], "owner": {"name": 'say "hi"'}} for index in range(2000)]
    assert parse_json(json.dumps(value).encode()) == value


def test_a_limit_beyond_what_the_stack_holds() -> None:
    with pytest.raises(DecodingError, match="too deeply for what is left of the stack") as caught:
        parse_json(b"[" * 200_000 + b"]" * 200_000, max_depth=10**6)
    assert caught.value.__context__ is None


def test_utf8_is_passed_on_as_it_is() -> None:
    content = '{"é": 1}'.encode()
    assert utf8_json(content, max_depth=1) is content
