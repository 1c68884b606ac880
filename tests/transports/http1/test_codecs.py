"""What both codecs make of every kind of response, however it is cut into pieces."""

from __future__ import annotations

import h11
import pytest

from transports.http1.exchanges import CODECS, HOST, Kind, cut, exchange, over, receive
from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.flows.connection import Head
from trivet.transports.http1.codec import Codec
from trivet.transports.http1.plain_codec import PlainCodec

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 0"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=CODECS)
def kind(request: pytest.FixtureRequest) -> Kind:
    codec: Kind = request.param
    return codec


def answer(*fields: bytes, content: bytes = b"") -> bytes:
    return OK + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + content


# The method, the response, its content, and whether the connection may be used again.
COMPLETE = {
    "length": ("GET", answer(b"Content-Length: 5", content=b"hello"), b"hello", True),
    "length-0": ("GET", answer(b"Content-Length: 0"), b"", True),
    "length-lower": ("GET", answer(b"content-length:5", content=b"hello"), b"hello", True),
    "length-with-zeros": ("GET", answer(b"Content-Length: 005", content=b"hello"), b"hello", True),
    "length-twice": ("GET", answer(b"Content-Length: 5", b"Content-Length: 5", content=b"hello"), b"hello", True),
    "length-list": ("GET", answer(b"Content-Length: 5, 5", content=b"hello"), b"hello", True),
    "post": ("POST", answer(b"Content-Length: 2", content=b"{}"), b"{}", True),
    "keep-alive": ("GET", answer(b"Connection: Keep-Alive", b"Content-Length: 1", content=b"x"), b"x", True),
    "close": ("GET", answer(b"Connection: close", b"Content-Length: 1", content=b"x"), b"x", False),
    "close-upper": ("GET", answer(b"CONNECTION: CLOSE", b"Content-Length: 1", content=b"x"), b"x", False),
    "close-listed": ("GET", answer(b"Connection: x, close", b"Content-Length: 1", content=b"x"), b"x", False),
    "connection-twice": (
        "GET",
        answer(b"Connection: keep-alive", b"Connection: close", b"Content-Length: 1", content=b"x"),
        b"x",
        False,
    ),
    "upgrade-offered": (
        "GET",
        answer(b"Upgrade: h2", b"Connection: Upgrade", b"Content-Length: 1", content=b"x"),
        b"x",
        True,
    ),
    "chunked": ("GET", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "chunked-none": ("GET", CHUNKED + b"0\r\n\r\n", b"", True),
    "chunked-many": (
        "GET",
        CHUNKED + b"1\r\nh\r\n00a\r\nello hello\r\nA\r\n, hello it\r\n0000\r\n\r\n",
        b"hello hello, hello it",
        True,
    ),
    "chunked-crlf": ("GET", CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", True),
    "chunked-extensions": ("GET", CHUNKED + b"5;a=b\r\nhello\r\n1 \r\n!\r\n0;x\r\n\r\n", b"hello!", True),
    "chunked-trailers": ("GET", CHUNKED + b"5\r\nhello\r\n0\r\nDigest: x\r\nX: y\r\n\r\n", b"hello", True),
    "chunked-long-size": ("GET", CHUNKED + b"0000000005\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "chunked-close": (
        "GET",
        answer(b"Connection: close", b"Transfer-Encoding: chunked", content=b"2;\r\nhi\r\n0\r\n\r\n"),
        b"hi",
        False,
    ),
    "chunked-upper": ("GET", answer(b"Transfer-Encoding: CHUNKED", content=b"1\r\nx\r\n0\r\n\r\n"), b"x", True),
    "chunked-and-length": (
        "GET",
        answer(b"Content-Length: 3", b"Transfer-Encoding: chunked", content=b"1\r\nx\r\n0\r\n\r\n"),
        b"x",
        True,
    ),
    "head": ("HEAD", answer(b"Content-Length: 5"), b"", True),
    "head-chunked": ("HEAD", answer(b"Transfer-Encoding: chunked"), b"", True),
    "head-neither": ("HEAD", answer(b"X: y"), b"", True),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "204-length": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", b"", True),
    "304": ("GET", b'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n', b"", True),
    "404": ("GET", b"HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", b"x", True),
    "599": ("GET", b"HTTP/1.1 599 a\tb \xe9\r\nContent-Length: 1\r\n\r\nx", b"x", True),
    "600": ("GET", b"HTTP/1.1 600 Odd\r\nContent-Length: 1\r\n\r\nx", b"x", True),
    "no-reason": ("GET", b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x", True),
    "bare-line-feeds": ("GET", b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", b"x", True),
    "fold": ("GET", answer(b"X: y", b" z", b"Content-Length: 1", content=b"x"), b"x", True),
    "fold-with-colon": ("GET", answer(b"X: y", b" Content-Length: 5", b"\tZ: z", b"Content-Length: 1", content=b"x"), b"x", True),
    "white-space": ("GET", answer(b"X: \t y  z \t", b"Y:", b"Z: ", b"Content-Length:  1  ", content=b"x"), b"x", True),
    "obs-text": ("GET", answer(b"X: \xff\x80", b"Content-Length: 1", content=b"x"), b"x", True),
    "controls": ("GET", answer(b"X: a\x01b\x7f", b"Content-Length: 1", content=b"x"), b"x", True),
    "1.0": ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x", False),
    "1.0-keep-alive": ("GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", b"x", False),
    "103": ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(b"Content-Length: 1", content=b"x"), b"x", True),
    "100-flood": ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + answer(b"Content-Length: 1", content=b"x"), b"x", True),
    "planted": ("GET", answer(b"Content-Length: 1", content=b"x" + answer(b"Content-Length: 0")), b"x", False),
    "planted-line": ("GET", answer(b"Content-Length: 1", content=b"x\r\n"), b"x", False),
    "planted-chunks": ("GET", CHUNKED + b"1\r\nx\r\n0\r\n\r\nHTTP/1.1", b"x", False),
    "planted-head": ("HEAD", answer(b"Content-Length: 1", content=b"x"), b"", False),
    "planted-204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK", b"", False),
}  # fmt: skip

# Responses that the end of the connection ends.
TO_THE_END = {
    "neither": ("GET", answer(b"X: y", content=b"hello"), b"hello"),
    "no-fields": ("GET", answer(content=b"hello"), b"hello"),
    "nothing": ("GET", answer(), b""),
    "1.0": ("GET", b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "1.0-keep-alive": ("GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", b"hello"),
}

# What breaks the rules, and what h11 says.
WRONG = {
    "lengths": (answer(b"Content-Length: 5", b"Content-Length: 6"), "conflicting Content-Length"),
    "length-list": (answer(b"Content-Length: 5, 6"), "conflicting Content-Length"),
    "length-signed": (answer(b"Content-Length: +5"), "bad Content-Length"),
    "length-negative": (answer(b"Content-Length: -1"), "bad Content-Length"),
    "length-empty": (answer(b"Content-Length: "), "bad Content-Length"),
    "length-hex": (answer(b"Content-Length: 0x5"), "bad Content-Length"),
    "length-other-digits": (answer("Content-Length: ５".encode()), "bad Content-Length"),
    "length-huge": (answer(b"Content-Length: " + b"9" * 21), "bad Content-Length"),
    "coding": (answer(b"Transfer-Encoding: gzip, chunked"), "Only Transfer-Encoding: chunked"),
    "coding-twice": (answer(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), "multiple Transfer-Encoding"),
    "identity": (answer(b"Transfer-Encoding: identity", b"Content-Length: 1"), "Only Transfer-Encoding: chunked"),
    "coding-head": (answer(b"Transfer-Encoding: x", LENGTH), "Only Transfer-Encoding: chunked"),
    "fold-first": (answer(b" X: y", LENGTH), "continuation line"),
    "space-in-name": (answer(b"X Y: z", LENGTH), "illegal header line"),
    "space-before-colon": (answer(b"Content-Length : 5", LENGTH), "illegal header line"),
    "no-colon": (answer(b"X", LENGTH), "illegal header line"),
    "no-name": (answer(b": x", LENGTH), "illegal header line"),
    "name-with-nul": (answer(b"X\0: x", LENGTH), "illegal header line"),
    "name-not-ascii": (answer("Ü: x".encode(), LENGTH), "illegal header line"),
    "nul": (answer(b"X: a\0b", LENGTH), "illegal header line"),
    "bare-cr": (answer(b"X: a\rb", LENGTH), "illegal header line"),
    "cr-at-end": (answer(b"X: a\r", LENGTH), "illegal header line"),
    "vertical-tab": (answer(b"X: a\x0bb", LENGTH), "illegal header line"),
    "white-space-first": (b" " + answer(LENGTH), "illegal"),
    "line-first": (b"\r\n" + answer(LENGTH), "no response line|illegal"),
    "version": (b"HTTP/11 200 OK\r\nContent-Length: 0\r\n\r\n", "illegal status line"),
    "version-lower": (b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "illegal status line"),
    "status-short": (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "illegal status line"),
    "status-long": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "illegal status line"),
    "status-0": (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", "status_code should be in range"),
    "reason": (b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", "illegal status line"),
    "tls": (b"\x16\x03\x01\x02\x00\x01", "illegal"),
    "unasked-101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "without a pending proposal"),
    "chunk-size": (CHUNKED + b"xyz\r\n", "illegal chunk header"),
    "chunk-size-signed": (CHUNKED + b"+5\r\nhello\r\n", "illegal chunk header"),
    "chunk-size-prefixed": (CHUNKED + b"0x5\r\nhello\r\n", "illegal chunk header"),
    "chunk-size-grouped": (CHUNKED + b"1_0\r\nhello\r\n", "illegal chunk header"),
    "chunk-size-spaced": (CHUNKED + b" 5\r\nhello\r\n", "illegal chunk header"),
    "chunk-size-empty": (CHUNKED + b"\r\n", "illegal chunk header"),
    "chunk-size-huge": (CHUNKED + b"1" * 21 + b"\r\n", "illegal chunk header"),
    "chunk-bare-line-feed": (CHUNKED + b"5\nhello\r\n", "illegal chunk header"),
    "chunk-end": (CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n", "malformed chunk footer|does not end where it says"),
    "chunk-end-other": (CHUNKED + b"5\r\nhelloxy0\r\n\r\n", "malformed chunk footer|does not end where it says"),
    "chunk-end-half": (CHUNKED + b"5\r\nhello\r0\r\n\r\n", "malformed chunk footer|does not end where it says"),
    "trailer": (CHUNKED + b"0\r\nX\r\n\r\n", "illegal header line"),
}  # fmt: skip

SPLITS = {**COMPLETE, **{f"to-end-{name}": (*case, False) for name, case in TO_THE_END.items()}}


@pytest.mark.parametrize(("method", "data", "content", "reusable"), COMPLETE.values(), ids=COMPLETE)
def test_a_complete_response(kind: Kind, method: str, data: bytes, content: bytes, reusable: bool) -> None:
    seen = over(kind, method, [data])
    assert (seen.content, seen.complete, seen.error, seen.reusable) == (content, True, None, reusable)
    assert all(head.status < 200 for head in seen.heads[:-1])
    # The end of the connection is no part of the response, but nothing follows it.
    ended = over(kind, method, [data, b""])
    assert ended == seen._replace(reusable=False)


@pytest.mark.parametrize(("method", "data", "content"), TO_THE_END.values(), ids=TO_THE_END)
def test_content_up_to_the_end_of_the_connection(kind: Kind, method: str, data: bytes, content: bytes) -> None:
    for position in range(len(data) - len(content), len(data)):
        assert not over(kind, method, [data[:position]]).complete
    seen = over(kind, method, [data, b""])
    assert (seen.content, seen.complete, seen.error, seen.reusable) == (content, True, None, False)


@pytest.mark.parametrize(("method", "data", "content", "reusable"), SPLITS.values(), ids=SPLITS)
def test_a_response_in_pieces(kind: Kind, method: str, data: bytes, content: bytes, reusable: bool) -> None:
    whole = over(kind, method, [data, b""])
    assert over(kind, method, [*(bytes([byte]) for byte in data), b""]) == whole
    for position in range(1, len(data)):
        assert over(kind, method, [data[:position], data[position:], b""]) == whole


@pytest.mark.parametrize(("method", "data", "content", "reusable"), COMPLETE.values(), ids=COMPLETE)
def test_an_early_end_at_every_byte(kind: Kind, method: str, data: bytes, content: bytes, reusable: bool) -> None:
    end = next(position for position in range(len(data) + 1) if over(kind, method, [data[:position]]).complete)
    for position in range(end):
        seen = over(kind, method, [data[:position], b""] if position else [b""])
        assert type(seen.error) is h11.RemoteProtocolError
        assert not seen.complete
        assert not seen.reusable
        if not seen.heads:
            assert str(seen.error) == "Server disconnected without sending a response"
        elif seen.heads[-1].status >= 200:
            assert str(seen.error).startswith("peer closed connection without sending complete message body")


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_what_breaks_the_rules(kind: Kind, data: bytes, message: str) -> None:
    for pieces in ([data], [bytes([byte]) for byte in data]):
        codec = kind(DEFAULT_LIMITS)
        seen = exchange(codec, "GET", pieces)
        assert type(seen.error) is h11.RemoteProtocolError
        with pytest.raises(h11.RemoteProtocolError, match=message):
            raise seen.error
        assert not seen.reusable
        with pytest.raises(h11.LocalProtocolError, match="cannot carry another"):
            codec.message("GET", "/", [HOST], b"")


def test_the_head_as_it_came(kind: Kind) -> None:
    data = b"HTTP/1.1 418 I'm a  teapot\r\nx-Mixed-CASE:  a  b \r\nX-Mixed-Case: c\r\nContent-Length: 0\r\n\r\n"
    head = Head(
        418,
        [(b"x-Mixed-CASE", b"a  b"), (b"X-Mixed-Case", b"c"), (b"Content-Length", b"0")],
        b"I'm a  teapot",
        "HTTP/1.1",
    )
    assert over(kind, "GET", [data]).heads == [head]
    assert over(kind, "GET", [data.replace(b"/1.1", b"/1.0", 1)]).heads == [head._replace(version="HTTP/1.0")]


def test_content_cut_short_says_by_how_much(kind: Kind) -> None:
    seen = over(kind, "GET", [answer(b"Content-Length: 10", content=b"hel"), b"lo", b""])
    assert seen.content == b"hello"
    assert str(seen.error).endswith("without sending complete message body (received 5 bytes, expected 10)")


def test_an_upgrade_that_was_asked_for(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.message("GET", "/", [HOST, (b"Connection", b"upgrade"), (b"Upgrade", b"x")], b"")
    seen = receive(codec, [b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nxxx"])
    assert type(seen.error) is RemoteProtocolError
    assert "interim status, 101" in str(seen.error)
    assert seen.error.sent is True
    assert not seen.reusable


def test_an_upgrade_that_is_refused(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.message("GET", "/", [HOST, (b"Connection", b"upgrade"), (b"Upgrade", b"x")], b"")
    assert receive(codec, [answer(b"Content-Length: 1", content=b"x")]).reusable


def test_a_tunnel(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    request = codec.message("CONNECT", "api.example.com:443", [(b"Host", b"api.example.com:443")], b"")
    assert request == b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"
    seen = receive(codec, [b"HTTP/1.1 200 Established\r\nContent-Length: 3\r\n\r\n\x16\x03", b"\x01"])
    assert (seen.content, seen.complete, seen.error, seen.reusable) == (b"", True, None, False)
    assert codec.trailing == b"\x16\x03\x01"


def test_a_tunnel_that_is_refused(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.message("CONNECT", "api.example.com:443", [HOST], b"")
    seen = receive(codec, [b"HTTP/1.1 407 Who?\r\nContent-Length: 2\r\n\r\nno"])
    assert (seen.content, seen.complete, seen.reusable) == (b"no", True, True)


LONG = answer(*(b"X-%d: %s" % (number, b"v" * 20) for number in range(10)), b"Content-Length: 0")
TRAILED = (
    CHUNKED + b"1\r\nx\r\n0\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"v" * 50) for number in range(10)) + b"\r\n"
)


@pytest.mark.parametrize(
    ("limits", "data", "message"),
    [
        (Limits(max_fields=10), LONG, r"the head of the response has 11 fields; Limits\(max_fields=10\)"),
        (Limits(max_header_bytes=200), LONG, r"the head of the response has 289 bytes; Limits\(max_header_bytes=200\)"),
        (Limits(max_header_bytes=288), LONG, r"the head of the response has 289 bytes"),
        (Limits(max_fields=9), b"HTTP/1.1 103 x\r\n" + LONG.partition(b"\r\n")[2], "11 fields"),
        (Limits(max_fields=9), TRAILED, r"the trailers of the response have 10 fields; Limits\(max_fields=9\)"),
        (Limits(max_header_bytes=300), TRAILED, r"the trailers of the response have 570 bytes"),
    ],
)
def test_beyond_the_limits(kind: Kind, limits: Limits, data: bytes, message: str) -> None:
    codec = kind(limits)
    seen = exchange(codec, "GET", [data])
    assert type(seen.error) is RemoteProtocolError
    with pytest.raises(RemoteProtocolError, match=message):
        raise seen.error
    assert seen.error.sent is True
    assert not seen.reusable


def test_at_the_limits(kind: Kind) -> None:
    assert over(kind, "GET", [LONG], Limits(max_fields=11, max_header_bytes=289)).reusable
    assert over(kind, "GET", [TRAILED], Limits(max_fields=10, max_header_bytes=570)).reusable
    # Without a space behind the colon, the line counts as if there was one.
    bare = answer(*(b"X:%d" % number for number in range(9)), *(b"Y:" for number in range(40)), b"Content-Length:0")
    for size in range(200, 300):
        pieces = [bare, b""]
        limits = Limits(max_header_bytes=size)
        assert over(kind, "GET", pieces, limits).complete is (size >= 9 * 6 + 40 * 5 + 19)


def test_a_head_without_end(kind: Kind) -> None:
    seen = over(kind, "GET", [OK + b"X: ", *[b"x" * 100] * 11], Limits(max_header_bytes=1000))
    assert str(seen.error) == "Receive buffer too long"


@pytest.mark.parametrize("begin", [b"0\r\nX: ", b"5;x="], ids=["trailers", "extension"])
def test_trailers_or_an_extension_without_end(kind: Kind, begin: bytes) -> None:
    seen = over(kind, "GET", [CHUNKED + begin, *[b"x" * 100] * 11], Limits(max_header_bytes=1000))
    assert type(seen.error) is RemoteProtocolError
    assert "trailers" in str(seen.error)
    assert "Limits(max_header_bytes=1000)" in str(seen.error)


# Requests.


def test_a_request(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    fields = [HOST, (b"aCCept", b"*/*"), (b"X", b"")]
    assert codec.message("GET", "/x?y", fields, b"") == (
        b"GET /x?y HTTP/1.1\r\nHost: api.example.com\r\naCCept: */*\r\nX: \r\n\r\n"
    )


def test_a_request_with_content(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    sent = codec.message("POST", "/", [HOST, (b"Content-Length", b"5")], b"hello")
    assert sent == b"POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\n\r\nhello"
    assert receive(codec, [answer(b"Content-Length: 0")]).reusable
    sent = codec.message("POST", "/", [HOST, (b"Content-Length", b"0")], b"")
    assert sent == b"POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_known_content_in_chunks(kind: Kind, content: bytes) -> None:
    codec = kind(DEFAULT_LIMITS)
    sent = codec.message("POST", "/", [HOST, (b"Transfer-Encoding", b"chunked")], content)
    head = b"POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert sent == head + (b"5\r\nhello\r\n0\r\n\r\n" if content else b"0\r\n\r\n")
    assert receive(codec, [answer(b"Content-Length: 0")]).reusable


def test_content_that_follows_in_chunks(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.begin("POST", "/", [HOST, (b"Transfer-Encoding", b"chunked")])
    assert codec.chunk(b"x" * 20) == b"14\r\n" + b"x" * 20 + b"\r\n"
    assert codec.chunk(b"") == b""
    assert not codec.reusable
    assert codec.finish() == b"0\r\n\r\n"
    assert receive(codec, [answer(b"Content-Length: 0")]).reusable


def test_content_that_follows_of_known_length(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.begin("POST", "/", [HOST, (b"content-length", b"10")])
    assert [codec.chunk(b"hello"), codec.chunk(b""), codec.chunk(b"world"), codec.finish()] == [
        b"hello",
        b"",
        b"world",
        b"",
    ]
    assert receive(codec, [answer(b"Content-Length: 0")]).reusable


@pytest.mark.parametrize("content", [b"hell", b"hello!"], ids=["short", "long"])
@pytest.mark.parametrize("field", [(b"Content-Length", b"5"), (b"X", b"y")], ids=["length", "none"])
def test_content_of_another_length(kind: Kind, content: bytes, field: tuple[bytes, bytes]) -> None:
    def in_pieces(codec: Codec) -> None:
        codec.begin("POST", "/", [HOST, field])
        codec.chunk(content)
        codec.finish()

    def at_once(codec: Codec) -> None:
        codec.message("POST", "/", [HOST, field], content)

    for send in (in_pieces, at_once):
        codec = kind(DEFAULT_LIMITS)
        with pytest.raises(h11.LocalProtocolError, match=r"Content-Length"):
            send(codec)
        with pytest.raises(h11.LocalProtocolError):
            codec.finish()
        receive(codec, [answer(b"Content-Length: 0")])
        assert not codec.reusable


BAD_REQUESTS = {
    "target-space": ("GET", "/ x", [HOST]),
    "target-split": ("GET", "/\r\nX:", [HOST]),
    "target-nul": ("GET", "/\0", [HOST]),
    "target-line": ("GET", "/ HTTP/1.1\r\nX: y\r\n\r\nGET /", [HOST]),
    "method-space": ("GET /", "/", [HOST]),
    "method-split": ("GET\n", "/", [HOST]),
    "value-cr": ("GET", "/", [HOST, (b"X", b"a\rb")]),
    "value-lf": ("GET", "/", [HOST, (b"X", b"a\nb")]),
    "value-split": ("GET", "/", [HOST, (b"X", b"a\r\nY: z")]),
    "value-nul": ("GET", "/", [HOST, (b"X", b"a\0b")]),
    "name-split": ("GET", "/", [HOST, (b"X: y\r\nZ", b"a")]),
    "no-host": ("GET", "/", [(b"X", b"y")]),
    "no-fields": ("GET", "/", []),
    "two-hosts": ("GET", "/", [HOST, HOST]),
    "lengths": ("GET", "/", [HOST, (b"Content-Length", b"1"), (b"Content-Length", b"2")]),
    "length": ("GET", "/", [HOST, (b"Content-Length", b"x")]),
    "coding": ("GET", "/", [HOST, (b"Transfer-Encoding", b"gzip")]),
}


@pytest.mark.parametrize(("method", "target", "fields"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_request_that_cannot_be_sent(kind: Kind, method: str, target: str, fields: list[tuple[bytes, bytes]]) -> None:
    codec = kind(DEFAULT_LIMITS)
    with pytest.raises(h11.LocalProtocolError):
        codec.message(method, target, fields, b"")
    assert not codec.reusable


@pytest.mark.parametrize(
    ("fields", "reusable"),
    [
        ([HOST, (b"Connection", b"close")], False),
        ([HOST, (b"CONNECTION", b"Close")], False),
        ([HOST, (b"Connection", b"keep-alive")], True),
        ([(b"Accept", b"*/*"), HOST], True),
        ([HOST, (b"Expect", b"100-continue")], True),
    ],
)
def test_fields_that_bear_on_the_connection(kind: Kind, fields: list[tuple[bytes, bytes]], reusable: bool) -> None:
    codec = kind(DEFAULT_LIMITS)
    assert codec.message("GET", "/", fields, b"").startswith(b"GET / HTTP/1.1\r\nHost: api.example.com\r\n")
    assert receive(codec, [answer(b"Content-Length: 0")]).reusable is reusable


# Several exchanges.


def test_one_after_the_other(kind: Kind) -> None:
    codec = kind(DEFAULT_LIMITS)
    assert codec.reusable
    for method, data, content, reusable in COMPLETE.values():
        seen = exchange(codec, method, cut(data, range(0, len(data), 7)))
        assert (seen.content, seen.complete, seen.error, seen.reusable) == (content, True, None, reusable)
        if not reusable:
            codec = kind(DEFAULT_LIMITS)


@pytest.mark.parametrize("response", [COMPLETE["length"], COMPLETE["fold"], COMPLETE["chunked"]])
def test_the_last_response_answers_nothing_more(kind: Kind, response: tuple[str, bytes, bytes, bool]) -> None:
    codec = kind(DEFAULT_LIMITS)
    assert exchange(codec, "GET", [response[1]]).reusable
    codec.message("GET", "/", [HOST], b"")
    assert codec.head() is None
    codec.feed(b"")
    with pytest.raises(h11.RemoteProtocolError, match="without sending a response"):
        codec.head()
    assert not codec.reusable


@pytest.mark.parametrize("response", [COMPLETE["length"], COMPLETE["fold"], COMPLETE["chunked"]])
@pytest.mark.parametrize("late", [b"x", b"\r\n", b"", answer(b"Content-Length: 0")])
def test_what_comes_between_two_exchanges_answers_nothing(
    kind: Kind, response: tuple[str, bytes, bytes, bool], late: bytes
) -> None:
    codec = kind(DEFAULT_LIMITS)
    assert exchange(codec, "GET", [response[1]]).reusable
    codec.feed(late)
    assert not codec.reusable
    with pytest.raises(h11.LocalProtocolError, match="cannot carry another"):
        codec.message("GET", "/", [HOST], b"")


@pytest.mark.parametrize(
    "response",
    [
        answer(b"Content-Length: 1", content=b"x"),
        CHUNKED + b"1;\r\nx\r\n0\r\n\r\n",
        answer(b"X: y", b" z", b"Content-Length: 1", content=b"x"),
    ],
    ids=["length", "extension", "fold"],
)
@pytest.mark.parametrize("framing", [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"10")])
def test_an_early_response(kind: Kind, response: bytes, framing: tuple[bytes, bytes]) -> None:
    codec = kind(DEFAULT_LIMITS)
    codec.begin("POST", "/", [HOST, framing])
    codec.chunk(b"hello")
    seen = receive(codec, [response])
    assert (seen.content, seen.complete, seen.error, seen.reusable) == (b"x", True, None, False)
    with pytest.raises(h11.LocalProtocolError, match="cannot carry another"):
        codec.message("GET", "/", [HOST], b"")
    if framing[0] == b"Content-Length":
        return
    assert codec.chunk(b"world") == b"5\r\nworld\r\n"
    assert codec.finish() == b"0\r\n\r\n"
    assert codec.reusable


def test_a_response_before_the_request_is_complete_may_be_interim() -> None:
    codec = PlainCodec(DEFAULT_LIMITS)
    codec.begin("POST", "/", [HOST, (b"Content-Length", b"10")])
    codec.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert codec.head() == Head(100, [], b"Continue")
    assert codec.head() is None
    # The judge of the response does not know how much of the request there was before.
    assert [codec.chunk(b"0123456789"), codec.finish()] == [b"0123456789", b""]
    assert receive(codec, [answer(b"Content-Length: 1", content=b"x")]).reusable
