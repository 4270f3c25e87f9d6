# SPDX-License-Identifier: Apache-2.0
"""A request for the result that is answered with no result, over real sockets: no task succeeds with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import AsyncJobError, DescriptionError, DownloadError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.transfers.download import DownloadOperator
from tests.support.one_task import OneTask

Answered = tuple[int, dict[str, str], bytes]

PORTAL = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Our portal</body></html>"
LOGIN = b'<!-- x --><html><title>Sign in</title><form><input name="p" type="password"></form></html>'
GOOD = b"id,name\n1,a\n"


def reply(body: Any, status: int = 200, kind: str | None = None, **headers: str) -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = kind or ("text/html" if content.startswith(b"<") else "application/json")
    return status, {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}, content


CSV = reply(GOOD, kind="text/csv")


class Remote:
    """A job that has ended at the first poll; ``answers`` are what each path says, the last one for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answered]] = {}
        self.done: dict[str, Any] = {"status": "done"}
        self.asked: list[str] = []
        remote = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(*reply({"id": "7"}, 202))

            def do_GET(self) -> None:
                remote.asked.append(self.path)
                queue = remote.answers.get(self.path) or [reply(remote.done)]
                self.answer(*(queue.pop(0) if len(queue) > 1 else queue[0]))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    remote = Remote()
    monkeypatch.setenv("AIRFLOW_CONN_REMOTE", json.dumps({"conn_type": "http", "host": remote.url}))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    yield remote
    remote.server.shutdown()
    remote.server.server_close()


