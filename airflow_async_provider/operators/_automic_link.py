# SPDX-License-Identifier: Apache-2.0
"""A button on the task's page that leads to the run in Automic's web interface."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

from airflow_async_provider._jobs.run import JobRun


class AutomicRunLink(BaseOperatorLink):
    """
    Leads to the run, where the connection's extra has an address template ``run_url``.

    The worker works the address out whenever it is done with the task for a while, so the button is there
    while the task is deferred, too.
    """

    @property
    def name(self) -> str:
        """What stands on the button."""
        return "Automic run"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Address of the run; empty when there is no run or no template."""
        run = JobRun.of(operator)
        handle = getattr(run, "handle", None)
        return "" if handle is None else str(operator.job_url(handle))
