"""Path templates: RFC 6570 level 1, and law 7 for values."""

from __future__ import annotations

import math
from datetime import date
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.template import expand, has_dot_segment, reject_placeholders


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("", {}, ""),
        ("/users", {}, "/users"),
        ("/users/{id}", {"id": 7}, "/users/7"),
        ("{a}{b}", {"a": "x", "b": "y"}, "xy"),
        ("/{a}/{a}", {"a": "x"}, "/x/x"),
        ("/{user_id}/{user.id}/{user-id}", {"user_id": 1, "user.id": 2, "user-id": 3}, "/1/2/3"),
        # RFC 6570 §3.2.2.
        ("{var}", {"var": "value"}, "value"),
        ("{hello}", {"hello": "Hello World!"}, "Hello%20World%21"),
        ("{half}", {"half": "50%"}, "50%25"),
        ("O{x}X", {"x": "1024"}, "O1024X"),
        ("{x}", {"x": "a/b"}, "a%2Fb"),
        ("{x}", {"x": "/"}, "%2F"),
        ("{x}", {"x": "a\\b"}, "a%5Cb"),
        ("{x}", {"x": "käse"}, "k%C3%A4se"),
        ("{x}", {"x": "-._~"}, "-._~"),
        ("{x}", {"x": "a?b#c;d:e@f&g=h+i"}, "a%3Fb%23c%3Bd%3Ae%40f%26g%3Dh%2Bi"),
        ("{x}", {"x": "{y}"}, "%7By%7D"),
        ("{x}", {"x": "a\nb"}, "a%0Ab"),
        ("{x}", {"x": "..."}, "..."),
        ("{x}", {"x": "a..b"}, "a..b"),
        ("{x}", {"x": ".hidden"}, ".hidden"),
        ("{x}", {"x": "%41"}, "%2541"),
        ("{x}", {"x": True}, "true"),
        ("{x}", {"x": 1.5}, "1.5"),
        ("{x}", {"x": -7}, "-7"),
        ("{x}", {"x": date(2024, 2, 29)}, "2024-02-29"),
        ("{x}", {"x": UUID(int=1)}, "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_expansion(template: str, values: dict[str, Any], expected: str) -> None:
    assert expand(template, values) == expected


@pytest.mark.parametrize(
    "value",
    [
        ".",
        "..",
        "../x",
        "x/..",
        "a/../b",
        "a/./b",
        "..\\x",
        "a\\..\\b",
        "%2e",
        "%2e%2E",
        ".%2e",
        "..%2fx",
        "..%5cx",
        "%252e%252e",
        "..;",
        "..;x=1/y",
        "..%3Bx",
        "..?x",
        "..#x",
        ".. ",
        " ..",
        "..\t/x",
        "..\0",
        "..%00",
    ],
)
def test_a_value_with_a_dot_segment_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^path='x': the value is or holds a '.' or '..' segment"):
        expand("/a/{x}/b", {"x": value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "path='x': a value of type NoneType cannot be sent; None stands for no value"),
        ("", "path='x': an empty value would change the path"),
        (b"a", "path='x': a value of type bytes cannot be sent"),
        ([1], "path='x': a value of type list cannot be sent"),
        ((), "path='x': a value of type tuple cannot be sent"),
        ({}, "path='x': a value of type dict cannot be sent"),
        (math.nan, "path='x': NaN and infinity"),
        ("\ud800", "path='x': a lone surrogate"),
        ("%41\ud800", "path='x': a lone surrogate"),
    ],
)
def test_a_value_that_cannot_be_part_of_a_path(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        expand("/{x}", {"x": value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("/{a}", {}, "template '/{a}': path= has no value for 'a'"),
        ("/{a}/{b}/{a}", {}, "template '/{a}/{b}/{a}': path= has no value for 'a', 'b'"),
        ("/a", {"a": 1}, "template '/a': path= has 'a', which the template does not name"),
        ("/{a}", {"a": 1, "b": 2, "c": 3}, "path= has 'b', 'c', which the template does not name"),
        ("/{a}/{b}", {"a": 1, "c": 3}, "path= has no value for 'b'; path= has 'c', which"),
        ("/{a", {"a": 1}, "template '/{a': a '{' is not closed"),
        ("/{a/{b}", {"a": 1}, "a '{' is not closed"),
        ("/a}", {}, "a '}' has no '{' before it"),
        ("}/{a}", {"a": 1}, "a '}' has no '{' before it"),
        ("/{a}}", {"a": 1}, "a '}' has no '{' before it"),
        ("/{{a}}", {"a": 1}, "a '{' is not closed"),
        ("/{}", {}, "{} is no placeholder: a name holds letters"),
        ("/{a b}", {"a b": 1}, "{a b} is no placeholder: a name holds letters"),
        ("/{é}", {"é": 1}, "{é} is no placeholder: a name holds letters"),
        ("/{+a}", {"a": 1}, "{+a} is more than {name}: only simple expansion"),
        ("{/a}", {"a": 1}, "{/a} is more than {name}"),
        ("{?a,b}", {"a": 1, "b": 2}, "{?a,b} is more than {name}"),
        ("{#a}", {"a": 1}, "{#a} is more than {name}"),
        ("{.a}", {"a": 1}, "{.a} is more than {name}"),
        ("{a*}", {"a": 1}, "{a*} is more than {name}"),
        ("{a:3}", {"a": 1}, "{a:3} is more than {name}"),
        ("{a,b}", {"a": 1, "b": 2}, "{a,b} is more than {name}"),
    ],
)
def test_a_template_and_values_that_do_not_fit(template: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        expand(template, values)
    assert message in str(caught.value)


def test_a_message_shows_no_secret_of_the_template() -> None:
    with pytest.raises(InvalidRequest, match=r"'/x\?token=\[redacted\]'"):
        expand("/x?token=abc", {"a": 1})


@pytest.mark.parametrize("target", ["/{id}", "/users/{user_id}/x", "{a.b}", "/x?y={+z}", "{?page}", "{/path*}"])
def test_a_placeholder_that_nothing_fills(target: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^path= has no value for '\w[\w.]*\*?' of the target"):
        reject_placeholders(target)


@pytest.mark.parametrize("target", ["", "/", "{", "}", "{}", "a}b{c", '/?filter={"a":1}', "{a b}", "{+}", "}{"])
def test_stray_braces_are_no_placeholder(target: str) -> None:
    reject_placeholders(target)


@pytest.mark.parametrize(
    "path", ["", "/", "a", "...", "a/...", "a.b/c..d", "%2e%2ea", "a%2Fb", "%", "%25", "..a;b", "ä%ff"]
)
def test_paths_without_dot_segments(path: str) -> None:
    assert not has_dot_segment(path)


PIECES = (
    "/",
    "\\",
    ".",
    "..",
    "%2e",
    "%2E",
    "%252e",
    "%2f",
    "%5c",
    "%",
    "2e",
    ";",
    "?",
    "#",
    "@",
    " ",
    "\t",
    "\0",
    "a",
    "ä",
)
VALUE = st.text() | st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)


@given(VALUE)
def test_a_value_never_changes_the_structure_of_a_path(value: str) -> None:
    try:
        path = expand("/a/{x}/b", {"x": value})
    except InvalidRequest:
        return
    first, a, middle, b = path.split("/")
    assert (first, a, b) == ("", "a", "b")
    assert middle.isascii()
    assert not set(middle) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
    assert unquote(middle) == value
    assert not {".", ".."} & set(unquote(middle).replace("\\", "/").split("/"))


@given(st.text(st.characters(exclude_characters="{}")), st.text(st.characters(exclude_characters="{}")))
def test_literals_stay_as_they_are(before: str, after: str) -> None:
    assert expand(f"{before}{{x}}{after}", {"x": "y"}) == f"{before}y{after}"


@given(
    st.text() | st.text(st.sampled_from("{}+ab,*/")), st.dictionaries(st.text(max_size=3), st.integers(), max_size=3)
)
def test_any_template_is_expanded_or_refused(template: str, values: dict[str, int]) -> None:
    try:
        result = expand(template, values)
    except InvalidRequest:
        return
    assert not set("{}") & set(result)
