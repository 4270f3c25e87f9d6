# SPDX-License-Identifier: Apache-2.0
"""A result on a server that has its documents as JSON and as pages for persons."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from tests.support.one_task import OneTask

#: As OGC API - Processes and its kind, and without a word about media types.
DESCRIPTION: dict[str, Any] = {
    "start": {"path": "jobs", "id": "id"},
    "poll": "GET jobs/{job_id}",
    "outcome": {"state": "status", "succeeded": ["done"]},
    "result": {"path": "jobs/{job_id}/result"},
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self._answer(202, "application/json", json.dumps({"id": "7"}))

    def do_GET(self) -> None:
        if not self.path.endswith("result"):
            return self._answer(200, "application/json", json.dumps({"id": "7", "status": "done"}))
        if self.headers.get("Accept", "").startswith("application/json"):
            return self._answer(200, "application/json", json.dumps({"value": 42}))
        return self._answer(200, "text/html", "<!doctype html><p>42")

    def _answer(self, status: int, media_type: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        connection = {"conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}"}
        monkeypatch.setenv("AIRFLOW_CONN_SERVER", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
        yield
        server.shutdown()
        thread.join(10)


def task(**arguments: Any) -> Callable[[], HttpAsyncJobOperator]:
    description = {**DESCRIPTION, "result": {**DESCRIPTION["result"], **arguments.pop("result", {})}}
    return lambda: HttpAsyncJobOperator(
        task_id="t", http_conn_id="server", profile=description, json={}, poll_interval=0.05, **arguments
    )


@pytest.mark.usefixtures("_server")
def test_a_return_value_is_asked_for_as_json() -> None:
    assert OneTask().run(task()) == {"value": 42}


@pytest.mark.usefixtures("_server")
def test_so_it_is_with_further_headers() -> None:
    assert OneTask().run(task(result={"headers": {"X-Tenant": "a"}})) == {"value": 42}


@pytest.mark.usefixtures("_server")
def test_the_description_has_the_last_word() -> None:
    assert OneTask().run(task(result={"headers": {"accept": "text/html"}})) == "<!doctype html><p>42"


@pytest.mark.usefixtures("_server")
def test_a_stored_result_is_what_the_server_gives_by_itself(tmp_path: Path) -> None:
    OneTask().run(task(destination=f"{tmp_path}/page.html"))
    assert (tmp_path / "page.html").read_text() == "<!doctype html><p>42"
