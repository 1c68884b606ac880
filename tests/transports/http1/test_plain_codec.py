"""PlainCodec against its judge: it is faster, but never of another opinion."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fresh import loaded_by
from transports.http1.exchanges import HOST, Seen, cut, exchange, over
from transports.http1.test_codecs import CHUNKED, COMPLETE, OK, SPLITS, TO_THE_END, WRONG, answer
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.http1 import h11_codec
from trivet.transports.http1.h11_codec import H11Codec
from trivet.transports.http1.plain_codec import PlainCodec

EXAMPLES = [(method, data) for method, data, *_ in (*COMPLETE.values(), *TO_THE_END.values())]
EXAMPLES += [("GET", data) for data, _ in WRONG.values()]


class Called(Exception):
    """h11 was called in."""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to hand over to."""

    def refuse(limits: Limits) -> H11Codec:
        raise Called

    monkeypatch.setattr(h11_codec, "H11Codec", refuse)


PLAIN = "length length-0 length-lower length-with-zeros post keep-alive close close-upper chunked chunked-none"
PLAIN += (
    " chunked-many chunked-crlf head head-chunked head-neither 204 204-length 304 404 599 white-space-only obs-text"
)
PLAIN += " planted planted-line planted-chunks planted-head planted-204"
SPACED = ("GET", answer(b"X:   y  z ", b"Y:", b"Z: ", b"Content-Length:  1  ", content=b"x"), b"x", True)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", PLAIN.split())
def test_plain_responses_take_no_judge(name: str) -> None:
    method, data, content, reusable = {**COMPLETE, "white-space-only": SPACED}[name]
    behind_the_head = len(data) - data.index(b"\r\n\r\n") - 4
    for position in range(behind_the_head + 1):
        pieces = cut(data, [position])
        seen = over(PlainCodec, method, pieces)
        assert (seen.content, seen.complete, seen.error, seen.reusable) == (content, True, None, reusable)
    codec = PlainCodec(DEFAULT_LIMITS)
    for _ in range(3 if reusable else 1):
        assert exchange(codec, method, [data]).content == content


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", sorted(set(COMPLETE) - set(PLAIN.split())))
def test_others_take_one(name: str) -> None:
    method, data, _, _ = COMPLETE[name]
    with pytest.raises(Called):
        over(PlainCodec, method, [data])


def test_h11_is_not_imported_for_plain_exchanges() -> None:
    assert loaded_by(textwrap.dedent(PROGRAM), ["h11"]) == set()


PROGRAM = """\
    from trivet.core.limits import Limits
    from trivet.transports.http1.plain_codec import PlainCodec

    codec = PlainCodec(Limits())
    for end in (b"Content-Length: 2\\r\\n\\r\\nok", b"Transfer-Encoding: chunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n"):
        codec.message("GET", "/", [(b"Host", b"x")], b"")
        codec.feed(b"HTTP/1.1 200 OK\\r\\n" + end)
        assert codec.head().status == 200
        assert codec.content() == b"ok"
        assert codec.content() == b""
        assert codec.reusable
    """


def test_content_is_not_copied() -> None:
    codec = PlainCodec(DEFAULT_LIMITS)
    codec.message("GET", "/", [HOST], b"")
    codec.feed(answer(b"Content-Length: 100000"))
    assert codec.head() is not None
    piece = b"x" * 50_000
    for _ in range(2):
        assert codec.content() is None
        codec.feed(piece)
        assert codec.content() is piece
    assert codec.content() == b""
    assert codec.reusable


@pytest.mark.parametrize("limits", [DEFAULT_LIMITS, Limits(max_header_bytes=40, max_fields=2)])
@pytest.mark.parametrize(("method", "data"), EXAMPLES)
def test_the_same_at_every_cut_and_end(method: str, data: bytes, limits: Limits) -> None:
    for position in range(len(data)):
        agree(method, [*cut(data, [position]), b""], limits)
        agree(method, [data[:position], b""] if position else [b""], limits)


