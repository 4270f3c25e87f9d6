# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the documentation: ``make docs``. Warnings are errors there."""

import re
from pathlib import Path

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
myst_enable_extensions = ["deflist"]
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
