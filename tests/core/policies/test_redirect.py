from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import AttemptTimeout, ConfigError, ReadError, RedirectError
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest
from trivet.core.exchange.trace import RedirectFollowed
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.stream import Stream
from trivet.core.http.url import URL
from trivet.core.limits import Limits
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.redirect import CONTENT_FIELDS, Redirect, redirected
from trivet.core.policies.send import DRAIN_TIME
from trivet.testing import Playbook

HERE = "https://api.example.com/v1/users?page=2"
STATUSES = (301, 302, 303, 307, 308)


def redirect(status: int = 302, location: str = "/there", **options: Any) -> Response:
    return Response(status, {"Location": location}, **options)


def follow(
    request: Request, *responses: Response, max_redirects: int = 10, limits: Limits | None = None
) -> Playbook[Response]:
    policy = Redirect(max_redirects) if limits is None else Redirect(max_redirects, limits=limits)
    book = Playbook(Pipeline([policy]).handle(request))
    for response in responses:
        book.reply(response)
    return book


def sent(book: Playbook[Any]) -> Request:
    return book.expect(SendRequest).request


def one_shot() -> Stream:
    return Stream(lambda: iter([b"content"]))


def again_and_again() -> Stream:
    return Stream(lambda: iter([b"content"]), replayable=True)


# Method and content


@pytest.mark.parametrize("content", [b"content", again_and_again()], ids=["bytes", "stream"])
@pytest.mark.parametrize(
    ("status", "method"),
    list(product(STATUSES, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])),
)
def test_the_method_and_the_content(status: int, method: str, content: bytes | Stream) -> None:
    described = dict.fromkeys(CONTENT_FIELDS, "x")
    request = Request(method, HERE, {**described, "Accept": "text/html"}, content)
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")

    following = sent(follow(request, redirect(status)))

    if becomes_get:
        assert (following.method, following.content) == ("GET", b"")
        assert dict(following.headers) == {"Accept": "text/html"}
    else:
        assert following.method == method
        assert following.content is content
        assert following.headers == request.headers


@pytest.mark.parametrize(
    ("status", "method", "followed"),
    [
        (301, "POST", True),
        (302, "POST", True),
        (303, "POST", True),
        (303, "PUT", True),
        (307, "POST", False),
        (308, "POST", False),
        (301, "PUT", False),
        (302, "PATCH", False),
        (307, "PUT", False),
    ],
)
def test_content_that_is_gone_is_not_sent_again(status: int, method: str, followed: bool) -> None:
    book = follow(Request(method, HERE, (), one_shot()), redirect(status))

    if followed:
        assert sent(book).content == b""
    else:
        with pytest.raises(RedirectError, match="needs the content a second time") as caught:
            assert book.result
        assert caught.value.status == status


@pytest.mark.parametrize("status", [200, 204, 300, 304, 305, 306, 310, 404, 503])
def test_other_statuses_with_a_location_are_no_redirects(status: int) -> None:
    assert follow(Request("GET", HERE), redirect(status)).result.status == status


@pytest.mark.parametrize("status", STATUSES)
def test_a_redirect_to_nowhere_is_handed_back(status: int) -> None:
    book = follow(Request("GET", HERE), Response(status, body="body"))
    book.reply(b"an explanation").reply(b"")

    assert book.result.status == status
    assert book.result.content == b"an explanation"
    assert book.result.history == ()


# Where it leads


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/there", "https://api.example.com/there"),
        ("there", "https://api.example.com/v1/there"),
        ("../there", "https://api.example.com/there"),
        ("../../../there", "https://api.example.com/there"),
        ("?page=3", "https://api.example.com/v1/users?page=3"),
        ("", "https://api.example.com/v1/users?page=2"),
        ("#top", "https://api.example.com/v1/users?page=2"),
        ("/there#top", "https://api.example.com/there"),
        ("//other.example.net/there", "https://other.example.net/there"),
        ("https://other.example.net", "https://other.example.net/"),
        ("HTTPS://API.Example.COM:443/there", "https://api.example.com/there"),
        ("https://api.example.com:8443/there", "https://api.example.com:8443/there"),
    ],
)
def test_where_a_location_leads(location: str, url: str) -> None:
    book = follow(Request("GET", HERE), redirect(location=location))

    assert sent(book).url == url
    assert isinstance(sent(book).url, URL)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://api.example.com/there", "a redirect from https to http is refused: http://api.example.com/there"),
        ("http://api.example.com:443/", "a redirect from https to http is refused"),
        (
            "http://other.example.net/?token=s3cr3t",
            "from https to http is refused: http://other.example.net/?token=[redacted]",
        ),
        ("ftp://other.example.net/", "the Location of a redirect cannot be followed"),
        ("javascript:alert(1)", "the Location of a redirect cannot be followed"),
        ("file:///etc/passwd", "the Location of a redirect cannot be followed"),
        ("https://", "the Location of a redirect cannot be followed"),
        ("https://other.example.net:99999/", "the Location of a redirect cannot be followed"),
        ("https://user:s3cr3t@other.example.net/", "the Location of a redirect cannot be followed"),
        ("https://[::1/", "the Location of a redirect cannot be followed"),
    ],
)
def test_where_no_location_may_lead(location: str, message: str) -> None:
    response = redirect(location=location, body="body")
    book = follow(Request("GET", HERE, {"Authorization": "Bearer t0ken"}), response)
    # Its body is released all the same.
    book.expect(ReadBody)
    book.reply(b"")

    with pytest.raises(RedirectError) as caught:
        assert book.result
    assert message in str(caught.value)
    assert str(caught.value).startswith("GET https://api.example.com/v1/users?page=2: ")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.response is response
    assert caught.value.trace is book.exchange.trace


