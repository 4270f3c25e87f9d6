# SPDX-License-Identifier: Apache-2.0
"""The charts of the documentation are drawn from what the benchmarks write."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "charts.py"
SVG = "{http://www.w3.org/2000/svg}"


def draw(folder: Path, **results: list[dict[str, Any]]) -> dict[str, ET.Element]:
    for name, rows in results.items():
        found = {"name": name, "rows": rows, "interval_seconds": 30.0, "machine": {"cpus": 2}}
        (folder / f"{name}.json").write_text(json.dumps(found))
    command = [sys.executable, str(SCRIPT), "--results", str(folder), "--output", str(folder)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return {path.stem: ET.parse(path).getroot() for path in folder.glob("*.svg")}


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def points(picture: ET.Element) -> list[list[tuple[float, float]]]:
    lines = [element.get("points", "").split() for element in picture.iter(f"{SVG}polyline")]
    return [[(float(p.split(",")[0]), float(p.split(",")[1])) for p in line] for line in lines]


def test_cpu_over_jobs(tmp_path: Path) -> None:
    rows = [
        {"who": who, "jobs": jobs, "jobs_started": min(jobs, most), "cpu_s_per_minute": jobs * cost}
        for who, cost, most in (
            ("ours (ours)", 0.001, 9999),
            ("HttpSensorTrigger (http provider)", 0.01, 1500),
        )
        for jobs in (1000, 2000)
    ]
    picture = draw(tmp_path, waiting=rows)["waiting"]

    assert {"ours, ours", "HttpSensorTrigger", "jobs waiting in one event loop", "2,000"} <= {*texts(picture)}
    ours, peer = points(picture)
    assert ours[0][0] == peer[0][0] < ours[1][0] == peer[1][0]
    assert ours[1][1] > peer[1][1]  # less CPU is further down
    assert any("hollow" in text for text in texts(picture))  # the peer had not started all


def test_time_and_memory_over_size(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"size": "64M", "who": "download (ours)", "seconds": 0.2, "peak_mib": 128.0},
        {"size": "1G", "who": "download (ours)", "seconds": 2.0, "peak_mib": 129.0},
        {"size": "64M", "who": "HttpToS3Operator", "seconds": 0.9, "peak_mib": 300.0},
        {"size": "1G", "who": "HttpToS3Operator", "seconds": 12.0, "peak_mib": 2200.0},
        {"size": "1G", "who": "rclone copyurl", "note": "not installed"},
    ]
    picture = draw(tmp_path, download_s3=rows)["downloads"]

    assert {"Time to S3", "Memory to S3", "64 MiB", "1 GiB", "size of the result"} <= {*texts(picture)}
    assert "rclone copyurl" not in texts(picture)
    assert len(points(picture)) == 4
    assert "download, ours 129 MiB" in (picture.findtext(f"{SVG}desc") or "")
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    assert all(0 < x < width and 0 < y < height for line in points(picture) for x, y in line)


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    single = [{"who": "ours (ours)", "jobs": 1000, "cpu_s_per_minute": 1.0}]
    assert draw(tmp_path, waiting=single) == {}
