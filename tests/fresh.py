"""What a fresh interpreter loads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

from architecture.source import SOURCE


def loaded_by(statement: str, names: Iterable[str]) -> set[str]:
    """Which of the modules a fresh interpreter has loaded after the statement.

    It runs without `site` (-S), whose start-up files load modules of their own, and so sees no installed
    package: to import one is a fault, and fails here.
    """
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {statement}\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split()) & set(names)
