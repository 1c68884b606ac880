"""A default that says "nothing was given" where None means something, such as JSON's ``null``."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Unset(Enum):
    """The type of `UNSET`. An enum with one member is what type checkers narrow with ``is``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
