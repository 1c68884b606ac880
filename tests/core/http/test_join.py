"""Targets and the base: law 7 of the design."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.join import join_target
from trivet.core.http.url import URL

V1 = URL("https://api.example.com/v1")
V1_SLASH = URL("https://api.example.com/v1/")
ROOT = URL("https://api.example.com")


@pytest.mark.parametrize(
    ("base", "target", "result"),
    [
        (V1, "/users", "/v1/users"),
        (V1, "users", "/v1/users"),
        (V1_SLASH, "/users", "/v1/users"),
        (V1_SLASH, "users", "/v1/users"),
        (ROOT, "/users", "/users"),
        (ROOT, "users", "/users"),
        (V1, "/users/", "/v1/users/"),
        (V1, "/a//b", "/v1/a//b"),
        # The base itself, as it is written.
        (V1, "", "/v1"),
        (V1, "/", "/v1"),
        (V1_SLASH, "", "/v1/"),
        (V1_SLASH, "/", "/v1/"),
        (ROOT, "", "/"),
        (ROOT, "/", "/"),
        (V1, "?page=2", "/v1?page=2"),
        (V1, "/?page=2", "/v1?page=2"),
        (V1, "/users?page=2&q=a b", "/v1/users?page=2&q=a%20b"),
        (V1, "/users?", "/v1/users"),
        (V1, "/users?next=//evil/../x#".rstrip("#"), "/v1/users?next=//evil/../x"),
        # Encoded, or harmless as it is.
        (V1, "group%2Fproject", "/v1/group%2Fproject"),
        (V1, "/a%5cb", "/v1/a%5cb"),
        (V1, "/a%2e.b", "/v1/a%2e.b"),
        (V1, "/file.json", "/v1/file.json"),
        (V1, "/.well-known/x", "/v1/.well-known/x"),
        (V1, "/...", "/v1/..."),
        (V1, "/a;b=c", "/v1/a;b=c"),
        (V1, "/documents:commit", "/v1/documents:commit"),
        (V1, "/user@example.com", "/v1/user@example.com"),
        (V1, "user@evil.example", "/v1/user@evil.example"),
        (V1, "/https://evil.example/", "/v1/https://evil.example/"),
        (V1, "/käse brot", "/v1/k%C3%A4se%20brot"),
        (V1, "/100%", "/v1/100%25"),
        (V1, "/a{b", "/v1/a%7Bb"),
        (V1, "/a}b", "/v1/a%7Db"),
        (V1, '/?filter={"a":1}', "/v1?filter=%7B%22a%22:1%7D"),
        (V1, "/?path=a\\b", "/v1?path=a%5Cb"),
        (V1, "*", "/v1/*"),
        (V1, "/" + "a" * 1_000, "/v1/" + "a" * 1_000),
        # Absolute, and within the base.
        (V1, "https://api.example.com/v1", "/v1"),
        (V1, "https://api.example.com/v1/users?page=2", "/v1/users?page=2"),
        (V1, "HTTPS://API.example.com:443/v1/users#top", "/v1/users"),
        (V1_SLASH, "https://api.example.com/v1", "/v1"),
        (ROOT, "https://api.example.com", "/"),
        (ROOT, "https://api.example.com/anything", "/anything"),
    ],
)
def test_targets(base: URL, target: str, result: str) -> None:
    url = join_target(base, target, None, None)
    assert type(url) is URL
    assert url == f"https://api.example.com{result}"
    assert url.target == result
    # Kept or joined anew, it is the same.
    assert join_target(base, target) == url


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("//evil.example", "'//' in front would name another host"),
        ("//evil.example/v1/users", "'//' in front would name another host"),
        ("//evil", "'//' in front would name another host"),
        ("//", "'//' in front would name another host"),
        ("///evil.example", "'//' in front would name another host"),
        ("\\\\evil.example", "a backslash is taken for '/'"),
        ("/\\evil.example", "a backslash is taken for '/'"),
        ("\\/evil.example", "a backslash is taken for '/'"),
        ("/a\\..\\b", "a backslash is taken for '/'"),
        (".", "a '.' or '..' segment"),
        ("..", "a '.' or '..' segment"),
        ("/..", "a '.' or '..' segment"),
        ("../admin", "a '.' or '..' segment"),
        ("/a/../../admin", "a '.' or '..' segment"),
        ("/a/./b", "a '.' or '..' segment"),
        ("/a/..?b", "a '.' or '..' segment"),
        ("/%2e%2e/admin", "a '.' or '..' segment"),
        ("/%2E./admin", "a '.' or '..' segment"),
        ("/.%2e/admin", "a '.' or '..' segment"),
        ("/..%2fadmin", "a '.' or '..' segment"),
        ("/..%2Fadmin", "a '.' or '..' segment"),
        ("/..%5cadmin", "a '.' or '..' segment"),
        ("/%2e%2e%2fadmin", "a '.' or '..' segment"),
        ("/%252e%252e/admin", "a '.' or '..' segment"),
        ("/..%252fadmin", "a '.' or '..' segment"),
        ("/%2%65%2%65/admin", "a '.' or '..' segment"),
        ("/..;/admin", "a '.' or '..' segment"),
        ("/..;x=1/admin", "a '.' or '..' segment"),
        ("/..%3b/admin", "a '.' or '..' segment"),
        ("/..%00/admin", "a '.' or '..' segment"),
        ("/..%20/admin", "a '.' or '..' segment"),
        ("/..%09/admin", "a '.' or '..' segment"),
        ("/..%3f/admin", "a '.' or '..' segment"),
        ("/..%23/admin", "a '.' or '..' segment"),
        ("/a/.. /admin", "a '.' or '..' segment"),
        ("/.\t./admin", "control character U+0009"),
        ("/users\r\nHost: evil.example", "control character U+000D at position 6"),
        ("/users\n", "control character U+000A"),
        ("\t//evil.example", "control character U+0009"),
        ("/\0", "control character U+0000"),
        (" //evil.example", "white space at its beginning or end"),
        (" https://evil.example", "white space at its beginning or end"),
        ("/users ", "white space at its beginning or end"),
        ("#top", "a fragment is never sent"),
        ("/channels/#general", "a fragment is never sent"),
        ("http:evil.example", "it begins like the scheme of a URL"),
        ("https:/evil.example", "it begins like the scheme of a URL"),
        ("https:\\\\evil.example", "a backslash is taken for '/'"),
        ("javascript:alert(1)", "it begins like the scheme of a URL"),
        ("documents:commit", "it begins like the scheme of a URL; put a '/' in front if it is a path"),
        ("ada:hunter2@evil.example", "it begins like the scheme of a URL"),
        ("/\ud800", "a lone surrogate has no UTF-8 form"),
        ("/%41\ud800", "a lone surrogate has no UTF-8 form"),
        ("/?\ud800", "a lone surrogate has no UTF-8 form"),
    ],
)
@pytest.mark.parametrize("base", [V1, V1_SLASH, ROOT])
def test_what_could_leave_the_base_is_refused(base: URL, target: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        join_target(base, target)
    message = str(caught.value)
    assert message.startswith("target '")
    assert problem in message
    assert "hunter2" not in message
    assert message.isprintable()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/v1/users",
        "http://api.example.com/v1/users",
        "https://api.example.com:8443/v1/users",
        "https://api.example.com/",
        "https://api.example.com/v2/users",
        "https://api.example.com/v1evil",
        "https://api.example.com/v1/../admin",
        "https://api.example.com/v1/%2e%2e/admin",
        "https://api.example.com/V1/users",
    ],
)
def test_an_absolute_target_outside_the_base_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        join_target(V1, target)
    assert str(caught.value).startswith("target http")
    assert "is outside base_url https://api.example.com/v1; pass trivet.URL(...)" in str(caught.value)


@pytest.mark.parametrize(
    "target", ["https://ada:hunter2@api.example.com/v1", "https://api.example.com\\@evil/v1", "https://"]
)
def test_an_absolute_target_that_is_no_url(target: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^URL ") as caught:
        join_target(V1, target)
    assert "hunter2" not in str(caught.value)


def test_a_url_is_used_as_it_is() -> None:
    other = URL("https://other.example/a/../b?c=d")
    assert join_target(V1, other) is other
    assert join_target(None, other, {}) is other
    assert join_target(V1, other, None, {"e": 1}) == "https://other.example/a/../b?c=d&e=1"
    with pytest.raises(InvalidRequest, match=r"path= fills the template of a str target; a URL is used as it is"):
        join_target(V1, other, {"id": 7})


def test_without_a_base() -> None:
    assert join_target(None, "https://example.com/a/../b") == "https://example.com/a/../b"
    assert join_target(None, "https://example.com/{id}?x", {"id": "a b"}, {"y": 1}) == (
        "https://example.com/a%20b?x&y=1"
    )
    for target, path in (("/users", None), ("", None), ("//example.com", None), ("{x}://example.com", {"x": "https"})):
        with pytest.raises(InvalidRequest, match=r"needs a base_url or an absolute URL$"):
            join_target(None, target, path)


@pytest.mark.parametrize("base", [V1, None])
@pytest.mark.parametrize(
    "template",
    [
        "https://{x}/v1/users",
        "https://{x}.example.com/",
        "https://api.example.com{x}/v1",
        "https://api.example.com:{x}/v1",
        "https://api.example.com{x}?/v1",
        "https://api.example.com{x}",
    ],
)
def test_a_value_never_chooses_the_host(base: URL | None, template: str) -> None:
    with pytest.raises(InvalidRequest, match=r"a placeholder in front of the path$"):
        join_target(base, template, {"x": "1"})


def test_an_absolute_template_stays_within_the_base() -> None:
    assert join_target(V1, "https://api.example.com/v1/users/{id}", {"id": 7}).target == "/v1/users/7"
    with pytest.raises(InvalidRequest, match="is outside base_url"):
        join_target(V1, "https://api.example.com/{version}/users", {"version": "v2"})
    with pytest.raises(InvalidRequest, match="is outside base_url"):
        join_target(V1, "http{s}://evil.example", {"s": "s"})


@pytest.mark.parametrize(
    ("template", "values", "result"),
    [
        ("/users/{id}", {"id": 7}, "/v1/users/7"),
        ("users/{id}", {"id": "a/b"}, "/v1/users/a%2Fb"),
        ("{id}", {"id": "//evil"}, "/v1/%2F%2Fevil"),
        ("{id}", {"id": "https://evil.example"}, "/v1/https%3A%2F%2Fevil.example"),
        ("/search?q={q}", {"q": "a&b=c"}, "/v1/search?q=a%26b%3Dc"),
        ("/a b/{id}", {"id": "käse"}, "/v1/a%20b/k%C3%A4se"),
        ("/users", {}, "/v1/users"),
    ],
)
def test_templates(template: str, values: dict[str, Any], result: str) -> None:
    assert join_target(V1, template, values).target == result


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("/{a}", {"a": ".."}),
        ("/{a}{b}", {"a": ".", "b": "."}),
        ("/.{a}", {"a": "%2e"}),
        ("/%2{a}%2e", {"a": "e"}),
        ("/{a}{b}", {"a": ".%", "b": "2e"}),
        ("//{a}", {"a": "evil.example"}),
        ("{a}:x", {"a": "http"}),
    ],
)
def test_values_and_literals_together_never_leave_the_base(template: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        join_target(V1, template, values)


def test_a_placeholder_without_path_is_an_error() -> None:
    with pytest.raises(InvalidRequest, match=r"^path= has no value for 'id' of the target '/users/\{id\}'$"):
        join_target(V1, "/users/{id}")
    with pytest.raises(InvalidRequest, match="has no value for 'id'"):
        join_target(V1, "/users/{id}", {})


@pytest.mark.parametrize(
    ("target", "params", "query"),
    [
        ("/users", {"page": 2}, "page=2"),
        ("/users?page=2", {"page": 3, "tag": ["a", "b"]}, "page=2&page=3&tag=a&tag=b"),
        ("/users?page=2", {"tag": None}, "page=2"),
        ("/users?page=2", [("b", 1), ("a", 2)], "page=2&b=1&a=2"),
        ("/users", "a=1&b=2", "a=1&b=2"),
        ("/users", {}, ""),
        ("", {"a": 1}, "a=1"),
    ],
)
def test_parameters(target: str, params: Any, query: str) -> None:
    assert join_target(V1, target, None, params).query == query


@pytest.mark.parametrize("target", [None, 7, b"/users", ["/users"]])
def test_only_text_is_a_target(target: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"^a target must be a str, not {type(target).__name__}$"):
        join_target(V1, target)


@pytest.mark.parametrize("path", ["/a/../b", "/a/.", "/%2e%2e/b"])
def test_a_base_with_a_dot_segment_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^base_url https://example.com/.*: a dot segment in its path"):
        join_target(URL(f"https://example.com{path}"), "/users")


# Pieces rather than characters: by chance, letters hardly ever make "%2e%2e/". Those that are refused wherever
# they stand come from a list of their own, or they would leave nothing to look at.
CLIMBING = [*"/ . .. %2e %2E %252e %2f %5c %2 2e e ; a ä % ?x= : @".split(), " "]
ODD = [
    *r"// \ # { } {a} %25 %3b %00 & = http: https:// https://evil.example evil.example [::1] v1".split(),
    *("\t", "\n", "\0", "\x85", "\ud800", "\uff0e", "\uff0f", "https://api.example.com/v1"),
]


def pieces(*choices: str, max_size: int = 6) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(choices), max_size=max_size).map("".join)


PATHLIKE = pieces(*CLIMBING)
TEXT = PATHLIKE | PATHLIKE.map(lambda text: f"https://api.example.com/v1{text}") | pieces(*CLIMBING, *ODD) | st.text()
SCALAR = st.one_of(TEXT, st.integers(), st.booleans(), st.floats(), st.none())


def assert_within(url: URL, base: URL) -> None:
    assert url.origin == base.origin
    assert str(url).startswith(f"{base.origin}/")
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    prefix = base.path.rstrip("/")
    assert url.path in (base.path, prefix) or url.path.startswith(f"{prefix}/")
    for path in (url.path, unquote(url.path)):
        assert not {".", ".."} & set(path.replace("\\", "/").split("/"))
    again = URL(str(url))
    assert (again.origin, again.path, again.query) == (url.origin, url.path, url.query)


@given(
    base=st.sampled_from([V1, V1_SLASH, ROOT, URL("http://[::1]:8080/a%20b/c")]),
    target=TEXT,
    params=st.dictionaries(st.text(max_size=5), SCALAR, max_size=2) | st.text(max_size=10),
)
def test_a_literal_target_never_leaves_the_base(base: URL, target: str, params: Any) -> None:
    try:
        url = join_target(base, target, None, params)
    except InvalidRequest as error:
        message = str(error)
    else:
        assert_within(url, base)
        return
    assert message.isprintable()


@given(
    base=st.sampled_from([V1, V1_SLASH, ROOT]),
    literals=st.tuples(*[pieces(*CLIMBING, max_size=3) | st.text(st.characters(exclude_characters="{}"))] * 3),
    values=st.tuples(*[pieces(*CLIMBING, "\\", max_size=3) | SCALAR] * 2),
)
def test_a_filled_template_never_leaves_the_base(base: URL, literals: Any, values: Any) -> None:
    before, between, after = literals
    try:
        url = join_target(base, f"{before}{{a}}{between}{{b}}{after}", {"a": values[0], "b": values[1]})
    except InvalidRequest as error:
        message = str(error)
    else:
        assert_within(url, base)
        return
    assert message.isprintable()
