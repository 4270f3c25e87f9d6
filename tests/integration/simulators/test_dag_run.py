# SPDX-License-Identifier: Apache-2.0
"""The fixture ``run_dag``: what the page about testing shows, run by pytest as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_async_provider.simulators._dag_run import AirflowHome
from tests.support.docs_pages import DOCS, ROOT

pytestmark = pytest.mark.thorough

PAGE = DOCS / "testing_dags.md"
DAGS = """
from airflow.sdk import DAG, Param, task

with DAG("sums", schedule=None, params={"n": Param(1)}):

    @task
    def double(n, params):
        return {"twice": n * 2 * params["n"]}

    @task
    def complain(values):
        raise ValueError("of the task")

    complain(double.expand(n=[3, 4]))
"""


def files_of(page: str) -> dict[str, str]:
    """The files that the page has its reader save."""
    return dict(
        re.findall(r"^Save this as `([^`]+)`:\n\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    )


def test_the_example_of_the_page_passes_where_it_is_copied(tmp_path: Path) -> None:
    files = files_of(PAGE.read_text(encoding="utf-8"))
    assert set(files) == {"dags/first_export.py", "dag_tests/conftest.py", "dag_tests/test_first_export.py"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            "dag_tests",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path / "not_touched")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\d+ passed", done.stdout)
    assert not (tmp_path / "not_touched").exists()


def test_states_results_and_a_missing_dag(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "sums.py").write_text(DAGS, encoding="utf-8")
    (tmp_path / "home").mkdir()
    airflow = AirflowHome(tmp_path / "home")

    report = airflow.run("sums", tmp_path / "dags", conf={"n": 10})

    assert report.state == "failed"
    assert report.tasks == {"double[0]": "success", "double[1]": "success", "complain": "failed"}
    assert report.results == {"double[0]": {"twice": 60}, "double[1]": {"twice": 80}}
    assert "of the task" in report.log
    with pytest.raises(LookupError, match="'other' was not run"):
        airflow.run("other", tmp_path / "dags")
