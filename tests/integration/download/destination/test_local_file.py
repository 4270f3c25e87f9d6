# SPDX-License-Identifier: Apache-2.0
"""Local destinations: complete or not at all, whatever ends the download."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import HttpSource, download, write_bytes, write_chunks
from airflow_async_provider._download.destination import temporary_file as temporary
from airflow_async_provider._download.destination.local_file import LocalFile
from airflow_async_provider.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    ResultChangedError,
)
from tests.support.byte_server import ByteServer, change, running, serve, status
from tests.support.unfinished import kind  # noqa: F401 - a fixture

CONTENT = random.Random(7).randbytes(20_000_000)  # enough for the threads to take part
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def failing(error: BaseException, after: int = 12_000_000) -> Iterator[bytes]:
    for start in range(0, after, 1_000_000):
        yield CONTENT[start : start + 1_000_000]
    raise error


# -- what is written ----------------------------------------------------------------------------------------


def test_report_and_content(server: ByteServer, folder: Path) -> None:
    server.steps = [serve(cut=5_000_000)]
    target = folder / "new" / "and deep" / "größe?#1.csv"
    report = download(server.url, str(target))
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == [target.name]
    said = report.to_dict()
    assert said.pop("seconds") > 0
    assert said == {
        "uri": target.as_uri(),
        "bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "content_type": "text/csv",
        "content_encoding": None,
        "etag": '"v1"',
        "resumes": 1,
        "skipped": False,
    }


@pytest.mark.parametrize("prefix", ["file://", "file://localhost", "FILE://"])
def test_file_url(folder: Path, prefix: str) -> None:
    write_bytes(b"data", f"{prefix}{folder}/a%20b%2Bc.json")
    assert (folder / "a b+c.json").read_bytes() == b"data"


def test_empty_result(folder: Path) -> None:
    report = write_chunks([], f"{folder}/empty")
    assert (folder / "empty").read_bytes() == b""
    assert report.bytes == 0
    assert report.sha256 == hashlib.sha256(b"").hexdigest()


def test_open_readers_keep_the_old_file(folder: Path) -> None:
    target = folder / "file"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        write_bytes(b"new", str(target))
        assert reader.read() == b"old"


def test_symbolic_link_is_replaced_not_followed(folder: Path) -> None:
    (folder / "other").write_bytes(b"precious")
    (folder / "link").symlink_to("other")
    write_bytes(b"new", f"{folder}/link")
    assert (folder / "other").read_bytes() == b"precious"
    assert not (folder / "link").is_symlink()


# -- what is there already ----------------------------------------------------------------------------------


def test_skip_asks_for_nothing(server: ByteServer, folder: Path) -> None:
    (folder / "file").write_bytes(b"there")
    report = download(server.url, f"{folder}/file", if_exists="skip")
    assert (report.skipped, report.bytes, report.sha256) == (True, 5, None)
    assert server.requests == []
    assert not download(server.url, f"{folder}/other", if_exists="skip").skipped


def test_fail_asks_for_nothing(server: ByteServer, folder: Path) -> None:
    (folder / "file").symlink_to("nowhere")
    with pytest.raises(DestinationExistsError, match="exists already"):
        download(server.url, f"{folder}/file", if_exists="fail")
    assert server.requests == []
    assert download(server.url, f"{folder}/other", if_exists="fail").bytes == len(CONTENT)


def test_fail_holds_when_another_one_was_faster(folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ours"
        (folder / "file").write_bytes(b"theirs")

    with pytest.raises(DestinationExistsError):
        write_chunks(chunks(), f"{folder}/file", if_exists="fail")
    assert (folder / "file").read_bytes() == b"theirs"
    assert names(folder) == ["file"]


def no_links(*_: Any, **__: Any) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_fail_holds_without_hard_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    write_bytes(b"data", f"{folder}/new", if_exists="fail")
    assert (folder / "new").read_bytes() == b"data"
    write_bytes(b"newer", f"{folder}/new")
    assert (folder / "new").read_bytes() == b"newer"

    def chunks() -> Iterator[bytes]:
        yield b"ours"
        (folder / "file").write_bytes(b"theirs")

    with pytest.raises(DestinationExistsError):
        write_chunks(chunks(), f"{folder}/file", if_exists="fail")
    assert (folder / "file").read_bytes() == b"theirs"
    assert names(folder) == ["file", "new"]


@pytest.mark.parametrize("kind", ["nameless"], indirect=True)
def test_links_that_fail_all_of_a_sudden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ours"
        monkeypatch.setattr(os, "link", no_links)

    for if_exists in ("fail", "replace"):
        monkeypatch.undo()
        with pytest.raises(DownloadError, match="Operation not permitted"):
            write_chunks(chunks(), f"{folder}/new", if_exists=if_exists)
    assert names(folder) == []


# -- what goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), OSError(errno.EIO, "y"), KeyboardInterrupt(), SystemExit(1)]
)
@pytest.mark.parametrize("after", [1_000_000, 12_000_000])
def test_failed_source_leaves_the_old_file_and_its_own_error(
    folder: Path, error: BaseException, after: int
) -> None:
    (folder / "file").write_bytes(b"old")
    with pytest.raises(type(error)) as caught:
        write_chunks(failing(error, after), f"{folder}/file")
    assert caught.value is error
    assert (folder / "file").read_bytes() == b"old"
    assert names(folder) == ["file"]


def test_refused_download_leaves_nothing(server: ByteServer, folder: Path) -> None:
    server.steps = [serve(cut=9_000_000), status(403)]
    with pytest.raises(DownloadError):
        download(server.url, f"{folder}/file")
    assert names(folder) == []


def test_changed_object_is_fetched_anew(server: ByteServer, folder: Path) -> None:
    server.steps = [serve(cut=9_000_000), change(serve(), etag='"v2"', content=CONTENT[::-1])]
    report = download(server.url, f"{folder}/file")
    assert (folder / "file").read_bytes() == CONTENT[::-1]
    assert report.etag == '"v2"'
    assert report.sha256 == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_object_that_keeps_changing_is_given_up(server: ByteServer, folder: Path) -> None:
    server.steps = [
        serve(cut=9_000_000),
        change(serve(), etag='"v2"'),
        serve(cut=9_000_000),
        change(serve(), etag='"v3"'),
    ]
    with pytest.raises(ResultChangedError):
        download(server.url, f"{folder}/file")
    assert names(folder) == []


def test_no_room_is_said_before_the_first_byte(folder: Path) -> None:
    with pytest.raises(
        DownloadError, match=f"{folder}/file cannot be written: the result has 10{'0' * 18} bytes"
    ):
        write_chunks([b"x"], f"{folder}/file", length=10**19, max_result_bytes=None)
    assert names(folder) == []


def test_place_that_takes_no_files() -> None:
    with pytest.raises(DownloadError, match="/proc/file cannot be written"):
        write_bytes(b"data", "/proc/file")


@pytest.mark.parametrize(
    ("place", "words"),
    [("file/below", "Not a directory|File exists"), ("x" * 300, "File name too long")],
)
def test_what_the_system_refuses(folder: Path, place: str, words: str) -> None:
    (folder / "file").write_bytes(b"a file, no directory")
    with pytest.raises(DownloadError, match=words):
        write_bytes(b"data", f"{folder}/{place}")
    assert names(folder) == ["file"]


def test_directory_in_the_way(folder: Path) -> None:
    (folder / "dir").mkdir()
    with pytest.raises(DownloadError, match="directory"):
        write_bytes(b"data", f"{folder}/dir")
    for if_exists in ("skip", "fail"):
        with pytest.raises(ConfigurationError, match="is a directory"):
            write_bytes(b"data", f"{folder}/dir", if_exists=if_exists)
    assert names(folder) == ["dir"]


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "  ",
        "relative/path",
        "./x",
        "~/x",
        "file://host/x",
        "file://relative",
        "/ends/with/",
        "file:///d/",
        "/nul\0",
    ],
)
def test_destinations_that_are_refused(destination: str) -> None:
    with pytest.raises(ConfigurationError):
        write_bytes(b"data", destination)


# -- the process ends ---------------------------------------------------------------------------------------


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


BEGIN = """
    import sys
    from pathlib import Path
    from airflow_async_provider._download import HttpSource, download, write_chunks
    from airflow_async_provider._download.destination import temporary_file as temporary
    url, target, kind = sys.argv[1:]
    if kind == "hidden name":
        temporary._FD_LINKS = Path("/nowhere")
