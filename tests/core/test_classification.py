"""From a response to the error that it stands for."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.classification import REQUEST_ID_FIELDS, classify, error_message, request_id
from trivet.core.errors import APIError, BadRequestError, NotFoundError, RateLimitError, ServerError, error_class
from trivet.core.http.headers import Headers
from trivet.core.http.problem import Problem
from trivet.core.http.request import Request
from trivet.core.http.response import Response

URL = "https://api.example.com/users/7"
NOON = "Thu, 01 Jan 1970 12:00:00 GMT"
LATER = "Thu, 01 Jan 1970 12:01:00 GMT"


def response(status: int = 404, content: Any = b"", headers: dict[str, str] | None = None, **options: Any) -> Response:
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return Response(status, headers or {}, content, **options)


def error_for(*args: Any, **options: Any) -> APIError:
    error = classify(response(*args, **options))
    assert error is not None
    return error


# Which error


@pytest.mark.parametrize("status", [200, 204, 301, 304, 399])
def test_below_400_there_is_no_error(status: int) -> None:
    assert classify(response(status, {"error": "ignored"})) is None


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 451, 499, 500, 503, 599])
def test_the_class_is_that_of_the_status(status: int) -> None:
    error = error_for(status)
    assert type(error) is error_class(status)
    assert error.status == error.response.status == status


def test_everything_is_filled_in() -> None:
    answer = response(
        429,
        {"type": "about:blank", "title": "Too Many Requests", "detail": "60 an hour"},
        {"Content-Type": "application/problem+json", "X-Request-Id": "abc123", "Retry-After": "30"},
        request=Request("GET", f"{URL}?token=ab12cd34"),
    )
    error = classify(answer)
    assert type(error) is RateLimitError
    assert str(error) == (f"GET {URL}?token=[redacted]: 429 Too Many Requests: 60 an hour (request id abc123)")
    assert error.problem == Problem(title="Too Many Requests", detail="60 an hour")
    assert (error.request_id, error.retry_after, error.response) == ("abc123", 30.0, answer)


def test_a_response_without_content_speaks_by_its_status() -> None:
    error = error_for(404)
    assert (str(error), error.problem, error.request_id, error.retry_after) == ("404 Not Found", None, None, None)


# The message


@pytest.mark.parametrize(
    ("status", "content", "headers", "message"),
    [
        pytest.param(404, {"error": "No user 7"}, {}, "404 Not Found: No user 7", id="json"),
        pytest.param(404, b" \n[\"gone\"]", {}, "404 Not Found: gone", id="json list"),
        pytest.param(404, b"\n" * 70 + b'{"error": "gone"}', {}, '404 Not Found: {"error": "gone"}', id="late json"),
        pytest.param(404, b'"gone"', {"Content-Type": "application/json"}, "404 Not Found: gone", id="json string"),
        pytest.param(404, b"null", {"Content-Type": "application/json"}, "404 Not Found", id="json null"),
        pytest.param(404, b'\xef\xbb\xbf{"error": "gone"}', {"Content-Type": "application/json"},
                     "404 Not Found: gone", id="json with a mark"),
        pytest.param(404, {"error": "x"}, {"Content-Type": "text/html"}, "404 Not Found: x", id="json called html"),
        pytest.param(404, b"[info] no user 7", {}, "404 Not Found: [info] no user 7", id="text like json"),
        pytest.param(404, b"[" * 100, {}, "404 Not Found", id="json too deep"),
        pytest.param(404, b"no user 7\n", {}, "404 Not Found: no user 7", id="text"),
        pytest.param(404, b"<title>Lost</title>", {"Content-Type": "text/html"}, "404 Not Found: Lost", id="html"),
        pytest.param(404, {"message": "Not Found"}, {}, "404 Not Found", id="said already"),
        pytest.param(404, {"title": "Not Found", "detail": "no user"}, {}, "404 Not Found: no user", id="title again"),
        pytest.param(404, {"title": "Lost", "detail": "no user"}, {}, "404 Not Found: Lost: no user", id="title"),
        pytest.param(404, {"id": 7}, {}, "404 Not Found", id="nothing said"),
        pytest.param(404, {"error": "\u202e\u200b"}, {}, "404 Not Found", id="nothing visible said"),
        pytest.param(499, {"error": "early"}, {}, "499: early", id="no reason phrase"),
        pytest.param(404, b"\x89PNG\xff\xfe", {"Content-Type": "image/png"}, "404 Not Found", id="image"),
        pytest.param(
            401, b"", {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="It has expired"'},
            "401 Unauthorized: It has expired", id="challenge",
        ),
        pytest.param(401, b"", {"WWW-Authenticate": 'Basic realm="x"'}, "401 Unauthorized", id="bare challenge"),
        pytest.param(
            400, b"", {"WWW-Authenticate": 'Bearer error_description="no"'}, "400 Bad Request", id="no challenge"
        ),
        pytest.param(404, {"error": "gone"}, {"X-Request-Id": "a1"}, "404 Not Found: gone (request id a1)", id="id"),
    ],
)  # fmt: skip
def test_the_message_says_what_the_server_said(
    status: int, content: Any, headers: dict[str, str], message: str
) -> None:
    answer = response(status, content, headers)
    assert error_message(answer) == message
    error = classify(answer)
    assert error is not None
    assert error.message == message


def test_an_unread_response_speaks_by_its_status() -> None:
    assert error_message(Response(503, {"X-Request-Id": "a1"}, body=object())) == (
        "503 Service Unavailable (request id a1)"
    )


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "404 Not Found"),
        ("Not Found", "404 Not Found"),
        ("No Such User", "404 No Such User"),
        ("Gone\x1b[31m\r\nX: y", "404 Gone X: y"),
        ("x" * 200, f"404 {'x' * 95}…"),
        ("Bad token=ab12cd34", "404 Bad token=[redacted]"),
    ],
)
def test_the_reason_phrase_is_text_of_the_server_too(reason: str, message: str) -> None:
    assert error_message(response(404, reason=reason)) == message


@pytest.mark.parametrize(
    ("content", "length"),
    [(b"word " * 1000, 500), ({"error": "x" * 60_000}, 500), (b'{"error": "' + b"word " * 20_000 + b'"}', 500)],
)
def test_a_message_is_an_excerpt(content: Any, length: int) -> None:
    message = error_message(response(404, content))
    assert message.endswith("…")
    assert len(message) - len("404 Not Found: ") in (length - 1, length)


def test_how_much_text_is_looked_at_can_be_set() -> None:
    assert error_message(response(404, b"one two three"), max_text=8) == "404 Not Found: one two"
    assert error_message(response(404, {"error": "one two three"}), max_text=8) == "404 Not Found: one two"


# The request id


def test_the_first_request_id_counts() -> None:
    headers = Headers([(name, f"id-{number}") for number, name in enumerate(REQUEST_ID_FIELDS)][::-1])
    for number, name in enumerate(REQUEST_ID_FIELDS):
        assert request_id(headers) == f"id-{number}"
        headers = headers.without(name)
    assert request_id(headers) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"abc", "abc"),
        (b"", None),
        (b"\x9b\x9b", None),
        (b"a\x9bb\xa0c", "abc"),
        (b"x" * 300, "x" * 200),
        (b"x" * 199 + b" y", "x" * 199),
    ],
)
def test_a_request_id_is_short_and_printable(value: bytes, found: str | None) -> None:
    assert request_id(Headers.from_raw([(b"x-request-id", value)])) == found


def test_an_unusable_request_id_gives_way_to_the_next() -> None:
    assert request_id(Headers.from_raw([(b"x-request-id", b"\x9b"), (b"cf-ray", b"8f1")])) == "8f1"


# Retry-After


@pytest.mark.parametrize(
    ("headers", "now_wall", "seconds"),
    [
        ({}, 43_200.0, None),
        ({"Retry-After": "30"}, None, 30.0),
        ({"Retry-After": " 30 "}, 43_200.0, 30.0),
        ({"Retry-After": LATER}, 43_200.0, 60.0),
        ({"Retry-After": LATER}, 43_250.0, 10.0),
        ({"Retry-After": LATER, "Date": NOON}, 43_250.0, 10.0),
        ({"Retry-After": LATER, "Date": NOON}, None, 60.0),
        ({"Retry-After": NOON, "Date": LATER}, None, 0.0),
        ({"Retry-After": LATER, "Date": "today"}, None, None),
        ({"Retry-After": LATER}, None, None),
        ({"Retry-After": "soon"}, 43_200.0, None),
        ({"Retry-After": "soon"}, None, None),
        ({"Retry-After": "-1"}, None, None),
    ],
)
def test_when_to_try_again(headers: dict[str, str], now_wall: float | None, seconds: float | None) -> None:
    error = classify(response(503, headers=headers), now_wall=now_wall)
    assert error is not None
    assert error.retry_after == seconds


# Problems


@pytest.mark.parametrize(
    ("media_type", "document", "is_problem"),
    [
        ("application/problem+json", {"detail": "d"}, True),
        ("application/json", {"type": "t", "title": "t", "status": 404}, True),
        ("application/json", {"detail": "d"}, False),
        ("application/problem+json", ["d"], False),
        ("application/problem+json", b"<problem>", False),
    ],
)
def test_a_problem_is_kept(media_type: str, document: Any, is_problem: bool) -> None:
    error = error_for(404, document, {"Content-Type": media_type})
    assert (error.problem is not None) is is_problem


# Secrets

SECRET = "hunter2-Xyzzy"
REQUESTS = {
    "bearer": Request("GET", URL, {"Authorization": f"Bearer {SECRET}"}),
    "basic": Request("GET", URL, {"Authorization": "Basic YWRhOmh1bnRlcjItWHl6enk="}),
    "api key": Request("GET", URL, {"X-Api-Key": SECRET}),
    "cookie": Request("GET", URL, {"Cookie": f"theme=dark; sid={SECRET}"}),
    "query": Request("GET", f"{URL}?page=2&access_token={SECRET}"),
    "json": Request("POST", URL, {"Content-Type": "application/json"}, json.dumps({"password": SECRET}).encode()),
    "form": Request(
        "POST", URL, {"Content-Type": "application/x-www-form-urlencoded"}, f"client_secret={SECRET}".encode()
    ),
}
ECHOES: dict[str, tuple[bytes, str]] = {
    "text": (f"I don't like {SECRET} at all".encode(), "text/plain"),
    "json": (json.dumps({"error": {"message": f"no {SECRET}, please"}}).encode(), "application/json"),
    "field": (json.dumps({"errors": {"name": [f"{SECRET} is too long"]}}).encode(), "application/json"),
    "problem": (
        json.dumps({"type": "t", "title": SECRET, "detail": SECRET, "extra": SECRET}).encode(),
        "application/problem+json",
    ),
    "html": (f"<title>Denied: {SECRET}</title>".encode(), "text/html"),
    "xml": (f"<Error><Message>bad {SECRET}</Message></Error>".encode(), "application/xml"),
    "broken json": (f'{{"error": "{SECRET}'.encode(), "application/json"),
    "broken up": (f"I don't like {SECRET[:5]}\u200b{SECRET[5:]}".encode(), "text/plain"),
}


def everything_shown(error: APIError) -> str:
    """All that a program, a debugger or a log shows of an error."""
    again = pickle.loads(pickle.dumps(error))
    parts = [str(error), repr(error), repr(error.__dict__), repr(error.args), repr(again), repr(again.__dict__)]
    return "\n".join([*parts, *traceback.format_exception(error)])


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(("content", "media_type"), ECHOES.values(), ids=ECHOES)
def test_a_secret_that_was_sent_is_not_shown(request_: Request, content: bytes, media_type: str) -> None:
    headers = {"Content-Type": media_type, "Set-Cookie": f"sid={SECRET}"}
    error = error_for(403, content, headers, request=request_)
    assert SECRET not in everything_shown(error)
    assert "[redacted]" in error.message
    assert error_message(response(403, reason=f"No {SECRET}", request=request_)) == "403 No [redacted]"


UNSENT = [
    f"the token Bearer {SECRET} has expired",
    f"api_key={SECRET} is unknown",
    f"see https://ada:{SECRET}@db.example.com/",
    f"Authorization: Basic {SECRET}",
    f'{{"password": "{SECRET}"',
    f"wrong password {SECRET}",
]


@pytest.mark.parametrize("text", UNSENT)
def test_what_looks_like_a_secret_is_not_shown(text: str) -> None:
    for content, media_type in [(text.encode(), "text/plain"), ({"error": text}, "application/json")]:
        error = error_for(403, content, {"Content-Type": media_type})
        assert "hunter2" not in everything_shown(error)
        assert "[redacted]" in str(error)


@pytest.mark.parametrize("name", ["password", "token", "api_key", "clientSecret", "Authorization"])
def test_the_value_of_a_secret_member_is_not_used(name: str) -> None:
    for document in ({name: SECRET}, {"error": {name: SECRET}}, {"errors": {name: SECRET}}, {name: [SECRET]}):
        assert "hunter2" not in everything_shown(error_for(400, document))


# Anything


@given(
    status=st.integers(400, 599),
    content=st.binary(max_size=200),
    media_type=st.sampled_from(["application/json", "text/html", "text/plain", "application/xml", "what?"]),
    value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40),
    field=st.sampled_from([*REQUEST_ID_FIELDS, "Retry-After", "Date", "WWW-Authenticate"]),
    now_wall=st.none() | st.floats(0, 2e9),
)
def test_any_response_is_classified(
    status: int, content: bytes, media_type: str, value: str, field: str, now_wall: float | None
) -> None:
    lines = [(b"Content-Type", media_type.encode()), (field.encode(), value.encode("latin-1"))]
    error = classify(Response(status, Headers.from_raw(lines), content), now_wall=now_wall)
    assert error is not None
    assert error.message.startswith(str(status))
    assert error.message.isprintable()
    assert len(error.message) <= 100 + 2 + 500 + 220
    assert error.retry_after is None or error.retry_after >= 0


def test_the_classes_are_those_that_programs_catch() -> None:
    assert isinstance(error_for(400), BadRequestError)
    assert isinstance(error_for(404), NotFoundError)
    assert isinstance(error_for(502), ServerError)
