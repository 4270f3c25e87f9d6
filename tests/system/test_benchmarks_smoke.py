# SPDX-License-Identifier: Apache-2.0
"""The benchmarks that start an Airflow of their own still run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.harness.benchmarks import all_benchmarks, smoke, starts_airflow
from tests.support.harness.postgres import MISSING, bin_directory


@pytest.mark.timeout(900)
@pytest.mark.skipif(bin_directory() is None, reason=MISSING)
@pytest.mark.parametrize("name", [name for name in all_benchmarks() if starts_airflow(name)])
def test_a_small_run_gives_a_table_and_json(name: str, tmp_path: Path) -> None:
    assert smoke(name, tmp_path, timeout=880)
