# SPDX-License-Identifier: Apache-2.0
"""
Builds and automation: GitHub, Jenkins, AWX, dbt Cloud.

Sources: GitHub's OpenAPI description; google/go-github issue 94 (the 202 of the statistics); awxkit
(api/mixins/has_status.py). Jenkins and dbt Cloud: as their users know them.
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on, rows
from airflow_async_provider.simulators._real_apis.job import Job


class GitHub(Api):
    """Statistics, where start and poll are one request; workflow runs, whose conclusion is null at first."""

    name = "github"
    outcomes = ("fail", "empty", "timeout", "action")

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"message": text}

    @on("GET", "/repos/o/r/stats/contributors", "status")
    def _statistics(self, call: Call) -> Answer:
        job = call.job("stats") if "stats" in self.jobs else call.start(job_id="stats")
        if not job.over:
            return answer({}, 202)
        if job.outcome == "fail":
            call.refuse(422, "Contributor statistics of this repository cannot be computed")
        del self.jobs["stats"]  # the next request computes anew
        return answer(status=204) if job.outcome == "empty" else [{"total": 5}]

    @on("POST", "/repos/o/r/actions/workflows/{workflow}/dispatches", "submit")
    def _dispatch(self, call: Call) -> Answer:
        body = call.need("ref")
        job = call.start(workflow=call["workflow"])
        if not body.get("return_run_details"):
            return answer(status=204)
        return {"workflow_run_id": int(job.id), "run_url": f"{self.base}/repos/o/r/actions/runs/{job.id}"}

    @on("GET", "/repos/o/r/actions/runs", "list")
    def _list(self, call: Call) -> Answer:
        found = [self._document(job) for job in reversed(self.jobs.values()) if "workflow" in job.about]
        return {"total_count": len(found), "workflow_runs": found}

    @on("GET", "/repos/o/r/actions/runs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/repos/o/r/actions/runs/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        if not call.cancel(call.job()):
            call.refuse(409, "Cannot cancel a completed run")
        return answer({}, 202)

    @on("GET", "/repos/o/r/actions/runs/{id}/artifacts", "result")
    def _artifacts(self, call: Call) -> Answer:
        job = call.job()
        url = f"{self.base}/repos/o/r/actions/artifacts/{job.id}/zip"
        found = [{"name": "report", "archive_download_url": url}] if job.over else []
        return {"total_count": len(found), "artifacts": found}

    @on("GET", "/repos/o/r/actions/artifacts/{id}/zip", "result")
    def _artifact(self, call: Call) -> Answer:
        url = call.signed(f"{call.job().id}.zip", b"PK\5\6" + bytes(18), "application/zip")
        return answer(status=302, headers={"Location": url})

    def _document(self, job: Job) -> dict[str, Any]:
        word = job.word(["queued", "in_progress"], "completed", {}, "completed")
        ends = {"fail": "failure", "timeout": "timed_out", "action": "action_required"}
        ended = "cancelled" if job.stopped else ends.get(job.outcome, "success")
        return {"id": int(job.id), "status": word, "conclusion": ended if word == "completed" else None}


class Jenkins(Api):
    """A queue item, then a build: the monitor moves; the result is null while it builds."""

    name = "jenkins"
    basic = True
    outcomes = ("fail", "unstable", "abort")

    def error(self, status: int, text: str) -> Any:
        """A page."""
        return f"<html>{status}: {text}</html>"

    @on("POST", "/job/x/build", "submit")
    @on("POST", "/job/x/buildWithParameters", "submit")
    def _start(self, call: Call) -> Answer:
        return answer(status=201, headers={"Location": f"{self.base}/queue/item/{call.start().id}/"})

    @on("GET", "/queue/item/{id}/", "status")
    def _page(self, call: Call) -> Answer:
        return answer("<html>an item</html>", content_type="text/html")

    @on("GET", "/queue/item/{id}/api/json", "status")
    def _item(self, call: Call) -> Answer:
        job = call.job()
        number = int(job.id)
        if job.about.get("left_queue"):  # before it was cancelled there
            return {"_class": "hudson.model.Queue$LeftItem", "id": number, "cancelled": True}
        if job.share < 0.5:
            return {"_class": "hudson.model.Queue$WaitingItem", "id": number, "why": "In the quiet period"}
        build = {"number": number, "url": f"{self.base}/job/x/{job.id}/"}
        return {
            "_class": "hudson.model.Queue$LeftItem",
            "id": number,
            "cancelled": False,
            "executable": build,
        }

    @on("POST", "/queue/cancelItem", "cancel")
    def _cancel_item(self, call: Call) -> Answer:
        job = call.job(call.need_query("id"))
        if job.share >= 0.5 or not call.cancel(job):
            call.refuse(404, "No such item")
        job.about["left_queue"] = True
        return answer(status=204)

    @on("GET", "/job/x/{id}/api/json", "status")
    def _build(self, call: Call) -> Answer:
        job = call.job()
        ends = {"fail": "FAILURE", "unstable": "UNSTABLE", "abort": "ABORTED"}
        result = job.word([None], "SUCCESS", ends, "ABORTED")
        files = [{"fileName": "a.csv", "relativePath": "out/a.csv"}] if job.over else []
        return {"number": int(job.id), "building": result is None, "result": result, "artifacts": files}

    @on("POST", "/job/x/{id}/stop", "cancel")
    def _stop(self, call: Call) -> Answer:
        job = call.job()
        call.cancel(job)
        return answer(status=302, headers={"Location": f"{self.base}/job/x/{job.id}/"})

    @on("GET", "/job/x/{id}/", "unknown")
    def _build_page(self, call: Call) -> Answer:
        return answer("<html>a build</html>", content_type="text/html")

    @on("GET", "/job/x/{id}/artifact/out/a.csv", "result")
    def _artifact(self, call: Call) -> Answer:
        if not call.job().over:
            call.refuse(404, "No such file")
        return answer(rows(), content_type="text/csv")


class Awx(Api):
    """Job templates: every path ends with a slash, and without it there is a redirect by 301."""

    name = "awx"
    outcomes = ("fail", "error")

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"detail": text}

    @on("POST", "/api/v2/job_templates/{template}/launch/", "submit")
    def _start(self, call: Call) -> Answer:
        job = call.start()
        number, place = int(job.id), f"/{self.name}/api/v2/jobs/{job.id}/"
        return answer({"job": number, "id": number, "status": "pending", "url": place}, 201)

    @on("GET", "/api/v2/jobs/{id}/", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        ends = {"fail": "failed", "error": "error"}
        word = job.word(["pending", "waiting", "running"], "successful", ends, "canceled")
        body: dict[str, Any] = {
            "id": int(job.id),
            "status": word,
            "artifacts": {"rows": 3} if job.good else {},
        }
        body |= {"failed": word in ("failed", "error", "canceled"), "job_explanation": ""}
        return body | {"result_traceback": "Traceback: boom" if word == "error" else ""}

    @on("POST", "/api/v2/jobs/{id}/cancel/", "cancel")
    def _cancel(self, call: Call) -> Answer:
        if not call.cancel(call.job()):
            call.refuse(405, 'Method "POST" not allowed.')
        return answer({}, 202)

    @on("GET", "/api/v2/jobs/{id}/stdout/", "result")
    def _stdout(self, call: Call) -> Answer:
        return answer(f"PLAY RECAP of {call.job().id}\n")

    def _unknown(self, call: Call) -> Answer:
        if call.request.method in ("GET", "POST") and not call.request.path.endswith("/"):
            return answer(status=301, headers={"Location": f"{call.request.path}/"})
        return super()._unknown(call)


class DbtCloud(Api):
    """Runs: the state is a number, and the outer status is that of the request."""

    name = "dbt"

    def error(self, status: int, text: str) -> Any:
        """An envelope without data."""
        return {"status": {"code": status, "is_success": False, "user_message": text}, "data": None}

    @on("POST", "/api/v2/accounts/1/jobs/{job}/run/", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("cause")
        return self._document(call.start())

    @on("GET", "/api/v2/accounts/1/runs/{id}/", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/api/v2/accounts/1/runs/{id}/cancel/", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        call.cancel(job)
        return self._document(job)

    @on("GET", "/api/v2/accounts/1/runs/{id}/artifacts/{file}", "result")
    def _artifact(self, call: Call) -> Answer:
        job = call.job()
        if call["file"] not in ("manifest.json", "run_results.json") or not job.over:
            call.refuse(404, "There is no such artifact")
        return {"metadata": {"run": job.id}}

    def _document(self, job: Job) -> Answer:
        number = job.word([1, 2, 3], 10, {"fail": 20}, 30)
        run = {"id": int(job.id), "status": number, "is_complete": number >= 10, "is_success": number == 10}
        run |= {"is_error": number == 20, "is_cancelled": number == 30}
        run["status_message"] = "Runtime Error in model a" if number == 20 else None
        return {"status": {"code": 200, "is_success": True, "user_message": "Success!"}, "data": run}
