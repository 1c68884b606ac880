"""What error bodies say that are text, HTML or XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.error_text import message_in_text, says_more
from trivet.core.http.headers import Headers

S3 = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The key &lt;x&gt; does not exist.</Message><Resource>/x</Resource>
</Error>"""
SOAP = b"""<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body><soap:Fault>
<soap:Reason><soap:Text xml:lang="en">Too old</soap:Text></soap:Reason></soap:Fault></soap:Body>
</soap:Envelope>"""
NGINX = b"""<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>
<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>"""
STYLED = b"""<!DOCTYPE html><html><head><style>body{color:red}</style><script>var message = "no";</script>
<!-- <p>hidden --></head><body onload="go()"><h2>Error</h2><p>The <b>disk</b> is full &amp; hot.</p>"""


def said(content: bytes, media_type: str | None = "text/plain", *, status: int = 404, max_text: int = 2048) -> str:
    headers = Headers({"Content-Type": media_type} if media_type else {})
    reason = {404: "Not Found", 500: "Internal Server Error", 502: "Bad Gateway"}[status]
    found = message_in_text(content, headers, status=status, reason=reason, max_text=max_text)
    return " ".join(found.split())


@pytest.mark.parametrize(
    ("content", "media_type", "status", "message"),
    [
        pytest.param(b"no user 7", "text/plain", 404, "no user 7", id="plain"),
        pytest.param(b"no user 7", None, 404, "no user 7", id="no media type"),
        pytest.param(b"caf\xe9 closed", "text/plain; charset=latin-1", 404, "café closed", id="charset"),
        pytest.param(b"404 Not Found\n", "text/plain", 404, "", id="the status again"),
        pytest.param(b"Error 404: not found!", "text/plain", 404, "", id="the status in other words"),
        pytest.param(b"", "text/plain", 404, "", id="nothing"),
        pytest.param(b'{"error": "bro', "application/json", 404, '{"error": "bro', id="broken JSON"),
        pytest.param(b"error=denied", "application/x-www-form-urlencoded", 404, "error=denied", id="form"),
        pytest.param(NGINX, "text/html", 502, "nginx/1.24.0", id="nginx"),
        pytest.param(STYLED, "text/html", 500, "The disk is full & hot.", id="markup"),
        pytest.param(STYLED, "text/plain", 500, "The disk is full & hot.", id="html called plain"),
        pytest.param(b"<html>\n<p>late", None, 500, "late", id="html without a type"),
        pytest.param(
            b"<title>NoUser at /x</title><p>Traceback", "text/html", 500, "NoUser at /x", id="title"
        ),
        pytest.param(
            b"<title>Error</title><pre>No GET for /</pre>", "text/html", 404, "No GET for /", id="express"
        ),
        pytest.param(b"<h1>Server Error (500)</h1>", "text/html", 500, "", id="django"),
        pytest.param(b"<p>shown<script>cut of", "text/html", 500, "shown", id="cut script"),
        pytest.param(b"<p>shown<a href='x", "text/html", 500, "shown", id="cut tag"),
        pytest.param(b"<title>cut tit", "text/html", 500, "cut tit", id="cut title"),
        pytest.param(b"<p>1 < 2", "application/xhtml+xml", 500, "1 < 2", id="no tag"),
        pytest.param(S3, "application/xml", 404, "The key <x> does not exist.", id="s3"),
        pytest.param(S3, None, 404, "The key <x> does not exist.", id="xml without a type"),
        pytest.param(SOAP, "application/soap+xml", 500, "Too old", id="soap"),
        pytest.param(
            b"<problem><title>Out</title><detail> out of credit</detail></problem>",
            "application/problem+xml", 404, "out of credit", id="problem",
        ),
        pytest.param(b"<e><message><![CDATA[<b> is]]></message></e>", "text/xml", 404, "<b> is", id="cdata"),
        pytest.param(b"<e><message> </message><x>here</x></e>", "text/xml", 404, "here", id="any element"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "image/png", 404, "", id="image"),
        pytest.param(b"text", "application/octet-stream", 404, "", id="bytes"),
        pytest.param(b"\x1f\x8b\x08\xff\xfe\xfa\xf0", "text/plain", 404, "", id="binary called text"),
        pytest.param(b"a\x00b", None, 404, "", id="binary without a type"),
    ],
)  # fmt: skip
def test_what_is_said(content: bytes, media_type: str | None, status: int, message: str) -> None:
    assert said(content, media_type, status=status) == message


def test_only_the_beginning_is_looked_at_and_no_word_is_cut_in_half() -> None:
    assert said(b"one two three", max_text=10) == "one two"
    assert said("née".encode() * 10, max_text=2) == "n"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("", False),
        ("Not Found", False),
        ("HTTP Error 404: not_found", True),
        ("HTTP Error 404: NOT FOUND", False),
        ("Error page", False),
        ("Not found in the index", True),
        ("500", True),
        ("…!?", False),
    ],
)
def test_news_is_told_from_the_status(text: str, more: bool) -> None:
    assert says_more(text, 404, "Not Found") is more


@given(
    content=st.binary(max_size=300) | st.text("<>!-&;/abctile\"' \n", max_size=300).map(str.encode),
    media_type=st.sampled_from(["text/html", "text/plain", "application/xml", "", "image/png", "text/html; charset=x"]),
    max_text=st.integers(1, 300),
)
def test_any_bytes_are_read(content: bytes, media_type: str, max_text: int) -> None:
    found = message_in_text(
        content, Headers({"Content-Type": media_type}), status=404, reason="Not Found", max_text=max_text
    )
    assert isinstance(found, str)
