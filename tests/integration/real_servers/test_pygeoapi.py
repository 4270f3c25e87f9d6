# SPDX-License-Identifier: Apache-2.0
"""A real pygeoapi (OGC API - Processes) by its description."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import JobFailedError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from tests.support.harness import free_port
from tests.support.one_task import OneTask
from tests.support.real_servers import missing, program, serving

PYGEOAPI = program("pygeoapi")
pytestmark = pytest.mark.skipif(PYGEOAPI is None, reason=missing("pygeoapi"))

#: A process of ours: waits, then answers, or fails.
PROCESS = textwrap.dedent(
    """
    import time
    from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

    METADATA = {
        "version": "1", "id": "slow", "title": {"en": "slow"}, "description": {"en": "slow"},
        "jobControlOptions": ["sync-execute", "async-execute"], "keywords": ["k"], "links": [],
        "inputs": {}, "outputs": {"echo": {"title": "echo", "schema": {"type": "object"}}},
        "outputTransmission": ["value"], "example": {"inputs": {}},
    }

    class Slow(BaseProcessor):
        def __init__(self, definition):
            super().__init__(definition, METADATA)

        def execute(self, data, outputs=None):
            time.sleep(float(data.get("seconds", 0)))
            if data.get("fail"):
                raise ProcessorExecuteError("no such layer: roads")
            return "application/json", {"id": "echo", "value": data.get("name")}
    """
)


def configuration(port: int, home: Path) -> dict[str, Any]:
    """What pygeoapi wants to be told."""
    url = f"http://127.0.0.1:{port}"
    text = {"en": "test"}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": 10},
            "map": {"url": "http://127.0.0.1/{z}/{x}/{y}.png", "attribution": "none"},
            "manager": {"name": "TinyDB", "connection": str(home / "jobs.db"), "output_dir": str(home)},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": text,
                "description": text,
                "keywords": {"en": ["test"]},
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": url,
            },
            "license": {"name": "none", "url": url},
            "provider": {"name": "test", "url": url},
            "contact": {"name": "test", "position": "test", "email": "a@example.com", "url": url},
        },
        "resources": {"slow": {"type": "process", "processor": {"name": "slow_process.Slow"}}},
    }


@pytest.fixture(scope="module")
def pygeoapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL."""
    port, home = free_port(), tmp_path_factory.mktemp("pygeoapi")
    (home / "slow_process.py").write_text(PROCESS)
    (home / "config.yml").write_text(json.dumps(configuration(port, home)))  # JSON is YAML, too
    env = {
        **os.environ,
        "PYTHONPATH": str(home),
        "PYGEOAPI_CONFIG": str(home / "config.yml"),
        "PYGEOAPI_OPENAPI": str(home / "openapi.yml"),
    }
    generate = [str(PYGEOAPI), "openapi", "generate", "config.yml", "--output-file", "openapi.yml"]
    done = subprocess.run(
        generate, cwd=home, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with serving([str(PYGEOAPI), "serve"], port, cwd=home, env=env):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _connection(pygeoapi: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OGC", json.dumps({"conn_type": "http", "host": pygeoapi}))
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")


def execution(**inputs: Any) -> Callable[[], HttpAsyncJobOperator]:
    """The task."""
    return lambda: HttpAsyncJobOperator(
        task_id="t",
        http_conn_id="ogc",
        profile="ogc_processes",
        profile_options={"process": "slow"},
        json={"inputs": inputs},
        poll_interval=0.2,
        timeout=60,
    )


def test_a_process_is_executed_and_its_outputs_returned() -> None:
    task = OneTask()
    assert task.run(execution(name="roads", seconds=1)) == {"id": "echo", "value": "roads"}
    assert task.deferrals, "it was started, and the answer was not taken for the result"


def test_a_process_that_fails_fails_the_task_in_its_words() -> None:
    with pytest.raises(JobFailedError, match="no such layer"):
        OneTask().run(execution(fail=True, seconds=0.5))
