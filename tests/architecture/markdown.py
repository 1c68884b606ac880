"""Reading Markdown: the code blocks of a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})[ ]*(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.M | re.S)


class CodeBlock(NamedTuple):
    info: str
    """What stands behind the opening fence, such as `python`."""
    text: str
    line: int
    """The line of the first line of the text."""


def code_blocks(path: Path, info: str) -> list[CodeBlock]:
    """The fenced blocks of a page that are marked with `info`."""
    page = path.read_text("utf-8")
    return [
        CodeBlock(match["info"], match["text"], page.count("\n", 0, match.start("text")) + 1)
        for match in FENCE.finditer(page)
        if match["info"].strip() == info
    ]
