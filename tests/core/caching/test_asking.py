"""What the fields of a request ask of a cache."""

from __future__ import annotations

import pytest

from trivet.core.caching.asking import Asking, AskingReader
from trivet.core.caching.directives import RequestDirectives
from trivet.core.caching.keys import credentials_identity
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request

URL = "https://api.example.com/users"
ADA = {"Authorization": "Bearer ada"}


@pytest.mark.parametrize(
    ("fields", "directives", "conditional", "ranged"),
    [
        ({}, RequestDirectives(), False, False),
        ({"Cache-Control": "no-store"}, RequestDirectives(no_store=True), False, False),
        ({"Pragma": "no-cache"}, RequestDirectives(no_cache=True), False, False),
        ({"range": "bytes=0-"}, RequestDirectives(), False, True),
        ({"if-none-match": '"a"'}, RequestDirectives(), True, False),
        ({"If-Range": '"a"', "Range": "bytes=0-"}, RequestDirectives(), True, True),
        ({"If-Match": "*", "Cache-Control": "max-age=0"}, RequestDirectives(max_age=0), True, False),
    ],
)
def test_what_is_read(fields: dict[str, str], directives: RequestDirectives, conditional: bool, ranged: bool) -> None:
    assert Asking.of(Request("GET", URL, fields)) == (directives, None, conditional, ranged)


@pytest.mark.parametrize("fields", [ADA, {"Cookie": "a=b"}, {"X-API-Key": "k"}])
def test_whose_credentials_are_in_it(fields: dict[str, str]) -> None:
    request = Request("GET", URL, fields)
    identity = Asking.of(request).identity
    assert identity is not None
    assert identity == credentials_identity(request)


def test_the_last_fields_are_remembered() -> None:
    reader, headers = AskingReader(), Headers({"Range": "bytes=0-"})
    first = reader.read(Request("GET", URL, headers))
    assert reader.read(Request("HEAD", f"{URL}/7", headers)) is first
    # Equal fields may be of another object: they are read again, with the same result.
    again = reader.read(Request("GET", URL, {"Range": "bytes=0-"}))
    assert again is not first
    assert again == first


def test_what_is_remembered_is_for_these_fields_only() -> None:
    reader = AskingReader()
    ada, nobody = Request("GET", URL, ADA), Request("GET", URL)
    identities = [reader.read(request).identity for request in (ada, nobody, ada, nobody)]
    assert identities == [credentials_identity(ada), None] * 2
