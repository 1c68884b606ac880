"""Bodies that stand between the caller and the store: one that is kept while it is read, one that is read from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from trivet.core.caching.actions import OpenWriter, ReadContent, RemoveEntry, WriteContent
from trivet.core.errors import ReadError
from trivet.core.exchange.bodies import FlowBody, handle_to_close, read_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.caching.entry import Entry
    from trivet.core.caching.store import Store, Writer
    from trivet.core.caching.stored import Stored
    from trivet.core.exchange.flow import Flow

IN_MEMORY: Final = 256 * 1024
"""How much of the content of a stream is held in memory before it is written to the store piece by piece, in bytes."""

PIECE: Final = 64 * 1024


class StoringBody(FlowBody):
    """A transport's body whose content is stored when it has been read to its end, and only then.

    ``keep`` saves it: it is given the content, or the writer that has it, and its size and CRC-32. ``forgo`` is told why
    it is not saved, where that turns out on the way.
    """

    __slots__ = ("_body", "_crc", "_forgo", "_keep", "_pieces", "_size", "_store", "_writer")

    def __init__(
        self,
        body: object,
        store: Store,
        keep: Callable[[bytes | Writer, int, int], Flow[None]],
        forgo: Callable[[str], None],
    ) -> None:
        self._body: object | None = body
        self._store = store
        self._keep: Callable[[bytes | Writer, int, int], Flow[None]] | None = keep
        self._forgo = forgo
        self._pieces: list[bytes] = []
        self._writer: Writer | None = None
        self._size = 0
        self._crc = 0

    @property
    def handle(self) -> object | None:
        """The transport's body."""
        return self._body

    def read(self, deadline: float) -> Flow[bytes]:
        """The next piece as it came off the wire."""
        try:
            data = yield from read_body(self._body, deadline)
        except Exception:
            self._body = None
            self._give_up("its content broke off")
            raise
        if data:
            if self._keep is not None:
                yield from self._take(data)
        else:
            self._body = None
            if self._keep is not None:
                yield from self._finish(self._keep)
        return data

    def release(self) -> object | None:
        """Let go: content that was not read to its end is not stored."""
        self._give_up("its content was not read to the end")
        body, self._body = self._body, None
        return None if body is None else handle_to_close(body)

    def _take(self, data: bytes) -> Flow[None]:
        self._size += len(data)
        self._crc = crc32(data, self._crc)
        self._pieces.append(data)
        if self._size > self._store.max_content:
            self._give_up("it is too large for the store")
        elif self._writer is not None or self._size > IN_MEMORY:
            try:
                yield from self._write()
            except Exception as error:
                # Whatever ails the store, the caller's content is here. The error's message may hold anything.
                self._give_up(f"the store failed with {type(error).__name__}")

    def _write(self) -> Flow[None]:
        if self._writer is None:
            self._writer = yield from OpenWriter(self._store)
        data = b"".join(self._pieces)
        self._pieces.clear()
        if not (yield from WriteContent(self._store, self._writer, data)):
            self._give_up("the store did not take it")

    def _finish(self, keep: Callable[[bytes | Writer, int, int], Flow[None]]) -> Flow[None]:
        content: bytes | Writer = b"".join(self._pieces) if self._writer is None else self._writer
        self._keep = self._writer = None
        self._pieces.clear()
        yield from keep(content, self._size, self._crc)

    def _give_up(self, why: str) -> None:
        if self._keep is None:
            return
        self._keep = None
        self._pieces.clear()
        writer, self._writer = self._writer, None
        discard(writer)
        self._forgo(f"not stored: {why}")


def discard(content: bytes | Writer | None) -> None:
    """Forget content that was written, if it was, whatever the store makes of that."""
    if content is None or isinstance(content, bytes):
        return
    try:
        content.discard()
    except Exception:
        # The caller has the content, or an error of more interest.
        pass


class StoredBody(FlowBody):
    """The content of a stored response, or the part from ``start`` to before ``stop``, read piece by piece."""

    __slots__ = ("_content", "_crc", "_entry", "_offset", "_stop", "_store", "_whole", "decoded")

    def __init__(self, stored: Stored, store: Store, start: int = 0, stop: int | None = None) -> None:
        self._entry: Entry = stored.entry
        self._content = stored.content
        self._store = store
        self._offset = start
        self._stop = stored.entry.size if stop is None else stop
        self._whole = start == 0 and self._stop == stored.entry.size
        self._crc = 0
        self.decoded = not stored.entry.coded

    def read(self, deadline: float) -> Flow[bytes]:
        """The next piece. Raises `ReadError` if the content is not there any more, or not the one that was stored."""
        size = min(PIECE, self._stop - self._offset)
        if size <= 0:
            return b""
        if self._content is not None:
            data: bytes | None = self._content[self._offset : self._offset + size]
        else:
            try:
                data = yield from ReadContent(self._store, self._entry, self._offset, size)
            except Exception as error:
                # Its message may hold anything.
                raise ReadError(f"the store failed with {type(error).__name__}", sent=False) from None
        if not data:
            raise (yield from self._lost("the stored content was removed while it was read"))
        self._offset += len(data)
        self._crc = crc32(data, self._crc)
        if self._whole and self._offset == self._stop and self._crc != self._entry.crc:
            raise (yield from self._lost("the stored content is damaged"))
        return data

    def _lost(self, message: str) -> Flow[ReadError]:
        """The error to raise for content that is of no use to anybody; nobody will find it again."""
        try:
            yield from RemoveEntry(self._store, self._entry)
        except Exception:
            # That the content is lost is all that the caller needs to know.
            pass
        return ReadError(message, sent=False)

    def release(self) -> object | None:
        """Nothing is held."""
        return None
