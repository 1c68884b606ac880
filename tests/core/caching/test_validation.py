"""Validation: RFC 9111 §4.3.1 and §4.3.4, RFC 9110 §8.8 and §13.1."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.stored import Stored
from trivet.core.caching.validation import (
    MAX_TAGS,
    MAX_TAGS_LENGTH,
    EntityTag,
    conditional,
    entity_tag,
    entity_tags,
    selected_by,
)
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

REQUEST = Request("GET", "https://a.example/", {"Accept": "*/*"})
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
SAME_SECOND = "Sun, 06 Nov 1994 08:49:37 GMT"
NEXT_SECOND = "Sun, 06 Nov 1994 08:49:38 GMT"
OTHER = "Sun, 06 Nov 1994 08:49:36 GMT"


def stored(etag: str = "", modified: str = "", *, date: str = "", status: int = 200, came: float = 0.0) -> Stored:
    pairs = (("ETag", etag), ("Last-Modified", modified), ("Date", date))
    fields = tuple((name.encode(), value.encode("latin-1")) for name, value in pairs if value)
    return Stored(
        Entry("k", "GET", "https://a.example/", status, "", "HTTP/1.1", fields, (), 0.0, came, inf, 0, 0), b""
    )


def partial(etag: str) -> Stored:
    whole = stored(etag, OLD)
    return Stored(whole.entry._replace(status=206, part=Part(0, 0, 2), size=1), b"a")


def not_modified(etag: str = "", modified: str = "") -> Response:
    return Response(304, {name: text for name, text in (("ETag", etag), ("Last-Modified", modified)) if text})


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ('"a"', EntityTag("a")),
        ('""', EntityTag("")),
        ('W/"a"', EntityTag("a", weak=True)),
        ('"W/a, b"', None),
        ('"W/a,b"', EntityTag("W/a,b")),
        ('"*"', EntityTag("*")),
        ('"\xfc"', EntityTag("\xfc")),
        # Without quotation marks
        ("a", EntityTag("a", weak=True)),
        ("W/a", EntityTag("W/a", weak=True)),
        # None at all
        ("", None),
        ("*", None),
        ("a, b", None),
        ('"a", "b"', None),
        ("a b", None),
        ('"a', None),
        ('a"', None),
        ('w/"a"', None),
        ('W\\"a"', None),
        ('"a\x7f"', None),
    ],
)
def test_an_entity_tag(text: str, tag: EntityTag | None) -> None:
    """RFC 9110 §8.8.3."""
    assert entity_tag(Headers.from_raw([(b"ETag", text.encode("latin-1"))])) == tag


def test_there_is_one_entity_tag_or_none() -> None:
    assert entity_tag(Headers()) is None
    assert entity_tag(Headers([("ETag", '"a"'), ("ETag", '"b"')])) is None


@pytest.mark.parametrize(
    ("one", "other", "strongly", "weakly"),
    [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', 'W/"1"', False, True),
        ('"1"', '"1"', True, True),
        ('"1"', '"2"', False, False),
    ],
)
def test_entity_tags_are_compared(one: str, other: str, *, strongly: bool, weakly: bool) -> None:
    """RFC 9110 §8.8.3.2, table 3 and what it leaves out."""
    first, second = entity_tags(f"{one}, {other}")
    assert (first.strongly_matches(second), first.matches(second)) == (strongly, weakly)


@pytest.mark.parametrize(
    ("value", "opaque"),
    [
        ("", []),
        (" , ,", []),
        ('"a"', ["a"]),
        ('"a", W/"b","c"', ["a", "b", "c"]),
        ('"a,b", "W/c"', ["a,b", "W/c"]),
        ("a, b", ["a", "b"]),
        ('"a" "b"', ["a", "b"]),
        ('"a, "b"', ["a", "b"]),
        ('"a', ["a"]),
        ('"', []),
    ],
)
def test_a_list_of_entity_tags(value: str, opaque: list[str]) -> None:
    """RFC 9110 §13.1.2. What is not well-formed takes nothing else with it."""
    assert [tag.opaque for tag in entity_tags(value)] == opaque


# RFC 9111 §4.3.1


@pytest.mark.parametrize(
    ("chosen", "others", "none_match", "modified_since"),
    [
        (stored('"a"'), [], '"a"', None),
        (stored('W/"a"'), [], 'W/"a"', None),
        (stored('"\xfc"'), [], '"\xfc"', None),
        (stored('"a"', OLD), [], '"a"', OLD),
        (stored("", OLD), [], None, OLD),
        (stored("", OLD.lower()), [], None, OLD.lower()),
        # As the server wrote it, which is what it compares with
        (stored("a"), [], "a", None),
        # What is no validator
        (stored(), [], None, None),
        (stored("*"), [], None, None),
        (stored('"a", "b"'), [], None, None),
        (stored("", "yesterday"), [], None, None),
        (stored('"a"', "yesterday"), [], '"a"', None),
        (stored("", "", date=OLD), [], None, None),
        # Several of them: the chosen one's first, no date, and of others nothing that is weak
        (stored('"a"', OLD), [stored('"b"'), stored('"c"')], '"a", "b", "c"', None),
        (stored('"a"', OLD), [stored('"a"')], '"a"', OLD),
        (stored('"a"', OLD), [stored('W/"b"'), stored("b")], '"a"', OLD),
        (stored('W/"a"'), [stored('"b"')], 'W/"a", "b"', None),
        (stored(), [stored('"b"', OLD)], '"b"', None),
        (None, [stored('"b"', OLD)], '"b"', None),
        (None, [stored("", OLD)], None, None),
        (None, [stored('W/"b"', OLD)], None, None),
        (None, [], None, None),
        # No server looks at a date beside tags, and one without quotation marks is no member of a list.
        (stored("", OLD), [stored('"b"')], None, OLD),
        (stored("a", OLD), [stored('"b"')], "a", OLD),
        # Parts are no representations, and only a 2xx can be not modified.
        (partial('"a"'), [], None, None),
        (stored('"a"'), [partial('"b"')], '"a"', None),
        (stored('"a"', OLD, status=404), [], None, None),
        (stored('"a"', OLD, status=301), [stored('"b"', status=404)], None, None),
        (stored('"a"', OLD, status=203), [], '"a"', OLD),
    ],
)
def test_the_request_becomes_conditional(
    chosen: Stored | None, others: list[Stored], none_match: str | None, modified_since: str | None
) -> None:
    candidates = others if chosen is None else [*others, chosen]
    request = conditional(REQUEST, candidates, chosen)
    if none_match is None and modified_since is None:
        assert request is None
    else:
        assert request is not None
        assert request.headers.get("If-None-Match") == none_match
        assert request.headers.get("If-Modified-Since") == modified_since
        assert request.headers["Accept"] == "*/*"


def test_conditions_of_the_request_are_replaced() -> None:
    headers = {"If-None-Match": '"mine"', "If-Modified-Since": OLD, "If-Range": '"mine"'}
    for chosen, expected in [
        (stored('"a"'), {"If-Range": '"mine"', "If-None-Match": '"a"'}),
        (stored("", OTHER), {"If-Range": '"mine"', "If-Modified-Since": OTHER}),
    ]:
        request = conditional(REQUEST.replace(headers=headers), [chosen], chosen)
        assert request is not None
        assert request.headers == expected


def test_tags_are_few_and_short() -> None:
    chosen = stored('"chosen"')
    request = conditional(REQUEST, [stored(f'"{number}"') for number in range(2 * MAX_TAGS)], chosen)
    assert request is not None
    tags = entity_tags(request.headers["If-None-Match"])
    assert [tag.opaque for tag in tags] == ["chosen", *map(str, range(MAX_TAGS - 1))]
    many = [stored(f'"{letter * 500}"') for letter in "abcdefgh"]
    request = conditional(REQUEST, [*many, stored('"b"')], chosen)
    assert request is not None
    assert len(request.headers["If-None-Match"]) <= MAX_TAGS_LENGTH
    assert [tag.opaque[0] for tag in entity_tags(request.headers["If-None-Match"])] == ["c", "a", "b", "c", "d", "b"]
    endless = stored(f'"{"a" * MAX_TAGS_LENGTH}"', OLD)
    request = conditional(REQUEST, [endless], endless)
    assert request is not None
    assert "If-None-Match" not in request.headers
    assert request.headers["If-Modified-Since"] == OLD


# RFC 9111 §4.3.4

A, WEAK_A, B = stored('"a"', OLD), stored('W/"a"', OLD), stored('"b"', OLD)
COMPRESSED = stored('W/"a"', OLD, date=NEXT_SECOND)
HASTY = stored('W/"a"', OLD, date=SAME_SECOND)
DATED, UNKNOWN = stored("", OLD, date=NEXT_SECOND), stored()


@pytest.mark.parametrize(
    ("chosen", "others", "response", "expected"),
    [
        # A strong validator selects what has the same one.
        (A, [B], not_modified('"a"'), A),
        (A, [B], not_modified('"b"'), B),
        (None, [B], not_modified('"b"'), B),
        (A, [B], not_modified('"c"'), None),
        (A, [], not_modified('"c"', OLD), None),
        (WEAK_A, [], not_modified('"a"', OTHER), None),
        (WEAK_A, [A], not_modified('"a"'), A),
        # So does a date that is strong, where no tag contradicts it.
        (COMPRESSED, [], not_modified('"a"', OLD), COMPRESSED),
        (COMPRESSED, [], not_modified('"a"'), None),
        (COMPRESSED, [], not_modified('"c"', OLD), None),
        (HASTY, [], not_modified('"a"', OLD), None),
        (WEAK_A, [], not_modified('"a"', OLD), None),
        (DATED, [], not_modified('"a"', OLD), DATED),
        (None, [COMPRESSED], not_modified('"a"', OLD), None),
        # A weak one selects the chosen response only.
        (WEAK_A, [], not_modified('W/"a"'), WEAK_A),
        (A, [], not_modified('W/"a"', OTHER), A),
        (A, [], not_modified('W/"b"', OLD), None),
        (A, [B], not_modified('W/"b"'), None),
        (A, [], not_modified("a"), A),
        (DATED, [], not_modified('W/"a"', OLD), DATED),
        (DATED, [], not_modified('W/"a"'), None),
        (A, [B], not_modified("", OLD), A),
        (DATED, [], not_modified("", OLD), DATED),
        (DATED, [], not_modified("", OLD.upper()), DATED),
        (DATED, [], not_modified("", OTHER), None),
        (DATED, [], not_modified("", "yesterday"), None),
        (stored("", "yesterday"), [], not_modified("", "yesterday"), None),
        (None, [B], not_modified("", OLD), None),
        # Without a validator it can only be about the one that was asked about.
        (A, [], not_modified(), A),
        (DATED, [], not_modified(), DATED),
        (DATED, [B], not_modified(), DATED),
        (WEAK_A, [], not_modified(), WEAK_A),
        (A, [B], not_modified(), None),
        (UNKNOWN, [B], not_modified(), B),
        (None, [B], not_modified(), B),
        (None, [A, B], not_modified(), None),
        (UNKNOWN, [], not_modified(), None),
        (None, [], not_modified(), None),
        (None, [DATED], not_modified(), None),
        (A, [], not_modified("*"), A),
        # What was never asked about is never meant.
        (partial('"a"'), [], not_modified('"a"', OLD), None),
        (None, [partial('"a"')], not_modified('"a"'), None),
        (stored('"a"', OLD, status=404), [], not_modified('"a"', OLD), None),
        (stored('"a"', OLD, status=404), [], not_modified(), None),
    ],
)
def test_what_a_304_is_about(
    chosen: Stored | None, others: list[Stored], response: Response, expected: Stored | None
) -> None:
    candidates = others if chosen is None else [*others, chosen]
    assert selected_by(candidates, response, chosen) is expected


def test_of_several_with_the_same_tag_it_is_the_chosen_or_the_most_recent() -> None:
    first, second, third = stored('"a"', came=1.0), stored('"a"', came=3.0), stored('"a"', came=2.0)
    candidates = [first, second, third]
    assert selected_by(candidates, not_modified('"a"'), None) is second
    assert selected_by(candidates, not_modified('"a"'), stored('"b"')) is second
    assert selected_by(candidates, not_modified('"a"'), first) is first


texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12)
validators = st.one_of(texts, texts.map('"{}"'.format), st.sampled_from(['"a"', 'W/"a"', "a", "*", OLD, OTHER, ""]))
responses = st.builds(stored, validators, validators, date=validators, status=st.sampled_from([200, 204, 404]))


@given(st.lists(responses, max_size=3), responses, validators, validators, st.booleans())
def test_whatever_is_stored_and_said_a_304_is_about_what_was_asked(
    others: list[Stored], mine: Stored, etag: str, modified: str, alone: bool
) -> None:
    chosen = None if alone else mine
    candidates = [*others, mine]
    request = conditional(REQUEST, candidates, chosen)
    answer = Response(304, Headers.from_raw([(b"ETag", etag.encode("latin-1")), (b"Last-Modified", modified.encode())]))
    for response in (answer, Response(304)):
        selected = selected_by(candidates, response, chosen)
        if request is None:
            assert selected is None or entity_tag(response.headers) == entity_tag(selected.headers)
        elif selected is not None:
            sent = {tag.opaque for tag in entity_tags(request.headers.get("If-None-Match", ""))}
            own, said = entity_tag(selected.headers), entity_tag(response.headers)
            # What was not asked about may be meant too, if it has the very tag that the server names.
            named = own is not None and said is not None and own.strongly_matches(said)
            assert named or (own is not None and own.opaque in sent) or "If-Modified-Since" in request.headers


@given(st.text(st.sampled_from('"W/, a*'), max_size=30))
def test_a_list_has_what_its_members_are(value: str) -> None:
    tags = entity_tags(value)
    assert all(tag.opaque in value and '"' not in tag.opaque for tag in tags)
    assert entity_tags(", ".join(f'"{tag.opaque}"' for tag in tags)) == [EntityTag(tag.opaque) for tag in tags]
