# SPDX-License-Identifier: Apache-2.0
"""A result in pages over real sockets: as one file, as rows, as one file for each page."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from airflow_async_provider._download import HttpSource, PageAnswer, store_pages
from airflow_async_provider.errors import DownloadError, ResultExpiredError, ResultLimitError
from tests.support.byte_server import EXPIRED, ByteServer, Step, running, serve, status


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running() as server:
        yield server


def linked(server: ByteServer, *contents: bytes, content_type: str = "text/csv") -> HttpSource:
    """Pages that name the next one in their Link header."""

    def by_path(target: str) -> Step:
        number = int(target.partition("page=")[2] or 0)
        headers = {"Content-Type": content_type}
        if number + 1 < len(contents):
            headers["Link"] = f'</rows?sig=SECRET&page={number + 1}>; rel="next"'
        return serve(content=contents[number], headers=headers)

    server.by_path = by_path
    return HttpSource(f"{server.origin}/rows?sig=SECRET")


def next_by_link(answer: PageAnswer) -> HttpSource | None:
    link = answer.headers.get("Link", "")
    return HttpSource(urljoin(answer.url, link[1 : link.index(">")])) if link else None


def next_in_body(answer: PageAnswer) -> HttpSource | None:
    following = json.loads(answer.body or b"")["next"]
    return HttpSource(urljoin(answer.url, following)) if following else None


def stored(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


# -- one file -----------------------------------------------------------------------------------------------


def test_bytes_one_behind_the_other(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [
        serve(content=b"a" * 500_000, cut=200_000, headers={"Link": '</rows?page=1>; rel="next"'})
    ]
    first = linked(server, b"a" * 500_000, b"", b"c" * 10)
    report = store_pages(first, next_by_link, f"{tmp_path}/file", needs_body=False)
    expected = b"a" * 500_000 + b"c" * 10
    assert stored(tmp_path) == {"file": expected}
    assert (report.bytes, report.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())


def rows(document: Any) -> Any:
    return document["rows"]


def documents(*each: list[Any]) -> list[bytes]:
    return [
        json.dumps({"rows": found, "next": f"rows?page={n}" if n < len(each) else None}).encode()
        for n, found in enumerate(each, start=1)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rows.json", b'[{"a": "\xc3\xb6"},\n2,\nnull]'),
        ("rows.jsonl", b'{"a": "\xc3\xb6"}\n2\nnull\n'),
        ("rows.NDJSON", b'{"a": "\xc3\xb6"}\n2\nnull\n'),
    ],
)
def test_rows_of_all_pages(server: ByteServer, tmp_path: Path, name: str, expected: bytes) -> None:
    first = linked(server, *documents([{"a": "ö"}], [], [2, None]), content_type="application/json")
    report = store_pages(first, next_in_body, f"{tmp_path}/{name}", rows=rows)
    assert stored(tmp_path) == {name: expected}
    kind = "application/json" if name.endswith(".json") else "application/x-ndjson"
    assert report.to_dict()["content_type"] == kind


@pytest.mark.parametrize(("name", "expected"), [("x.json", b"[]"), ("x.jsonl", b"")])
def test_no_rows_are_a_result(server: ByteServer, tmp_path: Path, name: str, expected: bytes) -> None:
    store_pages(linked(server, *documents([])), next_in_body, f"{tmp_path}/{name}", rows=rows)
    assert stored(tmp_path) == {name: expected}


def test_a_page_that_is_no_page_leaves_nothing(server: ByteServer, tmp_path: Path) -> None:
    first = linked(server, b'{"rows": [1]}', b"<html>")
    with pytest.raises(DownloadError, match=r"Page 2 .* is not JSON"):
        store_pages(first, next_by_link, f"{tmp_path}/file", rows=rows)
    assert stored(tmp_path) == {}


def test_pages_are_unpacked_and_decoded_each(server: ByteServer, tmp_path: Path) -> None:
    each = [gzip.compress(text.encode("utf-16")) for text in ("ö\n1\n", "ö\n2\n")]
    first = linked(server, *each)
    store_pages(first, next_by_link, f"{tmp_path}/file", repeats_header=True, unpack="gzip", charset="utf-16")
    assert stored(tmp_path)["file"] == "ö\n1\n2\n".encode()


# -- as parts -----------------------------------------------------------------------------------------------


def test_a_file_for_each_page_and_a_manifest(server: ByteServer, tmp_path: Path) -> None:
    each = documents([1], [2], [])
    first = linked(server, *each, content_type="application/json")
    report = store_pages(first, next_in_body, f"{tmp_path}/out/")
    found = stored(tmp_path / "out")
    manifest = json.loads(found.pop("_manifest.json"))
    assert found == {f"part-0000{n}.json": content for n, content in enumerate(each, start=1)}
    assert [file["name"] for file in manifest["files"]] == sorted(found)
    assert report.to_dict()["files"] == 3
    assert store_pages(first, next_in_body, f"{tmp_path}/out/", if_exists="skip").skipped


def test_a_failure_leaves_no_manifest(server: ByteServer, tmp_path: Path) -> None:
    first = linked(server, b"1", b"2")
    serving = server.by_path

    def by_path(target: str) -> Any:
        return status(403, EXPIRED) if "page=1" in target else serving(target)

    server.by_path = by_path
    with pytest.raises(ResultExpiredError):
        store_pages(first, next_by_link, f"{tmp_path}/out/", needs_body=False)
    assert set(stored(tmp_path / "out")) == {"part-00001.csv"}


# -- without end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("destination", ["file", "out/"])
def test_a_page_that_names_itself_as_the_next_one(
    server: ByteServer, tmp_path: Path, destination: str
) -> None:
    server.by_path = lambda _: serve(content=b"1\n", headers={"Link": '</rows?sig=SECRET>; rel="next"'})
    first = HttpSource(f"{server.origin}/rows?sig=SECRET")
    with pytest.raises(DownloadError, match=r"Page 2 .* read before") as caught:
        store_pages(first, next_by_link, f"{tmp_path}/{destination}")
    assert "SECRET" not in str(caught.value)
    assert len(server.requests) == 1
    assert not list(tmp_path.rglob("_manifest.json"))


def endless(server: ByteServer) -> tuple[HttpSource, Callable[[PageAnswer], HttpSource]]:
    numbers = iter(range(10**9))

    def following(_: PageAnswer) -> HttpSource:
        return HttpSource(f"{server.origin}/rows?page={next(numbers)}")

    server.by_path = lambda _: b"x" * 1000
    return HttpSource(f"{server.origin}/rows"), following


def test_the_bounds_count_for_all_pages(server: ByteServer, tmp_path: Path) -> None:
    first, following = endless(server)
    with pytest.raises(ResultLimitError, match="max_result_bytes=5000"):
        store_pages(first, following, f"{tmp_path}/file", max_result_bytes=5000)
    with pytest.raises(ResultLimitError, match="max_result_bytes=5000"):
        store_pages(*endless(server), f"{tmp_path}/out/", max_result_bytes=5000)
    with pytest.raises(ResultLimitError, match="max_result_seconds"):
        store_pages(*endless(server), f"{tmp_path}/file", max_result_seconds=0.2)
    assert not (tmp_path / "file").exists()


def test_connections_are_closed(server: ByteServer, tmp_path: Path) -> None:
    first = linked(server, b"1", b"2")
    second: list[HttpSource] = []

    def following(answer: PageAnswer) -> HttpSource | None:
        found = next_by_link(answer)
        if found is not None:
            second.append(found)
        return found

    store_pages(first, following, f"{tmp_path}/file")
    for source in (first, *second):
        assert source.read() == b""
