"""Which core a process runs on: the client has one, the server another."""

from __future__ import annotations

import os
import sys


def pin(position: int) -> None:
    """Stay on the first core that is allowed (0), or on the last one (-1). Only Linux can; elsewhere nothing happens."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[position]})
