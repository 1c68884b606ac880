"""Header fields: RFC 9110 §5."""

from __future__ import annotations

import copy
import pickle
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import Headers

PAIRS = [("Accept", "a"), ("Via", "x"), ("accept", "b"), ("Set-Cookie", "c=1, 2"), ("set-cookie", "d=3")]


@pytest.mark.parametrize(
    "init",
    [
        PAIRS,
        tuple(PAIRS),
        iter(PAIRS),
        [list(pair) for pair in PAIRS],
        [(name.encode(), value.encode()) for name, value in PAIRS],
        Headers(PAIRS),
        Headers.from_raw([(name.encode(), value.encode()) for name, value in PAIRS]),
    ],
    ids=lambda init: type(init).__name__,
)
def test_ways_to_make_them(init: Any) -> None:
    assert list(Headers(init).items()) == PAIRS


@pytest.mark.parametrize(
    ("init", "pairs"),
    [
        ((), []),
        ({}, []),
        ({"A": "1", "b": "2"}, [("A", "1"), ("b", "2")]),
        ({"A": ["1", "2"], "B": ("3",), "C": []}, [("A", "1"), ("A", "2"), ("B", "3")]),
        (MappingProxyType({"A": "1"}), [("A", "1")]),
        ({"A": b"1", b"B": "2"}, [("A", "1"), ("B", "2")]),
        ({"A": ""}, [("A", "")]),
        ({"A": " \t1 2\t "}, [("A", "1 2")]),
        ({"A": "1\t2"}, [("A", "1\t2")]),
        ({"A": "café"}, [("A", "café")]),
        ({"A": b"\xff"}, [("A", "ÿ")]),
        ({"!#$%&'*+-.^_`|~09azAZ": "1"}, [("!#$%&'*+-.^_`|~09azAZ", "1")]),
    ],
)
def test_mappings(init: Any, pairs: list[tuple[str, str]]) -> None:
    assert list(Headers(init).items()) == pairs


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"": "x"}, "a header field name is empty"),
        ({b"": "x"}, "a header field name is empty"),
        ({7: "x"}, "a header field name must be str or bytes, not int"),
        ({"A B": "x"}, "header field name 'A' is followed by ' ': a name holds only letters"),
        ({"A:": "x"}, "header field name 'A' is followed by ':'"),
        ({":path": "x"}, "header field name '' is followed by ':'"),
        ({"A\n": "x"}, r"header field name 'A' is followed by '\n'"),
        ({"Ä": "x"}, "header field name '' is followed by 'Ä'"),
        ({"A€": "x"}, "header field name 'A' is followed by '€'"),
        ({b"A\xff": "x"}, "header field name 'A' is followed by 'ÿ'"),
        ({"Authorization: hunter2": ""}, "header field name 'Authorization' is followed by ':'"),
        ({"A": "hunter2\r\nB: c"}, "header field 'A': its value holds the control character U+000D at position 7"),
        ({"A": "hunter2\n"}, "header field 'A': its value holds the control character U+000A at position 7"),
        ({"A": "\0"}, "header field 'A': its value holds the control character U+0000 at position 0"),
        ({"A": b"x\x7f"}, "header field 'A': its value holds the control character U+007F at position 1"),
        ({"A": "hunter2€"}, "header field 'A': its value holds U+20AC, which is not in latin-1, at position 7"),
        ({"A": 7}, "header field 'A': its value must be str or bytes, not int"),
        ({"A": None}, "header field 'A': its value must be str or bytes, not NoneType"),
        ({"A": [None]}, "header field 'A': its value must be str or bytes, not NoneType"),
        ([("A",)], "headers must be a mapping or pairs of name and value"),
        ([7], "headers must be a mapping or pairs of name and value"),
        ("Accept", "headers must be a mapping or pairs of name and value, not str"),
        (b"Accept", "headers must be a mapping or pairs of name and value, not bytes"),
        (7, "headers must be a mapping or pairs of name and value, not int"),
    ],
)
def test_what_is_refused(init: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Headers(init)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_lookup() -> None:
    headers = Headers(PAIRS)
    assert headers["ACCEPT"] == "a, b"
    assert headers.get("Via") == headers.get("via", "other") == "x"
    assert headers.get_all("accept") == ["a", "b"]
    assert "aCCept" in headers
    # Set-Cookie cannot be combined: RFC 9110 §5.3.
    assert headers["set-cookie"] == "c=1, 2"
    assert headers.get_all("SET-COOKIE") == ["c=1, 2", "d=3"]


@pytest.mark.parametrize("name", ["Host", "", "ä", "€"])
def test_absent_names(name: str) -> None:
    # Each on headers that nobody has looked anything up in, since the first look-up is special.
    with pytest.raises(KeyError) as caught:
        Headers(PAIRS)[name]
    assert caught.value.args == (name,)
    assert Headers(PAIRS).get(name) is None
    assert Headers(PAIRS).get(name, "default") == "default"
    assert Headers(PAIRS).get_all(name) == []
    assert name not in Headers(PAIRS)


def test_only_text_is_a_name() -> None:
    headers: Any = Headers(PAIRS)
    assert b"Accept" not in headers
    assert None not in headers


def test_iteration_goes_by_field_line() -> None:
    headers = Headers(PAIRS)
    assert list(headers) == list(headers.keys()) == [name for name, _ in PAIRS]
    assert list(headers.values()) == [value for _, value in PAIRS]
    assert list(headers.items()) == PAIRS
    assert len(headers) == len(headers.keys()) == len(headers.values()) == len(headers.items()) == 5
    assert ("accept", "b") in headers.items()
    assert ("accept", "a, b") not in headers.items()
    assert "b" in headers.values()
    assert "a, b" not in headers.values()
    assert "VIA" in headers.keys()  # noqa: SIM118 - the view is what is tested
    assert not Headers()
    assert headers


def test_raw_is_a_copy() -> None:
    headers = Headers({"A": "1"})
    headers.raw.clear()
    assert headers.raw == [(b"A", b"1")]


@pytest.mark.parametrize(
    ("changed", "pairs"),
    [
        (Headers(PAIRS).with_field("ACCEPT", "z"), [("ACCEPT", "z"), *PAIRS[1:2], *PAIRS[3:]]),
        (Headers(PAIRS).with_field("Host", "z"), [*PAIRS, ("Host", "z")]),
        (Headers(PAIRS).with_added("accept", "z"), [*PAIRS, ("accept", "z")]),
        (Headers(PAIRS).without("Accept", "SET-COOKIE", "Host", "€"), [("Via", "x")]),
        (Headers(PAIRS).with_defaults({"VIA": "y", "Host": "z"}), [*PAIRS, ("Host", "z")]),
        (Headers(PAIRS).with_defaults([("Host", "1"), ("host", "2")]), [*PAIRS, ("Host", "1"), ("host", "2")]),
        (Headers(PAIRS).updated({"Host": "z"}), [*PAIRS, ("Host", "z")]),
        (
            Headers(PAIRS).updated([("Host", "1"), ("Via", "2"), ("ACCEPT", "3"), ("host", "4"), ("via", "5")]),
            [("ACCEPT", "3"), ("Via", "2"), ("via", "5"), *PAIRS[3:], ("Host", "1"), ("host", "4")],
        ),
        (Headers().with_field("A", "1").with_field("a", "2"), [("a", "2")]),
    ],
)
def test_changed_copies(changed: Headers, pairs: list[tuple[str, str]]) -> None:
    assert list(changed.items()) == pairs


def test_a_copy_that_would_be_the_same_is_not_made() -> None:
    headers = Headers(PAIRS)
    assert headers.without("Host") is headers
    assert headers.with_defaults({"Accept": "z"}) is headers
    assert headers.updated({}) is headers


def test_a_changed_copy_leaves_the_original_alone() -> None:
    headers = Headers(PAIRS)
    assert headers["Accept"] == "a, b"
    assert headers.with_field("Accept", "z")["accept"] == "z"
    assert headers.with_added("Accept", "z")["accept"] == "a, b, z"
    assert list(headers.items()) == PAIRS


@pytest.mark.parametrize("method", ["with_field", "with_added"])
def test_changes_are_checked(method: str) -> None:
    with pytest.raises(InvalidRequest, match="control character"):
        getattr(Headers(), method)("A", "b\r\nC: d")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (Headers(PAIRS), Headers(PAIRS), True),
        (Headers({"A": "1"}), Headers({"a": "1"}), True),
        (Headers({"A": "1", "B": "2"}), Headers({"B": "2", "A": "1"}), True),
        (Headers([("A", "1"), ("a", "2")]), Headers([("a", "2"), ("A", "1")]), False),
        (Headers({"A": "1"}), Headers({"A": "2"}), False),
        (Headers({"A": "1, 2"}), Headers({"A": ["1", "2"]}), False),
        (Headers({"A": "1"}), {"a": "1"}, True),
        (Headers({"A": "1"}), {"a": "2"}, False),
        (Headers({"A": "1"}), {"a": 1}, False),
        (Headers({"A": "1"}), [("A", "1")], False),
        (Headers(), None, False),
    ],
)
def test_equality(left: Headers, right: Any, equal: bool) -> None:
    assert (left == right) is equal
    assert (left != right) is not equal
    if equal and isinstance(right, Headers):
        assert hash(left) == hash(right)


