"""Link: RFC 8288, and RFC 8187 for extended parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.link import Link, parse_links


@pytest.mark.parametrize(
    ("value", "links"),
    [
        (None, []),
        ("", []),
        (" , ,\t", []),
        ("<a>; rel=next", [("a", "next")]),
        ('<a>; rel="next"', [("a", "next")]),
        ('<a> ;\trel = "next" ', [("a", "next")]),
        ("<a>;rel=next;;", [("a", "next")]),
        ("<a>;;rel=next", [("a", "next")]),
        ('<a>; REL="Next"', [("a", "next")]),
        ('<a>; rel="next last"', [("a", "next"), ("a", "last")]),
        ('<a>; rel=" next\t last "', [("a", "next"), ("a", "last")]),
        ("<a>; rel=next; rel=last", [("a", "next")]),
        ('<a?x=1,2;3>; title="b, c; d"; rel=next, <e>; rel=prev', [("a?x=1,2;3", "next"), ("e", "prev")]),
        ("<a>; rel=next,,<b>; rel=prev,", [("a", "next"), ("b", "prev")]),
        ("<>; rel=self", [("", "self")]),
        ('<a>; rel="https://example.com/rels/x"', [("a", "https://example.com/rels/x")]),
        # Without a relation type a link says nothing.
        ("<a>", []),
        ("<a>; rel", []),
        ('<a>; rel=""', []),
        ("<a>, <b>; rel=next", [("b", "next")]),
        # What is malformed ends the list or the link; what stood before it counts.
        ("a; rel=next", []),
        ("<a", []),
        ("<a>; rel=next, b; rel=prev", [("a", "next")]),
        ("<a>; rel=next, <b", [("a", "next")]),
        ('<a>; rel="next', []),
        ('<a>; rel="next" junk, <b>; rel=prev', [("a", "next"), ("b", "prev")]),
        ('<a>; rel=next; title="open', [("a", "next")]),
        ('<a>; rel=next; title="open\\', [("a", "next")]),
        ("<a> junk; rel=next", [("a", "next")]),
    ],
)
def test_links(value: str | None, links: list[tuple[str, str]]) -> None:
    assert [(link.target, link.rel) for link in parse_links(value)] == links


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("title=x", {"title": "x"}),
        ('title="x"', {"title": "x"}),
        (r'title="a \"b\" \\ c"', {"title": r'a "b" \ c'}),
        ('title=""', {"title": ""}),
        ("title=", {"title": ""}),
        ("crossorigin", {"crossorigin": ""}),
        ("Type=text/html; type=text/plain", {"type": "text/html"}),
        ("title*=UTF-8'de'n%c3%a4chstes%20Kapitel", {"title": "nächstes Kapitel"}),
        ("title*=utf-8''%E2%82%AC; title=Euro", {"title": "€"}),
        ("title=Euro; title*=utf-8''%E2%82%AC", {"title": "€"}),
        ("title*=utf-8''first; title*=utf-8''second", {"title": "first"}),
        ("title*=iso-8859-1'en'%A3%20rates", {"title": "£ rates"}),
        # What cannot be decoded leaves the plain parameter in place.
        ("title=plain; title*=utf-8''%ff", {"title": "plain"}),
        ("title=plain; title*=koi8-r''%C1", {"title": "plain"}),
        ("title=plain; title*=text", {"title": "plain"}),
        ("title=plain; title*=utf-8'text", {"title": "plain"}),
    ],
)
def test_parameters(parameters: str, expected: dict[str, str]) -> None:
    assert parse_links(f"<a>; rel=next; {parameters}") == [Link("a", "next", {"rel": "next", **expected})]


def test_an_extended_relation_type() -> None:
    assert parse_links("<a>; rel*=utf-8''next") == [Link("a", "next", {"rel": "next"})]


TOKEN = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-"), min_size=1)
TITLE = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters=">")), TOKEN, TITLE)))
def test_what_is_written_is_read(links: list[tuple[str, str, str]]) -> None:
    written = [
        '<{}>; title="{}"; rel={}'.format(target, title.replace("\\", r"\\").replace('"', r"\""), rel)
        for target, rel, title in links
    ]
    assert parse_links(", ".join(written)) == [
        Link(target, rel, {"title": title, "rel": rel}) for target, rel, title in links
    ]


@given(st.text() | st.text(st.sampled_from("<>;,=\"\\' \trel*abc%utf-8")))
def test_any_text_gives_links(value: str) -> None:
    for link in parse_links(value):
        assert link.rel == link.rel.lower() != ""
        assert f"<{link.target}>" in value
