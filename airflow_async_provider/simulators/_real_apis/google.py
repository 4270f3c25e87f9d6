# SPDX-License-Identifier: Apache-2.0
"""
Google: long-running operations, BigQuery jobs, Compute Engine operations.

Sources: AIP-151; Google's open Python clients (google/cloud/bigquery/job/base.py;
google/cloud/compute_v1/types/compute.py).
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, on
from airflow_async_provider.simulators._real_apis.job import Job


class Google(Api):
    """What the three have in common: the form of an error."""

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"error": {"code": status, "message": text}}


class LongRunningOperation(Google):
    """AIP-151: done is left out while false, a failure is HTTP 200."""

    name = "google_lro"

    @on("POST", "/v1/projects/{project}/documents:export", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("outputUri")
        return self._document(call.start("op-"))

    @on("GET", "/v1/projects/{project}/operations/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/v1/projects/{project}/operations/{id}:cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job())
        return {}

    def _document(self, job: Job) -> Answer:
        body: dict[str, Any] = {"name": f"projects/p/operations/{job.id}"}
        body["metadata"] = {"@type": "type.googleapis.com/x", "progress": job.percent}
        if job.stopped or job.bad:
            return body | {
                "done": True,
                "error": {"code": 1 if job.stopped else 8, "message": "The quota is used up"},
            }
        return body | (
            {"done": True, "response": {"@type": "type.googleapis.com/y", "rows": 3}} if job.over else {}
        )


class BigQuery(Google):
    """Jobs: DONE is said of failed ones, too, and status.errorResult decides; rows come in pages."""

    name = "bigquery"

    @on("POST", "/bigquery/v2/projects/{project}/jobs", "submit")
    def _start(self, call: Call) -> Answer:
        wanted = call.need("configuration")
        job_id = (call.json.get("jobReference") or wanted.get("jobReference") or {}).get("jobId")
        if job_id in self.jobs:
            call.refuse(409, f"Already Exists: Job {job_id}")
        return self._document(call.start("job_", job_id=job_id))

    @on("GET", "/bigquery/v2/projects/{project}/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/bigquery/v2/projects/{project}/jobs/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        call.cancel(job)
        return {"kind": "bigquery#jobCancelResponse", "job": self._document(job)}

    @on("GET", "/bigquery/v2/projects/{project}/queries/{id}", "result")
    def _rows(self, call: Call) -> Answer:
        job = call.job()
        if job.bad:
            call.refuse(400, "Syntax error")
        if not job.good:
            return {"jobComplete": False}
        page = int(call.query("pageToken", "0"))
        more = {"pageToken": str(page + 1)} if page < 2 else {}
        return {"jobComplete": True, "totalRows": "3", "rows": [{"f": [{"v": str(page)}]}]} | more

    def _document(self, job: Job) -> dict[str, Any]:
        status: dict[str, Any] = {"state": job.word(["PENDING", "RUNNING"], "DONE", {}, "DONE")}
        if job.stopped or job.bad:
            reason = "stopped" if job.stopped else "invalidQuery"
            status["errorResult"] = {"reason": reason, "message": "Syntax error at [1:1]"}
        reference = {"projectId": "p", "jobId": job.id, "location": "EU"}
        return {"kind": "bigquery#job", "jobReference": reference, "status": status}


class ComputeEngine(Google):
    """Operations of a zone: DONE either way, error.errors decides; the monitor is selfLink."""

    name = "compute"

    @on("POST", "/compute/v1/projects/{project}/zones/{zone}/instances", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("name")
        return self._document(call.start("operation-", target=str(call.json["name"])))

    @on("GET", "/compute/v1/projects/{project}/zones/{zone}/operations/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("GET", "/compute/v1/projects/{project}/zones/{zone}/instances/{name}", "result")
    def _resource(self, call: Call) -> Answer:
        if not any(job.good and job.about["target"] == call["name"] for job in self.jobs.values()):
            call.refuse(404, "The resource was not found")
        return {"kind": "compute#instance", "name": call["name"], "status": "RUNNING"}

    def _document(self, job: Job) -> Answer:
        zone = f"{self.base}/compute/v1/projects/p/zones/z"
        body: dict[str, Any] = {"kind": "compute#operation", "name": job.id, "progress": job.percent}
        body["status"] = job.word(["PENDING", "RUNNING"], "DONE", {})
        body |= {
            "selfLink": f"{zone}/operations/{job.id}",
            "targetLink": f"{zone}/instances/{job.about['target']}",
        }
        if job.bad:
            body["error"] = {"errors": [{"code": "QUOTA_EXCEEDED", "message": "The quota is used up"}]}
            body |= {"httpErrorStatusCode": 403, "httpErrorMessage": "FORBIDDEN"}
        return body
