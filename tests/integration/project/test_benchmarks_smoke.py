# SPDX-License-Identifier: Apache-2.0
"""Every benchmark still runs. Their figures are no test's affair."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.harness.benchmarks import ROOT, all_benchmarks, smoke, starts_airflow


@pytest.mark.bench
@pytest.mark.timeout(400)  # seconds each where nothing else runs
@pytest.mark.parametrize("name", [name for name in all_benchmarks() if not starts_airflow(name)])
def test_a_small_run_gives_a_table_and_json(name: str, tmp_path: Path) -> None:
    rows = smoke(name, tmp_path, timeout=380)

    # each has a side that is named, and at least one figure
    assert all(isinstance(next(iter(row.values())), str) for row in rows)
    assert any(isinstance(value, float) and value > 0 for row in rows for value in row.values())


def test_make_bench_runs_all_of_them() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    found = re.search(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)
    assert found is not None
    assert sorted(found[1].split()) == all_benchmarks()