def agree(method: str, pieces: list[bytes], limits: Limits = DEFAULT_LIMITS) -> Seen:
    plain, judge = over(PlainCodec, method, pieces, limits), over(H11Codec, method, pieces, limits)
    assert plain.verdict == judge.verdict
    return plain


# Bytes that are made to look like something to one reader or another.
ODD = [
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\r\n",
    b"\r\n ",
    b"0",
    b"5",
    b"\x0b",
    b"\x7f",
    b"\x85",
    b"\xff",
]
ODD += [
    b"\r\n\r\n",
    b"\n\n",
    b"0\r\n",
    b"HTTP/1.1 ",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\x1c",
]
LINES = ["Connection: close", "connection:keep-alive", "CONNECTION: Close", "Connection: x", "Upgrade: h2c"]
LINES += ["X: y", "x:", "Set-Cookie: a=b", "Set-Cookie: c=d", "X-Long: " + "v" * 80, "Y:  a b ", "Content-Length: 3"]
LINES += ["Content-Length: 003", "content-length: 4 ", "Content-Length: 3, 3", "Transfer-Encoding: chunked"]
LINES += ["transfer-encoding:chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: gzip, chunked", "X: y\r\n z"]
VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]
REASONS = [" OK", " ", "", " a\tb"]
STATUSES = [200, 200, 200, 404, 204, 304, 100, 103, 101, 599, 600]


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    parts: list[bytes] = []
    for piece in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)):
        size = draw(st.sampled_from(["%x", "%X", "%08x", "%010x", "%x;a=b"])) % len(piece)
        parts += [size.encode(), b"\r\n", piece, b"\r\n"]
    parts.append(draw(st.sampled_from([b"0\r\n", b"0\r\n", b"000\r\n", b"0;x\r\n"])))
    parts.append(draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"X: y\r\n\r\n"])))
    return b"".join(parts)


@st.composite
def well_formed(draw: st.DrawFn) -> bytes:
    """A response of which two readers can hardly make two things."""
    fields = draw(
        st.lists(st.sampled_from(["Date: x", "Server:y", "Vary:  Accept", "Set-Cookie: a=b", "E:"]), max_size=5)
    )
    kind = draw(st.sampled_from(["length", "chunked", "close"]))
    content = draw(chunked() if kind == "chunked" else st.binary(max_size=60))
    if kind == "length":
        fields.append(f"Content-Length: {len(content)}")
    elif kind == "chunked":
        fields.append("Transfer-Encoding: chunked")
    fields += draw(st.sampled_from([[], [], [], ["Connection: keep-alive"], ["Connection: close"]]))
    status = draw(st.sampled_from([200, 200, 201, 404, 500]))
    head = "\r\n".join([f"HTTP/1.1 {status} Some Reason", *draw(st.permutations(fields)), "", ""])
    return head.encode() + content


@st.composite
def odd(draw: st.DrawFn) -> bytes:
    """A response, or something that looks like one, with whatever contradictions."""
    parts: list[bytes] = []
    for _ in range(draw(st.integers(1, 2))):
        start = f"{draw(st.sampled_from(VERSIONS))} {draw(st.sampled_from(STATUSES))}{draw(st.sampled_from(REASONS))}"
        lines = [start, *draw(st.lists(st.sampled_from(LINES), max_size=6)), "", ""]
        parts.append("\r\n".join(lines).encode())
    parts.append(draw(st.one_of(chunked(), st.binary(max_size=8))))
    return b"".join(parts)


@st.composite
def mutated(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    data = draw(source)
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.sampled_from([0, 0, 1, 1, 2, 10])))
        data = data[:begin] + draw(st.sampled_from([b"", *ODD])) + data[end:]
    return data


