"""Text of servers: what is masked in it, what is left readable, and that it fits on a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.masking import beginning, excerpt, mask_secrets, one_line

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # Names and values.
        ("token=abc", "token=[redacted]"),
        ("?page=2&api_key=abc&q=x", "?page=2&api_key=[redacted]&q=x"),
        ("at https://api.example.com/?key=abc", "at https://api.example.com/?key=[redacted]"),
        ('{"password": "hunter two", "id": 7}', '{"password": "[redacted]", "id": 7}'),
        ("{'apiKey': 'abc'}", "{'apiKey': '[redacted]'}"),
        ('{"password": "cut of', '{"password": "[redacted]"'),
        ("client_secret: ab12cd34", "client_secret: [redacted]"),
        ("X-Api-Key: s3cr3tt!", "X-Api-Key: [redacted]!"),
        ("Invalid API key: ab12cd34", "Invalid API key: [redacted]"),
        ("session_id = 7", "session_id = [redacted]"),
        ("token=[redacted]", "token=[redacted]"),
        ("password=token=x", "password=[redacted]"),
        # Header fields.
        ("Authorization: Bearer hunter is odd", "Authorization: [redacted] is odd"),
        ('"authorization": "Basic YTpi"', '"authorization": "[redacted]"'),
        ("Cookie: a=b; c=d was sent", "Cookie: [redacted] was sent"),
        # Words that tell.
        ("the token Bearer ab12cd34 has expired", "the token Bearer [redacted] has expired"),
        ("bearer some-opaque-thing", "bearer [redacted]"),
        ("Basic YWRhOnBhc3M= is odd", "Basic [redacted] is odd"),
        ("wrong password 'hunter2'", "wrong password '[redacted]'"),
        ("unknown key ab12cd34ef", "unknown key [redacted]"),
        # Shapes.
        (f"expired: {JWT}.", "expired: [redacted]"),
        ("Incorrect API key provided: sk-proj-abcdefghijkl.", "Incorrect API key provided: [redacted]"),
        ("sk_live_abcdefghijkl", "[redacted]"),
        ("found ghp_abcdefghijkl and github_pat_abcdefghijkl", "found [redacted] and [redacted]"),
        ("glpat-abcdefghijkl xoxb-abcdefghijkl", "[redacted] [redacted]"),
        ("AKIAABCDEFGHIJKL AIzaABCDEFGHIJKL", "[redacted] [redacted]"),
        ("npm_abcdefghijkl hf_abcdefghijkl", "[redacted] [redacted]"),
        ("a -----BEGIN RSA PRIVATE KEY----- x -----END RSA PRIVATE KEY----- b", "a [redacted] b"),
        ("a -----BEGIN PRIVATE KEY----- cut of", "a [redacted]"),
        ("see postgres://ada:pw@db/x", "see postgres://[redacted]@db/x"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no user with id 7",
        "invalid token: it has expired",
        "password: is too short",
        "Bearer authentication required",
        "the basic plan is full",
        "max_tokens: 50000 is more than 4096",
        "Requested 50000 tokens=50000",
        "missing key: user_id",
        "the key user_id is missing",
        "Unexpected token } in JSON at position 5",
        "No such customer: 'cus_x'",
        "mail ada@example.com",
        "https://docs.example.com/errors: see there",
        "commit 9b1e0c0a5f1f4d1e8f7a6b5c4d3e2f1a0b9c8d7e is gone",
        "token:",
        "a=1&b=2",
    ],
)
def test_what_people_need_stays_readable(text: str) -> None:
    assert mask_secrets(text) == text


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    assert mask_secrets("(hunter) xhunterx", ["xhunterx", "hunter"]) == "([redacted]) [redacted]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  one\r\n\ttwo\u2028three ", "one two three"),
        ("\x1b[1;31mred\x1b[0m \x9b1mbold", "red bold"),
        ("\x1b]0;title\x07x \x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\ \x9dosc\x9cy", "x link y"),
        ("\x1bPq#0;2\x1b\\sixel \x1b", "sixel "),
        ("bi\u202edi\u2066 zero\u200bwidth \ufeffbom", "bidi zerowidth bom"),
        ("nul\x00 del\x7f c1\x85 half\ud800", "nul del c1 half"),
        ("naïve ‘quotes’ – ünïcode 日本 🙂", "naïve ‘quotes’ – ünïcode 日本 🙂"),
    ],
)
def test_text_becomes_one_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_secret_that_is_broken_up_is_masked() -> None:
    assert excerpt("tok\u200ben=ab\x1b[0mcd") == "token=[redacted]"


@pytest.mark.parametrize(
    ("length", "text"), [(3, "abc"), (4, "abc"), (5, "abc"), (6, "abc d"), (7, "abc d"), (8, "abc d ef")]
)
def test_a_beginning_ends_with_a_whole_word(length: int, text: str) -> None:
    assert beginning("abc d ef", length) == text


def test_an_excerpt_has_an_end() -> None:
    assert excerpt("x" * 500) == "x" * 500
    assert excerpt("x" * 501) == "x" * 499 + "…"
    assert excerpt("abc d ef", length=5) == "abc…"


HOSTILE = [
    *(
        "a-",
        "eyJ-",
        "://",
        "token ",
        "cookie=a=b ",
        "a:",
        "key a.",
        "authorization:",
        "x='",
        "=",
        "@",
        "://@",
    ),
    *("\x1b[", "\x1b]", "\x9d", "bearer ", "-----BEGIN PRIVATE KEY-----", 'password="', "api "),
]


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), max_size=60).map("".join))
def test_an_excerpt_is_one_bounded_printable_line_and_final(text: str) -> None:
    shown = excerpt(text)
    assert shown.isprintable()
    assert len(shown) <= 500
    shown.encode()


@given(
    name=st.sampled_from(["token", "api_key", "Password", "client-secret", "X-Auth-Token", "access_token"]),
    joint=st.sampled_from(["=", " = ", '":"', '": "', ": '"]),
    secret=st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.~+/", min_size=1),
    before=st.text("abc xyz"),
)
def test_a_named_value_never_gets_through(name: str, joint: str, secret: str, before: str) -> None:
    marked = f"0{secret}1"
    assert marked not in mask_secrets(f"{before} {name}{joint}{marked}")


@given(secret=st.text(min_size=1), text=st.text())
def test_a_known_secret_never_gets_through(secret: str, text: str) -> None:
    assert f"<{secret}>" not in mask_secrets(f"{text}<{secret}>", [secret])
