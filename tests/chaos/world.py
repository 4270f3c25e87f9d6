# SPDX-License-Identifier: Apache-2.0
"""
What the faults happen to: Airflow with two API servers and two triggerers on PostgreSQL, and the remotes.

Between all of them stand relays. The one in front of the API servers is their load balancer; those in front
of simulators and S3 are the network, which can break.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.support.harness import AirflowClient, Postgres, RealAirflow
from tests.support.harness.processes import free_port, remove_directory, temporary_directory
from tests.support.harness.real_airflow import ROOT
from tests.support.harness.redis import Redis
from tests.support.harness.relay import Relay
from tests.support.harness.servers import S3Server, SimulatorProcess

DAGS = Path(__file__).parent / "dags"

#: Found by every process of this Airflow before anything else: a clock that can be put wrong.
SHIMS = Path(__file__).parent / "shims"
COMPONENTS = ("api-server", "api-server-2", "scheduler", "dag-processor", "triggerer", "triggerer-2")

#: After this time without a heartbeat a triggerer is taken for dead (seconds, default 30): long enough for a
#: busy machine, as a triggerer that is only slow must not be taken for dead.
TRIGGERER_THRESHOLD = 20

#: Where simulators listen; their relays are at 127.0.0.1 with the same ports.
BEHIND = "127.0.0.2"

#: What goes over the wire and must lie nowhere.
CALLBACK_SECRETS = (
    re.compile(rb"/callbacks/v1/[^/\s]+/([^\s?]+) HTTP/1"),
    re.compile(rb"/callbacks/v1/[^/\s]+ HTTP/1\.[01]\r\n(?:[^\r\n]+\r\n)*?[Aa]uthorization: Bearer (\S+)"),
)
CREDENTIALS = (re.compile(rb"[Aa]uthorization: (?:Bearer|Basic) (\S+)"),)
SIGNATURES = (re.compile(rb"X-Amz-Signature=([0-9a-f]{64})"),)

#: In a plugin's place, so that every API server has it. A server that has stored a callback while the file
#: lies there ends without answering; the one that removes the file is the one.
KILL_AFTER_STORING = """
import os, signal, sys

if "api-server" in sys.argv:
    from airflow_async_provider._callbacks import handling

    take = handling.take

    def take_and_die(*args, **kwargs):
        verdict = take(*args, **kwargs)
        try:
            os.unlink(os.path.join(os.environ["AIRFLOW_HOME"], "die-after-storing"))
        except FileNotFoundError:
            return verdict
        os.kill(os.getpid(), signal.SIGKILL)

    handling.take = take_and_die
