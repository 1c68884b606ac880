"""What may be printed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.headers import Headers
from trivet.core.http.redaction import (
    REDACTED,
    is_credential_field,
    is_secret_name,
    printable_url,
    redact_headers,
    redact_json,
    redact_url,
)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password2",
        "new_password",
        "userPassword",
        "user-password",
        "PASSWD",
        "passphrase",
        "secret",
        "clientSecret",
        "token",
        "accesstoken",
        "access_token",
        "next_page_token",
        "key",
        "keys",
        "apiKey",
        "api_key",
        "apikey",
        "APIKEY",
        "X-API-Key",
        "APIKeyID",
        "MyAPIkey",
        "auth",
        "OAuth",
        "oauth2",
        "authorization",
        "Authentication",
        "credentials",
        "Cookie",
        "Set-Cookie",
        "sessionId",
        "JSESSIONID",
        "sid",
        "signature",
        "sig",
        "card",
        "card_number",
        "ssn",
        "pin",
        "cvc",
        "IBAN",
        "jwt",
        "one.time.otp",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "author",
        "authors",
        "authority",
        "keyboard",
        "monkey",
        "discard",
        "cardinal",
        "side",
        "spinner",
        "id",
        "名前",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "AUTHORIZATION",
        "Proxy-Authorization",
        "Cookie",
        "Cookie2",
        "X-API-Key",
        "Api-Key",
        "apikey",
        "X-Auth-Token",
        "X-Auth",
        "X-Access-Token",
        "PRIVATE-TOKEN",
        "X-Amz-Security-Token",
        "Ocp-Apim-Subscription-Key",
        "X-Session-Id",
        "X-Password",
        "X-Client-Secret",
        "X-Credential",
        "Signature",
        "Signature-Input",
        "X-Hub-Signature-256",
        "X-CSRFToken",
        "DPoP",
    ],
)
def test_credential_fields(name: str) -> None:
    assert is_credential_field(name)


@pytest.mark.parametrize(
    "name",
    [
        "Accept",
        "Accept-Encoding",
        "Content-Type",
        "User-Agent",
        "If-None-Match",
        "Idempotency-Key",
        "X-Idempotency-Key",
        "Sec-WebSocket-Key",
        "X-Request-Id",
        "Traceparent",
        "X-Author",
    ],
)
def test_other_fields(name: str) -> None:
    assert not is_credential_field(name)


def test_headers_are_printed_by_allow_list() -> None:
    headers = Headers(
        [
            ("Accept", "*/*"),
            ("X-RateLimit-Remaining", "7"),
            ("RateLimit", '"default";r=50'),
            ("X-Whatever", "private"),
            ("Authorization", "Bearer abc"),
            ("Set-Cookie", "sid=1"),
            ("set-cookie", "lang=en"),
            ("Location", "https://ada:pw@example.com/a?code=1&page=2"),
        ]
    )
    assert redact_headers(headers) == [
        ("Accept", "*/*"),
        ("X-RateLimit-Remaining", "7"),
        ("RateLimit", '"default";r=50'),
        ("X-Whatever", REDACTED),
        ("Authorization", REDACTED),
        ("Set-Cookie", REDACTED),
        ("set-cookie", REDACTED),
        ("Location", f"https://{REDACTED}@example.com/a?code={REDACTED}&page=2"),
    ]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("", ""),
        ("/users", "/users"),
        ("https://example.com/users", "https://example.com/users"),
        ("/users?page=2&per_page=50&sort=name", "/users?page=2&per_page=50&sort=name"),
        ("/users?perPage=2&Page-Size=3", "/users?perPage=2&Page-Size=3"),
        ("/users?token=abc&page=2", "/users?token=*&page=2"),
        ("/users?q=ada&cursor=abc&state=x&code=y", "/users?q=*&cursor=*&state=*&code=*"),
        ("/users?abcdef", "/users?*"),
        ("/users?a=b=c", "/users?a=*"),
        ("/users?&page=1&&", "/users?&page=1&&"),
        ("/users?", "/users?"),
        ("/users?page=1;token=abc", "/users?page=*"),
        ("/users?page=1?token=abc&x=y", "/users?page=1?token=abc&x=*"),
        ("/users#access_token=abc", "/users#*"),
        ("/users?page=1#access_token=abc", "/users?page=1#*"),
        ("/users#a?b=c", "/users#*"),
        # Userinfo, wherever it hides.
        ("https://ada@example.com/", "https://*@example.com/"),
        ("https://ada:pw@example.com:8080/a?b=c", "https://*@example.com:8080/a?b=*"),
        ("https://a@b:c@example.com/", "https://*@example.com/"),
        ("//ada:pw@example.com/", "//*@example.com/"),
        ("ada:pw@example.com/", "ada:*@example.com/"),
        ("ada@example.com", "*@example.com"),
        ("https:/ada:pw@example.com/", "https:/*@example.com/"),
        ("https:\\\\ada:pw@example.com/", "https:\\\\*@example.com/"),
        ("ht\ttps://ada:pw@example.com/", "ht\ttps://*@example.com/"),
        ("https://ada:p/w@example.com/", "https://*@example.com/"),
        ("https://ada:p?w@example.com/", "https://*@example.com/"),
        ("https://ada:p#w@example.com/", "https://*@example.com/"),
        # An @ of the path is none.
        ("/@ada", "/@ada"),
        ("/users/ada@example.com", "/users/ada@example.com"),
        ("https://example.com/@ada", "https://example.com/@ada"),
        ("https://example.com:8080/@ada", "https://example.com:8080/@ada"),
        ("https://[::1]/@ada", "https://[::1]/@ada"),
        ("https://[::1]:8080/@ada", "https://[::1]:8080/@ada"),
    ],
)
def test_urls(text: str, redacted: str) -> None:
    assert redact_url(text) == redacted.replace("*", REDACTED)


def test_a_long_url_is_cut_and_its_control_characters_are_shown() -> None:
    assert printable_url("/a\nb\x1b") == r"'/a\nb\x1b'"
    shown = printable_url("/" + "a" * 1_000)
    assert shown == "'/" + "a" * 199 + "…'"


SECRET = "Sw0rdfish"


@given(
    st.sampled_from(
        [
            "https://ada:{}@example.com{}",
            "https://{}@example.com{}",
            "//ada:{}@example.com{}",
            "https://example.com/?key={}{}",
            "https://example.com/?page=2&q={}{}",
            "/users?{}&{}",
            "/users#{}{}",
        ]
    ),
    st.text(max_size=20).filter(lambda text: not any(character in text for character in ";")),
)
def test_no_secret_in_its_usual_place_is_printed(shape: str, rest: str) -> None:
    assert SECRET not in redact_url(shape.format(SECRET, rest))


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        (None, None),
        (7, 7),
        ("text", "text"),
        ([], []),
        ({"name": "ada", "password": "x"}, {"name": "ada", "password": REDACTED}),
        ({"apiKey": None, "PIN": 1234, "card": {"number": 1}}, {"apiKey": REDACTED, "PIN": REDACTED, "card": REDACTED}),
        (
            {"users": [{"token": "x", "id": 1}, ("a", {"sig": 1})]},
            {"users": [{"token": REDACTED, "id": 1}, ["a", {"sig": REDACTED}]]},
        ),
        ({7: "x"}, {7: "x"}),
    ],
)
def test_json(value: Any, redacted: Any) -> None:
    assert redact_json(value) == redacted


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_json_nested_too_deep_is_cut(wrap: Any) -> None:
    value: Any = "deep"
    for _ in range(10_000):
        value = wrap(value)
    shown = redact_json(value)
    depth = 0
    while shown != REDACTED:
        shown = next(iter(shown.values())) if isinstance(shown, dict) else shown[0]
        depth += 1
    assert depth == 64


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_the_value_of_a_secret_key_is_replaced_at_any_depth(value: Any) -> None:
    shown = repr(redact_json([value, {"data": [{"userPassword": SECRET}]}]))
    assert SECRET not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"client_secret": "hunter2", "a": 1}', '{"client_secret": "[redacted]", "a": 1}'),
        ('[{"data": "{\\"token\\": \\"hunter2\\"}"}]', '[{"data": "{\\"token\\": \\"[redacted]\\"}"}]'),
        ('{"a":  1}', '{"a":  1}'),
        ("{not json", "{not json"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_json_within_a_string_is_redacted_too(text: str, shown: str) -> None:
    assert redact_json({"payload": text}) == {"payload": shown}
