"""Types that belong to pydantic or msgspec, which decode them themselves, faster than anything written here.

Neither package is imported unless a type of it is asked for; then it has been imported already.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from trivet.core.errors import DecodingError, InvalidRequest
from trivet.core.sdk.mismatch import Mismatch, describe
from trivet.core.sdk.scalars import Convert


class Converter(NamedTuple):
    """How values become a type: from parsed JSON, and straight from UTF-8 text if a package can do that."""

    convert: Convert
    decode: Callable[[bytes], Any] | None = None


def owner(kind: Any) -> str | None:
    """The package that a type, or the only one that types inside it, belong to."""
    owners = set(_owners(kind))
    return owners.pop() if len(owners) == 1 else None


def _owners(kind: Any) -> list[str]:
    if hasattr(kind, "__get_pydantic_core_schema__") or hasattr(kind, "__pydantic_core_schema__"):
        return ["pydantic"]
    if hasattr(kind, "__struct_fields__"):
        return ["msgspec"]
    origin = get_origin(kind)
    if origin is None or origin is Literal:
        return []
    args = get_args(kind)
    if origin is Annotated:
        packages = [type(extra).__module__.partition(".")[0] for extra in args[1:]]
        return _owners(args[0]) + [package for package in packages if package in ("pydantic", "msgspec")]
    return _owners(origin) + [package for arg in args for package in _owners(arg)]


def foreign_converter(kind: Any) -> Converter | None:
    """The converter of the package that the type belongs to; None if it belongs to none, or to two."""
    package = owner(kind)
    if package == "pydantic":
        return _pydantic(kind)
    return _msgspec(kind) if package == "msgspec" else None


def _pydantic(kind: Any) -> Converter:
    # As Any: checking these few lines is not worth needing the package wherever types are checked.
    pydantic: Any = import_module("pydantic")
    try:
        adapter = pydantic.TypeAdapter(kind)
    except (pydantic.PydanticUserError, pydantic.PydanticUndefinedAnnotation) as error:
        raise InvalidRequest(f"pydantic cannot decode into {describe(kind)}: {error.message}") from error

    def checked(validate: Convert) -> Convert:
        def convert(value: Any) -> Any:
            try:
                return validate(value)
            except pydantic.ValidationError as error:
                # Its text shows the input, so it must not become the cause of ours.
                failure = _from_pydantic(error.errors(include_input=False, include_context=False))
            raise failure

        return convert

    return Converter(checked(adapter.validate_python), checked(adapter.validate_json))


def _from_pydantic(errors: list[Any]) -> Exception:
    first = errors[0]
    kind: str = first["type"]
    message: str = first["msg"][:1].lower() + first["msg"][1:]
    if kind == "json_invalid" and not first["loc"]:  # the content itself, not a pydantic.Json within it
        return DecodingError(message)
    # Only the messages of pydantic's own errors (they have a URL) are known to hold nothing of the input.
    if "url" not in first or kind in ("value_error", "assertion_error", "union_tag_invalid"):
        message = f"refused by a validator ({kind})"
    if len(errors) > 1:
        message += f" (and {len(errors) - 1} more)"
    return Mismatch(message, *reversed(first["loc"]))


# What msgspec says of its own, without the input that it repeats after some of it.
_MSGSPEC_MESSAGE = re.compile(
    r"Expected `[^`]*`.*|Object (?:missing|contains) .*|Integer value out of range|Invalid (?:enum value|"
    r"value|UUID|RFC3339 encoded \w+|ISO8601 duration|epoch timestamp|decimal string|base64 encoded string)",
    re.DOTALL,
)
_MSGSPEC_PLACE = re.compile(r"(.*) - at `(?:key in )?\$(.*)`", re.DOTALL)
_MSGSPEC_STEP = re.compile(r"\[(\d+)\]|\[?([^.\[\]]+|\.\.\.)\]?")


def _msgspec(kind: Any) -> Converter | None:
    msgspec: Any = import_module("msgspec")
    try:
        decoder = msgspec.json.Decoder(kind)
    except TypeError as error:
        if hasattr(kind, "__struct_fields__"):
            raise InvalidRequest(f"msgspec cannot decode into {describe(kind)}: {error}") from error
        return None  # a union that is ambiguous to it, say; its parts are tried one by one

    def checked(validate: Convert) -> Convert:
        def convert(value: Any) -> Any:
            try:
                return validate(value)
            except msgspec.ValidationError as error:
                failure: Exception = _from_msgspec(str(error))
            except msgspec.DecodeError as error:
                failure = DecodingError(str(error))
            except RecursionError:
                failure = DecodingError("the JSON is nested too deeply for what is left of the stack")
            raise failure

        return convert

    return Converter(checked(lambda value: msgspec.convert(value, kind)), checked(decoder.decode))


def _from_msgspec(text: str) -> Mismatch:
    place = _MSGSPEC_PLACE.fullmatch(text)
    text, where = place.groups() if place else (text, "")
    known = _MSGSPEC_MESSAGE.match(text)
    message = known[0].replace("`", "") if known else "refused by its own validation"
    steps = [int(index) if index else name for index, name in _MSGSPEC_STEP.findall(where)]
    return Mismatch(message[:1].lower() + message[1:], *reversed(steps))
