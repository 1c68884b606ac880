"""What a parsed JSON value is, in words that type checkers understand."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a parsed JSON value is an object.

    >>> is_object({"id": 7}), is_object([7])
    (True, False)
    """
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a parsed JSON value is an array.

    >>> is_array({"id": 7}), is_array([7])
    (False, True)
    """
    return isinstance(value, list)
