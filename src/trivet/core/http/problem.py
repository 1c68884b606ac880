"""Problem details (RFC 9457): an error body whose members have agreed meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from trivet.core.errors import DecodingError, LocalProtocolError
from trivet.core.http.json import parse_json
from trivet.core.http.kinds import OBJECT
from trivet.core.http.masking import excerpt
from trivet.core.http.media_type import MediaType, media_type_of

if TYPE_CHECKING:
    from trivet.core.http.response import Response

MAX_PROBLEM_BYTES: Final = 65_536
MAX_PROBLEM_DEPTH: Final = 32

_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance"})


@dataclass(frozen=True, slots=True, repr=False)
class Problem:
    """What a server says about a problem (RFC 9457 §3.1), as data for programs.

    ``type`` is a URI reference as the server wrote it, and the member to decide by; ``title`` and ``detail``
    are for people; ``status`` is what the origin server meant to send; ``extensions`` holds all other
    members. A member of the wrong type counts as absent.

    >>> Problem("https://example.com/out-of-credit", detail="The balance is 30.", extensions={"balance": 30})
    <Problem https://example.com/out-of-credit>
    """

    type: str = "about:blank"
    title: str | None = None
    status: int | None = None
    detail: str | None = None
    instance: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        # The type names the kind of problem. All the rest may speak of this occurrence and hold private data.
        return f"<Problem {excerpt(self.type)}>"


def parse_problem(response: Response) -> Problem | None:
    """The problem in a response, or None if it holds none or more than 64 KiB.

    A response holds one if its media type is application/problem+json. One of another JSON type does if what
    it holds is clearly one: a type, a title, and the same status or a detail.
    """
    media_type = media_type_of(response.headers)
    if not media_type.is_json:
        return None
    try:
        content = response.content
    except LocalProtocolError:
        return None
    if len(content) > MAX_PROBLEM_BYTES:
        return None
    try:
        document = parse_json(content, max_depth=MAX_PROBLEM_DEPTH)
    except DecodingError:
        return None
    return read_problem(document, media_type, response.status)


def read_problem(document: Any, media_type: MediaType, status: int) -> Problem | None:
    """The problem that a JSON document is which came with this media type and status, or None.

    Members of another type than RFC 9457 §3.1 gives them are ignored.

    >>> from trivet.core.http.media_type import parse_media_type
    >>> document = {"title": "Out of credit", "status": "402", "balance": 30}
    >>> problem = read_problem(document, parse_media_type("application/problem+json"), 402)
    >>> problem.type, problem.title, problem.status, problem.extensions
    ('about:blank', 'Out of credit', None, {'balance': 30})
    """
    if not isinstance(document, OBJECT):
        return None
    kind, title, detail = (_string(document, name) for name in ("type", "title", "detail"))
    said_status = document.get("status")
    is_clear = kind is not None and title is not None and (detail is not None or said_status == status)
    if not is_clear and media_type.essence != "application/problem+json":
        return None
    if isinstance(said_status, bool) or not isinstance(said_status, int) or not 100 <= said_status <= 599:
        said_status = None
    extensions = {name: value for name, value in document.items() if name not in _MEMBERS}
    return Problem(kind or "about:blank", title, said_status, detail, _string(document, "instance"), extensions)


def _string(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None
