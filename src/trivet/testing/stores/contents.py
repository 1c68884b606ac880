"""Checks of content that comes and goes in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from trivet.testing.stores.checking import (
    KEY,
    Checks,
    content_of,
    entry_for,
    find,
    require,
    require_content,
    require_found,
    require_nothing,
    save,
    write,
)

if TYPE_CHECKING:
    from trivet.core.caching.store import Store

checks: Final = Checks()

MIB: Final = 1024 * 1024
LARGEST_TRIED: Final = 64 * MIB
SIZES: Final = (0, 1, 2, 4095, 4096, 4097, 0, 65_536, 100_000, 1)


@checks.of_one
def nothing_is_found_before_the_commit(store: Store) -> None:
    """Neither the entry nor a piece of the content; then all of it."""
    content = content_of(2000)
    writer = store.writer()
    require_nothing(store, "what is not even written")
    for start in range(0, 2000, 500):
        require(writer.write(content[start : start + 500]), "write() does not want the rest")
        require_nothing(store, "what was not committed")
    require(writer.commit(entry_for(content)), "commit() of what was written returned False")
    require_found(store, entry_for(content), content)


@checks.of_one
def content_is_written_in_pieces_of_any_size(store: Store) -> None:
    """The same is found as if it had been saved at once; an empty piece is a piece."""
    for sizes in ((), (0,), (1,), SIZES, SIZES[::-1], (7,) * 3000):
        pieces = [content_of(size, number) for number, size in enumerate(sizes)]
        content = b"".join(pieces)
        if len(content) <= store.max_content:
            entry = entry_for(content, vary=(("accept", "a"),))._replace(coded=True, content_id="made up")
            require(write(store, entry, pieces), f"commit() of {len(pieces)} pieces returned False")
            found = require_found(store, entry, content)
            require(found.content_id != "made up", "commit() left the content_id as it was")


@checks.of_one
def a_commit_replaces_the_same_variant(store: Store) -> None:
    """As saving does; with an id of its own for the content."""
    old = save(store, b"old")
    save(store, b"varied", vary=None)
    require(write(store, entry_for(b"new"), [b"n", b"ew"]), "commit() returned False")
    found = {stored.entry.variant: stored for stored in store.find(KEY)}
    require(len(found) == len(store.find(KEY)) == 2, "commit() did not replace the one entry of the same variant")
    new = found[old.variant]
    require_content(store, new, b"new")
    require_content(store, found[entry_for(b"", vary=None).variant], b"varied")
    require(new.entry.content_id != old.content_id, "a content_id was given twice")


@checks.of_one
def other_content_than_the_entry_describes_is_not_committed(store: Store) -> None:
    """What was there stays."""
    content = content_of(1000)
    entry = entry_for(content)
    altered = bytes([*content[:500], content[500] ^ 1, *content[501:]])
    wrong = {
        "truncated content": content[:-1],
        "no content": b"",
        "longer content": content + b"x",
        "altered content": altered,
    }
    for what, written in wrong.items():
        store.clear()
        require(not write(store, entry, [written]), f"commit() of {what} returned True")
        require_nothing(store, what)
        save(store, b"before")
        require(not write(store, entry, [written]), f"commit() of {what} returned True")
        require_found(store, entry_for(b"before"), b"before")
    require(not write(store, entry._replace(crc=crc32(b"x")), [content]), "commit() ignores the CRC")
    require(not write(store, entry._replace(size=999), [content]), "commit() ignores the size")


@checks.of_one
def what_is_discarded_is_not_found(store: Store) -> None:
    """At any time before the commit, and more than once."""
    before = store.writer()
    before.discard()
    before.discard()
    writer = store.writer()
    writer.write(b"abc")
    save(store, b"saved meanwhile")
    writer.discard()
    writer.discard()
    require_found(store, entry_for(b"saved meanwhile"), b"saved meanwhile")
    across = store.writer()
    across.write(b"abc")
    store.close()
    across.discard()
    store.clear()
    require_nothing(store, "what was discarded")


@checks.of_one
def discarding_after_the_commit_changes_nothing(store: Store) -> None:
    """What was committed stays, large or small; and what was not committed is not found."""
    for size in (3, min(store.max_content, MIB)):
        content = content_of(size)
        writer = store.writer()
        writer.write(content)
        require(writer.commit(entry_for(content)), "commit() returned False")
        writer.discard()
        require_found(store, entry_for(content), content)
        failed = store.writer()
        failed.write(b"abc")
        failed.commit(entry_for(b"xyz"))
        failed.discard()
        require_found(store, entry_for(content), content)


@checks.of_one
def two_writers_at_once(store: Store) -> None:
    """Each has its own content; the one that commits last is found."""
    contents = [content_of(3000, 1), content_of(3000, 2)]
    writers = [store.writer(), store.writer()]
    for start in range(0, 3000, 1000):
        for content, writer in zip(contents, writers, strict=True):
            writer.write(content[start : start + 1000])
    for content, writer in zip(contents, writers, strict=True):
        require(writer.commit(entry_for(content)), "commit() returned False")
        require_found(store, entry_for(content), content)


@checks.of_one
def content_is_read_from_any_offset(store: Store) -> None:
    """Up to as many bytes as were asked for, and none at the end and beyond."""
    content = content_of(min(store.max_content, 300_000))
    for each in (b"", b"abc", content):
        entry = save(store, each)
        for offset in {0, 1, 2, 65_535, 65_536, len(each) // 2, max(0, len(each) - 1), len(each), len(each) + 1, 10**9}:
            for size in (1, 2, 4096, 65_536, 10**9):
                piece = store.read(entry, offset, size)
                right = piece is not None and piece == each[offset : offset + len(piece)] and len(piece) <= size
                # A piece may be short, but one that is empty says that this is all.
                right = right and (bool(piece) or offset >= len(each))
                require(right, f"read(…, {offset}, {size}) of {len(each)} bytes returned other bytes, or none")


@checks.of_one
def content_that_is_gone_is_not_read(store: Store) -> None:
    """None says so; of what was replaced, the old content may be read, never the new."""
    entry = save(store, b"old content")
    for other in (entry._replace(key="another key"), entry._replace(content_id="no such id")):
        require(store.read(other, 0, 10) is None, "read() of an entry that is not there did not return None")
    save(store, b"new content")
    for offset in (0, 100):
        require(
            store.read(entry, offset, 10) in (None, b"old content"[offset : offset + 10]),
            "read() of content that was replaced returned something else",
        )
    entry = find(store).entry
    store.remove(entry)
    require(store.read(entry, 0, 10) is None, "read() of an entry that was removed did not return None")
    entry = save(store, b"once more")
    store.clear()
    require(store.read(entry, 0, 10) is None, "read() after clear() did not return None")
    require(store.read(entry, 100, 10) is None, "read() after clear() did not return None beyond the end")


@checks.of_one
def large_content_is_found_whole(store: Store) -> None:
    """Be it with the entry or in pieces, saved at once or in pieces; and its head can be updated."""
    content = content_of(min(store.max_content, 4 * MIB))
    entry = entry_for(content)
    require(store.save(entry, content), f"save() refused {len(content)} bytes")
    require_found(store, entry, content)
    pieces = [content[start : start + MIB] for start in range(0, len(content), MIB)]
    require(write(store, entry, pieces), f"commit() refused {len(content)} bytes")
    found = require_found(store, entry, content)
    require(store.update(found._replace(status=203)), "update() of an entry with large content returned False")
    require_found(store, entry._replace(status=203), content)
    require(store.remove(found), "remove() of an entry with large content returned False")
    require_nothing(store, "large content that was removed")


@checks.of_one
def content_up_to_the_limit_is_kept(store: Store) -> None:
    """Exactly so much and no more, at once or in pieces; what was there before is not damaged."""
    limit = store.max_content
    if limit > LARGEST_TRIED:
        return
    content = content_of(limit)
    for saved in (store.save(entry_for(content), content), write(store, entry_for(content), [content])):
        require(saved, f"content of max_content, {limit} bytes, was refused")
        require_found(store, entry_for(content), content)
    more = content + b"x"
    require(not store.save(entry_for(more, "more"), more), f"save() of more than max_content, {limit} bytes")
    require_nothing(store, "content of more than max_content", "more")
    writer = store.writer()
    wanted = [writer.write(more[start : start + MIB]) for start in range(0, len(more), MIB)]
    require(not wanted[-1], "write() still wants the rest after more than max_content")
    require(not writer.commit(entry_for(more, "more")), "commit() of more than max_content")
    writer.discard()
    require_nothing(store, "content of more than max_content", "more")
