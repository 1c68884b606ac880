"""Streaming decompressors with one interface, which make at most `STEP` bytes at a time.

That bound is what keeps a decompression bomb harmless: whoever reads can stop at any piece. Packages for
Brotli that cannot limit their output (before 1.2) are therefore not used at all.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from trivet.core.errors import DecodingError

STEP: Final = 65536

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# RFC 9659: a decoder of the zstd content coding need not support windows above 8 MiB, and so should not.
_ZSTD_WINDOW_LOG = 23
# The `zstandard` package cannot limit its output. A block of zstd takes at least 4 bytes and makes at most
# 128 KiB, so that this much input makes at most 8 MiB.
_ZSTANDARD_SLICE = 256


class Decompressor(Protocol):
    """Decompresses one member: a gzip member, a zstd frame, a whole Brotli or zlib stream."""

    @property
    def error(self) -> type[Exception]:
        """What `decompress` raises if the data is corrupt."""
        ...

    def decompress(self, data: bytes) -> Iterator[bytes]:
        """Pieces of the output, none empty."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the member has come to its end."""
        ...

    @property
    def rest(self) -> bytes:
        """The input beyond that end."""
        ...


class Coding(NamedTuple):
    """A content coding.

    ``open`` gives the decompressor for a member, from its first ``lead`` bytes and whether it is the first in
    the content; None if no member begins with these bytes. No complete member is shorter than ``lead``.
    """

    lead: int
    open: Callable[[bytes, bool], Decompressor | None]


class _Zlib:
    error = zlib.error

    def __init__(self, window_bits: int) -> None:
        self._engine = zlib.decompressobj(window_bits)

    def decompress(self, data: bytes) -> Iterator[bytes]:
        engine = self._engine
        while True:
            piece = engine.decompress(data, STEP)
            if piece:
                yield piece
            data = engine.unconsumed_tail
            # A full piece may leave output inside the engine although all of the input is consumed.
            if engine.eof or (not data and len(piece) < STEP):
                return

    @property
    def finished(self) -> bool:
        return self._engine.eof

    @property
    def rest(self) -> bytes:
        return self._engine.unused_data


class _Brotli:
    rest = b""  # the packages call input beyond the end an error

    def __init__(self, package: Any) -> None:
        self.error: type[Exception] = package.error
        self._engine = package.Decompressor()

    def decompress(self, data: bytes) -> Iterator[bytes]:
        process = self._engine.process
        # The packages overshoot their limit by up to half, and say too early that they want more input; only
        # an empty output is a sure sign.
        while output := process(data, output_buffer_limit=STEP):
            yield from _pieces(output)
            if self._engine.is_finished():
                return
            data = b""

    @property
    def finished(self) -> bool:
        finished: bool = self._engine.is_finished()
        return finished


class _Zstd:
    """The interface of Python 3.14's compression.zstd, and of its backport."""

    def __init__(self, package: Any) -> None:
        self.error: type[Exception] = package.ZstdError
        options = {package.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._engine = package.ZstdDecompressor(options=options)

    def decompress(self, data: bytes) -> Iterator[bytes]:
        engine = self._engine
        while True:
            piece = engine.decompress(data, STEP)
            if piece:
                yield piece
            data = b""
            if engine.eof or (engine.needs_input and len(piece) < STEP):
                return

    @property
    def finished(self) -> bool:
        finished: bool = self._engine.eof
        return finished

    @property
    def rest(self) -> bytes:
        rest: bytes = self._engine.unused_data
        return rest


class _Zstandard:
    def __init__(self, package: Any) -> None:
        self.error: type[Exception] = package.ZstdError
        decompressor = package.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG)
        self._engine = decompressor.decompressobj(write_size=STEP)
        self.rest = b""

    def decompress(self, data: bytes) -> Iterator[bytes]:
        engine = self._engine
        for start in range(0, len(data), _ZSTANDARD_SLICE):
            end = start + _ZSTANDARD_SLICE
            yield from _pieces(engine.decompress(data[start:end]))
            if engine.eof:
                self.rest = engine.unused_data + data[end:]
                return

    @property
    def finished(self) -> bool:
        finished: bool = self._engine.eof
        return finished


def _pieces(output: bytes) -> Iterator[bytes]:
    if len(output) <= STEP:
        if output:
            yield output
        return
    for start in range(0, len(output), STEP):
        yield output[start : start + STEP]


def _open_gzip(head: bytes, first: bool) -> Decompressor | None:
    # RFC 1952 §2.2: one member after the other.
    return _Zlib(16 + zlib.MAX_WBITS) if first or head == _GZIP_MAGIC else None


def _open_deflate(head: bytes, first: bool) -> Decompressor | None:
    if not first:
        return None
    # RFC 9110 §8.4.1.2 means the zlib format, and some servers send bare deflate data (RFC 1951) instead.
    # RFC 1950 §2.2: method 8 and a multiple of 31. No encoder makes bare deflate data that begins like that.
    zlib_header = head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    return _Zlib(zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)


GZIP: Final = Coding(2, _open_gzip)
DEFLATE: Final = Coding(2, _open_deflate)


@cache
def brotli() -> Coding | None:
    """The coding br (RFC 7932), if a package for it is installed."""
    for name in ("brotli", "brotlicffi"):
        package = _imported(name)
        if package is not None and hasattr(package.Decompressor, "can_accept_more_data"):
            break  # it came with output_buffer_limit
    else:
        return None

    def open_brotli(head: bytes, first: bool) -> Decompressor:
        if not first:
            raise DecodingError("there is data after the end of the br content")
        return _Brotli(package)

    return Coding(1, open_brotli)


@cache
def zstd() -> Coding | None:
    """The coding zstd (RFC 8878), if Python has it or a package for it is installed."""
    engine: type[_Zstd | _Zstandard] = _Zstd
    package = _imported("compression.zstd") or _imported("backports.zstd")
    if package is None:
        engine, package = _Zstandard, _imported("zstandard")
    if package is None:
        return None

    def open_zstd(head: bytes, first: bool) -> Decompressor | None:
        # RFC 8878 §3.1.2: frames that are to be skipped have any of sixteen magic numbers.
        skippable = head[0] & 0xF0 == 0x50 and head[1:] == b"\x2a\x4d\x18"
        return engine(package) if first or skippable or head == _ZSTD_MAGIC else None

    return Coding(4, open_zstd)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None
