# SPDX-License-Identifier: Apache-2.0
"""Any other API that answers 202, on the HTTP provider's connections, and what works for all systems."""

from __future__ import annotations

from airflow_async_provider._metadata.system import System

HTTP_ASYNC = System(
    name="Asynchronous HTTP APIs",
    url="https://www.rfc-editor.org/rfc/rfc9110.html#name-202-accepted",
    tags=("protocol",),
    operators={
        "http_async": {
            "HttpAsyncJobOperator": "Start a job at any HTTP API that answers 202, wait for it without a "
            "worker, and return or store its result"
        }
    },
    sensors={
        "http_async": {
            "HttpAsyncJobSensor": "Wait until a status URL or status document of any HTTP API says that its "
            "job has ended"
        },
        "async_job": {"AsyncJobSensor": "Wait for a job that another task has started"},
    },
    hooks={"http_async": {"HttpAsyncJobHook": "Talk to an HTTP API over an ordinary http connection"}},
    triggers={
        "async_job": {"AsyncJobTrigger": "Wait for one job in the triggerer's event loop"},
        "async_job_event": {
            "AsyncJobEventTrigger": "Watch jobs for assets, so that their end starts a DAG",
        },
    },
    links=("_jobs.job_link.RemoteJobLink", "_jobs.results.link.ResultLink"),
    transfers={
        "async_result": {
            "AsyncResultDownloadOperator": "Download the result of a finished job to disk, S3 or any object "
            "storage"
        },
        "download": {
            "DownloadOperator": "Download files from URLs to disk, S3 or any object storage, whole or "
            "not at all"
        },
    },
    targets={
        "async_result": "Amazon Simple Storage Service (S3)",
        "download": "Amazon Simple Storage Service (S3)",
    },
    protocols={
        "http_api": "_http.profile.HttpProfile",
        "http_azure": "_http.azure.AzureProtocol",
        "http_google": "_http.google.GoogleProtocol",
        "http_location": "_http.location.LocationProtocol",
        "http_odata": "_http.odata.ODataProtocol",
        "http_status_field": "_http.status_field.StatusFieldProtocol",
    },
    hook="http_async.HttpAsyncJobHook",
    simulators={"http": "http_async.HttpAsyncSimulator", "real-apis": "real_apis.RealApisSimulator"},
)
