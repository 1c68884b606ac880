"""The top level of the repository, and the two commands that everybody starts with."""

from __future__ import annotations

from fnmatch import fnmatch

from architecture.markdown import code_blocks
from architecture.source import ROOT

TOP_LEVEL = {"CHANGELOG.md", "LICENSE", "README.md", "docs", "noxfile.py", "pyproject.toml", "src", "tests"}


def commands() -> list[str]:
    return [block.text.strip() for block in code_blocks(ROOT / "README.md", "sh")]


def test_the_top_level_holds_nothing_else() -> None:
    ignored = [line.rstrip("/") for line in ROOT.joinpath(".gitignore").read_text().splitlines() if line[:1] != "#"]
    found = {
        each.name
        for each in ROOT.iterdir()
        if not each.name.startswith(".") and not any(fnmatch(each.name, pattern) for pattern in ignored)
    }
    assert found == TOP_LEVEL


def test_the_readme_starts_with_the_main_job() -> None:
    job = commands()[0]
    assert "\n" not in job
    assert job.endswith("trivet demo")


def test_ci_runs_what_the_readme_says() -> None:
    script = ROOT.joinpath(".ci/run").read_text().splitlines()
    assert script[-1] == commands()[1]
    assert script[-1].endswith("nox")
