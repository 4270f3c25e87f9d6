# SPDX-License-Identifier: Apache-2.0
"""Everything the demo talks to: Airflow, the simulators, an S3 server, a folder for downloads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from tests.support.harness.processes import remove_directory, temporary_directory
from tests.support.harness.real_airflow import RealAirflow
from tests.support.harness.servers import S3Server, SimulatorProcess
from tests.support.others import others

ROOT = Path(__file__).resolve().parents[1]

#: what a connection to SAP Open Connectors holds, with a word in front of it
SAP_SECRETS = ("sap-user-secret", "sap-organization-secret", "sap-element-token", "sap-signature-key")


class World:
    """
    Starts all of it and ends all of it.

    :param dag_folders: folders with DAGs
    :param airflow: further arguments of :class:`~tests.support.harness.real_airflow.RealAirflow`
    """

    def __init__(
        self,
        dag_folders: tuple[Path, ...] = (ROOT / "example_dags",),
        airflow: Mapping[str, Any] | None = None,
    ) -> None:
        self._stack = ExitStack()
        self._arguments = {"dag_folders": dag_folders, **(airflow or {})}
        #: must appear in no log, no XCom and no row of the database
        self.secrets = {
            name: f"{name}-{secrets.token_hex(12)}"
            for name in ("aso-token", "aso-key", "http-password", "automic-password", *SAP_SECRETS)
        }
        self.simulators: dict[str, SimulatorProcess] = {}
        self.seconds = 0.0

    def __enter__(self) -> Self:
        begin = time.monotonic()
        with ExitStack() as stack:
            self.folder = temporary_directory("demo-downloads-")
            stack.callback(remove_directory, self.folder)
            self.s3 = stack.enter_context(S3Server())
            for name, options in self._simulator_options().items():
                self.simulators[name] = stack.enter_context(SimulatorProcess(name, *options))
            self.others = stack.enter_context(others())
            self.airflow = stack.enter_context(RealAirflow(**self._arguments))
            self._connect()
            self._stack = stack.pop_all()
        self.seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _simulator_options(self) -> dict[str, list[str]]:
        """Command lines of the simulators, by name."""
        return {
            "aso": [
                "--token", self.secrets["aso-token"],
                "--api-key", self.secrets["aso-key"],
                # Until the tasks have been seen waiting in the triggerer.
                "--processing-seconds", "none",
                "--result-bytes", "5000000",
            ],
            "http": [
                "--password", self.secrets["http-password"],
                "--processing-seconds", "none",
                "--plan", 'location={"place": "presigned", "result_bytes": 1000000}',
                "--plan", 'status_field={"place": "presigned", "result_bytes": 1000000}',
            ],
            "automic": [
                "--password", self.secrets["automic-password"],
                # Most tasks wait in the triggerer by then; one that comes late finds its callback there.
                "--run-seconds", "20",
            ],
            "open-connectors": [
                *(f"--{name.removeprefix('sap-')}={self.secrets[name]}" for name in SAP_SECRETS),
                "--seconds", "none",
                "--plan", '{"records": 50000}',
            ],
        }  # fmt: skip

    def _connect(self) -> None:
        """The connections, as an administrator would enter them."""
        put = self.airflow.client.put_connection
        put("aws_default", **self.s3.connection())
        put(
            "jaggaer_aso_default",
            "jaggaer_aso",
            host=self.simulators["aso"].url,
            password=self.secrets["aso-token"],
            extra={"api_key": self.secrets["aso-key"]},
        )
        put(
            "sap_open_connectors_default",
            "sap_open_connectors",
            host=self.simulators["open-connectors"].url,
            extra={
                **{n.removeprefix("sap-").replace("-", "_"): self.secrets[n] for n in SAP_SECRETS},
                "callback_base_url": self.airflow.url(),
            },
        )
        put(
            "automic_default",
            "automic",
            host=self.simulators["automic"].url,
            login="AIRFLOW/AF",
            password=self.secrets["automic-password"],
            extra={
                "client": "100",
                "callback_base_url": self.airflow.url(),
                # Nobody is there; a task shows where a person would look.
                "run_url": "https://awi.example/{client}/{run_id}",
            },
        )
        put(
            "http_default",
            "http",
            host=self.simulators["http"].url,
            login="http-user",
            password=self.secrets["http-password"],
        )
        put("github_default", "http", host=self.others.url)
        put("partner_airflow", "http", host=self.others.url)
        put(
            "aws_lambda",
            "aws",
            login="a",
            password=self.secrets["http-password"],  # checked by nobody there
            extra={"region_name": "eu-central-1", "endpoint_url": self.others.url},
        )

    @property
    def values(self) -> dict[str, str]:
        """What the strings of a case's configuration may name."""
        urls = {name: simulator.url for name, simulator in self.simulators.items()}
        known = {"folder": str(self.folder), "bucket": self.s3.bucket, "mail": self.others.mail.address}
        return {**known, **urls}

    def served(self) -> set[str]:
        """SHA-256 of every result that a simulator has made."""
        return set().union(*(simulator.served() for simulator in self.simulators.values()))

    def automic_status(self, name: str, expected: int, patience: float = 30) -> int:
        """
        Status of the latest Automic run of an object.

        :param expected: what it will be soon, as Automic takes its time to cancel
        """
        end = time.monotonic() + patience
        while True:
            runs = [r for r in self.simulators["automic"].describe()["runs"] if r["name"] == name]
            status = int(runs[-1]["status"]) if runs else 0
            if status == expected or time.monotonic() > end:
                return status
            time.sleep(0.5)

    def read(self, uri: str) -> bytes:
        """
        A downloaded file, read by other means than the package's.

        :param uri: ``s3://``, ``file://`` or a path
        """
        if uri.startswith(f"s3://{self.s3.bucket}/"):
            return self.s3.read(uri.removeprefix(f"s3://{self.s3.bucket}/"))
        return Path(unquote(uri.removeprefix("file://"))).read_bytes()
