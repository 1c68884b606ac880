"""The response: what it knows, what it decodes when asked, and what it refuses while its content is unread."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from trivet.core.errors import DecodingError, LocalProtocolError
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import RequestSent, Trace
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.status import REASONS
from trivet.core.http.url import URL

REQUEST = Request("GET", "https://api.example.com/users?page=2&token=s3cret")


def test_it_begins_with_plain_values() -> None:
    response = Response(200, {"Content-Type": "text/plain"}, b"hi", request=REQUEST)
    assert (response.status, response.reason, response.http_version) == (200, "OK", "HTTP/1.1")
    assert response.headers == Headers({"Content-Type": "text/plain"})
    assert (response.content, response.text) == (b"hi", "hi")
    assert response.request is REQUEST
    assert response.url is REQUEST.url
    assert (response.elapsed, response.from_cache, response.history, response.trace) == (0.0, False, (), None)
    assert (response.body, response.read_deadline, response.read_timeout) == (None, None, None)


def test_headers_are_taken_as_they_are() -> None:
    headers = Headers({"A": "b"})
    assert Response(200, headers).headers is headers


@pytest.mark.parametrize(
    ("status", "given", "reason", "shown"),
    [
        (200, "", "OK", "<Response 200 OK>"),
        (200, "Fine", "Fine", "<Response 200 Fine>"),
        (422, "", "Unprocessable Content", "<Response 422 Unprocessable Content>"),
        (299, "", "", "<Response 299>"),
    ],
)
def test_the_reason_is_the_servers_or_the_registered_one(status: int, given: str, reason: str, shown: str) -> None:
    response = Response(status, reason=given)
    assert response.reason == reason
    assert repr(response) == shown


def test_the_registered_reasons_agree_with_the_standard_library() -> None:
    from http import HTTPStatus

    renamed = {413, 414, 416, 422}  # RFC 9110 gave these better names than older Pythons know
    for status in HTTPStatus:
        if status in REASONS and status not in renamed:
            assert REASONS[status] == status.phrase.replace("Http", "HTTP")


@pytest.mark.parametrize(
    ("status", "success", "error"),
    [
        (199, False, False),
        (200, True, False),
        (299, True, False),
        (304, False, False),
        (400, False, True),
        (599, False, True),
    ],
)
def test_kinds_of_status(status: int, success: bool, error: bool) -> None:
    response = Response(status)
    assert (response.is_success, response.is_error) == (success, error)


@pytest.mark.parametrize("status", [200, 300, 301, 302, 303, 304, 305, 307, 308, 400])
def test_a_redirect_has_a_status_for_it_and_a_location(status: int) -> None:
    assert not Response(status).is_redirect
    assert Response(status, {"Location": "/x"}).is_redirect is (status in {301, 302, 303, 307, 308})


def test_it_has_no_truth_value_of_its_own() -> None:
    assert bool(Response(500)) is True
    assert not hasattr(Response, "__bool__")
    assert not hasattr(Response, "__len__")


def test_a_response_of_no_request_says_so() -> None:
    response = Response(200)
    with pytest.raises(LocalProtocolError, match="belongs to no request"):
        _ = response.request
    with pytest.raises(LocalProtocolError, match="belongs to no request"):
        _ = response.url
    response.request = REQUEST
    assert response.url == REQUEST.url


@pytest.mark.parametrize("read", [lambda r: r.content, lambda r: r.text, lambda r: r.json()])
def test_unread_content_is_refused(read: Any) -> None:
    response = Response(200, body=object())
    with pytest.raises(LocalProtocolError, match=r"call response\.read\(\) first"):
        read(response)
    response.complete(b"7")
    assert response.body is None
    assert read(response) in (b"7", "7", 7)


def test_content_that_was_never_read_cannot_be_read_later() -> None:
    with pytest.raises(LocalProtocolError, match="can no longer be"):
        _ = Response(200, content=None).content


def test_completing_again_replaces_the_text() -> None:
    response = Response(200, content=b"old")
    assert response.text == "old"
    response.complete(b"new")
    assert response.text == response.text == "new"


def test_text_follows_the_charset() -> None:
    assert Response(200, {"Content-Type": "text/plain; charset=latin-1"}, b"caf\xe9").text == "café"


def test_json_is_parsed_whatever_the_media_type() -> None:
    response = Response(200, {"Content-Type": "text/plain"}, b'{"id": 7}')
    assert response.json() == {"id": 7}
    assert response.json() is not response.json()


def test_a_json_error_says_where_and_what_but_shows_nothing() -> None:
    response = Response(200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>s3cret</p>", request=REQUEST)
    with pytest.raises(DecodingError) as caught:
        response.json()
    message = str(caught.value)
    assert message.startswith("GET https://api.example.com/users?page=2")
    assert message.endswith(
        "invalid JSON at line 1, column 1: expecting value; it looks like HTML or XML (status 200, text/html)"
    )
    assert "s3cret" not in message
    assert caught.value.__cause__ is None


def test_a_json_error_without_request_and_content_type() -> None:
    with pytest.raises(DecodingError, match=r"^invalid JSON .*there is no content \(status 200, no Content-Type\)$"):
        Response(200).json()


def test_json_depth_is_bounded() -> None:
    response = Response(200, content=b"[" * 501 + b"]" * 501)
    with pytest.raises(DecodingError, match="deeper than 500"):
        response.json()
    assert response.json(max_depth=501) != []


def test_links_are_absolute_and_by_relation() -> None:
    value = '</users?page=3>; rel="next last", <?page=1>; rel=first, <other>; rel=next, <mailto:a@b.c>; rel=author'
    response = Response(200, {"Link": value}, request=REQUEST)
    assert {rel: link.target for rel, link in response.links.items()} == {
        "next": "https://api.example.com/users?page=3",
        "last": "https://api.example.com/users?page=3",
        "first": "https://api.example.com/users?page=1",
    }
    assert isinstance(response.links["next"].target, URL)


def test_no_links() -> None:
    assert Response(200).links == {}


def traced(*arguments: object) -> Trace:
    trace = Trace(Instant(0.0, 0.0))
    trace.note((RequestSent, 0.0, arguments))
    return trace


def test_it_pickles_as_data() -> None:
    request = REQUEST.replace(url="https://api.example.com/users?page=2")
    response = Response(200, {"A": "b"}, b"hi", reason="Fine", http_version="HTTP/2", request=request)
    response.elapsed, response.from_cache, response.history = 0.5, True, (Response(301),)
    response.trace = traced(1, "GET", "https://api.example.com/")
    response.read_deadline, response.read_timeout = 17.0, 3.0
    again = pickle.loads(pickle.dumps(response))
    for name in ("status", "headers", "content", "reason", "http_version", "request", "elapsed", "from_cache"):
        assert getattr(again, name) == getattr(response, name)
    assert [earlier.status for earlier in again.history] == [301]
    assert list(again.trace) == list(response.trace)
    assert (again.read_deadline, again.read_timeout) == (None, None)


def test_it_pickles_without_its_connection() -> None:
    again = pickle.loads(pickle.dumps(Response(200, body=lambda: None)))
    assert again.body is None
    with pytest.raises(LocalProtocolError, match="can no longer be"):
        _ = again.content


def test_a_trace_that_does_not_pickle_stays_behind() -> None:
    response = Response(200, content=b"hi")
    response.trace = traced(lambda: None)
    again = pickle.loads(pickle.dumps(response))
    assert (again.content, again.trace) == (b"hi", None)


def test_it_copies() -> None:
    response = Response(200, content=b"hi")
    assert copy.copy(response).content == b"hi"
