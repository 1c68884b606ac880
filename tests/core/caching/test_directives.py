"""Cache-Control: RFC 9111 §5.2. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.directives import Directive, RequestDirectives, ResponseDirectives, parse_directives
from trivet.core.http.headers import Headers

TOKENS = st.text("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", min_size=1)


def bad(name: str) -> Directive:
    return Directive(name, None, False)


def control(*lines: str) -> Headers:
    return Headers([("Cache-Control", line) for line in lines])


@pytest.mark.parametrize(
    ("lines", "directives"),
    [
        pytest.param([], [], id="none"),
        pytest.param([""], [], id="empty"),
        pytest.param([" , ,\t,"], [], id="RFC 9110 §5.6.1.2 empty members"),
        pytest.param(["no-store"], [Directive("no-store")], id="one"),
        pytest.param(["No-StOrE"], [Directive("no-store")], id="§5.2 case"),
        pytest.param([",public ,\tmax-age=60,"], [Directive("public"), Directive("max-age", "60")], id="blanks"),
        pytest.param(["public", "max-age=60"], [Directive("public"), Directive("max-age", "60")], id="lines"),
        pytest.param(["a=B"], [Directive("a", "B")], id="§5.2.3 unknown; the argument keeps its case"),
        pytest.param(['a="x, y", b'], [Directive("a", "x, y"), Directive("b")], id="a comma in quotes"),
        pytest.param(['a=""'], [Directive("a", "")], id="an empty quoted string"),
        pytest.param(
            [r'a="\"\\, \x", b'], [Directive("a", r'"\, x'), Directive("b")], id="RFC 9110 §5.6.4 quoted-pair"
        ),
        pytest.param(["a =1, b"], [bad("a"), Directive("b")], id="a space before ="),
        pytest.param(["a= 1, b"], [bad("a"), Directive("b")], id="a space after ="),
        pytest.param(["a=, b"], [bad("a"), Directive("b")], id="no argument after ="),
        pytest.param(["a b, c"], [bad("a"), Directive("c")], id="no comma"),
        pytest.param(['a="x"y, b'], [bad("a"), Directive("b")], id="more after the quotes"),
        pytest.param(['a = "x, y", b'], [bad("a"), Directive("b")], id="malformed with a comma in quotes"),
        pytest.param(["a; b"], [bad("a"), bad("b")], id="semicolons"),
        pytest.param(["=1, a"], [Directive("a")], id="no name"),
        pytest.param(['"x, y", a'], [Directive("a")], id="a quoted string only"),
        pytest.param(["é, a"], [Directive("a")], id="not a token"),
        pytest.param(['a="x, b, c=1'], [bad("a"), bad("b"), bad("c")], id="quotes that are not closed"),
        pytest.param(['"x, b'], [bad("b")], id="nothing but quotes that are not closed"),
        pytest.param(['a="x', "b"], [bad("a"), Directive("b")], id="quotes end with the line"),
        pytest.param(['a="x\\'], [bad("a")], id="a backslash at the end"),
    ],
)
def test_parse_directives(lines: list[str], directives: list[Directive]) -> None:
    assert parse_directives(lines) == directives


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        pytest.param(["max-age=60"], {"max_age": 60}, id="§5.2.2.1 max-age"),
        pytest.param(["MaX-aGe=60"], {"max_age": 60}, id="freshness-max-age-case-insenstive"),
        pytest.param(['max-age="60"'], {"max_age": 60}, id="freshness-max-age-quoted"),
        pytest.param(["max-age=003600"], {"max_age": 3600}, id="freshness-max-age-leading-zero"),
        pytest.param(["max-age=2147483648"], {"max_age": 2**31}, id="freshness-max-age-max"),
        pytest.param(["max-age=99999999999"], {"max_age": 2**31}, id="freshness-max-age-max-plus"),
        pytest.param(["max-age='3600'"], {"max_age": 0}, id="freshness-max-age-single-quoted"),
        pytest.param(["max-age=-3600"], {"max_age": 0}, id="freshness-max-age-negative"),
        pytest.param(["max-age=3600.0"], {"max_age": 0}, id="freshness-max-age-decimal-zero"),
        pytest.param(["max-age=3600.5"], {"max_age": 0}, id="freshness-max-age-decimal-five"),
        pytest.param(["max-age=a3600"], {"max_age": 0}, id="freshness-max-age-a100"),
        pytest.param(["max-age=3600a"], {"max_age": 0}, id="freshness-max-age-100a"),
        pytest.param(["max-age =3600"], {"max_age": 0}, id="freshness-max-age-space-before-equals"),
        pytest.param(["max-age= 3600"], {"max_age": 0}, id="freshness-max-age-space-after-equals"),
        pytest.param(["max-age"], {"max_age": 0}, id="§4.2.1 max-age without a number"),
        pytest.param(['a="max-age=3600", max-age=1'], {"max_age": 1}, id="freshness-max-age-ignore-quoted"),
        pytest.param(['max-age=1, a="max-age=3600"'], {"max_age": 1}, id="freshness-max-age-ignore-quoted-rev"),
        pytest.param(["max-age=1800, max-age=1"], {"max_age": 1800}, id="freshness-max-age-two-fresh-stale-sameline"),
        pytest.param(["max-age=1800", "max-age=1"], {"max_age": 1800}, id="freshness-max-age-two-fresh-stale-sepline"),
        pytest.param(["max-age=1, max-age=1800"], {"max_age": 1}, id="freshness-max-age-two-stale-fresh-sameline"),
        pytest.param(["max-age=a, max-age=1800"], {"max_age": 0}, id="§4.2.1 the first of two is invalid"),
        pytest.param(["foobar, max-age=3600"], {"max_age": 3600}, id="freshness-max-age-extension"),
        pytest.param(["s-maxage=60, max-age=1"], {"s_maxage": 60, "max_age": 1}, id="§5.2.2.10 s-maxage"),
        pytest.param(["s-maxage=x"], {"s_maxage": 0}, id="§5.2.2.10 s-maxage invalid"),
        pytest.param(["must-revalidate"], {"must_revalidate": True}, id="§5.2.2.2 must-revalidate"),
        pytest.param(["must-understand"], {"must_understand": True}, id="§5.2.2.3 must-understand"),
        pytest.param(["must-understand=1"], {}, id="§5.2.2.3 must-understand does not count with an argument"),
        pytest.param(["no-cache"], {"no_cache": True}, id="§5.2.2.4 no-cache"),
        pytest.param(['no-cache="A"'], {"no_cache": frozenset({"a"})}, id="§5.2.2.4 one field"),
        pytest.param(["no-cache=A"], {"no_cache": frozenset({"a"})}, id="§5.2.2.4 a field as a token"),
        pytest.param(['no-cache=" a ,,B"'], {"no_cache": frozenset({"a", "b"})}, id="§5.2.2.4 several fields"),
        pytest.param(['no-cache="a", no-cache=b'], {"no_cache": frozenset({"a", "b"})}, id="§5.2.2.4 twice"),
        pytest.param(['no-cache="a", no-cache'], {"no_cache": True}, id="§5.2.2.4 the whole prevails"),
        pytest.param(['no-cache=""'], {"no_cache": True}, id="§5.2.2.4 an empty list"),
        pytest.param(['no-cache="a b"'], {"no_cache": True}, id="§5.2.2.4 not a list of names"),
        pytest.param(['no-cache="a'], {"no_cache": True}, id="§5.2.2.4 quotes that are not closed"),
        pytest.param(["no-store"], {"no_store": True}, id="§5.2.2.5 no-store"),
        pytest.param(["no-store=1"], {"no_store": True}, id="§5.2.2.5 no-store with an argument"),
        pytest.param(["private; no-store"], {"private": True, "no_store": True}, id="§5.2.2.5 after a semicolon"),
        pytest.param(["no-transform"], {"no_transform": True}, id="§5.2.2.6 no-transform"),
        pytest.param(["private"], {"private": True}, id="§5.2.2.7 private"),
        pytest.param(['private="Set-Cookie"'], {"private": frozenset({"set-cookie"})}, id="§5.2.2.7 a field"),
        pytest.param(["proxy-revalidate"], {"proxy_revalidate": True}, id="§5.2.2.8 proxy-revalidate"),
        pytest.param(["public"], {"public": True}, id="§5.2.2.9 public"),
        pytest.param(["public x"], {}, id="§5.2.2.9 public does not count if malformed"),
        pytest.param(["public x, public"], {"public": True}, id="§5.2.2.9 one of two is well-formed"),
        pytest.param(["immutable"], {"immutable": True}, id="RFC 8246 §2 immutable"),
        pytest.param(["immutable=1"], {}, id="RFC 8246 §2 immutable does not count with an argument"),
        pytest.param(["stale-while-revalidate=5"], {"stale_while_revalidate": 5}, id="RFC 5861 §3"),
        pytest.param(["stale-while-revalidate=x"], {}, id="RFC 5861 §3 invalid"),
        pytest.param(["stale-if-error=5"], {"stale_if_error": 5}, id="RFC 5861 §4"),
        pytest.param(["stale-if-error"], {}, id="RFC 5861 §4 invalid"),
        pytest.param([], {}, id="none"),
        pytest.param(["max-stale, toString"], {}, id="§5.2.3 unknown"),
    ],
)
def test_response_directives(lines: list[str], fields: dict[str, Any]) -> None:
    assert ResponseDirectives.of(control(*lines)) == ResponseDirectives(**fields)


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        pytest.param(control("max-age=0"), {"max_age": 0}, id="§5.2.1.1 max-age"),
        pytest.param(control("max-age=x"), {"max_age": 0}, id="§5.2.1.1 max-age invalid"),
        pytest.param(control("max-stale=9"), {"max_stale": 9}, id="§5.2.1.2 max-stale"),
        pytest.param(control("max-stale"), {"max_stale": inf}, id="§5.2.1.2 max-stale without an argument"),
        pytest.param(control("max-stale=x"), {}, id="§5.2.1.2 max-stale invalid"),
        pytest.param(control("max-stale x"), {}, id="§5.2.1.2 max-stale malformed"),
        pytest.param(control("max-stale=9, max-stale"), {"max_stale": 9}, id="§5.2.1.2 max-stale twice"),
        pytest.param(control("min-fresh=9"), {"min_fresh": 9}, id="§5.2.1.3 min-fresh"),
        pytest.param(control("min-fresh=x"), {}, id="§5.2.1.3 min-fresh invalid"),
        pytest.param(control("no-cache"), {"no_cache": True}, id="§5.2.1.4 no-cache"),
        pytest.param(control("no-store"), {"no_store": True}, id="§5.2.1.5 no-store"),
        pytest.param(control("no-transform"), {"no_transform": True}, id="§5.2.1.6 no-transform"),
        pytest.param(control("only-if-cached"), {"only_if_cached": True}, id="§5.2.1.7 only-if-cached"),
        pytest.param(control("stale-if-error=9"), {"stale_if_error": 9}, id="RFC 5861 §4 stale-if-error"),
        pytest.param(Headers({"Pragma": "No-Cache"}), {"no_cache": True}, id="§5.4 Pragma"),
        pytest.param(Headers({"Pragma": 'x="1, 2", no-cache'}), {"no_cache": True}, id="§5.4 Pragma, a list"),
        pytest.param(Headers({"Pragma": "no-store"}), {}, id="§5.4 Pragma with something else"),
        pytest.param(
            Headers({"Pragma": "no-cache", "Cache-Control": "min-fresh=9"}),
            {"min_fresh": 9},
            id="§5.4 Cache-Control wins",
        ),
        pytest.param(Headers({"Accept": "*/*"}), {}, id="none"),
    ],
)
def test_request_directives(headers: Headers, fields: dict[str, Any]) -> None:
    assert RequestDirectives.of(headers) == RequestDirectives(**fields)


@given(st.lists(st.binary()))
def test_any_field_is_read(values: list[bytes]) -> None:
    for name in (b"cache-control", b"pragma"):
        headers = Headers.from_raw([(name, value) for value in values])
        assert isinstance(ResponseDirectives.of(headers), ResponseDirectives)
        assert isinstance(RequestDirectives.of(headers), RequestDirectives)


@given(st.lists(st.text('ab=", \t;\\é')), st.lists(st.text('ab=", \t;\\é')))
def test_a_line_spoils_no_other(before: list[str], after: list[str]) -> None:
    directives = parse_directives([*before, "max-age=60", *after])
    assert directives == [*parse_directives(before), Directive("max-age", "60"), *parse_directives(after)]


@given(st.text('ab=", \t;\\é'))
def test_what_forbids_is_not_hidden(text: str) -> None:
    assert ResponseDirectives.of(control(f"no-store, {text}")).no_store
    assert ResponseDirectives.of(control(f"{text}, no-store")).no_store


@given(st.lists(st.tuples(TOKENS, st.none() | st.text()), max_size=8), st.booleans())
def test_what_is_well_formed_is_read_back(members: list[tuple[str, str | None]], split: bool) -> None:
    written = []
    for name, argument in members:
        quoted = None if argument is None else argument.replace("\\", "\\\\").replace('"', '\\"')
        written.append(name if quoted is None else f'{name}="{quoted}"')
    lines = written if split else [", ".join(written)]
    assert parse_directives(lines) == [Directive(name, argument) for name, argument in members]


@pytest.mark.parametrize(
    "value",
    [
        'a="' + "b," * 30_000,
        'a="' + '\\"' * 30_000,
        '"\\' * 30_000,
        '"' * 60_001,
        'a = "' * 12_000,
        'a="b" ' * 10_000 + '"',
        "a" * 60_000 + "(",
        "a" + "; " * 30_000,
        "a" + " " * 60_000 + "(",
        'no-cache="' + "a, " * 20_000 + '("',
    ],
    ids=lambda value: value[:8],
)
def test_long_fields_are_read_in_linear_time(value: str) -> None:
    """Quadratic time would be minutes."""
    ResponseDirectives.of(control(value))
