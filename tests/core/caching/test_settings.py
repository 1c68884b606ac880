"""Claims on what is validated in the background (RFC 5861 §3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from trivet.core.caching.identity import Identities
from trivet.core.caching.invalidations import Invalidations
from trivet.core.caching.settings import MAX_REVALIDATIONS, Revalidations, Settings
from trivet.core.limits import DEFAULT_LIMITS
from trivet.stores.memory import MemoryStore


def test_a_key_is_claimed_by_one_at_a_time() -> None:
    claims = Revalidations()
    assert claims.claim("a", 0.0, 10.0)
    assert not claims.claim("a", 0.0, 10.0)
    assert claims.claim("b", 0.0, 10.0)


def test_a_claim_that_is_given_back_is_free() -> None:
    claims = Revalidations()
    assert claims.claim("a", 0.0, 10.0)
    claims.end("a")
    assert claims.claim("a", 0.0, 10.0)


def test_to_give_back_what_nobody_has_does_nothing() -> None:
    claims = Revalidations()
    claims.end("a")
    assert claims.claim("a", 0.0, 10.0)


def test_a_claim_ends_by_itself() -> None:
    claims = Revalidations()
    assert claims.claim("a", 0.0, 10.0)
    assert not claims.claim("a", 9.9, 19.9)
    assert claims.claim("a", 10.0, 20.0)
    assert not claims.claim("a", 10.0, 20.0)


def test_there_are_so_many_claims_at_most() -> None:
    claims = Revalidations()
    assert all(claims.claim(f"{n}", 0.0, 10.0 + n) for n in range(MAX_REVALIDATIONS))
    assert not claims.claim("one more", 9.0, 19.0)
    # That of "0" is over.
    assert claims.claim("one more", 10.0, 20.0)
    assert not claims.claim("two more", 10.0, 20.0)
    assert not claims.claim("1", 10.0, 20.0)


def test_of_many_threads_one_has_it() -> None:
    claims = Revalidations()
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: claims.claim("a", 0.0, 10.0), range(200)))
    assert sum(won) == 1


def test_what_a_cache_goes_by_unless_it_is_told_otherwise() -> None:
    settings = Settings(MemoryStore(), Identities(None), Revalidations(), Invalidations(), DEFAULT_LIMITS)
    assert (settings.shared, settings.refresh, settings.bypass, settings.streaming) == (False,) * 4
