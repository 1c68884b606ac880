"""The request: a frozen value that policies derive others from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import Headers
from trivet.core.http.kinds import BYTES, TEXT
from trivet.core.http.redaction import is_credential_field
from trivet.core.http.stream import Stream
from trivet.core.http.unset import UNSET, Unset
from trivet.core.http.url import URL

if TYPE_CHECKING:
    from trivet.core.http.headers import HeadersInput
    from trivet.core.http.response import Response

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that are essentially read-only (RFC 9110 §9.2.1)."""

IDEMPOTENT_METHODS: Final = SAFE_METHODS | {"PUT", "DELETE"}
"""Methods of which several identical requests have the effect of one (RFC 9110 §9.2.2)."""

_KNOWN_METHODS = IDEMPOTENT_METHODS | {"POST", "PATCH", "CONNECT"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Request:
    """A request, ready to be sent. Frozen: `replace` makes a changed copy.

    ``content`` is bytes, or a `Stream` that produces them while they are sent. ``credentials=False`` says
    that the request goes to an origin which must see none of the client's credentials: no policy adds any.
    ``on_interim`` is called with each 1xx response.

    A pickled request lacks what belongs to this process, a `Stream` and ``on_interim``, and every credential:
    in the header fields, and what `URL.redacted` masks.

    The methods of RFC 9110 are accepted in any case; others are case-sensitive (RFC 9110 §9.1) and kept.

    Raises `InvalidRequest` for a method that is not a token, a bad URL, a bad field, or content of
    another type.

    >>> request = Request("get", "https://api.example.com/users", {"Accept": "application/json"})
    >>> request
    <Request GET https://api.example.com/users>
    >>> request.replace(method="DELETE").idempotent
    True
    """

    __slots__ = ("content", "credentials", "headers", "method", "on_interim", "url")

    method: str
    url: URL
    headers: Headers
    content: bytes | Stream
    credentials: bool
    on_interim: Callable[[Response], None] | None

    def __init__(
        self,
        method: str,
        url: str | URL,
        headers: HeadersInput = (),
        content: bytes | Stream = b"",
        *,
        credentials: bool = True,
        on_interim: Callable[[Response], None] | None = None,
    ) -> None:
        _set_method(self, check_method(method))
        _set_url(self, url if isinstance(url, URL) else URL(url))
        _set_headers(self, headers if isinstance(headers, Headers) else Headers(headers))
        _set_content(self, _check_content(content))
        _set_credentials(self, credentials)
        _set_on_interim(self, on_interim)

    @classmethod
    def trusted(
        cls,
        method: str,
        url: URL,
        headers: Headers,
        content: bytes | Stream = b"",
        credentials: bool = True,
        on_interim: Callable[[Response], None] | None = None,
    ) -> Request:
        """A request from parts that have been checked already. Nothing is checked again."""
        self = _new(cls)
        _set_method(self, method)
        _set_url(self, url)
        _set_headers(self, headers)
        _set_content(self, content)
        _set_credentials(self, credentials)
        _set_on_interim(self, on_interim)
        return self

    def replace(
        self,
        *,
        method: str | Unset = UNSET,
        url: str | URL | Unset = UNSET,
        headers: HeadersInput | Unset = UNSET,
        content: bytes | Stream | Unset = UNSET,
        credentials: bool | Unset = UNSET,
        on_interim: Callable[[Response], None] | Unset | None = UNSET,
    ) -> Request:
        """A copy with some attributes changed; they are checked as in the constructor."""
        return self.trusted(
            self.method if method is UNSET else check_method(method),
            self.url if url is UNSET else url if isinstance(url, URL) else URL(url),
            self.headers if headers is UNSET else headers if isinstance(headers, Headers) else Headers(headers),
            self.content if content is UNSET else _check_content(content),
            self.credentials if credentials is UNSET else credentials,
            self.on_interim if on_interim is UNSET else on_interim,
        )

    @property
    def safe(self) -> bool:
        """Whether the method is essentially read-only (RFC 9110 §9.2.1)."""
        return self.method in SAFE_METHODS

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice has the effect of sending it once: by its method (RFC 9110 §9.2.2), or
        because it carries an Idempotency-Key."""
        return self.method in IDEMPOTENT_METHODS or "Idempotency-Key" in self.headers

    @property
    def replayable(self) -> bool:
        """Whether the content can be produced again."""
        content = self.content
        return isinstance(content, bytes) or content.replayable

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Request is frozen; use request.replace({name}=…), which copies it")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Request is frozen; {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return (
            self.method == other.method
            and self.url == other.url
            and self.headers == other.headers
            and self.content == other.content
            and self.credentials == other.credentials
        )

    __hash__ = None  # type: ignore[assignment]  # the way to say "not hashable"; mypy wants a method

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url.redacted}>"

    def __copy__(self) -> Request:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Request:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # What produces the content of a stream, and who listens to it, belong to this process; and credentials
        # must not end up wherever an error or a response is pickled to.
        content = self.content if isinstance(self.content, bytes) else b""
        url = self.url if self.url.redacted == self.url else URL(self.url.redacted)
        headers = self.headers.without(*filter(is_credential_field, self.headers))
        return Request.trusted, (self.method, url, headers, content, self.credentials)


# A frozen object is filled through its slots' own descriptors: at half the price of object.__setattr__.
_new = object.__new__
_set_content, _set_credentials, _set_headers, _set_method, _set_on_interim, _set_url = (
    Request.__dict__[name].__set__ for name in Request.__slots__
)


def check_method(method: str) -> str:
    """The method as it is sent. Raises `InvalidRequest` if it is not a token (RFC 9110 §5.6.2).

    >>> check_method("patch"), check_method("purge")
    ('PATCH', 'purge')
    """
    if method in _KNOWN_METHODS:
        return method
    if not isinstance(method, TEXT) or not _TOKEN.fullmatch(method):
        # The method is not repeated: it may be a header or a secret that went into the wrong argument.
        raise InvalidRequest("the method must be a token such as GET, without spaces or control characters")
    upper: str = method.upper()
    return upper if upper in _KNOWN_METHODS else str(method)


def _check_content(content: Any) -> bytes | Stream:
    if isinstance(content, bytes | Stream):
        return content
    if isinstance(content, BYTES):
        return bytes(content)
    raise InvalidRequest(
        f"the content of a Request is bytes or a Stream, not {type(content).__name__}; build_request encodes "
        "JSON, forms, text, files and iterators"
    )
