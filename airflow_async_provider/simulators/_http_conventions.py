# SPDX-License-Identifier: Apache-2.0
"""
How each convention answers: the other side of ``protocols.http_*``, written from the standards' text.

Here: the frame, plain ``Location`` (RFC 9110 §10.2, §15.3.3, §15.4.4), and ``status_field``, which is made
up after the shape that JAGGAER ASO documents. The vendors' are in ``http_vendors``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_async_provider.simulators._http_jobs import HttpJob
from airflow_async_provider.simulators.reply import Reply

if TYPE_CHECKING:
    from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

#: larger results are streamed (bytes)
LARGEST_BODY = 1 << 20

ERROR = {"code": "Exhausted", "message": "the simulated job failed"}


class Convention(ABC):
    """
    One convention under its own path prefix.

    :param simulator: knows URLs, results and Retry-After
    """

    name: ClassVar[str]
    #: paths below the prefix, in aiohttp's notation; the id of a job is ``{id}``
    submit_path: ClassVar[str] = "/jobs"
    monitor_path: ClassVar[str] = "/monitors/{id}"
    #: (method, path) pairs that cancel
    cancel_paths: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: 202 only for ``Prefer: respond-async``
    only_if_preferred: ClassVar[bool] = False
    #: the monitor's path ends in an opaque part that must come back exactly as it was handed out
    opaque_tail: ClassVar[str] = ""

    def __init__(self, simulator: HttpAsyncSimulator) -> None:
        self.simulator = simulator

    @property
    def prefix(self) -> str:
        """Of all its paths."""
        return "/" + self.name

    def monitor(self, job: HttpJob) -> str:
        """Path and query at which a job is asked for."""
        path = self.prefix + self.monitor_path.replace("{id}", job.id)
        moved = f"{'&' if '?' in self.opaque_tail else '?'}g={job.generation}" if job.generation else ""
        return path + self.opaque_tail + moved

    def url(self, path: str) -> str:
        """A path as it is handed out: absolute, or relative where the simulator is told so."""
        return path if self.simulator.relative_urls else self.simulator.url + path

    def result_url(self, job: HttpJob) -> str:
        """Where the result of an ended job is."""
        if job.plan.place == "presigned":
            return self.simulator.presigned_url(job)
        return self.url(f"{self.prefix}/results/{job.id}")

    @abstractmethod
    def accepted(self, job: HttpJob) -> Reply:
        """The answer to the submission."""

    @abstractmethod
    def asked(self, job: HttpJob) -> Reply:
        """The monitor's answer, of a job that is known."""

    def cancelled(self, job: HttpJob) -> Reply:
        """The answer to a cancellation of a job that was running."""
        return Reply(204)

    def callback(self, job: HttpJob) -> dict[str, Any]:
        """What a caller is told at the end."""
        return {"id": job.id}

    def value(self, job: HttpJob) -> Any:
        """The result as a JSON value."""
        body = job.content.read()
        try:
            return json.loads(body)
        except ValueError:
            return body.decode("utf-8", "replace")

    def body(self, job: HttpJob, headers: dict[str, str] | None = None) -> Reply:
        """The result as the body of an answer."""
        content = job.content
        headers = {"Content-Type": job.plan.result_content_type, **(headers or {})}
        if content.size <= LARGEST_BODY:  # may be sent again for the same Idempotency-Key
            return Reply(200, headers, content.read())
        return Reply(200, headers, stream=content.blocks(0, content.size), length=content.size)


class Location(Convention):
    """202 and Location; 200, 303 or an error in the end."""

    name = "location"
    cancel_paths = (("DELETE", "/monitors/{id}"),)
    # Every one of these characters is changed by some client that quotes a URL anew.
    opaque_tail = "?code=a%2Fb+c%3D%3D&t=~(x)"

    def accepted(self, job: HttpJob) -> Reply:
        """202 with the monitor's address."""
        return Reply(202, {"Location": self.url(self.monitor(job)), **self.simulator.pace(job)})

    def asked(self, job: HttpJob) -> Reply:
        """202, then the result or the way to it."""
        if job.state == "running":
            if self.simulator.moving:
                job.generation += 1
            moved = {"Location": self.url(self.monitor(job))} if self.simulator.moving else {}
            return Reply(202, {**self.simulator.pace(job), **moved})
        if job.state != "succeeded":
            return Reply.json(
                {"title": ERROR["code"], "detail": f"{ERROR['message']}: {job.state}"},
                422,
                content_type="application/problem+json",
            )
        if job.plan.place == "body":
            return self.body(job)
        return Reply(303, {"Location": self.result_url(job)})


class StatusField(Convention):
    """A JSON document with a status word."""

    name = "status_field"
    monitor_path = "/jobs/{id}"
    cancel_paths = (("POST", "/jobs/{id}/cancel"), ("DELETE", "/jobs/{id}"))

    def accepted(self, job: HttpJob) -> Reply:
        """202 with id, word and status URL."""
        document = {"id": job.id, "status": job.plan.words.get("running", "queued")}
        return Reply.json(
            {**document, "statusUrl": self.url(self.monitor(job)), "statusUrlExpiresInSeconds": 1800},
            202,
            headers=self.simulator.pace(job),
        )

    def asked(self, job: HttpJob) -> Reply:
        """The document."""
        return Reply.json(
            self.document(job), headers=self.simulator.pace(job) if job.state == "running" else None
        )

    def document(self, job: HttpJob) -> dict[str, Any]:
        """The status document."""
        word = job.word(running="running", succeeded="completed", failed="failed", cancelled="cancelled")
        document: dict[str, Any] = {"id": job.id, "status": word}
        if job.state == "succeeded" and job.plan.place == "body":
            document["result"] = self.value(job)
        elif job.state == "succeeded":
            document["resultUrl"] = self.result_url(job)
            document["resultUrlExpiresInSeconds"] = self.simulator.seconds_left(job)
        elif job.state == "failed":
            document["error"] = ERROR
        return document

    def cancelled(self, job: HttpJob) -> Reply:
        """200 with the document."""
        return Reply.json(self.document(job))

    def callback(self, job: HttpJob) -> dict[str, Any]:
        """The document without the result."""
        return {k: v for k, v in self.document(job).items() if not k.startswith("result")}
