"""Content codings: undone piece by piece, within bounds, and with one kind of error."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.errors import DecodingError
from trivet.core.http import coding, decompress
from trivet.core.http.coding import Decoder, accept_encoding, make_decoder
from trivet.core.http.decompress import STEP
from trivet.core.http.headers import Headers


def deflate_bare(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def gzipped(data: bytes) -> bytes:
    # Not the time of day, which would make it differ from one example to the next.
    return gzip.compress(data, mtime=0)


def gzip_twice(data: bytes) -> bytes:
    return gzipped(data[: len(data) // 2]) + gzipped(data[len(data) // 2 :])


def zstd_twice(data: bytes) -> bytes:
    skippable = b"\x53\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"xyz"
    return zstandard.compress(data[: len(data) // 2]) + skippable + zstandard.compress(data[len(data) // 2 :])


def all_of_them(data: bytes) -> bytes:
    return zstandard.compress(brotli.compress(zlib.compress(gzipped(data))))


ENCODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzipped),
    ("gzip", gzip_twice),
    ("x-gzip", gzipped),
    ("GZip", gzipped),
    (" identity, gzip ,,", gzipped),
    ("deflate", zlib.compress),
    ("deflate", deflate_bare),
    ("br", brotli.compress),
    ("zstd", zstandard.compress),
    ("zstd", zstd_twice),
    ("gzip, deflate, br, zstd", all_of_them),
]
IDS = [f"{name}-{encode.__name__}" for name, encode in ENCODERS]
SINGLE = [pair for pair in ENCODERS if "twice" not in pair[1].__name__]
SINGLE_IDS = [f"{name}-{encode.__name__}" for name, encode in SINGLE]
BIG = bytes(range(256)) * 4096 + b"\0" * (3 * STEP)


def decoder(value: str, max_codings: int = 5) -> Decoder:
    made = make_decoder(Headers({"Content-Encoding": value}), max_codings)
    assert made is not None
    return made


def decode(value: str, data: bytes, size: int | None = None) -> bytes:
    """Everything that comes out when the data goes in by pieces of a size."""
    undo = decoder(value)
    size = size or len(data) or 1
    out = [piece for start in range(0, len(data), size) for piece in undo.decode(data[start : start + size])]
    out += undo.flush()
    assert all(0 < len(piece) <= STEP for piece in out)
    return b"".join(out)


@pytest.mark.parametrize(("value", "encode"), ENCODERS, ids=IDS)
@pytest.mark.parametrize("data", [b"", b"a", b"hello " * 20, BIG], ids=["empty", "one", "short", "big"])
def test_a_round_trip(value: str, encode: Callable[[bytes], bytes], data: bytes) -> None:
    encoded = encode(data)
    assert decode(value, encoded) == decode(value, encoded, 1000) == data


@pytest.mark.parametrize(("value", "encode"), ENCODERS, ids=IDS)
@given(data=st.data(), content=st.binary(max_size=300))
def test_any_chunking_gives_the_same(
    value: str, encode: Callable[[bytes], bytes], data: st.DataObject, content: bytes
) -> None:
    encoded = encode(content)
    undo = decoder(value)
    out = b""
    while encoded:
        out += b"".join(undo.decode(b""))
        size = data.draw(st.integers(1, len(encoded)))
        out += b"".join(undo.decode(encoded[:size]))
        encoded = encoded[size:]
    assert out + b"".join(undo.flush()) == content


@pytest.mark.parametrize(("value", "encode"), SINGLE, ids=SINGLE_IDS)
def test_content_cut_off_anywhere_is_an_error(value: str, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode(b"hello, hello, hello")
    for size in range(1, len(encoded)):
        with pytest.raises(DecodingError, match="content ended early: the response was cut off"):
            decode(value, encoded[:size])


@pytest.mark.parametrize("value", ["gzip", "deflate", "br", "zstd", "zstd, gzip"])
@given(st.binary())
def test_garbage_decodes_or_is_one_kind_of_error(value: str, data: bytes) -> None:
    try:
        decode(value, data)
    except DecodingError as error:
        assert error.message


@pytest.mark.parametrize("value", ["gzip", "deflate", "br", "zstd"])
@given(data=st.data())
def test_a_flipped_byte_decodes_or_is_one_kind_of_error(value: str, data: st.DataObject) -> None:
    encoded = bytearray(dict(ENCODERS)[value](b"hello, hello, hello"))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decode(value, bytes(encoded), data.draw(st.integers(1, 40)))
    except DecodingError as error:
        assert error.message


@pytest.mark.parametrize("value", ["gzip", "deflate", "br", "zstd", "br, gzip"])
def test_no_content_at_all_is_no_error(value: str) -> None:
    assert decode(value, b"") == b""


@pytest.mark.parametrize(
    ("value", "encoded"),
    [("gzip", b"\x1f\x8b\x08nonsense"), ("deflate", b"\x78\x9cnonsense"), ("br", b"nonsense!"), ("zstd", b"nonsense")],
)
def test_corrupt_content(value: str, encoded: bytes) -> None:
    with pytest.raises(DecodingError, match=f"^the content is not valid {value}$"):
        decode(value, encoded)


@pytest.mark.parametrize("garbage", [b"\0", b"\0" * 100, b"\x1f", b"\x1f?", b"garbage", b"\x28\xb5\x2f", b"\x28\xb5??"])
@pytest.mark.parametrize(
    ("value", "encode"),
    [("gzip", gzipped), ("deflate", zlib.compress), ("deflate", deflate_bare), ("zstd", zstandard.compress)],
)
def test_what_follows_the_last_member_is_ignored(value: str, encode: Callable[[bytes], bytes], garbage: bytes) -> None:
    for size in (1, 3, 1000):
        assert decode(value, encode(b"hello") + garbage, size) == b"hello"


@pytest.mark.parametrize("size", [1, 1000])
def test_what_follows_brotli_content_is_an_error(size: int) -> None:
    with pytest.raises(DecodingError):
        decode("br", brotli.compress(b"hello") + b"garbage", size)


@pytest.mark.parametrize(("value", "encode"), [("gzip", gzipped), ("zstd", zstandard.compress)])
def test_a_second_member_that_is_corrupt_or_cut_off(value: str, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode(b"hello")
    with pytest.raises(DecodingError, match="ended early"):
        decode(value, encoded + encoded[:-1])
    with pytest.raises(DecodingError):
        decode(value, encoded + encoded[:4] + b"\xff" * 40)


@pytest.mark.parametrize(("value", "encode"), SINGLE, ids=SINGLE_IDS)
def test_a_bomb_comes_in_pieces_and_only_when_asked_for(value: str, encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(bytes(20_000_000))
    assert len(bomb) < 50_000
    pieces = decoder(value).decode(bomb)
    for _ in range(20):
        assert 0 < len(next(pieces)) <= STEP


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Encoding": "identity"}, {"Content-Encoding": ""}, {"Content-Encoding": " , "}]
)
def test_no_coding_needs_no_decoder(headers: dict[str, str]) -> None:
    assert make_decoder(Headers(headers)) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("compress", "the content coding 'compress' is not supported"),
        ("gzip, Pack200-GZIP", "the content coding 'pack200-gzip' is not supported"),
        ("gzip," * 6, "the content has 6 codings; at most 5 are undone"),
    ],
)
def test_codings_that_are_not_undone_are_an_error_once_there_is_content(value: str, message: str) -> None:
    assert decode(value, b"") == b""
    with pytest.raises(DecodingError, match=f"^{message}$"):
        decode(value, b"x")


@pytest.mark.parametrize("value", ["utf-8", "none", "gzip, x-" + "y" * 100, "x-y, gzip"])
def test_what_is_no_coding_leaves_the_content_as_it_came(value: str) -> None:
    assert make_decoder(Headers({"Content-Encoding": value})) is None


def test_five_codings_are_undone() -> None:
    data = b"hello"
    for _ in range(5):
        data = gzip.compress(data)
    assert decode("gzip, gzip, gzip, gzip, gzip", data) == b"hello"


# Which packages there are


@pytest.fixture(autouse=True)
def _looked_for_anew() -> Iterator[None]:
    for cached in (accept_encoding, decompress.brotli, decompress.zstd):
        cached.cache_clear()
    yield
    for cached in (accept_encoding, decompress.brotli, decompress.zstd):
        cached.cache_clear()


def without(monkeypatch: pytest.MonkeyPatch, *missing: str, **replaced: object) -> None:
    def importer(name: str) -> Any:
        if name in missing:
            raise ImportError(name)
        return replaced[name] if name in replaced else import_module(name)

    monkeypatch.setattr(decompress, "import_module", importer)


ZSTD_PACKAGES = ("compression.zstd", "backports.zstd", "zstandard")


def test_what_is_accepted() -> None:
    assert accept_encoding() == "gzip, deflate, br, zstd"


def test_what_is_accepted_without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "brotli", "brotlicffi", *ZSTD_PACKAGES)
    assert accept_encoding() == "gzip, deflate"
    for name, extra in (("br", "brotli"), ("zstd", "zstd")):
        with pytest.raises(DecodingError, match=rf"'{name}' is not supported; install trivet\[{extra}\]"):
            decode(name, b"x")


class OldBrotli:
    """A package from before version 1.2, which cannot limit its output."""

    class Decompressor:
        def process(self, data: bytes) -> bytes:
            raise AssertionError("this must not be used")


def test_a_brotli_that_cannot_limit_its_output_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "brotlicffi", brotli=OldBrotli)
    assert "br" not in accept_encoding()


def test_the_other_brotli_package(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "brotli", brotlicffi=brotli)
    assert decode("br", brotli.compress(BIG)) == BIG


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("package", [name for name in ZSTD_PACKAGES if _there(name)])
def test_each_zstd_package(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    without(monkeypatch, *(name for name in ZSTD_PACKAGES if name != package))
    encoded = zstd_twice(BIG)
    for size in (7, 5000, len(encoded)):
        assert decode("zstd", encoded, size) == BIG
    assert decode("zstd", zstandard.compress(b"hello") + b"\0" * 600) == b"hello"
    with pytest.raises(DecodingError, match="ended early"):
        decode("zstd", encoded[:-1])
    with pytest.raises(DecodingError, match="not valid"):
        decode("zstd", b"nonsense" * 100)
    pieces = decoder("zstd").decode(zstandard.compress(bytes(20_000_000)))
    assert len(next(pieces)) <= STEP


@pytest.mark.parametrize("package", [name for name in ZSTD_PACKAGES if _there(name)])
def test_a_zstd_window_beyond_what_the_coding_allows(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    without(monkeypatch, *(name for name in ZSTD_PACKAGES if name != package))
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    engine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    encoded = engine.compress(bytes(1000)) + engine.flush()
    with pytest.raises(DecodingError, match="not valid zstd"):
        decode("zstd", encoded)


def test_both_modules_agree_on_the_step() -> None:
    assert coding.STEP == decompress.STEP == 65536
