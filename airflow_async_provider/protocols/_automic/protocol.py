# SPDX-License-Identifier: Apache-2.0
"""
Broadcom Automic Automation Engine, REST API v1: one execution as a remote job.

Sources, by the public titles of the vendor's pages (docs.automic.com, AE REST API): "Executing Objects",
"Working with Executed Objects", "Filtering Execution Lists", "Pagination for Child Task Executions and
Execution Lists", "Pagination for Reports", "Reports of Executions", "Polling and Callback Requests",
"General Info", and the REST reference 12.3. No live system was at hand. What those pages leave open, and
what is done about it:

* **No idempotency key.** A lost answer to the POST may mean a started run, so the alias carries a mark that
  :meth:`AutomicProtocol.find` looks for, deactivated runs included. Whether an alias may hold "-" and "#" is
  a setting of the site (ALIAS_SPECIAL_CHARACTERS, default "-#"): the mark can be switched off.
* **HTTP 500 on the POST** is what Automic answers to a body that it cannot read (field report, 21.0.8 and
  24.0.0) as well as to trouble of its own. It is never sent again before the mark was looked for.
* **Whether the single GET still answers after deactivation** is not documented; if it does not, the state is
  EXPIRED, with a message that names the possible reasons.
* **A restart has a run id of its own** and names the earlier run in ``reference_run_id``; the original or
  the one before is open, so what :meth:`AutomicProtocol.restarts` found is searched for restarts again.
* **Whether the POST works without the client in its path** (as in one vendor example) is not documented;
  it is always sent.
* **Rate limits** are not documented; 429 and Retry-After are obeyed should they come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from airflow_async_provider.errors import (
    ConfigurationError,
    SubmitError,
    TransientError,
)
from airflow_async_provider.protocols._automic import responses as answers
from airflow_async_provider.protocols._automic.api import PAGE_SIZE, AutomicApi
from airflow_async_provider.protocols._automic.requests import (
    MAX_ALIAS,
    callback_block,
    check_execution_option,
    correlated_alias,
    correlation_suffix,
    prompt_values,
    run_number,
    times_block,
)
from airflow_async_provider.protocols._automic.status_codes import TYPES_WITH_CHILDREN
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import is_transient, request_id, retry_after, unreadable

_MARKED = re.compile(r"#AF-[0-9A-F]{16}\Z")


class AutomicProtocol(AutomicApi, JobProtocol):
    """
    The wire format of Automic executions.

    A run that Automic ended well without running it has the state NOT_RUN; whether that is a success is for
    the operator to say.

    :param client: Automic client, the path segment (``100``, ``0100``)
    :param fail_on_blocked: True gives a blocked or held run (1560 to 1564) the state BLOCKED; False calls
        it RUNNING, to wait until it is resolved in Automic
    :param correlate: whether aliases carry the mark by which a run is found again
    """

    name: ClassVar[str] = "automic"

    def __init__(self, client: str | int, *, fail_on_blocked: bool = True, correlate: bool = True) -> None:
        super().__init__(client)
        self.fail_on_blocked = fail_on_blocked
        self.correlate = correlate

    def options(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "client": self.client,
            "fail_on_blocked": self.fail_on_blocked,
            "correlate": self.correlate,
        }

    def handle(self, run_id: str | int, *, at: float, object_type: str | None = None) -> JobHandle:
        """
        A handle for a run that is known by its number.

        :param at: epoch seconds since when it is watched
        :param object_type: JOBS, JOBP …; decides whether a cancellation takes the children along
        """
        return JobHandle(
            protocol=self.name,
            job_id=run_number(run_id),
            submitted_at=at,
            options=self.options(),
            data={"type": object_type} if object_type else {},
        )

    def typed(self, handle: JobHandle, status: JobStatus) -> JobHandle:
        """The handle with the object's type, which only a status names."""
        kind = handle.data.get("type") or _word(status.detail.get("type"))
        return replace(handle, data={**handle.data, "type": kind}) if kind else handle

    # -- start

    def alias(self, name: str, correlation_id: str) -> str | None:
        """
        The alias to start with, None when aliases carry no mark.

        :param name: object name, or the user's own alias
        :param correlation_id: text that stands for this one submission
        """
        return correlated_alias(name, correlation_id) if self.correlate else None

    def submit(
        self,
        object_name: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        alias: str | None = None,
        queue: str | None = None,
        timezone: str | None = None,
        execution_option: str = "execute",
        once: Mapping[str, Any] | None = None,
        recurring: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        callback_headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> HttpRequest:
        """
        The request that starts an object.

        :param object_name: name of the object
        :param inputs: PromptSet variables; names end in ``#``; values are text or lists of text
        :param alias: shown instead of the name, see :meth:`alias`
        :param queue: queue object to run in
        :param timezone: timezone object; Automic does not check that it exists
        :param execution_option: ``execute``, ``once`` or ``recurring``
        :param once: ``execution_date_time``, ``wait_for_manual_release``, ``use_logical_time``
        :param recurring: ``start_date``, ``end_date``, ``end_after_executions``, ``execute_after``,
            ``execute_at``, ``between_start``, ``between_end``, ``adjust_start_time`` (vendor's samples for
            12.2; the reference could not be read)
        :param callback_url: where Automic (21 and later) reports the end
        :param callback_headers: copied into the callback request as they are
        :param extra: further members of the body, for versions that know more than the public pages
        :raises ConfigurationError: the arguments do not fit together
        """
        check_execution_option(execution_option, once=once, recurring=recurring, callback=bool(callback_url))
        if not str(object_name or "").strip():
            raise ConfigurationError("object_name is empty: name the Automic object to start.")
        if alias is not None and len(alias) > MAX_ALIAS:
            raise ConfigurationError(
                f"The alias has {len(alias)} characters, Automic allows {MAX_ALIAS}: shorten it."
            )
        body: dict[str, Any] = {
            "object_name": str(object_name).strip(),
            "alias": alias,
            "queue": queue,
            "timezone": timezone,
            "inputs": prompt_values(inputs) if inputs else None,
            # "execute" is what Automic does anyway; the field is sent only where it says something.
            "execution_option": None if execution_option == "execute" else execution_option,
            "once": times_block(once),
            "recurring": times_block(recurring),
            "callback": callback_block(callback_url, callback_headers) if callback_url else None,
        }
        if double := sorted(set(extra or {}) & set(body)):
            raise ConfigurationError(
                f"extra must not hold {', '.join(double)}: there are arguments for them."
            )
        body = {name: value for name, value in {**body, **(extra or {})}.items() if value is not None}
        return HttpRequest("POST", self._path("executions"), json=body, repeatable=False)

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to the start.

        :raises SubmitError: Automic refused
        :raises TransientError: 5xx and 429: it is unknown whether a run was started
        :raises UnreadableAnswerError: accepted, but without a run id
        """
        if not 200 <= response.status < 300:
            _refused_submit(response)
        run_id = answers.new_run(response.json_object(job="an Automic object"))
        if run_id is None:
            raise unreadable(response, "Automic accepted the start but gave no run_id.")
        return Submitted(self.handle(run_id, at=response.received_at))

    # -- find again

    def find(self, correlation_id: str) -> HttpRequest | None:
        """
        The request that looks for the run of a submission, deactivated runs included.

        :param correlation_id: what :meth:`alias` was given, or better the alias that it returned: an exact
            look-up spares Automic's database the search with a leading wildcard
        """
        if not self.correlate:
            return None
        alias = correlation_id if _MARKED.search(correlation_id) else "*" + _mark(correlation_id)
        return self.executions(alias=alias, include_deactivated=True)

    def read_find(self, correlation_id: str, response: HttpResponse) -> JobHandle | None:
        """
        The run that was started with that correlation id, or alias.

        The oldest one: later ones with the same alias are restarts, which are followed on purpose only.

        :raises RemoteError: the answer says nothing
        """
        answers.raise_for_automic(response, job="the run", doing="looking for")
        mark = _mark(correlation_id)
        # The filter is checked here once more: a wrong run taken for ours would be cancelled one day.
        return self._chosen(
            response,
            lambda item: str(item.get("alias", "")).upper().endswith(mark) and item.get("type") != "CBCK",
            min,
        )

    # -- watch

    def status(self, handle: JobHandle) -> HttpRequest:
        """The execution's record."""
        return self.execution(handle.job_id)

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the execution's record.

        A run that Automic does not know (404 with code 11049) is EXPIRED.

        :raises RemoteError: an answer that says nothing about the run
        """
        job = f"Automic run {handle.job_id}"
        if response.status == 404 and (failure := answers.failure_of(response)).code == answers.NO_SUCH_RUN:
            return JobStatus(
                JobState.EXPIRED,
                remote_status="404",
                message=answers.no_such_run(failure),
                request_id=request_id(response.headers),
            )
        answers.raise_for_automic(response, job=job, doing="asking for the status of")
        record = response.json_object(job=job)
        answers.check_run(record, handle.job_id, response)
        return answers.status_of_record(record, response, job=job, fail_on_blocked=self.fail_on_blocked)

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """What a callback seems to say: a hint only, the execution is read once more. Never fails."""
        return answers.callback_hint(body)

    # -- change

    def cancel(self, handle: JobHandle) -> HttpRequest:
        """
        The request that cancels a run; Automic does it in its own time (1571, then 1850 or 1851).

        Where the handle says JOBP, JSCH or JOBG, the children are cancelled too; see :meth:`typed`.
        """
        body: dict[str, Any] = {"action": "cancel"}
        if handle.data.get("type") in TYPES_WITH_CHILDREN:
            body["cancel"] = {"recursive": "true"}  # a text in the public samples
        # Repeatable: the second one is refused with 11191.
        return HttpRequest("POST", self._run_path(handle.job_id, "status"), json=body, repeatable=True)

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether Automic cancels the run; False when it is not active any more, or not known.

        :raises RemoteError: Automic refused for another reason
        """
        if answers.failure_of(response).code in (answers.WRONG_STATE, answers.NO_SUCH_RUN):
            return False
        answers.raise_for_automic(response, job=f"Automic run {handle.job_id}", doing="cancelling")
        return True

    def restarts(self, handle: JobHandle) -> HttpRequest:
        """The request that asks which runs are restarts of this one."""
        return self.executions(reference_run_id=handle.job_id, include_deactivated=True)

    def read_restarts(self, handle: JobHandle, response: HttpResponse) -> JobHandle | None:
        """
        The newest restart of a run, None when it was not restarted.

        :raises RemoteError: the answer says nothing
        """
        answers.raise_for_automic(
            response, job=f"Automic run {handle.job_id}", doing="looking for restarts of"
        )
        own = int(handle.job_id)
        return self._chosen(
            response,
            lambda item: (
                answers.number(item.get("reference_run_id")) == own
                and (answers.number(item.get("run_id")) or 0) > own
            ),
            max,
        )

    def _chosen(
        self,
        response: HttpResponse,
        fits: Callable[[dict[str, Any]], bool],
        choose: Callable[[Iterable[int]], int],
    ) -> JobHandle | None:
        """The first or last run on a page that fits."""
        found = {
            run_id: item
            for item in answers.page_of(response, asked=PAGE_SIZE).items
            if (run_id := answers.number(item.get("run_id"))) and run_id > 0 and fits(item)
        }
        if not found:
            return None
        run_id = choose(found)
        return self.handle(run_id, at=response.received_at, object_type=_word(found[run_id].get("type")))


def _refused_submit(response: HttpResponse) -> None:
    """
    Raise what a start that was not accepted stands for.

    :raises AsyncJobError: always
    """
    failure, job = answers.failure_of(response), "an Automic object"
    if failure.momentary:
        # Automic says that it did not take the request, so it may be sent again.
        raise TransientError(
            f"HTTP {response.status} when starting {job}: Automic is busy with ILM. "
            f"Response: {str(failure)!r}.",
            retry_after=retry_after(response.headers, response.received_at),
            sent=False,
            http_status=response.status,
            request_id=request_id(response.headers),
        )
    credentials = response.status in (401, 403) and failure.code != answers.WRONG_STATE
    if credentials or is_transient(response.status):
        answers.raise_for_automic(response, job=job, doing="starting")
    reason = str(failure) or excerpt(response.body)
    raise SubmitError(
        f"Automic refused the start: HTTP {response.status}. Response: {reason!r}. Check the object's "
        "name and client, the PromptSet inputs, and the user's right to execute it.",
        http_status=response.status,
        request_id=request_id(response.headers),
    )


def _mark(correlation_id: str) -> str:
    """The mark at the end of the alias, for a correlation id or for the alias itself."""
    found = _MARKED.search(correlation_id)
    return found.group() if found else "#" + correlation_suffix(correlation_id)


def _word(value: Any) -> str | None:
    return value[:40] if isinstance(value, str) and value else None
