# SPDX-License-Identifier: Apache-2.0
"""``make changed`` finds the tests of what has changed by their paths."""

from __future__ import annotations

import runpy

import pytest

from tests.support.docs_pages import ROOT

TESTS_OF = runpy.run_path(str(ROOT / "requirements" / "changed.py"))["paths_of_tests"]


@pytest.mark.parametrize(
    ("changed", "test"),
    [
        ("airflow_async_provider/_polling/policy.py", "tests/unit/polling/test_policy.py"),
        ("airflow_async_provider/errors.py", "tests/unit/test_errors.py"),
        ("airflow_async_provider/simulators/_dag_run.py", "tests/integration/simulators/test_dag_run.py"),
        ("tests/unit/test_urls.py", "tests/unit/test_urls.py"),
        ("docs/faq.md", "tests/unit/project/test_docs_plain.py"),
    ],
)
def test_a_change_brings_its_tests(changed: str, test: str) -> None:
    assert test in TESTS_OF([changed])


@pytest.mark.parametrize("changed", ["tests/system/test_automic.py", "Makefile", "tests/unit/test_gone.py"])
def test_what_starts_an_airflow_has_no_test_or_is_gone_is_left_out(changed: str) -> None:
    assert TESTS_OF([changed]) == []
