# SPDX-License-Identifier: Apache-2.0
"""
The ways of a download that are written in Python; ``python download_ways.py WAY URL DESTINATION``.

Each imports what it needs first, as a worker of Airflow has done when ``execute`` begins, then works, and
prints the seconds of the work and the memory before it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))
sys.path.insert(0, str(Path(__file__).parents[1]))  # the project is found when it is not installed, too

Work = Callable[[], dict[str, object] | None]


def ours(url: str, destination: str) -> Work:
    """As our operators do it: hashed, whole or not at all, on disk before it is reported."""
    from airflow_async_provider._download import HttpSource, download

    _load("airflow_async_provider.operators.http_async", "requests")
    if destination.startswith("s3:"):
        _load("airflow.providers.amazon.aws.hooks.s3", "boto3")

    def work() -> None:
        download(HttpSource(url), destination)

    return work


def ours_files(url: str, destination: str) -> Work:
    """Several files below a prefix, as our operators do it; behind ``url`` how many, and how many at once."""
    from airflow_async_provider._download import FileToStore, HttpSource, store_files
    from airflow_async_provider._download.source.http_connection import UrlOpener
    from airflow_async_provider._transport.sender import Sender

    _load(
        "airflow_async_provider.transfers.download",
        "requests",
        "airflow.providers.amazon.aws.hooks.s3",
        "boto3",
    )
    url, count, at_once = url.split(" ")
    sender = Sender(connections=int(at_once), hosts=1)

    def one(number: int) -> FileToStore:
        return FileToStore(
            lambda: HttpSource(UrlOpener(f"{url}&part={number}", sender=sender)), name=f"part-{number:05d}"
        )

    def work() -> dict[str, object]:
        files = [one(number) for number in range(int(count))]
        report = store_files(files, destination, run="benchmark", at_once=int(at_once))
        return {"files": report.files, "bytes": report.bytes}

    return work


def http_to_s3_files(url: str, destination: str) -> Work:
    """``HttpToS3Operator``, once for each file, one after the other."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    url, count, _ = url.split(" ")
    endpoint = _http_connection(url)
    bucket, prefix = destination.removeprefix("s3://").split("/", 1)

    def work() -> dict[str, object]:
        for number in range(int(count)):
            key = f"{prefix}part-{number:05d}"
            HttpToS3Operator(
                task_id="t",
                endpoint=endpoint,
                http_conn_id="source",
                s3_bucket=bucket,
                s3_key=key,
                replace=True,
            ).execute({})
        return {"files": int(count)}

    return work


def one_connection(url: str, destination: str) -> Work:
    """Ours, held to a single connection."""
    from airflow_async_provider._download import HttpSource, Parallel, download

    def work() -> None:
        download(HttpSource(url, parallel=Parallel(slow=0)), destination)

    return work


def plain_requests(url: str, destination: str) -> Work:
    """What most people write."""
    import requests

    def work() -> None:
        with requests.get(url, stream=True, timeout=60) as response, Path(destination).open("wb") as file:
            response.raise_for_status()
            file.writelines(response.iter_content(1024 * 1024))

    return work


def in_memory(url: str, destination: str) -> Work:
    """``HttpToS3Operator``'s way, to a file: its hook, ``response.content``, then written."""
    from airflow.providers.http.hooks.http import HttpHook

    _load("airflow.providers.amazon.aws.transfers.http_to_s3")
    endpoint = _http_connection(url)

    def work() -> None:
        response = HttpHook("GET", http_conn_id="source").run(endpoint, {}, {}, {})
        Path(destination).write_bytes(response.content)

    return work


def http_to_s3(url: str, destination: str) -> Work:
    """``HttpToS3Operator``."""
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    endpoint = _http_connection(url)
    bucket, key = destination.removeprefix("s3://").split("/", 1)
    operator = HttpToS3Operator(
        task_id="t", endpoint=endpoint, http_conn_id="source", s3_bucket=bucket, s3_key=key, replace=True
    )

    def work() -> None:
        operator.execute({})

    return work


def _load(*modules: str) -> None:
    """What a worker has loaded before the work begins is not measured."""
    for module in modules if "BENCHMARK_SMOKE" not in os.environ else ():
        import_module(module)


def _http_connection(url: str) -> str:
    parts = urlsplit(url)
    os.environ["AIRFLOW_CONN_SOURCE"] = json.dumps(
        {"conn_type": "http", "host": parts.hostname, "port": parts.port, "schema": parts.scheme}
    )
    return parts.path


def stored_size(endpoint: str, place: str) -> Work:
    """No way of a download: how large an object is that one has left."""
    import boto3
    from botocore.config import Config

    bucket, key = place.split("/", 1)
    config = Config(s3={"addressing_style": "path"})

    def work() -> dict[str, object]:
        client = boto3.client("s3", endpoint_url=endpoint, config=config)
        return {"size": client.head_object(Bucket=bucket, Key=key)["ContentLength"]}

    return work


WAYS = {
    way.__name__: way
    for way in (
        ours,
        ours_files,
        one_connection,
        plain_requests,
        in_memory,
        http_to_s3,
        http_to_s3_files,
        stored_size,
    )
}


def as_forked() -> None:
    """As a worker of LocalExecutor finds itself: its parent has loaded Airflow, and frozen what is alive."""
    import gc

    _load("airflow.sdk.execution_time.supervisor", "airflow.providers_manager")
    gc.freeze()


def main(way: str, url: str, destination: str) -> None:
    import logging
    import resource

    # as in a worker: what the libraries say between the lines is not even made into text
    logging.getLogger().setLevel(logging.INFO)
    if "BENCHMARK_SMOKE" not in os.environ:
        as_forked()
    work = WAYS[way](url, destination)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time(), time.perf_counter()
    facts = work()
    print(
        json.dumps(
            {
                **(facts or {}),
                "seconds": time.perf_counter() - wall,
                "cpu_seconds": time.process_time() - cpu,
                "peak_before_mib": before,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
