"""Splitting a stream of bytes into lines of text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from trivet.core.errors import ResponseTooLarge


class LineDecoder:
    """Lines of text out of pieces of bytes that break anywhere. A line ends with LF, CR LF or CR.

    Raises `ResponseTooLarge` for a line of more than ``max_line`` characters. Bytes that do not fit the charset
    become U+FFFD.

    >>> lines = LineDecoder("utf-8", max_line=100)
    >>> list(lines.feed(b"one\\r")), list(lines.feed(b"\\ntwo\\nthr")), list(lines.flush())
    (['one'], ['two'], ['thr'])
    """

    __slots__ = ("_after_cr", "_decoder", "_max_line", "_pieces", "_size")

    def __init__(self, charset: str, *, max_line: int) -> None:
        self._decoder = codecs.getincrementaldecoder(charset)("replace")
        self._max_line = max_line
        self._pieces: list[str] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that end in this piece."""
        return self._split(self._decoder.decode(data))

    def flush(self) -> Iterator[str]:
        """The rest, if the last line did not end."""
        yield from self._split(self._decoder.decode(b"", True))
        if self._pieces:
            yield self._take()

    def _split(self, text: str) -> Iterator[str]:
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        if text.endswith("\r"):
            # The LF that may belong to it is still to come; the line is complete either way.
            self._after_cr = True
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        *complete, rest = text.split("\n")
        for line in complete:
            self._keep(line)
            yield self._take()
        self._keep(rest)

    def _keep(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > self._max_line:
            raise ResponseTooLarge(
                f"a line of the response is longer than {self._max_line} characters; raise Limits(max_line=…)"
            )
        if piece:
            self._pieces.append(piece)

    def _take(self) -> str:
        line = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return line
