# SPDX-License-Identifier: Apache-2.0
"""The benchmarks that need a real Airflow still run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.harness import Postgres, RealAirflow
from tests.support.harness.benchmarks import (
    all_benchmarks,
    shares_airflow,
    smoke,
    smoke_on,
    starts_airflow,
)
from tests.support.harness.postgres import MISSING, bin_directory

pytestmark = [pytest.mark.bench, pytest.mark.skipif(bin_directory() is None, reason=MISSING)]


@pytest.mark.parametrize("name", [*filter(shares_airflow, all_benchmarks())])
def test_a_small_run_on_the_airflow_that_is_there_gives_a_table_and_json(
    name: str, tmp_path: Path, postgres: Postgres, restored: RealAirflow
) -> None:
    assert smoke_on(restored, postgres, name, tmp_path)


@pytest.mark.parametrize(
    "name", [name for name in all_benchmarks() if starts_airflow(name) and not shares_airflow(name)]
)
def test_a_small_run_with_an_airflow_of_its_own_gives_a_table_and_json(name: str, tmp_path: Path) -> None:
    assert smoke(name, tmp_path, timeout=880)