"""

UNTIL_SILENCE = (
    BEGIN
    + """
    source = HttpSource(url)
    read = source.read
    def reading(size=1_000_000):
        if source.offset >= 11_000_000:  # this one, or the next, waits for what does not come
            print("mid", flush=True)
        return read(size)
    source.read = reading
"""
)


@pytest.mark.parametrize("old", [None, b"old"])
def test_killed_process_leaves_no_partial_file(
    server: ByteServer, folder: Path, kind: str, old: bytes | None
) -> None:
    server.steps = [serve(cut=12_000_000, how="silence")]
    if old is not None:
        (folder / "file").write_bytes(old)
    process = child(UNTIL_SILENCE + "    download(source, target)", server.url, f"{folder}/file", kind)
    assert process.stdout is not None
    assert process.stdout.readline() == "mid\n", process.communicate()[1]
    process.kill()
    process.communicate(timeout=20)
    if old is None:
        assert not (folder / "file").exists()
    else:
        assert (folder / "file").read_bytes() == old
    left = [name for name in names(folder) if name != "file"]
    if kind == "nameless":
        assert left == []
    else:  # hidden, and for its owner only
        assert [name.startswith(".") and name.endswith(".part") for name in left] == [True]
        assert (folder / left[0]).stat().st_mode & 0o777 == 0o700
        assert [p.stat().st_mode & 0o777 for p in (folder / left[0]).iterdir()] == [0o600]
    download(server.url, f"{folder}/file")  # the next try
    assert names(folder) == ["file"]
    assert (folder / "file").read_bytes() == CONTENT


def test_signal_that_ends_the_task_leaves_nothing(server: ByteServer, folder: Path, kind: str) -> None:
    """Airflow ends a task by an exception out of the handler of SIGTERM."""
    server.steps = [serve(cut=12_000_000, how="silence")]
    code = (
        UNTIL_SILENCE
        + """
    import signal
    class Terminated(BaseException): pass
    def handler(*_): raise Terminated
    signal.signal(signal.SIGTERM, handler)
    try:
        download(source, target)
    except Terminated:
        print("ended", flush=True)
