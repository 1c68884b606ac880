"""Naming a place inside a JSON value, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_KEY = 40


def json_path(steps: Iterable[str | int]) -> str:
    """The place that member names and array indexes lead to, in the notation of RFC 9535. Long names are cut.

    >>> json_path(["items", 3, "first name"])
    "$.items[3]['first name']"
    """
    path = "$"
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif len(step) > _MAX_KEY:
            path += f"[{step[:_MAX_KEY] + '…'!r}]"
        else:
            path += f".{step}" if _NAME.fullmatch(step) else f"[{step!r}]"
    return path
