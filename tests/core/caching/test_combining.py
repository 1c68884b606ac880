"""Parts combined: RFC 9111 §3.4, RFC 9110 §15.3.7.3."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.combining import combine
from trivet.core.caching.entry import Entry, Part
from trivet.core.caching.ranges import content_range, partial_headers
from trivet.core.http.headers import Headers

WHOLE = b"0123456789"
TOTAL = len(WHOLE)


def complete(fields: dict[str, str] | None = None, content: bytes = WHOLE, **changes: Any) -> tuple[Entry, bytes]:
    headers = Headers({"ETag": '"a"', "Content-Length": str(len(content)), **(fields or {})})
    made = Entry(
        *("k", "GET", "https://a.example/", 200, "Fine", "HTTP/1.1", tuple(headers.raw), ()),
        *(9.0, 10.0, 70.0, len(content), crc32(content), None, "id"),
    )
    return made._replace(**changes), content


def partial(
    first: int,
    last: int,
    total: int | None = TOTAL,
    fields: dict[str, str] | None = None,
    content: bytes = WHOLE,
    **changes: Any,
) -> tuple[Entry, bytes]:
    part = Part(first, last, total)
    content = content[first : last + 1]
    headers = partial_headers(Headers({"ETag": '"a"', **(fields or {})}), part)
    made, _ = complete(content=content)
    made = made._replace(status=206, reason="Partial Content", fields=tuple(headers.raw), part=part)
    return made._replace(**changes), content


def combined(old: tuple[Entry, bytes], new: tuple[Entry, bytes]) -> tuple[Entry, bytes]:
    found = combine(*old, *new)
    assert found is not None
    entry, content = found
    assert entry.describes(content)
    if entry.part is None:
        assert entry.status == 200
        assert "Content-Range" not in entry.headers
    else:
        assert entry.status == 206
        assert entry.part.size == entry.size
        assert content_range(entry.headers) == entry.part
    return found


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        pytest.param(partial(0, 3), partial(4, 6), Part(0, 6, 10), id="§3.4 adjacent"),
        pytest.param(partial(4, 6), partial(0, 3), Part(0, 6, 10), id="§3.4 adjacent, the new one before"),
        pytest.param(partial(0, 5), partial(3, 8), Part(0, 8, 10), id="§3.4 overlapping"),
        pytest.param(partial(3, 8), partial(0, 5), Part(0, 8, 10), id="§3.4 overlapping, the new one before"),
        pytest.param(partial(2, 7), partial(3, 4), Part(2, 7, 10), id="the new one within"),
        pytest.param(partial(3, 4), partial(2, 7), Part(2, 7, 10), id="the stored one within"),
        pytest.param(partial(2, 7), partial(2, 7), Part(2, 7, 10), id="the same"),
        pytest.param(partial(0, 4), partial(5, 9), None, id="§15.3.7.3 the whole"),
        pytest.param(partial(5, 9), partial(0, 9), None, id="§15.3.7.3 the whole in a 206"),
        pytest.param(partial(0, 3, None), partial(4, 6, None), Part(0, 6, None), id="total unknown"),
        pytest.param(partial(0, 3, None), partial(4, 6), Part(0, 6, 10), id="total known to the new one"),
        pytest.param(partial(0, 3), partial(4, 6, None), Part(0, 6, 10), id="total known to the stored one"),
        pytest.param(partial(0, 4, None), partial(5, 9), None, id="the whole, once the total is known"),
        pytest.param(partial(0, 9, None), partial(5, 6), None, id="it was the whole all along"),
        pytest.param(partial(0, 4, None), partial(5, 9, None), Part(0, 9, None), id="the whole, which nobody knows"),
        pytest.param(complete(), partial(3, 4), None, id="§3.4 complete and partial"),
        pytest.param(complete(), partial(3, 4, None), None, id="complete and partial, total unknown"),
        pytest.param(partial(3, 4), complete(), None, id="partial and complete"),
    ],
)
def test_combined(old: tuple[Entry, bytes], new: tuple[Entry, bytes], part: Part | None) -> None:
    entry, content = combined(old, new)
    assert entry.part == part
    assert content == (WHOLE if part is None else WHOLE[part.first : part.last + 1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(partial(0, 3), partial(5, 9), id="gap"),
        pytest.param(partial(5, 9), partial(0, 3), id="gap, the new one before"),
        pytest.param(partial(0, 3), partial(4, 6, fields={"ETag": '"b"'}), id="§3.4 another validator"),
        pytest.param(partial(0, 3, fields={"ETag": 'W/"a"'}), partial(4, 6, fields={"ETag": 'W/"a"'}), id="§3.4 weak"),
        pytest.param(partial(0, 3), partial(4, 6, fields={"ETag": 'W/"a"'}), id="§3.4 the new one is weak"),
        pytest.param(partial(0, 3), partial(4, 6, fields={"ETag": ""}), id="§3.4 no validator in the new one"),
        pytest.param(partial(0, 3, fields={"ETag": ""}), partial(4, 6, fields={"ETag": ""}), id="§3.4 no validator"),
        pytest.param(complete(), partial(3, 4, fields={"ETag": '"b"'}), id="complete, another validator"),
        pytest.param(partial(3, 4), complete({"ETag": '"b"'}), id="new complete, another validator"),
        pytest.param(partial(0, 3), partial(4, 6, 11), id="another total"),
        pytest.param(complete(), partial(3, 4, 11), id="another total than the complete one's"),
        pytest.param(partial(0, 3, 4), partial(4, 6, None), id="beyond the total"),
        pytest.param(complete(content=b""), partial(0, 3, None), id="more of what is empty"),
        pytest.param(partial(0, 5), partial(3, 8, content=b"x" * 10), id="other bytes in common"),
        pytest.param(complete(), partial(3, 4, content=b"x" * 10), id="other bytes than the complete one's"),
        pytest.param(partial(0, 3), partial(4, 6, key="other"), id="another key"),
        pytest.param(partial(0, 3), partial(4, 6, fields={"Content-Encoding": "gzip"}, coded=True), id="other coding"),
        pytest.param(
            partial(0, 3, fields={"Content-Encoding": "gzip"}),
            partial(4, 6, fields={"Content-Encoding": "gzip"}, coded=True),
            id="stored with its coding removed",
        ),
        pytest.param(
            partial(0, 3, fields={"Content-Encoding": "gzip"}, coded=True),
            partial(4, 6, fields={"Content-Encoding": "gzip"}),
            id="new with its coding removed",
        ),
        pytest.param(complete(status=404), partial(3, 4), id="no 200"),
        pytest.param(partial(3, 4), complete(status=206), id="206 of no part"),
        pytest.param(partial(0, 3, status=200), partial(4, 6), id="200 of a part"),
        pytest.param(partial(0, 3, size=9), partial(4, 6), id="not the content of the stored one"),
        pytest.param(partial(0, 3), partial(4, 6, part=Part(4, 9, 10)), id="not the content of the new one"),
        pytest.param(partial(0, 3, part=Part(0, 3, 2)), partial(4, 6), id="a part that cannot be"),
    ],
)
def test_not_combined(old: tuple[Entry, bytes], new: tuple[Entry, bytes]) -> None:
    assert combine(*old, *new) is None


def test_coded_content_is_combined_with_its_coding() -> None:
    gzip = {"Content-Encoding": "gzip"}
    entry, content = combined(partial(0, 4, fields=gzip, coded=True), partial(5, 9, fields=gzip, coded=True))
    assert content == WHOLE
    assert entry.coded
    assert entry.headers["Content-Encoding"] == "gzip"


def test_fields_are_the_stored_ones_updated() -> None:
    old = partial(0, 3, fields={"X-Old": "1", "Cache-Control": "max-age=1", "Age": "9", "Date": "then"})
    new = partial(4, 6, fields={"X-New": "2", "Cache-Control": "max-age=2", "Date": "now", "Content-MD5": "x"})
    entry, _ = combined(old, new)
    assert dict(entry.headers.items()) == {
        "ETag": '"a"',
        "X-Old": "1",
        "X-New": "2",
        "Cache-Control": "max-age=2",
        "Date": "now",
        "Content-Length": "7",
        "Content-Range": "bytes 0-6/10",
    }


def test_the_whole_is_a_200_with_its_length() -> None:
    entry, _ = combined(partial(0, 4, fields={"Content-Digest": "x"}), partial(5, 9))
    assert (entry.status, entry.reason) == (200, "OK")
    assert dict(entry.headers.items()) == {"ETag": '"a"', "Content-Length": "10"}


def test_age_and_date_are_those_of_the_new_response_alone() -> None:
    entry, _ = combined(partial(0, 3, fields={"Age": "5", "Date": "then"}), partial(4, 6))
    assert "Age" not in entry.headers
    assert "Date" not in entry.headers


def test_a_complete_one_stays_and_is_freshened() -> None:
    old = complete({"Content-Digest": "x", "Age": "5", "Date": "then"})
    entry, content = combined(old, partial(3, 4, fields={"Age": "1", "X-New": "2"}, response_time=20.0))
    assert content is old[1]
    assert (entry.reason, entry.content_id, entry.response_time) == ("Fine", "id", 20.0)
    assert dict(entry.headers.items()) == {
        "ETag": '"a"',
        "Content-Length": "10",
        "Content-Digest": "x",
        "Age": "1",
        "X-New": "2",
    }


def test_content_that_stays_keeps_its_id_and_other_content_loses_it() -> None:
    old = partial(2, 7)
    entry, content = combined(old, partial(3, 4))
    assert content is old[1]
    assert entry.content_id == "id"
    for new in (partial(1, 8), partial(4, 9), partial(0, 4)):
        assert combined(old, new)[0].content_id == ""


def test_the_stored_content_is_the_one_that_stays() -> None:
    old = partial(2, 7)
    new = partial(2, 7)
    new = new[0], bytes(bytearray(new[1]))
    assert combined(old, new)[1] is old[1]


def test_times_are_those_of_the_new_response() -> None:
    times: dict[str, Any] = {"request_time": 19.0, "response_time": 20.0, "http_version": "HTTP/2"}
    entry, _ = combined(partial(0, 3), partial(4, 6, expires=60.0, **times))
    assert (entry.request_time, entry.response_time, entry.http_version) == (19.0, 20.0, "HTTP/2")
    assert entry.expires == 70.0
    assert combined(partial(0, 3), partial(4, 6, expires=90.0))[0].expires == 90.0


@pytest.mark.parametrize(
    ("fields", "selecting"),
    [
        pytest.param({}, (("accept", "old"),), id="the new response has no Vary"),
        pytest.param({"Vary": "Accept"}, (("accept", "new"),), id="the new response has one"),
    ],
)
def test_selecting_fields_go_with_vary(fields: dict[str, str], selecting: object) -> None:
    old = partial(0, 3, fields={"Vary": "Accept"}, vary=(("accept", "old"),))
    new = partial(4, 6, fields=fields, vary=(("accept", "new"),) if fields else ())
    assert combined(old, new)[0].vary == selecting


def test_a_new_complete_response_replaces_what_was_stored() -> None:
    new = complete({"X-New": "1"})
    found = combined(partial(0, 3, fields={"X-Old": "1"}), new)
    assert found == new


pieces = st.tuples(st.integers(0, 11), st.integers(0, 11)).map(sorted)


@given(st.binary(min_size=12, max_size=12), pieces, pieces, st.booleans(), st.booleans())
def test_two_slices_make_the_right_one(whole: bytes, one: list[int], two: list[int], old: bool, new: bool) -> None:
    totals = 12 if old else None, 12 if new else None
    found = combine(
        *partial(one[0], one[1], totals[0], content=whole), *partial(two[0], two[1], totals[1], content=whole)
    )
    first, last = min(one[0], two[0]), max(one[1], two[1])
    together = set(range(one[0], one[1] + 1)) | set(range(two[0], two[1] + 1))
    if found is None:
        assert len(together) < last + 1 - first
        return
    entry, content = found
    assert len(together) == last + 1 - first
    assert content == whole[first : last + 1]
    assert entry.describes(content)
    assert entry.complete is ((first, last) == (0, 11) and (old or new))
    assert entry.part is None or entry.part == Part(first, last, 12 if old or new else None)


@given(st.binary(max_size=6), st.binary(max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_contradictions_are_never_combined(one: bytes, two: bytes, first: int, second: int) -> None:
    """Whatever the bytes: if there is a result, both are in it at their places."""
    old = partial(0, 0)[0]._replace(part=Part(first, first + len(one) - 1, None), size=len(one))
    new = partial(0, 0)[0]._replace(part=Part(second, second + len(two) - 1, None), size=len(two))
    found = combine(old, one, new, two)
    if found is not None:
        content, start = found[1], min(first, second)
        assert content[first - start :].startswith(one)
        assert content[second - start :].startswith(two)
