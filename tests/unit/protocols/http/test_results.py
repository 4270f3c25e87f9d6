# SPDX-License-Identifier: Apache-2.0
"""Results: parts of an answer, several files, second documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobStatus, Result
from airflow_async_provider.protocols._http.results import file_name
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

MONITOR = "https://api.example/jobs/7"
HANDLE = JobHandle("http_status_field", "7", 0.0, MONITOR)
SIGNED = "https://s3.example/f?X-Amz-Signature=s"


def answer(body: Any, url: str = MONITOR, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(
        200, Headers({k.replace("_", "-"): v for k, v in headers.items()}), content, 1000.0, url
    )


def done(result: dict[str, Any], **body: Any) -> JobStatus:
    return StatusFieldProtocol(result=result).read_status(HANDLE, answer({"status": "done", **body}))


def found(result: dict[str, Any], **body: Any) -> Result:
    status = done(result, **body)
    assert status.result is not None
    return status.result


def test_without_a_word_about_it_the_status_document_is_what_there_is() -> None:
    assert found({}).is_status
    assert not found({"value": "$"}).is_status
    assert found({"value": "rows"}, rows=[1]).value == [1]


def test_an_answer_that_comes_once_is_not_asked_for_again() -> None:
    assert found({"again": True}, rows=[1]).url == MONITOR
    once = found({"again": True, "once": True}, rows=[1])
    assert (once.url, once.value) == (None, {"status": "done", "rows": [1]})


@pytest.mark.parametrize(
    ("result", "body", "urls"),
    [
        ({"url": "urls"}, {"urls": [SIGNED, "/b"]}, [SIGNED, "https://api.example/b"]),
        ({"url": "urls[*]"}, {"urls": [SIGNED]}, [SIGNED]),
        ({"url": "assets[*].href"}, {"assets": {"a": {"href": "/a"}, "b": {"href": "/b"}}}, ["a", "b"]),
        (
            {"url": ["ok[*].url", "bad[*].url"]},
            {"ok": [{"url": "/a"}], "bad": [{"url": "/b"}]},
            ["a", "b"],
        ),
        ({"url": ["ok[*].url", "bad[*].url"]}, {"ok": [{"url": "/a"}]}, ["a"]),
        (
            {"path": ["files/{out}/content", "files/{err}/content"]},
            {"out": "o", "err": None},
            ["files/o/content"],
        ),
        (
            {"path": "jobs/{job_id}/files/{files[*]}"},
            {"files": ["a b", "c"]},
            ["jobs/7/files/a%20b", "jobs/7/files/c"],
        ),
    ],
)
def test_several_files(result: dict[str, Any], body: dict[str, Any], urls: list[str]) -> None:
    files = found(result, **body).files
    assert [f.url for f in files] == [f"https://api.example/{u}" if len(u) == 1 else u for u in urls]
    assert [f.authorized for f in files] == [f.url != SIGNED for f in files]


def test_files_have_the_names_that_the_remote_gives() -> None:
    files = found(
        {"url": "f[*].u", "name": "f[*].n"}, f=[{"u": "/a", "n": "x/../one.csv"}, {"u": "/b", "n": ".."}]
    ).files
    assert [f.name for f in files] == ["one.csv", None]
    both = found({"path": ["f/{a}", "f/{b}"], "name": ["a", "b"]}, a="id-1", b=None).files
    assert [f.name for f in both] == ["id-1"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a.csv", "a.csv"),
        ("https://x/y/z.csv?sig=1", "z.csv"),
        ("a\\b", "b"),
        ("..", None),
        ("/", None),
        ("a\nb", "a_b"),
    ],
)
def test_a_file_name_is_the_last_segment(text: str, name: str | None) -> None:
    assert file_name(text) == name


def test_one_of_several_files_is_an_error() -> None:
    with pytest.raises(DescriptionError, match=r"names one of 3 files.*\[\*\]"):
        done({"url": "urls[0]"}, urls=["/a", "/b", "/c"])
    assert found({"url": "urls[0]"}, urls=["/a"]).url == "https://api.example/a"
    assert found({"url": "/urls/0"}, urls=["/a", "/b"]).url == "https://api.example/a"


@pytest.mark.parametrize(
    "result",
    [{"url": "outptu[*].url"}, {"url": "uri"}, {"value": "rows"}, {"path": "f/{x}"}, {"url": "status[*]"}],
)
def test_a_wrong_place_is_an_error(result: dict[str, Any]) -> None:
    with pytest.raises(DescriptionError):
        done(result, url="/a", output=[])


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"url": "output[*].url"}, {"output": []}),
        ({"url": "url"}, {"url": None}),
        ({"path": "f/{file}"}, {"file": None}),
        ({"path": "f/{file}"}, {"file": ""}),
        ({"path": ["f/{a}", "f/{b}/{c}"]}, {"a": "", "c": None}),
        ({"path": "f/{files[*]}"}, {"files": []}),
    ],
)
def test_nothing_there_is_no_data(result: dict[str, Any], body: dict[str, Any]) -> None:
    status = done(result, **body)
    assert (status.no_data, status.result) == (True, None)


def test_an_own_header_and_query_and_what_the_remote_says_of_a_file() -> None:
    profile = StatusFieldProtocol(
        headers={"X-Key": "k"},
        result={
            "path": "f/{name}",
            "query": {"realm": "R"},
            "headers": {"Accept": "text/csv"},
            "checksum": "sum",
            "unpack": "packed",
        },
    )
    body = {"status": "done", "name": "a", "sum": "sha256:ab", "packed": "GZIP"}
    result = profile.read_status(HANDLE, answer(body)).result
    assert result is not None
    assert (result.url, result.headers, result.authorized, result.checksum, result.unpack) == (
        "f/a?realm=R",
        {"X-Key": "k", "Accept": "text/csv"},
        True,
        "sha256:ab",
        "gzip",
    )


def test_headers_of_the_api_do_not_go_to_a_signed_url() -> None:
    profile = StatusFieldProtocol(
        headers={"X-Key": "k"}, result={"url": "url", "headers": {"Accept": "text/csv"}}
    )
    result = profile.read_status(HANDLE, answer({"status": "done", "url": SIGNED})).result
    assert result is not None
    assert (result.url, result.headers, result.authorized) == (SIGNED, {"Accept": "text/csv"}, False)


@pytest.mark.parametrize(("needs", "authorized"), [(True, True), (False, False), (None, True)])
def test_the_remote_may_say_whether_credentials_are_wanted(needs: bool | None, authorized: bool) -> None:
    body = {"url": "/f", "requiresAccessToken": needs}
    assert found({"url": "url", "credentials": "requiresAccessToken"}, **body).authorized is authorized


def test_a_second_document_holds_the_url() -> None:
    profile = StatusFieldProtocol(result={"from": "documents/{documentId}", "url": "url", "unpack": "how"})
    status = profile.read_status(HANDLE, answer({"status": "done", "documentId": "amzn1/x"}))
    request = profile.result_request(HANDLE, status)
    assert request is not None
    assert (request.method, request.url) == ("GET", "documents/amzn1%2Fx")
    result = profile.read_result(HANDLE, answer({"url": SIGNED, "how": "GZIP"}))
    assert (result.url, result.authorized, result.unpack) == (SIGNED, False, "gzip")
    with pytest.raises(DescriptionError, match="documentId"):
        profile.read_status(HANDLE, answer({"status": "done"}))


def test_documents_that_continue_one_another() -> None:
    profile = StatusFieldProtocol(
        result={"from": "chunks/0", "url": "links[*].url", "pages": {"next": "links[0].next"}}
    )
    first = profile.read_result(HANDLE, answer({"links": [{"url": SIGNED, "next": "/chunks/1"}]}))
    assert (first.more.url if first.more else None) == "https://api.example/chunks/1"
    last = profile.read_result(HANDLE, answer({"links": [{"url": SIGNED, "next": None}]}))
    assert (len(last.files), last.more) == (1, None)
