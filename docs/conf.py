# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the documentation: ``make docs``. Warnings are errors there."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

project = "airflow-async-provider"
author = "the airflow-async-provider contributors"
copyright = "2026, the airflow-async-provider contributors"
# Read, not imported: the pages need neither the package nor Airflow.
_init = (ROOT / "airflow_async_provider" / "__init__.py").read_text(encoding="utf-8")
version = release = re.findall(r'^__version__ = "(.+)"$', _init, re.MULTILINE)[0]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["alert"]  # GitHub's "> [!NOTE]"
myst_heading_anchors = 3
# Pygments gives up on a quoted text of several lines at a shell prompt. Only colours are lost; that code is
# valid is tested (tests/unit/project/test_docs.py).
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": True}
# Pages are built the same wherever and whenever: no dates, no copies of the sources.
html_last_updated_fmt = None
html_copy_source = False
html_show_sphinx = False


# Pages are plain Markdown, so that they read on GitHub as they do here. What only the site needs is added below.


def _toctrees(index: str) -> str:
    """The navigation: a caption for each section of the index, with the pages that it links."""
    found = []
    for caption, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", index, re.DOTALL | re.MULTILINE):
        linked = re.findall(r"\]\((\w+)\.md\)", section)
        if linked:
            found.append(
                "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *linked, "```", ""])
            )
    return "\n".join(found)


def _complete(app: Any, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += "\n" + _toctrees(source[0])
    elif page == "changelog":
        source[0] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _complete)
