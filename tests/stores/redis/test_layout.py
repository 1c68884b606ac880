"""What the keys are called and what is in them: for any key, and any bytes."""

from __future__ import annotations

from math import inf
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry
from trivet.core.caching.keys import cache_key, target_prefix
from trivet.core.http.request import Request
from trivet.stores.redis.layout import IN_RECORD, Names, dump_rest, load_value, split_key

DIGEST = "606628e8a440d18a610bf0a72bece8c9d08361eb"
ID = b"0123456789abcdef" * 2

words = st.one_of(st.just(DIGEST), st.sampled_from(["GET", "", "-", DIGEST.upper(), DIGEST + "0"]), st.text(max_size=3))
keys = st.lists(words, max_size=6).map(" ".join)


@given(keys, keys)
def test_a_prefix_with_a_target_has_the_target_of_all_keys_that_begin_so(prefix: str, rest: str) -> None:
    target, begin = split_key(prefix)
    assert target + begin == prefix
    if target:
        assert split_key(prefix + rest) == (target, begin + rest)


@pytest.mark.parametrize("query", ["", "?page=2"])
def test_the_target_of_a_key_is_its_prefix_for_all_users(query: str) -> None:
    request = Request("GET", f"https://api.example.com/users{query}")
    target = target_prefix(request.method, request.url)
    for who in (None, "ada"):
        key = cache_key(request, who)
        assert split_key(key) == (target, key.removeprefix(target))


@given(st.text(st.characters()), st.text(st.characters()))
def test_names_of_different_keys_differ(one: str, other: str) -> None:
    names = Names("p:")
    assert (names.place(one) == names.place(other)) is (one == other)


def value_of(entry: Entry, content: bytes) -> bytes:
    return ID + IN_RECORD + dump_rest(entry) + content


ENTRY = Entry(
    *("k", "GET", "https://a.example/", 200, "OK", "HTTP/1.1", ((b"A", b"b"),), (), 9.0, 10.0, inf, 2, crc32(b"hi")),
    content_id=ID.decode(),
)
VALUE = value_of(ENTRY, b"hi")


def test_a_value() -> None:
    found = load_value(VALUE, "k")
    assert found is not None
    assert (found.entry, found.content) == (ENTRY, b"hi")
    assert load_value(VALUE, "K") is None


@pytest.mark.parametrize("place", range(len(VALUE)))
def test_a_value_that_is_altered_anywhere_is_none(place: int) -> None:
    for bit in (1, 128):
        assert load_value(VALUE[:place] + bytes([VALUE[place] ^ bit]) + VALUE[place + 1 :], "k") is None
    assert load_value(VALUE[:place], "k") is None


@given(st.binary(max_size=300))
def test_any_bytes_are_none(data: bytes) -> None:
    assert load_value(data, "k") is None
    assert load_value(VALUE[:73] + data, "k") is None
    assert load_value(VALUE + data, "k") is None or not data
