"""What is stored about one response (RFC 9111 §3): a value, without its content and without I/O."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from trivet.core.caching.digests import digest
from trivet.core.http.headers import Headers
from trivet.core.http.redaction import redact_url

__all__ = ["Entry", "Part", "Selecting"]

Selecting: TypeAlias = "tuple[tuple[str, str | None], ...]"
"""Names and normalised values of the request fields that selected a response; None for one that was absent."""


class Part(NamedTuple):
    """Which bytes of a representation are stored (RFC 9110 §14.4): first to last, both included, of ``total``.

    ``total`` is None if the server did not say how many there are.

    >>> Part(0, 499, 1234).size
    500
    """

    first: int
    last: int
    total: int | None

    @property
    def size(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1

    @property
    def sound(self) -> bool:
        """Whether there can be such a part: not empty, and within the whole."""
        return 0 <= self.first <= self.last and (self.total is None or self.last < self.total)


ONLY_VARIANT: Final = "-"
"""The `Entry.variant` of a response that no fields of the request have selected."""


class Entry(NamedTuple):
    """A stored response but for its content; immutable, plain data.

    - ``key``: what it is found by, see `trivet.core.caching.keys`
    - ``method``, ``url``: of the request. The URL has no fragment. What is stored may end up in a file, so
      `URL.redacted` is the text to put here: the key tells URLs apart
    - ``status``, ``reason``, ``http_version``, ``fields``: of the response; the fields as `Headers.raw`
      gives them
    - ``vary``: the selecting fields of the request (RFC 9111 §4.1); None after ``Vary: *``, which nothing matches
    - ``request_time``, ``response_time``: when the request was sent and the response came (RFC 9111 §4.2.3), in Unix
      seconds
    - ``expires``: Unix seconds from when it is of no use any more, not even stale or for validation; infinite if
      that is never
    - ``size``, ``crc``: how long the stored content is, and its CRC-32
    - ``part``: which part of the representation is stored; None for all of it
    - ``content_id``: names this very content; the store makes it up when it saves one
    - ``coded``: whether the content is stored with the content codings applied that its fields name

    The repr shows no secret.

    >>> entry = Entry(
    ...     "k", "GET", "https://a.example/?key=s3cret", 200, "OK", "HTTP/1.1", (), (), 9.0, 10.0, 70.0, 2, crc32(b"hi")
    ... )
    >>> entry, entry.describes(b"hi"), entry.describes(b"ho")
    (<Entry 200 GET https://a.example/?key=[redacted], 2 bytes>, True, False)
    """

    key: str
    method: str
    url: str
    status: int
    reason: str
    http_version: str
    fields: tuple[tuple[bytes, bytes], ...]
    vary: Selecting | None
    request_time: float
    response_time: float
    expires: float
    size: int
    crc: int
    part: Part | None = None
    content_id: str = ""
    coded: bool = False

    @property
    def variant(self) -> str:
        """What tells it from the other responses stored under its key: a digest of its selecting fields.

        Saving an entry replaces the one with the same key and variant.
        """
        if not self.vary:
            return "*" if self.vary is None else ONLY_VARIANT
        return digest(*[text for pair in self.vary for text in pair])

    @property
    def headers(self) -> Headers:
        """The fields of the response; a new object at each call."""
        return Headers.from_raw(self.fields)

    @property
    def complete(self) -> bool:
        """Whether the whole representation is stored."""
        return self.part is None

    def describes(self, content: bytes) -> bool:
        """Whether this is the content that it was stored with, whole and unaltered."""
        return len(content) == self.size and crc32(content) == self.crc

    def __repr__(self) -> str:
        part = "" if self.part is None else f" from {self.part.first}"
        return f"<Entry {self.status} {self.method} {redact_url(self.url)}, {self.size} bytes{part}>"
