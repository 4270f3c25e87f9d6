# SPDX-License-Identifier: Apache-2.0
"""Start anything with a function of your own, and wait for it without a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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
from airflow_async_provider._jobs.arguments import seconds, store_options_of
from airflow_async_provider._jobs.ending import AT_THE_END, uses
from airflow_async_provider._jobs.job_link import RemoteJobLink
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.parts import check_destination
from airflow_async_provider._jobs.results.returned import DEFAULT_MAX_XCOM_BYTES, ReturnedResult
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.run import JobRun
from airflow_async_provider._jobs.task import CallbackSettings, WaitSettings
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider.errors import AsyncJobError, ConfigurationError, SubmitUnknownError
from airflow_async_provider.hooks._descriptions import Profile
from airflow_async_provider.hooks._remote_job import RemoteJob, RemoteJobHook
from airflow_async_provider.operators._base import AsyncJobOperator, ended_for_sure
from airflow_async_provider.operators._remote_job_arguments import (
    Cancel,
    asked_page,
    check_heartbeat,
    described,
    parties_of,
)
from airflow_async_provider.operators._submission import Callback, Submission, call_start, handle_of
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Submitted
from airflow_async_provider.protocols._remote_job import RemoteJobProtocol

__all__ = ["Callback", "RemoteJob", "RemoteJobOperator", "Submission"]


class RemoteJobOperator(AsyncJobOperator):
    """
    Call a function that starts a job, once, and wait in the triggerer until somebody says how the job ended.

    The function has a parameter ``submission``: a :class:`Submission` with the callback's address and secret,
    a correlation id and an idempotency key. It starts whatever it likes, and returns the job's id, a
    dictionary with ``job_id`` and what else ``poll`` and ``cancel`` need, or nothing. The task then waits for
    a callback, for what a description (``profile``) brings, for what the function ``poll`` says, or for any
    of them.

    Returns the result that came along, bounded by ``max_xcom_bytes``; with ``destination`` it goes there, and
    ``{"uri", "bytes", "sha256", …}`` is returned. Nothing but the word of a callback or a poll is a success.

    :param start: the function; runs on the worker. If it raises anything but
        :class:`~airflow_async_provider.errors.SubmitError` ("surely not started"), the job may have been
        started
    :param op_args: its arguments; templated
    :param op_kwargs: the same by name; templated
    :param poll: a function that asks for the job; it gets a :class:`RemoteJob` and returns None while the job
        runs, one of ``succeeded``, ``failed``, ``cancelled``, ``running``, or a dictionary as a callback has
        it. Runs on a worker, for which the task is resumed now and then
    :param worker_poll_interval: pause between two calls of ``poll`` (seconds or timedelta, default 5 min)
    :param profile: how the triggerer asks for the job by HTTP: a description as
        ``HttpAsyncJobOperator`` has it, without ``start``
    :param profile_options: options that are laid over it
    :param cancel: a function that gets a :class:`RemoteJob`, and runs on a worker; or a request such as
        ``"DELETE v1/jobs/{job_id}"``, which the triggerer sends as well. Default: what the description has
    :param find: a function that gets the :class:`Submission` of a try that died while it started the job, and
        returns what ``start`` would have returned, or None where no job was started
    :param repeatable: whether starting the job twice does no harm, as the remote system honours the
        idempotency key. Default: False; a try that died while it started the job is then not repeated without
        ``find``
    :param conn_id: Airflow connection of the type ``http``: for ``profile``, for ``cancel`` as a request, and
        for the key of the callbacks' signature. Default: none
    :param callback: whether there is a callback; with False ``poll`` or ``profile`` must tell of the end
    :param callback_base_url: where it reaches Airflow's API server
    :param callback_max_bytes: largest body (bytes)
    :param callback_mapping: how a body of another form is read, see ``docs/wait_for_anything.md``
    :param heartbeat_timeout: how long the sender may give no sign of life (seconds or timedelta, at least
        10); None: it need give none
    :param callbacks: names of parties, or their number, who call back one by one at an address each
    :param wait_for: ``all`` of them, ``any``, or how many must say that they succeeded
    :param confirm: what a person is asked on a page, ``submission.callback.confirm_url``: a question, or
        ``{"subject": …, "body": …, "options": {"Approve": "succeeded", "Reject": "failed"}}``
    :param safety_poll_interval: pause between the triggerer's polls while a callback is expected
    :param max_xcom_bytes: largest result without a destination (bytes)
    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace``, ``skip`` (then nothing is started at all) or ``fail``
    :param s3_extra_args: for ``s3://`` further arguments of the upload as boto3 names them
    :param object_storage_options: for other storages options of the file system
    :param max_result_bytes: largest size of the result (bytes, default 100 GiB); None for any
    :param min_bytes_per_second: slowest pace over five minutes (default 1024); None for any
    :param max_result_seconds: longest time of the download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the result
    :param charset: decode text from this charset and store it as UTF-8
    :param kwargs: ``timeout``, ``reattach``, ``cancel_on_kill`` and others of
        :class:`~airflow_async_provider.operators._base.AsyncJobOperator`
    :raises ConfigurationError: nothing would tell of the job's end, or arguments that do not fit together
    """

    template_fields: Sequence[str] = (
        "conn_id",
        "op_args",
        "op_kwargs",
        "confirm",
        "callback_base_url",
        *STORE_TEMPLATE_FIELDS,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"op_args": "py", "op_kwargs": "py"}
    operator_extra_links = (RemoteJobLink(), ResultLink())
    #: Functions are not copied: what they hold on to may not be.
    shallow_copy_attrs: Sequence[str] = ("python_callable", "poll", "cancel", "find")

    def __init__(
        self,
        *,
        start: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        poll: Callable[[RemoteJob], Any] | None = None,
        worker_poll_interval: float | timedelta = 300.0,
        profile: Profile | None = None,
        profile_options: Mapping[str, Any] | None = None,
        cancel: Cancel = None,
        find: Callable[[Submission], Any] | None = None,
        repeatable: bool = False,
        callback: bool = True,
        callback_base_url: str | None = None,
        callback_max_bytes: int = DEFAULT_MAX_BYTES,
        callback_mapping: Mapping[str, Any] | None = None,
        heartbeat_timeout: float | timedelta | None = None,
        callbacks: Sequence[str] | int | None = None,
        wait_for: Literal["all", "any"] | int = "all",
        confirm: str | Mapping[str, Any] | None = None,
        safety_poll_interval: float | timedelta = 120.0,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(start):
            raise ConfigurationError("start must be a function.")
        self.python_callable = start
        self.op_args = list(op_args or ())
        self.op_kwargs = dict(op_kwargs or {})
        self.poll = poll
        self.worker_poll_interval = seconds(worker_poll_interval, "worker_poll_interval", zero=False)
        self.profile = profile
        self.profile_options = profile_options
        self.cancel = cancel
        self.find = find
        self.repeatable = repeatable
        self.callback = callback
        self.callback_base_url = callback_base_url
        self.callback_max_bytes = callback_max_bytes
        self.callback_mapping = callback_mapping
        self.heartbeat_timeout = check_heartbeat(heartbeat_timeout, callback=callback)
        self.parties, self.needed = parties_of(callbacks, wait_for)
        self.confirm = confirm
        self.safety_poll_interval = seconds(safety_poll_interval, "safety_poll_interval", zero=False)
        self.max_xcom_bytes = max_xcom_bytes
        self.destination = destination
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())
        self._check()

    def _check(self) -> None:
        """
        Refuse what can be seen to be wrong where the DAG is parsed.

        :raises ConfigurationError: there is something
        """
        askable = self.protocol.askable
        if not self.callback and not askable:
            raise ConfigurationError(
                "Nothing would tell of the job's end: give poll or profile, or leave callback=True."
            )
        if not self.callback and (self.parties or self.callback_mapping or self.confirm):
            raise ConfigurationError(
                "callbacks, callback_mapping and confirm make no sense with callback=False."
            )
        if self.parties and askable:
            raise ConfigurationError("poll and profile ask for one job; several callbacks tell of several.")
        asked_page(self.confirm)

    @cached_property
    def protocol(self) -> RemoteJobProtocol:
        """
        What is told of the job, and by whom.

        :raises ConfigurationError: a description or a mapping that cannot be understood
        """
        return RemoteJobProtocol(
            mapping=self.callback_mapping,
            profile=described(self.profile, self.profile_options, self.cancel),
            asked_by_worker=self.poll is not None,
        )

    @cached_property
    def hook(self) -> RemoteJobHook:
        """The hook."""
        cancel = self.cancel if callable(self.cancel) else None
        return RemoteJobHook(self.conn_id, poll=self.poll, cancel=cancel)

    def wait_settings(self) -> WaitSettings:
        """How the task waits."""
        interval = self.worker_poll_interval if self.poll is not None else None
        return replace(super().wait_settings(), worker_poll_interval=interval)

    def callback_settings(self) -> CallbackSettings | None:
        """Its callback's own word counts."""
        settings = self.asks_for_callback(
            self.protocol.for_callbacks(),
            wanted=self.callback,
            base_url=self.callback_base_url,
            safety_poll_interval=self.safety_poll_interval,
            max_bytes=self.callback_max_bytes,
        )
        if settings is None:
            return None
        return replace(
            settings,
            askable=self.protocol.askable,
            decides=True,
            heartbeat_timeout=self.heartbeat_timeout,
            parties=self.parties,
            needed=self.needed,
            page=asked_page(self.confirm),
        )

    def store_settings(self) -> StoreSettings | None:
        """Where the result goes, where there is a destination."""
        return None if self.destination is None else StoreSettings.of(self)

    def job_label(self) -> str:
        """Name of the function."""
        return str(getattr(self.python_callable, "__name__", "") or type(self.python_callable).__name__)

    # -- the way of a job ---------------------------------------------------------------------------------

    def start(self, run: JobRun) -> Submitted:
        """
        Call the function.

        :raises SubmitUnknownError: it raised, so that the job may have been started
        """
        submission = Submission.of(run)
        try:
            returned = call_start(self.python_callable, submission, self.op_args, self.op_kwargs, run.context)
        except AirflowSkipException:
            run.memory.forget()  # it has found that there is nothing to start
            raise
        except AsyncJobError:
            raise  # its own word on whether there is a job
        except Exception as e:
            raise SubmitUnknownError(
                f"The function {self.job_label()} raised {type(e).__name__}: {str(e)[:500]} Whether it has "
                f"started a job is not known. {self._what_next()} A function that knows that it has started "
                "none raises airflow_async_provider.errors.SubmitError."
            ) from e
        return Submitted(self._handle(returned, submission))

    def _handle(self, returned: Any, submission: Submission) -> JobHandle:
        """
        The job that the function has started.

        :raises SubmitUnknownError: what it returned names none
        """
        try:
            return handle_of(returned, self.protocol, submission)
        except ConfigurationError as e:
            raise SubmitUnknownError(f"{e} The job has probably been started. {self._what_next()}") from e

    def _what_next(self) -> str:
        if self.find is not None:
            return "The next try asks the function find for it."
        if self.repeatable:
            return "The next try starts it again, with the same idempotency key."
        return "Look at the remote system; if nothing is there, clear this task."

    def find_started(self, run: JobRun, correlation_id: str) -> JobHandle | None:
        """
        Ask ``find``, or take the callback that has come meanwhile for the proof that there is a job.

        :raises SubmitUnknownError: an earlier try may have started a job, and nothing tells
        """
        submission = Submission(correlation_id, "")
        delivery = run.memory.delivery()
        if delivery is not None:
            return self._handle(None if delivery.job_id is None else delivery.job_id, submission)
        if self.find is not None:
            run.correlation_id = correlation_id
            submission = Submission.of(run)
            found = self._found(submission)
            return None if found is None else self._handle(found, submission)
        if self.repeatable:
            return None
        raise SubmitUnknownError(
            f"An earlier try died while it called {self.job_label()}. Nobody can tell whether that has "
            "started a job, and a second one might do the work twice. Look at the remote system; if nothing "
            "is there, clear this task. Give the operator find, or repeatable=True where the remote system "
            "honours the idempotency key."
        )

    def _found(self, submission: Submission) -> Any:
        assert self.find is not None  # noqa: S101 - who calls this has looked
        try:
            return self.find(submission)
        except AsyncJobError:
            raise
        except Exception as e:
            raise SubmitUnknownError(
                f"The function find raised {type(e).__name__}: {str(e)[:500]} The next try asks it again."
            ) from e

    def may_start_again(self, status: JobStatus) -> bool:
        """After somebody said that the job has failed, a retry starts another one."""
        return self.repeatable or ended_for_sure(status)

    def value_at_end(self) -> TaskEnd | None:
        """What the callback or the last answer brings; what goes to a destination needs a worker."""
        if self.destination is not None or not uses(type(self), RemoteJobOperator, *AT_THE_END, "hook"):
            return None
        return TaskEnd(max_bytes=self.max_xcom_bytes, may_be_nothing=True)

    def process_result(self, run: JobRun, status: JobStatus) -> Any:
        """
        Return the result, or write it to its destination.

        :raises ResultError: it is too large for XCom, or could not be fetched or stored
        """
        handle, protocol = run.handle, self.protocol
        if protocol.pollable and (status.result is None or status.result.value is None):
            status = replace(status, result=self.hook.result(handle, status))
        result = status.result
        if self.destination is not None and result is not None:
            check_destination(handle, result)
            return run.results.store(handle, status, since=run.record.started_at, via=run.record.via)
        returned = ReturnedResult(self.hook, self.log, self.max_xcom_bytes)
        if result is None or (result.value is None and result.url is None and not result.files):
            return None
        return returned.value(handle, status)
