# SPDX-License-Identifier: Apache-2.0
"""A real ``rclone rcd`` (Debian's package, or any on the path) by its description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_async_provider.errors import JobFailedError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from tests.support.harness import free_port
from tests.support.one_task import OneTask
from tests.support.real_servers import missing, program, serving

RCLONE = program("rclone")
pytestmark = pytest.mark.skipif(RCLONE is None, reason=missing("rclone"))

USER, PASSWORD = "user", "secret"


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, home = free_port(), tmp_path_factory.mktemp("rclone")
    line = [str(RCLONE), "rcd", "--rc-addr", f"127.0.0.1:{port}", "--rc-user", USER, "--rc-pass", PASSWORD]
    with serving([*line, "--config", str(home / "rclone.conf")], port, cwd=home):
        yield port


@pytest.fixture(autouse=True)
def _connection(rclone: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "http",
        "host": f"http://127.0.0.1:{rclone}",
        "login": USER,
        "password": PASSWORD,
    }
    monkeypatch.setenv("AIRFLOW_CONN_RCLONE", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def copy(source: Path, target: Path) -> object:
    def task() -> HttpAsyncJobOperator:
        return HttpAsyncJobOperator(
            task_id="t",
            http_conn_id="rclone",
            profile="rclone_job",
            endpoint="sync/copy",
            json={"srcFs": str(source), "dstFs": str(target), "_async": True},
            poll_interval=0.2,
            timeout=30,
        )

    return OneTask().run(task)


def test_a_folder_is_copied(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a.txt").write_text("a")
    told = copy(tmp_path / "from", tmp_path / "to")
    # Some versions say "text/plain" of their JSON, which is then handed over as text.
    document = json.loads(told) if isinstance(told, str) else told
    assert isinstance(document, dict)
    assert (document["finished"], document["success"]) == (True, True)
    assert (tmp_path / "to" / "a.txt").read_text() == "a"


def test_a_folder_that_there_is_not_fails_in_rclones_words(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match="not found"):
        copy(tmp_path / "nothing", tmp_path / "to")
