"""The tree of errors: its shape, its messages, and what survives pickling and copying."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import re
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core import errors
from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    AuthenticationError,
    CircuitOpen,
    ConfigError,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    InvalidRequest,
    NotFoundError,
    PermissionDeniedError,
    RateLimited,
    RedirectError,
    RemoteProtocolError,
    ServerError,
    TransportError,
    TrivetError,
    error_class,
)
from trivet.core.exchange.instant import Instant
from trivet.core.exchange.trace import RequestSent, Trace
from trivet.core.http.request import Request
from trivet.core.http.response import Response

URL = "https://api.example.com/users?page=2"

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, TrivetError) and kind.__module__ == errors.__name__
]


def make(kind: type[TrivetError], message: str = "it broke", **location: str) -> TrivetError:
    """An error of any class of the tree."""
    if issubclass(kind, APIError):
        return kind(Response(404), message)
    needed: dict[str, Any] = {}
    if issubclass(kind, TransportError | AttemptTimeout):
        needed["sent"] = True
    if issubclass(kind, RateLimited):
        needed["retry_after"] = 1.5
    return kind(message, **needed, **location)


def traced() -> Trace:
    trace = Trace(Instant(0.0, 0.0))
    trace.note((RequestSent, 0.0, (1, "GET", URL)))
    return trace


class Throttled(errors.RateLimitError):
    """A user's own, with its own __init__."""

    def __init__(self, response: Response, plan: str, *, quota: int) -> None:
        super().__init__(response, f"the {plan} plan allows {quota} calls")
        self.plan = plan
        self.quota = quota


class Slow(AttemptTimeout):
    """A user's own, beneath an OSError, whose layout and constructor differ from other exceptions'."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"gave up after {seconds} s", sent=False)
        self.seconds = seconds


class Careless(TrivetError):
    """A user's own whose __init__ calls no other."""

    def __init__(self, code: int) -> None:
        self.code = code


# The tree


def test_the_docstring_draws_the_tree() -> None:
    drawing = inspect.getdoc(errors) or ""
    drawn: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in drawing.splitlines():
        match = re.match(r"([\s│├└─]*)([A-Z]\w+)(?:\s|$)", line)
        if match is None or not hasattr(errors, match[2]):
            continue
        depth = len(match[1])
        path = [(parent_depth, name) for parent_depth, name in path if parent_depth < depth]
        drawn[match[2]] = path[-1][1] if path else "Exception"
        path.append((depth, match[2]))
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (InvalidRequest, ValueError),
        (errors.DecodingError, ValueError),
        (AttemptTimeout, TimeoutError),
        (ConnectTimeout, TimeoutError),
        (ConnectTimeout, ConnectError),
        (ConnectTimeout, AttemptTimeout),
        (DeadlineExceeded, TimeoutError),
        (PermissionDeniedError, AuthenticationError),
    ],
)
def test_errors_are_what_programs_expect_them_to_be(kind: type, builtin: type) -> None:
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, RedirectError),
        (399, RedirectError),
        (400, errors.BadRequestError),
        (401, AuthenticationError),
        (402, APIError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, errors.ConflictError),
        (422, errors.UnprocessableError),
        (429, errors.RateLimitError),
        (499, APIError),
        (500, ServerError),
        (599, ServerError),
    ],
)
def test_a_status_has_its_class(status: int, kind: type[APIError]) -> None:
    assert error_class(status) is kind


# Messages


@pytest.mark.parametrize("kind", ALL)
def test_the_text_names_method_and_url_when_they_are_known(kind: type[TrivetError]) -> None:
    error = make(kind)
    assert str(error) == error.message == "it broke"
    error.locate("GET", URL)
    assert str(error) == f"GET {URL}: it broke"
    assert error.args == ("it broke",)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("empty", ["", " ", "\n\t"])
def test_no_message_is_empty(kind: type[TrivetError], empty: str) -> None:
    assert make(kind, empty).message.strip()


def test_default_messages_tell_the_classes_apart() -> None:
    defaults = [make(kind, "").message for kind in ALL if not issubclass(kind, APIError)]
    assert len(set(defaults)) == len(defaults)


def test_an_api_error_without_a_message_says_its_status() -> None:
    assert str(NotFoundError(Response(404))) == "404 Not Found"
    assert str(APIError(Response(499))) == "499"


def test_only_both_together_locate_an_error_in_its_text() -> None:
    assert str(TrivetError("it broke", method="GET")) == "it broke"
    assert str(TrivetError("it broke", url=URL)) == "it broke"


def test_the_first_location_stays() -> None:
    error = TrivetError("it broke", method="GET")
    error.locate("POST", URL)
    error.locate("PUT", "https://elsewhere.example/")
    assert (error.method, error.url) == ("GET", URL)


def test_a_url_object_is_kept_as_its_redacted_text() -> None:
    request = Request("GET", "https://api.example.com/?api_key=ab12cd34")
    error = TrivetError("it broke", method=request.method, url=request.url)
    assert error.url == "https://api.example.com/?api_key=[redacted]"
    assert type(error.url) is str


