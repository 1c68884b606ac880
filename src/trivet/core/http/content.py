"""Request content: bytes or a stream of what a caller gives, and the Content-Type that says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trivet.core.errors import InvalidRequest
from trivet.core.http.stream import Stream as Stream
from trivet.core.http.unset import UNSET, Unset

if TYPE_CHECKING:
    from trivet.core.http.form import FormInput as FormInput
    from trivet.core.http.multipart import FilesInput as FilesInput
    from trivet.core.http.sources import ContentInput as ContentInput


def encode_body(
    *,
    json: Any | Unset = UNSET,
    form: FormInput | None = None,
    content: ContentInput | None = None,
    files: FilesInput | None = None,
) -> tuple[bytes | Stream, str | None]:
    """The content of a request and its Content-Type, or ``(b"", None)`` if nothing is given.

    ``json``: anything that `dump_json` takes; None is JSON's null. ``form``: fields, as
    application/x-www-form-urlencoded. ``files``: with or without ``form`` fields, as multipart/form-data.
    ``content``: anything that `as_content` takes, of no particular type unless it is text.

    Raises `InvalidRequest` if more than one is given (but for form with files), or if one cannot be sent.

    >>> encode_body(json={"name": "Ada"})
    (b'{"name":"Ada"}', 'application/json')
    >>> encode_body(form={"q": "a b", "tag": ["x", "y"]})
    (b'q=a+b&tag=x&tag=y', 'application/x-www-form-urlencoded')
    """
    has_form = form is not None or files is not None
    if (json is not UNSET) + has_form + (content is not None) > 1:
        given = (("json", json is not UNSET), ("form", form is not None), ("content", content is not None))
        names = [f"{name}=" for name, is_given in (*given, ("files", files is not None)) if is_given]
        raise InvalidRequest(f"a request has one content, and {' and '.join(names)} were given")
    # What a call needs is imported when the first call needs it.
    if json is not UNSET:
        from trivet.core.http.json import dump_json

        return dump_json(json), "application/json"
    if files is not None:
        from trivet.core.http.multipart import encode_multipart

        return encode_multipart(files, form)
    if form is not None:
        from trivet.core.http.form import encode_form

        return encode_form(form), "application/x-www-form-urlencoded"
    if content is not None:
        from trivet.core.http.sources import as_content

        return as_content(content), "text/plain; charset=utf-8" if isinstance(content, str) else None
    return b"", None
