# SPDX-License-Identifier: Apache-2.0
"""Bring the result of a finished job to its destination."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
)
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.arguments import refuse_unknown, store_options_of, with_retry_policy
from airflow_async_provider._jobs.messages import error_for
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.parts import check_destination
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.results.store import ResultStore, lineage_of
from airflow_async_provider._jobs.tracebacks import make_plain
from airflow_async_provider.errors import JobError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobState
from airflow_async_provider.sensors.async_job import job_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class AsyncResultDownloadOperator(BaseOperator):
    """
    Ask a finished job for its result and download it.

    The result URL is asked for here and never travels between tasks. Place this task right behind its
    sensor: an ASO result URL lives for minutes, and this task cannot start the job again.

    Returns ``{"uri", "bytes", "sha256", "content_type", "etag", "seconds"}``.

    :param job: the job handle, the XCom of a submit task or of an ``AsyncJobSensor``
    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens
    :param conn_id: Airflow connection of the remote, None for the default of the job's hook
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace``, ``skip`` or ``fail``
    :param s3_extra_args: for ``s3://`` further arguments of the upload as boto3 names them:
        ``{"ServerSideEncryption": "aws:kms", "Tagging": {"team": "data"}}``
    :param object_storage_options: for other storages options of the file system
    :param max_result_bytes: largest size of the result (bytes, default 100 GiB); None for any
    :param min_bytes_per_second: slowest pace over five minutes (default 1024); None for any
    :param max_result_seconds: longest time of the download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the result
    :param charset: decode text from this charset and store it as UTF-8; ``declared`` takes the one that the
        answer names
    """

    template_fields: Sequence[str] = ("job", "conn_id", *STORE_TEMPLATE_FIELDS)
    operator_extra_links = (ResultLink(),)
    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        destination: str,
        conn_id: str | None = None,
        aws_conn_id: str | None = "aws_default",
        if_exists: Literal["replace", "skip", "fail"] = "replace",
        s3_extra_args: Mapping[str, Any] | None = None,
        object_storage_options: Mapping[str, Any] | None = None,
        max_result_bytes: int | None = MAX_RESULT_BYTES,
        min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND,
        max_result_seconds: float | None = MAX_RESULT_SECONDS,
        unpack: Literal["gzip", "zip"] | None = None,
        charset: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        super().__init__(**with_retry_policy(kwargs))
        self.job = job
        self.destination = destination
        self.conn_id = conn_id
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        make_plain(cls)

    @cached_property
    def hook(self) -> AsyncApiHook:
        """The hook of the job's protocol."""
        return hook_for(job_of(self.job), self.conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the job's state, then download."""
        begun = time.time()
        store = ResultStore(self, context, StoreSettings.of(self))
        if (existing := store.existing()) is not None:
            return existing
        handle = job_of(self.job)
        status = self.hook.status(handle)
        if status.state is JobState.RUNNING:
            raise JobError(
                f"The {handle.describe()} is still {status.remote_status!r}: put an AsyncJobSensor before "
                "this task.",
                job=handle.shown_id,
                state=status.state.value,
                remote_status=status.remote_status,
            )
        if status.state is not JobState.SUCCEEDED:
            raise error_for(handle, status)
        result = self.hook.result(handle, status)
        if result is not None:  # else its URL has expired, which is reported where it is fetched
            check_destination(handle, result)
        return store.store(handle, replace(status, result=result), since=begun)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out.

        The endpoint is the one that started the job, where its handle says so: its status URL is one a run.
        """
        method, _, path = str(job_of(self.job).data.get("label", "")).partition(" ")
        return lineage_of(self, path if method.isupper() else "")


make_plain(AsyncResultDownloadOperator)
