# SPDX-License-Identifier: Apache-2.0
"""Small runs of the benchmarks: they are no tests, but they must not rot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "benchmarks"


def all_benchmarks() -> list[str]:
    """Names of the scripts that measure; the others are parts of these."""
    measuring = re.compile(r"^from bench import .*\breport\b", re.MULTILINE)
    return sorted(path.stem for path in FOLDER.glob("*.py") if measuring.search(path.read_text()))


def starts_airflow(name: str) -> bool:
    """Whether it starts a real Airflow, so that it runs with the system tests."""
    return "RealAirflow(" in (FOLDER / f"{name}.py").read_text()


def smoke(name: str, folder: Path, *, timeout: float) -> list[dict[str, object]]:
    """
    Run one, small, and return the rows of all that it wrote.

    :param folder: where its JSON shall go
    """
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--smoke", "--results", str(folder)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    written = sorted(folder.glob("*.json"))
    assert written, "no JSON was written"
    rows = []
    for path in written:
        found = json.loads(path.read_text())
        assert found["rows"], f"{path.name} has no rows"
        assert found["machine"]["python"]
        # the table: a title, the names of the columns, a line for each row
        lines = done.stdout.splitlines()
        title = lines.index(f"{found['name']} (smoke: the figures mean nothing)")
        assert all(column in lines[title + 1] for column in found["rows"][0])
        assert len(lines) >= title + 2 + len(found["rows"])
        rows += found["rows"]
    return rows
