"""Problem details (RFC 9457): what is read as one, and how leniently."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.problem import Problem, parse_problem
from trivet.core.http.response import Response

PROBLEM_JSON = "application/problem+json"

# RFC 9457 §3
OUT_OF_CREDIT = {
    "type": "https://example.com/probs/out-of-credit",
    "title": "You do not have enough credit.",
    "detail": "Your current balance is 30, but that costs 50.",
    "instance": "/account/12345/msgs/abc",
    "balance": 30,
    "accounts": ["/account/12345", "/account/67890"],
}


def parse(document: Any, media_type: str | None = PROBLEM_JSON, status: int = 403) -> Problem | None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_problem(Response(status, {"Content-Type": media_type} if media_type else {}, content))


def test_the_example_of_the_rfc() -> None:
    assert parse({**OUT_OF_CREDIT, "status": 403}) == Problem(
        type="https://example.com/probs/out-of-credit",
        title="You do not have enough credit.",
        status=403,
        detail="Your current balance is 30, but that costs 50.",
        instance="/account/12345/msgs/abc",
        extensions={"balance": 30, "accounts": ["/account/12345", "/account/67890"]},
    )


def test_every_member_may_be_absent() -> None:
    assert parse({}) == Problem("about:blank", None, None, None, None, {})


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("type", 7, "about:blank"),
        ("type", "", "about:blank"),
        ("type", "/problems/x#y", "/problems/x#y"),
        ("title", ["a"], None),
        ("title", "", ""),
        ("detail", {"a": 1}, None),
        ("instance", False, None),
        ("status", "403", None),
        ("status", True, None),
        ("status", 403.0, None),
        ("status", 99, None),
        ("status", 600, None),
        ("status", 599, 599),
    ],
)
def test_a_member_of_the_wrong_type_counts_as_absent(name: str, value: Any, read: Any) -> None:
    problem = parse({name: value})
    assert problem is not None
    assert getattr(problem, name) == read
    assert problem.extensions == {}


@pytest.mark.parametrize(
    ("document", "media_type", "is_problem"),
    [
        (OUT_OF_CREDIT, "application/problem+json; charset=utf-8", True),
        (OUT_OF_CREDIT, "application/json", True),
        (OUT_OF_CREDIT, "application/vnd.api+json", True),
        (OUT_OF_CREDIT, "text/plain", False),
        (OUT_OF_CREDIT, None, False),
        ({"type": "t", "title": "t", "status": 403}, "application/json", True),
        ({"type": "t", "title": "t", "status": 400}, "application/json", False),
        ({"type": "t", "title": "t"}, "application/json", False),
        ({"title": "t", "detail": "d", "status": 403}, "application/json", False),
        ({"type": "t", "detail": "d", "status": 403}, "application/json", False),
        ({"type": 1, "title": "t", "status": 403}, "application/json", False),
        ({"message": "m"}, "application/json", False),
        (["not", "an", "object"], PROBLEM_JSON, False),
        (b"null", PROBLEM_JSON, False),
        (b"{broken", PROBLEM_JSON, False),
        (b"", PROBLEM_JSON, False),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", PROBLEM_JSON, False),
        (b'{"detail": "' + b"x" * 65_536 + b'"}', PROBLEM_JSON, False),
    ],
)
def test_only_what_clearly_is_a_problem_is_read_as_one(document: Any, media_type: str | None, is_problem: bool) -> None:
    assert (parse(document, media_type) is not None) is is_problem


def test_an_unread_response_holds_none() -> None:
    response = Response(403, {"Content-Type": PROBLEM_JSON}, body=object())
    assert parse_problem(response) is None


def test_the_repr_shows_what_is_the_same_for_every_occurrence() -> None:
    shown = repr(parse({**OUT_OF_CREDIT, "detail": "card 4242", "token": "ab12cd34"}))
    assert shown == "<Problem https://example.com/probs/out-of-credit>"
    assert repr(Problem("x:\x1b[31m?api_key=ab12cd34")) == "<Problem x:?api_key=[redacted]>"


def test_it_copies_and_pickles() -> None:
    problem = parse(OUT_OF_CREDIT)
    assert pickle.loads(pickle.dumps(problem)) == copy.copy(problem) == problem


@given(
    st.dictionaries(
        st.sampled_from(["type", "title", "status", "detail", "instance", "extra"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_any_object_can_be_read(document: dict[str, Any]) -> None:
    problem = parse(document)
    assert problem is not None
    assert isinstance(problem.type, str)
    assert problem.type
    assert all(isinstance(text, str | None) for text in (problem.title, problem.detail, problem.instance))
    assert problem.status is None or 100 <= problem.status <= 599
