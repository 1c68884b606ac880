"""From the arguments of a call to a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trivet.core.errors import InvalidRequest
from trivet.core.http.headers import Headers
from trivet.core.http.join import join_target
from trivet.core.http.query import encode_query, merge_query
from trivet.core.http.redaction import is_credential_field
from trivet.core.http.request import Request, check_method
from trivet.core.http.unset import UNSET, Unset
from trivet.core.http.url import URL

if TYPE_CHECKING:
    from trivet.core.http.content import ContentInput, FilesInput, FormInput
    from trivet.core.http.headers import HeadersInput
    from trivet.core.http.query import Params
    from trivet.core.http.response import Response
    from trivet.core.http.stream import Stream

_NO_HEADERS: Final = Headers()
# Checked and encoded once; any other Content-Type is rare.
_JSON_HEADERS: Final = Headers({"Content-Type": "application/json"})


def build_request(
    method: str,
    target: str | URL,
    *,
    base_url: str | None = None,
    params: Params = None,
    path: Mapping[str, Any] | None = None,
    headers: HeadersInput = (),
    json: Any | Unset = UNSET,
    form: FormInput | None = None,
    content: ContentInput | None = None,
    files: FilesInput | None = None,
    default_headers: Headers | None = None,
    default_params: Params = None,
    idempotency_key: str | None = None,
    on_interim: Callable[[Response], None] | None = None,
) -> Request:
    """The request of a call.

    ``target`` is joined to ``base_url`` and filled from ``path`` (see `join_target`); ``params`` come after
    the query it has. ``headers`` replace default fields of the same name, and so do ``params`` and the query
    of the target with ``default_params``. The content is encoded by `encode_body`; its Content-Type replaces
    a default one, and one in ``headers`` replaces both.

    A `URL` on another origin than ``base_url`` gets neither ``default_params`` nor those default fields that
    carry credentials, and the request says ``credentials=False``.

    Fields that frame the message (Host, Content-Length, Transfer-Encoding) are left to the transport.

    Raises `InvalidRequest` for whatever cannot be sent as it is.

    >>> request = build_request("POST", "/users", base_url="https://api.example.com/v1", json={"name": "Ada"})
    >>> request, request.content, request.headers["Content-Type"]
    (<Request POST https://api.example.com/v1/users>, b'{"name":"Ada"}', 'application/json')
    """
    base = None if base_url is None else URL(base_url)
    away = base is not None and isinstance(target, URL) and not target.same_origin(base)
    if default_params and not away:
        params = _with_defaults(params, default_params, target)
    url = join_target(base, target, path, params)
    fields = _NO_HEADERS if default_headers is None else default_headers
    if away:
        fields = fields.without("Host", *filter(is_credential_field, fields))
    body: bytes | Stream = b""
    if json is not UNSET or content is not None or form is not None or files is not None:
        from trivet.core.http.content import encode_body

        body, content_type = encode_body(json=json, form=form, content=content, files=files)
        if content_type is not None:
            fields = fields.updated(_content_type(content_type))
    if headers:
        given = Headers(headers)
        if files is not None and "Content-Type" in given:
            raise InvalidRequest("the Content-Type of files= names their boundary; leave it out of headers=")
        fields = fields.updated(given)
    if idempotency_key is not None:
        fields = fields.with_field("Idempotency-Key", idempotency_key)
    return Request.trusted(check_method(method), url, fields, body, not away, on_interim)


def _content_type(value: str) -> Headers:
    return _JSON_HEADERS if value == "application/json" else Headers({"Content-Type": value})


def _with_defaults(params: Params, defaults: Params, target: str) -> Params:
    """The parameters of a call after those defaults whose names neither they nor the target's query have."""
    query = target.partition("?")[2]
    if not params and not query:
        return defaults
    given = _names(params) | _names(query.partition("#")[0])
    if isinstance(defaults, str):
        pairs = defaults.removeprefix("?").split("&")
        kept: Params = "&".join(pair for pair in pairs if not given & _names(pair))
    else:
        kept = [(name, value) for name, value in _items(defaults) if name not in given]
    return merge_query(encode_query(kept), encode_query(params))


def _names(params: Params) -> set[str]:
    if isinstance(params, str):
        from urllib.parse import unquote_plus

        return {unquote_plus(pair.partition("=")[0]) for pair in params.removeprefix("?").split("&")}
    return {name for name, _ in _items(params)}


def _items(params: Any) -> Iterable[tuple[str, Any]]:
    items: Iterable[tuple[str, Any]] = params.items() if hasattr(params, "items") else params or ()
    return items
