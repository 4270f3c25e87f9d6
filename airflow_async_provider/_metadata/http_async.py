# SPDX-License-Identifier: Apache-2.0
"""Any other API that answers 202, on the HTTP provider's connections, and what works for all systems."""

from __future__ import annotations

from airflow_async_provider._metadata.system import System

HTTP_ASYNC = System(
    name="Asynchronous HTTP APIs",
    url="https://www.rfc-editor.org/rfc/rfc9110.html#name-202-accepted",
    tags=("protocol",),
    operators=("http_async",),
    sensors=("http_async", "async_job"),
    hooks=("http_async",),
    triggers=("async_job", "async_job_event"),
    links=("_jobs.results.link.ResultLink",),
    transfers={"async_result": "Amazon Simple Storage Service (S3)"},
)
