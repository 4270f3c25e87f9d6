# SPDX-License-Identifier: Apache-2.0
"""What has been stored of several files, kept for the try after this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download.destination.opening import open_destination
from airflow_async_provider._download.files_journal import FilesJournal
from airflow_async_provider._download.source.base import ByteSource
from airflow_async_provider.errors import DownloadError

UPLOAD = {"bucket": "b", "key": "k", "upload_id": "1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def journal_of(path: Path, run: str | None = "job") -> FilesJournal:
    return FilesJournal(open_destination(str(path)), run)


def test_the_next_try_of_the_same_run_takes_it_up(path: Path) -> None:
    first = journal_of(path)
    assert not first.read()
    first.add("a.csv", {"bytes": 1})
    first.claimed = True
    first.memory_of("b.csv").began(UPLOAD)
    first.write(now=True)
    second = journal_of(path)
    assert second.read()
    assert (second.files, second.claimed) == ({"a.csv": {"bytes": 1}}, True)
    assert second.memory_of("b.csv").left() == UPLOAD
    assert second.memory_of("a.csv").left() is None


@pytest.mark.parametrize("run", ["another job", None])
def test_another_run_does_not(path: Path, run: str | None) -> None:
    first = journal_of(path)
    first.add("a.csv", {"bytes": 1})
    first.write(now=True)
    other = journal_of(path, run)
    assert not other.read()
    assert other.files == {}
    other.remove()
    assert path.exists()  # it is not its own


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"version": 2, "run": "job"}',
        b'{"run": "job"}',
        b'{"ver',
        b'{"version": 1, "run": "job"}',
        b'{"version": 1, "run": "job", "files": [], "uploads": {}}',
    ],
)
def test_somebody_else_s_file_is_no_journal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert not journal_of(path).read()


def test_it_is_not_written_for_every_file(path: Path) -> None:
    journal = journal_of(path)
    journal.add("a.csv", {"bytes": 1})
    journal.write()  # just begun
    assert not path.exists()
    journal.write(now=True)
    journal.add("b.csv", {"bytes": 2})
    journal.write()  # just written
    assert set(json.loads(path.read_bytes())["files"]) == {"a.csv"}


def test_an_upload_is_noted_at_once_as_nothing_else_knows_of_it(path: Path) -> None:
    journal = journal_of(path)
    memory = journal.memory_of("a.csv")
    memory.began(UPLOAD)
    assert json.loads(path.read_bytes())["uploads"] == {"a.csv": UPLOAD}
    memory.ended()
    memory.ended()  # twice does no harm
    assert memory.left() is None
    journal.write(now=True)
    assert json.loads(path.read_bytes())["uploads"] == {}


def test_without_a_run_nothing_is_written(path: Path) -> None:
    journal = journal_of(path, None)
    journal.add("a.csv", {"bytes": 1})
    journal.memory_of("b.csv").began(UPLOAD)
    journal.write(now=True)
    assert not path.exists()


def test_when_all_is_there_it_is_removed_where_it_is_its_own(path: Path) -> None:
    journal = journal_of(path)
    path.write_bytes(b"somebody else's")
    journal.remove()
    assert path.exists()
    journal.write(now=True)
    journal.remove()
    assert not path.exists()


def test_a_failure_to_write_in_the_end_hides_no_other_failure(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place: Any = open_destination(str(path))

    def full(source: ByteSource) -> None:
        raise DownloadError("no room left")

    place.write = full
    FilesJournal(place, "job").write_in_the_end()
    assert "could not be noted for the next try: no room left" in caplog.text
    with pytest.raises(DownloadError):
        FilesJournal(place, "job").write(now=True)
