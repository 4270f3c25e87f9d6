# SPDX-License-Identifier: Apache-2.0
"""Several files below one prefix: in parallel, the manifest last, and taken up again after a failure."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import FileToStore, HttpSource, files, store_files
from airflow_async_provider._download import files_journal as journal
from airflow_async_provider._download.destination.s3_multipart import MIB
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._download.source.base import ByteSource, ChunkSource
from airflow_async_provider._download.source.http_connection import UrlOpener
from airflow_async_provider.errors import (
    AsyncJobError,
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    ResultExpiredError,
    ResultLimitError,
)
from tests.support.byte_server import EXPIRED, ByteServer, running, serve, status
from tests.support.s3_servers import S3Server, moto_s3  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[3]


def content_of(number: int, size: int = 2000) -> bytes:
    return random.Random(number).randbytes(size)


@pytest.fixture
def server() -> Iterator[ByteServer]:
    """Serves other bytes at each path."""
    with running() as server:
        server.by_path = lambda target: content_of(int(target.split("/")[-1].partition(".")[0]))
        yield server


def wanted(server: ByteServer, count: int, **settings: Any) -> list[FileToStore]:
    def opening(url: str) -> Callable[[], HttpSource]:
        return lambda: HttpSource(UrlOpener(url, **settings))

    urls = [f"{server.origin}/out/{number}.csv?sig=SECRET" for number in range(count)]
    return [FileToStore(opening(url), url=url) for url in urls]


def stored(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def manifest_of(content: bytes) -> dict[str, Any]:
    assert b"SECRET" not in content
    found: dict[str, Any] = json.loads(content)
    return found


# -- all goes well ------------------------------------------------------------------------------------------


def test_files_are_stored_hashed_and_listed_in_their_order(server: ByteServer, tmp_path: Path) -> None:
    report = store_files(wanted(server, 40), str(tmp_path / "out"), run="job")
    found = stored(tmp_path / "out")
    manifest = found.pop("_manifest.json")
    assert found == {f"{n}.csv": content_of(n) for n in range(40)}
    assert (report.files, report.bytes, report.kept, report.skipped) == (40, 80_000, 0, False)
    assert report.uri == (tmp_path / "out").as_uri() + "/"
    assert report.manifest == (tmp_path / "out" / "_manifest.json").as_uri()
    assert report.sha256 == hashlib.sha256(manifest).hexdigest()
    listed = manifest_of(manifest)
    assert (listed["files_count"], listed["bytes"]) == (40, 80_000)
    assert [file["name"] for file in listed["files"]] == [f"{n}.csv" for n in range(40)]
    assert listed["files"][7] == {
        "name": "7.csv",
        "uri": (tmp_path / "out" / "7.csv").as_uri(),
        "bytes": 2000,
        "sha256": hashlib.sha256(content_of(7)).hexdigest(),
        "content_type": "text/csv",
        "content_encoding": None,
        "etag": '"v1"',
    }
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_files_in_s3(server: ByteServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    report = store_files(
        wanted(server, 30), f"s3://{moto_s3.bucket}/a/b", s3_extra_args={"Tagging": {"team": "x"}}
    )
    keys = {f"a/b/{n}.csv" for n in range(30)}
    assert set(moto_s3.stored_keys()) == {*keys, "a/b/_manifest.json"}
    assert moto_s3.content("a/b/7.csv") == content_of(7)
    for key in ("a/b/7.csv", "a/b/_manifest.json"):
        tags = moto_s3.client.get_object_tagging(Bucket=moto_s3.bucket, Key=key)["TagSet"]
        assert tags == [{"Key": "team", "Value": "x"}]
    assert (report.uri, report.files) == (f"s3://{moto_s3.bucket}/a/b/", 30)


def test_files_are_fetched_together(server: ByteServer, tmp_path: Path) -> None:
    together = threading.Barrier(files.AT_ONCE)

    def meeting(exchange: Any) -> None:
        together.wait(20)
        serve()(exchange)

    server.steps = [meeting] * files.AT_ONCE
    assert store_files(wanted(server, files.AT_ONCE), str(tmp_path)).files == files.AT_ONCE


def test_files_are_unpacked_each(tmp_path: Path) -> None:
    each = [
        FileToStore(lambda n=n: ChunkSource([gzip.compress(content_of(n))]), name=f"{n}/x") for n in (1, 2)
    ]
    store_files(each, str(tmp_path), unpack="gzip")
    found = stored(tmp_path)
    assert (found["1/x"], found["2/x"]) == (content_of(1), content_of(2))
    assert json.loads(found["_manifest.json"])["bytes"] == 4000


def test_no_files_are_a_manifest_of_none(tmp_path: Path) -> None:
    report = store_files([], str(tmp_path))
    assert (report.files, report.bytes) == (0, 0)
    assert list(stored(tmp_path)) == ["_manifest.json"]


def test_empty_files_are_files(tmp_path: Path) -> None:
    store_files([FileToStore(lambda: ChunkSource([]), name="empty")], str(tmp_path))
    assert stored(tmp_path)["empty"] == b""


def test_progress_is_reported(server: ByteServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store_files(wanted(server, 5), str(tmp_path), progress_every=0)
    assert any(line.startswith("Stored 5 of 5 files, 9.8 KiB, in ") for line in caplog.messages)
    assert sum("Wrote" in line for line in caplog.messages) == 1


# -- a failure in the middle --------------------------------------------------------------------------------


def failing(server: ByteServer, at: str, *, code: int = 403, body: bytes = EXPIRED) -> None:
    """The file at a path is refused."""
    serving = server.by_path

    def by_path(target: str) -> Any:
        return status(code, body) if f"/{at}?" in target else serving(target)

    server.by_path = by_path


def test_a_failure_leaves_no_manifest_and_the_next_try_fetches_the_rest(
    server: ByteServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = server.by_path
    failing(server, "30.csv")
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 40), str(tmp_path), run="job")
    assert "The file '30.csv' could not be stored" in caplog.text
    assert not (tmp_path / "_manifest.json").exists()
    there = set(stored(tmp_path)) - {"_manifest.json.unfinished"}
    assert 20 <= len(there) < 40
    server.by_path, before = whole, len(server.requests)
    report = store_files(wanted(server, 40), str(tmp_path), run="job")
    assert (report.files, report.kept) == (40, len(there))
    assert len(server.requests) - before == 40 - len(there)
    found = stored(tmp_path)
    assert set(found) == {"_manifest.json", *(f"{n}.csv" for n in range(40))}
    assert all(found[f"{n}.csv"] == content_of(n) for n in range(40))
    assert json.loads(found["_manifest.json"])["bytes"] == 80_000


@pytest.mark.parametrize("run", ["another job", None])
def test_another_jobs_files_are_not_ours(server: ByteServer, tmp_path: Path, run: str | None) -> None:
    whole = server.by_path
    failing(server, "9.csv")
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 10), str(tmp_path), run="job")
    server.by_path = lambda target: whole(target)[::-1]
    report = store_files(wanted(server, 10), str(tmp_path), run=run)
    assert report.kept == 0
    assert stored(tmp_path)["3.csv"] == content_of(3)[::-1]


def test_a_file_that_was_changed_meanwhile_is_fetched_again(server: ByteServer, tmp_path: Path) -> None:
    whole = server.by_path
    failing(server, "9.csv")
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 10), str(tmp_path), run="job", at_once=1)
    (tmp_path / "3.csv").write_bytes(b"cut")
    (tmp_path / "4.csv").unlink()
    server.by_path = whole
    assert store_files(wanted(server, 10), str(tmp_path), run="job").kept == 7
    assert stored(tmp_path)["3.csv"] == content_of(3)


def test_the_manifest_of_the_run_before_does_not_stay(server: ByteServer, tmp_path: Path) -> None:
    store_files(wanted(server, 5), str(tmp_path), run="yesterday")
    failing(server, "3.csv")
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 5), str(tmp_path), run="today")
    assert not (tmp_path / "_manifest.json").exists()


def test_a_failure_ends_the_wait_of_the_others(server: ByteServer, tmp_path: Path) -> None:
    serving = server.by_path
    silent = serve(cut=100, how="silence")

    def by_path(target: str) -> Any:
        if "/0.csv" in target:
            return silent
        return status(403, EXPIRED) if "/5.csv" in target else serving(target)

    server.by_path, server.content = by_path, bytes(2000)
    began = time.monotonic()
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 6, timeout=(5, 60)), str(tmp_path))
    assert time.monotonic() - began < 20
    assert not any(t.name.startswith("file") for t in threading.enumerate())
    assert "0.csv" not in stored(tmp_path)


def test_the_largest_size_counts_for_all_of_them(server: ByteServer, tmp_path: Path) -> None:
    with pytest.raises(ResultLimitError, match="max_result_bytes=30000"):
        store_files(wanted(server, 40), str(tmp_path), max_result_bytes=30_000)
    assert len(stored(tmp_path)) <= 16


def noted(s3: S3Server) -> tuple[int, list[str]]:
    """How many files the journal holds, and the names of the unfinished ones."""
    journals = [key for key in s3.stored_keys() if key.startswith("out/") and not key.endswith(".csv")]
    found = json.loads(s3.content(journals[0])) if journals else {"files": {}, "uploads": {}}
    return len(found["files"]), sorted(found["uploads"])


def test_a_process_that_is_killed_is_followed_by_one_that_fetches_the_rest(
    server: ByteServer, tmp_path: Path, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unfinished multipart upload is removed, too."""
    large = random.Random(1).randbytes(20 * MIB)
    by_path = server.by_path
    server.content = large

    def killing(target: str) -> Any:
        return serve(cut=17 * MIB, how="silence") if "/9.csv" in target else by_path(target)

    server.by_path = killing
    code = """
        import sys, threading
        from airflow_async_provider._download import FileToStore, HttpSource, files_journal, store_files
        files_journal.EVERY = 0
        urls = [f"{sys.argv[1]}/out/{n}.csv" for n in range(10)]
        each = [FileToStore(lambda url=url: HttpSource(url), url=url) for url in urls]
        store_files(each, sys.argv[2], run="job")
    """
    connection = moto_s3.connection(
        service_config={"s3": {"transfer_config_args": {"multipart_chunksize": 5 * MIB}}}
    )
    prefix = f"s3://{moto_s3.bucket}/out/"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_CONN_AWS_DEFAULT": connection}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), server.origin, prefix], env=environment
    )
    deadline = time.monotonic() + 200
    while not (moto_s3.unfinished_uploads() and noted(moto_s3) == (9, ["9.csv"])):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    server.by_path = lambda target: large if "/9.csv" in target else by_path(target)
    report = store_files(wanted(server, 10), prefix, run="job")
    assert report.kept == 9
    assert moto_s3.unfinished_uploads() == []
    assert moto_s3.content("out/9.csv") == large
    assert set(moto_s3.stored_keys()) == {"out/_manifest.json", *(f"out/{n}.csv" for n in range(10))}


