"""Entries as bytes: what was written is read, and anything else is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from math import inf, nan
from struct import pack, pack_into
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.record import CorruptEntry, dump_entry, dump_head, load_entry, load_head

CONTENT = b'{"id": 7}'
ENTRY = Entry(
    key="GET https://api.example.com/users 0123 -",
    method="GET",
    url="https://api.example.com/users",
    status=200,
    reason="OK",
    http_version="HTTP/1.1",
    fields=((b"Content-Type", b"application/json"), (b"ETag", b'"1"')),
    vary=(("accept", "*/*"), ("accept-language", None), ("x", "")),
    request_time=1_700_000_000.0,
    response_time=1_700_000_000.5,
    expires=inf,
    size=len(CONTENT),
    crc=crc32(CONTENT),
)
RECORD = dump_entry(ENTRY, CONTENT)
HEAD = dump_head(ENTRY)

# Whatever an entry can hold: no text and no field of a response has a line feed in it.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12)
PIECE = st.binary(max_size=16).map(lambda piece: piece.replace(b"\n", b"\r"))
TIME = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def stored(draw: st.DrawFn) -> tuple[Entry, bytes]:
    """An entry and its content."""
    content = draw(st.binary(max_size=40))
    part = None
    if content and draw(st.booleans()):
        first = draw(st.integers(0, 2**40))
        last = first + len(content) - 1
        part = Part(first, last, draw(st.none() | st.integers(last + 1, 2**41)))
    entry = Entry(
        key=draw(TEXT),
        method=draw(TEXT),
        url=draw(TEXT),
        status=draw(st.integers(100, 999)),
        reason=draw(TEXT),
        http_version=draw(TEXT),
        fields=tuple(draw(st.lists(st.tuples(PIECE, PIECE), max_size=6))),
        vary=draw(st.none() | st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=4).map(tuple)),
        request_time=draw(TIME),
        response_time=draw(TIME),
        expires=draw(TIME | st.just(inf)),
        size=len(content),
        crc=crc32(content),
        part=part,
        content_id=draw(TEXT),
    )
    return entry, content


@given(stored())
def test_what_is_written_is_read(pair: tuple[Entry, bytes]) -> None:
    entry, content = pair
    assert load_entry(dump_entry(entry, content)) == pair
    assert load_head(dump_head(entry)) == entry
    assert dump_entry(entry, content) == dump_head(entry) + content


@pytest.mark.parametrize("count", [1, 7, 128, 1000])
def test_many_fields_and_a_long_content(count: int) -> None:
    content = bytes(range(256)) * count
    entry = ENTRY._replace(fields=((b"A", b"b" * count),) * count, size=len(content), crc=crc32(content))
    assert load_entry(dump_entry(entry, content)) == (entry, content)


def refused(load: Callable[[bytes], object], data: Any) -> str:
    with pytest.raises(CorruptEntry) as caught:
        load(data)
    return str(caught.value)


@given(st.binary(max_size=300))
@example(b"")
@example(RECORD[:4] + bytes(200))
def test_any_bytes_load_or_are_corrupt(data: bytes) -> None:
    for load in (load_entry, load_head):
        assert refused(load, data)


@given(st.binary(max_size=300), st.binary(max_size=60), st.integers(0, 7))
def test_nonsense_with_the_right_checksum_loads_or_is_corrupt(numbers: bytes, tail: bytes, flags: int) -> None:
    """Such as only a program of another mind would write."""
    covered = numbers if flags == 7 else HEAD[12:16] + bytes([flags]) + HEAD[17:79] + tail
    covered = pack("<I", 12 + len(covered)) + covered
    try:
        entry = load_head(HEAD[:4] + pack("<I", crc32(covered)) + covered)
    except CorruptEntry:
        return
    assert load_head(dump_head(entry)) == entry


@given(stored(), st.data())
def test_a_truncated_record_is_corrupt(pair: tuple[Entry, bytes], data: st.DataObject) -> None:
    record = dump_entry(*pair)
    cut = record[: data.draw(st.integers(0, len(record) - 1))]
    assert refused(load_entry, cut)
    if not pair[1]:
        assert refused(load_head, cut)


@given(stored(), st.data())
def test_a_record_with_an_altered_byte_is_corrupt(pair: tuple[Entry, bytes], data: st.DataObject) -> None:
    record = bytearray(dump_entry(*pair))
    position = data.draw(st.integers(0, len(record) - 1))
    record[position] ^= data.draw(st.integers(1, 255))
    assert refused(load_entry, bytes(record))


@pytest.mark.parametrize("position", range(len(RECORD)))
def test_every_byte_counts(position: int) -> None:
    for change in (1, 0x80, 0xFF):
        altered = bytearray(RECORD)
        altered[position] ^= change
        assert refused(load_entry, bytes(altered))
    assert refused(load_entry, RECORD[:position])


@pytest.mark.parametrize("extra", [b"\0", RECORD, bytes(1000)])
def test_what_follows_a_record_is_no_part_of_it(extra: bytes) -> None:
    assert refused(load_entry, RECORD + extra) == "the content is not the one that the entry describes"
    assert refused(load_head, HEAD + extra) == "longer than the head of an entry"


@given(stored(), stored())
def test_a_head_does_not_pass_with_the_content_of_another(one: tuple[Entry, bytes], other: tuple[Entry, bytes]) -> None:
    mixed = dump_head(one[0]) + other[1]
    if one[1] == other[1]:
        assert load_entry(mixed) == one
    else:
        assert refused(load_entry, mixed)


def test_a_head_alone_is_no_record() -> None:
    assert refused(load_entry, HEAD) == "the content is not the one that the entry describes"


@pytest.mark.parametrize("data", [None, 7, "TvCE", bytearray(RECORD), memoryview(RECORD)])
def test_what_is_not_bytes_is_corrupt(data: Any) -> None:
    assert refused(load_entry, data)


def test_another_version_is_corrupt() -> None:
    assert refused(load_entry, RECORD[:3] + b"\x02" + RECORD[4:]) == "not an entry of this version"


# Where the numbers stand: the head's length at 8, that of the texts 12, flags 16, status 17, size 19, CRC 27,
# times 31, 39 and 47, part 55, 63 and 71; then the texts.


def forged(format: str, position: int, value: float, head: bytes = HEAD, flags: int | None = None) -> bytes:
    """The head with a number changed, and a checksum that fits."""
    altered = bytearray(head)
    pack_into(format, altered, position, value)
    if flags is not None:
        altered[16] = flags
    pack_into("<I", altered, 4, crc32(altered[8:]))
    return bytes(altered)


TEXT_LENGTH = int.from_bytes(HEAD[12:16], "little")


@pytest.mark.parametrize(
    ("format", "position", "value", "problem"),
    [
        ("<I", 8, 0, "cut off or altered"),
        ("<I", 8, 0xFFFF_FFFF, "cut off or altered"),
        ("<I", 12, 0xFFFF_FFFF, "its numbers cannot be"),
        ("<I", 12, 0, "its texts or its fields are not as many"),
        ("<I", 12, TEXT_LENGTH - 1, "its texts or its fields are not as many"),
        ("<B", 16, 16, "its numbers cannot be"),
        ("<H", 17, 99, "its numbers cannot be"),
        ("<H", 17, 1000, "its numbers cannot be"),
        ("<d", 31, nan, "its numbers cannot be"),
        ("<d", 39, inf, "its numbers cannot be"),
        ("<d", 47, nan, "its numbers cannot be"),
        ("<B", 79, 0xFF, "its texts are not UTF-8"),
        ("<B", 79, 0x0A, "its texts or its fields are not as many"),
        ("<B", 79 + TEXT_LENGTH, 0x20, "its texts or its fields are not as many"),
        ("<B", len(HEAD) - 1, 0x0A, "its texts or its fields are not as many"),
    ],
)
def test_absurd_numbers(format: str, position: int, value: float, problem: str) -> None:
    assert refused(load_head, forged(format, position, value)).startswith(problem)


@pytest.mark.parametrize(
    ("format", "position", "value", "flags"),
    [("<Q", 55, 9, 3), ("<Q", 63, 99, 3), ("<Q", 63, 2**64 - 1, 1), ("<Q", 71, 5, 3), ("<Q", 19, 8, 3)],
)
def test_absurd_parts(format: str, position: int, value: int, flags: int) -> None:
    head = dump_head(ENTRY._replace(part=Part(0, 8, 9)))
    problem = refused(load_head, forged(format, position, value, head, flags))
    assert problem == "its part is none, or not of the size of its content"


def test_a_short_record_allocates_little() -> None:
    record = forged("<I", 12, 0xFFFF_FFFF)
    tracemalloc.start()
    try:
        refused(load_head, record)
        assert tracemalloc.get_traced_memory()[1] < 65_536
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 99},
        {"status": 1000},
        {"request_time": nan},
        {"response_time": -inf},
        {"expires": nan},
        {"crc": -1},
        {"crc": 2**32},
        {"size": -1},
        {"size": 2**64},
        {"fields": ((b"A", b"b\nC"),)},
        {"fields": ((b"\nA", b"b"),)},
        {"vary": (("a\n", None),)},
        {"reason": "O\nK"},
        {"reason": "\ud800"},
        {"part": Part(0, 7, None)},
        {"part": Part(1, 9, 9)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_does_not_fit_the_format_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="."):
        dump_head(ENTRY._replace(**changes))


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b" ", b'{"id": 8}'])
def test_another_content_is_not_written(content: bytes) -> None:
    with pytest.raises(ValueError, match="not the one that the entry describes"):
        dump_entry(ENTRY, content)


def test_whether_content_is_coded_is_written() -> None:
    entry = ENTRY._replace(coded=True)
    assert load_head(dump_head(entry)) == entry
    assert dump_head(entry) != dump_head(ENTRY)
