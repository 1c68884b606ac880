"""Which keys of the database hold entries, in batches, so that the server is busy with each for a moment only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from trivet.stores.redis.layout import encode_text, split_key

if TYPE_CHECKING:
    from trivet.stores.redis.layout import Names
    from trivet.stores.redis.link import Link

__all__ = ["entries_with", "scan"]

# How many keys the server is asked to look at in one step, and how many of those found make a batch.
_SCANNED: Final = 1000
_BATCH: Final = 50


def entries_with(link: Link, names: Names, prefix: str) -> Iterator[Sequence[bytes]]:
    """The names of the entries whose keys begin so: those that a target knows, or else out of all keys there are."""
    target, rest = split_key(prefix)
    if not target:
        yield from scan(link, names.pattern(prefix))
        return
    begin, rest_begins = names.entries(target), encode_text(rest)
    members: list[bytes] = link.call("ZRANGE", 0, -1, keys=[names.target(target)]) or []
    yield from _batches([begin + member for member in members if member.startswith(rest_begins)])


def scan(link: Link, pattern: bytes) -> Iterator[Sequence[bytes]]:
    """The names that match. What was there all the while is among them; some may be twice."""
    cursor = 0
    while reply := link.call("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED):
        cursor, found = int(reply[0]), reply[1]
        yield from _batches(found)
        if not cursor:
            return


def _batches(names: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
