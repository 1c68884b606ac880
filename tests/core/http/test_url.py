"""URLs: RFC 3986."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.percent import percent_encode
from trivet.core.http.url import URL


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("HTTPS://EXAMPLE.com/Path", "https://example.com/Path"),
        ("Http://example.com/", "http://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("https://example.com:8443", "https://example.com:8443/"),
        ("https://example.com:/", "https://example.com/"),
        ("https://example.com:00443/", "https://example.com/"),
        ("https://example.com:65535/", "https://example.com:65535/"),
        ("https://example.com.", "https://example.com./"),
        ("https://my_host.local/", "https://my_host.local/"),
        ("https://127.0.0.1:1/", "https://127.0.0.1:1/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://example.com/a?b?c/d", "https://example.com/a?b?c/d"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com#top", "https://example.com/"),
        ("https://example.com/a?b#top?x", "https://example.com/a?b"),
        ("https://example.com/a/../b/./c", "https://example.com/a/../b/./c"),
        ("https://example.com//a//b/", "https://example.com//a//b/"),
        ("https://example.com/a@b:c;d=e,f", "https://example.com/a@b:c;d=e,f"),
        ("https://example.com/a b?c d", "https://example.com/a%20b?c%20d"),
        ("https://example.com/käse?q=€", "https://example.com/k%C3%A4se?q=%E2%82%AC"),
        ("https://example.com/%7euser/%2F%zz%", "https://example.com/%7euser/%2F%25zz%25"),
        ("https://example.com/?a=%20%2&b=100%", "https://example.com/?a=%20%252&b=100%25"),
        ('https://example.com/"<>\\^`{|}[]', "https://example.com/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("https://example.com/?a[]=1", "https://example.com/?a%5B%5D=1"),
        ("https://[::1]/", "https://[::1]/"),
        ("https://[2001:DB8:0:0::1]:443/a", "https://[2001:db8::1]/a"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
        ("https://[::1]:/", "https://[::1]/"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://BÜCHER.example:8443", "https://xn--bcher-kva.example:8443/"),
        ("https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/"),
    ],
)
def test_normalisation(text: str, normalised: str) -> None:
    url = URL(text)
    assert url == normalised
    assert str(url) == normalised
    assert type(str(url)) is str
    assert URL(normalised) == url
    assert hash(url) == hash(normalised)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is not absolute: it must begin with https:// or http:// and a host"),
        ("/users", "it is not absolute"),
        ("//example.com/", "it is not absolute"),
        ("example.com", "it is not absolute"),
        ("?a://b", "it is not absolute"),
        ("1http://example.com", "it is not absolute"),
        ("://example.com", "it is not absolute"),
        ("https", "https: must be followed by // and a host"),
        ("localhost:8080/", "its scheme is neither https nor http"),
        ("ftp://example.com/", "its scheme is neither https nor http"),
        ("javascript:alert(1)", "its scheme is neither https nor http"),
        ("http:example.com", "http: must be followed by // and a host"),
        ("HTTPS:/example.com", "https: must be followed by // and a host"),
        ("https:\\\\example.com", "https: must be followed by // and a host"),
        ("https://", "it has no host"),
        ("https:///path", "it has no host"),
        ("https://:443/", "it has no host"),
        ("https://?a", "it has no host"),
        (" https://example.com/", "white space at its beginning or end"),
        ("https://example.com/ ", "white space at its beginning or end"),
        ("https://example.com/\u3000", "white space at its beginning or end"),
        ("https://example.com/\n", "control character U+000A at position 20"),
        ("ht\ttps://example.com/", "control character U+0009 at position 2"),
        ("https://exa\0mple.com/", "control character U+0000 at position 11"),
        ("https://example.com/\x7f", "control character U+007F at position 20"),
        ("https://example.com/\ud800", "a lone surrogate has no UTF-8 form"),
        ("https://example.com/a?\udc80", "a lone surrogate has no UTF-8 form"),
        (
            "https://ada:hunter2@example.com/",
            "it holds userinfo before the host; pass a user name and password as auth=BasicAuth",
        ),
        ("https://hunter2@example.com/", "it holds userinfo before the host"),
        ("https://hunter2\\@evil.example/", "it holds userinfo before the host"),
        ("https://ada:hunter2/x@example.com/", "its port is not a number"),
        ("https://ada:hunter2?x@example.com/", "its port is not a number"),
        ("https://ada:hunter2#x@example.com/", "its port is not a number"),
        ("https://example.com\\evil/", "it holds a backslash before or in the host"),
        ("https://exam ple.com/", "its host holds characters that no host name has"),
        ("https://exam<ple.com/", "its host holds characters that no host name has"),
        ("https://exam%70le.com/", "its host is percent-encoded"),
        ("https://%00/", "its host is percent-encoded"),
        ("https://ex%ämple.com/", "its host is percent-encoded"),
        ("https://example.com:0/", "its port is not a number from 1 to 65535"),
        ("https://example.com:65536/", "its port is not a number from 1 to 65535"),
        ("https://example.com:999999/", "its port is not a number from 1 to 65535"),
        ("https://example.com:-1/", "its port is not a number from 1 to 65535"),
        ("https://example.com:8x/", "its port is not a number from 1 to 65535"),
        ("https://example.com:٨/", "its port is not a number from 1 to 65535"),
        ("https://example.com:80:80/", "its port is not a number from 1 to 65535"),
        ("https://::1/", "it has no host"),
        ("https://a..b/", "its host has an empty label or is too long"),
        ("https://.a/", "its host has an empty label or is too long"),
        ("https://./", "its host has an empty label or is too long"),
        (f"https://{'a' * 64}.com/", "its host has an empty label or is too long"),
        (f"https://{'a.' * 127}com/", "its host has an empty label or is too long"),
        (f"https://{'ä.' * 127}com/", "its host holds characters that no host name has"),
        (f"https://{'ä' * 63}.com/", ""),
        ("https://a／b.example/", ""),
        ("https://a..ä/", ""),
        ("https://[::1/", "its host is not a bracketed IPv6 address"),
        ("https://[::1]x/", "its host is not a bracketed IPv6 address"),
        ("https://[::1]:x/", "its port is not a number"),
        ("https://[]/", ""),
        ("https://[v1.x]/", ""),
        ("https://[127.0.0.1]/", ""),
        ("https://[fe80::1%25eth0]/", "its host has an IPv6 zone"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        URL(text)
    message = str(caught.value)
    assert message.startswith("URL '")
    assert problem in message
    assert "hunter2" not in message
    assert message.isprintable()


@pytest.mark.parametrize("value", [None, 7, b"https://example.com/", ["https://example.com/"]])
def test_only_text_is_a_url(value: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"^a URL must be a str, not {type(value).__name__}$"):
        URL(value)


@pytest.mark.parametrize(
    ("text", "host", "encoded"),
    [
        ("https://straße.example/", "strasse.example", "idna 2003"),
        ("https://münchen.example/", "xn--mnchen-3ya.example", "both"),
    ],
)
def test_without_the_idna_package_pythons_own_codec_is_used(
    text: str, host: str, encoded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert URL(text).host == host


def test_a_host_that_pythons_own_codec_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(InvalidRequest, match="URL 'https://"):
        URL(f"https://{'ü' * 64}.example/")


def test_parts() -> None:
    url = URL("http://Example.com:8080/a/b?c=d&e#f")
    assert (url.scheme, url.host, url.port) == ("http", "example.com", 8080)
    assert (url.path, url.query, url.target) == ("/a/b", "c=d&e", "/a/b?c=d&e")
    assert (url.authority, url.origin) == ("example.com:8080", "http://example.com:8080")
    plain = URL("https://[::1]")
    assert (plain.host, plain.port, plain.authority, plain.origin) == ("::1", 443, "[::1]", "https://[::1]")
    assert (plain.path, plain.query, plain.target) == ("/", "", "/")
    assert URL("https://example.com?a").target == "/?a"


def test_a_url_is_a_str_and_stays_itself() -> None:
    url = URL("https://example.com/a")
    assert isinstance(url, str)
    assert URL(url) is url
    assert {url: 1}["https://example.com/a"] == 1
    assert f"{url}" == "https://example.com/a"


def test_a_url_is_immutable() -> None:
    url = URL("https://example.com/a")
    with pytest.raises(AttributeError, match="a URL is immutable; 'host' cannot be set"):
        url.host = "evil.example"
    with pytest.raises(AttributeError, match="a URL is immutable; 'host' cannot be deleted"):
        del url.host
    assert url.host == "example.com"


def test_what_is_printed_is_redacted() -> None:
    url = URL("https://example.com/a?page=2&token=hunter2")
    assert url.redacted == "https://example.com/a?page=2&token=[redacted]"
    assert repr(url) == "URL('https://example.com/a?page=2&token=[redacted]')"
    assert url.redacted is url.redacted
    assert URL("https://example.com/a").redacted == "https://example.com/a"
    assert type(URL("https://example.com/a").redacted) is str


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies(duplicate: Any) -> None:
    url = URL("https://example.com:8443/a?b=c")
    other = duplicate(url)
    assert type(other) is URL
    assert (other, other.origin, other.port, other.target) == (url, url.origin, 8443, "/a?b=c")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://example.com/a", "https://EXAMPLE.com:443/b?c", True),
        ("https://example.com/", "http://example.com/", False),
        ("https://example.com/", "https://example.com:8443/", False),
        ("https://example.com/", "https://www.example.com/", False),
        ("https://example.com/", "https://example.com./", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert URL(one).same_origin(URL(other)) is same


BASE = URL("http://a/b/c/d;p?q")


@pytest.mark.parametrize(
    ("reference", "result"),
    [
        # RFC 3986 §5.4.1, without the fragments, which are never sent.
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        # §5.4.2
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g"),
        ("g#s/../x", "http://a/b/c/g"),
        # Beyond the RFC's table.
        ("?", "http://a/b/c/d;p"),
        ("https://Example.com:443/x/../y?z", "https://example.com/y?z"),
        ("HTTP://g", "http://g/"),
        ("//g:8080/x/./y", "http://g:8080/x/y"),
        ("a//../b", "http://a/b/c/a/b"),
        ("/.//g", "http://a//g"),
        ("g h?i j", "http://a/b/c/g%20h?i%20j"),
        ("/käse/%2F/%", "http://a/k%C3%A4se/%2F/%25"),
        ("/\\evil", "http://a/%5Cevil"),
        ("\\\\evil", "http://a/b/c/%5C%5Cevil"),
        ("/x:y", "http://a/x:y"),
        ("./x:y", "http://a/b/c/x:y"),
        ("1x:y", "http://a/b/c/1x:y"),
    ],
)
def test_resolution(reference: str, result: str) -> None:
    url = BASE.join(reference)
    assert url == result
    assert url.target == result[len(url.origin) :]
    assert URL(url) == URL(str(url))


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("g:h", "its scheme is neither https nor http"),  # RFC 3986 §5.4.1 has it stand for itself
        ("http:g", "http: must be followed by //"),  # §5.4.2, for strict parsers
        ("mailto:ada@example.com", "its scheme is neither https nor http"),
        ("//", "it has no host"),
        ("https://", "it has no host"),
        ("//ada:hunter2@evil/", "it holds userinfo"),
        ("//evil\\x", "it holds a backslash"),
        ("https://evil:99999/", "its port is not a number"),
        ("/a\r\nb", "control character U+000D at position 2"),
        (" /a", "white space at its beginning or end"),
        ("/\ud800", "a lone surrogate"),
        ("x?\ud800", "a lone surrogate"),
    ],
)
def test_references_that_lead_nowhere(reference: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        BASE.join(reference)
    message = str(caught.value)
    assert message.startswith("reference '")
    assert " at http://a/b/c/d;p?[redacted]: " in message
    assert problem in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", ""),
        ("aZ09-._~", "aZ09-._~"),
        (" ", "%20"),
        ("%", "%25"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("é€😀", "%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("\n\x7f", "%0A%7F"),
    ],
)
def test_percent_encoding(text: str, encoded: str) -> None:
    assert percent_encode(text) == encoded


AUTHORITY = st.sampled_from(["example.com", "a:8080", "EXAMPLE.com:443", "[::1]", "ü.example", "x_y."])


@given(st.sampled_from(["http", "https", "HTTP"]), AUTHORITY, st.text(), st.text())
def test_any_path_and_query_become_a_url_or_an_error(scheme: str, authority: str, path: str, query: str) -> None:
    try:
        url = URL(f"{scheme}://{authority}/{path}?{query}")
    except InvalidRequest as error:
        message = str(error)
    else:
        message = ""
        assert_normal(url)
    assert message.isprintable()


def assert_normal(url: URL) -> None:
    assert url.isascii()
    assert url.isprintable()
    assert not set(url.target) & set(' "<>\\^`{|}[]#')
    assert url == url.origin + url.target
    # Parsing is idempotent, so a URL may be written down and read again.
    again = URL(str(url))
    assert (again, again.path, again.query) == (url, url.path, url.query)


@given(st.text() | st.text(st.sampled_from("htps:/\\@.?#%[]ab19 \t")))
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    for candidate in (text, f"https://{text}"):
        try:
            url = URL(candidate)
        except InvalidRequest as error:
            message = str(error)
        else:
            message = ""
            assert_normal(url)
            assert url.host
            assert 0 < url.port < 65_536
            assert not set(url.host) & set("/\\@?#% ")
        assert message.isprintable()


PIECES = (
    "/",
    "/",
    "//",
    "\\",
    ".",
    "..",
    "..",
    "%2e",
    "?",
    "#",
    ":",
    "@",
    "a",
    "b:1",
    "http:",
    "https://",
    " ",
    "\t",
    "ä",
    "[::1]",
)


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_any_reference_resolves_or_is_an_error(reference: str) -> None:
    try:
        url = BASE.join(reference)
    except InvalidRequest:
        return
    assert URL(str(url)) == url
    assert not {".", ".."} & set(url.path.split("/"))
    if not reference.lower().startswith(("http:", "https:", "//")):
        assert url.same_origin(BASE)
