# SPDX-License-Identifier: Apache-2.0
"""Metrics through Airflow's own OpenTelemetry settings, to a collector on the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="Airflow's extra otel is not installed")

#: What runs in a process of Airflow's: each kind of metric, as the package sends it.
CODE = """
from airflow_async_provider._metrics import count, count_decision, gauge, timing
count("polls", 3, system="automic", conn_id="night")
gauge("waiting", 7, system="automic", conn_id="night")
timing("poll.latency", 0.25, system="automic", conn_id="night")
count_decision("reconnect_success", object(), {})
from opentelemetry import metrics
metrics.get_meter_provider().force_flush()
"""


@contextmanager
def collector(port_file: list[int]) -> Iterator[list[bytes]]:
    """A tiny OTLP/HTTP receiver; what came, as it came."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port_file.append(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield came
    finally:
        server.shutdown()
        server.server_close()


def exported(bodies: list[bytes]) -> dict[str, Any]:
    """The metrics in what came, by name."""
    import gzip

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    found: dict[str, Any] = {}
    for body in bodies:
        request = ExportMetricsServiceRequest()
        request.ParseFromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                found |= {metric.name: metric for metric in scope.metrics}
    return found


def test_each_kind_of_metric_arrives_with_its_tags(tmp_path: Path) -> None:
    port: list[int] = []
    with collector(port) as came:
        endpoint = f"http://127.0.0.1:{port[0]}/v1/metrics"
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "AIRFLOW__METRICS__OTEL_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__OTEL_PORT": str(port[0]),
            "AIRFLOW__METRICS__OTEL_INTERVAL_MILLISECONDS": "60000",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        }
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        found = exported(came)
    named = {name.removeprefix("airflow."): metric for name, metric in found.items()}
    wanted = {"async_provider.polls", "async_provider.waiting", "async_provider.poll.latency"}
    assert wanted | {"resumable_job.reconnect_success"} <= set(named), (sorted(found), done.stderr[-2000:])
    (point,) = named["async_provider.polls"].sum.data_points
    assert (point.as_int or point.as_double) == 3
    tags = {a.key: a.value.string_value for a in point.attributes}
    assert tags["conn_id"] == "night"
