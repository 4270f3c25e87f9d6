# SPDX-License-Identifier: Apache-2.0
"""A description's ``delete``, over real sockets: the job is removed when its result is safe, not before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import JobCancelledError, JobFailedError, ResultError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from tests.support.one_task import OneTask

DESCRIPTION: dict[str, Any] = {
    "start": {"path": "jobs", "id": "id"},
    "poll": "GET jobs/{job_id}",
    "outcome": {"state": "status"},
    "result": {"path": "jobs/{job_id}/file"},
    "delete": "DELETE jobs/{job_id}",
}


class Remote:
    """
    One job, which ends at the second poll.

    :param target: where its result goes; what is there when the DELETE comes is kept
    """

    def __init__(self, target: Path) -> None:
        self.word, self.file_status, self.delete_status = "done", 200, 204
        self.asked: list[str] = []
        self.stored_at_delete: bytes | None = None
        remote = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self, status: int, body: Any = b"") -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if status != 204 else b"")

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                remote.asked.append("POST")
                self.answer(202, {"id": "7"})

            def do_GET(self) -> None:
                if self.path.endswith("/file"):
                    remote.asked.append("FILE")
                    return self.answer(remote.file_status, b"a,b\n")
                remote.asked.append("GET")
                over = remote.asked.count("GET") > 1
                return self.answer(200, {"status": remote.word if over else "running"})

            def do_DELETE(self) -> None:
                remote.asked.append("DELETE")
                remote.stored_at_delete = target.read_bytes() if target.exists() else None
                self.answer(remote.delete_status)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def remote(target: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    remote = Remote(target)
    monkeypatch.setenv("AIRFLOW_CONN_REMOTE", json.dumps({"conn_type": "http", "host": remote.url}))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    yield remote
    remote.server.shutdown()
    remote.server.server_close()


def run(**arguments: Any) -> Any:
    return OneTask().run(
        lambda: HttpAsyncJobOperator(
            task_id="t",
            http_conn_id="remote",
            profile=DESCRIPTION,
            poll_interval=0.05,
            timeout=30,
            **arguments,
        )
    )


def test_a_job_is_deleted_when_its_result_is_stored(remote: Remote, target: Path) -> None:
    assert run(destination=str(target))["bytes"] == 4
    assert remote.asked[-2:] == ["FILE", "DELETE"]
    assert remote.stored_at_delete == b"a,b\n"
    assert remote.asked.count("DELETE") == 1


def test_a_job_is_deleted_when_its_result_is_in_hand(remote: Remote) -> None:
    assert run() == b"a,b\n".decode()
    assert remote.asked[-2:] == ["FILE", "DELETE"]


@pytest.mark.parametrize("status", [403, 404, 409, 500, 503])
def test_a_deletion_that_is_refused_fails_no_task(status: int, remote: Remote, target: Path) -> None:
    remote.delete_status = status
    assert run(destination=str(target))["bytes"] == 4
    assert target.read_bytes() == b"a,b\n"
    assert remote.asked[-1] == "DELETE"


@pytest.mark.parametrize(("word", "error"), [("failed", JobFailedError), ("cancelled", JobCancelledError)])
def test_a_job_that_has_not_succeeded_is_not_deleted(
    word: str, error: type[Exception], remote: Remote, target: Path
) -> None:
    remote.word = word
    with pytest.raises(error):
        run(destination=str(target))
    assert "DELETE" not in remote.asked


def test_a_job_whose_result_could_not_be_stored_is_not_deleted(remote: Remote, target: Path) -> None:
    remote.file_status = 403
    with pytest.raises(ResultError):
        run(destination=str(target))
    assert not target.exists()
    assert "DELETE" not in remote.asked
