# SPDX-License-Identifier: Apache-2.0
"""
Machines and data stores: rclone's remote control, Redfish, Elasticsearch tasks.

Sources: rclone (docs/content/rc.md); Redfish schema Task v1.5.1; Elastic's open Python client
(_sync/client/tasks.py).
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on


class Rclone(Api):
    """Remote control: everything is POST; two booleans tell the end."""

    name = "rclone"
    basic = True

    def error(self, status: int, text: str) -> Any:
        """A text and the status."""
        return {"error": text, "status": status}

    @on("POST", "/sync/{operation}", "submit")
    def _start(self, call: Call) -> Answer:
        body = call.need("srcFs", "dstFs")
        if "respond-async" in call.header("Prefer"):
            document = {"jobid": int(call.start().id), "executeId": "e-1"}
            return answer(document, 202, headers={"Preference-Applied": "respond-async"})
        return {"jobid": int(call.start().id), "executeId": "e-1"} if body.get("_async") else {}

    @on("POST", "/job/status", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job(call.need("jobid")["jobid"], 500)
        error = "context canceled" if job.stopped else "directory not found" if job.bad else ""
        return {"id": int(job.id), "finished": job.ended, "success": job.good, "error": error, "output": {}}

    @on("POST", "/job/stop", "cancel")
    def _stop(self, call: Call) -> Answer:
        if not call.cancel(call.job(call.need("jobid")["jobid"], 500)):
            call.refuse(500, "job not running")
        return {}


class Redfish(Api):
    """Task monitors: 202, then the answer that the action itself would have given."""

    name = "redfish"
    key_header = "X-Auth-Token"
    basic = True
    outcomes = ("fail", "warning")

    def error(self, status: int, text: str) -> Any:
        """An error object."""
        return {"error": {"code": "Base.1.8.GeneralError", "message": text}}

    @on("POST", "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("ImageURI")
        job, root = call.start(), f"/{self.name}/redfish/v1/TaskService"
        headers = {"Location": f"{root}/TaskMonitors/{job.id}", **call.pace}
        task = {"@odata.id": f"{root}/Tasks/{job.id}", "Id": job.id, "TaskState": "New"}
        return answer(task, 202, headers=headers)

    @on("GET", "/redfish/v1/TaskService/Tasks/{id}", "status")
    def _task(self, call: Call) -> Answer:
        job = call.job()
        word = job.word(["New", "Running"], "Completed", {"fail": "Exception"}, "Cancelled")
        health = {"fail": "Critical", "warning": "Warning"}.get(job.outcome if job.over else "", "OK")
        body = {"Id": job.id, "TaskState": word, "TaskStatus": health, "PercentComplete": job.percent}
        body["Messages"] = [{"Message": "The image is broken"}] if health == "Critical" else []
        return body

    @on("GET", "/redfish/v1/TaskService/TaskMonitors/{id}", "status")
    def _monitor(self, call: Call) -> Answer:
        job = call.job()
        if not job.ended:
            return answer(self._task(call), 202, headers={"Location": call.request.path, **call.pace})
        if job.stopped or job.outcome == "fail":
            call.refuse(400, "The image is broken")
        return answer(status=204)

    @on("DELETE", "/redfish/v1/TaskService/TaskMonitors/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        if not call.cancel(call.job()):
            call.refuse(404, "The task has ended")
        return answer(status=202)


class Elasticsearch(Api):
    """Tasks: completed tells nothing; an error, and failures inside a response that is there, do."""

    name = "elasticsearch"
    basic = True
    outcomes = ("fail", "partial")

    def error(self, status: int, text: str) -> Any:
        """An error object and the status."""
        return {"error": {"type": "fault", "reason": text}, "status": status}

    @on("POST", "/_reindex", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("source.index", "dest.index")
        if call.query("wait_for_completion") != "false":
            return {"total": 3, "failures": []}
        return {"task": call.start("oTUltX4IQMOUUVeiohTt8A:").id}

    @on("GET", "/_tasks/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        body: dict[str, Any] = {"completed": job.ended}
        body["task"] = {"status": {"total": 3, "created": 3 * job.percent // 100}}
        if job.bad and job.outcome != "partial":
            return body | {"error": {"type": "index_not_found_exception", "reason": "no such index"}}
        if job.ended:
            failures = [{"id": "2", "cause": {"reason": "mapper_parsing"}}] if job.bad else []
            body["response"] = {"total": 3, "failures": failures}
        if job.stopped:
            body["response"]["canceled"] = "by user request"
        return body

    @on("POST", "/_tasks/{id}/_cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job())
        return {"nodes": {}}
