# SPDX-License-Identifier: Apache-2.0
"""The servers around Airflow: the package's simulators and an S3 server, each a process of its own."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from tests.support.harness.processes import (
    Child,
    Entered,
    free_port,
    remove_directory,
    temporary_directory,
    wait_until,
)

ROOT = Path(__file__).resolve().parents[3]


class _Server(Entered):
    """
    A server process with a temporary folder for its log.

    :param name: for messages
    :param timeout: seconds until it must answer
    """

    def __init__(self, name: str, *, timeout: float = 60) -> None:
        self.name = name
        self.url = ""
        self._timeout = timeout
        self._home = temporary_directory(f"{name}-")
        self._child: Child | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the machine must not see loopback requests

    def _enter(self) -> None:
        self.start()

    def start(self) -> None:
        """
        Start it and wait until it answers.

        :raises NotReadyError: with the end of its log
        """
        self._child = child = self._spawn(self._home / f"{self.name}.log")

        def answers() -> bool:
            if not child.running:
                raise child.not_ready("ended while starting")
            return self._answers(child)

        try:
            wait_until(answers, f"{self.name} to answer", self._timeout, interval=0.05)
        except TimeoutError as error:
            raise child.not_ready(str(error)) from None

    def stop(self) -> None:
        """End it; may be called twice."""
        self._session.close()
        if self._child is not None:
            self._child.stop(grace=2)
            self._child = None
        remove_directory(self._home)

    def _spawn(self, log: Path) -> Child:
        raise NotImplementedError

    def _answers(self, child: Child) -> bool:
        raise NotImplementedError


class SimulatorProcess(_Server):
    """
    ``python -m airflow_async_provider.simulators NAME`` with its control routes.

    :param name: "aso", …
    :param options: its command line options
    """

    def __init__(self, name: str, *options: str, timeout: float = 60) -> None:
        super().__init__(name, timeout=timeout)
        self._options = options
        #: where its control routes are, when not at :attr:`url` (which may lead through a relay)
        self.control_url: str | None = None

    def _spawn(self, log: Path) -> Child:
        command = [sys.executable, "-u", "-m", "airflow_async_provider.simulators", self.name, "--port", "0"]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return Child(self.name, [*command, *self._options], log=log, env={**os.environ, "PYTHONPATH": path})

    def _answers(self, child: Child) -> bool:
        lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        # It prints its address once it listens.
        self.url = next((s.strip() for s in lines if s.startswith("http") and s.endswith("\n")), "")
        return bool(self.url)

    def describe(self) -> dict[str, Any]:
        """What it says about itself and its jobs."""
        described: dict[str, Any] = self._control("GET", "")
        return described

    def act(self, action: str, **arguments: Any) -> Any:
        """
        Do something to it (``finish_job``, ``script``, …).

        :raises requests.HTTPError: unknown action or argument
        """
        return self._control("POST", f"/actions/{action}", arguments)["result"]

    def add_faults(self, *faults: dict[str, Any]) -> None:
        """Faults of the next answers."""
        self._control("POST", "/faults", list(faults))

    def clear_faults(self) -> None:
        """Forget all faults that still wait."""
        self._control("DELETE", "/faults")

    def reset(self) -> None:
        """Forget jobs, faults and journal."""
        self._control("POST", "/reset")

    def journal(self, kind: str | None = None) -> dict[str, Any]:
        """Requests that it got, and counts of them."""
        entries: dict[str, Any] = self._control("GET", f"/journal?kind={kind}" if kind else "/journal")
        return entries

    def finish_all(self) -> None:
        """Let all jobs that still run succeed now."""
        for number, job in enumerate(self.describe()["jobs"]):
            if job.get("state") in ("running", "processing", None):
                self.act("finish_job", job=number)

    def served(self) -> set[str]:
        """SHA-256 of the results of all its jobs."""
        jobs = self.describe().get("jobs", [])  # not every remote has files to serve
        return {self.act("sha256_of", job=number) for number in range(len(jobs))}

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        base = self.control_url or self.url
        response = self._session.request(method, f"{base}/_sim{path}", json=body, timeout=60)
        response.raise_for_status()
        return response.json()


class S3Server(_Server):
    """An S3 server (moto's) with one bucket; it accepts every key and keeps everything in memory."""

    access_key = "test-access-key"
    secret_key = "test-secret-key"

    def __init__(self, bucket: str = "results", *, timeout: float = 60) -> None:
        super().__init__("s3", timeout=timeout)
        self.bucket = bucket

    def _spawn(self, log: Path) -> Child:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        return Child("s3", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log=log)

    def _answers(self, child: Child) -> bool:
        try:
            return self._session.put(f"{self.url}/{self.bucket}", timeout=5).ok
        except requests.RequestException:
            return False

    def connection(self) -> dict[str, Any]:
        """The Airflow connection to it, for :meth:`~harness.client.AirflowClient.put_connection`."""
        return {
            "conn_type": "aws",
            "login": self.access_key,
            "password": self.secret_key,
            "extra": {"endpoint_url": self.url, "region_name": "us-east-1"},
        }

    @cached_property
    def client(self) -> Any:
        """A boto3 client of its own."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "") -> list[str]:
        """Keys of the objects there."""
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]

    def unfinished_uploads(self) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket)
        return [one["Key"] for one in found.get("Uploads", [])]
