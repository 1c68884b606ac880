"""The response: what the core fills in and the caller reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trivet.core.errors import DecodingError, InvalidRequest, LocalProtocolError
from trivet.core.http.headers import Headers, as_utf8
from trivet.core.http.status import REASONS

if TYPE_CHECKING:
    from trivet.core.exchange.trace import Trace
    from trivet.core.http.cache_status import CacheStatus
    from trivet.core.http.headers import HeadersInput
    from trivet.core.http.link import Link
    from trivet.core.http.request import Request
    from trivet.core.http.url import URL

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Response:
    """A response.

    ``elapsed``: seconds from sending the request until the head, or the whole content once it was read.
    ``from_cache``: whether its content was stored before. ``history``: the redirects that led here, oldest first.
    ``collapsed``: whether it is the answer to another, identical request at the same time, shared with this one.
    ``trace``: the record of the call. ``body``: the transport's handle while the content is still to be
    read, else None.

    A response has no truth value of its own, so ``if response:`` is always true; ask ``is_success``.

    >>> response = Response(200, {"Content-Type": "application/json"}, b'{"id": 7}')
    >>> response, response.json()
    (<Response 200 OK>, {'id': 7})
    """

    __slots__ = (
        "_cache_status",
        "_content",
        "_reason",
        "_request",
        "_text",
        "body",
        "collapsed",
        "elapsed",
        "from_cache",
        "headers",
        "history",
        "http_version",
        "read_deadline",
        "read_timeout",
        "status",
        "trace",
    )

    def __init__(
        self,
        status: int,
        headers: HeadersInput = (),
        content: bytes | None = b"",
        *,
        reason: str = "",
        http_version: str = "HTTP/1.1",
        request: Request | None = None,
        body: object | None = None,
    ) -> None:
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self._content = content if body is None else None
        self._reason = reason
        self._request = request
        self._text: str | None = None
        self.body = body
        self.http_version = http_version
        self.elapsed = 0.0
        self.from_cache = False
        self.collapsed = False
        self._cache_status: dict[str, Any] | None = None
        self.history: tuple[Response, ...] = ()
        self.trace: Trace | None = None
        # How long the rest of an open body may take, set by whoever hands the response out unread.
        self.read_deadline: float | None = None
        self.read_timeout: float | None = None

    @property
    def cache_status(self) -> CacheStatus | None:
        """What the client's cache did, as a member of Cache-Status (RFC 9211); None if there was no cache.

        It is text such as ``trivet; hit; ttl=58``, with its parameters as attributes.
        """
        parameters = self._cache_status
        if parameters is None:
            return None
        from trivet.core.http.cache_status import CacheStatus

        return CacheStatus.of(**parameters)

    def note_cache(self, **parameters: Any) -> None:
        """Note what the cache did, in the parameters of `CacheStatus.of`; what was noted before stays."""
        noted = self._cache_status
        if noted is None:
            self._cache_status = parameters
        else:
            # In place: an open response shares it with the one that it was made of.
            noted.update(parameters)

    def complete(self, content: bytes) -> None:
        """Note the whole content, its content codings removed. The body is closed by then."""
        self._content = content
        self._text = None
        self.body = None

    @property
    def reason(self) -> str:
        """The reason phrase: the server's own, or else the registered one (RFC 9110 §15)."""
        return self._reason or REASONS.get(self.status, "")

    @property
    def request(self) -> Request:
        """The request that this answers. Raises `LocalProtocolError` for a response made by hand without."""
        if self._request is None:
            raise LocalProtocolError("this response belongs to no request: it was made without one")
        return self._request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    @property
    def url(self) -> URL:
        """Where it came from, after redirects."""
        return self.request.url

    @property
    def content(self) -> bytes:
        """The content as bytes, its content codings removed. Raises `LocalProtocolError` if it is unread."""
        if self._content is None:
            if self.body is None:
                raise LocalProtocolError("the content was never read, and can no longer be")
            raise LocalProtocolError("the content has not been read: call response.read() first")
        return self._content

    @property
    def text(self) -> str:
        """The content as text.

        The charset is that of a byte order mark, or of the Content-Type, or UTF-8. Bytes that do not fit
        it become U+FFFD.
        """
        text = self._text
        if text is None:
            from trivet.core.http.media_type import decode_text

            text = self._text = decode_text(self.content, self.headers)
        return text

    def json(self, *, max_depth: int = 500) -> Any:
        """The content, parsed as JSON (RFC 8259) whatever its media type; parsed again at each call.

        Raises `DecodingError` if it is not JSON or nests deeper than ``max_depth``.
        """
        from trivet.core.http.json import parse_json

        try:
            return parse_json(self.content, max_depth=max_depth)
        except DecodingError as error:
            raise self.undecodable(error.message) from None

    def undecodable(self, message: str) -> DecodingError:
        """The error for content that cannot be decoded: where it is from, and what it claims to be."""
        from trivet.core.http.media_type import content_type

        message = f"{message} (status {self.status}, {content_type(self.headers) or 'no Content-Type'})"
        request = self._request
        if request is None:
            return DecodingError(message)
        return DecodingError(message, method=request.method, url=request.url.redacted)

    @property
    def links(self) -> dict[str, Link]:
        """The Link header field (RFC 8288) by relation type; of several with the same one, the first.

        Targets are absolute. A link whose target is not an http(s) URL is left out.
        """
        from trivet.core.http.link import parse_links

        found: dict[str, Link] = {}
        for link in parse_links(as_utf8(self.headers.get("Link", ""))):
            try:
                target = self.url.join(link.target)
            except InvalidRequest:
                continue
            found.setdefault(link.rel, link._replace(target=target))
        return found

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether it redirects: 301, 302, 303, 307 or 308 with a Location (RFC 9110 §15.4)."""
        return self.status in _REDIRECTS and "Location" in self.headers

    @property
    def is_error(self) -> bool:
        """Whether the status is 4xx or 5xx."""
        return self.status >= 400

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>" if self.reason else f"<Response {self.status}>"

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in Response.__slots__}
        # The connection stays in this process, and so do times on its monotonic clock.
        state.update(body=None, read_deadline=None, read_timeout=None)
        if not _pickles(self.trace):
            state["trace"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def _pickles(trace: Trace | None) -> bool:
    """Whether the trace can be pickled; events of a user's own may hold anything."""
    if trace is None:
        return True
    import pickle

    try:
        pickle.dumps(trace)
    except Exception:
        # Whatever an event raises when it is pickled, the response is worth more than its trace.
        return False
    return True
