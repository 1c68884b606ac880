"""Content on its way into a `RedisStore`, in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from trivet.stores.redis.layout import APART_FROM
from trivet.stores.redis.scripts import WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.caching.entry import Entry
    from trivet.stores.redis.link import Link

__all__ = ["RedisWriter"]

# What is written lives for so long after the last piece, in seconds: a writer that died leaves nothing.
_STAGED: Final = 600
_PIECE: Final = 1024 * 1024


class RedisWriter:
    """A `Writer`. Content is held until it is too large to be kept with its entry, and then sent as it comes.

    ``keep`` saves an entry with the content that is given, or that is on the server.
    """

    __slots__ = ("_crc", "_keep", "_link", "_max_content", "_name", "_over", "_pieces", "_sent", "_size")

    def __init__(self, link: Link, name: bytes, max_content: int, keep: Callable[[Entry, bytes | None], bool]) -> None:
        self._link = link
        self._name = name
        self._max_content = max_content
        self._keep = keep
        self._pieces: list[bytes] = []
        self._size = 0
        self._sent = 0
        self._crc = 0
        self._over = False

    def write(self, piece: bytes) -> bool:
        """Add a piece; whether the rest is still wanted."""
        if self._over:
            return False
        self._size += len(piece)
        if self._size > self._max_content:
            self.discard()
            return False
        self._crc = crc32(piece, self._crc)
        self._pieces.append(piece)
        return self._size - self._sent < APART_FROM or self._send()

    def commit(self, entry: Entry) -> bool:
        """Save the entry with what was written."""
        if self._over or entry.size != self._size or entry.crc != self._crc:
            self.discard()
            return False
        if self._sent:
            saved = self._send() and self._keep(entry, None)
            self.discard()
            return saved
        content = b"".join(self._pieces)
        self.discard()
        return self._keep(entry, content)

    def discard(self) -> None:
        """Forget what was written; the server does so by itself."""
        self._over = True
        self._pieces.clear()

    def _send(self) -> bool:
        data = b"".join(self._pieces)
        self._pieces.clear()
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            length = self._link.run(WRITE, [self._name], [self._sent, piece, _STAGED * 1000])
            self._sent += len(piece)
            if length != self._sent:
                self.discard()
                return False
        return True
