"""The examples of the documentation are Python, and those with a prompt print what the page says they do.

The examples of one page run in turn and with one set of names. The name `url` is given: the address of an
httpbin.
"""

from __future__ import annotations

import ast
import doctest
from pathlib import Path

from architecture.markdown import code_blocks
from architecture.source import ROOT
from servers.httpbin import Httpbin

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCKS = [(page, block) for page in PAGES for block in code_blocks(page, "python")]


def test_examples_are_python() -> None:
    for page, block in BLOCKS:
        if ">>>" not in block.text:
            source = "\n" * (block.line - 1) + block.text
            compile(source, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def test_examples_print_what_the_page_says(httpbin: Httpbin) -> None:
    report: list[str] = []
    names: dict[Path, dict[str, object]] = {page: {"url": httpbin.url} for page in PAGES}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for page, block in BLOCKS:
        if ">>>" in block.text:
            name = str(page.relative_to(ROOT))
            example = doctest.DocTestParser().get_doctest(block.text, names[page], name, str(page), block.line - 1)
            runner.run(example, out=report.append, clear_globs=False)
            names[page] = example.globs
    assert not report, "".join(report)