"""

SECRETS = (
    "aso_token", "aso_key", "aso_client_secret", "automic_password", "http_password", "http_callback_secret",
    "s3_secret", "user_secret", "organization_secret", "element_token", "signature_secret",
)  # fmt: skip


class World:
    """
    Starts all of it and ends all of it.

    :param parallelism: tasks that run at the same time
    :param celery: CeleryExecutor with Redis instead of LocalExecutor
    :param keep: leave Airflow's home behind
    """

    def __init__(self, *, parallelism: int = 8, celery: bool = False, keep: bool = False) -> None:
        self.secrets = {name: f"canary-{name}-{secrets.token_hex(12)}".replace("_", "-") for name in SECRETS}
        self.simulators: dict[str, SimulatorProcess] = {}
        self.relays: dict[str, Relay] = {}
        self.seconds = 0.0
        self._parallelism = parallelism
        self._celery = celery
        #: the components whose children run tasks
        self.worker = "celery-worker" if celery else "scheduler"
        self._keep = keep
        self._stack = ExitStack()
        #: the number of the next DAG run
        self.next_number = 1001

    def __enter__(self) -> Self:
        begin = time.monotonic()
        with ExitStack() as stack:
            self.folder = temporary_directory("chaos-downloads-")
            stack.callback(remove_directory, self.folder)
            self.postgres = stack.enter_context(Postgres())
            broker = stack.enter_context(Redis()).url if self._celery else ""
            self.s3 = stack.enter_context(S3Server())
            s3_port = int(self.s3.url.rpartition(":")[2])
            self.relays["s3"] = stack.enter_context(Relay(lambda: [("127.0.0.1", s3_port)]))
            for name, (options, listeners) in self._simulators().items():
                self._start_simulator(stack, name, options, listeners)
            balancer = Relay(self._api_servers, ears=CALLBACK_SECRETS)
            self.balancer = stack.enter_context(balancer)
            self.airflow = self._airflow(broker)
            (self.airflow.home / "plugins").mkdir()
            (self.airflow.home / "plugins" / "die_after_storing.py").write_text(KILL_AFTER_STORING)
            stack.enter_context(self.airflow)
            self.airflow.client = AirflowClient(self.balancer.url)
            self._connect()
            self._stack = stack.pop_all()
        self.seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _api_servers(self) -> list[tuple[str, int]]:
        names = [name for name in COMPONENTS if name.startswith("api-server")]
        return [("127.0.0.1", int(self.airflow.url(name).rpartition(":")[2])) for name in names]

    def _airflow(self, broker: str) -> RealAirflow:
        database = self.postgres.sql_alchemy_conn
        celery = {"broker_url": broker, "result_backend": f"db+{database}"}
        return RealAirflow(
            dag_folders=[DAGS],
            sql_alchemy_conn=database,
            components=(*COMPONENTS, *([self.worker] if self._celery else [])),
            env={
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(SHIMS), str(ROOT), os.environ.get("PYTHONPATH")])
                )
            },
            keep=self._keep,
            timeout=300,  # for each step, on a machine that has more to do
            config={
                "celery": celery if self._celery else {},
                "core": {
                    "executor": "CeleryExecutor" if self._celery else "LocalExecutor",
                    "parallelism": self._parallelism,
                    "execution_api_server_url": f"{self.balancer.url}/execution/",
                },
                "api": {"base_url": self.balancer.url},
                # A dead scheduler's tasks are taken over soon (default: within 5 minutes), but no sooner: one
                # that a busy machine holds up for so long takes its own tasks for orphans, and starts them
                # once more beside the workers that have them.
                "scheduler": {"scheduler_health_check_threshold": 40, "orphaned_tasks_check_interval": 10},
                "triggerer": {"triggerer_health_check_threshold": TRIGGERER_THRESHOLD},
            },
        )

    def _start_simulator(self, stack: ExitStack, name: str, options: list[str], listeners: int) -> None:
        ports = [free_port() for _ in range(listeners)]
        options = [*options, "--host", BEHIND, "--public-host", "127.0.0.1", "--port", str(ports[0])]
        for port in ports[1:]:
            options += ["--listener-port", f"results={port}"]
        simulator = stack.enter_context(_Behind(name, *options, port=ports[0]))
        self.simulators[name] = simulator
        for port, ears in zip(ports, (CREDENTIALS, SIGNATURES), strict=False):
            relay = Relay(lambda port=port: [(BEHIND, port)], port=port, ears=ears)
            self.relays[name if port == ports[0] else f"{name}-results"] = stack.enter_context(relay)

    def _simulators(self) -> dict[str, tuple[list[str], int]]:
        """Command lines of the simulators and the numbers of their ports. Jobs run until they are told."""
        s = self.secrets
        return {
            "aso": ([
                "--processing-seconds", "none", "--result-bytes", "700000", "--result-expires", "1800",
                "--token", s["aso_token"], "--api-key", s["aso_key"],
                "--client-id", "chaos", "--client-secret", s["aso_client_secret"], "--token-expires", "30",
                "--plan", 'apiRates={"result_bytes": 70000000}',
            ], 2),
            "automic": (["--run-seconds", "none", "--password", s["automic_password"]], 1),
            "open-connectors": ([
                "--seconds", "none", "--plan", '{"records": 20000}',
                "--user-secret", s["user_secret"], "--organization-secret", s["organization_secret"],
                "--element-token", s["element_token"], "--signature-key", s["signature_secret"],
            ], 1),
            "http": ([
                "--processing-seconds", "none", "--result-bytes", "800000", "--place", "presigned",
                "--result-expires", "1800", "--password", s["http_password"], "--callback-copies", "2",
                "--callback-signature", "hmac", "--callback-secret", s["http_callback_secret"],
            ], 2),
        }  # fmt: skip

    def _connect(self) -> None:
        """The connections, with a canary in every secret field."""
        put, s, urls = self.airflow.client.put_connection, self.secrets, self.balancer.url
        aso, called = self.simulators["aso"].url, {"callback_base_url": urls}
        put("aws_default", **{
            **self.s3.connection(), "password": s["s3_secret"],
            "extra": {"endpoint_url": self.relays["s3"].url, "region_name": "us-east-1"},
        })  # fmt: skip
        put("jaggaer_aso_default", "jaggaer_aso", host=aso, password=s["aso_token"],
            extra={"api_key": s["aso_key"]})  # fmt: skip
        put("chaos_aso_oauth", "jaggaer_aso", host=aso, login="chaos", password=s["aso_client_secret"],
            extra={"api_key": s["aso_key"], "token_url": f"{aso}/oauth2/token"})  # fmt: skip
        self.point("automic", self.simulators["automic"].url)
        self.point("http", self.simulators["http"].url)
        names = ("user_secret", "organization_secret", "element_token", "signature_secret")
        put("sap_open_connectors_default", "sap_open_connectors",
            host=self.simulators["open-connectors"].url,
            extra={**{name: s[name] for name in names}, **called})  # fmt: skip

    def point(self, name: str, host: str) -> None:
        """
        Let the connection of a remote lead to a host, as a person does who edits it.

        :param name: "automic" or "http"
        :param host: root address of a simulator
        """
        put, s, called = self.airflow.client.put_connection, self.secrets, self.balancer.url
        if name == "automic":
            put("automic_default", "automic", host=host, login="AIRFLOW/AF",
                password=s["automic_password"],
                extra={"client": "100", "callback_base_url": called})  # fmt: skip
            return
        signed = {"header": "X-Signature", "prefix": "sha256=", "algorithm": "sha256", "encoding": "hex"}
        secret = s["http_callback_secret"]
        put("http_default", "http", host=host, login="http-user", password=s["http_password"],
            extra={"callback_secret": secret, "callback_signature": signed, "callback_base_url": called},
            )  # fmt: skip

    def another(self, name: str) -> SimulatorProcess:
        """A second remote of a kind, with the same users: somebody else's, or the one for production."""
        return SimulatorProcess(name, *self._simulators()[name][0])

    def new_number(self) -> int:
        """A number that no other run of this world has."""
        self.next_number += 1
        return self.next_number - 1

    def remote_ports(self) -> set[int]:
        """Ports of the remotes, as Airflow knows them."""
        return {relay.port for relay in self.relays.values()}

    def heard(self) -> dict[str, set[str]]:
        """Secrets that went over the wire: of callbacks, credentials, signatures of URLs."""
        ears: dict[str, set[str]] = {"callback secret": set(self.balancer.heard), "credential": set()}
        ears["signature of a URL"] = set()
        for name, relay in self.relays.items():
            ears["signature of a URL" if name.endswith("-results") else "credential"] |= relay.heard
        return ears

    def s3_client(self) -> Any:
        """A client of the S3 server that goes past the relay."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.s3.url,
            aws_access_key_id="any",
            aws_secret_access_key="any",
            region_name="us-east-1",
        )


class _Behind(SimulatorProcess):
    """A simulator behind a relay: its control routes are reached past it."""

    def __init__(self, name: str, *options: str, port: int) -> None:
        super().__init__(name, *options)
        self.control_url = f"http://{BEHIND}:{port}"
