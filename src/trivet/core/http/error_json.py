"""Finding what a JSON error body says, in the places where HTTP APIs put it.

There is no one standard, so this knows the usual shapes: RFC 9457 problems, OAuth 2.0 (RFC 6749 §5.2),
JSON:API, GraphQL, and those of the well-known frameworks and services. Member names count without case, "-"
and "_".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from trivet.core.http.kinds import LIST, OBJECT
from trivet.core.http.redaction import REDACTED, is_secret_name

_MAX_ITEMS: Final = 5
_MAX_MEMBERS: Final = 100
_MAX_DEPTH: Final = 4

# In the order in which they count.
_HEADLINES: Final = (
    "message errordescription errormessage errorsummary faultstring detail msg description reason "
    "errormessages fault error title errorcode code type"
).split()
_DETAILS: Final = "errors details violations fieldviolations invalidparams issues".split()
_PLACES: Final = "loc field source pointer path param property location name".split()
# Keys of a mapping of fields under which frameworks put what concerns no one field.
_NO_FIELD: Final = frozenset(
    ["", *"base _errors _schema __all__ non_field_errors nonFieldErrors error errors detail".split()]
)


def message_in_json(document: Any) -> str:
    """What the document says about the error, or ``""``.

    >>> message_in_json({"message": "Validation failed.", "errors": {"email": ["has been taken"]}})
    'Validation failed: email: has been taken'
    """
    return _text(document, _MAX_DEPTH)


def _text(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if depth == 0:
        return ""
    if isinstance(value, LIST):
        return _listed((_item(item, depth - 1) for item in value[:_MAX_ITEMS]), len(value))
    return _object(value, depth - 1) if isinstance(value, OBJECT) else ""


def _object(members: dict[str, Any], depth: int) -> str:
    folded = {_fold(name): value for name, value in islice(members.items(), _MAX_MEMBERS)}
    headline = _headline(folded, depth)
    details = _details(folded, depth)
    if not headline and not details and _maps_fields(members):
        return _mapping(members, depth)
    if not details or details in headline:
        return headline
    return details if headline in details else f"{headline.rstrip(' .:')}: {details}"


def _headline(members: Mapping[str, Any], depth: int) -> str:
    error = members.get("error")
    if not isinstance(error, str) and (text := _text(error, depth)):
        return text
    title, detail = members.get("title"), members.get("detail")
    if isinstance(title, str) and isinstance(detail, str):
        return _led_by(title, detail)
    for name in _HEADLINES:
        text = _text(members.get(name), depth)
        if text:
            # OAuth's code says which failure it is, and the description says it to people.
            return _led_by(error, text) if name == "errordescription" and isinstance(error, str) else text
    return ""


def _led_by(title: str, detail: str) -> str:
    title, detail = title.strip(), detail.strip()
    if not title or not detail or detail.startswith(title):
        return detail or title
    return f"{title.rstrip(' .:')}: {detail}"


def _details(members: Mapping[str, Any], depth: int) -> str:
    for name in _DETAILS:
        value: Any = members.get(name)
        if isinstance(value, OBJECT) and name == "errors" and depth:
            text = _object(value, depth - 1) if isinstance(value.get("message"), str) else _mapping(value, depth - 1)
        elif isinstance(value, OBJECT):
            continue  # data about the error ("details": {"kind": "pods"}), not more errors
        else:
            text = _text(value, depth)
        if text:
            return text
    return ""


def _item(item: Any, depth: int) -> str:
    """One of several errors, with the place it is about in front."""
    text = _text(item, depth)
    if not text or not isinstance(item, OBJECT):
        return text
    folded = {_fold(name): value for name, value in islice(item.items(), _MAX_MEMBERS)}
    place = next((found for name in _PLACES if (found := _place(folded.get(name)))), "")
    return f"{place}: {text}" if place and place != text else text


def _place(value: Any) -> str:
    if isinstance(value, LIST):
        # ["body", "user", "email"] of FastAPI and Pydantic, ["user", 0] of GraphQL.
        return ".".join(str(step) for step in value[:10] if isinstance(step, str | int))
    if isinstance(value, OBJECT):
        # {"pointer": "/data/attributes/name"} or {"parameter": "page"} of JSON:API.
        return _place(value.get("pointer") or value.get("parameter") or "")
    return value if isinstance(value, str) else ""


def _maps_fields(members: Mapping[str, Any]) -> bool:
    """Whether this maps names of fields to lists of messages, as Django REST framework and Rails answer."""
    return all(
        isinstance(messages, LIST) and all(isinstance(text, str) for text in messages) for messages in members.values()
    )


def _mapping(fields: dict[str, Any], depth: int) -> str:
    return _listed((_field(name, value, depth) for name, value in islice(fields.items(), _MAX_ITEMS)), len(fields))


def _field(name: str, value: Any, depth: int) -> str:
    # The message about a password may quote the password.
    text = REDACTED if is_secret_name(name) else _text(value, depth)
    return text if not text or name in _NO_FIELD else f"{name}: {text}"


def _listed(texts: Iterator[str], total: int) -> str:
    found = list(dict.fromkeys(text for text in texts if text))
    if found and total > _MAX_ITEMS:
        found.append(f"and {total - _MAX_ITEMS} more")
    return "; ".join(found)


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
