# SPDX-License-Identifier: Apache-2.0
"""A page reads on GitHub as it does on the site: it is CommonMark with tables, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.docs_pages import DOCS, blocks, name_of, pages

MARKDOWN = MarkdownIt("commonmark").enable("table")
#: a directive with colons, a definition, a label
MYST = re.compile(r"^:::+\{|^: |^\(\w+\)=$")
ALERTS = "NOTE|TIP|IMPORTANT|WARNING|CAUTION"


def tokens(text: str) -> Iterator[Token]:
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


def faults(text: str) -> list[str]:
    """What of a page only the site's generator would understand, or shows nothing to click on."""
    found = []
    stream = list(tokens(text))
    for number, token in enumerate(stream):
        if token.type == "link_open" and stream[number + 1].type == "link_close":
            found.append(f"link without a text: {token.attrs['href']}")
        elif token.type == "image" and not token.content:
            found.append(f"image without a text: {token.attrs['src']}")
        elif token.type == "fence" and token.info.startswith("{"):
            found.append(f"directive: {token.info}")
        elif token.type == "inline":
            found += [f"syntax of MyST: {line}" for line in token.content.splitlines() if MYST.search(line)]
        elif token.type == "code_inline" and re.search(r"\{[\w:]+\}$", stream[number - 1].content):
            found.append(f"role: {token.content}")
        elif token.type == "text" and (alert := re.match(rf"\[!(?!({ALERTS})\])\w+\]", token.content)):
            found.append(f"no alert of GitHub: {alert[0]}")
    return found


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_a_page_is_plain_markdown(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "See [](quickstart.md).",
        "![](_static/flow.svg)",
        "```{note}\nx\n```",
        "| a |\n|---|\n| [](a.md) |",
        "See {doc}`quickstart`.",
        ":::{note}\nx\n:::",
        "`timeout`\n: Ours.",
        "(anchor)=\n# Heading",
        "> [!REMARK]\n> x",
    ],
)
def test_what_is_not_plain_is_noticed(text: str) -> None:
    assert len(faults(text)) == 1


def test_every_page_is_linked_from_the_index_which_makes_the_navigation() -> None:
    linked = re.findall(r"\]\(([\w/.]+\.md)", (DOCS / "index.md").read_text(encoding="utf-8"))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    assert there - {"index.md"} == set(linked)


@pytest.mark.parametrize("name", ["archive_protocol", "archive_simulator"])
def test_code_on_the_page_is_the_code_that_is_tested(name: str) -> None:
    code = (DOCS / "examples" / f"{name}.py").read_text(encoding="utf-8").split("\n", 1)[1]
    shown = [block.text for block in blocks("python") if block.page == "docs/adding_a_remote_api.md"]
    assert code in shown
