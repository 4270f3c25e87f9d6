# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the documentation: ``make docs``. Warnings are errors there."""

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.util import logging

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

import site_pages  # noqa: E402 - found by the line above

project = "airflow-async-provider"
author = "the airflow-async-provider contributors"
copyright = "2026, the airflow-async-provider contributors"
# Read, not imported: the pages need neither the package nor Airflow.
_init = (ROOT / "airflow_async_provider" / "__init__.py").read_text(encoding="utf-8")
version = release = re.findall(r'^__version__ = "(.+)"$', _init, re.MULTILINE)[0]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["alert"]  # GitHub's "> [!NOTE]"
myst_heading_anchors = 3
# Pygments gives up on a quoted text of several lines at a shell prompt. Only colours are lost; that code is
# valid is tested (tests/unit/project/test_docs.py).
suppress_warnings = ["misc.highlighting_failure"]

# The reference is read from the docstrings. What the package imports is mocked, so that the site needs no
# Airflow and comes out the same wherever it is built.
autodoc_mock_imports = [
    "airflow",
    "aiohttp",
    "fastapi",
    "multidict",
    "pytest",
    "requests",
    "starlette",
    "yarl",
]
_version = importlib.metadata.version
importlib.metadata.version = lambda name: "3.3" if name.startswith("apache-airflow") else _version(name)
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Types of others, and our own private ones, have no page here.
nitpick_ignore_regex = [("py:.*", r".*")]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": True}
# Pages are built the same wherever and whenever: no dates, no copies of the sources.
html_last_updated_fmt = None
html_copy_source = False
html_show_sphinx = False


def _warn_of_missing(_: Any, env: Any) -> None:
    for name in site_pages.missing(env.domains["py"].objects):
        logging.getLogger(__name__).warning("%s is listed in reference.md, and in no page of the site", name)


def _complete(_: Any, page: str, source: list[str]) -> None:
    source[0] = site_pages.completed(page, source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda _: site_pages.write_api_pages())
    app.connect("source-read", _complete)
    app.connect("env-check-consistency", _warn_of_missing)
