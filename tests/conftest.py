# SPDX-License-Identifier: Apache-2.0
"""
What every test gets: an Airflow home of its own, set before anything imports Airflow.

Airflow reads its configuration when it is first imported, so this must happen here and not in a fixture. The
database is made only for the tests that ask for it (:func:`airflow_db`).
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from tests.support.garbage import pytest_collection  # noqa: F401 - a hook
from tests.support.inputs import examples, pytest_runtest_makereport, pytest_terminal_summary  # noqa: F401 - hooks
from tests.support.order import pytest_collection_modifyitems, pytest_report_header  # noqa: F401 - hooks

# The same inputs in every run: what fails for one fails for all, and nothing fails by chance. A few of them
# tell whether a property still holds; HYPOTHESIS_PROFILE=random tries others, and
# HYPOTHESIS_TIMES=25 many more.
# Nor does anything fail because the machine is busy: how long an input takes is no test's affair.
_patient = settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _patient, derandomize=True)
settings.register_profile("random", _patient)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

for _name in list(os.environ):
    if _name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AWS_")):
        del os.environ[_name]

_home = Path(tempfile.mkdtemp(prefix="airflow-tests-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
(_home / "dags").mkdir()
_loopback = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
os.environ.update(
    {
        "AIRFLOW_HOME": str(_home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_home / 'airflow.db'}",
        "AWS_EC2_METADATA_DISABLED": "true",  # looking for credentials there takes seconds
        "NO_PROXY": _loopback,
        "no_proxy": _loopback,
    }
)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The home of the Airflow inside this test process."""
    return _home


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Iterator[Path]:
    """A database (SQLite) for the Airflow inside this test process; takes some seconds, once."""
    from airflow.utils import db

    db.initdb()
    yield airflow_home / "airflow.db"
    from airflow import settings

    settings.dispose_orm(do_log=False)


@pytest.fixture(autouse=True)
def _masked_secrets_are_forgotten() -> Iterator[None]:
    """
    Every secret of every test would stay in Airflow's masker, which compiles all of them anew for each one.

    Thousands of tests in one process, each with secrets of its own, would spend their time with that.
    """
    yield
    for module in _maskers(len(sys.modules)):
        masker = getattr(module, "_secrets_masker", None)
        if masker is not None and getattr(masker(), "patterns", None):
            masker().patterns = set()
            masker().replacer = None


@lru_cache(maxsize=1)
def _maskers(modules: int) -> list[ModuleType]:
    """
    Airflow's maskers among what has been imported.

    :param modules: how many modules there are: another number, another look
    """
    name = "airflow.sdk.execution_time.secrets_masker"
    return [
        module
        for key, module in list(sys.modules.items())
        if key == name or key.endswith("secrets_masker.secrets_masker")
    ]
