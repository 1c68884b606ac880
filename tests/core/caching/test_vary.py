"""Vary: RFC 9111 §4.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Selecting
from trivet.core.caching.vary import (
    MAX_SELECTING,
    MAX_VARIANTS,
    choose,
    matches,
    selected,
    selecting_fields,
    surplus,
)
from trivet.core.http.dates import format_http_date
from trivet.core.http.headers import Headers

LISTS = ["accept", "accept-charset", "accept-encoding", "accept-language"]
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], ()),
        ([""], ()),
        ([" , ,"], ()),
        (["Accept"], ("accept",)),
        (["Accept-Encoding, Accept"], ("accept", "accept-encoding")),
        (["accept,ACCEPT ,\tAccept"], ("accept",)),
        (["Foo", "Bar"], ("bar", "foo")),
        (["Foo, , Bar,"], ("bar", "foo")),
        (["*"], None),
        (["*, *"], None),
        (["*, Foo"], None),
        (["Foo, *"], None),
        ([", *"], None),
        (["Foo", "*"], None),
        (["", "*"], None),
        # What is no name selects nobody knows what.
        (["Foo Bar"], None),
        (["Foo; Bar"], None),
        (['"Foo"'], None),
        (["Foo\xe9"], None),
        ([",".join(f"x{number}" for number in range(MAX_SELECTING + 1))], None),
        (["Foo," * 1000], ("foo",)),
    ],
)
def test_selecting_fields(lines: list[str], names: tuple[str, ...] | None) -> None:
    assert selecting_fields(Headers([("Vary", line) for line in lines])) == names


def test_vary_may_have_as_many_names_as_it_says() -> None:
    value = ",".join(f"x{number}" for number in range(MAX_SELECTING))
    assert len(selecting_fields(Headers({"Vary": value})) or ()) == MAX_SELECTING


@pytest.mark.parametrize(
    ("name", "lines", "value"),
    [
        ("accept-encoding", [], None),
        ("accept-encoding", [""], ""),
        ("accept-encoding", ["gzip"], "gzip"),
        ("accept-encoding", ["gzip,br"], "gzip, br"),
        ("accept-encoding", [" GZIP \t,, br ,"], "gzip, br"),
        ("accept-encoding", ["gzip", "br"], "gzip, br"),
        ("accept-encoding", ["br, gzip"], "br, gzip"),
        ("accept-encoding", ["gzip ; q=0.5 , BR;Q=1"], "gzip;q=0.5, br;q=1"),
        ("accept-language", ["de-DE,en ; q=0.5"], "de-de, en;q=0.5"),
        ("accept-language", ["en, de;q=0.5", "de-AT"], "de-at, de;q=0.5, en"),
        ("accept-charset", ["UTF-8"], "utf-8"),
        ("accept", ["Text/HTML ; Level=A,*/* ;q=0.1"], "text/html;Level=A, */*;q=0.1"),
        ("accept", ['a/b;c="D,  e"'], 'a/b;c="D,  e"'),
        ("accept-language", ["\xc4,  b"], "\xc4,  b"),
        # A field that may be anything, though what has commas is likely a list.
        ("foo", ["A,  b"], "A, b"),
        ("foo", ["  a \t"], "a"),
        ("foo", ["1", "2"], "1, 2"),
        ("foo", [" 1 ", "\t2"], "1, 2"),
        ("foo", ["1, 2"], "1, 2"),
        ("foo", ["1 ,\t2,,3"], "1, 2, , 3"),
        ("foo", ['"1 ,2" ,3'], '"1 ,2" ,3'),
        ("user-agent", ["Trivet/1 (A;  B)"], "Trivet/1 (A;  B)"),
        ("set-cookie", ["a=1", "b=2"], None),
    ],
)
def test_normalisation(name: str, lines: list[str], value: str | None) -> None:
    # From raw lines, whose white space nobody has removed.
    headers = Headers.from_raw([(name.title().encode(), line.encode("latin-1")) for line in lines])
    if name == "set-cookie":
        assert selected(headers, [name]) != selected(Headers.from_raw(headers.raw[:1]), [name])
    else:
        assert selected(headers, [name]) == ((name, value),)


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
def test_credentials_are_kept_as_digests(name: str) -> None:
    pairs = [selected(Headers({name: value}), [name]) for value in ("s3cr3t", "s3cr3t ", "other")]
    assert pairs[0] == pairs[1] != pairs[2]
    assert all("s3cr3t" not in str(pair) for pair in pairs)
    assert selected(Headers(), [name]) == ((name, None),)
    assert selected(Headers({name: ""}), [name]) != selected(Headers(), [name])


def test_the_same_secret_in_two_fields_has_two_digests() -> None:
    (_, one), (_, other) = selected(Headers({"Cookie": "a", "Authorization": "a"}), ["cookie", "authorization"])
    assert one != other


@pytest.mark.parametrize(
    ("stored", "request_headers", "expected"),
    [
        ((), {"Accept": "*/*"}, True),
        (None, {}, False),
        ((("foo", "1"),), {"Foo": "1"}, True),
        ((("foo", "1"),), {"foo": "2"}, False),
        ((("foo", "1"),), {}, False),
        ((("foo", None),), {}, True),
        ((("foo", None),), {"Foo": ""}, False),
        ((("foo", ""),), {"Foo": ""}, True),
        ((("foo", "1"), ("bar", "2")), {"Foo": "1", "Bar": "2", "Baz": "3"}, True),
        ((("foo", "1"), ("bar", "2")), {"Foo": "1", "Bar": "3"}, False),
        ((("foo", "1"), ("bar", None)), {"Foo": "1"}, True),
        ((("foo", "A"),), {"Foo": "a"}, False),
        ((("accept-language", "de, en"),), {"Accept-Language": "DE,en"}, True),
        ((("accept-language", "de, en"),), {"Accept-Language": "en, de"}, True),
        ((("accept-encoding", "br, gzip"),), {"Accept-Encoding": "gzip, br"}, False),
    ],
)
def test_matching(stored: Selecting | None, request_headers: dict[str, str], expected: bool) -> None:
    assert matches(stored, Headers(request_headers)) is expected


NAME = st.sampled_from([*LISTS, "foo", "cookie", "user-agent"])
VALUE = st.text(st.sampled_from('aAgzip,;= \t"q*/\xc4'), max_size=12)
LINES = st.lists(st.tuples(NAME, VALUE), max_size=6)


def raw(lines: list[tuple[str, str]]) -> Headers:
    return Headers.from_raw([(name.encode(), value.encode("latin-1")) for name, value in lines])


@given(LINES, st.lists(NAME, unique=True))
def test_a_request_matches_itself(lines: list[tuple[str, str]], names: list[str]) -> None:
    assert matches(selected(raw(lines), names), raw(lines))


@given(LINES)
def test_normalisation_is_idempotent(lines: list[tuple[str, str]]) -> None:
    names = [*LISTS, "foo", "user-agent"]
    once = selected(raw(lines), names)
    assert selected(raw([(name, value) for name, value in once if value is not None]), names) == once


@given(LINES, LINES)
def test_matching_is_having_the_same_values(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    names = [*LISTS, "foo", "cookie"]
    same = selected(raw(one), names) == selected(raw(other), names)
    assert matches(selected(raw(one), names), raw(other)) is same


@given(VALUE, VALUE)
def test_an_unknown_field_matches_to_the_letter(one: str, other: str) -> None:
    stored = selected(raw([("foo", one)]), ["foo"])
    assert matches(stored, raw([("foo", other)])) is (one.strip(" \t") == other.strip(" \t"))


# Several stored responses.


def entry(key: str, vary: Selecting | None = (), *, date: float | str | None = None, at: float = NOW) -> Entry:
    text = format_http_date(date) if isinstance(date, float) else date
    fields = () if text is None else ((b"date", text.encode()),)
    return Entry(key, "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, vary, at, at, at + 60, 0, 0)


DE = (("accept-language", "de"),)
EN = (("accept-language", "en"),)


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        ([], None),
        ([entry("en", EN)], None),
        ([entry("star", None)], None),
        ([entry("de", DE)], "de"),
        ([entry("en", EN), entry("de", DE)], "de"),
        # By Date, or else by when it came.
        ([entry("a", DE, date=NOW), entry("b", DE, date=NOW + 1)], "b"),
        ([entry("a", DE, date=NOW + 1), entry("b", DE, date=NOW)], "a"),
        ([entry("a", DE, date=NOW, at=NOW + 9), entry("b", DE, date=NOW + 1, at=NOW)], "b"),
        ([entry("a", DE, date=NOW, at=NOW + 9), entry("b", DE, date=NOW, at=NOW)], "a"),
        ([entry("a", DE, at=NOW + 1), entry("b", DE, at=NOW)], "a"),
        ([entry("a", DE, date=NOW + 2, at=NOW), entry("b", DE, at=NOW + 1)], "a"),
        ([entry("a", DE, date="yesterday", at=NOW + 1), entry("b", DE, date=NOW)], "a"),
        ([entry("a", EN, date=NOW + 9), entry("b", DE, date=NOW)], "b"),
        # A default response that forgot Vary does not hide a variant.
        ([entry("default", date=NOW + 9), entry("de", DE, date=NOW)], "de"),
        ([entry("default", date=NOW), entry("en", EN, date=NOW + 9)], "default"),
        ([entry("star", None, date=NOW + 9), entry("default", date=NOW)], "default"),
    ],
)
def test_choosing(entries: list[Entry], chosen: str | None) -> None:
    found = choose(entries, Headers({"Accept-Language": "de"}))
    assert (found and found.key) == chosen


def test_surplus_is_what_came_first() -> None:
    entries = [entry("b", at=NOW + 1), entry("a", at=NOW), entry("d", at=NOW + 3), entry("c", at=NOW + 2)]
    assert [each.key for each in surplus(entries, 2)] == ["b", "a"]
    assert surplus(entries) == []
    many = [entry(str(number), at=NOW + number) for number in range(MAX_VARIANTS + 1)]
    assert surplus(many) == many[:1]
