# SPDX-License-Identifier: Apache-2.0
"""Wait until a status URL, or a status document, of any HTTP API says that the job has ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from airflow_async_provider._jobs.arguments import one_connection, query_of
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._descriptions import Profile, profile_of
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators._http_arguments import check_profile, profile_name
from airflow_async_provider.protocols._http.urls import digest
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.sensors._base import JobSensor


class HttpAsyncJobSensor(JobSensor):
    """
    Wait for a job that something else has started; returns its handle.

    Fails with the error that the job's end stands for (failed, cancelled, timed out). A download task
    (:class:`~airflow_async_provider.transfers.async_result.AsyncResultDownloadOperator`) takes the handle.

    :param http_conn_id: Airflow connection of the type ``http``, ``http_default`` by default
    :param conn_id: the same under the name that the other sensors have for it
    :param status_url: absolute URL that the remote gave, asked exactly as it is; its host must be the
        connection's own or one of its ``allowed_hosts``
    :param endpoint: path below the connection's host instead
    :param params: query parameters of ``endpoint``; those of the DAG are not sent
    :param profile: ``status_field`` (default), another convention or a shipped description by its name, the
        path of a YAML file, a description as a dictionary, or the dotted path of a protocol class of your own
    :param profile_options: options that are laid over it
    :param kwargs: ``deferrable`` and ``cancel_on_kill`` of
        :class:`~airflow_async_provider.sensors._base.JobSensor`, and what all sensors of Airflow take
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "status_url",
        "endpoint",
        "query",
        "profile",
        "profile_options",
    )

    def __init__(
        self,
        *,
        http_conn_id: str | None = None,
        conn_id: str | None = None,
        status_url: str | None = None,
        endpoint: str | None = None,
        params: Mapping[str, Any] | None = None,
        profile: Profile = "status_field",
        profile_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if (status_url is None) == (endpoint is None):
            raise ConfigurationError("Give either status_url or endpoint: one of them names what is asked.")
        conn_id = one_connection(conn_id, http_conn_id, HttpAsyncJobHook.default_conn_name)
        super().__init__(conn_id=conn_id, params=params, **kwargs)
        self.status_url = status_url
        self.endpoint = endpoint
        self.query = query_of(params, self.get_dag())
        check_profile(profile, profile_options)
        self.profile = profile
        self.profile_options = profile_options

    @cached_property
    def hook(self) -> HttpAsyncJobHook:
        """The hook."""
        return HttpAsyncJobHook(self.conn_id)

    def handle_to_watch(self) -> JobHandle:
        """The job behind the address."""
        return replace(self.handle(), submitted_at=time.time())

    def handle(self) -> JobHandle:
        """
        The handle of the job behind the address; always the same, as asset watchers are distinguished by it.

        :raises ConfigurationError: no address, unknown profile, or options that it does not have
        """
        options = profile_of(self.profile, self.profile_options).options()
        asked = str(self.status_url or self.endpoint or "").strip()
        if not asked:
            raise ConfigurationError("The status URL is empty: did the task before hand one over?")
        if self.status_url is None and self.query:
            query = urlencode({k: v for k, v in self.query.items() if v is not None}, doseq=True)
            asked += ("&" if "?" in asked else "?") + query
        return JobHandle(
            protocol=profile_name(self.profile),
            job_id=digest(asked),
            named=False,
            submitted_at=0.0,
            status_url=asked,
            options=options,
            data={"label": self.endpoint} if self.endpoint else {},
        )
