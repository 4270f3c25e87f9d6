# SPDX-License-Identifier: Apache-2.0
"""Any API that answers 202: start a job, wait for it without a worker, hand over its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal

from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES
from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
)
from airflow_async_provider._download.options import STORE_TEMPLATE_FIELDS
from airflow_async_provider._jobs.airflow_exceptions import AirflowSkipException
from airflow_async_provider._jobs.arguments import (
    method_of,
    one_connection,
    one_of,
    query_of,
    seconds,
    store_options_of,
)
from airflow_async_provider._jobs.ending import AT_THE_END, uses
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.record import JobRecord
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.parts import check_destination
from airflow_async_provider._jobs.results.returned import DEFAULT_MAX_XCOM_BYTES, ReturnedResult
from airflow_async_provider._jobs.results.settings import StoreFrom, StoreSettings
from airflow_async_provider._jobs.results.store import lineage_of
from airflow_async_provider._jobs.results.store_from import checked_store_from
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings, WaitSettings
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.errors import ConfigurationError, DownloadError, SubmitUnknownError
from airflow_async_provider.hooks._descriptions import Profile, profile_of
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.operators._http_arguments import (
    body_of,
    cancel_option,
    check_profile,
    is_generic,
    is_repeatable,
    key_for,
    profile_name,
)
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted


class HttpAsyncJobOperator(AsyncJobOperator):
    """
    Start a job at any HTTP API, wait for it in the triggerer, and return its result.

    Which answers mean what is the ``profile``'s business: ``location`` (202 and Location), ``azure``
    (Operation-Location, Azure-AsyncOperation), ``google`` (operations), ``odata`` (AsyncResult) or
    ``status_field`` (a status word in a JSON document). An API that answers with the result at once is fine
    with all of them.

    Returns the result: a JSON value or text, bounded by ``max_xcom_bytes``. With ``destination`` it returns
    ``{"uri", "bytes", "sha256", "content_type", "etag", "seconds", "via"}`` instead (``via``: ``poll`` or
    ``callback``, what ended the wait). A result URL on the remote itself is fetched with the connection's
    credentials, any other one without.

    :param http_conn_id: Airflow connection of the type ``http``, ``http_default`` by default
    :param conn_id: the same under the name that the other operators have for it
    :param endpoint: path below the connection's host. Default: the description's
    :param method: HTTP method of the submission. Default: the description's, ``POST``
    :param params: query parameters; those of the DAG are not sent
    :param json: JSON body
    :param data: raw body: text, bytes, or a dictionary for a form
    :param headers: further headers; they win over the connection's. Secrets belong into the connection
    :param profile: what the API is like: one of the five conventions, the name of a description that ships
        with the package, the path of a YAML file, a description as a dictionary, or the dotted path of a
        protocol class of your own
    :param profile_options: options that are laid over the profile, see ``docs/describing_an_api.md``
    :param prefer_wait: send ``Prefer: respond-async, wait=n``; 0 leaves ``wait`` out
    :param idempotency_key: True sends ``Idempotency-Key``, the same one on every try of the task, a new one
        after the task was cleared; text sends that. A lost answer then allows to send again
    :param idempotency_header: header for the key. Default: where the description says
    :param idempotency_quoted: whether the header's value is quoted. Default: only ``Idempotency-Key`` is
    :param repeatable: whether starting the job twice does no harm. Default: when the method is idempotent
        (RFC 9110 §9.2.2) or there is an idempotency key
    :param cancel: how a job is cancelled: ``"delete"`` (of the status URL), a path such as
        ``"jobs/{job_id}/cancel"`` or ``"PUT {status_url}/abort"``, False for never. Default: as the profile
        does by itself
    :param result: ``"auto"`` hands the result over; ``"handle"`` returns the job's handle and fetches nothing
    :param result_field: JSON path of the result in the last answer
    :param result_url_field: JSON path of the result's URL in the last answer
    :param on_no_data: what the task does when the remote says that there is nothing: ``success`` returns
        None, ``skip`` skips the task
    :param max_xcom_bytes: largest result without a destination (bytes)
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
    :param callback_field: JSON path in the body where the remote wants the address to call
    :param callback_header: header where it wants that address
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "endpoint",
        "method",
        "query",
        "json",
        "data",
        "headers",
        "profile",
        "profile_options",
        "idempotency_key",
        *STORE_TEMPLATE_FIELDS,
        "callback_base_url",
    )
    operator_extra_links = (RemoteJobLink(), ResultLink())
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "json": "json",
        "headers": "json",
        "profile": "json",
        "profile_options": "json",
    }

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        http_conn_id: str | None = None,
        conn_id: str | None = None,
        method: str | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        profile: Profile = "location",
        profile_options: Mapping[str, Any] | None = None,
        prefer_wait: int | None = None,
        idempotency_key: bool | str = False,
        idempotency_header: str | None = None,
        idempotency_quoted: bool | None = None,
        repeatable: bool | None = None,
        cancel: str | Literal[False] | None = None,
        result: Literal["auto", "handle"] = "auto",
        result_field: str | None = None,
        result_url_field: str | None = None,
        on_no_data: Literal["success", "skip"] = "success",
        max_xcom_bytes: int = DEFAULT_MAX_XCOM_BYTES,
        destination: str | None = None,
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
        callback_field: str | None = None,
        callback_header: str | None = None,
        callback: bool | None = None,
        callback_base_url: str | None = None,
        callback_max_bytes: int = DEFAULT_MAX_BYTES,
        safety_poll_interval: float | timedelta = 120.0,
        **kwargs: Any,
    ) -> None:
        called = callback_field is not None or callback_header is not None
        if callback and not called:
            raise ConfigurationError(
                "callback=True needs callback_field or callback_header: where the remote wants the address."
            )
        conn_id = one_connection(conn_id, http_conn_id, HttpAsyncJobHook.default_conn_name)
        super().__init__(conn_id=conn_id, params=params, **kwargs)
        self.callback = callback if called else False
        self.callback_base_url = callback_base_url
        self.callback_max_bytes = callback_max_bytes
        self.safety_poll_interval = seconds(safety_poll_interval, "safety_poll_interval", zero=False)
        self.endpoint = endpoint
        self.method = None if method is None else method_of(method)
        self.query = query_of(params, self.get_dag())
        self.json = json
        self.data = data
        self.headers = headers
        self.profile = profile
        self.profile_options = profile_options
        self.prefer_wait = prefer_wait
        self.idempotency_key = idempotency_key
        self.idempotency_header = idempotency_header
        self.idempotency_quoted = idempotency_quoted
        self.repeatable = repeatable
        self.cancel = cancel
        self.result = one_of(result, "result", ("auto", "handle"))
        self.result_field = result_field
        self.result_url_field = result_url_field
        self.on_no_data = one_of(on_no_data, "on_no_data", ("success", "skip"))
        self.max_xcom_bytes = max_xcom_bytes
        self.destination = destination
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())
        self.store_from = checked_store_from(
            store_from,
            destination if result == "auto" else None,
            self.store_options,
            deferrable=self.deferrable,
            callback=callback,
        )
        self.callback_field = callback_field
        self.callback_header = callback_header
        self._given_intervals = {"poll_interval", "max_poll_interval"} & set(kwargs)
        if isinstance(profile_options, Mapping | None):
            check_profile(profile, self._options())
        if json is not None and data is not None and not self._sends_both():
            raise ConfigurationError("json and data exclude each other: a request has one body.")

    @cached_property
    def hook(self) -> HttpAsyncJobHook:
        """The hook."""
        return HttpAsyncJobHook(self.conn_id)

    @cached_property
    def protocol(self) -> JobProtocol:
        """
        The profile with its options.

        :raises ConfigurationError: unknown profile, or options that it does not have
        """
        options = self._options()
        if self.idempotency_key and is_generic(self.profile):
            options.setdefault("idempotent", True)
        return profile_of(self.profile, options)

    def _options(self) -> dict[str, Any]:
        options = {**(self.profile_options or {}), **cancel_option(self.cancel)}
        if self.result_field is not None:
            options["result_field"] = self.result_field
        if self.result_url_field is not None:
            options["result_url_field"] = self.result_url_field
        if self.result == "handle" and options.get("delete") is None and self._described():
            options["delete"] = False  # a later task asks for it
        return options

    def _described(self) -> bool:
        """Whether the profile is a description, as far as can be seen before it is rendered."""
        return not isinstance(self.profile, str) or not ("{{" in self.profile or "." in self.profile)

    def _sends_both(self) -> bool:
        """Whether the start has several requests, which may have a body each; in doubt it may."""
        if not self._described():
            return True
        return len(getattr(getattr(self.protocol, "description", None), "start", ())) > 1

    def wait_settings(self) -> WaitSettings:
        """How the task waits: at the API's own intervals, where the task names none."""
        settings = super().wait_settings()
        own = {k: v for k, v in self.protocol.polling.items() if k not in self._given_intervals}
        policy = settings.policy
        first = max(own.get("poll_interval", policy.poll_interval), 0.001)
        maximum = max(own.get("max_poll_interval", policy.max_poll_interval), first)
        factor = max(own.get("backoff", policy.backoff), 1.0)
        policy = replace(policy, poll_interval=first, max_poll_interval=maximum, backoff=factor)
        return replace(settings, policy=policy)

    def callback_settings(self) -> CallbackSettings | None:
        """Whether a callback is asked for; a user's own protocol class is known by its path."""
        return self.asks_for_callback(
            self.protocol,
            wanted=self.callback,
            base_url=self.callback_base_url,
            safety_poll_interval=self.safety_poll_interval,
            max_bytes=self.callback_max_bytes,
            protocol_name=profile_name(self.profile),
        )

    def job_label(self) -> str:
        """Method and endpoint."""
        description = getattr(self.protocol, "description", None)
        start = getattr(description, "start", ())
        path = start[0].path.text if start and start[0].path else ""
        for name, value in getattr(description, "parameters", {}).items():
            path = path.replace(f"{{{name}}}", str(value))
        return f"{self._method} {self.endpoint or path}".strip()

    @property
    def _method(self) -> str:
        """The method of the request that starts the job."""
        start = getattr(getattr(self.protocol, "description", None), "start", ())
        described = (start[0].method or start[0].default_method) if start else "POST"
        return (self.method or described).upper()

    @property
    def _repeatable(self) -> bool:
        return is_repeatable(self._method, idempotency_key=self.idempotency_key, repeatable=self.repeatable)

    # -- the way of a job ---------------------------------------------------------------------------------

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes; a handle goes nowhere."""
        if self.destination is None or self.result != "auto":
            return None
        return StoreSettings.of(self, store_from=self.store_from)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the remote endpoint in, the destination out."""
        return lineage_of(self, self.endpoint or "")

    def start(self, run: JobRun) -> Submitted:
        """Start the job."""
        body, headers = body_of(self.data, self.headers or {})
        arguments: dict[str, Any] = {
            "params": self.query or None,
            "json": self.json,
            "body": body,
            "headers": headers or None,
            "prefer_wait": self.prefer_wait,
            "repeatable": self.repeatable,
        }
        if self.idempotency_key:
            own = self.idempotency_key
            arguments["idempotency_key"] = (
                own if isinstance(own, str) else key_for(run.context, run.correlation_id)
            )
            arguments["idempotency_header"] = self.idempotency_header
            arguments["idempotency_quoted"] = self.idempotency_quoted
        if run.callback_address is not None:
            arguments["callback_url"] = run.callback_address.url_with_secret
            arguments["callback_field"] = self.callback_field
            arguments["callback_header"] = self.callback_header
        given = {name: value for name, value in arguments.items() if value is not None}
        described = is_generic(self.profile)
        method, endpoint = (self.method, self.endpoint) if described else (self._method, self.endpoint or "")
        return self.hook.submit(self.protocol, method, endpoint, **given)

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Nothing can be found without a vendor's search: what may be repeated is, all else must not.

        :raises SubmitUnknownError: an earlier try may have started a job
        """
        if self._repeatable:
            return None
        raise SubmitUnknownError(
            f"An earlier try died while it sent {self.job_label()}. Nobody can tell whether it arrived, "
            "and a second one might do the work twice. Look at the remote; if nothing is there, clear this "
            "task. APIs that honour Idempotency-Key do not have this problem: idempotency_key=True."
        )

    def may_start_again(self, status: JobStatus) -> bool:
        """What must not be repeated is started again only after the remote said that it failed."""
        return self._repeatable or ended_for_sure(status)

    def status_of_earlier_job(self, run: JobRun, handle: JobHandle) -> JobStatus:
        """A job that ended within its submission has no address to poll; its answer is lost."""
        # A profile of ours polls an address; a user's own protocol may ask by id.
        if handle.status_url is None and is_generic(self.profile) and self.protocol.pollable:
            return JobStatus(JobState.EXPIRED, message="it ended at once, and its answer was not kept")
        return super().status_of_earlier_job(run, handle)

    def value_at_end(self) -> TaskEnd | None:
        """The job's handle, or the result in the last answer; what goes to a destination needs a worker."""
        if not uses(type(self), HttpAsyncJobOperator, *AT_THE_END, "hook"):
            return None
        if self.result == "handle":
            return TaskEnd()
        return TaskEnd(max_bytes=self.max_xcom_bytes) if self.destination is None else None

    def facts_of_stored(self, record: JobRecord) -> Mapping[str, Any]:
        """What told of the end."""
        return {"via": record.via}

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """
        Hand over the result.

        :raises ResultError: there is none, it is too large for XCom, or it could not be fetched or stored
        """
        handle = run.handle
        if self.result == "handle":
            if handle.status_url is None and is_generic(self.profile):
                raise DownloadError(
                    f"The {handle.describe()} ended when it was submitted: its result came with that answer, "
                    'and no later task can ask for it. Leave result="handle" out, or give a destination.',
                    job=handle.shown_id,
                )
            return handle.to_dict()
        since, facts = run.record.started_at, self.facts_of_stored(run.record)
        if self.destination is not None and run.stored is not None:
            return run.results.store(handle, status, since=since, **facts)
        result = self.hook.result(handle, status)
        status = replace(status, result=result)
        if status.no_data and self.on_no_data == "skip":
            raise AirflowSkipException(f"The {handle.describe()} succeeded, and there is no data.")
        if status.no_data:
            self.log.info("The %s succeeded, and there is no data.", handle.describe())
            value: Any = None
        elif self.destination is None:
            returned = ReturnedResult(self.hook, self.log, self.max_xcom_bytes)
            value = None if result is None else returned.value(handle, status)
        else:
            check_destination(handle, result)
            value = run.results.store(handle, status, since=since, **facts)
        return value
