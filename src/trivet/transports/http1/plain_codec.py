"""HTTP/1.1 for the responses that nearly every server sends nearly always; whatever is not plain is judged by h11.

A response is plain if its head is there as a whole and without a trace of anything old or odd, and if it says in one
way only where its content ends. Of any other, all bytes go to an `H11Codec`, which has the rest of that exchange. So
nothing is accepted here that h11 would reject, and h11 is not even imported until it is needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from trivet.core.limits import Limits
from trivet.transports.flows.connection import Head

if TYPE_CHECKING:
    import h11

    from trivet.transports.http1.h11_codec import H11Codec

# What bears on where a message ends, or on what becomes of the connection after it.
_REQUEST_FRAMING: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"}
)
_RESPONSE_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade"})

# More digits than that are some other reader's number (RFC 9112 §11.2).
_MAX_DIGITS: Final = 15

_ALL_BUT_LINE_ENDS: Final = bytes(set(range(256)) - set(b"\r\n\0"))

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) ([\t -~\x80-\xff]*)\r\n").match

# Each match begins behind a line feed and contains no other than its last byte: as many matches as line feeds mean
# that every line is one. No line begins with white space, so none is folded (RFC 9112 §5.2).
_FIELD_LINES: Final = re.compile(rb"(?<=\n)([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x1f\x7f]*)\r\n").findall

_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n").match
# The beginning of such a line, or of the end of chunked content without trailers (RFC 9112 §7.1).
_BEGUN: Final = re.compile(rb"[0-9A-Fa-f]{0,8}\r?|0{1,8}\r\n\r?").fullmatch

# To h11 a request that it did not send itself is one with content under way. Of the real one, only the method
# bears on the response.
_STAND_IN: Final = [(b"Host", b"x"), (b"Transfer-Encoding", b"chunked")]


class PlainCodec:
    """A `Codec` that does plain messages itself."""

    __slots__ = (
        "_at",
        "_chunked",
        "_closed",
        "_data",
        "_ended",
        "_finished",
        "_judge",
        "_keep",
        "_left",
        "_length",
        "_limits",
        "_method",
        "_relayed",
        "_start",
        "_unsent",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._method = ""
        # Who has taken over, and whether the request goes through it as well, not only the response.
        self._judge: H11Codec | None = None
        self._relayed = False
        # How much of the request's content is to come: None if it is sent in chunks, -1 once it went wrong.
        self._unsent: int | None = 0
        # Whether the request is complete, whether its response is, and whether it leaves the connection open.
        self._finished = self._ended = self._keep = True
        # What the peer sent, from ``_at`` on not looked at yet, and whether it has closed behind that.
        self._data = b""
        self._at = 0
        self._closed = False
        # How much is left of the content, of ``_length`` bytes; or of a chunk and the line end behind it.
        self._length = self._left = 0
        self._chunked = False
        # The head of a response in chunks, for a judge that is called in later.
        self._start = b""

    def message(self, method: str, target: str, fields: list[tuple[bytes, bytes]], content: bytes) -> bytes:
        head = self.begin(method, target, fields)
        if self._unsent == len(content):
            self._unsent = 0
            self._finished = True
            return head + content if content else head
        return b"".join((head, self.chunk(content) if content else b"", self.finish()))

    def begin(self, method: str, target: str, fields: list[tuple[bytes, bytes]]) -> bytes:
        if not self.reusable:
            raise _local_error("this connection cannot carry another request")
        self._judge = None
        # All of the last response is used up, and must not be taken for this one's.
        self._data = b""
        self._at = 0
        self._relayed = self._finished = self._ended = False
        self._method = method
        self._unsent = _size(fields)
        line = f"{method} {target} HTTP/1.1\r\n".encode("ascii")
        head = b"".join((line, b"\r\n".join([b": ".join(field) for field in fields]), b"\r\n\r\n"))
        # One more line end for the request line, and one for the empty line.
        if (
            self._unsent == -1
            or method == "CONNECT"
            or line.count(b" ") != 2
            or head.translate(None, _ALL_BUT_LINE_ENDS) != b"\r\n" * (len(fields) + 2)
        ):
            return self._relay(method, target, fields)
        return head

    def chunk(self, data: bytes) -> bytes:
        if self._relayed:
            return self._called().chunk(data)
        left = self._unsent
        if left is None:
            # A chunk of no bytes would be the last (RFC 9112 §7.1).
            return b"".join((b"%x\r\n" % len(data), data, b"\r\n")) if data else b""
        if len(data) > left:
            self._unsent = -1
            raise _local_error("the content of the request is longer than its Content-Length")
        self._unsent = left - len(data)
        return data

    def finish(self) -> bytes:
        if self._relayed:
            return self._called().finish()
        left = self._unsent
        if left:
            self._unsent = -1
            raise _local_error("the content of the request is shorter than its Content-Length")
        self._unsent = 0
        self._finished = True
        if self._judge is not None:
            self._judge.finish()
        return b"0\r\n\r\n" if left is None else b""

    def feed(self, data: bytes) -> None:
        if self._judge is not None:
            self._judge.feed(data)
        elif not data:
            self._closed = True
        else:
            self._data = data if self._at == len(self._data) else self._data[self._at :] + data
            self._at = 0

    def head(self) -> Head | None:
        if self._judge is not None:
            return self._judge.head()
        data = self._data
        if not data and not self._closed:
            return None
        limits = self._limits
        end = data.find(b"\r\n\r\n")
        line = _STATUS_LINE(data)
        if line is None or end < 0:
            return self._hand_over(data).head()
        begin, stop = line.end(), end + 2
        fields: list[tuple[bytes, bytes]] = _FIELD_LINES(data, begin, stop)
        count = len(fields)
        # A line without a space behind its colon counts as one byte more than it has (see `H11Codec`).
        if (
            count != data.count(b"\n", begin, stop)
            or count > limits.max_fields
            or end + count > limits.max_header_bytes
        ):
            return self._hand_over(data).head()
        if data.find(b" \r\n", begin, stop) >= 0:
            fields = [(name, value.rstrip(b" ")) for name, value in fields]
        status = int(line[1])
        if not self._frame(status, fields):
            return self._hand_over(data).head()
        self._at = end + 4
        if self._chunked:
            self._start = data[: end + 4]
        return Head(status, fields, line[2])

    def _frame(self, status: int, fields: list[tuple[bytes, bytes]]) -> bool:
        """Note where the content ends (RFC 9112 §6.3); False if that is for h11 to say."""
        length = -1
        connection: bytes | None = None
        chunked = False
        for field in fields:
            name = field[0].lower()
            if name not in _RESPONSE_FRAMING:
                continue
            value = field[1]
            if name == b"content-length" and length < 0 and len(value) <= _MAX_DIGITS and value.isdigit():
                length = int(value)
            elif name == b"connection" and connection is None:
                connection = value.lower()
            elif name == b"transfer-encoding" and value == b"chunked" and not chunked:
                chunked = True
            else:
                return False
        if connection is not None and connection != b"keep-alive" and connection != b"close":
            return False
        # Two statements of the length are one too many (RFC 9112 §6.3).
        if chunked and length >= 0:
            return False
        if status == 204 or status == 304 or self._method == "HEAD":
            length, chunked = 0, False
        elif length < 0 and not chunked:
            return False
        self._chunked = chunked
        self._length = self._left = 0 if chunked else length
        self._ended = not length
        self._keep = connection != b"close"
        return True

    def content(self) -> bytes | None:
        if self._judge is not None:
            return self._judge.content()
        if self._ended:
            return b""
        if self._chunked:
            return self._chunks()
        at, left = self._at, self._left
        # A slice that is the whole is the object itself: nothing is copied.
        piece = self._data[at : at + left]
        if piece:
            self._at = at + len(piece)
            self._left = left = left - len(piece)
            self._ended = not left
            return piece
        if self._closed:
            raise _remote_error(
                "peer closed connection without sending complete message body "
                f"(received {self._length - left} bytes, expected {self._length})"
            )
        return None

    def _chunks(self) -> bytes | None:
        """What has come of the content of all chunks that have, up to whatever is not plain."""
        data, at, left = self._data, self._at, self._left
        pieces: list[bytes] = []
        while at < len(data):
            if left > 2:
                piece = data[at : at + left - 2]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
            elif left:
                if data[at] != (13 if left == 2 else 10):
                    break
                at += 1
                left -= 1
            elif (line := _CHUNK_LINE(data, at)) is None:
                break
            elif size := int(line[1], 16):
                at = line.end()
                left = size + 2
            else:
                if data.startswith(b"\r\n", line.end()):
                    at = line.end() + 2
                    self._ended = True
                break
        self._at, self._left = at, left
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return b"" if self._ended else self._no_chunk(data[at:])

    def _no_chunk(self, rest: bytes) -> bytes | None:
        """What is to be said of ``rest``, which is not a chunk, or not yet."""
        if self._left and rest:
            raise _remote_error("a chunk of the content does not end where it says")
        if self._left or _BEGUN(rest):
            if self._closed:
                raise _remote_error(
                    "peer closed connection without sending complete message body (incomplete chunked read)"
                )
            return None
        # Between two chunks, what came before has no bearing on what follows, apart from the head.
        judge = self._hand_over(self._start + rest)
        judge.head()
        return judge.content()

    @property
    def reusable(self) -> bool:
        """Whether another request may follow. A connection that has carried none yet may carry its first."""
        if self._judge is not None:
            return self._judge.reusable
        return self._ended and self._finished and self._keep and not self._closed and self._at == len(self._data)

    @property
    def trailing(self) -> bytes:
        """What came behind the response: once CONNECT was answered with 2xx, the first bytes out of the tunnel."""
        return self._data[self._at :] if self._judge is None else self._judge.trailing

    def _relay(self, method: str, target: str, fields: list[tuple[bytes, bytes]]) -> bytes:
        """Begin an exchange that is h11's from the start, which also says what is wrong with a request."""
        self._unsent = -1
        self._relayed = True
        return self._called().begin(method, target, fields)

    def _hand_over(self, received: bytes) -> H11Codec:
        """Leave the rest of the exchange to h11, of which it gets all that was received."""
        judge = self._called()
        judge.begin(self._method, "/", _STAND_IN)
        if self._finished:
            judge.finish()
        if received:
            judge.feed(received)
        if self._closed:
            judge.feed(b"")
        return judge

    def _called(self) -> H11Codec:
        """The judge, who is called in if there is none yet."""
        judge = self._judge
        if judge is None:
            from trivet.transports.http1.h11_codec import H11Codec

            judge = self._judge = H11Codec(self._limits)
            self._data = b""
            self._at = 0
        return judge


def _size(fields: list[tuple[bytes, bytes]]) -> int | None:
    """How much content a request announces: None if it is sent in chunks, -1 if that is for h11 to say."""
    framing = [field for field in fields if field[0].lower() in _REQUEST_FRAMING]
    # The target's host comes first, and once (RFC 9112 §3.2).
    if not framing or framing[0] is not fields[0] or fields[0][0].lower() != b"host" or len(framing) > 2:
        return -1
    if len(framing) == 1:
        return 0
    name, value = framing[1]
    name = name.lower()
    if name == b"content-length" and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    return None if name == b"transfer-encoding" and value == b"chunked" else -1


def _remote_error(text: str) -> h11.RemoteProtocolError:
    import h11

    return h11.RemoteProtocolError(text)


def _local_error(text: str) -> h11.LocalProtocolError:
    import h11

    return h11.LocalProtocolError(text)
