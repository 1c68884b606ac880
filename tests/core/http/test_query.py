"""Query strings."""

from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.query import encode_query, merge_query


class Order(Enum):
    UP = "a z"
    DOWN = 2


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Number(int):
    pass


@pytest.mark.parametrize(
    ("params", "query"),
    [
        (None, ""),
        ({}, ""),
        ([], ""),
        ("", ""),
        ({"page": 2}, "page=2"),
        ({"b": 1, "a": 2}, "b=1&a=2"),
        ([("b", 1), ("a", 2), ("b", 3)], "b=1&a=2&b=3"),
        ([["a", 1]], "a=1"),
        (MappingProxyType({"a": 1}), "a=1"),
        ({"a": [1, "b", None, True]}, "a=1&a=b&a=true"),
        ({"a": (1, 2), "b": []}, "a=1&a=2"),
        ({"a": {"c", "b", "d"}}, "a=b&a=c&a=d"),
        ({"a": frozenset({2, 1})}, "a=1&a=2"),
        ({"a": None, "b": ""}, "b="),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({"a": -1, "b": 0, "c": 10**30}, f"a=-1&b=0&c={10**30}"),
        ({"a": 1.5, "b": 1e16, "c": -0.0}, "a=1.5&b=1e%2B16&c=-0.0"),
        ({"a": date(2024, 2, 29)}, "a=2024-02-29"),
        ({"a": datetime(2024, 2, 29, 12, tzinfo=UTC)}, "a=2024-02-29T12%3A00%3A00%2B00%3A00"),
        ({"a": Order.UP, "b": Order.DOWN, "c": Colour.RED, "d": Level.HIGH}, "a=a%20z&b=2&c=red&d=3"),
        ({"a": UUID(int=1)}, "a=00000000-0000-0000-0000-000000000001"),
        ({"a": Text("x y"), "b": Number(7)}, "a=x%20y&b=7"),
        ({"a b": "c d", "a[]": "x"}, "a%20b=c%20d&a%5B%5D=x"),
        ({"q": "a+b&c=d#e?f/g%20"}, "q=a%2Bb%26c%3Dd%23e%3Ff%2Fg%2520"),
        ({"q": "käse\n"}, "q=k%C3%A4se%0A"),
        ({"q": "-._~"}, "q=-._~"),
        # Text is a query string already.
        ("a=1&b=2", "a=1&b=2"),
        ("?a=1", "a=1"),
        ("a=b c&d=ü", "a=b%20c&d=%C3%BC"),
        ("a=%20&b=%zz&c=50%", "a=%20&b=%25zz&c=50%25"),
        ("a=1+2&b=/?:@", "a=1+2&b=/?:@"),
        ("a=1#b", "a=1%23b"),
    ],
)
def test_encoding(params: Any, query: str) -> None:
    assert encode_query(params) == query


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"key": b"secret"}, "params='key': a value of type bytes cannot be sent; decode it to a str first"),
        ({"key": bytearray(b"x")}, "params='key': a value of type bytearray"),
        ({"key": {"a": 1}}, "params='key': a value of type dict cannot be sent; pass a str"),
        ({"key": [[1]]}, "params='key': a value of type list"),
        ({"key": [b"x"]}, "params='key': a value of type bytes"),
        ({"key": Decimal(1)}, "params='key': a value of type Decimal"),
        ({"key": object()}, "params='key': a value of type object"),
        ({"key": Enum("E", {"A": None}).A}, "params='key': a value of type NoneType cannot be sent; None stands"),  # type: ignore[attr-defined]  # made on the spot
        ({"key": math.nan}, "params='key': NaN and infinity cannot be sent"),
        ({"key": math.inf}, "params='key': NaN and infinity cannot be sent"),
        ({"key": "\ud800"}, "params='key': a lone surrogate has no UTF-8 form"),
        ({"\ud800": "x"}, "params='\\ud800': a lone surrogate"),
        ({7: "x"}, "params=: a name must be a str, not int"),
        ([("a",)], "params= must be a mapping, pairs of name and value, or a str"),
        ([7], "params= must be a mapping, pairs"),
        (7, "params= must be a mapping, pairs of name and value, or a str, not int"),
        (b"a=1", "params= must be a mapping, pairs of name and value, or a str, not bytes"),
        ("a=1\n", "params= as text: control character U+000A at position 3"),
        (" a=1", "params= as text: white space at its beginning or end"),
        ("a=\udc80", "params= as text: a lone surrogate"),
    ],
)
def test_what_cannot_be_sent(params: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode_query(params)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_value_of_another_type_is_refused_while_nobody_has_imported_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "uuid")
    with pytest.raises(InvalidRequest, match="a value of type object"):
        encode_query({"a": object()})


@pytest.mark.parametrize(
    ("existing", "added", "merged"),
    [("", "", ""), ("a=1", "", "a=1"), ("", "b=2", "b=2"), ("a=1", "b=2", "a=1&b=2"), ("a=1", "a=2", "a=1&a=2")],
)
def test_merging(existing: str, added: str, merged: str) -> None:
    assert merge_query(existing, added) == merged


NAME = st.text(st.characters(codec="utf-8"))


@given(st.lists(st.tuples(NAME, NAME)))
def test_what_is_encoded_is_read_as_the_same(pairs: list[tuple[str, str]]) -> None:
    query = encode_query(pairs)
    assert query.isascii()
    assert not set(query) & set(" +#\"<>[]{}|\\^`'")
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=bool(pairs)) == pairs


@given(st.text())
def test_any_text_is_encoded_once(text: str) -> None:
    try:
        query = encode_query(text)
    except InvalidRequest:
        return
    assert query.isascii()
    assert query.isprintable()
    assert not set(query) & set(' #"<>[]{}|\\^`')
    # But for the one "?" in front that is taken off.
    assert encode_query(query.removeprefix("?")) == query.removeprefix("?")
