"""The page of implemented standards: its modules and tests exist, and neither a section nor a module is left out."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from architecture.source import ROOT

PAGE = ROOT / "docs/reference/implemented-standards.md"
SOURCE = ROOT / "src/trivet"
MODULE = re.compile(r"`(core/[a-z0-9_/]+\.py)`")
TEST = re.compile(r"`(test_[a-z0-9_]+)`")
SECTION = re.compile(r"§[0-9]+(?:\.[0-9]+)*")

# Protocols, for which there is nothing to be tested in a module of its own.
WITHOUT_TESTS = {"core/caching/store.py"}

# RFC 9111 but for §5.5, which is obsolete, and for what has no rules of its own.
SECTIONS = """
    §1 §1.2.2 §2 §3 §3.1 §3.2 §3.3 §3.4 §3.5 §4 §4.1 §4.2 §4.2.1 §4.2.2 §4.2.3 §4.2.4
    §4.3 §4.3.1 §4.3.2 §4.3.3 §4.3.4 §4.3.5 §4.4 §5.1 §5.2 §5.2.1.1 §5.2.1.2 §5.2.1.3 §5.2.1.4 §5.2.1.5 §5.2.1.6
    §5.2.1.7 §5.2.2.1 §5.2.2.2 §5.2.2.3 §5.2.2.4 §5.2.2.5 §5.2.2.6 §5.2.2.7 §5.2.2.8 §5.2.2.9 §5.2.2.10 §5.2.3
    §5.3 §5.4 §7.1 §7.2 §7.3
""".split()


class Row(NamedTuple):
    """A row of one of the tables."""

    heading: str
    first: str
    modules: list[str]
    tests: list[str]


def rows() -> list[Row]:
    found: list[Row] = []
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("| ") and not line.startswith(("| section |", "| module |")):
            found.append(Row(heading, line.split("|")[1].strip(), MODULE.findall(line), TEST.findall(line)))
    return found


def shown_by(module: str) -> set[str]:
    """The tests in the test module of the same name."""
    folder, _, name = module.rpartition("/")
    path = ROOT / "tests" / folder / f"test_{name}"
    return set(re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))) if path.exists() else set()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.first)
def test_modules_and_tests_exist(row: Row) -> None:
    assert row.modules
    assert [module for module in row.modules if not (SOURCE / module).exists()] == []
    assert row.tests or set(row.modules) <= WITHOUT_TESTS
    known = set[str]().union(*map(shown_by, row.modules))
    assert [test for test in row.tests if test not in known] == []


def test_every_module_is_named() -> None:
    named = {module for row in rows() for module in row.modules}
    present = {f"core/caching/{path.name}" for path in SOURCE.glob("core/caching/*.py")}
    assert present - named == {"core/caching/__init__.py"}


def test_modules_of_no_section_have_none() -> None:
    inside = {module for row in rows() if not row.heading.startswith("Modules") for module in row.modules}
    apart = {module for row in rows() if row.heading.startswith("Modules") for module in row.modules}
    assert apart
    assert apart & inside == set()


def test_every_section_is_named() -> None:
    named = {
        section for row in rows() if row.heading == "HTTP caching (RFC 9111)" for section in SECTION.findall(row.first)
    }
    assert named == set(SECTIONS)


def test_each_module_shows_something_of_its_own() -> None:
    """A module that is named beside another one must not live on the tests of that one alone, everywhere."""
    shown = {module for row in rows() for module in row.modules if shown_by(module) & set(row.tests)}
    named = {module for row in rows() for module in row.modules}
    # What becomes of a response to POST shows in the policy.
    assert named - shown <= WITHOUT_TESTS | {"core/caching/posting.py"}
