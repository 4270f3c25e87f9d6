# SPDX-License-Identifier: Apache-2.0
"""The connection is changed while a job is at work: the other system hears nothing of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_async_provider.errors import JobElsewhereError
from airflow_async_provider.hooks import _endpoint_cache
from airflow_async_provider.hooks._descriptions import profile_of
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.protocols._automic.protocol import AutomicProtocol


class Remote:
    """Answers everything with one JSON document; each request is kept."""

    def __init__(self, answer: Any) -> None:
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        remote = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                remote.asked.append(f"{self.command} {self.path}")
                remote.meanwhile()
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that the base class asks for

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def remote() -> Iterator[Callable[[Any], Remote]]:
    running: list[Remote] = []

    def start(answer: Any) -> Remote:
        running.append(Remote(answer))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def point(monkeypatch: pytest.MonkeyPatch, kind: str, url: str, **fields: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": kind, "host": url, **fields}))


def test_a_cancellation_in_several_requests_stays_with_one_system(
    remote: Callable[[Any], Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer says what to cancel; the connection is edited, and looked up anew, before the rest."""
    monkeypatch.setattr(_endpoint_cache, "CONNECTION_LIFE", 0.0)
    own, other = remote({"id": 7, "runs": [{"id": 1}, {"id": 2}]}), remote({})
    point(monkeypatch, "http", own.url)
    described = profile_of(
        {
            "start": {"path": "jobs", "id": "id"},
            "poll": "jobs/{job_id}",
            "outcome": {"state": "state"},
            "cancel": {"method": "DELETE", "from": "jobs/{job_id}/runs", "path": "runs/{runs[*].id}"},
        }
    )
    job = described.submit("POST", "jobs")  # type: ignore[attr-defined] # a profile has it
    handle = HttpAsyncJobHook("c").start(described, job).handle
    own.meanwhile = lambda: point(monkeypatch, "http", other.url)
    asyncio.run(HttpAsyncJobHook("c").acancel(handle))
    assert other.asked == []
    assert own.asked[1:] == ["GET /jobs/7/runs", "DELETE /runs/1", "DELETE /runs/2"]


@pytest.mark.parametrize(
    "act",
    [
        AutomicHook.restart,
        AutomicHook.last_restart,
        AutomicHook.get_execution,
        AutomicHook.get_variables,
        AutomicHook.list_reports,
        lambda hook, run: list(hook.iter_reports(run)),
        lambda hook, run: hook.add_comment(run, "seen"),
        AutomicHook.run_url,
        AutomicHook.cancel,
        AutomicHook.status,
        lambda hook, run: asyncio.run(hook.acancel(run)),
    ],
)
def test_nothing_is_asked_or_done_about_a_run_of_another_client(
    act: Callable[..., Any], remote: Callable[[Any], Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remote({"run_id": 7, "status": 1550})
    point(monkeypatch, "automic", server.url, login="100/U/D", password="p")
    run = AutomicHook("c").bound(AutomicProtocol("0100").handle(7, at=0.0))
    point(monkeypatch, "automic", server.url, login="200/U/D", password="p")
    with pytest.raises(JobElsewhereError, match=r"client 0?100"):
        act(AutomicHook("c"), run)
    assert server.asked == []


def test_the_errors_of_another_instances_bulk_job_are_not_read(
    remote: Callable[[Any], Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remote({"id": 7, "status": "CREATED"})
    secrets = {"user_secret": "u", "element_token": "e"}
    point(monkeypatch, "sap_open_connectors", server.url, extra=secrets)
    job = OpenConnectorsHook("c").download("contacts")
    assert job.origin is not None
    asked = list(server.asked)
    point(monkeypatch, "sap_open_connectors", server.url, extra={**secrets, "element_token": "f"})
    for act in (OpenConnectorsHook("c").bulk_errors, OpenConnectorsHook("c").status):
        with pytest.raises(JobElsewhereError):
            act(job)
    assert server.asked == asked


def test_what_is_started_in_an_event_loop_is_bound(
    remote: Callable[[Any], Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remote({"run_id": 7})
    point(monkeypatch, "automic", server.url, login="100/U/D", password="p")
    run = asyncio.run(AutomicHook("c").aexecute("JOBS.A"))
    assert run.conn_id == "c"
    assert run.origin == AutomicHook("c").origin
