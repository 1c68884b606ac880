"""Digests stand for secrets: the same for the same texts, and for no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.digests import DIGEST_LENGTH, digest, is_credential

PARTS = st.lists(st.none() | st.text(st.sampled_from("01:-a") | st.characters(), max_size=4), max_size=4)


@given(PARTS, PARTS)
def test_digests_are_the_same_for_the_same_texts_only(one: list[str | None], other: list[str | None]) -> None:
    assert (digest(*one) == digest(*other)) is (one == other)
    assert len(digest(*one)) == DIGEST_LENGTH
    assert set(digest(*one)) <= set("0123456789abcdef")


def test_a_digest_is_the_same_in_every_process() -> None:
    assert digest("a", None) == "e174168dcfebeeb0c8c68d04a899dbdd31f0b65e"


def test_credentials_are_told_by_their_name() -> None:
    assert [is_credential(name) for name in ("Authorization", "cookie", "X-API-Key", "accept")] == [True] * 3 + [False]
