# SPDX-License-Identifier: Apache-2.0
"""Reading the documentation: pages, code blocks, tables, sections, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def pages() -> list[Path]:
    """Everything that a newcomer reads."""
    found = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    return sorted(path for path in found if "_build" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def blocks(*languages: str) -> list[Block]:
    """The fenced blocks in these languages, of all pages."""
    found = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            info = match["info"].strip().split(" ", 1)[0]
            if not languages or info in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(name_of(path), line, info, match["text"]))
    return found


@cache
def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def code_spans(text: str) -> list[str]:
    return _CODE.findall(text)


def links(path: Path) -> list[str]:
    """Targets of a page's links that are no addresses."""
    return [target for target in _LINK.findall(prose(path)) if "://" not in target]


def section(path: Path, heading: str) -> str:
    """
    What stands below a heading, down to the next one of its level or above; empty when there is none.

    :param heading: its text, as the page has it
    """
    match = re.search(rf"^(#+) {re.escape(heading)}\s*$", prose(path), re.MULTILINE)
    if match is None:
        return ""
    rest = prose(path)[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of all tables: the table's first heading, and the cells."""
    heading = ""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if number + 1 < len(lines) and re.fullmatch(r"\|(\s*:?-+:?\s*\|)+\s*", lines[number + 1]):
            heading = cells[0]
        elif not re.fullmatch(r"\|(\s*:?-+:?\s*\|)+\s*", line):
            yield heading, cells


def commands(block: Block) -> list[str]:
    """
    The commands of a shell block, one a string: what the reader types.

    In ``console`` blocks a command begins with ``$``; a quote that is open at the end of a line goes on.
    """
    found: list[str] = []
    going_on = False
    for line in block.text.splitlines():
        if going_on:
            found[-1] += "\n" + line
        elif block.language == "console":
            if not line.startswith("$ "):
                continue
            found.append(line[2:])
        elif line.strip() and not line.lstrip().startswith("#"):
            found.append(line)
        else:
            continue
        going_on = found[-1].endswith("\\") or found[-1].count("'") % 2 == 1
    return found
