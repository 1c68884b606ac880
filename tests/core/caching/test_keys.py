"""Cache keys: RFC 9111 §2, and nobody is served what was stored for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.digests import digest
from trivet.core.caching.keys import (
    MAX_KEY_LENGTH,
    cache_key,
    credentials_identity,
    fixed_ttl_key,
    target_prefix,
)
from trivet.core.http.headers import HeadersInput
from trivet.core.http.request import Request
from trivet.core.http.url import URL

URL_TEXT = "https://api.example.com/users?page=2"
SECRET = "s3cr3t"


def get(url: str = URL_TEXT, headers: HeadersInput = (), method: str = "GET") -> Request:
    return Request(method, url, headers)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com/a", "HTTPS://API.Example.COM/a"),
        ("https://api.example.com/a", "https://api.example.com:443/a"),
        ("http://api.example.com/a", "http://api.example.com:80/a"),
        ("https://api.example.com/a?b", "https://api.example.com/a?b#top"),
        ("https://api.example.com/a", "https://api.example.com/a?"),
        ("https://api.example.com/käse?q=a b", "https://api.example.com/k%C3%A4se?q=a%20b"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://[2001:DB8:0::1]/", "https://[2001:db8::1]/"),
    ],
)
def test_one_key_for_one_url(one: str, other: str) -> None:
    assert cache_key(get(one), None) == cache_key(get(other), None)
    assert fixed_ttl_key(get(one), None) == fixed_ttl_key(get(other), None)


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/users?page=2",
        "https://api.example.com:8443/users?page=2",
        "https://api.example.org/users?page=2",
        "https://api.example.com/users/?page=2",
        "https://api.example.com/Users?page=2",
        "https://api.example.com/users",
        "https://api.example.com/users?page=3",
        "https://api.example.com/users?page=2&",
        "https://api.example.com/users%3Fpage=2",
        "https://api.example.com/users?PAGE=2",
    ],
)
def test_other_urls_have_other_keys(other: str) -> None:
    assert cache_key(get(), None) != cache_key(get(other), None)
    assert fixed_ttl_key(get(), None) != fixed_ttl_key(get(other), None)


def test_methods_have_keys_of_their_own() -> None:
    methods = ["GET", "HEAD", "POST", "OPTIONS", "get-it"]
    assert len({cache_key(get(method=method), None) for method in methods}) == len(methods)


def test_parameters_in_another_order_are_another_url_by_the_rfc() -> None:
    one, other = get("https://a.example/?a=1&b=2"), get("https://a.example/?b=2&a=1")
    assert cache_key(one, None) != cache_key(other, None)
    assert fixed_ttl_key(one, None) == fixed_ttl_key(other, None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a=1&b=2&a=3", "b=2&a=1&a=3", True),
        ("a=1&b=2&a=3", "a=3&b=2&a=1", False),
        ("a=1&b=2", "a=2&b=1", False),
        ("a&b", "b&a", True),
        ("a=1&ab=2", "ab=2&a=1", True),
        ("a=1&&b=2", "a=1&b=2", False),
        ("a=1=2&b", "b&a=1=2", True),
    ],
)
def test_parameters_sorted(one: str, other: str, same: bool) -> None:
    keys = [fixed_ttl_key(get(f"https://a.example/?{query}"), None) for query in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_what_is_kept_for_a_fixed_time_is_not_found_by_the_rfc() -> None:
    assert cache_key(get(), None) != fixed_ttl_key(get(), None)
    assert cache_key(get(), "ada") != fixed_ttl_key(get(), "ada")


# Who asks.


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": SECRET},
        {"Proxy-Authorization": SECRET},
        {"Cookie": f"sid={SECRET}"},
        {"X-API-Key": SECRET},
        {"X-Auth-Token": SECRET},
        {"Accept": "*/*", "Api-Key": SECRET},
    ],
)
def test_credentials_have_an_identity(headers: dict[str, str]) -> None:
    identity = credentials_identity(get(headers=headers))
    assert identity is not None
    assert SECRET not in identity
    changed = {name: value.replace(SECRET, "other") for name, value in headers.items()}
    assert identity != credentials_identity(get(headers=changed))
    upper = {name.upper(): value for name, value in headers.items()}
    assert identity == credentials_identity(get("https://other.example/", upper))


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*", "User-Agent": "trivet", "Idempotency-Key": "1"}])
def test_without_credentials_there_is_no_identity(headers: dict[str, str]) -> None:
    assert credentials_identity(get(headers=headers)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([("Cookie", "a=1"), ("Authorization", "x")], [("authorization", "x"), ("cookie", "a=1")], True),
        ([("Cookie", "a=1"), ("Cookie", "b=2")], [("Cookie", "b=2"), ("Cookie", "a=1")], False),
        ([("Cookie", "a=1"), ("Cookie", "b=2")], [("Cookie", "a=1"), ("Accept", "*/*"), ("Cookie", "b=2")], True),
        ([("Cookie", "a"), ("Authorization", "b")], [("Cookie", "b"), ("Authorization", "a")], False),
        ([("Cookie", "a")], [("Authorization", "a")], False),
        ([("Cookie", "")], [("Cookie", "a")], False),
    ],
)
def test_which_credentials_are_the_same(one: list[tuple[str, str]], other: list[tuple[str, str]], same: bool) -> None:
    assert (credentials_identity(get(headers=one)) == credentials_identity(get(headers=other))) is same


def test_users_have_keys_of_their_own() -> None:
    for make in (cache_key, fixed_ttl_key):
        who = [None, "", "-", "ada", "bob", digest("ada")]
        assert len({make(get(), each) for each in who}) == len(who)


# Chosen fields.


def test_chosen_fields_tell_keys_apart() -> None:
    headers: list[dict[str, str]] = [{}, {"Accept": ""}, {"Accept": "a"}, {"Accept": "b"}, {"X-Tenant": "a"}]
    fields = ("accept", "x-tenant")
    assert len({fixed_ttl_key(get(headers=each), None, fields) for each in headers}) == len(headers)
    assert len({fixed_ttl_key(get(headers=each), None) for each in headers}) == 1
    assert fixed_ttl_key(get(headers=headers[2]), "a", fields) != fixed_ttl_key(get(headers=headers[2]), "b", fields)


def test_how_fields_are_chosen_makes_no_difference() -> None:
    request = get(headers={"Accept": "TEXT/html,*/*", "X-Tenant": "a"})
    other = get(headers={"x-tenant": "a", "accept": "text/html, */*"})
    key = fixed_ttl_key(request, None, ("accept", "x-tenant"))
    assert key == fixed_ttl_key(request, None, ["X-Tenant", "Accept", "ACCEPT"])
    assert key == fixed_ttl_key(other, None, ["Accept", "X-Tenant"])


# What a key shows.


def test_a_key_shows_no_secret() -> None:
    url = f"https://api.example.com/users?page=2&api_key={SECRET}"
    request = get(url, {"Authorization": SECRET, "X-Tenant": SECRET})
    assert SECRET not in cache_key(request, SECRET)
    assert SECRET not in fixed_ttl_key(request, SECRET, ("authorization", "x-tenant"))


def test_a_key_begins_with_what_people_look_for() -> None:
    assert cache_key(get(), None).startswith("GET https://api.example.com/users ")
    assert fixed_ttl_key(get(), "ada").startswith("GET https://api.example.com/users ")


def test_a_key_is_the_same_in_every_process() -> None:
    url, who = "e7acc65afd7d72197edd5798dc7b11f9f511709e", "e2ee7613bc3b987b1a0bdbaeed53e915217b1391"
    assert cache_key(get(), "ada") == f"GET https://api.example.com/users {url} {who}"


@pytest.mark.parametrize("length", [1, 80, 94, 95, 96, 97, 120, 10_000])
def test_long_keys_are_cut_off_but_stay_different(length: int) -> None:
    keys = [
        make(request, who)
        for tail in "ab"
        for request in (
            get(f"https://a.example/{'x' * length}{tail}"),
            get("https://a.example/", method="M" * length + tail),
        )
        for who in (None, "ada")
        for make in (cache_key, fixed_ttl_key)
    ]
    assert len(set(keys)) == len(keys) == 16
    assert all(len(key) <= MAX_KEY_LENGTH and key.isascii() for key in keys)
    assert length != 10_000 or max(map(len, keys)) == MAX_KEY_LENGTH


def test_the_keys_of_all_users_for_one_target() -> None:
    url = URL(URL_TEXT)
    prefix, other = target_prefix("GET", url), target_prefix("GET", url, any_order=True)
    assert prefix != other
    for who in (None, "ada", "bob"):
        assert cache_key(get(), who).startswith(prefix)
        assert fixed_ttl_key(get(), who, ("accept",)).startswith(other)
    assert not cache_key(get("https://api.example.com/users"), None).startswith(prefix)
    assert not cache_key(get(method="HEAD"), None).startswith(prefix)


METHOD = st.sampled_from(["GET", "HEAD", "POST"])
PATH = st.text(st.sampled_from("ab/?&=%"), max_size=6)
QUERY = st.text(st.sampled_from("ab&="), max_size=6)
WHO = st.none() | st.text(max_size=3)
FIELD = st.sampled_from(["a", "b", "a, b"])
FIELDS = st.dictionaries(st.sampled_from(["Accept", "Cookie", "Foo"]), FIELD, max_size=2)


@given(METHOD, PATH, WHO, METHOD, PATH, WHO)
def test_keys_are_the_same_for_the_same_request_only(
    method: str, path: str, who: str | None, other_method: str, other_path: str, other_who: str | None
) -> None:
    one, other = get(f"https://a.example/{path}", (), method), get(f"https://a.example/{other_path}", (), other_method)
    same = one == other and who == other_who
    assert (cache_key(one, who) == cache_key(other, other_who)) is same
    assert not same or fixed_ttl_key(one, who) == fixed_ttl_key(other, other_who)


@given(QUERY, QUERY, WHO, WHO, FIELDS, FIELDS)
def test_fixed_keys_are_the_same_for_the_same_parameters_only(
    query: str,
    other_query: str,
    who: str | None,
    other_who: str | None,
    headers: dict[str, str],
    others: dict[str, str],
) -> None:
    one, other = get(f"https://a.example/?{query}", headers), get(f"https://a.example/?{other_query}", others)
    fields = ("Accept", "Cookie", "Foo")
    same = (
        sorted(one.url.query.split("&")) == sorted(other.url.query.split("&"))
        and who == other_who
        and one.headers == other.headers
    )
    if fixed_ttl_key(one, who, fields) == fixed_ttl_key(other, other_who, fields):
        assert same


@given(FIELDS, FIELDS)
def test_identities_are_the_same_for_the_same_credentials_only(headers: dict[str, str], others: dict[str, str]) -> None:
    same = headers.get("Cookie") == others.get("Cookie")
    assert (credentials_identity(get(headers=headers)) == credentials_identity(get(headers=others))) is same
