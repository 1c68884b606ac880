from __future__ import annotations

import copy
import pickle

import pytest

from core.policies.stepping import URL, Run
from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth, require_text, require_visible
from trivet.core.policies.auth.basic import BasicAuth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials
from trivet.core.policies.policy import Forward, Stage

SECRET = "s3cr3t-w0rd"

ALL = [
    APIKeyAuth(SECRET),
    APIKeyAuth(SECRET, query="api_key"),
    BasicAuth("ada", SECRET),
    BearerAuth(SECRET),
    BearerAuth(lambda: SECRET),
    OAuth2ClientCredentials("https://auth.example.com/token", "reporter", SECRET),
]


class Signed(Auth):
    header = "X-Signature"

    def sign(self, request: Request) -> Request:
        return request.replace(headers=request.headers.with_field("X-Signature", "signed"))


class TwoSteps(Auth):
    def authenticate(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        challenge = yield from forward(request.replace(url="https://api.example.com/nonce"), call)
        nonce = challenge.headers["Nonce"]
        return (yield from forward(request.replace(headers=request.headers.with_field("Nonce", nonce)), call))


def test_an_auth_of_ones_own() -> None:
    run = Run(Signed()).start()
    assert run.sent.headers["X-Signature"] == "signed"
    assert run.request.headers.get("X-Signature") is None


def test_an_auth_of_ones_own_with_a_flow() -> None:
    run = Run(TwoSteps(), Request("POST", URL, {"X-Kept": "1"}, b"content")).start()
    assert run.sent.url == "https://api.example.com/nonce"
    run.reply(Response(204, {"Nonce": "n1"}))
    assert (run.sent.url, run.sent.headers["Nonce"], run.sent.headers["X-Kept"]) == (URL, "n1", "1")


def test_an_auth_that_does_nothing_says_so() -> None:
    class Nothing(Auth):
        pass

    run = Run(Nothing()).start()
    assert isinstance(run.error, NotImplementedError)
    assert "Nothing overrides neither sign() nor authenticate()" in str(run.error)


@pytest.mark.parametrize("auth", [*ALL, Signed(), TwoSteps()], ids=repr)
def test_a_request_without_credentials_stays_without(auth: Auth) -> None:
    request = Request("GET", "https://elsewhere.example.com/", credentials=False)
    assert Run(auth, request).start().sent is request


@pytest.mark.parametrize(
    ("auth", "request_"),
    [
        (Signed(), Request("GET", URL, {"x-signature": "mine"})),
        (BearerAuth(SECRET), Request("GET", URL, {"authorization": "mine"})),
        (BearerAuth(lambda: SECRET), Request("GET", URL, {"Authorization": "mine"})),
        (BasicAuth("ada", SECRET), Request("GET", URL, {"Authorization": "mine"})),
        (APIKeyAuth(SECRET), Request("GET", URL, {"x-api-key": "mine"})),
        (APIKeyAuth(SECRET, query="key"), Request("GET", URL + "?a=1&key=mine")),
        (ALL[-1], Request("GET", URL, {"Authorization": "mine"})),
    ],
    ids=str,
)
def test_what_the_caller_wrote_for_one_request_wins(auth: Auth, request_: Request) -> None:
    assert Run(auth, request_).start().sent is request_


def test_without_a_header_name_every_request_is_authenticated() -> None:
    run = Run(TwoSteps(), Request("GET", URL, {"Authorization": "mine"})).start()
    assert run.sent.url == "https://api.example.com/nonce"


@pytest.mark.parametrize("auth", ALL, ids=repr)
def test_secrets_are_not_shown_and_not_pickled(auth: Auth) -> None:
    assert auth.stage is Stage.AUTH
    assert SECRET not in repr(auth)
    assert "redacted" in repr(auth)
    for dump in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=f"{type(auth).__name__} holds secrets"):
            dump(auth)


def test_repr_of_ones_own() -> None:
    assert repr(Signed()) == "Signed()"


@pytest.mark.parametrize("error", [ConfigError, InvalidRequest])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the token must be a string, not NoneType"),
        (b"s3cr3t", "the token must be a string, not bytes"),
        ("", "the token is empty"),
        ("s3cr3t\n", "the token has a blank, a line break or"),
        ("s3cr3t\r\nX-Injected: 1", "the token has a blank, a line break or"),
        ("s3 cr3t", "the token has a blank"),
        ("s3cr3t\x00", "a character that is not ASCII"),
        ("s3cr3t\x7f", "a character that is not ASCII"),
        ("sécr3t", "a character that is not ASCII"),
    ],
)
def test_visible_secrets(value: object, message: str, error: type[ConfigError | InvalidRequest]) -> None:
    with pytest.raises(error) as caught:
        require_visible(value, "the token", error)
    assert message in str(caught.value)
    assert "cr3t" not in repr(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [(7, "the password must be a string, not int"), ("s3cr3t\n", "the password has a line break")],
)
def test_text_secrets(value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_text(value, "the password")
    assert message in str(caught.value)
    assert "cr3t" not in repr(caught.value)


def test_good_secrets_pass() -> None:
    assert require_visible("!~", "the token") == "!~"
    assert require_text("", "the password") == ""
    assert require_text("pass wörd", "the password") == "pass wörd"
