# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors: bulk jobs in both directions; import them from ``operators.open_connectors``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, NoReturn

from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES
from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
)
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.arguments import seconds, store_options_of
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.openlineage import lineage, remote_dataset, stored_dataset
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.results.store import lineage_of
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings
from airflow_async_provider.errors import (
    AsyncJobError,
    JobExpiredError,
    JobFailedError,
    ResultExpiredError,
    ResultMissingError,
    SubmitUnknownError,
)
from airflow_async_provider.hooks.open_connectors import MAX_TRANSFER, OpenConnectorsHook
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._open_connectors.bulk import OpenConnectorsBulkProtocol

#: Records whose errors are written into the task log.
LOGGED_ERRORS = 50


def lost_start(doing: str) -> NoReturn:
    """
    Refuse to start something a second time.

    :raises SubmitUnknownError: always
    """
    raise SubmitUnknownError(
        f"An earlier try died while it {doing}. SAP Open Connectors offers no means to find out whether that "
        "arrived, and doing it again might do the work twice. Look at the provider; if nothing is there, "
        "clear this task to start it."
    )


class _BulkOperator(AsyncJobOperator):
    """
    What both directions share.

    :param object_name: what is moved, as the connector names it (``contacts``)
    :param format: ``json``, ``jsonl``, ``csv``, or a media type
    :param max_errors: records that may have gone wrong in a job that completes; None: any number. The first
        errors are written into the task log.
    :param callback: True asks for a callback, False never does; None (default) does when an address is set
    :param callback_base_url: where SAP reaches Airflow's API server
    :param callback_max_bytes: largest callback body (bytes); a larger one fails the job with that reason
    :param safety_poll_interval: first pause between polls while a callback is expected (seconds or
        timedelta); it grows to five times that
    :param conn_id: Airflow connection
    """

    direction: ClassVar[str]
    #: What to do about records that went wrong, for the error.
    mending: ClassVar[str] = ""

    def __init__(
        self,
        *,
        object_name: str,
        format: str,  # noqa: A002 - the vendor's word
        max_errors: int | None = 0,
        callback: bool | None = None,
        callback_base_url: str | None = None,
        callback_max_bytes: int = DEFAULT_MAX_BYTES,
        safety_poll_interval: float | timedelta = 120.0,
        conn_id: str | None = OpenConnectorsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, **kwargs)
        self.callback = callback
        self.callback_base_url = callback_base_url
        self.callback_max_bytes = callback_max_bytes
        self.safety_poll_interval = seconds(safety_poll_interval, "safety_poll_interval", zero=False)
        self.object_name = object_name
        self.format = format
        self.max_errors = max_errors

    @cached_property
    def hook(self) -> OpenConnectorsHook:
        """The hook."""
        return OpenConnectorsHook(self.conn_id)

    def callback_settings(self) -> CallbackSettings | None:
        """Whether a notification is asked for."""
        protocol = OpenConnectorsBulkProtocol(
            object_name=self.object_name, format=self.format, direction=self.direction
        )
        return self.asks_for_callback(
            protocol,
            wanted=self.callback,
            base_url=self.callback_base_url,
            safety_poll_interval=self.safety_poll_interval,
            max_bytes=self.callback_max_bytes,
        )

    def job_label(self) -> str:
        """Direction and object."""
        return f"{self.direction} of {self.object_name}"

    def before_end(self, run: JobRun, status: JobStatus) -> None:
        """Tell what went wrong with single records before the task fails."""
        if status.state is JobState.FAILED:
            self._log_errors(run.handle)

    def _address(self, run: JobRun) -> str | None:
        # SAP sends no headers of ours, so the secret goes into the address.
        return None if run.callback_address is None else run.callback_address.url_with_secret

    def _check_errors(self, handle: JobHandle, status: JobStatus) -> JobFailedError | None:
        """The error for a job that completed with more failed records than are allowed."""
        count = status.detail.get("error_count") or 0
        if count:
            self._log_errors(handle)
        if self.max_errors is None or count <= self.max_errors:
            return None
        return JobFailedError(
            f"The {handle.describe()} completed, but {count} records went wrong (max_errors="
            f"{self.max_errors}) beside {status.detail.get('record_count', 'an unknown number')}. The first "
            f"errors are in the log of this task.{self.mending}",
            job=handle.job_id,
            state=status.state.value,
            remote_status=status.remote_status,
            request_id=status.request_id,
        )

    def _log_errors(self, handle: JobHandle) -> None:
        try:
            errors = self.hook.bulk_errors(handle, limit=LOGGED_ERRORS)
        except AsyncJobError as e:
            self.log.warning("The errors of the %s cannot be read: %s", handle.describe(), e)
            return
        self.log.error("The first %d errors of the %s:", len(errors), handle.describe())
        for error in errors:
            self.log.error("  %s", error)


