"""The request: what it checks, that it is frozen, what may be sent again."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import Headers
from trivet.core.http.request import IDEMPOTENT_METHODS, SAFE_METHODS, Request, check_method
from trivet.core.http.stream import Stream
from trivet.core.http.url import URL

USERS = "https://api.example.com/users"
ONCE = Stream(lambda: iter([b"x"]))
AGAIN = Stream(lambda: iter([b"x"]), replayable=True)


def test_arguments_become_what_the_attributes_say() -> None:
    request = Request("GET", USERS, {"Accept": "*/*"}, bytearray(b"abc"))
    assert (request.method, request.url, request.content, request.credentials) == ("GET", URL(USERS), b"abc", True)
    assert type(request.url) is URL
    assert type(request.content) is bytes
    assert request.headers == Headers({"Accept": "*/*"})
    assert request.on_interim is None


def test_checked_arguments_are_taken_as_they_are() -> None:
    url, headers = URL(USERS), Headers({"Accept": "*/*"})
    request = Request("GET", url, headers, AGAIN)
    assert request.url is url
    assert request.headers is headers
    assert request.content is AGAIN
    trusted = Request.trusted("GET", url, headers, AGAIN)
    assert trusted == request


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("GET", "GET"),
        ("get", "GET"),
        ("Patch", "PATCH"),
        ("PURGE", "PURGE"),
        ("purge", "purge"),
        ("M-SEARCH", "M-SEARCH"),
    ],
)
def test_methods_of_rfc_9110_in_any_case_and_others_as_they_are(given: str, sent: str) -> None:
    assert check_method(given) == Request(given, USERS).method == sent


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\nHost: evil", "GÉT", "GET\0", "(", None, 7, b"GET"])
def test_a_method_that_is_no_token_is_refused_and_not_repeated(method: Any) -> None:
    with pytest.raises(InvalidRequest, match="the method must be a token") as caught:
        Request(method, USERS)
    assert "evil" not in str(caught.value)


@given(st.text())
def test_what_passes_as_a_method_cannot_end_the_request_line(text: str) -> None:
    try:
        method = check_method(text)
    except InvalidRequest:
        return
    assert method.isascii()
    assert not any(character.isspace() or not character.isprintable() for character in method)


@pytest.mark.parametrize("content", ["text", None, 7, ["x"], object()])
def test_content_of_another_type_is_refused(content: Any) -> None:
    with pytest.raises(InvalidRequest, match="is bytes or a Stream, not"):
        Request("POST", USERS, content=content)


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"method": "post"}, "method", "POST"),
        ({"url": "https://api.example.com/x"}, "url", URL("https://api.example.com/x")),
        ({"url": URL(USERS)}, "url", URL(USERS)),
        ({"headers": {"X-A": "1"}}, "headers", Headers({"X-A": "1"})),
        ({"headers": Headers({"X-A": "1"})}, "headers", Headers({"X-A": "1"})),
        ({"content": memoryview(b"xy")}, "content", b"xy"),
        ({"credentials": False}, "credentials", False),
        ({"on_interim": print}, "on_interim", print),
    ],
)
def test_replace_changes_one_attribute_of_a_copy(changes: dict[str, Any], attribute: str, value: object) -> None:
    request = Request("GET", USERS, {"Accept": "*/*"}, b"abc")
    changed = request.replace(**changes)
    for name in Request.__slots__:
        assert getattr(changed, name) == (value if name == attribute else getattr(request, name))
    assert request == Request("GET", USERS, {"Accept": "*/*"}, b"abc")


def test_replace_can_take_the_listener_away() -> None:
    assert Request("GET", USERS, on_interim=print).replace(on_interim=None).on_interim is None


@pytest.mark.parametrize(
    "changes", [{"method": "a b"}, {"url": "nowhere"}, {"headers": {"a b": "c"}}, {"content": "x"}]
)
def test_replace_checks_like_the_constructor(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        Request("GET", USERS).replace(**changes)


def test_it_is_frozen() -> None:
    request = Request("GET", USERS)
    with pytest.raises(AttributeError, match=r"use request\.replace\(method=…\)"):
        request.method = "POST"
    with pytest.raises(AttributeError, match="frozen"):
        del request.method
    with pytest.raises(AttributeError):
        request.extra = 1  # type: ignore[attr-defined]  # that is the point
    with pytest.raises(TypeError, match="unhashable"):
        hash(request)
    assert request.method == "GET"


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "CONNECT", "PURGE"]
)
def test_safe_and_idempotent_methods(method: str) -> None:
    request = Request(method, USERS)
    assert request.safe is (method in {"GET", "HEAD", "OPTIONS", "TRACE"}) is (method in SAFE_METHODS)
    assert request.idempotent is (request.safe or method in {"PUT", "DELETE"}) is (method in IDEMPOTENT_METHODS)
    assert request.replace(headers={"idempotency-key": "k"}).idempotent


@pytest.mark.parametrize(("content", "replayable"), [(b"", True), (b"x", True), (AGAIN, True), (ONCE, False)])
def test_replayable_is_what_can_be_produced_again(content: bytes | Stream, replayable: bool) -> None:
    assert Request("POST", USERS, content=content).replayable is replayable


def test_requests_are_equal_when_what_is_sent_is() -> None:
    request = Request("GET", USERS, {"Accept": "*/*"})
    assert request == Request("get", URL(USERS), {"accept": "*/*"}, on_interim=print)
    assert request != "GET"
    for changes in (
        {"method": "PUT"},
        {"url": f"{USERS}/7"},
        {"headers": ()},
        {"content": b"x"},
        {"credentials": False},
    ):
        assert request != request.replace(**changes)  # type: ignore[arg-type]  # a dict of several types


def test_the_repr_shows_no_secret() -> None:
    request = Request("GET", f"{USERS}?api_key=s3cret", {"Authorization": "Bearer s3cret"}, b"s3cret")
    assert repr(request).startswith("<Request GET https://api.example.com/users")
    assert "s3cret" not in repr(request)


def test_it_pickles_without_what_belongs_to_this_process() -> None:
    request = Request("POST", USERS, {"Accept": "*/*"}, b"abc", credentials=False, on_interim=lambda response: None)
    assert pickle.loads(pickle.dumps(request)) == request
    assert pickle.loads(pickle.dumps(request)).on_interim is None
    assert pickle.loads(pickle.dumps(request.replace(content=ONCE))).content == b""


def test_it_pickles_without_its_credentials() -> None:
    secrets = {"Authorization": "Bearer s3cret", "Cookie": "session=s3cret", "Accept": "*/*"}
    request = Request("GET", f"{USERS}?page=2&api_key=s3cret", secrets)
    pickled = pickle.dumps(request)
    assert b"s3cret" not in pickled
    assert list(pickle.loads(pickled).headers) == ["Accept"]


def test_copies_are_the_request_itself() -> None:
    request = Request("POST", USERS, content=ONCE)
    assert copy.copy(request) is copy.deepcopy(request) is request
