"""What was made invalid, and when (RFC 9111 §4.4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.invalidations import MAX_TARGETS, Invalidations

ONE, OTHER = "GET https://a.example/ - ", "GET https://a.example/b - "


@given(st.lists(st.sampled_from(["one", "other", "both", "all"]), max_size=6))
def test_what_they_include(noted: list[str]) -> None:
    invalidations = Invalidations()
    moments = [invalidations.count]
    for each in noted:
        if each == "all":
            invalidations.note_all()
        else:
            invalidations.note({"one": [ONE], "other": [OTHER], "both": [ONE, OTHER]}[each])
        moments.append(invalidations.count)
    for number, since in enumerate(moments):
        later = set(noted[number:])
        assert invalidations.include(f"{ONE}-", since=since) is bool(later & {"one", "both", "all"})
        assert invalidations.include(f"{OTHER}9c1e", since=since) is bool(later & {"other", "both", "all"})
        assert invalidations.include("GET https://a.example/c - -", since=since) is ("all" in later)


def test_only_so_many_are_remembered_and_none_is_missed() -> None:
    invalidations = Invalidations()
    before = invalidations.count
    invalidations.note([ONE])
    between = invalidations.count
    for number in range(MAX_TARGETS):
        invalidations.note([f"GET https://a.example/{number} - "])
    assert len(invalidations._latest) <= MAX_TARGETS
    assert invalidations.include(f"{ONE}-", since=before)
    # More than there was to include, which only means that something is not stored.
    assert invalidations.include(f"{ONE}-", since=between)
    assert not invalidations.include(f"{ONE}-", since=invalidations.count)
