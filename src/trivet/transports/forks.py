"""Noticing that the process is the child of a fork: connections that it inherits belong to the parent."""

from __future__ import annotations

import os
from typing import Final


class _Generation:
    """How many forks lie between this process and the one that imported this module."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def advance(self) -> None:
        self.number += 1


generation: Final = _Generation()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=generation.advance)
