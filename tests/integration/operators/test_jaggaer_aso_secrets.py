# SPDX-License-Identifier: Apache-2.0
"""
Nothing secret comes out: not in logs, errors, events, XCom, task state, nor in what travels with a deferral.

Every way to go well and badly is gone with recognisable secrets, at the lowest log level, while everything
that is written anywhere is collected and searched.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_async_provider._polling import policy
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.sensors.async_job import AsyncJobSensor
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running as simulating
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from tests.support.one_task import OneTask

CONN_ID = "jaggaer_aso_default"
CANARY = "CANARY"
TOKEN = f"{CANARY}-token-5e7b1c"
API_KEY = f"{CANARY}-api-key-5e7b1c"
CLIENT_SECRET = f"{CANARY}-client-secret-5e7b1c"


class Collected:
    """All that came out of a test, by where it came out."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._caplog, self._capfd = caplog, capfd
        self.parts: dict[str, str] = {}

    def add(self, where: str, value: Any) -> None:
        self.parts[where] = self.parts.get(where, "") + f"\n{value!r}\n{value}"

    def error(self, error: BaseException) -> None:
        seen: list[BaseException] = []
        while error is not None and error not in seen:
            seen.append(error)
            self.add("errors", error)
            self.add("error attributes", vars(error))
            error = error.__cause__  # type: ignore[assignment] # ends the loop
        self.add("tracebacks", "".join(traceback.format_exception(seen[0])))

    def task(self, task: OneTask) -> None:
        self.add("events", task.events)
        self.add("trigger reprs", task.triggers)
        self.add("deferrals", task.deferrals)
        if task.store is not None:
            self.add("task state", task.store.written)

    def everything(self) -> dict[str, str]:
        out, err = self._capfd.readouterr()
        records = [f"{r.getMessage()} {r.args} {r.exc_text}" for r in self._caplog.records]
        return {**self.parts, "stdout": out, "stderr": err, "log records": "\n".join(records)}


def secrets_of(simulator: AsoSimulator) -> set[str]:
    """What must not come out: what the connection holds, issued tokens, and the signatures of results."""
    found = {CANARY, *simulator.tokens._good}
    for job in simulator.jobs:
        if job.result_url:
            query = parse_qs(urlsplit(job.result_url).query)
            found |= {query["X-Amz-Signature"][0], urlsplit(job.result_url).query, job.result_url}
    assert len(found) > 1
    return found


@pytest.fixture
def collected(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Collected:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "aiohttp", "aiohttp.client", "airflow", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        caplog.set_level(logging.DEBUG, logger=name)
    return Collected(caplog, capfd)


@pytest.fixture(params=["ready token", "client credentials"])
def aso(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., AsoSimulator]]:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "0")
    monkeypatch.setattr(policy, "SHORTEST_SLEEP", 0.02)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    ready = request.param == "ready token"
    with ExitStack() as stack:

        def start(service: str = "ees", **options: Any) -> AsoSimulator:
            simulator = stack.enter_context(
                simulating(
                    AsoSimulator(
                        token=TOKEN if ready else None,
                        api_key=API_KEY,
                        client_secret=CLIENT_SECRET,
                        result_bytes=100,
                        **options,
                    )
                )
            )
            connection = json.dumps(simulator.airflow_connection(service))
            assert CANARY in connection
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection)
            return simulator

        yield start


def check(collected: Collected, simulator: AsoSimulator, *expected: str) -> None:
    everything = collected.everything()
    for secret in secrets_of(simulator):
        assert [where for where, text in everything.items() if secret in text] == []
    # And it was really collected: the same net has caught what may be known.
    whole = "\n".join(everything.values())
    for part in expected:
        assert part in whole


def run(collected: Collected, task: OneTask, make: Callable[[], Any]) -> Any:
    result = error = None
    try:
        result = task.run(make)
    except AsyncJobError as e:
        error = e
        collected.error(e)
    collected.add("xcom", result)
    collected.task(task)
    collected.add("operator", make())
    collected.add("rendered fields", {f: getattr(make(), f) for f in make().template_fields})
    return result if error is None else error


