"""The command line: ``trivet demo`` and ``trivet get|post|… URL``. It needs the extra ``cli``."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line."""
    if not (find_spec("click") and find_spec("rich")):
        sys.exit("The command line of Trivet needs click and rich: pip install 'trivet[cli]'")
    from trivet.cli.commands import trivet

    trivet()
