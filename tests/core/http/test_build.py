"""From the arguments of a call to a request."""

from __future__ import annotations

from typing import Any

import pytest

from trivet.core.errors import InvalidRequest
from trivet.core.http.build import build_request
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.stream import Stream
from trivet.core.http.url import URL

BASE = URL("https://api.example.com/v1")
DEFAULTS = Headers(
    [
        ("User-Agent", "trivet"),
        ("Accept", "application/json"),
        ("Authorization", "Bearer s3cret"),
        ("Cookie", "session=s3cret"),
        ("Host", "api.example.com"),
    ]
)


def build(method: str = "GET", target: str | URL = "/users", **arguments: Any) -> Request:
    return build_request(method, target, **{"base_url": BASE, **arguments})


def test_the_least() -> None:
    request = build_request("get", "https://api.example.com/users")
    assert request == Request("GET", "https://api.example.com/users")
    assert request.on_interim is None


def test_plain_defaults_are_shared_not_copied() -> None:
    request = build(default_headers=DEFAULTS)
    assert request.url == "https://api.example.com/v1/users"
    assert request.headers is DEFAULTS
    assert request.credentials


@pytest.mark.parametrize(
    ("target", "arguments", "url"),
    [
        ("/users", {"params": {"page": 2}}, "/users?page=2"),
        ("/users?a=b", {"params": [("page", 2), ("page", 3)]}, "/users?a=b&page=2&page=3"),
        ("/users/{id}", {"path": {"id": "a/b"}}, "/users/a%2Fb"),
        ("/users", {"default_params": {"v": 1}}, "/users?v=1"),
        ("/users", {"default_params": "v=1"}, "/users?v=1"),
        ("/users", {"default_params": {"v": 1}, "params": {"page": 2}}, "/users?v=1&page=2"),
        # What the call or the target says replaces the default of that name; None takes it away.
        ("/users", {"default_params": {"v": 1, "w": 2}, "params": {"v": 3}}, "/users?w=2&v=3"),
        ("/users", {"default_params": {"v": 1}, "params": {"v": None}}, "/users"),
        ("/users", {"default_params": {"v": 1, "a b": 2}, "params": "v=3&a+b=4"}, "/users?v=3&a+b=4"),
        ("/users", {"default_params": "v=1&w=2", "params": {"v": 3}}, "/users?w=2&v=3"),
        ("/users", {"default_params": "?v=1&w=2", "params": [("w", 3)]}, "/users?v=1&w=3"),
        ("/users?v=3", {"default_params": {"v": 1, "w": 2}}, "/users?v=3&w=2"),
        ("/users?v=3", {"default_params": {"v": 1}}, "/users?v=3"),
        ("/users", {"default_params": {}, "params": {"page": 2}}, "/users?page=2"),
    ],
)
def test_targets_and_parameters(target: str, arguments: dict[str, Any], url: str) -> None:
    assert build("GET", target, **arguments).url == f"https://api.example.com/v1{url}"


def test_headers_of_the_call_replace_defaults() -> None:
    request = build(headers={"accept": "text/html", "X-A": "1"}, default_headers=Headers({"Accept": "*/*", "B": "2"}))
    assert request.headers.raw == [(b"accept", b"text/html"), (b"B", b"2"), (b"X-A", b"1")]


@pytest.mark.parametrize(
    ("arguments", "content_type"),
    [
        ({}, None),
        ({"json": 1}, "application/json"),
        ({"form": {"a": "b"}}, "application/x-www-form-urlencoded"),
        ({"content": "text"}, "text/plain; charset=utf-8"),
        ({"content": b"bytes"}, None),
        # The default is replaced by what the content says of itself, and both by what the call says.
        ({"default_headers": Headers({"Content-Type": "a/b"})}, "a/b"),
        ({"content": b"bytes", "default_headers": Headers({"Content-Type": "a/b"})}, "a/b"),
        ({"json": 1, "default_headers": Headers({"Content-Type": "a/b"})}, "application/json"),
        ({"json": 1, "headers": {"Content-Type": "application/merge-patch+json"}}, "application/merge-patch+json"),
        ({"content": b"bytes", "headers": {"content-type": "image/png"}}, "image/png"),
    ],
)
def test_content_types(arguments: dict[str, Any], content_type: str | None) -> None:
    request = build("POST", **arguments)
    assert request.headers.get("Content-Type") == content_type
    assert len(request.headers.get_all("Content-Type")) <= 1


def test_null_is_content_and_nothing_is_none() -> None:
    assert build("POST", json=None).content == b"null"
    assert build("POST").content == b""


def test_streams_are_passed_on() -> None:
    assert isinstance(build("POST", content=iter([b"a"])).content, Stream)


def test_files_name_their_boundary_themselves() -> None:
    request = build("POST", files={"a": b"x"}, default_headers=Headers({"Content-Type": "a/b"}))
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    with pytest.raises(InvalidRequest, match="names their boundary; leave it out"):
        build("POST", files={"a": b"x"}, headers={"content-type": "multipart/form-data"})


def test_an_idempotency_key() -> None:
    request = build("POST", idempotency_key="k1", headers={"Idempotency-Key": "k0"})
    assert request.headers.get_all("Idempotency-Key") == ["k1"]
    assert request.idempotent


def test_the_listener_for_interim_responses() -> None:
    assert build(on_interim=print).on_interim is print


@pytest.mark.parametrize(
    "target", ["https://other.example/users", "http://api.example.com/v1/users", "https://api.example.com:8443/"]
)
def test_another_origin_gets_no_credentials(target: str) -> None:
    request = build("GET", URL(target), default_headers=DEFAULTS, default_params={"key": "s3cret"}, params={"page": 2})
    assert request.url.query == "page=2"
    assert request.credentials is False
    assert request.headers.raw == [(b"User-Agent", b"trivet"), (b"Accept", b"application/json")]


def test_what_the_call_itself_gives_goes_to_the_other_origin() -> None:
    request = build(
        "GET", URL("https://other.example/"), headers={"Authorization": "Bearer own"}, default_headers=DEFAULTS
    )
    assert request.headers["Authorization"] == "Bearer own"


@pytest.mark.parametrize("target", ["https://api.example.com/v2", "https://API.example.com:443/v1/users"])
def test_a_url_on_the_same_origin_keeps_its_credentials(target: str) -> None:
    request = build("GET", URL(target), default_headers=DEFAULTS, default_params={"v": 1})
    assert request.credentials
    assert request.headers is DEFAULTS
    assert request.url.query == "v=1"


def test_without_a_base_every_origin_is_home() -> None:
    request = build_request("GET", URL("https://other.example/"), default_headers=DEFAULTS, default_params={"v": 1})
    assert request.credentials
    assert request.headers is DEFAULTS
    assert request.url.query == "v=1"


@pytest.mark.parametrize(
    ("method", "target", "arguments"),
    [
        ("G T", "/users", {}),
        ("GET", "//evil.example/", {}),
        ("GET", "https://evil.example/", {}),
        ("GET", "../admin", {}),
        ("GET", "/users/{id}", {"path": {"id": ".."}}),
        ("GET", "/users", {"headers": {"X-A": "a\r\nb"}}),
        ("GET", "/users", {"headers": [("X A", "a")]}),
        ("GET", "/users", {"idempotency_key": "a\nb"}),
        ("POST", "/users", {"json": 1, "content": b"x"}),
        ("POST", "/users", {"json": object()}),
    ],
)
def test_what_cannot_be_sent(method: str, target: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        build(method, target, **arguments)
