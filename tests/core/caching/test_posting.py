"""Which responses to POST are also what a GET would bring (RFC 9110 §9.3.3)."""

from __future__ import annotations

import pytest

from trivet.core.caching.posting import as_get
from trivet.core.http.request import Request
from trivet.core.http.response import Response

URL = "https://api.example.com/search?q=ada"
FRESH = {"Cache-Control": "max-age=60"}
HERE = {"Content-Location": URL}


@pytest.mark.parametrize(
    ("method", "status", "fields", "kept"),
    [
        ("POST", 200, FRESH | HERE, True),
        ("POST", 200, FRESH | {"Content-Location": "?q=ada"}, True),
        ("POST", 200, {"Cache-Control": "s-maxage=60"} | HERE, True),
        ("POST", 200, {"Expires": "0"} | HERE, True),
        ("POST", 200, HERE, False),
        ("POST", 200, FRESH, False),
        ("POST", 200, FRESH | {"Content-Location": "/search"}, False),
        ("POST", 200, FRESH | {"Content-Location": "https://other.example.com/search?q=ada"}, False),
        ("POST", 200, FRESH | {"Content-Location": "http://[broken"}, False),
        ("POST", 201, FRESH | HERE, False),
        ("POST", 404, FRESH | HERE, False),
        ("PUT", 200, FRESH | HERE, False),
        ("PATCH", 200, FRESH | HERE, False),
    ],
)
def test_which_is_also_the_answer_to_a_get(method: str, status: int, fields: dict[str, str], kept: bool) -> None:
    request = Request(method, URL, {"Accept": "*/*"}, b"q=ada")
    get = as_get(request, Response(status, fields))
    assert (get is not None) is kept
    if get is not None:
        assert (get.method, get.url, get.headers, get.content) == ("GET", URL, request.headers, b"")
