"""Whether to test as briefly as possible: on every Python but the first, of which all is demanded."""

from __future__ import annotations

import os

BRIEF = "TRIVET_BRIEF" in os.environ
