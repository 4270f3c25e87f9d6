# SPDX-License-Identifier: Apache-2.0
"""
OGC API - Processes and openEO.

Sources: pygeoapi (api/processes.py, util.py); openeo-driver (views.py) and the openEO client (rest/job.py).
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, on
from airflow_async_provider.simulators._real_apis.job import Job


class OgcProcesses(Api):
    """201 with Location is a monitor; the outputs are at another path."""

    name = "ogc"

    def error(self, status: int, text: str) -> Any:
        """A problem."""
        return {"type": "about:blank", "status": status, "description": text}

    @on("POST", "/processes/{process}/execution", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("inputs")
        if "respond-async" not in call.header("Prefer"):
            return {"id": "echo", "value": 3}
        place = f"{self.base}/jobs/{call.start('job-').id}"
        headers = {"Preference-Applied": "respond-async", "Location": place}
        return answer(b"null", 201, headers=headers, content_type="application/json")

    @on("GET", "/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("DELETE", "/jobs/{id}", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        call.cancel(job)
        return self._document(job)

    @on("GET", "/jobs/{id}/results", "result")
    def _results(self, call: Call) -> Answer:
        job = call.job()
        if not job.good:
            call.refuse(400 if job.bad else 404, "result-not-ready")
        return {"id": "echo", "value": 3}

    def _document(self, job: Job) -> Answer:
        word = job.word(["accepted", "running"], "successful", {"fail": "failed"}, "dismissed")
        body: dict[str, Any] = {"jobID": job.id, "type": "process", "status": word, "progress": job.percent}
        body["message"] = "InvalidParameterValue" if job.bad else word
        rel = "http://www.opengis.net/def/rel/ogc/1.0/results"
        body["links"] = [{"rel": rel, "href": f"{self.base}/jobs/{job.id}/results"}] if job.good else []
        return body


class OpenEo(Api):
    """Batch jobs: made by one request, started by the next; several assets."""

    name = "openeo"
    connection_path = "/openeo/1.2"

    def error(self, status: int, text: str) -> Any:
        """A code and a text."""
        return {"code": "Internal", "message": text}

    @on("POST", "/openeo/1.2/jobs", "submit")
    def _create(self, call: Call) -> Answer:
        call.need("process.process_graph")
        job = call.start("j-")
        job.hold()
        place = f"{self.base}/openeo/1.2/jobs/{job.id}"
        return answer(status=201, headers={"Location": place, "OpenEO-Identifier": job.id})

    @on("POST", "/openeo/1.2/jobs/{id}/results", "step")
    def _start(self, call: Call) -> Answer:
        job = call.job()
        if job.waits:
            job.begin()
        return answer(status=202)

    @on("GET", "/openeo/1.2/jobs/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        word = job.word(["queued", "running"], "finished", {"fail": "error"}, "canceled")
        waits = job.waits and not job.stopped
        return {"id": job.id, "status": "created" if waits else word, "progress": job.percent}

    @on("DELETE", "/openeo/1.2/jobs/{id}/results", "cancel")
    def _cancel(self, call: Call) -> Answer:
        call.cancel(call.job())
        return answer(status=204)

    @on("GET", "/openeo/1.2/jobs/{id}/results", "result")
    def _results(self, call: Call) -> Answer:
        job = call.job()
        if not job.good:
            call.refuse(424 if job.bad else 400, "The job is not finished")
        names = ("a.tif", "b.tif")
        urls = {name: call.signed(f"{job.id}/{name}", name * 9, "image/tiff") for name in names}
        return {"id": job.id, "assets": {name: {"href": url} for name, url in urls.items()}}

    @on("GET", "/openeo/1.2/jobs/{id}/logs", "result")
    def _logs(self, call: Call) -> Answer:
        level = "error" if call.job().bad else "info"
        return {"logs": [{"id": "1", "level": level, "message": "The band is missing"}], "links": []}
