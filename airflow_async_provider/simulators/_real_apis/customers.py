# SPDX-License-Identifier: Apache-2.0
"""
Customer data: SendGrid, Salesforce Bulk API 2.0, Marketo, Auth0.

Sources: twilio.com/docs/sendgrid "Export Contacts Status"; developer.salesforce.com "Bulk API 2.0 Query";
experienceleague.adobe.com "Bulk Lead Extract"; Auth0's open Python SDK (types/get_job_response_content.py).
"""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, lines, on, rows, stamp
from airflow_async_provider.simulators._real_apis.job import Job


class SendGrid(Api):
    """Contacts export: three files behind pre-signed URLs."""

    name = "sendgrid"

    def error(self, status: int, text: str) -> Any:
        """A list of errors."""
        return {"errors": [{"field": None, "message": text}]}

    @on("POST", "/v3/marketing/contacts/exports", "submit")
    def _start(self, call: Call) -> Answer:
        return answer({"_metadata": {}, "id": call.start("export-").id}, 202)

    @on("GET", "/v3/marketing/contacts/exports/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        body: dict[str, Any] = {"id": job.id, "status": job.word(["pending"], "ready", {"fail": "failure"})}
        if job.good:
            body["urls"] = [call.signed(f"{job.id}/{n}.csv", rows(2, 2 * n - 1)) for n in (1, 2, 3)]
            body["expires_at"] = stamp(self.simulator.clock.now() + 3 * 86400)
        if job.bad:
            body["message"] = "The export could not be written"
        return body


class Salesforce(Api):
    """Bulk API 2.0: queries, whose CSV comes in pages, and ingestion, which begins with the third request."""

    name = "salesforce"
    outcomes = ("fail", "partial")

    def error(self, status: int, text: str) -> Any:
        """A list with one error."""
        return [{"errorCode": f"API_{status}", "message": text}]

    @on("POST", "/services/data/v62.0/jobs/query", "submit")
    def _start_query(self, call: Call) -> Answer:
        call.need("operation", "query")
        return self._document(call.start("750", kind="query"))

    @on("POST", "/services/data/v62.0/jobs/ingest", "submit")
    def _start_ingest(self, call: Call) -> Answer:
        call.need("operation", "object")
        job = call.start("751", kind="ingest", uploaded=0)
        job.hold()
        return self._document(job)

    @on("PUT", "/services/data/v62.0/jobs/ingest/{id}/batches", "step")
    def _upload(self, call: Call) -> Answer:
        job = call.job()
        if not job.waits or "text/csv" not in call.header("Content-Type") or not call.raw:
            call.refuse(400, "CSV for an open job is expected")
        job.about["uploaded"] = len(call.raw)
        return answer(status=201)

    @on("GET", "/services/data/v62.0/jobs/{kind}/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("PATCH", "/services/data/v62.0/jobs/{kind}/{id}", "cancel")
    def _set_state(self, call: Call) -> Answer:
        job, wanted = call.job(), call.need("state")["state"]
        if wanted == "UploadComplete" and job.waits and not job.stopped:
            job.begin()
        elif wanted != "Aborted" or not call.cancel(job):
            call.refuse(400, "Invalid state")
        return self._document(job)

    @on("DELETE", "/services/data/v62.0/jobs/{kind}/{id}", "delete")
    def _delete(self, call: Call) -> Answer:
        job = call.job()
        if not job.ended:
            call.refuse(400, "The job is still running")
        del self.jobs[job.id]
        return answer(status=204)

    @on("GET", "/services/data/v62.0/jobs/query/{id}/results", "result")
    def _page(self, call: Call) -> Answer:
        if not call.job().good:
            call.refuse(400, "The job has no results")
        page = int(call.query("locator", "0"))
        headers = {"Sforce-Locator": str(page + 1) if page < 2 else "null", "Sforce-NumberOfRecords": "2"}
        return answer(rows(2, 2 * page + 1), headers=headers, content_type="text/csv; charset=UTF-8")

    @on("GET", "/services/data/v62.0/jobs/ingest/{id}/{which}", "result")
    def _records(self, call: Call) -> Answer:
        job = call.job()
        if not job.over:
            call.refuse(400, "The job has not ended")
        failed = "sf__Id,sf__Error,Name\n" + (",DUPLICATE,B\n" if job.outcome == "partial" else "")
        files = {"successfulResults": rows(1), "failedResults": failed, "unprocessedrecords": "Name\n"}
        return answer(files[call["which"]], content_type="text/csv")

    def _document(self, job: Job) -> Answer:
        word = job.word(["UploadComplete", "InProgress"], "JobComplete", {"fail": "Failed"}, "Aborted")
        waits = job.waits and not job.stopped
        body = {"id": job.id, "object": "Account", "state": "Open" if waits else word}
        if job.about["kind"] == "ingest":
            body["contentUrl"] = f"services/data/v62.0/jobs/ingest/{job.id}/batches"
            body["numberRecordsFailed"] = int(job.over and job.outcome == "partial")
        if word == "Failed":
            body["errorMessage"] = "InvalidBatch : Field name not found : Nmae"
        return body


class Marketo(Api):
    """Bulk extract: created, then enqueued; every error comes with HTTP 200."""

    name = "marketo"

    def error(self, status: int, text: str) -> Any:
        """A refusal inside a 200."""
        code = {401: "601", 400: "1003"}.get(status, "1029")
        return {"requestId": "e42b#1", "success": False, "errors": [{"code": code, "message": text}]}

    def error_status(self, status: int) -> int:
        """Always 200."""
        return 200

    @on("POST", "/bulk/v1/leads/export/create.json", "submit")
    def _create(self, call: Call) -> Answer:
        call.need("fields", "filter")
        job = call.start("mk-")
        job.hold()
        return self._document(job)

    @on("POST", "/bulk/v1/leads/export/{id}/enqueue.json", "step")
    def _enqueue(self, call: Call) -> Answer:
        job = self._own(call)
        if job.waits:
            job.begin()
        return self._document(job)

    @on("GET", "/bulk/v1/leads/export/{id}/status.json", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(self._own(call))

    @on("POST", "/bulk/v1/leads/export/{id}/cancel.json", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = self._own(call)
        if not call.cancel(job):
            call.refuse(409, "Export job has ended")
        return self._document(job)

    @on("GET", "/bulk/v1/leads/export/{id}/file.json", "result")
    def _file(self, call: Call) -> Answer:
        if not self._own(call).good:
            call.refuse(409, "Export job is not completed")
        return answer(rows(), content_type="text/csv")

    def _own(self, call: Call) -> Job:
        return call.job(status=410)

    def _document(self, job: Job) -> Answer:
        word = job.word(["Queued", "Processing"], "Completed", {"fail": "Failed"}, "Cancelled")
        export = {"exportId": job.id, "format": "CSV"}
        export["status"] = "Created" if job.waits and not job.stopped else word
        if job.bad:
            export["errorMsg"] = "Export failed"
        if job.good:
            export["fileChecksum"] = "sha256:" + hashlib.sha256(rows().encode()).hexdigest()
        return {"requestId": "e42b#1", "success": True, "result": [export]}


class Auth0(Api):
    """Users export: gzipped lines behind a URL that is good for a minute and new in every answer."""

    name = "auth0"

    def error(self, status: int, text: str) -> Any:
        """A status, a word and a text."""
        return {"statusCode": status, "error": "Error", "message": text}

    @on("POST", "/api/v2/jobs/users-exports", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("format")
        return self._document(call, call.start("job_"))

    @on("GET", "/api/v2/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call, call.job())

    def _document(self, call: Call, job: Job) -> Answer:
        word = job.word(["pending", "processing"], "completed", {"fail": "failed"})
        body = {"type": "users_export", "id": job.id, "status": word, "percentage_done": job.percent}
        if job.good:
            packed = gzip.compress(lines({"user_id": "a"}, {"user_id": "b"}).encode())
            name = f"{next(self.simulator.numbers)}.ndjson.gz"
            body["location"] = call.signed(name, packed, "application/octet-stream")
        return body