"""
    )
    process = child(code, server.url, f"{folder}/file", kind)
    assert process.stdout is not None
    assert process.stdout.readline() == "mid\n", process.communicate()[1]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert out.splitlines()[-1:] == ["ended"], err
    assert names(folder) == []


def test_no_room_in_the_middle(folder: Path, kind: str) -> None:
    code = (
        BEGIN
        + """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))
    try:
        write_chunks((bytes(1_000_000) for _ in range(20)), target)
    except Exception as error:
        print(type(error).__name__, error)
"""
    )
    out, err = child(code, "-", f"{folder}/file", kind).communicate(timeout=30)
    assert out.startswith(f"DownloadError {folder}/file cannot be written: no room left after "), err
    assert "File too large" in out
    assert names(folder) == []


def test_full_disk(folder: Path, kind: str) -> None:
    """A real, small file system, where this machine lets us mount one."""
    small = folder / "small"
    small.mkdir()
    code = (
        BEGIN
        + """
    try:
        write_chunks((bytes(1_000_000) for _ in range(20)), target)
    except Exception as error:
        print(type(error).__name__, error)
"""
    )
    mount = f"mount -t tmpfs -o size=4m none '{small}'"
    script = f"{mount} || exit 77; '{sys.executable}' -c \"$1\" - '{small}/file' '{kind}'; ls -A '{small}'"
    process = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    if process.returncode == 77 or "unshare" in process.stderr:
        pytest.skip("this machine lets us mount nothing")
    said = process.stdout.splitlines()
    assert said[0].startswith(f"DownloadError {small}/file cannot be written: no room left after "), process
    assert "No space left on device" in said[0]
    assert said[1:] == []


def test_memory_is_bounded(server: ByteServer, folder: Path, kind: str) -> None:
    size, block = 400_000_000, bytes(1_000_000)

    def endless(exchange: Any) -> None:
        exchange.head(200, {"Content-Length": size})
        for _ in range(size // len(block)):
            exchange.connection.sendall(block)

    server.steps = [endless]
    code = (
        BEGIN
        + """
    import requests, resource
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    download(url, target)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    )
    out, err = child(code, server.url, f"{folder}/file", kind).communicate(timeout=120)
    assert (folder / "file").stat().st_size == size, err
    assert int(out) < 40_000, "KiB beyond what importing takes"


def test_source_is_closed_whatever_happens(server: ByteServer, folder: Path) -> None:
    source = HttpSource(server.url)
    closed: list[bool] = []
    close: Callable[[], None] = source.close
    source.close = lambda: (closed.append(True), close())[1]
    (folder / "file").write_bytes(b"")
    download(source, f"{folder}/file", if_exists="skip")
    assert closed == [True]


# -- what is at disk, and when ------------------------------------------------------------------------------


def test_a_disk_that_is_full_at_the_last_block_publishes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last blocks are written by another thread, after the source has ended."""
    block, number, done = 1024 * 1024, 40, 0
    write = os.write

    def last_fails(fd: int, data: Any) -> int:
        nonlocal done
        if len(data) < block:
            return write(fd, data)
        done += 1
        time.sleep(0.02)
        if done == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    monkeypatch.setattr(os, "write", last_fails)
    with pytest.raises(DownloadError, match="no room left"):
        write_chunks([b"x" * block] * number, f"{folder}/file")
    assert names(folder) == []


def test_a_small_file_of_our_own_is_read_up_to_its_limit(tmp_path: Path) -> None:
    place = LocalFile(str(tmp_path / "file"))
    assert place.read_whole(3) is None
    place.path.write_bytes(b"abc")
    assert place.read_whole(3) == b"abc"
    with pytest.raises(DownloadError):
        place.read_whole(2)


def test_what_the_system_takes_in_pieces_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(temporary.os, "write", lambda fd, data: write(fd, data[:1000]))
    write_bytes(bytes(10_500), f"{tmp_path}/file")
    assert (tmp_path / "file").read_bytes() == bytes(10_500)


def test_the_permissions_of_a_replaced_program_are_not_those_of_its_owner(tmp_path: Path) -> None:
    """Whoever could run it as its owner could run what a remote system has sent."""
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o4750)
    write_bytes(b"new", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o750


# -- before the job is started


def test_a_path_is_checked_without_a_trace(tmp_path: Path) -> None:
    LocalFile(str(tmp_path / "new" / "folders" / "x")).check()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match=r"file is not a directory"):
        LocalFile(str(tmp_path / "file" / "x")).check()
    with pytest.raises(ConfigurationError, match=r"/proc/self"):  # not even root may write there
        LocalFile("/proc/self/nothing/x").check()
