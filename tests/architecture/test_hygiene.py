"""Text that speaks of the project alone, and exceptions to the rules that give their reason."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

from architecture.source import ROOT

TEXTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "pyproject.toml", "noxfile.py", ".ci/run")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("docs/*.py")),
    *sorted(ROOT.glob("src/**/*.py")),
]
PYTHON = [
    ROOT / "noxfile.py",
    *sorted(path for folder in ("docs", "src", "tests") for path in ROOT.glob(f"{folder}/**/*.py")),
]

# A folder of somebody's machine; not a path within a URL, nor one that merely ends alike.
MACHINE_PATH = re.compile(r"(?<![\w.~*/}-])/(?:home|root|tmp|work|Users)(?![\w-])")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

DIRECTIVE = re.compile(r"#\s*(?:type:\s*ignore|pyright:\s*ignore|noqa|pragma:\s*no)", re.I)
EXPLAINED = re.compile(
    r"""\#\s* (?: (?:type|pyright):\s*ignore\[[\w\-, ]+\]
              | noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*
              | pragma:\s*no\ \w+ )
        (?P<reason>.*)""",
    re.X | re.I,
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def unexplained(source: str) -> list[int]:
    """The lines with a directive that names no rule, or gives no reason.

    The reason stands beside it, or in a comment above, or in the line above if it holds for a run of lines.
    """
    lines = source.splitlines()
    explained_lines: set[int] = set()
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not DIRECTIVE.search(token.string):
            continue
        number = token.start[0]
        explained = EXPLAINED.search(token.string)
        above = lines[number - 2].strip() if number > 1 else ""
        reason = explained and (
            len(re.sub(DIRECTIVE.pattern + r"(?:\[[^\]]*\])?", "", explained["reason"], flags=re.I).split()) >= 2
            or (above.startswith("#") and not DIRECTIVE.search(above))
            or number - 1 in explained_lines
        )
        if reason:
            explained_lines.add(number)
        else:
            found.append(number)
    return found


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_no_paths_of_a_machine(path: Path) -> None:
    assert MACHINE_PATH.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", [*TEXTS, *PYTHON], ids=relative)
def test_nothing_is_left_unfinished(path: Path) -> None:
    if path != Path(__file__):
        assert UNFINISHED.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_exceptions_to_the_rules_give_their_reason(path: Path) -> None:
    assert unexplained(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = 1  # type: ignore\n", [1]),
        ("x = 1  # type: ignore[assignment]\n", [1]),
        ("x = 1  # type: ignore[assignment]  # the stub is wrong\n", []),
        ("# The stub is wrong.\nx = 1  # type: ignore[assignment]\n", []),
        ("x = 1  # type: ignore[assignment]  # pyright: ignore[reportX]\n", [1]),
        ("import x  # noqa\n", [1]),
        ("import x  # noqa: F401\n", [1]),
        ("import x  # noqa: F401 - used by doctests\n", []),
        ("import x  # noqa: F401 - used by doctests\nimport y  # noqa: F401\n", []),
        ("x = '# noqa'\n", []),
        ("if x:  # pragma: no cover\n    pass\n", [1]),
        ("if x:  # pragma: no cover: only on Windows\n    pass\n", []),
    ],
)
def test_what_counts_as_a_reason(source: str, lines: list[int]) -> None:
    assert unexplained(source) == lines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /work/main", True),
        ("`/root`", True),
        ("'/tmp/x'", True),
        ("https://example.com/work", False),
        ("{base}/home", False),
        ("/workers", False),
        ("../tmp", False),
    ],
)
def test_what_counts_as_a_path_of_a_machine(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found
