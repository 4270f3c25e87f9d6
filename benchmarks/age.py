# SPDX-License-Identifier: Apache-2.0
"""
How old the figures in docs/performance.md are: one line, for the end of a CI run. Never fails.

Reads the cells "date, commit" of its tables. Commits since are counted where git knows the commit, which a
shallow clone, or one of an archive, does not.
"""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "performance.md"

#: The cell of a row: ``| 2026-11-26, 1c4438e |``.
MEASURED = re.compile(r"\|\s*(\d{4}-\d\d-\d\d),\s*`?([0-9a-f]{7,40})`?\s*(?=\|)")


def main() -> None:
    """Print the line."""
    try:
        text = FIGURES.read_text(encoding="utf-8")
    except OSError:
        text = ""
    print(line(text, datetime.now(UTC).date()))


def line(text: str, today: date, root: Path = ROOT) -> str:
    """
    What is said of a page with figures.

    :param text: the page
    :param root: where git is asked
    """
    found = sorted(set(MEASURED.findall(text)))
    if not found:
        return "figures: docs/performance.md names no date and commit"
    oldest, newest = ages(found, today, root)[0], ages(found, today, root)[-1]
    number = len(MEASURED.findall(text))
    if oldest == newest:
        return f"figures: {number} in docs/performance.md, all measured {oldest}"
    return f"figures: {number} in docs/performance.md, the oldest measured {oldest}, the newest {newest}"


def ages(found: list[tuple[str, str]], today: date, root: Path) -> list[str]:
    """Each date and commit in words, the oldest first."""
    return [
        f"{day} at {commit} ({(today - date.fromisoformat(day)).days} days, {commits_since(commit, root)})"
        for day, commit in found
    ]


def commits_since(commit: str, root: Path) -> str:
    """How many commits came after one, in words."""
    command = ["git", "-C", str(root), "rev-list", "--count", f"{commit}..HEAD"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "commits since unknown"
    return f"{said.stdout.strip()} commits ago" if said.returncode == 0 else "commits since unknown"


if __name__ == "__main__":
    main()