@pytest.mark.parametrize("kind", [AttemptTimeout, ConnectTimeout, DeadlineExceeded])
def test_a_timeout_is_an_os_error_without_a_number(kind: type[Any]) -> None:
    error = make(kind)
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror, error.filename) == (None, None, None)
    assert repr(error) == f"{kind.__name__}('it broke')"


# What they carry


def test_transport_errors_say_whether_the_request_was_sent() -> None:
    error = RemoteProtocolError("closed", sent=True, stale=True)
    assert (error.sent, error.stale) == (True, True)
    timeout = ConnectTimeout("too slow", sent=False, method="GET", url=URL)
    assert (timeout.sent, timeout.stale, timeout.url) == (False, False, URL)
    assert DeadlineExceeded("too late").sent is False
    assert DeadlineExceeded("too late", sent=True).sent is True


def test_ours_say_when_to_try_again() -> None:
    assert CircuitOpen("open").retry_after is None
    assert CircuitOpen("open", retry_after=2.0, method="GET", url=URL).retry_after == 2.0
    assert RateLimited("spent", retry_after=0.5).retry_after == 0.5


def test_an_api_error_knows_its_response_and_request() -> None:
    request = Request("DELETE", URL)
    response = Response(403, request=request)
    error = PermissionDeniedError(response)
    assert (error.status, error.response, error.method, error.url) == (403, response, "DELETE", URL)
    assert (error.problem, error.request_id, error.retry_after) == (None, None, None)


def test_an_error_has_the_trace_that_it_was_given_or_that_of_its_response() -> None:
    own, responses = traced(), traced()
    assert TrivetError("it broke").trace is None
    response = Response(404)
    error = NotFoundError(response)
    assert error.trace is None
    response.trace = responses
    assert error.trace is responses
    error.trace = own
    assert error.trace is own


# Pickling and copying


def located() -> list[TrivetError]:
    made = [make(kind) for kind in ALL]
    response = Response(429, {"Retry-After": "3"}, b"slow down", request=Request("GET", URL))
    made += [Throttled(response, "free", quota=60), Slow(2.0), Careless(7)]
    for error in made:
        error.locate("GET", URL)
        error.trace = traced()
    return made


def shown(value: object) -> object:
    """A form in which a pickled object can be compared with its original."""
    return str(value) if isinstance(value, Trace) else repr(value)


@pytest.mark.parametrize("error", located(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(error: TrivetError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert {name: shown(value) for name, value in again.__dict__.items()} == {
        name: shown(value) for name, value in error.__dict__.items()
    }


@pytest.mark.parametrize("error", located(), ids=lambda error: type(error).__name__)
def test_a_copy_shares_what_the_error_carries(error: TrivetError) -> None:
    again = copy.copy(error)
    assert type(again) is type(error)
    assert again is not error
    assert again.__dict__ == error.__dict__
    assert (str(again), again.args) == (str(error), error.args)


@pytest.mark.parametrize("error", located(), ids=lambda error: type(error).__name__)
def test_a_deep_copy_is_possible(error: TrivetError) -> None:
    assert str(copy.deepcopy(error)) == str(error)


def test_notes_survive() -> None:
    error = TrivetError("it broke")
    error.add_note("tried three times")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["tried three times"]


def test_what_cannot_be_pickled_is_left_behind() -> None:
    error = TrivetError("it broke")
    error.lock = Lock()  # type: ignore[attr-defined]  # users attach what they like
    error.file = io.StringIO("kept")  # type: ignore[attr-defined]  # users attach what they like
    again = pickle.loads(pickle.dumps(error))
    assert not hasattr(again, "lock")
    assert again.file.getvalue() == "kept"
    assert hasattr(copy.copy(error), "lock")


def test_an_open_body_is_left_behind() -> None:
    error = ServerError(Response(503, {"Content-Length": "9"}, body=Lock()))
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.response.status, again.response.body) == (503, 503, None)


def test_a_response_that_cannot_be_pickled_is_left_behind() -> None:
    response = Response(503)
    response.history = (Lock(),)  # type: ignore[assignment]  # nothing that a response may hold should matter
    again = pickle.loads(pickle.dumps(ServerError(response)))
    assert (str(again), again.status, again.trace) == ("503 Service Unavailable", 503, None)


def test_errors_that_lead_back_to_themselves_pickle() -> None:
    first, second = TrivetError("first"), TrivetError("second")
    first.others = [second]  # type: ignore[attr-defined]  # users attach what they like
    second.others = [first, second]  # type: ignore[attr-defined]  # users attach what they like
    again = pickle.loads(pickle.dumps(first))
    assert again.others[0].others == [again, again.others[0]]


@given(message=st.text(), method=st.sampled_from(["GET", "POST"]), sent=st.booleans(), stale=st.booleans())
def test_any_error_makes_the_round_trip(message: str, method: str, sent: bool, stale: bool) -> None:
    error = ConnectTimeout(message, sent=sent, stale=stale, method=method, url=URL)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == f"{method} {URL}: {error.message}"
    assert (again.sent, again.stale, again.errno) == (sent, stale, None)
    assert error.message.strip()


def test_a_config_error_can_be_raised_before_anything_else_exists() -> None:
    with pytest.raises(ConfigError, match=r"^the configuration is not valid$"):
        raise ConfigError("")
