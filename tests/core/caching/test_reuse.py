"""Reuse: RFC 9111 §4.2.4 and §5.2, RFC 5861, RFC 8246."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.directives import RequestDirectives, ResponseDirectives
from trivet.core.caching.entry import Entry
from trivet.core.caching.reuse import Outcome, Reuse, decide, may_serve_stale_on_error
from trivet.core.caching.stored import Stored
from trivet.core.http.headers import Headers

FRESH, STALE, IN_BACKGROUND, VALIDATE = Outcome
NOTHING = "stale: nothing says how long it is fresh"
BY_12 = "stale by 12 s (max-age=60)"


def stored(cache_control: str, *more: tuple[bytes, bytes]) -> Stored:
    """A response that came at the time 0, so that its age is the time."""
    fields = ((b"Cache-Control", cache_control.encode("latin-1")), *more)
    return Stored(Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, inf, 0, 0), b"")


def request(cache_control: str) -> RequestDirectives:
    return RequestDirectives.of(Headers({"Cache-Control": cache_control}))


def decided(asked: str, said: str, now: float, *, shared: bool = False) -> Reuse:
    return decide(request(asked), stored(said), shared=shared, now=now)


@pytest.mark.parametrize(
    ("asked", "said", "now", "outcome", "reason"),
    [
        # RFC 9111 §4.2: fresh as long as its lifetime exceeds its age.
        ("", "max-age=60", 0, FRESH, "fresh: max-age=60, 0 s old"),
        ("", "max-age=60", 59.9, FRESH, "fresh: max-age=60, 59 s old"),
        ("", "max-age=60", 60, VALIDATE, "stale by 0 s (max-age=60)"),
        ("", "max-age=60", 72, VALIDATE, BY_12),
        ("", "", 12, VALIDATE, f"{NOTHING}, 12 s old"),
        ("", "must-revalidate, max-age=60", 59, FRESH, "fresh: max-age=60, 59 s old"),
        # §5.2.1.1, max-age of the request
        ("max-age=12", "max-age=60", 12, FRESH, "fresh: max-age=60, 12 s old"),
        ("max-age=12", "max-age=60", 12.1, VALIDATE, "max-age=12 in the request, 12 s old"),
        ("max-age=0", "max-age=60", 0, VALIDATE, "max-age=0 in the request, 0 s old"),
        ("max-age=99", "max-age=60", 72, VALIDATE, f"{BY_12}, max-age=99 without max-stale in the request"),
        ("max-age=99, max-stale=20", "max-age=60", 72, STALE, f"{BY_12}, max-stale=20 in the request"),
        ("max-age=70, max-stale=20", "max-age=60", 72, VALIDATE, f"{BY_12}, max-age=70 in the request, 72 s old"),
        # §5.2.1.2, max-stale
        ("max-stale", "max-age=60", 9999, STALE, "stale by 9939 s (max-age=60), max-stale in the request"),
        ("max-stale=12", "max-age=60", 72, STALE, f"{BY_12}, max-stale=12 in the request"),
        ("max-stale=12", "max-age=60", 72.1, VALIDATE, f"{BY_12}, more than max-stale=12 in the request"),
        ("max-stale=12", "max-age=60", 12, FRESH, "fresh: max-age=60, 12 s old"),
        ("max-stale=12", "", 12, STALE, f"{NOTHING}, 12 s old, max-stale=12 in the request"),
        ("max-stale", "max-age=60, must-revalidate", 72, VALIDATE, f"{BY_12}, must-revalidate"),
        # §5.2.1.3, min-fresh
        ("min-fresh=10", "max-age=60", 50, FRESH, "fresh: max-age=60, 50 s old"),
        ("min-fresh=10", "max-age=60", 50.1, VALIDATE, "min-fresh=10 in the request"),
        ("min-fresh=0, max-stale", "max-age=60", 72, VALIDATE, f"{BY_12}, min-fresh=0 in the request"),
        # §5.2.1.4 and §5.2.2.4, no-cache
        ("no-cache", "max-age=60", 12, VALIDATE, "no-cache in the request"),
        ("no-cache, max-stale", "max-age=60", 72, VALIDATE, f"{BY_12}, no-cache in the request"),
        ("", "max-age=60, no-cache", 12, VALIDATE, "no-cache in the response"),
        ("max-stale", "max-age=60, no-cache", 72, VALIDATE, f"{BY_12}, no-cache in the response"),
        ("", 'max-age=60, no-cache="a"', 12, FRESH, "fresh: max-age=60, 12 s old"),
        # §5.2.1.5: no-store asks for nothing to be stored, not for nothing to be used.
        ("no-store", "max-age=60", 12, FRESH, "fresh: max-age=60, 12 s old"),
        # RFC 8246 §2: what a reload sends is not worth a validation, but the user can override that.
        ("max-age=0", "max-age=60, immutable", 12, FRESH, "fresh: max-age=60, 12 s old"),
        ("no-cache", "max-age=60, immutable", 12, VALIDATE, "no-cache in the request"),
        ("min-fresh=50", "max-age=60, immutable", 12, VALIDATE, "min-fresh=50 in the request"),
        ("max-age=0", "max-age=60, immutable", 72, VALIDATE, f"{BY_12}, max-age=0 in the request, 72 s old"),
        # RFC 5861 §3, stale-while-revalidate
        ("", "max-age=60, stale-while-revalidate=12", 59, FRESH, "fresh: max-age=60, 59 s old"),
        ("", "max-age=60, stale-while-revalidate=12", 72, IN_BACKGROUND, f"{BY_12}, stale-while-revalidate=12"),
        ("", "max-age=60, stale-while-revalidate=12", 72.1, VALIDATE, BY_12),
        ("", "stale-while-revalidate=12", 12, IN_BACKGROUND, f"{NOTHING}, 12 s old, stale-while-revalidate=12"),
        ("", "max-age=60, stale-while-revalidate=99, must-revalidate", 72, VALIDATE, f"{BY_12}, must-revalidate"),
        ("", "max-age=60, stale-while-revalidate=99, no-cache", 72, VALIDATE, f"{BY_12}, no-cache in the response"),
        (
            "max-stale=20",
            "max-age=60, stale-while-revalidate=20",
            72,
            IN_BACKGROUND,
            f"{BY_12}, stale-while-revalidate=20",
        ),
        ("max-stale=20", "max-age=60, stale-while-revalidate=5", 72, STALE, f"{BY_12}, max-stale=20 in the request"),
        (
            "max-stale=5",
            "max-age=60, stale-while-revalidate=20",
            72,
            VALIDATE,
            f"{BY_12}, more than max-stale=5 in the request",
        ),
        (
            "max-age=99",
            "max-age=60, stale-while-revalidate=20",
            72,
            VALIDATE,
            f"{BY_12}, max-age=99 without max-stale in the request",
        ),
    ],
)
def test_what_may_be_done(asked: str, said: str, now: float, outcome: Outcome, reason: str) -> None:
    reuse = decided(asked, said, now)
    assert (reuse.outcome, reuse.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("said", "private", "shared", "why"),
    [
        ("max-age=60, proxy-revalidate", STALE, VALIDATE, "max-age=60), proxy-revalidate"),
        ("max-age=60, s-maxage=60", STALE, VALIDATE, "s-maxage=60), s-maxage"),
        ("max-age=60, must-revalidate", VALIDATE, VALIDATE, "max-age=60), must-revalidate"),
        ("max-age=60", STALE, STALE, "max-age=60), max-stale in the request"),
    ],
)
def test_some_directives_are_for_shared_caches(said: str, private: Outcome, shared: Outcome, why: str) -> None:
    """RFC 9111 §5.2.2.8 and §5.2.2.10."""
    assert decided("max-stale", said, 72).outcome is private
    reuse = decided("max-stale", said, 72, shared=True)
    assert (reuse.outcome, reuse.reason) == (shared, f"stale by 12 s ({why}")


@pytest.mark.parametrize(
    ("asked", "said", "now", "forward"),
    [
        ("", "max-age=60", 12, ""),
        ("max-stale", "max-age=60", 72, ""),
        ("", "max-age=60, stale-while-revalidate=20", 72, ""),
        ("", "max-age=60", 72, "stale"),
        ("no-cache", "max-age=60", 72, "stale"),
        ("", "max-age=60, no-cache", 12, "stale"),
        ("no-cache", "max-age=60, no-cache", 12, "stale"),
        ("no-cache", "max-age=60", 12, "request"),
        ("max-age=5", "max-age=60", 12, "request"),
        ("min-fresh=50", "max-age=60", 12, "request"),
    ],
)
def test_why_it_is_forwarded(asked: str, said: str, now: float, forward: str) -> None:
    """RFC 9211 §2.2: ``request`` only where what is stored is good for other requests."""
    assert decided(asked, said, now).forward == forward


@pytest.mark.parametrize(("asked", "now"), [("", 12), ("max-stale", 72), ("", 72), ("no-cache", 12)])
def test_fields_that_no_cache_names_are_told_whatever_comes_of_it(asked: str, now: float) -> None:
    """RFC 9111 §5.2.2.4. An error may lead to their use although validation was decided."""
    assert decided(asked, 'max-age=60, no-cache="A, b"', now).omit == {"a", "b"}
    assert decided(asked, "max-age=60", now).omit == frozenset()
    assert decided(asked, "max-age=60, no-cache", now).omit == frozenset()


def test_age_and_the_time_left_are_told() -> None:
    reuse = decide(request(""), stored("max-age=60", (b"Age", b"30")), shared=False, now=12.5)
    assert (reuse.age, reuse.ttl) == (42.5, 17.5)
    assert decided("", "max-age=60", 72).ttl == -12


# RFC 9111 §4.2.4 and RFC 5861 §4


@pytest.mark.parametrize(
    ("asked", "said", "now", "status", "allowed", "why"),
    [
        ("", "max-age=60", 72, None, True, "but there is no answer"),
        ("", "max-age=60", 12, None, True, "but there is no answer"),
        ("max-stale=20", "max-age=60", 72, None, True, "but there is no answer"),
        # What forbids any stale use
        ("", "max-age=60, must-revalidate", 72, None, False, "must-revalidate"),
        ("stale-if-error=99", "max-age=60, must-revalidate", 72, None, False, "must-revalidate"),
        ("", "max-age=60, must-revalidate, stale-if-error=99", 72, 503, False, "must-revalidate"),
        ("", "max-age=60, must-revalidate", 60, None, False, "must-revalidate"),
        ("stale-if-error=99", "max-age=60, must-revalidate", 60, None, False, "must-revalidate"),
        ("", "max-age=60, must-revalidate", 12, None, True, "but there is no answer"),
        ("", "max-age=60, no-cache", 12, None, False, "no-cache in the response"),
        ("", "max-age=60, no-cache, stale-if-error=99", 72, 503, False, "no-cache in the response"),
        ("no-cache", "max-age=60", 12, None, False, "no-cache in the request"),
        ("no-cache, stale-if-error=99", "max-age=60", 72, 503, False, "no-cache in the request"),
        # What this request does not want
        ("max-age=5", "max-age=60", 12, None, False, "max-age=5 in the request, 12 s old"),
        ("max-age=99", "max-age=60", 72, None, False, "max-age=99 without max-stale in the request"),
        ("max-age=99", "max-age=60", 60, None, False, "max-age=99 without max-stale in the request"),
        ("min-fresh=50", "max-age=60", 12, None, False, "min-fresh=50 in the request"),
        ("max-stale=5", "max-age=60", 72, None, False, "more than max-stale=5 in the request"),
        ("max-age=5", "max-age=60, stale-if-error=99", 12, 503, False, "max-age=5 in the request, 12 s old"),
        # stale-if-error of the response
        ("", "max-age=60, stale-if-error=12", 72, 503, True, "stale-if-error=12"),
        ("", "max-age=60, stale-if-error=12", 72.1, 503, False, "more than stale-if-error=12"),
        ("", "max-age=60, stale-if-error=12", 72, None, True, "stale-if-error=12"),
        ("", "max-age=60, stale-if-error=12", 72.1, None, False, "more than stale-if-error=12"),
        ("", "max-age=60, stale-if-error=12", 12, 500, True, "stale-if-error=12"),
        ("", "stale-if-error=12", 12, 502, True, "stale-if-error=12"),
        # stale-if-error of the request
        ("stale-if-error=12", "max-age=60", 72, 504, True, "stale-if-error=12 in the request"),
        ("stale-if-error=12", "max-age=60", 72.1, 504, False, "more than stale-if-error=12 in the request"),
        (
            "stale-if-error=12",
            "max-age=60, stale-if-error=99",
            73,
            504,
            False,
            "more than stale-if-error=12 in the request",
        ),
        ("stale-if-error=12, max-age=0", "max-age=60", 72, None, True, "stale-if-error=12 in the request"),
        # An error response alone permits nothing.
        ("", "max-age=60", 72, 500, False, "no stale-if-error for status 500"),
        ("", "max-age=60", 72, 502, False, "no stale-if-error for status 502"),
        ("", "max-age=60", 72, 503, False, "no stale-if-error for status 503"),
        ("", "max-age=60", 72, 504, False, "no stale-if-error for status 504"),
    ],
)
def test_use_on_error(asked: str, said: str, now: float, status: int | None, *, allowed: bool, why: str) -> None:
    state = f"fresh: max-age=60, {now} s old" if now < 60 else f"stale by {int(now - 60)} s (max-age=60)"
    if "max-age=60" not in said:
        state = f"{NOTHING}, {now} s old"
    expected = (allowed, f"{state}, {why}")
    assert may_serve_stale_on_error(request(asked), stored(said), shared=False, now=now, status=status) == expected


@pytest.mark.parametrize("status", [200, 304, 404, 408, 429, 501, 505, 599])
def test_other_statuses_are_answers(status: int) -> None:
    allowed, why = may_serve_stale_on_error(
        request("stale-if-error=99"), stored("max-age=60, stale-if-error=99"), shared=False, now=72, status=status
    )
    assert (allowed, why) == (False, f"status {status} is no error that stale-if-error is about")


@pytest.mark.parametrize("directive", ["proxy-revalidate", "s-maxage=60"])
def test_a_shared_cache_is_forbidden_more_on_error(directive: str) -> None:
    def allowed(*, shared: bool) -> bool:
        response = stored(f"max-age=60, stale-if-error=99, {directive}")
        return may_serve_stale_on_error(request(""), response, shared=shared, now=72, status=None)[0]

    assert (allowed(shared=False), allowed(shared=True)) == (True, False)


# Properties

seconds = st.integers(0, 40)
times = st.floats(0, 100)


def directives(*names: str) -> st.SearchStrategy[str]:
    """A Cache-Control of some of these; a name that ends with "=" has seconds."""
    texts = [seconds.map(f"{name}{{}}".format) if name.endswith("=") else st.just(name) for name in names]
    return st.lists(st.one_of(texts), max_size=5).map(", ".join)


asking = directives("max-age=", "max-stale=", "max-stale", "min-fresh=", "stale-if-error=", "no-cache", "no-store")
saying = directives(
    *("max-age=", "s-maxage=", "stale-while-revalidate=", "stale-if-error=", "no-cache", 'no-cache="a"'),
    *("must-revalidate", "proxy-revalidate", "immutable", "public"),
)


def permitted(asked: RequestDirectives, said: ResponseDirectives, age: float, *, shared: bool) -> Outcome:
    """What the RFCs say, put as a list of what must be so."""
    max_age = said.s_maxage if shared and said.s_maxage is not None else said.max_age
    left = (0 if max_age is None else max_age) - age
    fresh = left > 0
    reload = asked.max_age is not None and not (fresh and said.immutable)
    usable = [
        not asked.no_cache,
        said.no_cache is not True,
        not reload or (asked.max_age != 0 and age <= (asked.max_age or 0)),
        asked.min_fresh is None or left >= asked.min_fresh,
    ]
    usable_stale = [
        not said.must_revalidate,
        not shared or (not said.proxy_revalidate and said.s_maxage is None),
        asked.max_age is None or asked.max_stale is not None,
        -left <= (inf if asked.max_stale is None else asked.max_stale),
    ]
    if not all(usable) or not (fresh or all(usable_stale)):
        return VALIDATE
    if fresh:
        return FRESH
    if said.stale_while_revalidate is not None and -left <= said.stale_while_revalidate:
        return IN_BACKGROUND
    return VALIDATE if asked.max_stale is None else STALE


@given(asking, saying, times, st.booleans())
def test_it_decides_as_a_list_of_the_rules_does(asked: str, said: str, now: float, shared: bool) -> None:
    response = stored(said)
    expected = permitted(request(asked), response.directives, now, shared=shared)
    assert decided(asked, said, now, shared=shared).outcome is expected


@given(asking, saying, times, times, st.booleans())
def test_with_age_it_is_never_permitted_more(asked: str, said: str, one: float, other: float, shared: bool) -> None:
    sooner, later = sorted([one, other])
    if decided(asked, said, later, shared=shared).outcome is not VALIDATE:
        assert decided(asked, said, sooner, shared=shared).outcome is not VALIDATE
    for status in (None, 503):
        allowed = [
            may_serve_stale_on_error(request(asked), stored(said), shared=shared, now=now, status=status)[0]
            for now in (sooner, later)
        ]
        assert allowed != [False, True]


@given(asking, saying, times, st.booleans(), st.sampled_from([None, 500, 503]))
def test_nothing_stale_is_served_against_what_forbids_it(
    asked: str, said: str, now: float, shared: bool, status: int | None
) -> None:
    response = stored(said)
    reuse = decide(request(asked), response, shared=shared, now=now)
    on_error, _ = may_serve_stale_on_error(request(asked), response, shared=shared, now=now, status=status)
    if reuse.outcome is not VALIDATE or on_error:
        assert "no-cache" not in asked
        assert response.directives.no_cache is not True
        if reuse.ttl <= 0:
            assert not response.directives.must_revalidate
            assert not (shared and ("proxy-revalidate" in said or "s-maxage" in said))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), times, st.booleans())
def test_whatever_is_sent_it_is_decided(asked: bytes, said: bytes, age: bytes, now: float, shared: bool) -> None:
    response = stored(said.decode("latin-1"), (b"Age", age), (b"Expires", age), (b"Date", said))
    directives = RequestDirectives.of(Headers.from_raw([(b"Cache-Control", asked)]))
    reuse = decide(directives, response, shared=shared, now=now)
    assert (reuse.forward != "") == (reuse.outcome is VALIDATE)
    assert may_serve_stale_on_error(directives, response, shared=shared, now=now, status=None)[1]