def test_the_repr_shows_harmless_values_only() -> None:
    headers = Headers({"Accept": "*/*", "Authorization": "Bearer hunter2", "X-Mine": "hunter2"})
    assert repr(headers) == ("Headers([('Accept', '*/*'), ('Authorization', '[redacted]'), ('X-Mine', '[redacted]')])")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies(duplicate: Any) -> None:
    headers = Headers(PAIRS)
    assert headers["via"] == "x"
    assert list(duplicate(headers).items()) == PAIRS


def test_what_a_transport_read_is_not_checked_again() -> None:
    lines = [(b"Odd Name", b" value\x01")]
    headers = Headers.from_raw(lines)
    lines.clear()
    assert headers.raw == [(b"Odd Name", b" value\x01")]
    assert headers["odd name"] == " value\x01"


NAME = st.text(st.sampled_from("abcXYZ-_!"), min_size=1, max_size=3)
VALUE = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=5).map(lambda text: text.strip(" "))
FIELDS = st.lists(st.tuples(NAME, VALUE), max_size=8)


@given(FIELDS)
def test_order_duplicates_and_case_are_kept(fields: list[tuple[str, str]]) -> None:
    headers = Headers(fields)
    assert list(headers.items()) == list(zip(headers.keys(), headers.values(), strict=True)) == fields
    assert Headers.from_raw(headers.raw) == headers == Headers(headers.items())
    assert pickle.loads(pickle.dumps(headers)).raw == headers.raw
    for name, _ in fields:
        values = [value for other, value in fields if other.lower() == name.lower()]
        assert headers.get_all(name.swapcase()) == values
        assert headers[name.upper()] == ", ".join(values)


@given(FIELDS, FIELDS)
def test_updating_and_defaults(ours: list[tuple[str, str]], theirs: list[tuple[str, str]]) -> None:
    mine, other = Headers(ours), Headers(theirs)
    updated, filled = mine.updated(other), mine.with_defaults(other)
    for name in {name.lower() for name, _ in ours + theirs}:
        assert updated.get_all(name) == (other.get_all(name) or mine.get_all(name))
        assert filled.get_all(name) == (mine.get_all(name) or other.get_all(name))
    kept = [pair for pair in updated.items() if pair[0] not in other]
    assert kept == [pair for pair in ours if pair[0] not in other]
    assert list(filled.items())[: len(ours)] == ours


@given(st.text() | st.binary(), st.text() | st.binary())
def test_no_field_ends_or_splits_its_line(name: str | bytes, value: str | bytes) -> None:
    try:
        [(field, content)] = Headers([(name, value)]).raw
    except InvalidRequest:
        return
    assert field.isascii()
    assert not set(field) & set(b":\r\n\0 \t")
    assert not set(content) & set(b"\r\n\0")
    assert content == content.strip(b" \t")
