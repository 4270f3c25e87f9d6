# SPDX-License-Identifier: Apache-2.0
"""The line that says how old the measured figures are."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

from benchmarks.age import FIGURES, MEASURED, line

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "age.py"
TODAY = date(2026, 3, 11)
ROW = "| what | at most 1 | 0.5 | 2 | {} | `bench.py` |\n"


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_oldest_and_the_newest_with_the_commits_since(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    commits = []
    for message in ("one", "two", "three"):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", message)
        commits.append(git(tmp_path, "rev-parse", "--short=7", "HEAD"))
    text = ROW.format(f"2026-03-01, {commits[0]}") + ROW.format(f"2026-03-10, `{commits[2]}`")
    assert line(text, TODAY, tmp_path) == (
        f"figures: 2 in docs/performance.md, the oldest measured 2026-03-01 at {commits[0]} (10 days, 2 "
        f"commits ago), the newest 2026-03-10 at {commits[2]} (1 days, 0 commits ago)"
    )


def test_a_commit_that_git_does_not_know(tmp_path: Path) -> None:
    text = ROW.format("2026-03-10, 1234567")
    expected = (
        "figures: 1 in docs/performance.md, all measured 2026-03-10 at 1234567 (1 days, commits since "
        "unknown)"
    )
    assert line(text, TODAY, tmp_path) == expected
    git(tmp_path, "init", "-q")
    assert line(text, TODAY, tmp_path) == expected


def test_a_page_without_figures_is_said_to_be_one(tmp_path: Path) -> None:
    assert line("nothing", TODAY, tmp_path) == "figures: docs/performance.md names no date and commit"


def test_the_script_prints_one_line_of_our_own_page(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT)]
    ended = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.startswith("figures: ")
    assert ended.stdout.count("\n") == 1


def test_our_own_page_names_date_and_commit_of_its_figures() -> None:
    assert MEASURED.search(FIGURES.read_text(encoding="utf-8"))
