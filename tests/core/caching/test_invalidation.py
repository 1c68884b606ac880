"""Invalidation: RFC 9111 §4.4, and patterns. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.invalidation import invalidated, is_pattern, prefixes, url_matcher
from trivet.core.caching.keys import cache_key, fixed_ttl_key
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.url import URL

HOST = "https://api.example.com"
USERS = f"{HOST}/users"


def found(method: str, status: int, fields: dict[str, str] | None = None, url: str = USERS) -> list[str]:
    return [str(each) for each in invalidated(Request(method, url), Response(status, fields or {}))]


@pytest.mark.parametrize(
    ("method", "unsafe"),
    [
        pytest.param("GET", False, id="GET"),
        pytest.param("HEAD", False, id="HEAD"),
        pytest.param("OPTIONS", False, id="OPTIONS"),
        pytest.param("TRACE", False, id="TRACE"),
        pytest.param("POST", True, id="invalidate-POST"),
        pytest.param("PUT", True, id="invalidate-PUT"),
        pytest.param("DELETE", True, id="invalidate-DELETE"),
        pytest.param("PATCH", True, id="PATCH"),
        pytest.param("M-SEARCH", True, id="invalidate-M-SEARCH"),
        pytest.param("gEt2", True, id="unknown"),
    ],
)
def test_methods(method: str, unsafe: bool) -> None:
    assert found(method, 200) == ([USERS] if unsafe else [])


@pytest.mark.parametrize(
    ("status", "succeeded"),
    [(100, False), (199, False), (200, True), (204, True), (303, True), (399, True), (400, False), (500, False)],
)
def test_statuses(status: int, succeeded: bool) -> None:
    assert found("POST", status) == ([USERS] if succeeded else [])


@pytest.mark.parametrize("name", ["Location", "content-location"])
@pytest.mark.parametrize(
    ("reference", "url"),
    [
        pytest.param("/users/7", f"{HOST}/users/7", id="invalidate-POST-location"),
        pytest.param(f"{HOST}:443/users/7#top", f"{HOST}/users/7", id="absolute"),
        pytest.param("//API.example.com/x", f"{HOST}/x", id="without scheme"),
        pytest.param("7?page=2", f"{HOST}/7?page=2", id="relative"),
        pytest.param("/caf\xc3\xa9", f"{HOST}/caf%C3%A9", id="UTF-8"),
        pytest.param("/users", None, id="the request's own"),
        pytest.param("#top", None, id="fragment"),
        pytest.param("", None, id="empty"),
        pytest.param("https://other.example/users/7", None, id="§4.4 another host"),
        pytest.param("http://api.example.com/users/7", None, id="§4.4 another scheme"),
        pytest.param(f"{HOST}:8443/users/7", None, id="§4.4 another port"),
        pytest.param("https://ada:s3cret@api.example.com/", None, id="userinfo"),
        pytest.param("ftp://api.example.com/", None, id="no http"),
        pytest.param("https://[::1/", None, id="no URL"),
        pytest.param("/" + "x" * 8191, f"{HOST}/" + "x" * 8191, id="as long as can be"),
        pytest.param("/" + "x" * 8192, None, id="too long"),
    ],
)
def test_references(name: str, reference: str, url: str | None) -> None:
    assert found("POST", 201, {name: reference}) == ([USERS] if url is None else [USERS, url])


def test_each_url_is_there_once() -> None:
    both = {"Location": "/users/7", "Content-Location": "/users/7"}
    assert found("PUT", 200, both) == [USERS, f"{HOST}/users/7"]
    assert found("PUT", 200, both, f"{HOST}/users/7") == [f"{HOST}/users/7"]


def test_a_bad_location_does_not_hide_the_content_location() -> None:
    assert found("PUT", 200, {"Location": "https://[", "Content-Location": "/a"}) == [USERS, f"{HOST}/a"]


def test_of_several_lines_the_first_counts() -> None:
    response = Response(201, Headers([("Location", "/a"), ("Location", "/b")]))
    assert invalidated(Request("POST", USERS), response) == (URL(USERS), URL(f"{HOST}/a"))


@given(st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])) | st.text("/:?#[]@%.\\ ahtps0-"))
def test_any_reference_is_followed_or_ignored(reference: str) -> None:
    urls = invalidated(Request("POST", USERS), Response(200, {"Location": reference}))
    assert urls[0] == USERS
    assert len(urls) <= 2
    assert all(url.origin == HOST for url in urls)


def test_prefixes_find_both_kinds_of_keys() -> None:
    texts = [f"{USERS}?b=1&a=2", f"{HOST}/other"]
    found = prefixes(map(URL, texts))
    for text in texts:
        for credentials in (None, "ada"):
            request = Request("GET", text)
            assert cache_key(request, credentials).startswith(found)
            assert fixed_ttl_key(request, credentials, ["Accept"]).startswith(found)
    assert fixed_ttl_key(Request("GET", f"{USERS}?a=2&b=1"), None).startswith(found)
    for other in (f"{USERS}?b=1", USERS, f"{USERS}/7?b=1&a=2", f"{HOST}/other2"):
        assert not cache_key(Request("GET", other), None).startswith(found)
        assert not fixed_ttl_key(Request("GET", other), None).startswith(found)


def test_prefixes_of_the_same_url_are_there_once() -> None:
    assert len(prefixes([URL(USERS), URL(f"{USERS}#a"), URL("https://API.example.com:443/users")])) == 2
    assert prefixes([]) == ()


# Patterns.


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (f"{USERS}/*", True),
        ("*", True),
        (USERS, False),
        (f"{USERS}?page=2", False),
        ("https://[::1]/", False),
        ("", False),
    ],
)
def test_is_pattern(text: str, pattern: bool) -> None:
    assert is_pattern(text) is pattern


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        pytest.param(f"{USERS}/*", f"{USERS}/7", True, id="end"),
        pytest.param(f"{USERS}/*", f"{USERS}/7/posts?page=2", True, id="slash and query"),
        pytest.param(f"{USERS}/*", f"{USERS}/", True, id="nothing"),
        pytest.param(f"{USERS}/*", USERS, False, id="without the slash"),
        pytest.param(f"{USERS}/*", f"{HOST}/v2/users/7", False, id="not at the beginning"),
        pytest.param(f"{USERS}/*/posts", f"{USERS}/7/posts", True, id="within"),
        pytest.param(f"{USERS}/*/posts", f"{USERS}/7/posts/8", False, id="more at the end"),
        pytest.param(f"{USERS}/*/posts/*", f"{USERS}/7/posts/8", True, id="two"),
        pytest.param(f"{USERS}/*/posts/*", f"{USERS}/posts/8", False, id="no overlap"),
        pytest.param(f"{USERS}/*ab*ba", f"{USERS}/aba", False, id="no overlap with the end"),
        pytest.param(f"{USERS}/*ab*ba", f"{USERS}/abba", True, id="side by side"),
        pytest.param(f"{USERS}/a*a", f"{USERS}/a", False, id="beginning and end do not overlap"),
        pytest.param(f"{USERS}/**", f"{USERS}/7", True, id="twice the same"),
        pytest.param("*", USERS, True, id="all"),
        pytest.param("*/users", USERS, True, id="beginning"),
        pytest.param(USERS, USERS, True, id="no star"),
        pytest.param(USERS, f"{USERS}/7", False, id="no star, another"),
        pytest.param(f"{USERS}/[7]*", f"{USERS}/7", False, id="brackets mean nothing"),
        pytest.param(f"{USERS}/x?*", f"{USERS}/xy", False, id="question mark means nothing"),
        pytest.param("HTTPS://API.Example.com:443/users/*#top", f"{USERS}/7", True, id="normalised"),
        pytest.param(f"{HOST}/k\xe4se/*", f"{HOST}/k%C3%A4se/7", True, id="percent-encoded"),
        pytest.param("HTTPS://*.Example.com/A/*#top", f"{HOST}/A/7", True, id="normalised with a star in the host"),
        pytest.param("*/k\xe4se/*", f"{HOST}/k%C3%A4se/7", True, id="percent-encoded after a star"),
        pytest.param("https://[::1]:8000/*", "https://[::1]:8000/a", True, id="IPv6"),
        pytest.param("/users/*", f"{USERS}/7", False, id="not absolute"),
        # Values that entries have masked.
        pytest.param(f"{USERS}?page=2&*", f"{USERS}?page=2&q=[redacted]", True, id="known value"),
        pytest.param(f"{USERS}?page=2&*", f"{USERS}?page=3&q=[redacted]", False, id="another known value"),
        pytest.param(f"{USERS}?page=2*", f"{USERS}?page=[redacted]", True, id="known value with a star"),
        pytest.param(f"{USERS}?q=ad*", f"{USERS}?q=[redacted]", True, id="masked value"),
        pytest.param(f"{USERS}?q=ad*", f"{USERS}?name=[redacted]", False, id="another masked value"),
        pytest.param(f"{USERS}?q=ada&page=*", f"{USERS}?q=[redacted]&page=2", True, id="masked value without star"),
        pytest.param(f"{USERS}?page=*&q=ada", f"{USERS}?page=2&q=[redacted]", True, id="masked value at the end"),
        pytest.param(f"{USERS}?*q=ada", f"{USERS}?page=2&q=[redacted]", True, id="name after a star"),
        pytest.param(f"{USERS}?*2=", f"{USERS}?q=[redacted]", True, id="what may be a name or a value"),
        pytest.param(f"{USERS}?abc*", f"{USERS}?[redacted]", True, id="value without a name"),
        pytest.param(f"{USERS}?*&page=2", f"{USERS}?q=[redacted]&page=2", True, id="parameter"),
        pytest.param(f"{USERS}?*&page=2", f"{USERS}?q=[redacted]&page=3", False, id="another parameter"),
        pytest.param(f"{HOST}/*token=abc", f"{USERS}?token=[redacted]", True, id="star into the query"),
        pytest.param(
            "*token=abc&page=2", f"{USERS}?token=[redacted]&page=2", True, id="star from the host into the query"
        ),
        pytest.param("*token=abc&page=2", f"{USERS}?token=[redacted]&page=3", False, id="star into another query"),
        pytest.param(f"{HOST}/a=b/*", f"{HOST}/a=b/c", True, id="equals sign in the path"),
    ],
)
def test_patterns(pattern: str, url: str, matches: bool) -> None:
    assert url_matcher(pattern)(url) is matches


@given(st.text("ab*", max_size=10), st.text("ab", max_size=10))
def test_stars_mean_what_they_mean_to_a_shell(pattern: str, text: str) -> None:
    pattern, text = f"{USERS}/{pattern}", f"{USERS}/{text}"
    assert url_matcher(pattern)(text) is fnmatchcase(text, pattern)


@given(st.lists(st.text("qpagetoken=&;x2", max_size=8), max_size=3), st.data())
def test_what_a_pattern_matches_it_also_matches_redacted(parts: list[str], data: st.DataObject) -> None:
    """A piece of the query is replaced by a star."""
    url = URL(f"{USERS}?{'&'.join(parts)}")
    start = data.draw(st.integers(len(USERS) + 1, max(len(USERS) + 1, len(url))))
    end = data.draw(st.integers(start, max(start, len(url))))
    pattern = f"{url[:start]}*{url[end:]}"
    assert fnmatchcase(url.replace("?", "."), pattern.replace("?", "."))
    assert url_matcher(pattern)(url.redacted)


@given(st.text())
def test_any_text_is_a_pattern(pattern: str) -> None:
    assert url_matcher(pattern)(USERS) in (True, False)


def test_matching_is_linear() -> None:
    # With going back this would take longer than anybody waits.
    matches = url_matcher(f"{USERS}/{'*a' * 500}*b")
    assert not matches(f"{USERS}/{'a' * 20_000}")


def test_a_pattern_is_compiled_once() -> None:
    assert url_matcher(f"{USERS}/once/*") is url_matcher(f"{USERS}/once/*")
