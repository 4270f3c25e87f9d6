# SPDX-License-Identifier: Apache-2.0
"""The bulk API of the simulated SAP Open Connectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_async_provider.simulators._open_connectors_checks import (
    MEDIA_TYPES,
    check_url,
    json_object,
    read_upload,
    refused,
    wanted_media_type,
)
from airflow_async_provider.simulators._open_connectors_jobs import BulkJob
from airflow_async_provider.simulators.frame import Handler
from airflow_async_provider.simulators.reply import Reply

if TYPE_CHECKING:
    from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator

FIRST_JOB = 42114492
PAGE_SIZE = 200


class BulkApi:
    """
    Bulk jobs: start, status, errors, file, cancel, list.

    :param simulator: whom it belongs to
    :param spelling: of the answers
    :param cancel_seconds: how long a job is CANCELLATION_PENDING
    :param streaming_limit: bytes above which a file is refused
    :param keep_seconds: how long jobs are known
    :param chunked: files without Content-Length
    :param rate: bytes per second of each file
    """

    def __init__(
        self,
        simulator: OpenConnectorsSimulator,
        *,
        spelling: str,
        cancel_seconds: float,
        streaming_limit: int,
        keep_seconds: float,
        chunked: bool,
        rate: float | None,
    ) -> None:
        self._simulator = simulator
        self._spelling = spelling
        self._cancel_seconds = cancel_seconds
        self._streaming_limit = streaming_limit
        self._keep_seconds = keep_seconds
        self._chunked = chunked
        self._rate = rate
        #: all jobs, in order
        self.jobs: list[BulkJob] = []

    def paths(self) -> Iterator[tuple[str, str, str, Handler]]:
        """Method, path, kind and handler."""
        yield "POST", "/bulk/download", "submit", self._download
        yield "GET", "/bulk/jobs", "jobs", self._list
        yield "GET", "/bulk/{id}/status", "status", self._status
        yield "GET", "/bulk/{id}/errors", "errors", self._errors
        yield "PUT", "/bulk/{id}/cancel", "cancel", self._cancel
        yield "GET", "/bulk/{id}/{object}", "result", self._file
        yield "POST", "/bulk/{object}", "submit", self._upload

    def job(self, number: int = -1) -> BulkJob:
        """
        One job by its number, the latest one by default.

        :raises LookupError: when there is none
        """
        return self.jobs[number]

    def finish(self, number: int = -1, outcome: str = "completed") -> None:
        """End a job now and send its notification."""
        job = self.job(number)
        if job.outcome is None:
            job.finish(outcome)
            self._notify(job)

    def _new(self, **facts: Any) -> Reply:
        job = BulkJob(
            job_id=FIRST_JOB + len(self.jobs),
            number=len(self.jobs),
            plan=self._simulator.next_plan(str(facts["direction"]).lower()),
            now=self._simulator.clock.now,
            **facts,
        )
        self.jobs.append(job)
        self._simulator.journal.note("job_started")
        if job.ended_at is not None:
            self._notify(job)
        return Reply.json({"id": str(job.job_id), "instanceId": 425904, "status": "CREATED"})

    def _notify(self, job: BulkJob) -> None:
        if job.callback is None or not job.callback.startswith("http") or job.ended_at is None:
            return
        webhooks = self._simulator.webhooks
        webhooks.withdraw(job.deliveries)
        job.deliveries += webhooks.expect(
            job.callback,
            job.notification,
            notification_id=50_000 + job.number,
            at=job.ended_at,
            tamper=job.plan.tamper,
            copies=job.plan.copies,
        )

    async def _download(self, request: web.Request) -> Reply:
        body = await json_object(request)
        name, media_type = body.get("objectName"), body.get("format")
        if not isinstance(name, str) or not name:
            raise refused(400, "objectName is required.")
        if media_type not in MEDIA_TYPES:
            raise refused(400, f"format is one of {', '.join(MEDIA_TYPES)}.")
        callback = body.get("notificationUrl")
        if callback is not None:
            check_url(callback)
        return self._new(
            object_name=name,
            direction="DOWNLOAD",
            media_type="text/csv" if media_type.endswith("csv") else media_type,
            criteria=body,
            callback=callback,
        )

    async def _upload(self, request: web.Request) -> Reply:
        upload = await read_upload(request)
        callback = request.headers.get("Elements-Async-Callback-Url")
        if callback is not None:
            check_url(callback)
        as_json = upload.metadata.get("format") == "json"
        return self._new(
            object_name=request.match_info["object"],
            direction="UPLOAD",
            media_type="application/json" if as_json else "text/csv",
            criteria={},
            callback=callback,
            upload=upload,
        )

    def _wanted(self, request: web.Request) -> BulkJob:
        text = request.match_info["id"]
        for job in self.jobs:
            if str(job.job_id) == text:
                if self._simulator.clock.now() < job.started_at + self._keep_seconds:
                    return job
                break
        raise refused(404, f"No bulk job found with ID {text}")

    async def _status(self, request: web.Request) -> Reply:
        return Reply.json(self._wanted(request).status(self._spelling))

    async def _list(self, request: web.Request) -> Reply:
        return Reply.json(
            [
                {
                    "id": job.job_id,
                    "object_name": job.object_name,
                    "job_direction": job.direction,
                    "status": job.state,
                    "record_count": job.records,
                    "error_count": len(job.errors),
                    "createdDate": int(job.started_at * 1000),
                }
                for job in self.jobs
            ]
        )

    async def _errors(self, request: web.Request) -> Reply:
        errors = self._wanted(request).errors
        try:
            size = int(request.query.get("pageSize", PAGE_SIZE))
            start = int(request.query.get("nextPage", "0") or 0)
        except ValueError:
            raise refused(400, "pageSize or nextPage is not valid.") from None
        page = errors[start : start + size]
        headers = {"Elements-Returned-Count": str(len(page))}
        if start + size < len(errors):
            headers["Elements-Next-Page-Token"] = str(start + size)
        return Reply.json(page, headers=headers)

    async def _cancel(self, request: web.Request) -> Reply:
        job = self._wanted(request)
        if job.outcome is not None:
            raise refused(409, f"The bulk job {job.job_id} has ended already.")
        job.finish("cancelled", at=self._simulator.clock.now() + self._cancel_seconds)
        self._notify(job)
        self._simulator.journal.note("job_cancelled")
        return Reply.json({"status": job.state})

    async def _file(self, request: web.Request) -> Reply:
        job = self._wanted(request)
        if job.direction != "DOWNLOAD" or request.match_info["object"] != job.object_name:
            raise refused(404, "There is no such file.")
        if job.outcome != "completed":
            raise refused(400, f"The bulk job {job.job_id} has not completed.")
        media_type = wanted_media_type(request, job.media_type)
        content = job.content
        if content.size > self._streaming_limit:
            raise refused(429, f"The size of the file exceeds the limit of {self._streaming_limit} bytes.")
        return Reply(
            200,
            {"Content-Type": media_type},
            stream=content.blocks(0, content.size),
            length=None if self._chunked else content.size,
            rate=self._rate,
        )
