"""What may be stored: RFC 9111 §3. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.directives import ResponseDirectives
from trivet.core.caching.freshness import HEURISTIC_STATUSES
from trivet.core.caching.storing import Storing, fields_to_store, may_store
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

URL = "https://api.example.com/users"
AUTHORIZED = {"Authorization": "Bearer token"}
FRESH = {"Cache-Control": "max-age=60"}
RANGE = {"Content-Range": "bytes 0-4/10"}


def storing(
    status: int = 200,
    fields: dict[str, str] | None = None,
    *,
    method: str = "GET",
    asked: dict[str, str] | None = None,
    content: bytes = b"",
    shared: bool = False,
) -> str:
    request = Request(method, URL, asked or {}, content)
    found = may_store(request, Response(status, fields or {}), shared=shared)
    assert found.allowed is found.reason.startswith("stored: ")
    return found.reason


def control(value: str) -> dict[str, str]:
    return {"Cache-Control": value}


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        pytest.param(200, control("max-age=60"), "stored: max-age=60", id="§3 max-age"),
        pytest.param(200, control("max-age=x"), "stored: max-age=0", id="§3 max-age invalid"),
        pytest.param(403, control("max-age=60"), "stored: max-age=60", id="§3 max-age of any status"),
        pytest.param(403, {"Expires": "0"}, "stored: Expires", id="§3 Expires"),
        pytest.param(403, control("public"), "stored: public", id="§3 public"),
        pytest.param(403, control("private"), "stored: private", id="§3 private"),
        pytest.param(403, control('private="a"'), "stored: private", id="§3 private with fields"),
        pytest.param(403, control("s-maxage=60"), "not stored: status 403 and no freshness", id="§3 s-maxage"),
        pytest.param(200, {}, "stored: status 200", id="§3 status"),
        pytest.param(200, control("no-cache"), "stored: status 200", id="cc-resp-no-cache-revalidate"),
        pytest.param(403, {}, "not stored: status 403 and no freshness", id="§3 nothing"),
        pytest.param(
            403, control("no-cache"), "not stored: status 403 and no freshness", id="§3 no-cache is no ground"
        ),
        pytest.param(200, control("no-store"), "not stored: no-store", id="cc-resp-no-store"),
        pytest.param(200, control("No-StOrE"), "not stored: no-store", id="cc-resp-no-store-case-insensitive"),
        pytest.param(200, control("max-age=60, no-store"), "not stored: no-store", id="cc-resp-no-store-fresh"),
        pytest.param(200, FRESH | {"Vary": "*"}, "not stored: Vary: *", id="§4.1 Vary: *"),
        pytest.param(200, FRESH | {"Vary": "Accept,\t* "}, "not stored: Vary: *", id="§4.1 * in a list"),
        pytest.param(200, FRESH | {"Vary": "Accept, X-*"}, "stored: max-age=60", id="§4.1 * in a name"),
        pytest.param(200, FRESH | {"Set-Cookie": "a=b"}, "stored: max-age=60", id="other-set-cookie"),
        pytest.param(103, FRESH, "not stored: interim status 103", id="§3 an interim response"),
        pytest.param(304, FRESH, "not stored: status 304", id="§4.3.4 304 updates what is stored"),
        pytest.param(412, FRESH, "not stored: status 412", id="412 answers a condition"),
        pytest.param(416, FRESH, "not stored: status 416", id="416 answers a range"),
        pytest.param(428, FRESH, "not stored: status 428", id="RFC 6585 §3"),
        pytest.param(429, FRESH, "not stored: status 429", id="RFC 6585 §4"),
        pytest.param(431, FRESH, "not stored: status 431", id="RFC 6585 §5"),
        pytest.param(511, FRESH, "not stored: status 511", id="RFC 6585 §6"),
        pytest.param(206, FRESH | RANGE, "stored: max-age=60, partial", id="§3.3 a part"),
        pytest.param(206, FRESH, "not stored: status 206 without Content-Range", id="§3.3 an unknown part"),
        pytest.param(
            206,
            FRESH | {"Content-Type": "Multipart/ByteRanges; boundary=a"},
            "not stored: several ranges",
            id="§3.3 several parts",
        ),
    ],
)
def test_response(status: int, fields: dict[str, str], reason: str) -> None:
    assert storing(status, fields) == reason


@pytest.mark.parametrize("status", [299, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599])
def test_every_final_status_with_freshness_is_stored(status: int) -> None:
    """RFC 9111 §3: status-299-fresh and so on."""
    assert storing(status, FRESH) == "stored: max-age=60"


@pytest.mark.parametrize("status", sorted(HEURISTIC_STATUSES - {206}))
def test_statuses_that_need_no_freshness(status: int) -> None:
    """RFC 9111 §3, RFC 9110 §15.1."""
    assert storing(status) == f"stored: status {status}"


@pytest.mark.parametrize(
    ("status", "value", "reason"),
    [
        pytest.param(200, "max-age=3600, no-store, must-understand", "stored: max-age=3600", id="status-200"),
        pytest.param(503, "max-age=3600, no-store, must-understand", "stored: max-age=3600", id="status-503"),
        pytest.param(
            599,
            "max-age=3600, no-store, must-understand",
            "not stored: must-understand and status 599",
            id="status-599",
        ),
        pytest.param(599, "max-age=9, must-understand", "not stored: must-understand and status 599", id="no no-store"),
        pytest.param(200, "max-age=9, no-store, must-understand=1", "not stored: no-store", id="with an argument"),
    ],
)
def test_must_understand(status: int, value: str, reason: str) -> None:
    """RFC 9111 §5.2.2.3: status-200-must-understand, status-599-must-understand."""
    assert storing(status, control(value)) == reason


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"])
def test_only_get_is_understood(method: str) -> None:
    assert storing(200, FRESH, method=method) == f"not stored: method {method}"


@pytest.mark.parametrize(
    ("asked", "content", "reason"),
    [
        pytest.param({"Cache-Control": "no-store"}, b"", "not stored: no-store in the request", id="§5.2.1.5 no-store"),
        pytest.param({"Cache-Control": "no-cache"}, b"", "stored: max-age=60", id="§5.2.1.4 no-cache"),
        pytest.param({"Pragma": "no-cache"}, b"", "stored: max-age=60", id="§5.4 Pragma"),
        pytest.param({"Cookie": "a=b"}, b"", "stored: max-age=60", id="other-cookie"),
        pytest.param(AUTHORIZED, b"", "stored: max-age=60", id="§3.5 a private cache"),
        pytest.param({}, b"{}", "not stored: GET with content", id="RFC 9110 §9.3.1 content"),
    ],
)
def test_request(asked: dict[str, str], content: bytes, reason: str) -> None:
    assert storing(200, FRESH, asked=asked, content=content) == reason


@pytest.mark.parametrize(
    ("fields", "asked", "reason"),
    [
        pytest.param(control("max-age=9, private"), {}, "not stored: private", id="cc-resp-private-shared"),
        pytest.param(control('max-age=9, private="a"'), {}, "stored: max-age=9", id="§5.2.2.7 private with fields"),
        pytest.param({}, {}, "stored: status 200", id="§3 status"),
        pytest.param(control("s-maxage=9, max-age=1"), {}, "stored: s-maxage=9", id="§3 s-maxage"),
        pytest.param(
            {"Expires": "0"}, AUTHORIZED, "not stored: Authorization in the request", id="other-authorization"
        ),
        pytest.param(control("max-age=9, public"), AUTHORIZED, "stored: max-age=9", id="other-authorization-public"),
        pytest.param(
            control("max-age=9, must-revalidate"),
            AUTHORIZED,
            "stored: max-age=9",
            id="other-authorization-must-revalidate",
        ),
        pytest.param(control("s-maxage=9"), AUTHORIZED, "stored: s-maxage=9", id="other-authorization-smaxage"),
        pytest.param(control("public, private"), AUTHORIZED, "not stored: private", id="§3 private prevails"),
    ],
)
def test_shared(fields: dict[str, str], asked: dict[str, str], reason: str) -> None:
    assert storing(200, fields, asked=asked, shared=True) == reason


def test_private_with_fields_is_no_ground_when_shared() -> None:
    assert storing(403, control('private="a"'), shared=True) == "not stored: status 403 and no freshness"


def test_a_part_is_marked() -> None:
    found = may_store(Request("GET", URL), Response(206, FRESH | RANGE), shared=False)
    assert found == Storing(True, "stored: max-age=60, partial", partial=True)


def test_directives_that_are_known_already() -> None:
    found = may_store(Request("GET", URL), Response(200), shared=False, directives=ResponseDirectives(no_store=True))
    assert found == Storing(False, "not stored: no-store")


DIRECTIVES = st.lists(
    st.sampled_from(
        ["max-age=60", "s-maxage=60", "private", 'private="a"', "public", "must-revalidate", "no-cache", "x"]
    )
).map(", ".join)


@given(st.integers(min_value=100, max_value=599), DIRECTIVES, st.booleans(), st.booleans())
def test_what_forbids_prevails(status: int, value: str, shared: bool, authorized: bool) -> None:
    asked = AUTHORIZED if authorized else {}
    fields = control(value) | RANGE
    if storing(status, fields, asked=asked, shared=True).startswith("stored"):
        assert storing(status, fields, asked=asked).startswith("stored") or "s-maxage" in value
    assert storing(status, control(f"{value}, no-store"), asked=asked, shared=shared).startswith("not stored")
    assert storing(status, control(f"{value}, private"), asked=asked, shared=True).startswith("not stored")


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        pytest.param([("A", "1"), ("ETag", '"e"')], ["A", "ETag"], id="others"),
        pytest.param(
            [("Connection", "a, B"), ("a", "1"), ("b", "2"), ("c", "3")],
            ["c"],
            id="headers-omit-headers-listed-in-Connection",
        ),
        pytest.param([("Connection", "a"), ("Connection", "b"), ("a", "1"), ("b", "2")], [], id="two lines"),
        pytest.param(
            [("Connection", "Cache-Control, vary, a"), ("Cache-Control", "no-cache"), ("Vary", "x"), ("a", "1")],
            ["Cache-Control", "Vary"],
            id="RFC 9110 §7.6.1 fields that are never of the connection",
        ),
        *(
            pytest.param([(name, "x"), ("A", "1")], ["A"], id=f"headers-store-{name}")
            for name in [
                "Connection",
                "Keep-Alive",
                "Proxy-Authenticate",
                "Proxy-Authentication-Info",
                "Proxy-Authorization",
                "Proxy-Connection",
                "TE",
                "Trailer",
                "Transfer-Encoding",
                "Upgrade",
            ]
        ),
        *(
            pytest.param([(name, "x")], [name], id=f"headers-store-{name}")
            for name in [
                "Test-Header",
                "Content-Encoding",
                "Content-Length",
                "Content-Security-Policy",
                "Proxy-Status",
                "Set-Cookie",
                "WWW-Authenticate",
                "X-Frame-Options",
            ]
        ),
    ],
)
def test_fields_to_store(fields: list[tuple[str, str]], kept: list[str]) -> None:
    """RFC 9111 §3.1."""
    assert list(fields_to_store(Headers(fields))) == kept


@given(st.lists(st.tuples(st.sampled_from([b"connection", b"vary", b"cache-control", b"a"]), st.binary())))
def test_any_fields_can_be_sorted_out(lines: list[tuple[bytes, bytes]]) -> None:
    headers = Headers.from_raw(lines)
    kept = fields_to_store(headers)
    assert set(kept.raw) <= set(lines)
    assert "Connection" not in kept
    assert may_store(Request("GET", URL), Response(200, headers), shared=True).reason
