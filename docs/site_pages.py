# SPDX-License-Identifier: Apache-2.0
"""
What the site has beyond the pages themselves. These are plain Markdown, so that they read on GitHub as well;
the navigation follows from the index, and the API reference from the list of what is public.
"""

import re
from collections.abc import Collection
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PACKAGE = "airflow_async_provider"


def completed(page: str, text: str) -> str:
    """A page as the site shows it."""
    if page == "index":
        return text + _toctrees(text)
    if page == "changelog":
        return (DOCS.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    if page == "reference":
        text = re.sub(r"^\| `([\w.]+)` \|", r"| [`\1`](api/\1.rst) |", text, flags=re.MULTILINE)
        return text + _toctree("", [f"api/{module}" for module in reference()])
    # What lies beside the pages in the repository is not on the site.
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", text)


def _toctree(caption: str, pages: list[str]) -> str:
    options = [":hidden:", f":caption: {caption}"] if caption else [":hidden:"]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def _toctrees(index: str) -> str:
    """The navigation: a caption for each section of the index, with the pages that it links."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", index, re.DOTALL | re.MULTILINE)
    linked = {caption: re.findall(r"\]\((\w+)\.md\)", text) for caption, text in sections}
    return "".join(_toctree(caption, pages) for caption, pages in linked.items() if pages)


def reference() -> dict[str, list[str]]:
    """The public modules and their names, as ``reference.md`` lists them."""
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (`.+?`) \|", page, re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", names) for module, names in rows}


def api_page(module: str) -> str:
    """The page of a public module, for autodoc to fill."""
    parts = [module, "=" * len(module), "", f".. automodule:: {PACKAGE}.{module}", ""]
    for name in reference()[module]:
        if name[0].isupper():
            # What all hooks can do lies in a private base, which has no page.
            inherited = ["   :inherited-members:"] if module.startswith("hooks.") else []
            parts.append(f".. autoclass:: {PACKAGE}.{module}.{name}")
            parts += ["   :members:", *inherited, "   :show-inheritance:", ""]
        else:
            parts += [f".. autofunction:: {PACKAGE}.{module}.{name}", ""]
    return "\n".join(parts)


def write_api_pages() -> None:
    """One page for each public module; only what differs is written, so that only that is built again."""
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{module}.rst": api_page(module) for module in reference()}
    for old in set(folder.glob("*.rst")) - set(pages):
        old.unlink()
    for page, text in pages.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def missing(found: Collection[str]) -> list[str]:
    """
    What is public and not in the site's index and search.

    :param found: the full names that are
    """
    names = [f"{PACKAGE}.{module}.{name}" for module, names in reference().items() for name in names]
    return [name for name in names if name not in found]
