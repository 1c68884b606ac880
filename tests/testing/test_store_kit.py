"""The checks of stores can fail: a store that gets one thing wrong does not pass the check of that thing."""

from __future__ import annotations

import fnmatch
import threading
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from zlib import crc32

import pytest

from trivet.core.caching.entry import Entry
from trivet.core.caching.store import Store
from trivet.core.caching.stored import Stored
from trivet.stores.memory import MemoryStore, MemoryWriter
from trivet.stores.shelves import Kept
from trivet.testing import check_store, store_checks

CHECKS = {check.__name__: check for check in store_checks()}
MAKERS: list[Any] = []

Make = TypeVar("Make", bound=Callable[[], Store])


def breaks(name: str, complaint: str) -> Callable[[Make], Make]:
    """This makes stores that fail the check of that name, and the complaint is of this kind."""

    def note(make: Make) -> Make:
        title = getattr(make, "__name__", name)
        MAKERS.append(pytest.param(make, name, complaint, id=f"{title}-{name}"))
        return make

    return note


class Open(MemoryStore):
    """With what one needs to get things wrong."""

    def put(self, entry: Entry, content: bytes) -> bool:
        """Save it as it is, id and all."""
        return self._shelves.put(entry, content, entry.variant, 0.0, content_id=entry.content_id)

    def kept(self, entry: Entry) -> Kept | None:
        """What has the same key and variant."""
        for stored in self._shelves.peek(entry.key):
            if stored.entry.variant == entry.variant:
                assert isinstance(stored, Kept)
                return stored
        return None

    def all_keys(self) -> list[str]:
        return self._shelves.keys("")


class Altering(MemoryStore):
    """Alters what is found."""

    def find(self, key: str) -> Sequence[Stored]:
        return [self.altered(stored.entry, stored.content or b"") for stored in super().find(key)]

    def altered(self, entry: Entry, content: bytes) -> Stored:
        raise NotImplementedError


# What is saved and found.


@breaks("entries_are_found_as_they_were_saved", "coded was saved as True and found as False")
class ForgetsCoded(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(coded=False), content)


