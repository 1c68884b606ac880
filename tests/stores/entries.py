"""Entries for stores."""

from __future__ import annotations

from math import inf
from zlib import crc32

from trivet.core.caching.entry import Entry, Selecting

START = 1_700_000_000.0


def entry_of(
    key: str,
    content: bytes = b"",
    *,
    vary: Selecting | None = (),
    response_time: float = START,
    expires: float = inf,
    fields: tuple[tuple[bytes, bytes], ...] = (),
) -> Entry:
    times = (response_time, response_time, expires)
    return Entry(key, "GET", f"u{key[:1]}", 200, "", "HTTP/1.1", fields, vary, *times, len(content), crc32(content))
