from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies.stepping import Run
from trivet.core.errors import ConfigError
from trivet.core.http.response import Response
from trivet.core.policies.auth.basic import BasicAuth

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "))


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),  # RFC 7617 §2
        ("test", "123£", "Basic dGVzdDoxMjPCow=="),  # RFC 7617 §2.1
        ("", "", "Basic Og=="),
        ("key", "", "Basic a2V5Og=="),
        ("ada", "a:b", "Basic YWRhOmE6Yg=="),
    ],
)
def test_field(username: str, password: str, field: str) -> None:
    run = Run(BasicAuth(username, password)).start()
    assert run.sent.headers["Authorization"] == field
    assert run.reply(Response(401)).result is not None


@given(PRINTABLE.filter(lambda text: ":" not in text), PRINTABLE)
def test_round_trip(username: str, password: str) -> None:
    field = Run(BasicAuth(username, password)).start().sent.headers["Authorization"]
    scheme, _, encoded = field.partition(" ")
    assert scheme == "Basic"
    assert b64decode(encoded, validate=True).decode().split(":", 1) == [username, password]


@pytest.mark.parametrize(
    ("username", "password", "message"),
    [
        ("a:da", "s3cr3t", "the user name has a colon"),
        ("ada\n", "s3cr3t", "the user name has a line break or another control character"),
        ("ada", "s3cr3t\x00", "the password has a line break or another control character"),
        ("ada", None, "the password must be a string, not NoneType"),
    ],
)
def test_what_cannot_be_sent(username: str, password: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BasicAuth(username, password)
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
