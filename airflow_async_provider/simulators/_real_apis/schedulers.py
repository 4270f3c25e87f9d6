# SPDX-License-Identifier: Apache-2.0
"""
Schedulers: Control-M, Airbyte, Celery Flower, Prefect, Slurm, Airflow.

Sources: Airbyte's open Python SDK (models/jobstatusenum.py); Flower (api/tasks.py); prefect-client
(client/schemas/objects.py); Airflow 3.3 (api_fastapi/core_api, routes/public/dag_run.py). Control-M and
Slurm: as their users know them.
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on
from airflow_async_provider.simulators._real_apis.job import Job


class ControlM(Api):
    """Automation API: one word for each job of a folder, in which the worst counts."""

    name = "controlm"
    key_header = "x-api-key"
    outcomes = ("fail", "partial")

    def error(self, status: int, text: str) -> Any:
        """A list of errors."""
        return {"errors": [{"message": text}]}

    @on("POST", "/automation-api/run/order", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("ctm", "folder")
        job = call.start("run-")
        return {"runId": job.id, "statusURI": f"{self.base}/automation-api/run/status/{job.id}"}

    @on("GET", "/automation-api/run/status/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        bad = "Ended Not OK"
        first = job.word(["Wait Condition", "Executing"], "Ended OK", {"fail": bad}, bad)
        second = job.word(["Wait Condition"], "Ended OK", {"partial": bad}, bad)
        words = (("a", first), ("b", second))
        states = [{"jobId": f"ctm:{job.id}{name}", "name": name, "status": word} for name, word in words]
        return {"completion": "", "statuses": states, "startIndex": 0, "itemsPerPage": 25, "total": 2}

    @on("POST", "/automation-api/run/job/{part}/kill", "cancel")
    def _kill(self, call: Call) -> Answer:
        if not call.cancel(call.job(call["part"].removeprefix("ctm:")[:-1])):
            call.refuse(400, "The job is not executing")
        return {"message": "The job was killed"}

    @on("GET", "/automation-api/run/job/{part}/output", "result")
    def _output(self, call: Call) -> Answer:
        return answer(f"output of {call['part']}\n")


class Airbyte(Api):
    """Syncs: incomplete is a word of a job that goes on."""

    name = "airbyte"
    outcomes = ("fail", "incomplete")

    def error(self, status: int, text: str) -> Any:
        """A problem."""
        return {"type": "about:blank", "status": status, "detail": text}

    @on("POST", "/v1/jobs", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("connectionId", "jobType")
        return self._document(call.start())

    @on("GET", "/v1/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("DELETE", "/v1/jobs/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        if not call.cancel(job):
            call.refuse(409, "The job has ended")
        return self._document(job)

    def _document(self, job: Job) -> Answer:
        running = ["pending", "running", "incomplete" if job.outcome == "incomplete" else "running"]
        word = job.word(running, "succeeded", {"fail": "failed", "incomplete": "failed"}, "cancelled")
        return {"jobId": int(job.id), "status": word, "jobType": "sync", "rowsSynced": 3 * job.percent // 100}


class Flower(Api):
    """Celery tasks: a field with a hyphen; a task that nobody knows is PENDING for ever."""

    name = "flower"
    basic = True

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return f"HTTP {status}: {text}"

    @on("POST", "/api/task/async-apply/{task}", "submit")
    def _start(self, call: Call) -> Answer:
        call.need()
        return {"task-id": call.start("t-").id, "state": "PENDING"}

    @on("GET", "/api/task/result/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        if call["id"] not in self.jobs:
            return {"task-id": call["id"], "state": "PENDING"}
        job = call.job()
        word = job.word(["PENDING", "STARTED", "RETRY"], "SUCCESS", {"fail": "FAILURE"}, "REVOKED")
        body: dict[str, Any] = {"task-id": job.id, "state": word}
        if job.bad:
            body |= {"result": "ValueError('x')", "traceback": "Traceback (most recent call last): ..."}
        return body | ({"result": 3} if job.good else {})

    @on("POST", "/api/task/revoke/{id}", "cancel")
    def _revoke(self, call: Call) -> Answer:
        if call["id"] in self.jobs:  # a task that nobody knows is revoked as well
            call.cancel(call.job())
        return {"message": f"Revoked '{call['id']}'"}


class Prefect(Api):
    """Flow runs: cancelled by a state in a body, and a 200 may be the refusal."""

    name = "prefect"
    connection_path = "/api"
    outcomes = ("fail", "crash")

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"detail": text}

    @on("POST", "/api/deployments/{deployment}/create_flow_run", "submit")
    def _start(self, call: Call) -> Answer:
        call.need()
        return answer(self._document(call.start("run-")), 201)

    @on("GET", "/api/flow_runs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/api/flow_runs/{id}/set_state", "cancel")
    def _set_state(self, call: Call) -> Answer:
        wanted, job = call.need("state.type", status=422)["state"]["type"], call.job()
        if wanted in ("CANCELLED", "CANCELLING") and call.cancel(job):
            return answer({"status": "ACCEPT", "details": {"reason": None}}, 201)
        return {"status": "ABORT", "details": {"reason": "The run has ended"}}

    def _document(self, job: Job) -> dict[str, Any]:
        ends = {"fail": "FAILED", "crash": "CRASHED"}
        word = job.word(
            ["SCHEDULED", "PENDING", "RUNNING"], "COMPLETED", ends, "CANCELLED", stopping="CANCELLING"
        )
        message = "Flow run encountered an exception" if job.bad else None
        return {"id": job.id, "state": {"type": word, "name": word.title(), "message": message}}


class Slurm(Api):
    """slurmrestd: a list of states from v0.0.40 on, one word before."""

    name = "slurm"
    key_header = "X-SLURM-USER-TOKEN"
    outcomes = ("fail", "timeout", "memory")

    def error(self, status: int, text: str) -> Any:
        """A list of errors."""
        return {"errors": [{"error": text}], "jobs": []}

    @on("POST", "/slurm/{version}/job/submit", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("script", "job.current_working_directory")
        return {"job_id": int(call.start().id), "step_id": "BATCH", "errors": []}

    @on("GET", "/slurm/{version}/job/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job(status=500)
        ends = {"fail": "FAILED", "timeout": "TIMEOUT", "memory": "OUT_OF_MEMORY"}
        word = job.word(["PENDING", "RUNNING", "COMPLETING"], "COMPLETED", ends, "CANCELLED")
        listed = int(call["version"].rpartition(".")[2]) >= 40
        state = {"job_id": int(job.id), "job_state": [word] if listed else word}
        return {"jobs": [state | {"state_reason": "NonZeroExitCode" if job.bad else "None"}], "errors": []}

    @on("DELETE", "/slurm/{version}/job/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job(status=500))
        return {"errors": []}


class Airflow(Api):
    """Runs of a DAG on another Airflow: ids with characters that have to be encoded."""

    name = "airflow"

    def error(self, status: int, text: str) -> Any:
        """A text."""
        return {"detail": text}

    @on("POST", "/api/v2/dags/{dag}/dagRuns", "submit")
    def _start(self, call: Call) -> Answer:
        if not isinstance(call.json, dict) or "logical_date" not in call.json:
            call.refuse(422, "logical_date: Field required")
        number = next(self.simulator.numbers)
        return self._document(call, call.start(job_id=f"manual__2026-01-01T00:00:{number}+00:00"))

    @on("GET", "/api/v2/dags/{dag}/dagRuns/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call, call.job())

    @on("PATCH", "/api/v2/dags/{dag}/dagRuns/{id}", "cancel")
    def _set_state(self, call: Call) -> Answer:
        job = call.job()
        if call.need("state", status=422)["state"] != "failed" or not call.cancel(job):
            call.refuse(409, "The run cannot be set to that state")
        return self._document(call, job)

    @on("GET", "/api/v2/dags/{dag}/dagRuns/{id}/taskInstances/{task}/xcomEntries/return_value", "result")
    def _xcom(self, call: Call) -> Answer:
        if not call.job().good:
            call.refuse(404, "XCom entry not found")
        return {"key": "return_value", "task_id": call["task"], "value": {"rows": 3}}

    def _document(self, call: Call, job: Job) -> Answer:
        state = job.word(["queued", "running"], "success", {"fail": "failed"}, "failed")
        return {"dag_run_id": job.id, "dag_id": call["dag"], "state": state, "conf": {}}