@pytest.fixture(params=["xcom", "destination"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "out" if request.param == "destination" else None


def run(result: dict[str, Any], target: Path | str | None = None, *, timeout: float = 30) -> Any:
    description = {
        "start": {"path": "jobs", "id": "id"},
        "poll": "GET jobs/{job_id}",
        "outcome": {"state": "status"},
        "result": result,
    }
    where = {} if target is None else {"destination": str(target)}
    return OneTask().run(
        lambda: HttpAsyncJobOperator(
            task_id="t",
            http_conn_id="remote",
            profile=description,
            poll_interval=0.05,
            timeout=timeout,
            **where,
        )
    )


@pytest.mark.parametrize("state", ["done", "failed", "running"])
def test_an_answer_about_another_job_neither_succeeds_nor_fails_ours(
    state: str, remote: Remote, target: Path | None
) -> None:
    remote.done = {"id": "8", "status": state}
    remote.answers["/jobs/7/file"] = [CSV]
    with pytest.raises(DescriptionError, match=r"another job, '8' \(at 'id'\).*poll\.id"):
        run(FILE, target)
    assert target is None or not target.exists()


@pytest.mark.parametrize(
    "beside",
    [
        {"completed": False},
        {"output": {"status": "aborted"}},
        {"results": {"resultType": "error", "cause": "NameError"}},
        {"messages": [{"type": "FATAL", "text": "a peer is down"}]},
        {"code": 51010, "message": "System error"},
        {"responseStatus": "FAILURE"},
        {"disposition": "Error"},
        {"result": {"name": "FAILED"}},
        {"result": {"successful": True, "nestedResults": [{"successful": False}]}},
        {"import_error": "no such file"},
        {"chunks_cancelled": [2]},
        {"is_export_finished": False},
        {"items": [{"transaction_status": "FAILED"}]},
        {"entities": {"sub_jobs": [{"status": "FAIL"}]}},
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        {"meta": {"httpStatus": "400 - Bad Request"}},
        {"completionStats": {"successfulCount": "3", "failedCount": "2"}},
        {"metadata": {"counters": {"TOTAL_ERRORS": 2}}},
    ],
)
def test_a_good_word_beside_one_that_denies_it_stores_nothing(
    beside: dict[str, Any], remote: Remote, tmp_path: Path
) -> None:
    remote.done = {"id": "7", "status": "done", **beside}
    remote.answers["/jobs/7/file"] = [CSV]
    with pytest.raises(AsyncJobError):
        run(FILE, tmp_path / "out", timeout=1)
    assert not (tmp_path / "out").exists()


def stored(value: Any, target: Path | None) -> Any:
    return value if target is None else target.read_bytes()


FILE = {"path": "jobs/{job_id}/file"}

NO_RESULTS = {
    "portal": (reply(PORTAL), "HTML page ('Welcome')"),
    "login": (reply(LOGIN), "Check the credentials"),
    "page without a type": (reply(PORTAL, kind="application/octet-stream"), "HTML page"),
    "error object": (reply({"error": "expired"}), "expired"),
    "refusal": (reply({"success": False, "message": "no such export"}), "no such export"),
    "storage": (
        reply(b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"),
        "NoSuchKey",
    ),
    "soap": (
        reply(b'<s:Envelope xmlns:s="x"><s:Body><s:Fault><faultstring>boom</faultstring></s:Fault></s:Body>'),
        "boom",
    ),
    "failed": (reply({"id": "7", "status": "failed", "message": "disk full"}), "disk full"),
    "envelope": (
        reply({"code": 40002, "message": "task expired", "request_id": "r", "data": {}}),
        "task expired",
    ),
    "a product's own error": (reply([{"looker_error": "the database is away"}]), "the database is away"),
    "problem": (reply({"title": "Gone"}, kind="application/problem+json"), "Gone"),
}


@pytest.mark.parametrize("name", NO_RESULTS)
@pytest.mark.parametrize("how", ["path", "url", "from"])
def test_an_answer_that_is_no_result_fails_the_task(
    name: str, how: str, remote: Remote, target: Path | None
) -> None:
    answer, said = NO_RESULTS[name]
    remote.answers["/jobs/7/file"] = [answer]
    remote.done["file"] = "/jobs/7/file"
    result = {"path": FILE, "url": {"url": "file"}, "from": {"from": "jobs/{job_id}/file"}}[how]
    with pytest.raises(AsyncJobError) as caught:
        run(result, target)
    assert said in str(caught.value)
    assert target is None or not target.exists()


@pytest.mark.parametrize(
    "answer",
    [
        CSV,
        reply({"error": None, "rows": [1]}),
        reply({"error": "of row 3", "rows": [1]}),
        reply([{"status": "failed"}, {"status": "running"}]),
        reply({"status": "pending", "order": 5, "customer": "a"}),
        reply({"message": "hello"}),
        reply({"error": 0.03}),
        reply(b"<orders><order><status>pending</status></order></orders>", kind="application/xml"),
        reply(b"error,status\nx,failed\n", kind="text/csv"),
        reply(b"\x00\x01<html>", kind="application/octet-stream"),
        reply(b"", kind="text/csv"),
    ],
)
def test_ordinary_results_are_results(answer: Answered, remote: Remote, tmp_path: Path) -> None:
    remote.answers["/jobs/7/file"] = [answer]
    run(FILE, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == answer[2]


@pytest.mark.parametrize(
    ("answer", "media_type"),
    [
        (reply(PORTAL), "text/html"),
        (reply(PORTAL), ["text/csv", "text/*"]),
        (reply({"error": "expired"}), "*/*"),
        (reply({"status": "running"}), "*/*"),
    ],
)
def test_what_the_description_names_is_the_result(
    answer: Answered, media_type: Any, remote: Remote, target: Path | None
) -> None:
    remote.answers["/jobs/7/file"] = [answer]
    value = stored(run({**FILE, "media_type": media_type}, target), target)
    assert value in (answer[2], answer[2].decode(), {"error": "expired"}, {"status": "running"})


def test_a_page_may_go_to_a_page(remote: Remote, tmp_path: Path) -> None:
    remote.answers["/jobs/7/file"] = [reply(PORTAL)]
    run(FILE, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == PORTAL


def test_another_type_than_the_named_one_is_refused(remote: Remote, target: Path | None) -> None:
    remote.answers["/jobs/7/file"] = [reply({"rows": []})]
    with pytest.raises(
        DownloadError, match=r"answered with 'application/json', and result\.media_type is 'text/csv'"
    ):
        run({**FILE, "media_type": "text/csv"}, target)


# -- not yet ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unready", [reply({}, 202, Retry_After="0"), reply({"status": "running"})])
@pytest.mark.parametrize("how", ["path", "from"])
def test_a_result_that_is_not_ready_is_asked_for_again(
    unready: Answered, how: str, remote: Remote, target: Path | None
) -> None:
    remote.answers["/jobs/7/file"] = [unready, CSV]
    value = stored(run(FILE if how == "path" else {"from": "jobs/{job_id}/file"}, target), target)
    assert value in (GOOD, GOOD.decode())
    assert remote.asked.count("/jobs/7/file") == 2


@pytest.mark.parametrize("how", ["path", "from"])
def test_a_result_that_is_ready_in_a_day_fails_the_task(
    how: str, remote: Remote, target: Path | None
) -> None:
    remote.answers["/jobs/7/file"] = [reply({}, 202, Retry_After="86400")]
    with pytest.raises(AsyncJobError, match="not ready"):
        run(FILE if how == "path" else {"from": "jobs/{job_id}/file"}, target)
    assert target is None or not target.exists()


def test_a_second_document_that_runs_or_failed(remote: Remote, target: Path | None) -> None:
    result = {"from": "jobs/{job_id}/links", "url": "href"}
    ready = reply({"status": "new", "href": "/file"})
    remote.answers = {"/jobs/7/links": [reply({"status": "running", "href": None}), ready], "/file": [CSV]}
    assert stored(run(result, target), target) in (GOOD, GOOD.decode())
    remote.answers["/jobs/7/links"] = [reply({"status": "failed", "rows": 3, "error": "quota", "href": None})]
    with pytest.raises(DownloadError, match="quota"):
        run(result, target)


# -- several files, pages, parts ----------------------------------------------------------------------------


@pytest.mark.parametrize("second", [{"href": None}, {}, {"href": ""}])
@pytest.mark.parametrize("result", [{"url": "files[*].href"}, {"path": "{files[*].href}"}])
def test_an_element_without_a_file_is_an_error(
    second: dict[str, Any], result: dict[str, Any], remote: Remote, tmp_path: Path
) -> None:
    remote.done["files"] = [{"href": "/a"}, second, {"href": "/b"}]
    remote.answers = {"/a": [CSV], "/b": [CSV]}
    with pytest.raises(DescriptionError, match="2 of 3 elements"):
        run(result, f"{tmp_path}/out/")
    assert not (tmp_path / "out").exists()


def test_elements_without_a_file_are_left_out_if_that_may_be(remote: Remote, tmp_path: Path) -> None:
    remote.done["files"] = [{"href": "/a"}, {"href": None}]
    remote.answers = {"/a": [CSV]}
    run({"url": "files[*].href", "optional": True}, f"{tmp_path}/out/")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert manifest["files_count"] == 1


def test_a_file_that_is_a_page_leaves_no_manifest(remote: Remote, tmp_path: Path) -> None:
    remote.done["files"] = ["/a", "/b"]
    remote.answers = {"/a": [CSV], "/b": [reply(PORTAL)]}
    with pytest.raises(AsyncJobError, match="HTML page"):
        run({"url": "files[*]"}, f"{tmp_path}/out/")
    assert not (tmp_path / "out" / "_manifest.json").exists()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (reply({"error": "cursor expired"}), "cursor expired"),
        (reply(PORTAL), "HTML page"),
        (reply({"rows": None, "odd": 1, "cursor": "x"}, 206), "206"),
    ],
)
def test_a_second_page_that_is_none(second: Answered, said: str, remote: Remote, target: Path | None) -> None:
    remote.answers = {
        "/jobs/7/rows": [reply({"rows": [1], "next": "/page2?cursor=SECRET"})],
        "/page2?cursor=SECRET": [second],
    }
    with pytest.raises(AsyncJobError) as caught:
        run({"path": "jobs/{job_id}/rows", "pages": {"next": "next", "items": "rows"}}, target)
    assert said in str(caught.value)
    assert "/page2" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_page_without_rows_tells_what_it_has(remote: Remote, target: Path | None) -> None:
    remote.answers = {
        "/jobs/7/rows": [reply({"rows": [1], "next": "/page2?cursor=SECRET"})],
        "/page2?cursor=SECRET": [reply({"total": 5, "note": "slow down please"})],
    }
    with pytest.raises(DownloadError, match=r"(?s)/page2.*slow down please"):
        run({"path": "jobs/{job_id}/rows", "pages": {"next": "next", "items": "rows"}}, target)


def test_a_second_page_that_is_not_ready_is_asked_for_again(remote: Remote, target: Path | None) -> None:
    remote.answers = {
        "/jobs/7/rows": [reply({"rows": [1], "next": "/page2"})],
        "/page2": [reply({}, 202), reply({"rows": [2]})],
    }
    value = stored(
        run({"path": "jobs/{job_id}/rows", "pages": {"next": "next", "items": "rows"}}, target), target
    )
    assert value == [1, 2] or json.loads(value) == [1, 2]


XML = b"<r><status>done</status><out>40 &amp; 2</out><file>REMOTE/file?a=1&amp;b=2</file></r>"
STATE = {"state": "$ ~ <status>([^<]+)"}


def test_a_part_of_xml_is_the_part_and_its_addresses_are_unescaped(
    remote: Remote, target: Path | None
) -> None:
    remote.answers["/jobs/7"] = [reply(XML.replace(b"REMOTE", remote.url.encode()), kind="text/xml")]
    remote.answers["/file?a=1&b=2"] = [CSV]

    def of(result: dict[str, Any]) -> Any:
        description = {"start": {"path": "jobs", "id": "id"}, "poll": "GET jobs/{job_id}", "outcome": STATE}
        where = {} if target is None else {"destination": str(target)}
        value = OneTask().run(
            lambda: HttpAsyncJobOperator(
                task_id="t",
                http_conn_id="remote",
                profile={**description, "result": result},
                poll_interval=0.05,
                timeout=30,
                **where,
            )
        )
        return stored(value, target)

    assert of({"value": "$ ~ <out>([^<]+)"}) in ("40 & 2", b"40 & 2")
    assert of({"url": "$ ~ <file>([^<]+)"}) in (GOOD, GOOD.decode())
    with pytest.raises(DescriptionError, match=r"Seen were .*<file>.*\$ ~ <file>"):
        of({"url": "$ ~ <href>([^<]+)"})


@pytest.mark.parametrize(
    ("done", "seen"),
    [
        ({"_links": {"self": {"href": "/jobs/7"}, "download": {"href": "/f"}}}, "_links.download.href"),
        ({"data": {"attributes": {"file": "https://x.example/f?sig=SECRET"}}}, "data.attributes.file"),
        ({"files": [{"location": "/f"}]}, "files[*].location"),
    ],
)
def test_where_no_result_is_the_fields_that_were_seen_are_named(
    done: dict[str, Any], seen: str, remote: Remote, target: Path | None
) -> None:
    remote.done.update(done)
    with pytest.raises(DescriptionError) as caught:
        run({"url": "result_url"}, target)
    assert f"An address is at {seen!r}: result.url" in str(caught.value)
    assert "SECRET" not in str(caught.value)


# -- a part of the result, and parts that have failed --------------------------------------------------------

PARTS = {
    "first page of files": ({"files": ["/f"], "hasMore": True}, {"url": "files[*]"}, "hasMore"),
    "first page of rows": ({"rows": [1], "nextToken": "t"}, {"value": "rows"}, "nextToken"),
    "a file that has failed": (
        {"files": [{"u": "/f", "status": "ok"}, {"u": "/f", "status": "failed"}]},
        {"url": "files[*].u"},
        "1 of 2",
    ),
    "a part that has failed": (
        {"results": [{"success": True}, {"index": 1, "error": "gone"}]},
        {"value": "results"},
        "results: 1 of 2",
    ),
    "those that have failed": ({"failedTickets": {"7": ["x"]}, "n": 1}, {"value": "n"}, "failedTickets"),
    "an end that is none": ({"expired": True, "n": 1}, {"value": "n"}, "expired: true"),
}


@pytest.mark.parametrize("case", PARTS)
def test_a_part_is_no_result(case: str, remote: Remote, target: Path | None) -> None:
    done, result, said = PARTS[case]
    remote.done.update(done)
    remote.answers["/f"] = [CSV]
    with pytest.raises(AsyncJobError) as caught:
        run(result, target)
    assert said in str(caught.value)
    assert target is None or not target.exists()


def test_a_second_document_that_is_one_page_of_several(remote: Remote, target: Path | None) -> None:
    remote.answers["/jobs/7/rows"] = [reply({"rows": [1, 2], "next_page_token": "t"})]
    for result in ({"value": "rows"}, {}):
        with pytest.raises(DescriptionError, match="'next_page_token' says that further parts"):
            run({"from": "GET jobs/{job_id}/rows", **result}, target)
    assert run({"from": "GET jobs/{job_id}/rows", "value": "rows", "whole": True}) == [1, 2]


PAGES = {
    "a token in the document": reply({"rows": [1], "nextPageToken": "t"}),
    "a link in the document": reply({"rows": [1], "links": {"next": "/jobs/7/file?page=2"}}),
    "a header": reply(GOOD, kind="text/csv", Link='</jobs/7/file?page=2>; rel="next"'),
    "a header of much": reply(GOOD * 5000, kind="text/csv", Link="</jobs/7/file?page=2>; rel=next"),
}


@pytest.mark.parametrize("case", PAGES)
def test_a_file_that_is_one_page_of_several(case: str, remote: Remote, target: Path | None) -> None:
    remote.answers["/jobs/7/file"] = [PAGES[case]]
    with pytest.raises(DownloadError, match="one page of several"):
        run(FILE, target)
    assert target is None or not target.exists()
    run({**FILE, "whole": True}, target)
    if target is not None:
        assert target.read_bytes() == PAGES[case][2]


# -- the plain download -------------------------------------------------------------------------------------


def download(remote: Remote, **arguments: Any) -> Any:
    operator = DownloadOperator(task_id="t", url="files/7", conn_id="remote", **arguments)
    return operator.execute(OneTask().context)


def test_a_plain_download_of_a_page_or_an_error_is_none(remote: Remote, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    for answer, said in [
        (reply(PORTAL), "media_type: 'text/html'"),
        (reply({"error": "expired"}), "expired"),
    ]:
        remote.answers["/files/7"] = [answer]
        with pytest.raises(DownloadError, match=said):
            download(remote, destination=str(target))
        assert not target.exists()
        download(remote, destination=str(target), media_type="*/*")
        assert target.read_bytes() == answer[2]
        target.unlink()
    remote.answers["/files/7"] = [reply({"status": "running"})]  # a document like any other
    assert download(remote, destination=str(target))["bytes"]
    with pytest.raises(DownloadError, match="media_type is 'text/csv'"):
        download(remote, destination=str(target), media_type="text/csv")