ARBITRARY = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(ODD), max_size=12).map(b"".join))
ANYTHING = st.one_of(
    well_formed(), well_formed(), odd(), mutated(well_formed()), mutated(odd()), ARBITRARY, ARBITRARY.map(lambda data: OK + data),
    ARBITRARY.map(lambda data: CHUNKED + data),
)  # fmt: skip
METHODS = st.sampled_from(["GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "CONNECT"])
# Counted from the end: a head that comes in pieces is h11's in any case.
CUTS = st.one_of(
    st.just([]),
    st.lists(st.integers(1, 30), max_size=4),
    st.lists(st.integers(1, 250), max_size=4),
    st.just(list(range(400))),
)
LIMITS = st.sampled_from([DEFAULT_LIMITS, DEFAULT_LIMITS, Limits(max_header_bytes=60), Limits(max_fields=3)])


@settings(max_examples=500)
@given(METHODS, ANYTHING, CUTS, st.booleans(), LIMITS)
@example("GET", CHUNKED + b"1\r\nx\r\n0\r\n\n", [], True, DEFAULT_LIMITS)
@example("GET", answer(b"Content-Length: 3", b"X: y\x1c", content=b"xyz"), [], True, DEFAULT_LIMITS)
def test_the_same_for_anything(method: str, data: bytes, cuts: list[int], end: bool, limits: Limits) -> None:
    agree(method, [*cut(data, cuts), *([b""] if end else [])], limits)


@st.composite
def plain_head(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(st.sampled_from(["Date: x", "Server:y", "Vary:  a b ", "Set-Cookie: a=b", "E:"]), max_size=5))
    lines.append(draw(st.sampled_from([f"Content-Length: {draw(st.integers(0, 30))}", "Transfer-Encoding: chunked"])))
    lines += draw(st.sampled_from([[], ["Connection: keep-alive"], ["connection: CLOSE"]]))
    status = draw(st.sampled_from(["200 OK", "204 ", "304 Not\tModified", "599 \xff"]))
    return "\r\n".join([f"HTTP/1.1 {status}", *draw(st.permutations(lines)), "", ""]).encode("latin-1")


CONTENT = st.one_of(chunked(), mutated(chunked()), st.binary(max_size=40), ARBITRARY)


@settings(max_examples=300)
@given(st.sampled_from(["GET", "HEAD", "POST"]), plain_head(), CONTENT, st.lists(st.integers(0, 80)), st.booleans())
def test_the_same_for_anything_behind_a_plain_head(
    method: str, head: bytes, content: bytes, cuts: list[int], end: bool
) -> None:
    agree(method, [head + content, *([b""] if end else [])])
    behind = cut(content, cuts) if content else []
    agree(method, [head, *behind, *([b""] if end else [])])
    # It is its own opinion that was compared.
    codec = PlainCodec(DEFAULT_LIMITS)
    exchange(codec, method, [head])
    assert codec._judge is None


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(METHODS, st.one_of(well_formed(), well_formed(), odd(), st.just(b"")), CUTS), min_size=2, max_size=4
    ),
    st.booleans(),
)
def test_the_same_for_one_after_the_other(exchanges: list[tuple[str, bytes, list[int]]], end: bool) -> None:
    plain, judge = PlainCodec(DEFAULT_LIMITS), H11Codec(DEFAULT_LIMITS)
    for number, (method, data, cuts) in enumerate(exchanges, 1):
        pieces = cut(data, cuts) if data else []
        if end and number == len(exchanges):
            pieces.append(b"")
        seen = exchange(plain, method, pieces)
        assert seen.verdict == exchange(judge, method, pieces).verdict
        if not seen.reusable:
            break


def alterations(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Every byte left out, doubled, and replaced by some of the odd ones."""
    for position in range(len(data)):
        yield data[:position] + data[position + 1 :]
        yield data[: position + 1] + data[position:]
        for piece in chance.sample(ODD, 3):
            yield data[:position] + piece + data[position + 1 :]


@pytest.mark.parametrize("name", SPLITS)
def test_the_same_with_any_byte_altered(name: str) -> None:
    method, data, _, _ = SPLITS[name]
    # The flood adds nothing but time.
    for changed in alterations(data[-400:], random.Random(name)):
        agree(method, [changed])
        agree(method, [changed, b""])
