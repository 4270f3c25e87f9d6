# SPDX-License-Identifier: Apache-2.0
"""
A result to S3: ours, ``HttpToS3Operator``, ``rclone copyurl``, and curl piped into the AWS CLI.

Each is a process of its own. Source and S3 server are two more on the same machine that cost little: the
source gives the same block again and again, the server forgets what it gets (``--server rclone`` takes
``rclone serve s3`` in its place, which writes to the disk). ``seconds`` are those of the work, of other
programs those of the process. The larger sizes (``--large``) are for ours alone: they show that its memory
does not grow. With ``--rate`` and ``--delay`` the source limits each connection. A side whose program is not
installed says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import arguments, report, server
from measured import Measured, measure, middle, parse_sizes, python, shown

OURS = "download (ours)"
BUCKET = "results"
KEYS = ("benchmark-access-key", "benchmark-secret-key")


def environment(endpoint: str) -> dict[str, str]:
    """What the sides need to know of the S3 server."""
    connection = {
        "conn_type": "aws",
        "login": KEYS[0],
        "password": KEYS[1],
        "extra": {
            "region_name": "us-east-1",
            "endpoint_url": endpoint,
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        },
    }
    rclone = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": endpoint,
        "ACCESS_KEY_ID": KEYS[0],
        "SECRET_ACCESS_KEY": KEYS[1],
        "REGION": "us-east-1",
        "FORCE_PATH_STYLE": "true",
        "NO_CHECK_BUCKET": "true",
    }
    return {
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "AWS_ACCESS_KEY_ID": KEYS[0],
        "AWS_SECRET_ACCESS_KEY": KEYS[1],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG": os.devnull,
        **{f"RCLONE_CONFIG_TARGET_{name}": value for name, value in rclone.items()},
    }


def commands(url: str, key: str) -> dict[str, list[str] | None]:
    """The sides; None for a program that is not there."""
    rclone, aws = program("rclone"), program("aws")
    pipe = 'set -o pipefail; curl -sSf "$1" | "$2" s3 cp --only-show-errors - "$3"'
    return {
        OURS: python("ours", url, f"s3://{BUCKET}/{key}"),
        "HttpToS3Operator": python("http_to_s3", url, f"s3://{BUCKET}/{key}"),
        "rclone copyurl": [rclone, "copyurl", url, f"target:{BUCKET}/{key}"] if rclone else None,
        "curl | aws s3 cp -": ["bash", "-c", pipe, "bash", url, aws, f"s3://{BUCKET}/{key}"]
        if aws and shutil.which("curl")
        else None,
    }


def program(name: str) -> str | None:
    """Where a program lies: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def compare(source: str, endpoint: str, size: int, turns: int, *, alone: bool) -> list[dict[str, Any]]:
    """All sides for one size, or ours alone."""
    key = f"result-{size}"
    sides = commands(f"{source}/bytes/{size}?X-Amz-Signature=made-up", key)
    if alone:
        sides = {OURS: sides[OURS]}
    done: dict[str, list[Measured]] = {who: [] for who, command in sides.items() if command}
    for _ in range(turns):
        for who, results in done.items():
            results.append(measure(sides[who] or [], **environment(endpoint)))
    for who in done:
        # a process of its own, so that this one stays small: what a child inherits counts as its memory
        stored = measure(python("stored_size", endpoint, f"{BUCKET}/{key}"), **environment(endpoint)).said
        if stored["size"] != size:
            raise RuntimeError(f"{who} stored {stored['size']} bytes of {size}")
    rows = []
    for who in sides:
        row: dict[str, Any] = {"size": shown(size), "who": who}
        if who in done:
            figures = middle(done[who])
            row |= {
                "seconds": figures.seconds,
                "mb_per_s": size / figures.seconds / 1e6,
                "cpu_s": figures.cpu_seconds,
                "peak_mib": figures.peak_mib,
                "of_that_before_mib": figures.said.get("peak_before_mib"),
                "process_s": figures.process_seconds,
                "turns": len(done[who]),
            }
        else:
            row["note"] = "not installed"
        rows.append(row)
    peers = [row["seconds"] for row in rows if row["who"] != OURS and "seconds" in row]
    for row in rows if peers else []:
        if "seconds" in row:
            row["speed_of_fastest_peer"] = min(peers) / row["seconds"]
    return rows


@contextlib.contextmanager
def rclone_server() -> Iterator[str]:
    """``rclone serve s3`` over a temporary folder."""
    rclone = program("rclone")
    if rclone is None:
        raise SystemExit("rclone is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        (Path(folder) / BUCKET).mkdir()
        process = subprocess.Popen(
            [rclone, "serve", "s3", "--auth-key", ",".join(KEYS), "--addr", f"127.0.0.1:{port}", folder],
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def main() -> None:
    options = arguments(
        __doc__ or "", sizes="64M,256M,1G", large="4G,10G", turns=2, server="sink", rate=0.0, delay=0.0
    )
    if options.smoke:
        options.sizes, options.large, options.turns = "1M", "", 1
    sink = rclone_server() if options.server == "rclone" else server(script="s3_sink.py")
    limits = ("--rate", str(options.rate), "--delay", str(options.delay))
    rows = []
    with server(*limits, script="byte_source.py") as source, sink as endpoint:
        for size in parse_sizes(options.sizes):
            rows += compare(source, endpoint, size, options.turns, alone=False)
        for size in parse_sizes(options.large) if options.large else []:
            rows += compare(source, endpoint, size, 1, alone=True)
    report("download_s3", rows, smoke=options.smoke, turns=options.turns, server=options.server)


if __name__ == "__main__":
    main()
