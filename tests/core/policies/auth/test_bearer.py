from __future__ import annotations

import pytest

from core.policies.stepping import URL, Run, event_names
from trivet.core.errors import ConfigError, InvalidRequest, ReadError
from trivet.core.exchange.actions import Invoke, ReadBody
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.policies.auth.bearer import BearerAuth, Token, TokenAuth
from trivet.core.policies.policy import Forward


def start(request: Request | None = None) -> Run:
    """A call whose token function has returned "old"."""
    run = Run(BearerAuth(lambda: "unused"), request).start()
    assert isinstance(run.action, Invoke)
    return run.reply("old")


def test_a_fixed_token() -> None:
    run = Run(BearerAuth("t0k3n"), Request("GET", URL, {"Accept": "*/*"})).start()
    assert list(run.sent.headers.items()) == [("Accept", "*/*"), ("Authorization", "Bearer t0k3n")]
    response = Response(401)
    assert run.reply(response).result is response


def test_a_function_is_invoked() -> None:
    def token() -> str:
        return "t0k3n"

    run = Run(BearerAuth(token)).start()
    assert run.action == Invoke(token)
    assert run.reply("t0k3n").sent.headers["Authorization"] == "Bearer t0k3n"
    response = Response(200)
    assert run.reply(response).result is response
    assert event_names(run) == []


def test_a_new_token_after_401_is_tried_once() -> None:
    run = start(Request("POST", URL, content=b"content"))
    run.reply(Response(401))
    assert isinstance(run.action, Invoke)
    run.reply("new")
    assert (run.sent.headers["Authorization"], run.sent.content) == ("Bearer new", b"content")
    last = Response(401)
    assert run.reply(last).result is last
    assert event_names(run) == ["AuthRefreshed"]


def test_the_same_token_after_401_is_not() -> None:
    run = start()
    response = Response(401, {}, b"why")
    run.reply(response).reply("old")
    assert run.result is response
    assert response.content == b"why"
    assert event_names(run) == []


def test_content_that_cannot_be_produced_again_is_not_sent_again() -> None:
    content = Stream(lambda: iter([b"content"]), replayable=False)
    response = Response(401)
    run = start(Request("POST", URL, content=content)).reply(response)
    assert run.result is response


@pytest.mark.parametrize("status", [200, 400, 403, 503])
def test_other_statuses_are_handed_back(status: int) -> None:
    assert start().reply(Response(status)).result is not None


def test_an_open_401_is_read_before_another_token_is_asked_for() -> None:
    body = object()
    run = start()
    refused = Response(401, body=body)
    run.reply(refused)
    assert isinstance(run.action, ReadBody)
    assert run.action.body is body
    run.read(b"wh", b"y")
    assert isinstance(run.action, Invoke)
    run.reply("old")
    assert run.result is refused
    assert refused.content == b"why"


@pytest.mark.parametrize("returned", [None, "", "t0k3n\n", b"t0k3n", "tök3n"])
@pytest.mark.parametrize("when", ["first", "second"])
def test_what_a_function_returns_is_checked(returned: object, when: str) -> None:
    run = Run(BearerAuth(lambda: "unused")).start()
    if when == "second":
        run.reply("old").reply(Response(401))
    run.reply(returned)
    assert isinstance(run.error, InvalidRequest)
    assert "the token that the function returned" in str(run.error)
    assert "k3n" not in str(run.error)


def test_what_a_function_raises_passes() -> None:
    error = ValueError("the vault is locked")
    assert Run(BearerAuth(lambda: "unused")).start().fail(error).error is error


def test_what_the_transport_raises_passes() -> None:
    error = ReadError("reset", sent=True)
    assert start().fail(error).error is error


@pytest.mark.parametrize("token", ["t0k3n\n", "", "Bearer t0k3n", None])
def test_a_fixed_token_is_checked(token: str) -> None:
    with pytest.raises(ConfigError, match="BearerAuth: the token") as caught:
        BearerAuth(token)
    assert "t0k3n" not in str(caught.value)


def test_tokens() -> None:
    assert Token("a") == Token("a", 5.0)
    assert Token("a") != Token("b")
    assert Token("a") != "Bearer a"
    assert hash(Token("a")) == hash(Token("a"))
    assert repr(Token("a")) == "Token([redacted])"


class Answers(TokenAuth):
    """A token source whose answers the test chooses."""

    def __init__(self, *answers: Token | Response) -> None:
        self.answers = list(answers)
        self.refused: list[Token | None] = []

    def obtain(self, request: Request, call: Call, forward: Forward, refused: Token | None) -> Flow[Token | Response]:
        yield from ()
        self.refused.append(refused)
        return self.answers.pop(0)


def test_a_token_source_of_ones_own() -> None:
    first, second = Token("first"), Token("second")
    auth = Answers(first, second)
    run = Run(auth).start().reply(Response(401))
    assert run.sent.headers["Authorization"] == "Bearer second"
    assert auth.refused == [None, first]


def test_a_response_instead_of_a_token_is_the_answer() -> None:
    unavailable = Response(503)
    assert Run(Answers(unavailable)).start().result is unavailable
    assert Run(Answers(Token("old"), unavailable)).start().reply(Response(401)).result is unavailable


def test_a_token_source_must_be_written() -> None:
    run = Run(TokenAuth()).start()
    assert isinstance(run.error, NotImplementedError)
    assert "TokenAuth does not override obtain()" in str(run.error)
