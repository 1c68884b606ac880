"""Content codings (RFC 9110 §8.4): what we accept, and undoing what was applied."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from trivet.core.errors import DecodingError
from trivet.core.http.decompress import DEFLATE, GZIP, STEP, Coding, Decompressor, brotli, zstd
from trivet.core.http.headers import Headers

_EXTRAS: Final = {"br": "brotli", "zstd": "zstd"}

# Those of the IANA HTTP Content Coding Registry that a response may have.
_REGISTERED: Final = frozenset(
    [
        "aes128gcm",
        "br",
        "compress",
        "dcb",
        "dcz",
        "deflate",
        "exi",
        "gzip",
        "pack200-gzip",
        "x-compress",
        "x-gzip",
        "zstd",
    ]
)


@cache
def accept_encoding() -> str:
    """The Accept-Encoding value for the codings that can be undone here: always gzip and deflate, br and zstd
    if Python or an installed package can undo them.

    >>> accept_encoding().startswith("gzip, deflate")
    True
    """
    return ", ".join(name for name in ("gzip", "deflate", "br", "zstd") if _coding(name) is not None)


def _coding(name: str) -> Coding | None:
    if name in ("gzip", "x-gzip"):  # equivalent: RFC 9110 §8.4.1.3
        return GZIP
    if name == "deflate":
        return DEFLATE
    if name == "br":
        return brotli()
    if name == "zstd":
        return zstd()
    return None


def make_decoder(headers: Headers, max_codings: int = 5) -> Decoder | None:
    """The decoder for content with these header fields, or None if no coding was applied.

    A coding that cannot be undone here, or more than ``max_codings`` of them, is an error only once there is
    content: a response to HEAD, say, has the field and nothing to decode.

    Where the field names something that is no registered coding, such as a charset, which servers do by mistake, the
    content is left as it came: most likely nothing was applied to it.
    """
    value = headers.get("Content-Encoding")
    if value is None:
        return None
    codings = [name for item in value.split(",") if (name := item.strip().lower()) not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > max_codings:
        return Decoder([_Refusal(f"the content has {len(codings)} codings; at most {max_codings} are undone")])
    if not _REGISTERED.issuperset(codings):
        return None
    stages: list[_Stage | _Refusal] = []
    for name in reversed(codings):  # listed in the order in which they were applied
        coding = _coding(name)
        if coding is None:
            hint = f"; install trivet[{_EXTRAS[name]}]" if name in _EXTRAS else ""
            return Decoder([_Refusal(f"the content coding {name[:40]!r} is not supported{hint}")])
        stages.append(_Stage(name, coding))
    return Decoder(stages)


class Decoder:
    """Undoes content codings piece by piece.

    >>> import zlib
    >>> decoder = make_decoder(Headers({"Content-Encoding": "deflate"}))
    >>> list(decoder.decode(zlib.compress(b"hello"))), list(decoder.flush())
    ([b'hello'], [])
    """

    __slots__ = ("_stages",)

    def __init__(self, stages: list[_Stage | _Refusal]) -> None:
        self._stages = stages

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The decoded content that ``data`` gives, in pieces of at most 64 KiB, made as they are asked for.

        Raises `DecodingError` if the content is corrupt.
        """
        # A decompressor copies what it has not consumed at every step, so it must not get too much at once.
        for start in range(0, len(data), STEP):
            yield from self._through(0, data[start : start + STEP])

    def flush(self) -> Iterator[bytes]:
        """To be called at the end of the content. Raises `DecodingError` if it ended too early."""
        for stage in self._stages:
            stage.finish()
        return iter(())

    def _through(self, index: int, data: bytes) -> Iterator[bytes]:
        pieces = self._stages[index].decode(data)
        if index + 1 == len(self._stages):
            yield from pieces
        else:
            for piece in pieces:
                yield from self._through(index + 1, piece)


class _Stage:
    """Undoes one coding.

    What follows the last member of the content is ignored, as browsers do: some servers pad. Brotli is the
    exception, since its packages call it an error.
    """

    __slots__ = ("_coding", "_first", "_held", "_member", "_name", "_over")

    def __init__(self, name: str, coding: Coding) -> None:
        self._name = name
        self._coding = coding
        self._member: Decompressor | None = None
        self._first = True
        self._held: bytes = b""
        self._over = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._over:
            member = self._member
            if member is None:
                data = self._held + data
                lead = self._coding.lead
                self._held = data if len(data) < lead else b""
                if self._held:
                    return
                member = self._member = self._coding.open(data[:lead], self._first)
                if member is None:
                    self._over = True
                    return
                self._first = False
            yield from self._pieces(member, data)
            if not member.finished:
                return
            data = member.rest
            self._member = None

    def finish(self) -> None:
        """Raises `DecodingError` if a member has begun and not ended."""
        if self._member is not None or (self._held and self._first):
            raise DecodingError(f"the {self._name} content ended early: the response was cut off")

    def _pieces(self, member: Decompressor, data: bytes) -> Iterator[bytes]:
        try:
            yield from member.decompress(data)
        except member.error as error:
            raise DecodingError(f"the content is not valid {self._name}") from error


class _Refusal:
    """Stands for codings that cannot be undone."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def decode(self, data: bytes) -> Iterator[bytes]:
        raise DecodingError(self._message)

    def finish(self) -> None:
        """There was no content, so nothing is wrong."""
