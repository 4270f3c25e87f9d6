# SPDX-License-Identifier: Apache-2.0
"""The figures of the house can be taken at any time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.bench
@pytest.mark.timeout(600)  # half a minute where nothing else runs
def test_a_job_is_followed_and_every_figure_is_there() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "house.py"), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert len(rows) > 10
    assert all(re.match(r"\d+", value) for _, value in rows)
    way = next(value for what, value in rows if "way of an ASO job" in what)
    functions, files = map(int, way.split(" in "))
    assert functions > 50
    assert files > 10
