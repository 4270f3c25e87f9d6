# SPDX-License-Identifier: Apache-2.0
"""
Microsoft Fabric, Azure Resource Manager and Azure DevOps.

Sources: learn.microsoft.com "Long running operations" and "Get Operation Result" of the Fabric REST API,
"Track asynchronous Azure operations", and "Runs", "Builds" of the Azure DevOps REST API 7.1.
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on
from airflow_async_provider.simulators._real_apis.job import Job


class Microsoft(Api):
    """What the three have in common: the form of an error."""

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"error": {"code": f"Http{status}", "message": text}}


class Fabric(Microsoft):
    """Long-running operations: every poll is answered 200, with Location and Retry-After while it runs."""

    name = "fabric"

    @on("POST", "/v1/workspaces/{workspace}/items", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("displayName", "type")
        job = call.start("op-")
        headers = {"Location": self._place(job), "x-ms-operation-id": job.id, **call.pace}
        return answer(status=202, headers=headers)

    @on("GET", "/v1/operations/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        body = {"status": job.word(["NotStarted", "Running"], "Succeeded", {"fail": "Failed"})}
        body |= {"percentComplete": job.percent, "error": None}
        if job.bad:
            return answer(body | self.error(400, "The name is in use"))
        if job.good:
            return answer(body, headers={"Location": f"{self._place(job)}/result"})
        return answer(body, headers={"Location": self._place(job), **call.pace})

    @on("GET", "/v1/operations/{id}/result", "result")
    def _result(self, call: Call) -> Answer:
        if not call.job().good:
            call.refuse(400, "OperationHasNoResult")
        return {"id": "item-1", "type": "Notebook"}

    def _place(self, job: Job) -> str:
        return f"{self.base}/v1/operations/{job.id}"


class AzureResourceManager(Microsoft):
    """All three forms: Azure-AsyncOperation, Location alone, and neither."""

    name = "arm"
    outcomes = ("fail", "cancel")
    root = "/subscriptions/s/providers/Microsoft.Test"

    @on("PUT", root + "/headed/{name}", "submit")
    @on("PUT", root + "/plain/{name}", "submit")
    def _put(self, call: Call) -> Answer:
        call.need_query("api-version")
        call.need("location")
        kind = call.request.path.split("/")[-2]
        job = call.start(job_id=f"{kind}.{call['name']}")
        headers = {"Azure-AsyncOperation": f"{self.base}{self.root}/operations/{job.id}", **call.pace}
        return answer(self._resource(call, job), 201, headers=headers if kind == "headed" else None)

    @on("POST", root + "/headed/{name}/export", "submit")
    def _post(self, call: Call) -> Answer:
        call.need_query("api-version")
        return self._located(call, call.start(job_id=f"located.{call['name']}"))

    @on("GET", root + "/operations/{id}", "status")
    def _operation(self, call: Call) -> Answer:
        job = call.job()
        word = job.word(["InProgress"], "Succeeded", {"fail": "Failed", "cancel": "Canceled"})
        error = self.error(409, "The quota is used up") if job.bad else {}
        return {"status": word, "percentComplete": job.percent} | error

    @on("GET", root + "/operationResults/{id}", "status")
    def _operation_result(self, call: Call) -> Answer:
        job = call.job()
        if not job.over:
            return self._located(call, job)
        if job.bad:
            call.refuse(409, "The quota is used up")
        return {"exported": [1, 2]}

    @on("GET", root + "/headed/{name}", "status")
    @on("GET", root + "/plain/{name}", "status")
    def _get(self, call: Call) -> Answer:
        kind = call.request.path.split("/")[-2]
        return self._resource(call, call.job(f"{kind}.{call['name']}"))

    def _located(self, call: Call, job: Job) -> Answer:
        place = f"{self.base}{self.root}/operationResults/{job.id}"
        return answer(status=202, headers={"Location": place, **call.pace})

    def _resource(self, call: Call, job: Job) -> dict[str, Any]:
        state = job.word(["Creating"], "Succeeded", {"fail": "Failed", "cancel": "Canceled"})
        path = call.request.path.removeprefix(f"/{self.name}")
        return {"id": path, "name": call["name"], "properties": {"provisioningState": state}}


class AzureDevOps(Microsoft):
    """Pipeline runs: a state, and a result that is missing until the end; cancelled as a build."""

    name = "azure_devops"
    outcomes = ("fail", "partial")

    @on("POST", "/org/project/_apis/pipelines/{pipeline}/runs", "submit")
    def _start(self, call: Call) -> Answer:
        call.need_query("api-version")
        call.need()
        return self._document(call.start())

    @on("GET", "/org/project/_apis/build/builds/{id}", "status")
    def _poll_build(self, call: Call) -> Answer:
        call.need_query("api-version")
        job = call.job()
        running = ["notStarted", "inProgress"]
        body = {
            "id": int(job.id),
            "status": job.word(running, "completed", {}, "completed", stopping="cancelling"),
        }
        return body | (self._result(job, "partiallySucceeded") if body["status"] == "completed" else {})

    @on("GET", "/org/project/_apis/pipelines/{pipeline}/runs/{id}", "status")
    def _poll_run(self, call: Call) -> Answer:
        call.need_query("api-version")
        return self._document(call.job())

    @on("PATCH", "/org/project/_apis/build/builds/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.need_query("api-version")
        job = call.job()
        if call.need("status")["status"] != "cancelling" or not call.cancel(job):
            call.refuse(400, "The build has ended")
        return {"id": int(job.id), "status": "cancelling"}

    @on("GET", "/org/project/_apis/build/builds/{id}/artifacts", "result")
    def _artifacts(self, call: Call) -> Answer:
        call.need_query("api-version")
        url = f"{self.base}/org/project/_apis/resources/{call.job().id}"
        resource = {"type": "PipelineArtifact", "downloadUrl": url}
        return {"count": 1, "value": [{"name": "report", "resource": resource}]}

    @on("GET", "/org/project/_apis/resources/{id}", "result")
    def _artifact(self, call: Call) -> Answer:
        return answer(b"PK\5\6" + bytes(18) if call.job().over else b"", content_type="application/zip")

    def _document(self, job: Job) -> Answer:
        state = job.word(["inProgress"], "completed", {}, "completed", stopping="canceling")
        body = {"id": int(job.id), "name": "20260101.1", "state": state, "pipeline": {"id": 1}}
        return body | (self._result(job, "succeeded") if state == "completed" else {})

    def _result(self, job: Job, partial: str) -> dict[str, str]:
        if job.stopped:
            return {"result": "canceled"}
        return {"result": {"fail": "failed", "partial": partial}.get(job.outcome, "succeeded")}
