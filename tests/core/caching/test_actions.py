"""What is done with a store."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from trivet.core.caching.actions import (
    ClearStore,
    CloseStore,
    CommitContent,
    FindEntries,
    OpenWriter,
    ReadContent,
    RemoveEntries,
    RemoveEntry,
    SaveEntry,
    UpdateEntry,
    WriteContent,
)
from trivet.core.caching.entry import Entry
from trivet.core.exchange.actions import StoreAction

ENTRY = Entry("k 1", "GET", "https://a.example/", 200, "", "HTTP/1.1", (), (), 9.0, 10.0, 70.0, 2, crc32(b"hi"))


class Recorder:
    """A store, or a writer, that replies to each method with what it was called with."""

    def __init__(self, instant: bool = True) -> None:
        self.instant = instant
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def method(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, *args, kwargs) if kwargs else (name, *args))
            return 2 if name == "remove_where" else (name, *args)

        return method


STORE, WRITER = Recorder(), Recorder()


@pytest.mark.parametrize(
    ("action", "done"),
    [
        (FindEntries(STORE, "k"), ("find", "k")),
        (SaveEntry(STORE, ENTRY, b"hi"), ("save", ENTRY, b"hi")),
        (UpdateEntry(STORE, ENTRY), ("update", ENTRY)),
        (RemoveEntry(STORE, ENTRY), ("remove", ENTRY)),
        (ReadContent(STORE, ENTRY, 4, 5), ("read", ENTRY, 4, 5)),
        (OpenWriter(STORE), ("writer",)),
        (WriteContent(STORE, WRITER, b"hi"), ("write", b"hi")),
        (CommitContent(STORE, WRITER, ENTRY), ("commit", ENTRY)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_called(action: StoreAction[Any], done: tuple[Any, ...]) -> None:
    assert action.perform() == done


@pytest.mark.parametrize(("action", "name"), [(ClearStore, "clear"), (CloseStore, "close")])
def test_to_clear_and_to_close_reply_nothing(action: type[ClearStore | CloseStore], name: str) -> None:
    store = Recorder()
    assert action(store).perform() is None
    assert store.calls == [(name,)]


def test_how_many_were_removed_for_all_prefixes() -> None:
    store = Recorder()
    assert RemoveEntries(store, ("a", "b")).perform() == 4
    assert store.calls == [("remove_where", {"prefix": each, "matches": None}) for each in "ab"]
    store.calls.clear()
    assert RemoveEntries(store, matches=str.isascii).perform() == 2
    assert store.calls == [("remove_where", {"prefix": "", "matches": str.isascii})]


@pytest.mark.parametrize("instant", [True, False])
def test_they_wait_for_nothing_if_the_store_does_not(instant: bool) -> None:
    store = Recorder(instant)
    actions: list[StoreAction[Any]] = [
        FindEntries(store, "k"),
        SaveEntry(store, ENTRY, b"hi"),
        UpdateEntry(store, ENTRY),
        RemoveEntry(store, ENTRY),
        RemoveEntries(store),
        ClearStore(store),
        CloseStore(store),
        ReadContent(store, ENTRY, 0, 1),
        OpenWriter(store),
        WriteContent(store, WRITER, b""),
        CommitContent(store, WRITER, ENTRY),
    ]
    assert [action.instant for action in actions] == [instant] * 11
    assert store.calls == []
