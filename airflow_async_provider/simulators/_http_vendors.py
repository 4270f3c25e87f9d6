# SPDX-License-Identifier: Apache-2.0
"""
How Azure, Google and OData answer.

Sources: Microsoft "Azure REST API Guidelines" and "Resource Manager RPC: async API reference"; Google
AIP-151; OASIS "OData 4.01 Part 1: Protocol" §11.6 and the same section of 4.0.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_async_provider.simulators._http_conventions import ERROR, Convention
from airflow_async_provider.simulators._http_jobs import HttpJob
from airflow_async_provider.simulators.reply import Reply


class Azure(Convention):
    """Operation-Location; the monitor always answers 200."""

    name = "azure"
    monitor_path = "/operations/{id}"
    opaque_tail = "?api-version=2026-01-01"
    cancel_paths = (("POST", "/operations/{id}:cancel"),)
    header: ClassVar[str] = "Operation-Location"

    def accepted(self, job: HttpJob) -> Reply:
        """202 with the monitor's address and its first answer."""
        headers = {self.header: self.url(self.monitor(job)), **self.simulator.pace(job)}
        return Reply.json(
            {"id": job.id, "status": job.plan.words.get("running", "NotStarted")}, 202, headers=headers
        )

    def asked(self, job: HttpJob) -> Reply:
        """The status document."""
        running = job.state == "running"
        return Reply.json(self.document(job), headers=self.simulator.pace(job) if running else None)

    def document(self, job: HttpJob) -> dict[str, Any]:
        """The monitor's JSON."""
        word = job.word(running="Running", succeeded="Succeeded", failed="Failed", cancelled="Canceled")
        document: dict[str, Any] = {"id": job.id, "status": word}
        if job.state == "succeeded":
            document |= self.outcome(job)
        elif job.state == "failed":
            document["error"] = ERROR
        return document

    def outcome(self, job: HttpJob) -> dict[str, Any]:
        """What a succeeded job adds."""
        if job.plan.place == "body":
            return {"result": self.value(job)}
        if job.plan.place == "same_origin":
            return {"resourceLocation": self.result_url(job)}
        return {"properties": {"outputUrl": self.result_url(job)}}

    def cancelled(self, job: HttpJob) -> Reply:
        """200 with the status document."""
        return Reply.json(self.document(job))

    def callback(self, job: HttpJob) -> dict[str, Any]:
        """The status document."""
        return self.document(job)


class AzureResourceManager(Azure):
    """Azure-AsyncOperation, and Location for the final GET."""

    name = "azure_arm"
    header = "Azure-AsyncOperation"

    def accepted(self, job: HttpJob) -> Reply:
        """202 with both addresses."""
        reply = super().accepted(job)
        reply.headers["Location"] = self.url(f"{self.prefix}/results/{job.id}")
        return reply

    def outcome(self, job: HttpJob) -> dict[str, Any]:
        """Nothing: the result is at Location; only a pre-signed one is named here."""
        return super().outcome(job) if job.plan.place == "presigned" else {}


class AzureLocation(Convention):
    """Location alone: 202, then exactly the final answer."""

    name = "azure_location"

    def accepted(self, job: HttpJob) -> Reply:
        """202 with the address."""
        return Reply(202, {"Location": self.url(self.monitor(job)), **self.simulator.pace(job)})

    def asked(self, job: HttpJob) -> Reply:
        """202, then the final answer."""
        if job.state == "running":
            return Reply(202, {"Location": self.url(self.monitor(job)), **self.simulator.pace(job)})
        if job.state != "succeeded":
            return Reply.json({"error": {**ERROR, "message": f"{ERROR['message']}: {job.state}"}}, 409)
        return self.body(job)


class Google(Convention):
    """AIP-151: operations."""

    name = "google"
    submit_path = "/v1/reports:export"
    monitor_path = "/v1/operations/{id}"
    cancel_paths = (("POST", "/v1/operations/{id}:cancel"),)

    def accepted(self, job: HttpJob) -> Reply:
        """200 with the operation."""
        return Reply.json(self.operation(job))

    def asked(self, job: HttpJob) -> Reply:
        """The operation."""
        headers = self.simulator.pace(job) if job.state == "running" else None
        return Reply.json(self.operation(job), headers=headers)

    def operation(self, job: HttpJob) -> dict[str, Any]:
        """The operation's JSON; a false ``done`` is left out, as in proto3's JSON."""
        operation: dict[str, Any] = {
            "name": f"operations/{job.id}",
            "metadata": {"@type": "type.example/Progress", "number": job.number},
        }
        if job.state == "running":
            return operation
        operation["done"] = True
        if job.state == "succeeded":
            inline = job.plan.place == "body"
            operation["response"] = self.value(job) if inline else {"outputUri": self.result_url(job)}
        else:
            code = 1 if job.state == "cancelled" else 8
            operation["error"] = {"code": code, "message": f"{ERROR['message']}: {job.state}"}
        return operation

    def cancelled(self, job: HttpJob) -> Reply:
        """200 with an empty object."""
        return Reply.json({})

    def callback(self, job: HttpJob) -> dict[str, Any]:
        """The operation."""
        return self.operation(job)


class OData(Convention):
    """Prefer: respond-async; AsyncResult."""

    name = "odata"
    submit_path = "/Reports"
    monitor_path = "/async/{id}"
    cancel_paths = (("DELETE", "/async/{id}"),)
    only_if_preferred = True

    def accepted(self, job: HttpJob) -> Reply:
        """202 with the monitor's address."""
        return Reply(202, {"Location": self.url(self.monitor(job)), **self.simulator.pace(job)})

    def asked(self, job: HttpJob) -> Reply:
        """202 with the address again, then 200 with AsyncResult."""
        if job.state == "running":
            if self.simulator.moving:
                job.generation += 1
            return self.accepted(job)
        if job.state == "failed":
            return self.final(job, 500, Reply.json({"error": ERROR}))
        if job.state == "cancelled":  # by the service itself
            return self.final(
                job, 503, Reply.json({"error": {"code": "Cancelled", "message": "by the service"}})
            )
        if job.plan.place == "body":
            return self.final(job, 200, self.body(job))
        return self.final(job, 303, Reply(200, {"Location": self.result_url(job)}))

    def final(self, job: HttpJob, code: int, reply: Reply) -> Reply:
        """The request's own answer, behind the monitor's 200."""
        reply.headers["AsyncResult"] = str(code)
        return reply

    def cancelled(self, job: HttpJob) -> Reply:
        """204; the monitor is gone from now on."""
        job.forgotten = True
        return Reply(204)


class OData40(OData):
    """The answer wrapped into application/http, as version 4.0 has it."""

    name = "odata40"

    def final(self, job: HttpJob, code: int, reply: Reply) -> Reply:
        """Status line, headers and body of the answer as one body."""
        body = reply.body if reply.stream is None else b"".join(bytes(part) for part in reply.stream)
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        wrapped = f"HTTP/1.1 {code} Simulated\r\n{head}\r\n".encode() + body
        return Reply(200, {"Content-Type": "application/http"}, wrapped)
