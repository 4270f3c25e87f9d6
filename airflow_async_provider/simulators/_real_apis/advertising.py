# SPDX-License-Identifier: Apache-2.0
"""
Reports of advertising networks: Amazon Ads, Microsoft Advertising (Bing), Pinterest, Meta (Facebook).

Sources: Microsoft's open Python SDK ``bingads`` (v13/bulk/bulk_operation.py); Meta's open Python SDK
(adreportrun.py) and its developer blog "Enhanced Error Messaging for Ads Insights Async API". Amazon Ads
and Pinterest: the words of open-source connectors.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, on, rows
from airflow_async_provider.simulators._real_apis.files import AZURE
from airflow_async_provider.simulators._real_apis.job import Job


class AmazonAds(Api):
    """Reports v3: two headers on every request, a duplicate is refused with 425, gzipped JSON."""

    name = "amazon_ads"
    headers: ClassVar[Mapping[str, str]] = {
        "Amazon-Advertising-API-ClientId": "client-1",
        "Amazon-Advertising-API-Scope": "7",
    }
    headers_status = 401

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"code": str(status), "detail": text}

    @on("POST", "/reporting/reports", "submit")
    def _start(self, call: Call) -> Answer:
        body = call.need("startDate", "endDate", "configuration.reportTypeId", "configuration.columns")
        about = {"scope": self._scope(call), "body": body}
        for job in self.jobs.values():
            if not job.ended and job.about == about:
                call.refuse(425, f"The Request is a duplicate of : {job.id}")
        return self._document(call, call.start("report-", scope=about["scope"], body=body))

    @on("GET", "/reporting/reports/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call, self._own(call))

    @on("DELETE", "/reporting/reports/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = self._own(call)
        call.cancel(job)
        return self._document(call, job)

    def _own(self, call: Call) -> Job:
        job = call.job()
        if job.about["scope"] != self._scope(call):
            call.refuse(404, "No such report in this profile")
        return job

    def _scope(self, call: Call) -> str:
        return call.header("Amazon-Advertising-API-Scope")

    def _document(self, call: Call, job: Job) -> Answer:
        packed = gzip.compress(json.dumps([{"campaignId": 1}, {"campaignId": 2}]).encode())
        url = call.signed(f"{job.id}.json.gz", packed, "application/octet-stream") if job.good else None
        return {
            "reportId": job.id,
            "status": job.word(["PENDING", "PROCESSING"], "COMPLETED", {"fail": "FAILED"}, "CANCELLED"),
            "url": url,
            "failureReason": "Internal error" if job.bad else None,
        }


class BingAds(Api):
    """Bulk v13: polled by POST, the id has two names, a zip or gzip behind a short-lived URL."""

    name = "bing_bulk"
    outcomes = ("fail", "resync")
    headers: ClassVar[Mapping[str, str]] = {
        "DeveloperToken": "developer-1",
        "CustomerId": "11",
        "CustomerAccountId": "22",
    }
    signature = AZURE

    def error(self, status: int, text: str) -> Any:
        """A fault with a list of errors."""
        return {"Type": "AdApiFaultDetail", "Errors": [{"Code": 100, "Message": text}]}

    @on("POST", "/Bulk/v13/Campaigns/DownloadByAccountIds", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("AccountIds", "DataScope", "DownloadEntities", "FormatVersion")
        return {"DownloadRequestId": call.start().id}

    @on("POST", "/Bulk/v13/BulkDownloadStatus/Query", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job(call.need("RequestId")["RequestId"], 400)
        ended = {"fail": "Failed", "resync": "FailedFullSyncRequired"}
        return {
            "RequestStatus": job.word(["InProgress"], "Completed", ended),
            "PercentComplete": job.percent,
            "ResultFileUrl": call.signed(f"{job.id}.csv.gz", gzip.compress(rows().encode()))
            if job.good
            else None,
            "Errors": [{"Code": 0, "Message": "The download failed"}] if job.bad else [],
        }


class Pinterest(Api):
    """Reports v5: a token in the query, with characters that have to be encoded; an unknown one is a 200."""

    name = "pinterest"
    outcomes = ("fail", "expire")

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"code": status, "message": text}

    @on("POST", "/v5/ad_accounts/{account}/reports", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("start_date", "end_date", "granularity", "columns", "level")
        token = call.start(job_id=f"tok/{next(self.simulator.numbers)}+=").id
        return {"report_status": "IN_PROGRESS", "token": token, "message": ""}

    @on("GET", "/v5/ad_accounts/{account}/reports", "status")
    def _poll(self, call: Call) -> Answer:
        token = call.need_query("token")
        if token not in self.jobs:
            return {"report_status": "DOES_NOT_EXIST", "url": None}
        job = call.job(token)
        ended = {"fail": "FAILED", "expire": "EXPIRED"}
        url = call.signed("report.csv", rows()) if job.good else None
        return {
            "report_status": job.word(["IN_PROGRESS"], "FINISHED", ended),
            "url": url,
            "size": len(rows()),
        }


class Facebook(Api):
    """Insights: words with blanks, and a percentage beside them; the rows come in pages."""

    name = "facebook"
    outcomes = ("fail", "skip")

    def error(self, status: int, text: str) -> Any:
        """An error of the Graph API."""
        return {"error": {"message": text, "type": "OAuthException", "code": status}}

    @on("POST", "/v21.0/act_{account}/insights", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("level", "fields")
        return {"report_run_id": call.start("60").id}

    @on("GET", "/v21.0/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job(status=400)
        running = ["Job Not Started", "Job Started", "Job Running"]
        word = job.word(running, "Job Completed", {"fail": "Job Failed", "skip": "Job Skipped"})
        body = {"id": job.id, "async_status": word, "async_percent_completion": job.percent}
        return body | ({"error_code": 2, "error_message": "Please retry with less data"} if job.bad else {})

    @on("GET", "/v21.0/{id}/insights", "result")
    def _pages(self, call: Call) -> Answer:
        job = call.job(status=400)
        if not job.good:
            call.refuse(400, "The report is not ready")
        page = int(call.query("after", "0"))
        paging: dict[str, Any] = {"cursors": {"after": str(page + 1)}}
        if page < 2:
            paging["next"] = f"{self.base}/v21.0/{job.id}/insights?limit=2&after={page + 1}"
        return {"data": [{"ad_id": str(2 * page + n)} for n in (1, 2)], "paging": paging}
