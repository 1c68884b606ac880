"""Which parts of a request are secrets that a server must not make us repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.request import Request
from trivet.core.http.sent_secrets import sent_secrets
from trivet.core.http.stream import Stream

URL = "https://api.example.com/users"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("request_", "secrets"),
    [
        (Request("GET", URL, {"Accept": "application/json", "User-Agent": "trivet/1"}), []),
        (Request("GET", URL, {"Authorization": "Bearer hunter22"}), ["Bearer hunter22", "hunter22"]),
        (
            # ada:hunter22
            Request("GET", URL, {"Authorization": "Basic YWRhOmh1bnRlcjIy"}),
            ["Basic YWRhOmh1bnRlcjIy", "YWRhOmh1bnRlcjIy", "hunter22"],
        ),
        (Request("GET", URL, {"Authorization": "basic ?"}), ["basic ?"]),
        (Request("GET", URL, {"X-Api-Key": "ab12cd34"}), ["ab12cd34"]),
        (
            Request("GET", URL, {"Cookie": "sid=ab12cd34; theme=dark!"}),
            ["sid=ab12cd34; theme=dark!", "theme=dark!", "ab12cd34", "dark!"],
        ),
        (Request("GET", f"{URL}?page=20000&api_key=ab%2F12cd"), ["ab%2F12cd", "ab/12cd"]),
        (Request("GET", f"{URL}?token&token="), []),
        (Request("GET", URL, {"X-Api-Key": "abcd"}), []),
        (Request("POST", URL, FORM, b"user=adalovelace&password=a+hunter"), ["a+hunter", "a hunter"]),
        (Request("POST", URL, JSON, b'{"user": "adalovelace", "password": "hunter22"}'), ["hunter22"]),
        (
            Request("POST", URL, JSON, b'[{"tokens": ["ab12cd34", 7, {"deep": "ef56gh78"}]}]'),
            ["ab12cd34", "ef56gh78"],
        ),
        (Request("POST", URL, JSON, b'{"password": "hunter22'), []),
        (Request("POST", URL, JSON, b'{"password": "' + b"x" * 65_536 + b'"}'), []),
        (Request("POST", URL, JSON, Stream(lambda: iter([b'{"password": "hunter22"}']))), []),
        (Request("POST", URL, {"Content-Type": "text/plain"}, b"password=hunter22"), []),
    ],
)
def test_they_are_found_by_their_names(request_: Request, secrets: list[str]) -> None:
    found = sent_secrets(request_)
    assert sorted(found) == sorted(secrets)
    assert found == sorted(found, key=len, reverse=True)


@given(
    query=st.text("abct=&%+oken", max_size=30),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126)),
    content=st.binary(max_size=60),
    headers=st.sampled_from([FORM, JSON, {}]),
)
def test_any_request_is_read(query: str, value: str, content: bytes, headers: dict[str, str]) -> None:
    request = Request("POST", f"{URL}?{query}", {**headers, "Authorization": f"Basic {value}"}, content)
    assert all(len(secret) >= 5 for secret in sent_secrets(request))
