from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies.stepping import URL, Run
from trivet.core.errors import ConfigError
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.api_key import APIKeyAuth


@pytest.mark.parametrize(
    ("auth", "name"), [(APIKeyAuth("k3y"), "X-API-Key"), (APIKeyAuth("k3y", header="apikey"), "apikey")]
)
def test_header(auth: APIKeyAuth, name: str) -> None:
    run = Run(auth, Request("GET", URL, {"Accept": "*/*"})).start()
    assert list(run.sent.headers.items()) == [("Accept", "*/*"), (name, "k3y")]
    assert run.sent.url == URL
    assert run.reply(Response(200)).result is not None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com/?key=k3y"),
        (URL, URL + "?key=k3y"),
        (URL + "?", URL + "?key=k3y"),
        (URL + "?a=1&b=%26", URL + "?a=1&b=%26&key=k3y"),
        (URL + "?monkey=1", URL + "?monkey=1&key=k3y"),
    ],
)
def test_query(url: str, expected: str) -> None:
    run = Run(APIKeyAuth("k3y", query="key"), Request("GET", url)).start()
    assert run.sent.url == expected
    assert "k3y" not in repr(run.sent)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), st.text("a[]&=é", min_size=1))
def test_any_key_and_name_survive_the_query(key: str, name: str) -> None:
    run = Run(APIKeyAuth(key, query=name), Request("GET", URL + "?z=1")).start()
    assert parse_qsl(run.sent.url.query) == [("z", "1"), (name, key)]
    # And it is recognised as there already.
    again = Run(APIKeyAuth("other", query=name), run.sent).start()
    assert again.sent is run.sent


@pytest.mark.parametrize(
    ("key", "places", "message"),
    [
        ("k3y", {"header": "X-Key", "query": "key"}, "not both"),
        ("k3y", {"header": "X Key"}, "'X Key' is no field name"),
        ("k3y", {"header": ""}, "'' is no field name"),
        ("k3y", {"query": ""}, "nor the name of its query parameter may be empty"),
        ("k3y\n", {}, "the key has a blank, a line break or"),
        ("k3y\n", {"query": "key"}, "the key has a line break or"),
        ("", {}, "the key is empty"),
        ("", {"query": "key"}, "neither the key nor"),
        ("\ud800", {"query": "key"}, "the key has a line break or"),
    ],
)
def test_what_makes_no_sense(key: str, places: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        APIKeyAuth(key, **places)
    assert message in str(caught.value)
    assert "k3y" not in str(caught.value)


def test_repr() -> None:
    assert repr(APIKeyAuth("k3y")) == "APIKeyAuth([redacted], header='X-API-Key')"
    assert repr(APIKeyAuth("k3y", query="key")) == "APIKeyAuth([redacted], query='key')"
