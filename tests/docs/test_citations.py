"""The modules and tests that the pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.source import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
TESTS = "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob("tests/**/test_*.py")))
MODULE = re.compile(r"`([a-z_]+(?:/[a-z_0-9]+)+\.py)`")
TEST = re.compile(r"`(test_[a-z0-9_]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = [(ROOT / name, ROOT / "src/trivet" / name) for name in MODULE.findall(text)]
    assert [pair[0].name for pair in paths if not any(path.exists() for path in pair)] == []
    assert [name for name in TEST.findall(text) if f"def {name}(" not in TESTS] == []


def test_there_is_something_to_look_for() -> None:
    safety = (ROOT / "docs/explanation/safety.md").read_text("utf-8")
    assert len(TEST.findall(safety)) > 20
    assert len(MODULE.findall(safety)) > 10
