# SPDX-License-Identifier: Apache-2.0
"""A remote that is played by the test: its jobs end, and it calls back, when the test says so."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.support.harness.client import PATIENCE, AirflowClient
from tests.support.harness.processes import wait_until


@dataclass
class RemoteJob:
    """One job of the remote."""

    id: str
    n: str
    callback: str | None = field(repr=False)
    status: str = "running"
    asked: int = 0
    cancelled: int = 0
    #: whether the answer with the result comes once, and how often it was asked for after that
    given_once: bool = False
    refused: int = 0
    answers: list[int] = field(default_factory=list)


class CallingRemote(http.server.ThreadingHTTPServer):
    """A remote that does nothing by itself: the test ends its jobs and sends its callbacks."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, RemoteJob] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def job(self, n: object, timeout: float = PATIENCE) -> RemoteJob:
        """The job that was started last with this mark."""
        return wait_until(
            lambda: next((j for j in reversed(list(self.jobs.values())) if j.n == str(n)), None),
            f"job {n} to be started",
            timeout,
        )

    def call(self, job: RemoteJob, body: Any = None, *, ended: bool = True) -> int:
        """
        End a job and call back.

        :param body: JSON, by default that it has succeeded
        :param ended: False calls without ending the job: a lie, or news that it has begun
        """
        assert job.callback is not None, "nobody has asked for a callback"
        if ended:
            job.status = "succeeded"
        with requests.Session() as session:
            session.trust_env = False
            body = {"status": "succeeded"} if body is None else body
            answer = session.post(job.callback, json=body, timeout=60)
        job.answers.append(answer.status_code)
        return answer.status_code


class _Handler(http.server.BaseHTTPRequestHandler):
    server: CallingRemote
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        callback = body.get("callback") or self.headers["Elements-Async-Callback-Url"]
        job = RemoteJob(f"j{len(self.server.jobs)}", str(body["n"]), callback)
        self.server.jobs[job.id] = job
        if body.get("early") == "True":
            self.server.call(job)
        self._answer(202, {"id": job.id, "eventId": job.id, "status": "running"})

    def do_GET(self) -> None:
        job = self.server.jobs[self.path.rsplit("/", 1)[1]]
        job.asked += 1
        if job.given_once and job.status == "given":
            job.refused += 1
            return self._answer(404, {"error": "unknown job"})
        self._answer(200, {"id": job.id, "status": job.status, "result": {"job": job.id}})
        if job.given_once and job.status == "succeeded":
            job.status = "given"
        return None

    def do_DELETE(self) -> None:
        job = self.server.jobs[self.path.rsplit("/", 1)[1]]
        job.cancelled += 1
        job.status = "cancelled"
        self._answer(200, {})

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def calling_remote() -> Iterator[CallingRemote]:
    """A running remote."""
    with CallingRemote() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def connect(client: AirflowClient, remote: CallingRemote, base: str) -> None:
    """
    Enter the connections of ``tests/system/dags/callback_cases.py``.

    :param base: where the remote reaches Airflow
    """
    extra = {"callback_base_url": base}
    client.put_connection("callback_remote", "http", host=remote.url, extra=extra)
    secrets = {"user_secret": "u", "organization_secret": "o", "element_token": "e"}
    client.put_connection("callback_mute", "sap_open_connectors", host=remote.url, extra={**extra, **secrets})