@pytest.mark.parametrize("location", [b"https://other.example.net/\x01", b"/\xff\xfe", b"/there\x7f"])
def test_a_location_of_strange_bytes_is_no_crash(location: bytes) -> None:
    from trivet.core.http.headers import Headers

    book = follow(Request("GET", HERE), Response(302, Headers.from_raw([(b"Location", location)])))

    assert isinstance(book.error, RedirectError) or sent(book).url.isascii()


@pytest.mark.parametrize(
    ("there", "scheme"),
    [("https://api.example.com/", "https"), ("http://other.example.net/", "http")],
)
def test_from_plain_text_both_are_followed(there: str, scheme: str) -> None:
    book = follow(Request("GET", "http://api.example.com/"), redirect(location=there))

    assert sent(book).url.scheme == scheme


# Credentials stay home

SECRETS = {
    "Authorization": "Bearer t0ken",
    "Cookie": "session=1",
    "Proxy-Authorization": "Basic eA==",
    "X-API-Key": "k3y",
    "X-Auth-Token": "t0ken",
}
HARMLESS = {"Accept": "text/html", "User-Agent": "test", "Idempotency-Key": "k", "X-Page": "3"}


@pytest.mark.parametrize(
    ("here", "location", "stays"),
    [
        ("https://api.example.com/", "/there", True),
        ("https://api.example.com/", "https://api.example.com/there", True),
        ("https://api.example.com/", "https://api.example.com:443/there", True),
        ("https://api.example.com:443/", "https://api.example.com/there", True),
        ("https://api.example.com/", "https://API.EXAMPLE.COM/there", True),
        ("http://api.example.com:80/", "http://api.example.com/there", True),
        ("https://api.example.com:8443/", "https://api.example.com:8443/there", True),
        ("https://api.example.com/", "https://api.example.com:8443/there", False),
        ("https://api.example.com:8443/", "https://api.example.com/there", False),
        ("https://api.example.com/", "https://www.example.com/there", False),
        ("https://api.example.com/", "https://example.com/there", False),
        ("https://api.example.com/", "https://api.example.com.evil.example/there", False),
        ("https://api.example.com/", "//other.example.net/there", False),
        # The same host, and another origin: what was sent in plain text may not be worth what is sent over TLS.
        ("http://api.example.com/", "https://api.example.com/there", False),
    ],
)
@pytest.mark.parametrize("status", STATUSES)
def test_credentials_are_dropped_on_the_way_to_another_origin(
    here: str, location: str, stays: bool, status: int
) -> None:
    request = Request("GET", here, {**SECRETS, **HARMLESS, "Host": "virtual.example.com"})

    following = sent(follow(request, redirect(status, location)))

    assert following.credentials is stays
    if stays:
        assert following.headers == request.headers
    else:
        assert dict(following.headers) == HARMLESS


def test_credentials_that_were_lost_stay_lost() -> None:
    book = follow(
        Request("GET", HERE, SECRETS),
        redirect(location="https://other.example.net/"),
        redirect(location=HERE),
    )

    assert sent(book).url == HERE
    assert sent(book).credentials is False
    assert not sent(book).headers


def test_a_request_without_credentials_gets_none_by_a_redirect() -> None:
    book = follow(Request("GET", HERE, credentials=False), redirect())

    assert sent(book).credentials is False


def test_what_else_belongs_to_a_request_follows() -> None:
    heard: list[Response] = []
    request = Request("GET", HERE, {"Accept": "text/html"}, on_interim=heard.append)

    following = redirected(request, redirect(location="https://other.example.net/"))

    assert following.on_interim == heard.append
    assert following == Request("GET", "https://other.example.net/", {"Accept": "text/html"}, credentials=False)


# How far


