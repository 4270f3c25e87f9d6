# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a script beside its data
"""
The tests of what differs from ``main``, one path a line: changed tests, and those of changed modules, which
are found by their paths (``CONTRIBUTING.md``). Changed pages bring the tests of the documentation.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_async_provider"


def paths_of_tests(changed: Iterable[str]) -> list[str]:
    """
    Paths of tests, without those that start an Airflow.

    :param changed: paths of changed files, from the project's folder
    """
    found = set()
    for path in map(Path, changed):
        if path.suffix == ".md":
            found |= set((ROOT / "tests" / "unit" / "project").glob("test_docs*.py"))
        elif path.parts[0] == "tests" and path.name.startswith("test_") and "system" not in path.parts:
            found.add(ROOT / path)
        elif path.parts[0] == PACKAGE:
            *folders, stem = (part.removeprefix("_") for part in path.with_suffix("").parts[1:])
            for kind in ("unit", "integration"):
                folder = ROOT.joinpath("tests", kind, *folders)
                found |= {*folder.glob(f"test_{stem}.py"), *folder.glob(f"test_{stem}_*.py")}
    return sorted(str(path.relative_to(ROOT)) for path in found if path.exists())


def _git(*words: str) -> list[str]:
    command = ["git", *words]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - own words
    return done.stdout.splitlines()


if __name__ == "__main__":
    differs = _git("diff", "--name-only", "main", "--") + _git("ls-files", "--others", "--exclude-standard")
    sys.stdout.write("".join(f"{path}\n" for path in paths_of_tests(differs)))
