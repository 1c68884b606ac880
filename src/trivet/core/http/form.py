"""Form fields: application/x-www-form-urlencoded, and the fields of a multipart form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from trivet.core.errors import InvalidRequest
from trivet.core.http.kinds import ANY_MAPPING, ARRAY
from trivet.core.http.query import scalar_text

FormInput: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""What ``form=`` takes: names with values, or with lists of values, which repeat the name."""


def encode_form(form: FormInput) -> bytes:
    """The fields as application/x-www-form-urlencoded in UTF-8, a space as ``+`` (WHATWG URL §5.2).

    >>> encode_form([("q", "café au lait"), ("page", 2), ("exact", True)])
    b'q=caf%C3%A9+au+lait&page=2&exact=true'
    """
    return "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in form_pairs(form)).encode()


def form_pairs(form: FormInput) -> Iterator[tuple[str, str]]:
    """Each field as text, written as in a query (see `scalar_text`); lists repeat, None is left out.

    Raises `InvalidRequest` that names the field for a value that has no such form.
    """
    for name, value in _pairs(form):
        for item in value if isinstance(value, ARRAY) else (value,):
            if item is not None:
                yield _checked(name, name), _checked(scalar_text(item, "form", name), name)


def _pairs(form: Any) -> Iterator[tuple[str, Any]]:
    pairs = form.items() if isinstance(form, ANY_MAPPING) else form
    if isinstance(pairs, str | bytes) or not hasattr(pairs, "__iter__"):
        raise InvalidRequest(f"form= takes a mapping or pairs, not {type(form).__name__}")
    for pair in pairs:
        if not isinstance(pair, ARRAY) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidRequest("form= takes a mapping of names to values, or pairs of name and value")
        yield pair[0], pair[1]


def _checked(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"form={name!r}: a lone surrogate has no UTF-8 form") from None
    return text