class OpenConnectorsBulkDownloadOperator(_BulkOperator):
    """
    Have SAP Open Connectors collect many records in a file, wait without a worker, and fetch the file.

    The job is watched by polling, and by its notification where there is an address for it.

    Returns ``{"uri", "bytes", "sha256", "content_type", "seconds", "records", "errors", "job_id", "via", …}``
    (``via``: ``callback`` or ``poll``, what ended the wait).

    :param object_name: what to fetch, as the connector names it (``contacts``)
    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens
    :param where: CEQL condition without the word WHERE
    :param select_fields: fields to fetch, a list or text separated by commas; all when left out
    :param format: ``json``, ``jsonl``, ``csv``, or a media type
    :param job_criteria: further fields of bulk v3: ``from``, ``to``, ``filterDateField``, ``limit``,
        ``pageSize``, ``apiLimit``, ``continueFromJobId`` …
    :param max_errors: records that may be missing; None: any number
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace``, ``skip`` (then nothing is started at all) or ``fail``
    :param s3_extra_args: for ``s3://`` further arguments of the upload as boto3 names them:
        ``{"ServerSideEncryption": "aws:kms", "Tagging": {"team": "data"}}``
    :param object_storage_options: for other storages options of the file system
    :param max_result_bytes: largest size of the result (bytes, default 100 GiB); None for any
    :param min_bytes_per_second: slowest pace over five minutes (default 1024); None for any
    :param max_result_seconds: longest time of the download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the result
    :param charset: decode text from this charset and store it as UTF-8; ``declared`` takes the one that the
        answer names
    :param conn_id: Airflow connection
    :param kwargs: ``callback``, ``callback_base_url``, ``callback_max_bytes``, ``safety_poll_interval``, and
        those of :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    """

    direction: ClassVar[str] = "download"
    template_fields: Sequence[str] = (
        "object_name",
        "where",
        "select_fields",
        "format",
        "job_criteria",
        "callback_base_url",
        *STORE_TEMPLATE_FIELDS,
        "conn_id",
    )
    operator_extra_links = (RemoteJobLink(), ResultLink())
    template_fields_renderers: ClassVar[dict[str, str]] = {"job_criteria": "json"}

    def __init__(
        self,
        *,
        object_name: str,
        destination: str,
        where: str | None = None,
        select_fields: str | Sequence[str] | None = None,
        format: str = "json",  # noqa: A002 - the vendor's word
        job_criteria: Mapping[str, Any] | None = None,
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
        super().__init__(object_name=object_name, format=format, **kwargs)
        self.destination = destination
        self.where = where
        self.select_fields = select_fields
        self.job_criteria = job_criteria
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes."""
        return StoreSettings.of(self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for OpenLineage: the object in (the path of a bulk job is one a job), the file out."""
        return lineage_of(self, self.object_name)

    def start(self, run: JobRun) -> Submitted:
        """Start the job; version 3 has no place for a correlation id."""
        return Submitted(
            self.hook.download(
                self.object_name,
                where=self.where,
                select_fields=self.select_fields,
                format=self.format,
                callback_url=self._address(run),
                criteria=self.job_criteria,
            )
        )

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Fetch the file, unless too many records are missing in it."""
        handle = run.handle
        error = self._check_errors(handle, status)
        if error is not None:
            raise run.forget(error)
        try:
            return run.results.store(
                handle,
                status,
                since=run.record.started_at,
                records=status.detail.get("record_count"),
                errors=status.detail.get("error_count"),
                job_id=handle.job_id,
                via=run.record.via,
            )
        except (ResultExpiredError, ResultMissingError) as e:
            gone = JobExpiredError(
                f"The file of the {handle.describe()} is gone: {e} A retry of this task collects it anew.",
                job=handle.job_id,
                state=JobState.EXPIRED.value,
            )
            raise run.forget(gone) from e


class OpenConnectorsBulkUploadOperator(_BulkOperator):
    """
    Send a file of records to a provider through SAP Open Connectors, and wait until all are in.

    The file is streamed, never held in memory. It writes into another system, so nothing is sent twice:
    when the answer to the start was lost, the task fails with an error that says so.

    Returns ``{"job_id", "records", "errors", "bytes", "seconds", "via"}`` (``via``: ``callback`` or
    ``poll``, what ended the wait).

    :param object_name: what to write, as the connector names it (``accounts``)
    :param source: absolute path, ``file://`` URL, ``s3://bucket/key``, or any URL that Airflow's
        ObjectStoragePath opens
    :param format: ``csv``, or ``json`` or ``jsonl`` with one record on each line
    :param metadata: what the connector wants to know: ``identifierFieldName``, ``action`` (``upsert``),
        ``listId`` …
    :param max_errors: records that may go wrong; None: any number
    :param send_timeout: time that sending may take (seconds or timedelta); SAP itself ends it after an hour
    :param aws_conn_id: Airflow connection for ``s3://`` sources
    :param conn_id: Airflow connection
    :param kwargs: ``callback``, ``callback_base_url``, ``callback_max_bytes``, ``safety_poll_interval``, and
        those of :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    """

    direction: ClassVar[str] = "upload"
    mending: ClassVar[str] = (
        " What is in would be there twice, so a retry sends nothing. To send a mended file, clear the task "
        "with another source, or with reattach=False."
    )
    template_fields: Sequence[str] = (
        "object_name",
        "source",
        "format",
        "metadata",
        "callback_base_url",
        "aws_conn_id",
        "conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"metadata": "json"}

    def __init__(
        self,
        *,
        object_name: str,
        source: str,
        format: str = "csv",  # noqa: A002 - the vendor's word
        metadata: Mapping[str, Any] | None = None,
        send_timeout: float | timedelta = MAX_TRANSFER,
        aws_conn_id: str | None = "aws_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(object_name=object_name, format=format, **kwargs)
        self.source = source
        self.metadata = metadata
        self.send_timeout = seconds(send_timeout, "send_timeout")
        self.aws_conn_id = aws_conn_id

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the source in, the object at the remote out."""
        run = JobRun.of(self)
        if run is None or not run.succeeded:
            return None
        remote = remote_dataset(self.hook.endpoint.base_url, self.object_name)
        return lineage(stored_dataset(self.source), remote)

    def start(self, run: JobRun) -> Submitted:
        """Send the file; the correlation id comes back in the notification."""
        return Submitted(
            self.hook.upload(
                self.object_name,
                self.source,
                format=self.format,
                metadata=self.metadata,
                callback_url=self._address(run),
                correlation_id=run.correlation_id,
                aws_conn_id=self.aws_conn_id,
                timeout=self.send_timeout,
            )
        )

    def find_started(self, run: JobRun, correlation_id: str) -> NoReturn:
        """
        Nothing can be found at SAP by our id.

        :raises SubmitUnknownError: an earlier try may have sent the file
        """
        lost_start(f"sent {self.source} to {self.object_name}")

    def interpret(self, status: JobStatus) -> JobStatus:
        """As SAP says it; of an upload that broke off, what is in already is reported, too."""
        if status.state.ended and status.state is not JobState.SUCCEEDED and self._is_partly_in(status):
            count = status.detail["record_count"]
            hint = f"{count} records may be in already.{self.mending}"
            return replace(status, message=f"{status.message or ''} {hint}".strip())
        return status

    def may_start_again(self, status: JobStatus) -> bool:
        """After SAP reported a failed or cancelled job with no record in, a retry sends the file."""
        return ended_for_sure(status) and not self._is_partly_in(status)

    def _is_partly_in(self, status: JobStatus) -> bool:
        """Whether some records were written that the same file, sent once more, would write twice."""
        upsert = str((self.metadata or {}).get("action", "")).strip().lower() == "upsert"
        return bool(status.detail.get("record_count")) and not upsert

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Counts, unless too many records went wrong."""
        handle = run.handle
        error = self._check_errors(handle, status)
        if error is not None:
            # Not forgotten: the other records are in, and a retry must not send them again.
            raise error
        return {
            "job_id": handle.job_id,
            "records": status.detail.get("record_count"),
            "errors": status.detail.get("error_count"),
            "bytes": handle.data.get("bytes"),
            "seconds": round(time.time() - run.record.started_at, 3),
            "via": run.record.via,
        }
