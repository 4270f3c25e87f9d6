# SPDX-License-Identifier: Apache-2.0
"""
Warehouses: Snowflake, Databricks SQL and Databricks jobs.

Sources: docs.snowflake.com "Snowflake SQL API reference", "Handling responses"; Databricks' open Python SDK
(service/sql.py, service/jobs.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on, rows, stamp
from airflow_async_provider.simulators._real_apis.job import Job

#: chunks and partitions of every result
PARTS = 3


class Snowflake(Api):
    """SQL API: the HTTP status of the poll is the outcome; further partitions hold nothing but data."""

    name = "snowflake"
    outcomes = ("fail", "timeout")
    headers: ClassVar[Mapping[str, str]] = {
        "X-Snowflake-Authorization-Token-Type": "OAUTH",
        "User-Agent": "client/1",
    }

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"code": f"39{status}", "message": text}

    @on("POST", "/api/v2/statements", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("statement")
        request_id = call.query("requestId")
        job = self.jobs.get(request_id) or call.start("01b2-", job_id=request_id or None)
        return self._document(job, waits=call.query("async") != "true")

    @on("POST", "/api/v2/statements/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        if not call.cancel(job):
            call.refuse(422, "The statement has ended")
        return {"code": "000604", "statementHandle": job.id, "message": "Statement execution canceled."}

    @on("GET", "/api/v2/statements/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        part = int(call.query("partition", "0"))
        if part and job.good:
            if part >= PARTS:
                call.refuse(400, "There is no such partition")
            return {"data": [[str(part)]]}
        return self._document(job)

    def _document(self, job: Job, *, waits: bool = False) -> Answer:
        own = {"statementHandle": job.id, "statementStatusUrl": f"/{self.name}/api/v2/statements/{job.id}"}
        if job.stopped:
            return answer(own | {"code": "000604", "message": "SQL execution canceled"}, 422)
        if job.over and job.outcome == "fail":
            return answer(own | {"code": "000904", "message": "invalid identifier"}, 422)
        if job.over and job.outcome == "timeout":
            text = "Statement reached its statement or warehouse timeout"
            return answer(own | {"code": "000630", "message": text}, 408)
        if not job.over and not waits:
            return answer(own | {"code": "333334", "message": "Asynchronous execution in progress."}, 202)
        meta = {"numRows": PARTS, "format": "jsonv2", "partitionInfo": [{"rowCount": 1}] * PARTS}
        return own | {"code": "090001", "resultSetMetaData": meta, "data": [["0"]]}


class Databricks(Api):
    """What the two have in common: the form of an error."""

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"error_code": "INVALID_PARAMETER_VALUE", "message": text}


class DatabricksSql(Databricks):
    """Statement execution: chunks behind pre-signed links, each of which names the next."""

    name = "databricks_sql"
    outcomes = ("fail", "close")
    root = "/api/2.0/sql/statements"

    @on("POST", root, "submit")
    def _start(self, call: Call) -> Answer:
        call.need("statement", "warehouse_id")
        return self._document(call, call.start("01ef-"))

    @on("GET", root + "/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call, call.job())

    @on("POST", root + "/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job())
        return {}

    @on("GET", root + "/{id}/result/chunks/{chunk}", "result")
    def _chunk(self, call: Call) -> Answer:
        job, number = call.job(), int(call["chunk"])
        if not job.good or number >= PARTS:
            call.refuse(400, "There is no such chunk")
        return self._links(call, job, number)

    def _links(self, call: Call, job: Job, number: int) -> dict[str, Any]:
        link: dict[str, Any] = {"chunk_index": number, "expiration": stamp(self.simulator.clock.now() + 900)}
        link["external_link"] = call.signed(f"{job.id}-{number}.csv", rows(2, 2 * number + 1))
        if number < PARTS - 1:
            link["next_chunk_internal_link"] = f"/{self.name}{self.root}/{job.id}/result/chunks/{number + 1}"
        return {"external_links": [link]}

    def _document(self, call: Call, job: Job) -> Answer:
        ended = {"fail": "FAILED", "close": "CLOSED"}
        status: dict[str, Any] = {"state": job.word(["PENDING", "RUNNING"], "SUCCEEDED", ended, "CANCELED")}
        if status["state"] == "FAILED":
            status["error"] = {"error_code": "BAD_REQUEST", "message": "TABLE_OR_VIEW_NOT_FOUND"}
        body = {"statement_id": job.id, "status": status}
        if job.good:
            body |= {
                "manifest": {"total_chunk_count": PARTS, "truncated": False},
                "result": self._links(call, job, 0),
            }
        return body


class DatabricksJobs(Databricks):
    """Runs: the life cycle, and result_state in a second field that is missing until the end."""

    name = "databricks_jobs"
    outcomes = ("fail", "internal", "skip", "timeout")

    @on("POST", "/api/2.2/jobs/run-now", "submit")
    def _start(self, call: Call) -> Answer:
        token = call.need("job_id").get("idempotency_token")
        known = [job for job in self.jobs.values() if token and job.about["token"] == token]
        job = known[0] if known else call.start(token=token)
        return {"run_id": int(job.id), "number_in_job": 1}

    @on("GET", "/api/2.2/jobs/runs/get", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(self._own(call))

    @on("GET", "/api/2.2/jobs/runs/get-output", "result")
    def _output(self, call: Call) -> Answer:
        job = self._own(call)
        output = {"result": "3 rows"} if job.good else {}
        return self._document(job) | {"notebook_output": output}

    @on("POST", "/api/2.2/jobs/runs/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job(call.need("run_id")["run_id"], 400))
        return {}

    def _own(self, call: Call) -> Job:
        return call.job(call.need_query("run_id"), 400)

    def _document(self, job: Job) -> dict[str, Any]:
        running = ["PENDING", "RUNNING", "TERMINATING"]
        ended = {"internal": "INTERNAL_ERROR", "skip": "SKIPPED"}
        life = job.word(running, "TERMINATED", ended, "TERMINATED", stopping="TERMINATING")
        state = {"life_cycle_state": life, "state_message": "The notebook failed" if job.bad else ""}
        if life in ("TERMINATED", "INTERNAL_ERROR"):
            results = {"fail": "FAILED", "internal": "FAILED", "timeout": "TIMEDOUT"}
            state["result_state"] = "CANCELED" if job.stopped else results.get(job.outcome, "SUCCESS")
        return {"run_id": int(job.id), "state": state}
