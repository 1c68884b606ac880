"""Form fields as text."""

from __future__ import annotations

import enum
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.form import encode_form, form_pairs


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("form", "encoded"),
    [
        ({}, b""),
        ([], b""),
        ({"a": "b"}, b"a=b"),
        ({"a b": "c d+e&f=g"}, b"a+b=c+d%2Be%26f%3Dg"),
        ([("a", "1"), ("b", "2"), ("a", "3")], b"a=1&b=2&a=3"),
        ([["a", "1"]], b"a=1"),
        ({"a": ["1", 2, None], "b": (True, False)}, b"a=1&a=2&b=true&b=false"),
        ({"a": None, "b": ""}, b"b="),
        ({"n": 1.5, "d": date(2024, 5, 1), "c": Color.RED}, b"n=1.5&d=2024-05-01&c=red"),
        ({"ü": "€"}, b"%C3%BC=%E2%82%AC"),
        ((pair for pair in [("a", "b")]), b"a=b"),
    ],
)
def test_encoding(form: Any, encoded: bytes) -> None:
    assert encode_form(form) == encoded


@given(
    st.lists(st.tuples(st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet=st.characters(codec="utf-8"))))
)
def test_a_round_trip(pairs: list[tuple[str, str]]) -> None:
    assert parse_qsl(encode_form(pairs).decode("ascii"), keep_blank_values=True) == pairs
    assert list(form_pairs(pairs)) == pairs


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("a=b", "form= takes a mapping or pairs, not str"),
        (b"a=b", "form= takes a mapping or pairs, not bytes"),
        (7, "form= takes a mapping or pairs, not int"),
        (["a"], "form= takes a mapping of names to values, or pairs of name and value"),
        ([("a", "b", "c")], "form= takes a mapping of names to values, or pairs of name and value"),
        ([(1, "b")], "form= takes a mapping of names to values, or pairs of name and value"),
        ({1: "b"}, "form= takes a mapping of names to values, or pairs of name and value"),
        ({"a": {"b": "s3cret"}}, "form='a': a value of type dict cannot be sent"),
        ({"a": b"s3cret"}, "form='a': a value of type bytes cannot be sent"),
        ({"a": float("nan")}, "form='a': NaN and infinity cannot be sent"),
        ({"a": "\ud800"}, "form='a': a lone surrogate has no UTF-8 form"),
        ({"\ud800": "a"}, "a lone surrogate has no UTF-8 form"),
    ],
)
def test_what_has_no_form(form: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        encode_form(form)
    assert "s3cret" not in str(caught.value)
