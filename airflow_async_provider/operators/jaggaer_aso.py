# SPDX-License-Identifier: Apache-2.0
"""JAGGAER ASO: start an asynchronous download, wait for it, download the file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
)
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.arguments import method_of, query_of, refuse_unknown, store_options_of
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.record import JobRecord
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.settings import StoreFrom, StoreSettings
from airflow_async_provider._jobs.results.store import lineage_of
from airflow_async_provider._jobs.results.store_from import checked_store_from
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._metrics import count
from airflow_async_provider.errors import JobExpiredError, ResultExpiredError, SubmitUnknownError
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.operators._base import WAIT_ARGUMENTS, AsyncJobOperator, ended_for_sure
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted

if TYPE_CHECKING:
    from airflow.sdk import Context

#: A result URL with less time left than this is treated as expired: opening it takes its share (seconds).
SHORTEST_USEFUL_LIFE = 2.0


class _JaggaerAsoOperator(AsyncJobOperator):
    """What both operators share: how a request starts a job, and whether it may be sent again."""

    template_fields: Sequence[str] = ("endpoint", "method", "query", "json", "conn_id")

    def __init__(
        self,
        *,
        endpoint: str,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        conn_id: str | None = JaggaerAsoHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id, params=params, **kwargs)
        self.endpoint = endpoint
        self.method = method_of(method)
        self.query = query_of(params, self.get_dag())
        self.json = json

    @cached_property
    def hook(self) -> JaggaerAsoHook:
        """The hook."""
        return JaggaerAsoHook(self.conn_id)

    def job_label(self) -> str:
        """Method and endpoint."""
        return f"{self.method.upper()} {self.endpoint}"

    @property
    def repeatable(self) -> bool:
        """A GET may be sent again, a POST must not."""
        return self.method.upper() == "GET"

    def start(self, run: JobRun) -> Submitted:
        """Start the job; ASO has no place for a correlation id."""
        handle = self.hook.submit(self.endpoint, method=self.method, params=self.query, json=self.json)
        return Submitted(replace(handle, data={**handle.data, "method": self.method.upper()}))

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Nothing can be found at ASO: a GET may be started again, a POST must not.

        :raises SubmitUnknownError: an earlier try may have created an event
        """
        if self.repeatable:
            return None
        raise SubmitUnknownError(
            f"An earlier try died while it sent {self.job_label()}. ASO offers no means to find out whether "
            "it arrived, and a second one might do the work twice. Look into ASO; if nothing is there, clear "
            "this task to start it."
        )

    def may_start_again(self, status: JobStatus) -> bool:
        """A POST is started again only after ASO said that it failed or was cancelled."""
        return self.repeatable or ended_for_sure(status)


class JaggaerAsoSubmitOperator(_JaggaerAsoOperator):
    """
    Start an ASO asynchronous download and return its job handle, for a sensor and a download task.

    The return value is a dictionary without secrets (``status_url`` wants the connection's credentials).

    :param endpoint: path below the connection's host, ending in ``/async``
    :param method: GET, or POST for the CHES endpoint that creates an event
    :param params: query parameters; those of the DAG are not sent
    :param json: JSON body of a POST
    :param kwargs: ``conn_id``, ``reattach`` and ``cancel_on_kill`` of
        :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    """

    def __init__(self, **kwargs: Any) -> None:
        refuse_unknown(type(self), kwargs, without=WAIT_ARGUMENTS)
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the job, or take up that of an earlier try, and return its handle."""
        return JobRun(self, context).begin_without_waiting().to_dict()


class JaggaerAsoDownloadOperator(_JaggaerAsoOperator):
    """
    Start an ASO asynchronous download, wait for it without a worker, download the file to its destination.

    The result URL lives for minutes and asking again does not sign a new one (EES and CHES API
    documentation). So a file that was not fetched in time is prepared anew for GET endpoints, up to
    ``max_restarts`` times; a POST is never repeated and fails with an error that says so.

    Returns ``{"uri", "bytes", "sha256", "content_type", "etag", "seconds", "restarts"}``; ``seconds`` counts
    from the first submission to the stored file.

    :param endpoint: path below the connection's host, ending in ``/async``
    :param method: GET, or POST for the CHES endpoint that creates an event
    :param params: query parameters; those of the DAG are not sent
    :param json: JSON body of a POST
    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens
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
    :param store_from: ``triggerer`` lets the triggerer store the result as soon as the job has succeeded,
        ``worker`` a worker. None (default): the triggerer, if the URL of the result is valid for less than
        ``[async_provider] triggerer_store_below`` seconds
    :param max_restarts: how often an expired result is prepared anew within one try (GET only)
    """

    template_fields: Sequence[str] = (*_JaggaerAsoOperator.template_fields, *STORE_TEMPLATE_FIELDS)
    operator_extra_links = (RemoteJobLink(), ResultLink())
    facts_of_existing: ClassVar[Mapping[str, Any]] = {"restarts": 0}

    def __init__(
        self,
        *,
        destination: str,
        aws_conn_id: str | None = "aws_default",
        if_exists: Literal["replace", "skip", "fail"] = "replace",
        s3_extra_args: Mapping[str, Any] | None = None,
        object_storage_options: Mapping[str, Any] | None = None,
        max_result_bytes: int | None = MAX_RESULT_BYTES,
        min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND,
        max_result_seconds: float | None = MAX_RESULT_SECONDS,
        unpack: Literal["gzip", "zip"] | None = None,
        charset: str | None = None,
        store_from: StoreFrom | None = None,
        max_restarts: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())
        self.store_from = checked_store_from(
            store_from, destination, self.store_options, deferrable=self.deferrable
        )
        self.max_restarts = max_restarts

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes."""
        return StoreSettings.of(self, store_from=self.store_from)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out."""
        return lineage_of(self, self.endpoint)

    def facts_of_stored(self, record: JobRecord) -> Mapping[str, Any]:
        """How often the job was started anew."""
        return {"restarts": record.restarts}

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """Download, or start again when the file is gone."""
        if run.stored is None and self._is_gone(run, status.result):
            count("results_expired", system=run.handle.protocol, connection=self.hook.conn_id)
            return self._start_again(run, "its result URL has expired")
        record = run.record
        facts = self.facts_of_stored(record)
        try:
            return run.results.store(run.handle, status, since=record.started_at, **facts)
        except ResultExpiredError as e:
            return self._start_again(run, str(e))

    def _is_gone(self, run: JobRun, result: Result | None) -> bool:
        """Whether there is no use in opening the result; where nothing can be started anew, it is tried."""
        if result is None or result.url is None:
            return True
        if result.expires_at is None or result.expires_at - time.time() >= SHORTEST_USEFUL_LIFE:
            return False
        return self.repeatable and run.record.restarts < self.max_restarts

    def _start_again(self, run: JobRun, why: str) -> Any:
        what = f"The result of the {run.handle.describe()} can no longer be fetched: {why}"
        facts: dict[str, Any] = {"job": run.handle.shown_id, "state": JobState.EXPIRED.value}
        if not self.repeatable:
            raise JobExpiredError(
                f"{what}. A POST is never repeated by itself, as it may have created something at ASO. Once "
                "you know that it may run again, clear the task with reattach=False.",
                **facts,
            )
        restarts = run.record.restarts
        if restarts >= self.max_restarts:
            raise run.forget(
                JobExpiredError(
                    f"{what}. It was prepared anew {restarts} times (max_restarts). A retry of this "
                    "task starts afresh; look for workers or pools that keep it from downloading in time.",
                    **facts,
                )
            )
        return run.restart(why)
