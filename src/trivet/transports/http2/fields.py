"""Between the messages of HTTP and their fields in HTTP/2 (RFC 9113 §8)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hpack import NeverIndexedHeaderTuple

from trivet.core.http.framing import framed_fields
from trivet.core.http.redaction import is_credential_field
from trivet.transports.flows.connection import Head

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.core.limits import Limits

Fields = list[tuple[bytes, bytes]]

VERSION: Final = "HTTP/2"

# What belongs to one connection of HTTP/1.1 is malformed here (RFC 9113 §8.2.2).
_CONNECTION_SPECIFIC: Final = frozenset(
    {b"connection", b"http2-settings", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)

_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# RFC 9113 §8.2.1: no NUL, CR or LF, and no white space at either end.
_VALUE: Final = re.compile(rb"(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?")
_STATUS: Final = re.compile(rb"[1-9][0-9][0-9]")

# Shorter cookies can be guessed from how well they are compressed (RFC 7541 §7.1.3).
_GUESSABLE_COOKIE: Final = 20

_OVERHEAD: Final = 32
"""What one field counts beside its name and value in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §6.5.2)."""
_LINE_OVERHEAD: Final = 4
"""The same in ``Limits.max_header_bytes``: the colon, the space and the end of a line."""


def request_fields(request: Request) -> Fields:
    """The fields that a request begins with. Raises `InvalidRequest` as `framed_fields` does.

    >>> from trivet.core.http.request import Request
    >>> for field in request_fields(Request("GET", "https://api.example.com/?a=1", {"Accept": "*/*", "TE": "gzip"})):
    ...     print(*field)
    b':method' b'GET'
    b':scheme' b'https'
    b':authority' b'api.example.com'
    b':path' b'/?a=1'
    b'accept' b'*/*'
    """
    url = request.url
    fields: Fields = [
        (b":method", request.method.encode("ascii")),
        (b":scheme", url.scheme.encode("ascii")),
        (b":authority", b""),
        (b":path", url.target.encode("ascii")),
    ]
    dropped = _CONNECTION_SPECIFIC
    if "Connection" in request.headers:
        # It names further fields that are meant for the next hop only (RFC 9110 §7.6.1).
        named = request.headers["Connection"].lower().encode("latin-1").split(b",")
        dropped = dropped.union(name.strip() for name in named)
    for name, value in framed_fields(request):
        name = name.lower()
        value = value.strip(b" \t")
        if name == b"host":
            fields[2] = (b":authority", value)
        elif name in dropped or (name == b"te" and value.lower() != b"trailers"):
            continue
        elif _is_secret(name) and not (name == b"cookie" and len(value) >= _GUESSABLE_COOKIE):
            fields.append(NeverIndexedHeaderTuple(name, value))
        else:
            fields.append((name, value))
    return fields


@lru_cache(maxsize=256)
def _is_secret(name: bytes) -> bool:
    return is_credential_field(name.decode("latin-1"))


def response_head(lines: Iterable[tuple[bytes, bytes]], limits: Limits) -> Head | str:
    """The head of a response; or what is wrong with it, which concerns its stream alone (RFC 9113 §8.1.1)."""
    fields = [(name, value) for name, value in lines]
    if not fields or fields[0][0] != b":status":
        return "the head of a response does not begin with its status"
    status = fields.pop(0)[1]
    if not _STATUS.fullmatch(status) or status == b"101":
        # There is no switching of protocols (RFC 9113 §8.6).
        return f"{status.decode('latin-1')!a:.20} is no status in HTTP/2"
    return fields_problem(fields, limits, "head of the response") or Head(int(status), fields, version=VERSION)


def fields_problem(fields: Fields, limits: Limits, place: str) -> str | None:
    """What is wrong with the fields of a response."""
    if len(fields) > limits.max_fields:
        return f"the {place} has {len(fields)} fields; Limits(max_fields={limits.max_fields}) allows no more"
    size = sum([len(name) + len(value) for name, value in fields]) + _LINE_OVERHEAD * len(fields)
    if size > limits.max_header_bytes:
        return f"the {place} has {size} bytes; Limits(max_header_bytes={limits.max_header_bytes}) allows no more"
    for name, value in fields:
        if not _NAME.fullmatch(name) or name in _CONNECTION_SPECIFIC or not _VALUE.fullmatch(value):
            return f"the {place} has a malformed field, {name.decode('latin-1')!a:.80}"
    return None


def header_list_size(limits: Limits) -> int:
    """The size at which decoding a head is given up, and with it the connection: it covers every head that the
    limits allow, measured as HPACK does."""
    status = len(b":status") + 3 + _OVERHEAD
    return limits.max_header_bytes + (_OVERHEAD - _LINE_OVERHEAD) * limits.max_fields + status
