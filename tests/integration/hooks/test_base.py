# SPDX-License-Identifier: Apache-2.0
"""What the hook drives for a protocol: starts in several requests, cancelling, second documents, deleting."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider.errors import SubmitError, SubmitUnknownError
from airflow_async_provider.hooks._descriptions import profile_of
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook

JSON = {"Content-Type": "application/json"}


@dataclass
class Api:
    """Answers by method and path: status and JSON; each request is kept."""

    answers: dict[str, tuple[int, Any]]
    url: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api({})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.asked.append((f"{self.command} {self.path}", body.decode()))
            status, content = made.answers.get(
                f"{self.command} {self.path}", (404, {"message": "nothing here"})
            )
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that the base class asks for

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AIRFLOW_CONN_DESCRIBED", json.dumps({"conn_type": "http", "host": made.url}))
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


INGEST: dict[str, Any] = {
    "start": [
        {"path": "ingest", "id": "id"},
        {"method": "PUT", "path": "{contentUrl}", "send": "data"},
        {"method": "PATCH", "path": "ingest/{job_id}", "json": {"state": "UploadComplete"}},
    ],
    "poll": "ingest/{job_id}",
    "outcome": {"state": "state"},
    "cancel": {"method": "POST", "path": "ingest/{job_id}/abort", "json": {"why": "given up"}},
    "delete": "DELETE ingest/{job_id}",
}
CREATED = {"POST /ingest": (200, {"id": "75", "state": "Open", "contentUrl": "ingest/75/batches"})}


def submit(api: Api) -> Any:
    return HttpAsyncJobHook("described").submit(
        profile_of(INGEST), None, None, json={"object": "A"}, body=b"a,b"
    )


def test_a_start_in_three_requests(api: Api) -> None:
    api.answers = {**CREATED, "PUT /ingest/75/batches": (201, None), "PATCH /ingest/75": (200, {})}
    submitted = submit(api)
    assert api.asked == [
        ("POST /ingest", '{"object":"A"}'),
        ("PUT /ingest/75/batches", "a,b"),
        ("PATCH /ingest/75", '{"state":"UploadComplete"}'),
    ]
    assert (submitted.handle.job_id, submitted.next) == ("75", None)


@pytest.mark.parametrize(
    ("failing", "abort", "error", "words"),
    [
        (
            (400, {"message": "bad row"}),
            (200, {}),
            SubmitError,
            "request 2 of its start.*bad row.*It was cancelled",
        ),
        (
            (400, {}),
            (409, {"message": "too late"}),
            SubmitError,
            "could not be cancelled .HTTP 409.*too late",
        ),
        ((503, {}), (200, {}), SubmitError, "HTTP 503.*It was cancelled"),
        ((503, {}), (409, {}), SubmitUnknownError, "could not be cancelled"),
    ],
)
def test_what_was_created_is_cancelled_when_a_later_request_fails(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[int, Any],
    abort: tuple[int, Any],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _: None))
    api.answers = {**CREATED, "PUT /ingest/75/batches": failing, "POST /ingest/75/abort": abort}
    with pytest.raises(error, match=f"created job 75.*{words}") as e:
        submit(api)
    assert type(e.value) is error
    assert api.asked[-1] == ("POST /ingest/75/abort", '{"why":"given up"}')


def test_a_refused_cancellation_says_status_and_text(api: Api) -> None:
    api.answers = {**CREATED, "PUT /ingest/75/batches": (201, None), "PATCH /ingest/75": (200, {})}
    handle, hook = submit(api).handle, HttpAsyncJobHook("described")
    api.answers["POST /ingest/75/abort"] = (409, {"message": "it has ended"})
    for refused in (hook.cancel(handle), asyncio.run(HttpAsyncJobHook("described").acancel(handle))):
        assert not refused
        assert str(refused) == 'HTTP 409: {"message": "it has ended"}'
    api.answers["POST /ingest/75/abort"] = (200, {})
    assert hook.cancel(handle.to_dict())


def test_an_ended_job_is_deleted(api: Api) -> None:
    api.answers = {**CREATED, "PUT /ingest/75/batches": (201, None), "PATCH /ingest/75": (200, {})}
    handle, hook = submit(api).handle, HttpAsyncJobHook("described")
    assert hook.delete(handle)  # 404: it is gone already
    api.answers["DELETE /ingest/75"] = (423, {"message": "locked"})
    assert str(hook.delete(handle)) == 'HTTP 423: {"message": "locked"}'


def test_each_part_of_a_run_is_cancelled(api: Api) -> None:
    profile = profile_of(
        {
            "start": {"path": "run", "id": "id"},
            "poll": "run/{job_id}",
            "outcome": {"state": "jobs[*].status"},
            "cancel": {"from": "GET {status_url}", "path": "job/{jobs[*].id}/kill"},
        }
    )
    jobs = [{"id": "a", "status": "Executing"}, {"id": "b", "status": "Ended OK"}]
    api.answers = {
        "POST /run": (200, {"id": 1}),
        "GET /run/1": (200, {"jobs": jobs}),
        "POST /job/a/kill": (200, {}),
        "POST /job/b/kill": (409, {}),
    }
    hook = HttpAsyncJobHook("described")
    handle = hook.submit(profile, None, None, json={}).handle
    assert hook.cancel(handle)
    assert asyncio.run(HttpAsyncJobHook("described").acancel(handle))
    assert [a[0] for a in api.asked[1:4]] == ["GET /run/1", "POST /job/a/kill", "POST /job/b/kill"]


def test_documents_that_say_where_the_files_are(api: Api) -> None:
    profile = profile_of(
        {
            "start": {"path": "run", "id": "id"},
            "poll": "run/{job_id}",
            "outcome": {"state": "state"},
            "result": {"from": "chunks/{first}", "url": "links[*].url", "pages": {"next": "links[0].next"}},
        }
    )
    api.answers = {
        "POST /run": (200, {"id": 1}),
        "GET /run/1": (200, {"state": "SUCCEEDED", "first": 0}),
        "GET /chunks/0": (200, {"links": [{"url": "/f/0", "next": "/chunks/1"}]}),
        "GET /chunks/1": (200, {"links": [{"url": "/f/1"}]}),
    }
    hook = HttpAsyncJobHook("described")
    handle = hook.submit(profile, None, None, json={}).handle
    result = hook.result(handle, hook.status(handle))
    assert result is not None
    assert [f.url for f in result.files] == [f"{api.url}/f/0", f"{api.url}/f/1"]
