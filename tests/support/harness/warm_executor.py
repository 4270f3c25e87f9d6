# SPDX-License-Identifier: Apache-2.0
"""
LocalExecutor whose tasks start at once, and leave the scheduler its turn.

What every task of a test imports is imported before the workers are forked, instead of by each of hundreds of
task processes. And these are nicer than the scheduler: one that gets no CPU notes the end of a worker late,
and takes a task that was resumed in the meantime for a failed one.
"""

from __future__ import annotations

import importlib
import os
import pkgutil

from airflow.executors.local_executor import LocalExecutor as AirflowsLocalExecutor

#: What a task process would import after its fork, beside this package's own.
WARM = (
    "airflow.dag_processing.bundles.manager",
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.http.hooks.http",
    "airflow.providers.standard.operators.python",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "aiohttp",
    "requests",
)
PACKAGES = ("operators", "sensors", "hooks", "transfers", "triggers", "decorators")

NICENESS = 3


class LocalExecutor(AirflowsLocalExecutor):
    """Airflow's own, warm."""

    def start(self) -> None:
        """Import, then fork the workers."""
        for name in WARM:
            _imported(name)
        for folder in PACKAGES:
            package = _imported(f"airflow_async_provider.{folder}")
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                _imported(f"airflow_async_provider.{folder}.{module.name}")
        os.register_at_fork(after_in_child=lambda: os.nice(NICENESS))
        super().start()


def _imported(name: str) -> object:
    """A module, None where this Airflow has none of that name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