def download(tmp_path: Path, **given: Any) -> Callable[[], JaggaerAsoDownloadOperator]:
    arguments: dict[str, Any] = {
        "task_id": "t",
        "endpoint": "event/7/apiItems/async",
        "destination": str(tmp_path / "x"),
        "poll_interval": 0.04,
        "timeout": 20,
        **given,
    }
    return lambda: JaggaerAsoDownloadOperator(**arguments)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_job_that_goes_well(
    aso: Callable[..., AsoSimulator], collected: Collected, tmp_path: Path, deferrable: bool
) -> None:
    simulator = aso(processing_seconds=0.3)
    result = run(collected, OneTask(), download(tmp_path, deferrable=deferrable))
    assert result["bytes"] == 100
    check(collected, simulator, "Submitted the jaggaer_aso job", "succeeded (completed)", result["sha256"])


def test_the_three_steps(aso: Callable[..., AsoSimulator], collected: Collected, tmp_path: Path) -> None:
    simulator = aso(processing_seconds=0.3)
    job = run(
        collected, OneTask(), lambda: JaggaerAsoSubmitOperator(task_id="t", endpoint="event/7/apiItems/async")
    )
    run(collected, OneTask(), lambda: AsyncJobSensor(task_id="t", job=job, poke_interval=0.04))
    run(
        collected,
        OneTask(),
        lambda: AsyncResultDownloadOperator(task_id="t", job=job, destination=str(tmp_path / "x")),
    )
    check(collected, simulator, job["job_id"], "succeeded (completed)")


BADLY: list[tuple[str, str, dict[str, Any]]] = [
    ("status", "http_status", {"status": 401, "body": "no: {secrets}"}),
    ("status", "http_status", {"status": 403, "body": "no: {secrets}"}),
    ("status", "http_status", {"status": 404, "body": "no: {secrets}"}),
    ("status", "http_status", {"status": 503, "body": "no: {secrets}"}),
    ("status", "http_status", {"status": 302, "body": "no: {secrets}"}),
    ("status", "redirect", {"location": "https://elsewhere.example/?token={secrets}"}),
    ("status", "reset", {}),
    ("status", "cut", {"after_bytes": 30}),
    ("status", "alter", {"update": {"status": "odd"}}),
    ("status", "alter", {"remove": ["status"]}),
    ("submit", "http_status", {"status": 401, "body": "no: {secrets}"}),
    ("submit", "http_status", {"status": 422, "body": "no: {secrets}"}),
    ("submit", "http_status", {"status": 500, "body": "no: {secrets}"}),
    ("submit", "reset", {}),
    ("submit", "garbage", {}),
    ("submit", "alter", {"update": {"statusUrl": "https://elsewhere.example/x?token={secrets}"}}),
    ("result", "http_status", {"status": 403, "body": "<Error><Code>AccessDenied</Code></Error>"}),
    ("result", "http_status", {"status": 404, "body": "no"}),
    ("result", "http_status", {"status": 500, "body": "no"}),
    ("result", "reset", {}),
    ("result", "cut", {}),
    ("result", "redirect", {"location": "https://127.0.0.1:1/?X-Amz-Signature={secrets}"}),
    ("token", "http_status", {"status": 401, "body": "no: {secrets}"}),
    ("token", "http_status", {"status": 503, "body": "no: {secrets}"}),
    ("token", "garbage", {"body": '{"token": "{secrets}"}'}),
    ("token", "reset", {}),
]


