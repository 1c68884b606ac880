"""What the store in memory keeps, and in which order, against a model of it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stores.entries import START, entry_of
from trivet.core.caching.entry import Entry, Selecting
from trivet.core.caching.vary import MAX_VARIANTS
from trivet.stores.memory import MemoryStore
from trivet.stores.shelves import Shelves


class Record(NamedTuple):
    variant: str
    entry: Entry
    content: bytes

    @property
    def cost(self) -> int:
        entry = self.entry
        texts = sum(len(name) + len(value or "") for name, value in entry.vary or ())
        fields = len(b",".join(part for line in entry.fields for part in line))
        lines = len(entry.fields) + len(entry.vary or ())
        return 1024 + 200 * lines + len(self.content) + len(entry.key) + len(entry.url) + fields + texts


class Model:
    """What a store keeps, written as plainly as can be: keys in the order of their use, records in that of saving."""

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.keys: dict[str, list[Record]] = {}

    @property
    def records(self) -> list[Record]:
        return [record for records in self.keys.values() for record in records]

    @property
    def size(self) -> int:
        return sum(record.cost for record in self.records)

    def get(self, entry: Entry) -> Record | None:
        for record in self.keys.get(entry.key, []):
            if record.variant == entry.variant and record.entry.content_id == entry.content_id:
                self.touch(entry.key)
                return record
        return None

    def touch(self, key: str) -> None:
        self.keys[key] = self.keys.pop(key)

    def keep(self, key: str, wanted: Callable[[Record], bool]) -> None:
        self.keys[key] = [record for record in self.keys[key] if wanted(record)]
        if not self.keys[key]:
            del self.keys[key]

    def find(self, key: str, now: float) -> list[Record]:
        if key not in self.keys:
            return []
        self.keep(key, lambda record: record.entry.expires > now)
        if key in self.keys:
            self.touch(key)
        return self.keys.get(key, [])

    def put(self, new: Record, now: float) -> bool:
        if new.cost > self.max_bytes:
            return False
        key = new.entry.key
        others = [record for record in self.keys.pop(key, []) if record.variant != new.variant]
        latest = sorted([new, *reversed(others)], key=lambda record: -record.entry.response_time)[:MAX_VARIANTS]
        self.keys[key] = [record for record in [*others, new] if record in latest]
        if not self.fits():
            for each in list(self.keys)[:4]:
                self.keep(each, lambda record: record.entry.expires > now)
        while not self.fits():
            first = next(iter(self.keys))
            self.keep(first, lambda record, gone=self.keys[first][0]: record is not gone)
        return any(record is new for record in self.keys.get(key, []))

    def fits(self) -> bool:
        return len(self.records) <= self.max_entries and self.size <= self.max_bytes


KEYS = ("a", "a b", "b", "b%", "bb", "c", "G u - -", "G u - 1")
VARIES: tuple[Selecting | None, ...] = (None, (), *[(("accept", str(number)),) for number in range(20)])
EXPIRIES = (-1.0, 0.0, 5.0, 30.0, inf)


class MemoryStoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        # Whatever was handed out, some of it gone by now.
        self.known: list[Entry] = [entry_of("a")]

    @initialize(max_bytes=st.sampled_from([5000, 20_000, 10**6]), max_entries=st.sampled_from([1, 3, 8, 100]))
    def make(self, max_bytes: int, max_entries: int) -> None:
        self.store = MemoryStore(max_bytes, max_entries, clock=lambda: self.now)
        self.model = Model(max_bytes, max_entries)

    @rule(
        key=st.sampled_from(KEYS),
        vary=st.sampled_from(VARIES),
        size=st.sampled_from([0, 1, 100, 1250, 1251]),
        came=st.sampled_from([0.0, 1.0, 2.0]),
        expires=st.sampled_from(EXPIRIES),
        in_pieces=st.booleans(),
    )
    def save(self, key: str, vary: Selecting | None, size: int, came: float, expires: float, in_pieces: bool) -> None:
        content = bytes(size)
        entry = entry_of(key, content, vary=vary, response_time=START + came, expires=self.now + expires)
        before = {stored.entry.content_id for stored in self.store._shelves.peek(key)}
        if in_pieces:
            writer = self.store.writer()
            writer.write(content[:50])
            writer.write(content[50:])
            kept = writer.commit(entry)
        else:
            kept = self.store.save(entry, content)
        new = [each.entry for each in self.store._shelves.peek(key) if each.entry.content_id not in before]
        if new:
            entry = new[0]
            self.known.append(entry)
        expected = (
            size <= self.model.max_bytes // 4
            and expires > 0
            and self.model.put(Record(entry.variant, entry, content), self.now)
        )
        assert kept is expected is bool(new)

    @rule(key=st.sampled_from(KEYS), times=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=20, max_size=20))
    def save_many_variants(self, key: str, times: list[float]) -> None:
        for vary, came in zip(VARIES, times, strict=False):
            self.save(key, vary, 0, came, inf, False)

    @rule(key=st.sampled_from(KEYS))
    def find(self, key: str) -> None:
        found = self.store.find(key)
        assert [(each.entry, each.content) for each in found] == [
            (record.entry, record.content) for record in self.model.find(key, self.now)
        ]

    @rule(data=st.data(), expires=st.sampled_from(EXPIRIES), fields=st.integers(0, 3))
    def update(self, data: st.DataObject, expires: float, fields: int) -> None:
        entry = data.draw(st.sampled_from(self.known))
        entry = entry._replace(status=203, expires=self.now + expires, fields=((b"a", bytes(1000)),) * fields)
        record = self.model.get(entry)
        expected = record is not None and self.model.put(record._replace(entry=entry), self.now)
        assert self.store.update(entry) is expected

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.known))
        record = self.model.get(entry)
        if record is not None:
            self.model.keep(entry.key, lambda each: each is not record)
        assert self.store.remove(entry) is (record is not None)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.known))
        record = self.model.get(entry)
        assert self.store.read(entry, 1, 10) == (None if record is None else record.content[1:11])

    @rule(prefix=st.sampled_from(["", *KEYS, "b_", "x"]), url=st.sampled_from([None, "ua", "ub"]))
    def remove_where(self, prefix: str, url: str | None) -> None:
        before = len(self.model.records)
        for key in [key for key in self.model.keys if key.startswith(prefix)]:
            self.model.keep(key, lambda record: url is not None and record.entry.url != url)
        removed = self.store.remove_where(prefix=prefix, matches=None if url is None else url.__eq__)
        assert removed == before - len(self.model.records)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.keys.clear()

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_keeps_what_the_model_keeps(self) -> None:
        kept = {key: list(self.store._shelves.peek(key)) for key in list(self.store._shelves.by_key)}
        assert list(kept) == list(self.model.keys)
        assert [stored.entry for each in kept.values() for stored in each] == [
            record.entry for record in self.model.records
        ]
        assert (len(self.store), self.store.size) == (len(self.model.records), self.model.size)
        assert sorted(self.store._shelves.keys("")) == sorted(kept)


TestMemoryStoreMachine = MemoryStoreMachine.TestCase
TestMemoryStoreMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"Server", b"example"),),
        ((b"Server", b""), (b"ETag", b'"a"'), (b"server", b"\xff")),
        # Not HTTP: a transport of one's own may be careless.
        ((b"Server", b"ex\nample"), (b"ETag", b'"a"')),
        ((b"", b""),),
        ((b"\n", b"\n"),),
    ],
)
def test_fields_are_found_as_they_were_put(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    shelves = Shelves(10**9, 10**9)
    entry = entry_of("a")._replace(fields=fields)
    assert shelves.put(entry, b"", "-", START, content_id="1.1")
    assert shelves.find("b", START) == ()
    for _ in range(2):
        (found,) = shelves.find("a", START)
        assert found.entry == entry._replace(content_id="1.1")
