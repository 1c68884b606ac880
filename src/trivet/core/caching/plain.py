"""The common case of storing, decided once for many responses.

Most of what is stored is a 200 whose fate Cache-Control alone decides, with a max-age. What follows from that text is
remembered, so that such a response costs one look at each of its lines; every other one takes the long way.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from zlib import crc32

from trivet.core.caching.directives import RequestDirectives, ResponseDirectives
from trivet.core.caching.drafting import useful_until
from trivet.core.caching.entry import Entry
from trivet.core.caching.freshness import freshness_lifetime
from trivet.core.caching.memo import Memo
from trivet.core.caching.storing import is_of_the_connection, may_store
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response

if TYPE_CHECKING:
    from trivet.core.caching.handling import Handling

# What is longer is not remembered, lest a server fill the memory with it.
_LONGEST_CONTROL: Final = 256
_LONGEST_NAMES: Final = 1024

Lines: TypeAlias = "tuple[tuple[bytes, bytes], ...]"


class Verdict(NamedTuple):
    """What Cache-Control says of a 200: why it is stored, and for how many seconds that can be of use."""

    reason: str
    useful: float


class _Shape(NamedTuple):
    """What the names of a response's lines tell, by the places of these lines.

    ``control``: of Cache-Control; ``connection``: of Connection; ``kept``: of those to be stored, None for all. ``size``:
    how many lines there are.
    """

    size: int
    control: int
    connection: tuple[int, ...]
    kept: tuple[int, ...] | None


_name: Final = itemgetter(0)


def draft_plain(handling: Handling, response: Response) -> tuple[Entry, str] | None:
    """The entry of a response of the common kind, whose content is there, and why it is stored; None for any other one."""
    settings, request = handling.settings, handling.request
    if response.status != 200 or response.body is not None or settings.shared:
        return None
    if request.method != "GET" or handling.asked.no_store or handling.identity is not None:
        return None
    sent = handling.sent(response)
    # No key tells what a policy after the cache may have put in, but for what the `Auth` adds.
    if sent is not request and (sent.method != "GET" or not settings.identities.signs(request)):
        return None
    found = plain_lines(response.headers.lines)
    verdict = None if found is None else _verdicts[found[1]]
    if found is None or verdict is None:
        return None
    now, content = handling.call.now.wall, response.content
    # By position: named arguments take twice the time.
    entry = Entry(
        handling.key,
        "GET",
        request.url.redacted,
        200,
        response.reason,
        response.http_version,
        found[0],
        (),
        now - response.elapsed,
        now,
        now + verdict.useful,
        len(content),
        crc32(content),
    )
    return entry, verdict.reason


def plain_lines(lines: Lines) -> tuple[Lines, bytes] | None:
    """The lines to be stored of a response, and its Cache-Control; None if anything else may count.

    >>> plain_lines(((b"Connection", b"close"), (b"ETag", b'"a"'), (b"Cache-Control", b"max-age=60")))
    (((b'ETag', b'"a"'), (b'Cache-Control', b'max-age=60')), b'max-age=60')
    >>> plain_lines(((b"Vary", b"Accept"), (b"Cache-Control", b"max-age=60"))) is None
    True
    """
    # Whatever a server answers, it sends the same fields as a rule.
    names = b"\n".join(map(_name, lines))
    shape = _shapes[names] if len(names) <= _LONGEST_NAMES else None
    # In HTTP no name holds a line feed; a transport of one's own may be careless.
    if shape is None or shape.size != len(lines):
        return None
    control = lines[shape.control][1]
    if len(control) > _LONGEST_CONTROL:
        return None
    for place in shape.connection:
        # Whatever else it says names fields.
        if lines[place][1].lower() not in (b"keep-alive", b"close"):
            return None
    return lines if shape.kept is None else tuple([lines[place] for place in shape.kept]), control


def verdict_on(control: bytes) -> Verdict | None:
    """What follows from a Cache-Control for a 200 to a GET, in a private cache; None if other fields may count, or it is
    not to be stored."""
    headers = Headers.from_raw([(b"Cache-Control", control)])
    directives = ResponseDirectives.of(headers)
    if directives.max_age is None or not isinstance(directives.no_cache, bool):
        return None
    storing = may_store(_ASKED, Response(200, headers), shared=False, asked=_NOTHING_ASKED, directives=directives)
    lifetime, _ = freshness_lifetime(200, headers, directives, shared=False, response_time=0.0)
    # One that is stale at once is kept only if it has a validator.
    if not storing.allowed or lifetime <= 0:
        return None
    return Verdict(storing.reason, useful_until(0.0, directives, lifetime))


_ASKED = Request("GET", "https://localhost/")
_NOTHING_ASKED = RequestDirectives()


def _shape(names: bytes) -> _Shape | None:
    """What the names of lines tell; None if that is not all that counts."""
    lower = names.lower().split(b"\n")
    if b"vary" in lower or lower.count(b"cache-control") != 1:
        return None
    kept = tuple([place for place, name in enumerate(lower) if not is_of_the_connection(name)])
    connection = tuple([place for place, name in enumerate(lower) if name == b"connection"])
    return _Shape(len(lower), lower.index(b"cache-control"), connection, None if len(kept) == len(lower) else kept)


_shapes: Final = Memo(_shape)
_verdicts: Final = Memo(verdict_on)
