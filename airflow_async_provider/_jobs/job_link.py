# SPDX-License-Identifier: Apache-2.0
"""A button on the task's page that leads to the job at the remote system, from the deferral on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider.errors import AsyncJobError


class RemoteJobLink(BaseOperatorLink):
    """
    Leads to the job at the remote system.

    The worker works the address out whenever it is done with the task for a while, so the button is there
    while the task is deferred. Airflow keeps it as XCom and clears it when a new try begins, so it never
    leads to the job of another try.
    """

    @property
    def name(self) -> str:
        """What stands on the button."""
        return "Remote job"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Address of the job; empty where there is no job, or no address that a person can open."""
        run = JobRun.of(operator)
        handle = getattr(run, "handle", None)
        if handle is None:
            return ""
        try:
            return str(operator.hook.job_url(handle))
        except AsyncJobError:  # the connection has changed since
            return ""