# -- what is there already ----------------------------------------------------------------------------------


def test_skip_asks_for_nothing_when_a_manifest_is_there(server: ByteServer, tmp_path: Path) -> None:
    store_files(wanted(server, 5), str(tmp_path))
    before = len(server.requests)
    report = store_files(wanted(server, 9), str(tmp_path), if_exists="skip")
    assert (report.skipped, report.files, report.bytes, report.sha256) == (True, 5, 10_000, None)
    assert len(server.requests) == before


def test_skip_stores_where_files_are_without_a_manifest(server: ByteServer, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"half")
    store_files(wanted(server, 3), str(tmp_path), if_exists="skip")
    assert stored(tmp_path)["1.csv"] == content_of(1)


@pytest.mark.parametrize("name", ["_manifest.json", "2.csv"])
def test_fail_touches_nothing_of_what_is_there(server: ByteServer, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"theirs")
    with pytest.raises(DestinationExistsError, match=name):
        store_files(wanted(server, 3), str(tmp_path), if_exists="fail", run="job")
    assert stored(tmp_path) == {name: b"theirs"}
    assert server.requests == []


def test_fail_goes_on_with_what_an_own_earlier_try_has_left(server: ByteServer, tmp_path: Path) -> None:
    whole = server.by_path
    failing(server, "9.csv")
    with pytest.raises(ResultExpiredError):
        store_files(wanted(server, 10), str(tmp_path), if_exists="fail", run="job", at_once=1)
    (tmp_path / "9.csv").write_bytes(b"stored by a try that was killed before it could note it")
    server.by_path = whole
    report = store_files(wanted(server, 10), str(tmp_path), if_exists="fail", run="job")
    assert report.kept == 9
    assert stored(tmp_path)["9.csv"] == content_of(9)