@pytest.mark.parametrize(
    ("aso", "route", "fault", "options"),
    [
        *(("ready token", *row) for row in BADLY if row[0] != "token"),
        # Only these ask for a token at all; what they send then is told once on each route.
        *(("client credentials", *row) for row in BADLY if row[0] == "token" or row[2].get("status") == 401),
        ("client credentials", "result", "http_status", {"status": 403, "body": "no"}),
    ],
    indirect=["aso"],
)
def test_a_job_that_goes_badly(
    aso: Callable[..., AsoSimulator],
    collected: Collected,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    route: str,
    fault: str,
    options: dict[str, Any],
) -> None:
    from airflow_async_provider._download.source import http as source

    brief = source.DownloadRetryPolicy(max_attempts=3, first_wait=0.01, max_wait=0.02, patience_404=0.05)
    monkeypatch.setattr(source, "DownloadRetryPolicy", lambda: brief)
    simulator = aso(processing_seconds=0)
    # The remote repeats what it was sent, as gateways do.
    ready = TOKEN in simulator.tokens._good
    secrets = f"{TOKEN} {API_KEY}" if ready else CLIENT_SECRET if route == "token" else API_KEY
    filled = {k: v.replace("{secrets}", secrets) if isinstance(v, str) else v for k, v in options.items()}
    if "update" in filled:
        filled["update"] = {k: v.replace("{secrets}", secrets) for k, v in filled["update"].items()}
    simulator.faults.add(route, fault, times=None, **filled)
    run(collected, OneTask(), download(tmp_path, timeout=2, max_outage=1.0, max_restarts=0))
    simulator.faults.clear()
    run(collected, OneTask(), download(tmp_path))  # so that there is a result whose URL could have come out
    check(collected, simulator, "Submitted the jaggaer_aso job")


def test_a_wrong_connection(
    aso: Callable[..., AsoSimulator], collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = aso(processing_seconds=0)
    connection = simulator.airflow_connection()
    name = f"AIRFLOW_CONN_{CONN_ID.upper()}"
    extra = connection["extra"]
    for wrong in (
        {"host": f"https://user:{CANARY}@ees.example"},
        {"password": f"{CANARY}\nX-Injected: 1"},
        {"extra": {**extra, "api_key": f"{CANARY}\u00fc"}},
        {"extra": {**extra, "token_url": f"https://u:{CANARY}@auth.example/t"}, "login": "id"},
        {"extra": {**extra, "proxy": f"http://u:{CANARY}@127.0.0.1:1"}},
        {"extra": {**extra, "proxy": f"ftp://u:{CANARY}@127.0.0.1:1"}},
        {"extra": {**extra, "verify": [CANARY]}},
        {"extra": {**extra, "timeout": CANARY}},
        {"extra": {**extra, "allowed_hosts": f"https://{CANARY}@x"}},
    ):
        monkeypatch.setenv(name, json.dumps({**connection, **wrong}))
        error = run(collected, OneTask(), download(tmp_path))
        assert isinstance(error, AsyncJobError), wrong
    monkeypatch.setenv(name, json.dumps(connection))
    assert run(collected, OneTask(), download(tmp_path))["bytes"] == 100
    check(collected, simulator, "Submitted the jaggaer_aso job")


def test_the_button_in_the_connection_form(
    aso: Callable[..., AsoSimulator], collected: Collected, tmp_path: Path
) -> None:
    from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook

    simulator = aso(processing_seconds=0)
    run(collected, OneTask(), download(tmp_path))
    simulator.faults.add("status", "http_status", status=500, body=f"{TOKEN} {API_KEY}")
    hook = JaggaerAsoHook()
    collected.add("test_connection", [hook.test_connection(), hook.test_connection()])
    collected.add("objects", [hook, hook.endpoint, hook.endpoint.auth])
    check(collected, simulator, "as expected")


def test_the_net_catches_what_is_thrown(collected: Collected) -> None:
    """So that none of the tests above can succeed by looking nowhere."""
    sys.stdout.write(f"{CANARY}-out\n")
    sys.stderr.write(f"{CANARY}-err\n")
    logging.getLogger("urllib3.connectionpool").debug("%s-log", CANARY)
    collected.error(ValueError(f"{CANARY}-error"))
    everything = collected.everything()
    for where in ("stdout", "stderr", "log records", "errors", "tracebacks"):
        assert CANARY in everything[where]
