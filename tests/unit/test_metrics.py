# SPDX-License-Identifier: Apache-2.0
"""Metrics arrive at a StatsD server, over a real socket, and never get in the way."""

from __future__ import annotations

import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider import _metrics

SEND = """
from airflow_async_provider import _metrics
_metrics.count("polls", 7, system="http_location", connection="c")
_metrics.gauge("waiting", 3, system="http_location", connection="c", hostname="h")
_metrics.timing("poll_latency", 0.25, system="http_location", connection="c")
_metrics.count_decision("fresh_submit", object(), {})
"""


@pytest.mark.thorough
def test_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    # In a process of its own: Airflow reads the settings of its metrics once.
    pytest.importorskip("statsd", reason="the client that Airflow uses is an extra of it")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(1)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(server.getsockname()[1]))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
        subprocess.run([sys.executable, "-c", SEND], check=True, timeout=120)
        lines = set()
        try:
            while True:
                lines.add(server.recv(4096).decode())
        except TimeoutError:
            pass
    tags = ",system=http_location,connection=c"
    assert f"airflow.async_provider.polls{tags}:7|c" in lines
    assert f"airflow.async_provider.waiting{tags},hostname=h:3|g" in lines
    assert any(line.startswith(f"airflow.async_provider.poll_latency{tags}:250") for line in lines)
    assert "airflow.resumable_job.fresh_submit,operator=object:1|c" in lines


def test_trouble_with_them_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("no metrics today")

    monkeypatch.setattr(_metrics, "_stats", broken)
    _metrics.count("polls")
    _metrics.timing("poll_latency", 1.0)
    _metrics.gauge("waiting", 1)
    _metrics.count_decision("fresh_submit", object(), {"ti": SimpleNamespace(stats_tags={"team_name": "x"})})