def test_fail_holds_when_another_one_was_faster(server: ByteServer, tmp_path: Path) -> None:
    serving = server.by_path

    def by_path(target: str) -> bytes:
        if "/4.csv" in target:
            (tmp_path / "4.csv").write_bytes(b"theirs")
        return bytes(serving(target))

    server.by_path = by_path
    for _ in range(2):
        with pytest.raises(DestinationExistsError):
            store_files(wanted(server, 5), str(tmp_path), if_exists="fail", run="job", at_once=1)
        assert (tmp_path / "4.csv").read_bytes() == b"theirs"
        assert not (tmp_path / "_manifest.json").exists()
        for number in range(4):
            (tmp_path / f"{number}.csv").unlink(missing_ok=True)


# -- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "/etc/passwd"])
def test_a_name_never_leads_out_of_the_prefix(tmp_path: Path, name: str) -> None:
    each = [FileToStore(lambda: ChunkSource([b"x"]), name=name)]
    with pytest.raises(DownloadError, match="no name below the destination"):
        store_files(each, str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_two_of_the_same_name(tmp_path: Path) -> None:
    def each(*names: str) -> list[FileToStore]:
        return [FileToStore(lambda: ChunkSource([b"x"]), name=name) for name in names]

    for names in (("a", "b", "a"), ("_manifest.json",)):
        with pytest.raises(DownloadError, match="Two of the files would have the name"):
            store_files(each(*names), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_whether_files_can_be_written_is_known_before_they_are_there(tmp_path: Path) -> None:
    files.FilesWriter(f"{tmp_path}/out/", StoreOptions()).check()
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(AsyncJobError, match="file"):
        files.FilesWriter(f"{tmp_path}/file/", StoreOptions()).check()


def test_a_destination_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="relative path"):
        store_files([], "relative/")


def test_a_journal_that_cannot_be_written_does_not_hide_the_failure(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing(server, "1.csv")

    def fails(*_: Any, **__: Any) -> None:
        raise DownloadError("no room left")

    monkeypatch.setattr(journal.FilesJournal, "write", fails)
    files_ = wanted(server, 2)
    monkeypatch.setattr(files.FilesWriter, "begin", lambda *_: None)
    with pytest.raises((ResultExpiredError, DownloadError)):
        store_files(files_, str(tmp_path), run="job", at_once=1)
    assert "could not be noted for the next try" in caplog.text


def test_a_signal_in_the_middle_ends_all(server: ByteServer, tmp_path: Path) -> None:
    """Airflow ends a task by an exception out of the handler of a signal, in the main thread."""

    class Terminated(BaseException):
        pass

    seen: list[ByteSource] = []

    def opening() -> ByteSource:
        source = HttpSource(f"{server.origin}/out/1.csv")
        seen.append(source)
        return source

    def handler(*_: Any) -> None:
        raise Terminated

    server.content, server.by_path = bytes(2000), lambda _: serve(cut=100, how="silence")
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(Terminated):
            store_files([FileToStore(opening, name=str(n)) for n in range(20)], str(tmp_path), run="job")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not any(t.name.startswith("file") for t in threading.enumerate())
    assert set(stored(tmp_path)) == {"_manifest.json.unfinished"}