@pytest.mark.parametrize("value", [-1, 1.5, "10", True, None])
def test_the_number_of_redirects_is_checked(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^Redirect\(max_redirects=.*must be a whole number, 0 or more"):
        Redirect(value)


def test_what_is_not_said() -> None:
    assert Redirect().max_redirects == 10


def test_without_redirects_they_are_handed_back() -> None:
    assert follow(Request("GET", HERE), redirect(content=b"there"), max_redirects=0).result.content == b"there"


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_a_loop_ends(limit: int) -> None:
    book = follow(Request("GET", HERE), *[redirect(301, HERE) for _ in range(limit)], max_redirects=limit)
    assert sent(book).url == HERE
    last = redirect(301, HERE)
    book.reply(last)

    with pytest.raises(RedirectError) as caught:
        assert book.result
    assert caught.value.message == f"more than {limit} redirects"
    assert caught.value.response is last
    assert caught.value.status == 301


def test_as_many_as_are_allowed_are_followed() -> None:
    book = follow(Request("GET", HERE), redirect(), redirect(), Response(200), max_redirects=2)

    assert book.result.status == 200


def test_the_history_is_told_oldest_first() -> None:
    first, second = redirect(301, "/first"), redirect(307, "/second")
    book = follow(Request("GET", HERE), first, second, Response(404))

    response = book.result
    assert response.history == (first, second)
    assert response.url.path == "/second"
    assert [each.url.path for each in response.history] == ["/v1/users", "/first"]
    assert response.trace is not None
    assert [event for event in response.trace if isinstance(event, RedirectFollowed)] == [
        RedirectFollowed(0.0, 301, "GET", "https://api.example.com/first"),
        RedirectFollowed(0.0, 307, "GET", "https://api.example.com/second"),
    ]


def test_without_a_redirect_there_is_no_history() -> None:
    assert follow(Request("GET", HERE), Response(200)).result.history == ()


def test_the_trace_shows_no_secret() -> None:
    book = follow(Request("GET", HERE), redirect(location="/there?token=s3cr3t"), Response(200))

    assert book.result.url.query == "token=s3cr3t"
    assert "s3cr3t" not in str(book.result.trace)


# What becomes of the content


@pytest.mark.parametrize(
    ("pieces", "closes"),
    [
        ([], False),
        ([b"short"], False),
        ([b"x" * 65_536], False),
        ([b"x" * 65_536, b"x"], True),
        ([b"x" * 65_537], True),
    ],
)
def test_a_short_content_is_drained_and_a_long_one_closed(pieces: list[bytes], closes: bool) -> None:
    # Decoding it would fail; nobody does.
    response = Response(302, {"Location": "/there", "Content-Encoding": "gzip"}, body="body")
    book = follow(Request("GET", HERE), response)

    for piece in pieces:
        book.expect(ReadBody)
        book.reply(piece)
    if closes:
        book.expect(CloseBody)
        book.reply()
    else:
        book.expect(ReadBody)
        book.reply(b"")

    assert sent(book).url.path == "/there"
    assert book.reply(Response(200)).result.history == (response,)
    assert response.content == b""


def test_how_much_is_drained_can_be_chosen() -> None:
    book = follow(Request("GET", HERE), redirect(body="body"), limits=Limits(max_drain=3))

    book.reply(b"four")

    book.expect(CloseBody)


@pytest.mark.parametrize("error", [ReadError("it broke", sent=True), AttemptTimeout("dripping", sent=True)])
def test_a_content_that_cannot_be_drained_does_not_matter(error: Exception) -> None:
    book = follow(Request("GET", HERE), redirect(body="body"))

    book.reply(b"drip", after=DRAIN_TIME / 2)
    assert book.expect(ReadBody).deadline == DRAIN_TIME
    book.fail(error, after=DRAIN_TIME / 2)

    assert sent(book).url.path == "/there"


def test_of_an_open_call_redirects_are_followed_too() -> None:
    book = Playbook(Pipeline([Redirect()]).open(Request("GET", HERE)))

    book.reply(redirect(body="first")).reply(b"").reply(Response(200, body="second"))

    assert book.result.body == "second"
    assert [each.status for each in book.result.history] == [302]


# Whatever a server answers


@given(
    hops=st.lists(
        st.tuples(
            st.sampled_from(STATUSES),
            st.sampled_from(["/a", "b", "//other.example.net", "https://api.example.com", "https://c.example:444/x"]),
        ),
        max_size=6,
    ),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]),
)
def test_wherever_it_leads_no_credential_leaves_its_origin(hops: list[tuple[int, str]], method: str) -> None:
    request = Request(method, HERE, {**SECRETS, **HARMLESS}, b"content")
    book = follow(request)
    left_home = False
    for status, location in hops:
        book.reply(redirect(status, location))
        following = sent(book)
        left_home = left_home or not following.url.same_origin(request.url)
        assert following.url.scheme == "https"
        assert following.credentials is not left_home
        assert set(SECRETS).isdisjoint(following.headers) is left_home
        assert set(HARMLESS) <= set(following.headers)
        assert not (following.content and status == 303 and method != "HEAD")

    assert len(book.reply(Response(200)).result.history) == len(hops)


def test_a_location_of_raw_utf8_is_read_as_such() -> None:
    response = Response(302, Headers.from_raw([(b"Location", "/caf\u00e9".encode())]))
    assert redirected(Request("GET", "https://api.example.com/"), response).url == "https://api.example.com/caf%C3%A9"
