# SPDX-License-Identifier: Apache-2.0
"""Small runs of the benchmarks: they are no tests, but they must not rot."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness.postgres import Postgres
from tests.support.harness.real_airflow import RealAirflow

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "benchmarks"


def all_benchmarks() -> list[str]:
    """Names of the scripts that measure; the others are parts of these."""
    measuring = re.compile(r"^from bench import (\([^)]*|.*)\breport\b", re.MULTILINE)
    return sorted(path.stem for path in FOLDER.glob("*.py") if measuring.search(path.read_text()))


def starts_airflow(name: str) -> bool:
    """Whether it needs a real Airflow, so that it runs with the system tests."""
    return shares_airflow(name) or "RealAirflow(" in (FOLDER / f"{name}.py").read_text()


def shares_airflow(name: str) -> bool:
    """Whether it takes an Airflow that is there."""
    return "with real_airflow(" in (FOLDER / f"{name}.py").read_text().replace("server() as url, ", "")


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
    return rows_of(done.stdout, folder)


def smoke_on(airflow: RealAirflow, postgres: Postgres, name: str, folder: Path) -> list[dict[str, object]]:
    """
    The same in this process, on an Airflow that is there; components of it may be gone afterwards.

    :param folder: where its JSON shall go
    """
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.syspath_prepend(FOLDER)
        patch.setattr(sys, "argv", [name, "--smoke", "--results", str(folder)])
        patch.setenv("BENCHMARK_SMOKE", "1")
        patch.setattr(importlib.import_module("bench"), "given", (airflow, postgres))
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    return rows_of(said.getvalue(), folder)


def rows_of(said: str, folder: Path) -> list[dict[str, object]]:
    """
    The rows of all that a small run wrote, which its tables show as well.

    :param said: what it printed
    :param folder: where its JSON is
    """
    written = sorted(folder.glob("*.json"))
    assert written, "no JSON was written"
    rows = []
    for path in written:
        found = json.loads(path.read_text())
        assert found["rows"], f"{path.name} has no rows"
        assert found["machine"]["python"]
        # the table: a title, the names of the columns, a line for each row
        lines = said.splitlines()
        title = lines.index(f"{found['name']} (smoke: the figures mean nothing)")
        assert all(column in lines[title + 1] for column in found["rows"][0])
        assert len(lines) >= title + 2 + len(found["rows"])
        rows += found["rows"]
    return rows
