"""Content in chunks: how it is written, and how it is read with every chunk checked."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final
from zlib import crc32

from trivet.core.caching.record import CorruptEntry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

__all__ = ["CHUNK", "INLINE", "adopt", "is_whole", "read_chunks", "remove_contents", "split", "stage"]

CHUNK: Final = 64 * 1024
"""The size of a chunk in bytes; the last one may be shorter."""

INLINE: Final = 256 * 1024
"""The size in bytes up to which content is kept with its entry, in one piece."""

# How much is read at once, in bytes.
_AT_ONCE: Final = 1024 * 1024
# Seconds after which a writer that has not written is taken for dead.
_STAGED_FOR: Final = 600.0

_READ: Final = """
    SELECT contents.bytes, number, crc, piece
    FROM contents LEFT JOIN chunks ON chunks.content_id = contents.content_id AND number BETWEEN ? AND ?
    WHERE contents.content_id = ?
    ORDER BY number
"""


def split(content: bytes | bytearray) -> list[bytes]:
    """The chunks of content that begins with a chunk."""
    return [bytes(content[start : start + CHUNK]) for start in range(0, len(content), CHUNK)]


def stage(connection: Connection, content_id: str, first: int, chunks: Sequence[bytes], now: float) -> bool:
    """Add chunks, of which the first has this number, to what is staged; whether what came before is still there."""
    size = sum(map(len, chunks))
    until = now + _STAGED_FOR
    if first == 0:
        connection.execute("INSERT INTO contents VALUES (?, ?, 1, ?)", (content_id, size, until))
    else:
        add = "UPDATE contents SET bytes = bytes + ?, until = ? WHERE content_id = ? AND staged"
        if not connection.execute(add, (size, until, content_id)).rowcount:
            return False
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?, ?)",
        [(content_id, number, crc32(chunk), chunk) for number, chunk in enumerate(chunks, first)],
    )
    return True


def adopt(connection: Connection, content_id: str, size: int) -> bool:
    """Keep what is staged, since an entry is to refer to it; whether it is there, and of this size."""
    keep = "UPDATE contents SET staged = 0, until = ? WHERE content_id = ? AND staged AND bytes = ?"
    return connection.execute(keep, (inf, content_id, size)).rowcount > 0


def is_whole(connection: Connection, content_id: str, size: int) -> bool:
    """Whether there are all the chunks of content of this size; they are not read for it."""
    count = "SELECT count(*), coalesce(sum(length(piece)), 0) FROM chunks WHERE content_id = ?"
    found: tuple[int, int] = connection.execute(count, (content_id,)).fetchone()
    return found == (-(-size // CHUNK), size)


def read_chunks(connection: Connection, content_id: str, offset: int, size: int) -> bytes:
    """Up to ``size`` bytes from ``offset`` on. Raises `CorruptEntry` if the content is gone, or damaged."""
    first = offset // CHUNK
    last = (offset + min(size, _AT_ONCE) - 1) // CHUNK
    rows = connection.execute(_READ, (first, last, content_id)).fetchall()
    if not rows:
        raise CorruptEntry("the content is gone")
    whole: int = rows[0][0]
    if offset >= whole:
        return b""
    last = min(last, (whole - 1) // CHUNK)
    pieces: list[bytes] = []
    for expected, (_, number, crc, piece) in enumerate(rows, first):
        length = min(CHUNK, whole - expected * CHUNK)
        sound = number == expected and isinstance(piece, bytes) and len(piece) == length and crc32(piece) == crc
        if not sound:
            raise CorruptEntry("a chunk is missing or altered")
        pieces.append(piece)
    if len(pieces) != last - first + 1:
        raise CorruptEntry("a chunk is missing")
    start = offset - first * CHUNK
    return b"".join(pieces)[start : start + size]


def remove_contents(connection: Connection, content_id: str) -> None:
    """Remove content, and the entry that refers to it."""
    connection.execute("DELETE FROM entries WHERE content_id = ? AND content IS NULL", (content_id,))
    connection.execute("DELETE FROM contents WHERE content_id = ?", (content_id,))
