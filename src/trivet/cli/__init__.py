"""The command line: ``trivet demo`` and ``trivet get|post|… URL``. It needs the extra ``cli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        import click  # noqa: F401  # only to tell its absence from a mistake of our own
        import rich  # noqa: F401
    except ImportError:
        sys.exit("The command line of Trivet needs click and rich: pip install 'trivet[cli]'")
    from trivet.cli.commands import trivet

    trivet()
