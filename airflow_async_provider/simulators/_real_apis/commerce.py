# SPDX-License-Identifier: Apache-2.0
"""
Shops and purchasing: Amazon Selling Partner API, Shopify, SAP Ariba, and Power BI's export to a file.

Sources: developer-docs.amazon.com/sp-api "Verify that report processing is complete"; shopify.dev
"BulkOperation"; help.sap.com "Creating a Client Application Using the Asynchronous Analytical Reporting
API"; learn.microsoft.com "Reports - Get Export To File Status In Group".
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, lines, on, rows, stamp
from airflow_async_provider.simulators._real_apis.files import GOOGLE
from airflow_async_provider.simulators._real_apis.job import Job


class SpApi(Api):
    """Reports: the URL of the file is in a second document; CANCELLED may mean: nothing to report."""

    name = "sp_api"
    key_header = "x-amz-access-token"
    outcomes = ("fail", "empty")

    def error(self, status: int, text: str) -> Any:
        """A list of errors."""
        return {"errors": [{"code": "InvalidInput", "message": text}]}

    @on("POST", "/reports/2021-06-30/reports", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("reportType", "marketplaceIds")
        return answer({"reportId": call.start().id}, 202)

    @on("GET", "/reports/2021-06-30/reports/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        ended = {"fail": "FATAL", "empty": "CANCELLED"}
        word = job.word(["IN_QUEUE", "IN_PROGRESS"], "DONE", ended, "CANCELLED")
        body = {"reportId": job.id, "processingStatus": word}
        if job.over and job.outcome != "empty":  # a FATAL report may have a document, too, which says why
            body["reportDocumentId"] = f"amzn1.spdoc.{job.id}"
        return body

    @on("DELETE", "/reports/2021-06-30/reports/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        if not call.cancel(call.job()):
            call.refuse(400, "The report is no longer in the queue")
        return answer()

    @on("GET", "/reports/2021-06-30/documents/{document}", "result")
    def _document(self, call: Call) -> Answer:
        packed = gzip.compress(b"sku\tprice\nA\t1\n")
        url = call.signed(f"{call['document']}.gz", packed, "text/tab-separated-values")
        return {"reportDocumentId": call["document"], "url": url, "compressionAlgorithm": "GZIP"}


class Shopify(Api):
    """Bulk operations: one path for everything, GraphQL; refusals come with HTTP 200."""

    name = "shopify"
    key_header = "X-Shopify-Access-Token"
    outcomes = ("fail", "empty")
    signature = GOOGLE

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"errors": text}

    @on("POST", "/admin/api/2025-07/graphql.json", "submit")
    def _run(self, call: Call) -> Answer:
        body = call.need("query")
        text = str(body["query"])
        if "bulkOperationRunQuery" in text:
            return self._start(call)
        found = re.search(r"gid://shopify/BulkOperation/\d+", str(body.get("variables")) + text)
        job = self.jobs.get(found[0]) if found else None
        if "bulkOperationCancel" in text:
            return self._cancel(call, job)
        if "node" in text:
            document = job and self._document(call, job)
            if job is not None:
                job.asked()
            return {"data": {"node": document}}
        return {"errors": [{"message": "The query cannot be understood"}]}

    def _start(self, call: Call) -> Answer:
        errors, made = [], None
        if any(not job.ended for job in self.jobs.values()):
            errors = [{"field": None, "message": "A bulk query operation is already in progress"}]
        else:
            job_id = f"gid://shopify/BulkOperation/{next(self.simulator.numbers)}"
            made = self._document(call, call.start(job_id=job_id))
        return {"data": {"bulkOperationRunQuery": {"bulkOperation": made, "userErrors": errors}}}

    def _cancel(self, call: Call, job: Job | None) -> Answer:
        errors = [{"field": ["id"], "message": "Bulk operation cannot be canceled"}]
        if job is not None and call.cancel(job):
            errors = []
        made = job and self._document(call, job)
        return {"data": {"bulkOperationCancel": {"bulkOperation": made, "userErrors": errors}}}

    def _document(self, call: Call, job: Job) -> dict[str, Any]:
        failed = job.bad and job.outcome == "fail"
        name = f"{next(self.simulator.numbers)}.jsonl"
        url = call.signed(name, lines({"id": 1}, {"id": 2}), "application/jsonl")
        return {
            "id": job.id,
            "status": job.word(
                ["CREATED", "RUNNING"], "COMPLETED", {"fail": "FAILED"}, "CANCELED", stopping="CANCELING"
            ),
            "errorCode": "ACCESS_DENIED" if failed else None,
            "objectCount": "0" if job.outcome == "empty" else str(2 * job.percent // 100),
            "url": url if job.good else None,
            "partialDataUrl": url if failed else None,
        }


class Ariba(Api):
    """Analytical reporting: a list of file names for each job, and a further job for each page."""

    name = "ariba"
    outcomes = ("fail", "empty")
    headers: ClassVar[Mapping[str, str]] = {"apiKey": "application-key"}
    headers_status = 401

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"error": text}

    @on("POST", "/api/analytics-reporting-job/v1/prod/jobs", "submit")
    def _start(self, call: Call) -> Answer:
        call.need_query("realm")
        call.need("viewTemplateName")
        page = int(call.query("pageToken", "p1").removeprefix("p"))
        return self._document(call.start("ariba-", page=page))

    @on("GET", "/api/analytics-reporting-jobresult/v1/prod/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        call.need_query("realm")
        return self._document(call.job())

    @on("GET", "/api/analytics-reporting-jobresult/v1/prod/jobs/{id}/files/{file}", "result")
    def _file(self, call: Call) -> Answer:
        call.need_query("realm")
        if not call.job().good or call["file"] not in ("a.zip", "b c.zip"):
            call.refuse(404, "No such file")
        return answer(_zipped({"rows.csv": rows()}), content_type="application/zip")

    def _document(self, job: Job) -> Answer:
        ended = {"fail": "failed", "empty": "completedZeroRecords"}
        body = {"jobId": job.id, "status": job.word(["pending", "processing"], "completed", ended)}
        body |= {"currentPageNum": job.about["page"], "totalNumOfPages": 2}
        body["files"] = ["a.zip", "b c.zip"] if job.good else []
        if job.good and job.about["page"] == 1:
            body["pageToken"] = "p2"
        return body


class PowerBi(Api):
    """Export to a file: the poll's path is built of the id, the file lies at the same origin."""

    name = "powerbi"

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"error": {"code": f"PowerBI{status}", "message": text}}

    @on("POST", "/v1.0/myorg/groups/{group}/reports/{report}/ExportTo", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("format")
        return answer({"id": call.start("Mi9=").id, "status": "NotStarted", "percentComplete": 0}, 202)

    @on("GET", "/v1.0/myorg/groups/{group}/reports/{report}/exports/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        body: dict[str, Any] = {"id": job.id, "percentComplete": job.percent, "resourceFileExtension": ".pdf"}
        body["status"] = job.word(["NotStarted", "Running"], "Succeeded", {"fail": "Failed"})
        if job.good:
            body["resourceLocation"] = f"{self.simulator.url}{call.request.path}/file"
            body["expirationTime"] = stamp(self.simulator.clock.now() + 86400)
        if job.bad:
            body["error"] = {"code": "ExportFailed", "message": "The report is broken"}
        return answer(body) if job.over else answer(body, 202, headers=call.pace)

    @on("GET", "/v1.0/myorg/groups/{group}/reports/{report}/exports/{id}/file", "result")
    def _file(self, call: Call) -> Answer:
        if not call.job().good:
            call.refuse(404, "There is no file")
        return answer(b"%PDF-1.7 report", content_type="application/pdf")


def _zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()
