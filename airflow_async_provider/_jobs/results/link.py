# SPDX-License-Identifier: Apache-2.0
"""A button on the task's page that leads to what the task has stored."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

from airflow_async_provider._jobs.results.store import stored_by


class ResultLink(BaseOperatorLink):
    """
    Leads to the stored object: AWS's or Google's console, or its address at another S3 server.

    It never holds a signature or a password, so whoever follows it logs in there. A file on a worker has no
    address, and its button stays grey. The worker works the address out; Airflow keeps it as XCom.
    """

    @property
    def name(self) -> str:
        """What stands on the button."""
        return "Stored result"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Address of the object; empty while nothing is stored, and where there is no address."""
        stored = stored_by(operator)
        return "" if stored is None else str(stored.link)
