"""Sphinx configuration. Build with `sphinx-build -W docs docs/_build/html`, or `nox -s docs`."""

from __future__ import annotations

import tomllib
from pathlib import Path

_project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))["project"]

project = "Trivet"
author = "The Trivet authors"
project_copyright = "2026, The Trivet authors"
version = release = _project["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

# A name in single backquotes, in a docstring, is one of Python.
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"Trivet {release}"
