"""What a class says about its fields: their types, and which of them may be absent."""

from __future__ import annotations

from typing import (
    Any,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from trivet.core.errors import InvalidRequest
from trivet.core.http.kinds import CLASS, TUPLE


class Field(NamedTuple):
    """One field; ``required`` says that there is no default for it."""

    name: str
    kind: Any
    required: bool


def fields_of(origin: Any) -> list[Field] | None:
    """The fields of a class that JSON objects can become, or None if it is no such class."""
    if not isinstance(origin, CLASS):
        return None
    if is_typed_dict(origin):
        return [_typed_dict_field(origin, name, kind) for name, kind in _hints(origin).items()]
    if hasattr(origin, "__dataclass_fields__"):
        from dataclasses import MISSING, fields

        hints = _hints(origin)
        return [
            Field(f.name, hints[f.name], f.default is MISSING and f.default_factory is MISSING)
            for f in fields(origin)
            if f.init
        ]
    names: tuple[str, ...] = getattr(origin, "_fields", ()) if issubclass(origin, TUPLE) else ()
    if not names:
        return None
    hints, defaults = _hints(origin), getattr(origin, "_field_defaults", {})
    return [Field(name, hints.get(name, Any), name not in defaults) for name in names]


def is_typed_dict(origin: Any) -> bool:
    """Whether it is a `TypedDict`, of typing_extensions too, which `typing.is_typeddict` does not know."""
    return hasattr(origin, "__required_keys__") and hasattr(origin, "__total__")


def _typed_dict_field(origin: Any, name: str, kind: Any) -> Field:
    required = name in origin.__required_keys__
    # Where annotations are strings, __required_keys__ knows nothing of the qualifiers of PEP 655.
    while (qualifier := str(get_origin(kind)).rpartition(".")[2]) in ("Required", "NotRequired", "ReadOnly"):
        if qualifier != "ReadOnly":
            required = qualifier == "Required"
        kind = get_args(kind)[0]
    return Field(name, kind, required)


def _hints(origin: Any) -> dict[str, Any]:
    try:
        try:
            return get_type_hints(origin, include_extras=True)
        except NameError:
            # A class inside a function that refers to itself.
            return get_type_hints(origin, localns={origin.__name__: origin}, include_extras=True)
    except NameError as error:
        raise InvalidRequest(
            f"the annotations of {origin.__name__} cannot be resolved: {error.name!r} is not in its module"
        ) from error


def bindings_of(origin: Any, args: tuple[Any, ...]) -> dict[Any, Any]:
    """What the type variables of a generic class, and of the generic classes it is made of, stand for."""
    bindings = dict(zip(getattr(origin, "__parameters__", ()), args, strict=False))
    for base in origin.__dict__.get("__orig_bases__", origin.__bases__):
        parent = get_origin(base) or base
        if parent not in (Generic, Protocol, object) and isinstance(parent, type):
            inherited = bindings_of(parent, tuple(bound(arg, bindings) for arg in get_args(base)))
            bindings = inherited | bindings
    return bindings


def bound(kind: Any, bindings: dict[Any, Any]) -> Any:
    """The type with its type variables replaced by what they stand for."""
    if isinstance(kind, TypeVar):
        return bindings.get(kind, kind)
    parameters = getattr(kind, "__parameters__", ())
    if not parameters or not bindings or isinstance(kind, type):
        return kind
    return kind[tuple(bindings.get(parameter, parameter) for parameter in parameters)]
