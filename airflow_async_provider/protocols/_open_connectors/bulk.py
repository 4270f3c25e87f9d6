# SPDX-License-Identifier: Apache-2.0
"""
SAP Open Connectors (formerly Cloud Elements): bulk jobs, version 3 for the way out.

Sources: SAP Open Connectors, "Bulk v3 Features" and "Using Bulk"; the API description of a connector as
the platform itself publishes it (``/elements/{id}/docs``, collected by APIs.guru); Cloud Elements' public
test suite "churros" for versions 1 and 2. They spell the same things differently, so every spelling is read:
``jobStatus`` or ``status``, ``CANCELED`` or ``CANCELLED``, ``COMPLETE`` or ``COMPLETED``, ``recordCount``,
``recordsCount`` or ``record_count``, ``errorCount``, ``recordsFailedCount`` or ``error_count``.

The result is kept for seven days ("What data does SAP Open Connectors store?"). Files above 6 GB and
transfers above 3,600 seconds end in a 429 ("Technical Restrictions").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from airflow_async_provider.errors import (
    CallbackError,
    ConfigurationError,
    TransientError,
)
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._open_connectors.bulk_responses import (
    ErrorsPage,
    read_errors,
    read_notification,
    read_state,
)
from airflow_async_provider.protocols._open_connectors.protocol import (
    CALLBACK_HEADER,
    check_callback_url,
)
from airflow_async_provider.protocols._open_connectors.responses import (
    DELIVERY_HEADER,
    identifier,
    platform_error,
    raise_for_platform_answer,
    raise_for_submission,
)
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import request_id, retry_after, unreadable

#: Short names of the formats. For CSV the documents disagree (``text/csv``, ``txt/csv``, ``csv``), so any
#: other text is sent as it is.
FORMATS: Mapping[str, str] = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "csv": "text/csv",
}

#: A job that is not known so shortly after its start may not have reached all of SAP's servers (seconds).
NOT_FOUND_PATIENCE = 60.0


class OpenConnectorsBulkProtocol(JobProtocol):
    """
    The wire format of a bulk job.

    :param object_name: what is moved, as the connector names it (``contacts``)
    :param format: ``json``, ``jsonl``, ``csv``, or a media type
    :param direction: ``download`` or ``upload``
    :raises ConfigurationError: no object name, or an unknown direction
    """

    name: ClassVar[str] = "open_connectors_bulk"

    def __init__(self, *, object_name: str, format: str = "json", direction: str = "download") -> None:  # noqa: A002 - the vendor's and the operators' word
        if not object_name or object_name in (".", ".."):
            raise ConfigurationError("A bulk job needs the name of an object, such as 'contacts'.")
        if direction not in ("download", "upload"):
            raise ConfigurationError(f"The direction of a bulk job is download or upload, not {direction!r}.")
        self.object_name = object_name
        self.format = FORMATS.get(format.strip().lower(), format.strip())
        self.direction = direction

    def options(self) -> dict[str, Any]:
        """Object, format and direction."""
        return {"object_name": self.object_name, "format": self.format, "direction": self.direction}

    # -- starting -----------------------------------------------------------------------------------------

    def download(
        self,
        *,
        where: str | None = None,
        select_fields: str | Sequence[str] | None = None,
        callback_url: str | None = None,
        criteria: Mapping[str, Any] | None = None,
    ) -> HttpRequest:
        """
        The request that starts a download job.

        It only reads, so it may be repeated after a lost answer; a second job does no harm beyond its work.

        :param where: CEQL condition without the word WHERE
        :param select_fields: fields to fetch, a list or text separated by commas; all when left out
        :param callback_url: where SAP reports the end (``notificationUrl``); a secret, if it carries one
        :param criteria: further documented fields (``from``, ``to``, ``filterDateField``, ``limit``,
            ``pageSize``, ``apiLimit``, ``continueFromJobId``, ``docsHubDetails`` …)
        :raises ConfigurationError: no usable callback address
        """
        if callback_url is not None:
            check_callback_url(callback_url)
        fields = (
            select_fields
            if select_fields is None or isinstance(select_fields, str)
            else ",".join(select_fields)
        )
        body = {
            **(criteria or {}),
            "objectName": self.object_name,
            "format": self.format,
            "where": where,
            "selectFields": fields,
            "notificationUrl": callback_url,
        }
        return HttpRequest(
            "POST", "bulk/download", json={name: value for name, value in body.items() if value is not None}
        )

    def upload(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        correlation_id: str | None = None,
    ) -> tuple[HttpRequest, dict[str, Any]]:
        """
        The request that starts an upload job, without its body, and the ``metaData`` that goes into it.

        The body is ``multipart/form-data`` with ``file`` and ``metaData``; the caller streams it. It writes
        into another system, so it is not repeated after a lost answer.

        :param metadata: ``identifierFieldName``, ``action`` (``upsert``), ``listId`` … of the connector
        :param callback_url: where SAP reports the end
        :param correlation_id: comes back as ``callback-payload``
        :raises ConfigurationError: no usable callback address
        """
        further: dict[str, Any] = {}
        if self.format == FORMATS["json"] or self.format == FORMATS["jsonl"]:
            further["format"] = "json"  # the documented word; each record stands on a line of its own
        further.update(metadata or {})
        if correlation_id is not None:
            further["callback-payload"] = {"correlationId": correlation_id}
        headers = {}
        if callback_url is not None:
            check_callback_url(callback_url)
            headers[CALLBACK_HEADER] = callback_url
        request = HttpRequest(
            "POST", f"bulk/{quote(self.object_name, safe='')}", headers=headers, repeatable=False
        )
        return request, further

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to the start.

        :raises SubmitError: refused
        :raises UnreadableAnswerError: a 2xx without ``id``
        """
        job = f"the bulk {self.direction} of {self.object_name}"
        raise_for_submission(
            response,
            job=job,
            hint="Check object_name, where and select_fields against the connector's API docs.",
        )
        answer = response.json_object(job=job)
        job_id = identifier(answer.get("id"))
        if job_id is None:
            raise unreadable(
                response, f"the answer to {job} has no id.", request_id=request_id(response.headers)
            )
        handle = JobHandle(
            protocol=self.name,
            job_id=job_id,
            submitted_at=response.received_at,
            options=self.options(),
        )
        return Submitted(handle)

    # -- watching -----------------------------------------------------------------------------------------

    def status(self, handle: JobHandle) -> HttpRequest:
        """``GET /bulk/{id}/status``."""
        return HttpRequest("GET", f"bulk/{_segment(handle)}/status")

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the job's state in any spelling.

        :raises RemoteError: an answer that says nothing about the job
        """
        job = f"bulk job {handle.job_id}"
        if response.status == 404:
            error = platform_error(response)
            if response.received_at - handle.submitted_at < NOT_FOUND_PATIENCE:
                raise TransientError(
                    f"HTTP 404 for {job}, which has only just been started ({error}).",
                    job=job,
                    http_status=404,
                    request_id=error.request_id,
                )
            # Jobs are kept for a few days; asking for one that is gone will not bring it back.
            return JobStatus(
                JobState.EXPIRED, remote_status="404", message=str(error), request_id=error.request_id
            )
        raise_for_platform_answer(response, job=job, doing="asking for the status of")
        answer = response.json_object(job=job)
        if (named := identifier(answer.get("id"))) not in (None, identifier(handle.job_id)):
            what = f"the answer is about another job, {excerpt(named, 80)!r}."
            raise unreadable(response, what, job=job)
        status = read_state(answer)
        if not status.remote_status:
            raise unreadable(response, "the answer has neither jobStatus nor status.", job=job)
        result = None
        if status.state is JobState.SUCCEEDED and self.direction == "download":
            result = self.file(handle)
        return JobStatus(
            status.state,
            remote_status=status.remote_status,
            message=status.message,
            retry_after=retry_after(response.headers, response.received_at),
            result=result,
            recognised=status.recognised,
            request_id=request_id(response.headers),
            detail=status.detail,
        )

    def file(self, handle: JobHandle) -> Result:
        """Where the file of a finished download lies: on SAP's own host, so it wants the credentials."""
        return Result(
            url=f"bulk/{_segment(handle)}/{quote(self.object_name, safe='')}",
            authorized=True,
            headers={"Accept": "text/csv" if self.format.lower().endswith("csv") else self.format},
        )

    # -- cancelling ---------------------------------------------------------------------------------------

    def cancel(self, handle: JobHandle) -> HttpRequest:
        """``PUT /bulk/{id}/cancel``; the job is cancelled within seconds."""
        return HttpRequest("PUT", f"bulk/{_segment(handle)}/cancel")

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether SAP took the cancellation; a refusal (400, 404, 409) means that the job had ended.

        :raises RemoteError: an answer that says nothing about it
        """
        if response.status in (400, 404, 409):
            return False
        raise_for_platform_answer(response, job=f"bulk job {handle.job_id}", doing="cancelling")
        return True

    # -- errors of single records -------------------------------------------------------------------------

    def errors(self, handle: JobHandle, *, page_size: int = 50, next_page: str | None = None) -> HttpRequest:
        """
        ``GET /bulk/{id}/errors``, one page.

        :param page_size: entries of a page; SAP's own default is 200
        :param next_page: token from the page before
        """
        return HttpRequest(
            "GET",
            f"bulk/{_segment(handle)}/errors",
            params={"pageSize": page_size, "nextPage": next_page},
        )

    def read_errors(self, handle: JobHandle, response: HttpResponse) -> ErrorsPage:
        """
        Read one page of errors; entries may be text or objects.

        :raises RemoteError: no page
        """
        return read_errors(response, job=f"bulk job {handle.job_id}")

    # -- callbacks ----------------------------------------------------------------------------------------

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read the notification of a job's end, in the form that the vendor's public samples read it.

        ``error`` means failure, ``status`` is the state. ``detail`` has ``job_id`` and, for uploads,
        ``correlation_id``, by which it must fit the job that it is taken for. It carries no result: the
        status is asked for once more before it is believed.

        :raises CallbackError: no JSON object
        """
        return read_notification(headers, body)

    def delivery_id(self, headers: Headers, body: bytes) -> str | None:
        """A key that the repetitions of one notification share, None when it carries no id."""
        try:
            status = self.read_callback(headers, body)
        except CallbackError:
            status = JobStatus(JobState.RUNNING)
        job_id = status.detail.get("job_id")
        webhook_id = identifier(headers.get(DELIVERY_HEADER, ""))
        if not job_id and not webhook_id:
            return None
        return f"bulk:{job_id or ''}:{webhook_id or ''}:{status.remote_status}"


def _segment(handle: JobHandle) -> str:
    return quote(handle.job_id, safe="")
