"""One exchange over a codec, fed piece by piece: what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import h11

from trivet.core.errors import RemoteProtocolError
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.transports.flows.connection import Head
from trivet.transports.http1.codec import Codec
from trivet.transports.http1.h11_codec import H11Codec
from trivet.transports.http1.plain_codec import PlainCodec

HOST = (b"Host", b"api.example.com")
CODECS = [H11Codec, PlainCodec]
Kind = type[H11Codec] | type[PlainCodec]


class Seen(NamedTuple):
    """``error``: its class and what it says. ``complete``: whether the end of the content was reached."""

    heads: list[Head]
    content: bytes
    complete: bool
    error: Exception | None
    reusable: bool

    @property
    def verdict(self) -> tuple[list[Head], bytes, bool, type[Exception] | None, bool]:
        """All but what the error says."""
        return self.heads, self.content, self.complete, type(self.error) if self.error else None, self.reusable


def receive(codec: Codec, pieces: Iterable[bytes]) -> Seen:
    """Feed the pieces, ``b""`` being the end, and take out what there is after each."""
    heads: list[Head] = []
    content: list[bytes] = []
    final = complete = False
    error: Exception | None = None
    try:
        for piece in pieces:
            codec.feed(piece)
            while not final and (head := codec.head()) is not None:
                heads.append(head)
                final = head.status >= 200
            while final and not complete and (data := codec.content()) is not None:
                assert type(data) is bytes
                content.append(data)
                complete = not data
    except (h11.RemoteProtocolError, RemoteProtocolError) as problem:
        error = problem
    if complete:
        assert codec.content() == b""
    return Seen(heads, b"".join(content), complete, error, codec.reusable)


def exchange(codec: Codec, method: str, pieces: Iterable[bytes]) -> Seen:
    codec.message(method, "/", [HOST], b"")
    return receive(codec, pieces)


def over(kind: Kind, method: str, pieces: Iterable[bytes], limits: Limits = DEFAULT_LIMITS) -> Seen:
    """An exchange over a new connection."""
    return exchange(kind(limits), method, pieces)


def cut(data: bytes, positions: Sequence[int]) -> list[bytes]:
    """The data in pieces that begin at the positions, counted from its end. None is empty: that would be the end."""
    size = len(data)
    bounds = sorted({0, size, *(size - position for position in positions if position < size)})
    return [data[begin:end] for begin, end in pairwise(bounds)]