@breaks("entries_are_found_as_they_were_saved", "part was saved as Part")
class PartOfNoType(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        part: Any = entry.part and tuple(entry.part)
        return Stored(entry._replace(part=part), content)


@breaks("entries_are_found_as_they_were_saved", "vary was saved as None")
class VaryAllIsNone(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(vary=entry.vary or ()), content)


@breaks("entries_are_found_as_they_were_saved", r"vary was saved as \(\('accept', None\)")
class AbsentIsEmpty(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(vary=entry.vary and tuple([(a, b or "") for a, b in entry.vary])), content)


@breaks("entries_are_found_as_they_were_saved", "fields was saved as")
class FieldsInAscii(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        fields = [(name, value.decode("ascii", "replace").encode("ascii", "replace")) for name, value in entry.fields]
        return Stored(entry._replace(fields=tuple(fields)), content)


@breaks("entries_are_found_as_they_were_saved", "response_time was saved as")
class WholeSeconds(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(response_time=float(round(entry.response_time))), content)


@breaks("entries_are_found_as_they_were_saved", "the content_id is ''")
class NoContentId(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(content_id=""), content)


@breaks("entries_are_found_as_they_were_saved", "left the content_id as it was")
class KeepsTheContentId(Open):
    def save(self, entry: Entry, content: bytes) -> bool:
        return self.put(entry, content) if entry.content_id else super().save(entry, content)


@breaks("contents_are_found_as_they_were_saved", "65535 bytes that begin with")
class Truncates(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry, content[:65_535])


@breaks("contents_are_found_as_they_were_saved", "the content is of the type bytearray")
class MutableContent(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        mutable: Any = bytearray(content)
        return Stored(entry, mutable)


@breaks("contents_are_found_as_they_were_saved", "found was nothing")
class ContentIsGone(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry._replace(content_id="gone"), None)


@breaks("entries_that_expire_late_are_kept", "refused")
class TimesOf32Bits(MemoryStore):
    def save(self, entry: Entry, content: bytes) -> bool:
        return entry.expires < 2**31 and super().save(entry, content)


@breaks("nothing_is_found_under_an_unknown_key", "handed out the entry of the key")
class FoldsCase(Open):
    def find(self, key: str) -> Sequence[Stored]:
        same = [each for each in self.all_keys() if each.lower() == key.lower()]
        return [stored for each in same for stored in super(FoldsCase, self).find(each)]


@breaks("nothing_is_found_under_an_unknown_key", "handed out the entry of the key")
@breaks("keys_are_told_apart", "entries in the place of 1")
class FindsByPrefix(Open):
    def find(self, key: str) -> Sequence[Stored]:
        longer = [each for each in self.all_keys() if each.startswith(key)]
        return [stored for each in longer for stored in super(FindsByPrefix, self).find(each)]


@breaks("keys_are_told_apart", "does not find what was saved")
class FindsByPattern(Open):
    def find(self, key: str) -> Sequence[Stored]:
        like = fnmatch.filter(self.all_keys(), key)
        return [stored for each in like for stored in super(FindsByPattern, self).find(each)]


@breaks("keys_are_told_apart", "was saved as")
class NormalisesKeys(MemoryStore):
    def save(self, entry: Entry, content: bytes) -> bool:
        return super().save(entry._replace(key=unicodedata.normalize("NFC", entry.key)), content)

    def find(self, key: str) -> Sequence[Stored]:
        return super().find(unicodedata.normalize("NFC", key))


@breaks("saving_replaces_the_same_variant", "found 2 entries in the place of 1")
@breaks("a_commit_replaces_the_same_variant", "did not replace")
class AddsUp(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.former: dict[str, tuple[Stored, ...]] = {}

    def save(self, entry: Entry, content: bytes) -> bool:
        self.former[entry.key] = (*self.former.get(entry.key, ()), *super().find(entry.key))
        return super().save(entry, content)

    def find(self, key: str) -> Sequence[Stored]:
        return (*super().find(key), *self.former.get(key, ()))


@breaks("saving_keeps_other_variants_and_keys", "7 variants were saved, 1 found")
class OneVariantPerKey(MemoryStore):
    def save(self, entry: Entry, content: bytes) -> bool:
        for stored in self.find(entry.key):
            self.remove(stored.entry)
        return super().save(entry, content)


@breaks("many_variants_of_one_key", "does not find what was saved")
class FirstVariantsStay(MemoryStore):
    def save(self, entry: Entry, content: bytes) -> bool:
        return len(self.find(entry.key)) >= 16 or super().save(entry, content)


@breaks("many_variants_of_one_key", "bytes that begin with")
class MixesVariants(Altering):
    def altered(self, entry: Entry, content: bytes) -> Stored:
        return Stored(entry, b"39" if content == b"38" else content)


@breaks("every_content_has_an_id_of_its_own", "a content_id was given twice")
class IdOfTheContent(Open):
    def save(self, entry: Entry, content: bytes) -> bool:
        return self.put(entry._replace(content_id=str(crc32(content))), content)


@breaks("every_content_has_an_id_of_its_own", "a content_id was given twice")
class CountsAgainAfterClear(Open):
    number = 0

    def save(self, entry: Entry, content: bytes) -> bool:
        self.number += 1
        return self.put(entry._replace(content_id=str(self.number)), content)

    def clear(self) -> None:
        super().clear()
        self.number = 0


# What is updated.


@breaks("updating_keeps_the_content", "bytes that begin with")
class UpdateForgetsTheContent(Open):
    def update(self, entry: Entry) -> bool:
        return super().update(entry) and self.put(entry, b"")


@breaks("updating_keeps_the_content", "update\\(\\) changed the content_id")
class UpdateRenames(Open):
    def update(self, entry: Entry) -> bool:
        kept = self.kept(entry)
        return kept is not None and super().update(entry) and self.save(entry, kept.data)


@breaks("updating_keeps_the_content", "status was saved as 203 and found as 200")
class UpdateDoesNothing(Open):
    def update(self, entry: Entry) -> bool:
        return self.kept(entry) is not None


@breaks("updating_takes_no_other_content", "update\\(\\) took an entry whose content was replaced")
class UpdateTakesAnyContent(Open):
    def update(self, entry: Entry) -> bool:
        kept = self.kept(entry)
        return kept is not None and self.put(entry, kept.data)


@breaks("updating_takes_no_other_content", "handed out an entry that was only updated|took an entry")
class UpdateSaves(Open):
    def update(self, entry: Entry) -> bool:
        return super().update(entry) or (self.kept(entry) is None and self.save(entry, b""))


@breaks("expired_entries_are_not_found", "an entry that had expired when it was saved")
def with_a_clock_that_stands() -> MemoryStore:
    return MemoryStore(clock=lambda: 0.0)


@breaks("expired_entries_are_not_found", "an entry that was updated to have expired")
class UpdateKeepsTheExpiry(Open):
    def update(self, entry: Entry) -> bool:
        kept = self.kept(entry)
        return kept is not None and super().update(entry._replace(expires=kept.entry.expires))


@breaks("a_closed_store_is_used_again", "the store is closed")
class ClosedForGood(MemoryStore):
    closed = False

    def close(self) -> None:
        self.closed = True

    def save(self, entry: Entry, content: bytes) -> bool:
        if self.closed:
            raise RuntimeError("the store is closed")
        return super().save(entry, content)


@breaks("a_closed_store_is_used_again", "closed twice")
class ClosesOnce(ClosedForGood):
    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed twice")
        super().close()

    def save(self, entry: Entry, content: bytes) -> bool:
        self.closed = False
        return super().save(entry, content)


# What is removed.


@breaks("removing_removes_this_very_content", "removed what was not there")
class RemovesAnyContent(Open):
    def remove(self, entry: Entry) -> bool:
        kept = self.kept(entry)
        return kept is not None and super().remove(kept.entry)


@breaks("removing_removes_this_very_content", "in the place of 1")
class RemovesAllVariants(MemoryStore):
    def remove(self, entry: Entry) -> bool:
        return super().remove(entry) and self.remove_where(prefix=entry.key) >= 0


@breaks("removing_removes_this_very_content", "returned False")
class DoesNotTellWhatItRemoved(MemoryStore):
    def remove(self, entry: Entry) -> bool:
        return super().remove(entry) and False


@breaks("removing_by_prefix", r"remove_where\(prefix='a%b'\) of 2 removed")
class PrefixIsAPattern(Open):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        like = fnmatch.filter(self.all_keys(), prefix.replace("%", "*") + "*")
        return sum(self.remove(stored.entry) for key in like for stored in self.find(key))


@breaks("removing_by_prefix", "of 40 removed 42")
class PrefixFoldsCase(Open):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        like = [key for key in self.all_keys() if key.lower().startswith(prefix.lower())]
        return sum(self.remove(stored.entry) for key in like for stored in self.find(key))


@breaks("removing_by_prefix", "of 40 removed 20")
class CountsKeys(MemoryStore):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        return super().remove_where(prefix=prefix, matches=matches) // 2


@breaks("removing_by_prefix", "left 2 of 2 entries")
class OnlyCounts(Open):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        return sum(len(self.find(key)) for key in self.all_keys() if key.startswith(prefix))


@breaks("removing_by_url", "removed what does not match")
class AllMatch(MemoryStore):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        return super().remove_where(prefix=prefix)


@breaks("removing_by_url", "asks for the URLs of the entries with the prefix")
class MatchesKeys(Open):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        keys = [key for key in self.all_keys() if key.startswith(prefix) and (matches is None or matches(key))]
        return sum(self.remove(stored.entry) for key in keys for stored in self.find(key)) and 1


@breaks("removing_by_url", "of 1 entry removed 3")
class PrefixDoesNotCount(MemoryStore):
    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        return super().remove_where(prefix="" if matches else prefix, matches=matches)


@breaks("nothing_is_left_after_clear", "an entry that clear\\(\\) left")
class ClearsHalf(Open):
    def clear(self) -> None:
        for key in self.all_keys()[::2]:
            self.remove_where(prefix=key)


# What is written in pieces, and what is read.


class Writing(Open):
    """With another writer, and what it may need."""

    another = MemoryWriter

    def __init__(self) -> None:
        super().__init__()
        self.last: Entry | None = None
        self.buffer = bytearray()

    def writer(self) -> MemoryWriter:
        return self.another(self)


def breaks_writing(name: str, complaint: str) -> Callable[[type[MemoryWriter]], type[MemoryWriter]]:
    """Stores with writers of this class fail."""

    def note(another: type[MemoryWriter]) -> type[MemoryWriter]:
        breaks(name, complaint)(type(another.__name__, (Writing,), {"another": another}))
        return another

    return note


@breaks_writing("nothing_is_found_before_the_commit", "handed out what was not committed")
class Eager(MemoryWriter):
    def write(self, piece: bytes) -> bool:
        key = "GET https://api.example.com/users 0123 -"
        self._store.save(Entry(key, "", "", 200, "", "", (), (), 0.0, 0.0, 9e9, len(piece), crc32(piece)), piece)
        return super().write(piece)


@breaks_writing("nothing_is_found_before_the_commit", "commit\\(\\) of what was written returned False")
class SaysNothing(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        return super().commit(entry) and False


@breaks_writing("content_is_written_in_pieces_of_any_size", "returned False")
class WantsContent(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        return bool(self._content) and super().commit(entry)


@breaks_writing("content_is_written_in_pieces_of_any_size", "does not want the rest")
class EndsAtAnEmptyPiece(MemoryWriter):
    def write(self, piece: bytes) -> bool:
        return super().write(piece) and piece != b""


@breaks_writing("content_is_written_in_pieces_of_any_size", "commit\\(\\) left the content_id")
class CommitKeepsTheId(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        return super().commit(entry) and (not entry.content_id or self._store.put(entry, bytes(entry.size)))


@breaks_writing("a_commit_replaces_the_same_variant", "did not replace")
class CommitKeepsNoOtherVariant(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        self._store.remove_where(prefix=entry.key)
        return super().commit(entry)


@breaks_writing("other_content_than_the_entry_describes_is_not_committed", "commit\\(\\) of truncated content returned")
class CommitsAnything(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        return self._store.save(entry, bytes(self._content or b""))


@breaks_writing("other_content_than_the_entry_describes_is_not_committed", "commit\\(\\) of altered content returned")
class ComparesSizes(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        content = bytes(self._content or b"")
        return len(content) == entry.size and self._store.save(entry, content)


@breaks_writing("other_content_than_the_entry_describes_is_not_committed", "found 0 entries in the place of 1")
class RemovesFirst(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        self._store.remove_where(prefix=entry.key)
        return super().commit(entry)


@breaks_writing("what_is_discarded_is_not_found", "discarded twice")
class DiscardsOnce(MemoryWriter):
    def discard(self) -> None:
        if self._content is None:
            raise RuntimeError("discarded twice")
        super().discard()


@breaks_writing("what_is_discarded_is_not_found", "found 0 entries in the place of 1")
class DiscardClears(MemoryWriter):
    def discard(self) -> None:
        self._store.clear()


@breaks_writing("discarding_after_the_commit_changes_nothing", "found 0 entries in the place of 1")
class DiscardRemoves(MemoryWriter):
    def commit(self, entry: Entry) -> bool:
        self._store.last = entry
        return super().commit(entry)

    def discard(self) -> None:
        if self._store.last is not None:
            self._store.remove_where(prefix=self._store.last.key)


@breaks_writing("two_writers_at_once", "commit\\(\\) returned False")
class OneBufferForAll(MemoryWriter):
    def write(self, piece: bytes) -> bool:
        self._store.buffer += piece
        return True

    def commit(self, entry: Entry) -> bool:
        content = bytes(self._store.buffer)
        return entry.describes(content) and self._store.save(entry, content)


@breaks("content_is_read_from_any_offset", "returned other bytes, or none")
class NothingBeyondTheEnd(MemoryStore):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, offset, size) if offset <= entry.size else None


@breaks("content_is_read_from_any_offset", "returned other bytes, or none")
class ReadsFromTheStart(MemoryStore):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, 0, size)


@breaks("content_is_read_from_any_offset", "returned other bytes, or none")
class ReadsMore(MemoryStore):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, offset, size + 1)


@breaks("content_that_is_gone_is_not_read", "did not return None")
class GoneIsEmpty(MemoryStore):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, offset, size) or b""


@breaks("content_that_is_gone_is_not_read", "returned something else|did not return None")
class ReadsAnyContent(Open):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        kept = self.kept(entry)
        return None if kept is None else kept.data[offset : offset + size]


class LeavesToRead(MemoryStore):
    """As a store does that is not in memory. Nothing is wrong with it."""

    def find(self, key: str) -> Sequence[Stored]:
        return [stored if stored.entry.size <= 65_536 else Stored(stored.entry, None) for stored in super().find(key)]


@breaks("large_content_is_found_whole", "were saved, and found was")
class OffsetsAreSmall(LeavesToRead):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, offset % 2**21, min(size, max(0, entry.size - offset)))


@breaks("large_content_is_found_whole", "goes on beyond the size")
class NeverEnds(LeavesToRead):
    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return super().read(entry, 0, size)


@breaks("content_up_to_the_limit_is_kept", "was refused")
class LessThanTheLimit(MemoryStore):
    def save(self, entry: Entry, content: bytes) -> bool:
        return len(content) < self.max_content and super().save(entry, content)


class LowLimit(MemoryStore):
    """Nothing is wrong with it."""

    @property
    def max_content(self) -> int:
        return 65_536


@breaks("content_up_to_the_limit_is_kept", "save\\(\\) of more than max_content")
class NoLimit(Open):
    def save(self, entry: Entry, content: bytes) -> bool:
        return self.put(entry._replace(content_id=f"of {len(content)} bytes"), content)


@breaks_writing("content_up_to_the_limit_is_kept", "still wants the rest")
class Insatiable(MemoryWriter):
    def write(self, piece: bytes) -> bool:
        return super().write(piece) or True


# What several do at once.


class Threaded(MemoryStore):
    """Knows the thread that made it."""

    def __init__(self) -> None:
        super().__init__()
        self.home = threading.get_ident()

    @property
    def abroad(self) -> bool:
        return threading.get_ident() != self.home


@breaks("many_threads_use_it_at_once", "content that it does not describe")
@breaks("many_threads_use_two_stores_at_once", "content that it does not describe")
class Tears(Threaded):
    def save(self, entry: Entry, content: bytes) -> bool:
        return super().save(entry, bytes(len(content)) if self.abroad else content)


@breaks("many_threads_use_it_at_once", "the database is locked")
@breaks("many_threads_use_two_stores_at_once", "the database is locked")
class Locked(Threaded):
    def update(self, entry: Entry) -> bool:
        if self.abroad:
            raise RuntimeError("the database is locked")
        return super().update(entry)


@breaks("many_threads_use_it_at_once", "found an entry whose content is gone")
class LosesContents(Threaded):
    def find(self, key: str) -> Sequence[Stored]:
        return [Stored(each.entry, None) for each in super().find(key)]

    def clear(self) -> None:
        if not self.abroad:
            super().clear()

    def read(self, entry: Entry, offset: int, size: int) -> bytes | None:
        return None

    def remove(self, entry: Entry) -> bool:
        return False

    def remove_where(self, *, prefix: str = "", matches: Callable[[str], bool] | None = None) -> int:
        return 0


@breaks("many_threads_use_it_at_once", "found a variant twice")
class FindsTwice(LosesContents):
    def find(self, key: str) -> Sequence[Stored]:
        return MemoryStore.find(self, key) if self.abroad else [*MemoryStore.find(self, key)] * 2


@breaks("many_threads_save_under_keys_of_their_own", "found 0 entries in the place of 1|does not find what was saved")
class OfOneThread(Threaded):
    """Each thread clears away what another one saved."""

    def save(self, entry: Entry, content: bytes) -> bool:
        if threading.get_ident() != self.home:
            self.home = threading.get_ident()
            self.clear()
        return super().save(entry, content)


@breaks_writing("a_writer_goes_from_thread_to_thread", "of another thread")
class OfItsThread(MemoryWriter):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        threads[id(self)] = threading.get_ident()

    def write(self, piece: bytes) -> bool:
        if threads[id(self)] != threading.get_ident():
            raise RuntimeError("the writer is of another thread")
        return super().write(piece)


threads: dict[int, int] = {}


class View:
    """One of several stores on one medium. Nothing is wrong with it."""

    def __init__(self, medium: Store) -> None:
        self.medium = medium

    def __getattr__(self, name: str) -> Any:
        return getattr(self.medium, name)


def on_one_medium(view: type[View] = View, medium: type[Store] = MemoryStore) -> Callable[[], Any]:
    return partial(view, medium())


class ClosesTheMedium(View):
    def close(self) -> None:
        self.medium.clear()


class NumbersForItself(View):
    number = 0

    def save(self, entry: Entry, content: bytes) -> bool:
        self.number += 1
        return self.medium.put(entry._replace(content_id=str(self.number)), content)


class RemembersWhatItFound(View):
    def __init__(self, medium: Store) -> None:
        super().__init__(medium)
        self.found: dict[str, Sequence[Stored]] = {}

    def find(self, key: str) -> Sequence[Stored]:
        return self.found.setdefault(key, self.medium.find(key))

    def save(self, entry: Entry, content: bytes) -> bool:
        self.found.clear()
        return self.medium.save(entry, content)


for make, check, complaint in [
    (on_one_medium(medium=RemovesAnyContent), "two_stores_do_no_harm_to_each_other", "found 0 entries"),
    (on_one_medium(medium=UpdateTakesAnyContent), "two_stores_do_no_harm_to_each_other", "200 and found as 500"),
    (on_one_medium(ClosesTheMedium), "two_stores_do_no_harm_to_each_other", "found 0 entries"),
    (on_one_medium(NumbersForItself, Open), "two_stores_do_no_harm_to_each_other", "200 and found as 500"),
    (on_one_medium(NumbersForItself, Open), "two_stores_on_one_medium_see_the_same", "gave the same content_id"),
    (on_one_medium(RemembersWhatItFound), "two_stores_on_one_medium_see_the_same", "203 and found as 200"),
]:
    breaks(check, complaint)(make)


@pytest.mark.parametrize(("make", "name", "complaint"), MAKERS)
def test_what_is_wrong_is_said(make: Callable[[], Store], name: str, complaint: str) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=complaint):
        CHECKS[name](make)


def test_every_check_can_fail() -> None:
    assert {case.values[1] for case in MAKERS} == set(CHECKS)


@pytest.mark.parametrize("make", [LeavesToRead, LowLimit, on_one_medium(), partial(MemoryStore, 2**30)])
def test_a_store_that_does_all_passes(make: Callable[[], Store]) -> None:
    check_store(make)


def test_one_thing_wrong_is_enough() -> None:
    with pytest.raises(AssertionError, match="coded was saved as True and found as False"):
        check_store(ForgetsCoded)


@pytest.mark.parametrize("name", ["nothing_is_left_after_clear", "two_stores_do_no_harm_to_each_other"])
def test_stores_are_cleared_before_and_closed_after(name: str) -> None:
    noted: list[str] = []

    class Noting(MemoryStore):
        def save(self, entry: Entry, content: bytes) -> bool:
            noted.append("saved")
            return False

        def clear(self) -> None:
            noted.append("cleared")

        def close(self) -> None:
            noted.append("closed")

    with pytest.raises(AssertionError, match="save\\(\\) refused"):
        CHECKS[name](Noting)

    stores = 2 if name.startswith("two") else 1
    assert noted == ["cleared"] * stores + ["saved"] + ["closed"] * stores


def test_checks_have_names_and_say_what_for() -> None:
    assert len(CHECKS) == len(store_checks())
    assert [name for name, check in CHECKS.items() if not check.__doc__] == []
