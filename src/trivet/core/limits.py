"""The bounds on what one call may cost: nothing that a server sends is unlimited."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from trivet.core.errors import ConfigError

# Where nought has a meaning of its own: keep no idle connection, accept no coding, drain nothing.
_MAY_BE_ZERO: Final = frozenset({"max_idle", "idle_timeout", "max_codings", "max_interim", "max_drain"})
# Where None has one: nothing but the other limits bounds it.
_MAY_BE_NONE: Final = frozenset({"max_per_origin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on connections and on responses. Sizes are in bytes, times in seconds.

    - ``max_connections``: open connections of one client, to all origins together
    - ``max_per_origin``: open connections to one origin; None leaves it to ``max_connections``
    - ``max_idle``: connections kept open while nobody uses them; 0 keeps none
    - ``idle_timeout``: seconds that an unused connection is kept
    - ``max_content``: decoded content of a buffered response
    - ``max_codings``: content codings applied to one response; 0 accepts none
    - ``max_header_bytes``, ``max_fields``: the head of a response, and its trailers
    - ``max_interim``: 1xx responses before the final one; 0 accepts none
    - ``max_line``: one line of a response that is read line by line
    - ``max_drain``: content read from a response that nobody wants, to save its connection
    - ``max_json_depth``: nesting of JSON content
    - ``max_error_text``: content of an error response that is searched for a message

    Raises `ConfigError` that names each field whose value makes no sense.

    >>> Limits(max_connections=10).max_content
    104857600
    >>> Limits(max_fields=0)
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: Limits: max_fields takes a whole number from 1, not 0
    """

    max_connections: int = 100
    max_per_origin: int | None = None
    max_idle: int = 20
    idle_timeout: float = 60.0
    max_content: int = 100 * 1024 * 1024
    max_codings: int = 5
    max_header_bytes: int = 65_536
    max_fields: int = 128
    max_interim: int = 16
    max_line: int = 1024 * 1024
    max_drain: int = 65_536
    max_json_depth: int = 500
    max_error_text: int = 2048

    def __post_init__(self) -> None:
        problems = [problem for name in self.__slots__ if (problem := self._problem(name)) is not None]
        if problems:
            raise ConfigError("Limits: " + "; ".join(problems))

    def _problem(self, name: str) -> str | None:
        value: object = getattr(self, name)
        if value is None and name in _MAY_BE_NONE:
            return None
        least = 0 if name in _MAY_BE_ZERO else 1
        # bool is an int, but a limit of True is a mistake.
        if name == "idle_timeout":
            valid = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
            wanted = "a finite number of seconds from 0"
        else:
            valid = isinstance(value, int) and not isinstance(value, bool) and value >= least
            wanted = f"a whole number from {least}" + (" or None" if name in _MAY_BE_NONE else "")
        return None if valid else f"{name} takes {wanted}, not {value!r:.40}"


DEFAULT_LIMITS: Final = Limits()
