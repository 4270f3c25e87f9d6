# SPDX-License-Identifier: Apache-2.0
"""How simulators are run, watched and driven: threads, processes, TLS, journal, control routes, fixtures."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_async_provider.simulators import __main__ as command
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import Route, Simulator, running, serving

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

CALLER = {
    "Authorization": "Bearer aso-token",
    "X-API-Key": "aso-key",
    "Accept": "application/vnd.sciquest.com.ees+json",
}
PATH = "/event/7/apiItems/async"
TIMEOUT = 10
ROOT = Path(__file__).parents[3]


def start(simulator: AsoSimulator, **options: object) -> requests.Response:
    return requests.get(simulator.url + PATH, headers=CALLER, timeout=TIMEOUT, **options)


def control(simulator: Simulator, method: str, path: str, **options: object) -> requests.Response:
    return requests.request(method, simulator.url + "/_sim" + path, timeout=TIMEOUT, **options)


# -- running


def test_urls_exist_only_while_it_runs() -> None:
    simulator = AsoSimulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
    with running(simulator) as same:
        assert same is simulator
        assert simulator.url == f"http://127.0.0.1:{simulator.ports['api']}"
        assert simulator.ports["api"] != simulator.ports["results"]
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.result_url_base


def test_jobs_outlive_an_outage() -> None:
    simulator = AsoSimulator(processing_seconds=0)
    with running(simulator):
        url = start(simulator).json()["statusUrl"]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers=CALLER, timeout=TIMEOUT)
    ports = dict(simulator.ports)
    with running(simulator, port=ports["api"], ports={"results": ports["results"]}):
        assert simulator.ports == ports
        assert requests.get(url, headers=CALLER, timeout=TIMEOUT).json()["status"] == "completed"
        assert simulator.journal.jobs_started == 1


def test_a_taken_port_is_an_error() -> None:
    with (
        running(AsoSimulator()) as first,
        pytest.raises(OSError, match="address already in use"),
        running(AsoSimulator(), port=first.ports["api"]),
    ):
        pytest.fail("two simulators on one port")


def test_an_error_in_the_block_stops_it_too() -> None:
    simulator = AsoSimulator()
    with pytest.raises(KeyError), running(simulator):
        raise KeyError("from the test")
    assert simulator.urls == {}


async def test_serving_in_the_running_loop() -> None:
    async with serving(AsoSimulator()) as simulator, aiohttp.ClientSession(headers=CALLER) as session:
        answer = await session.get(simulator.url + PATH)
        assert answer.status == 202
    assert simulator.urls == {}


def test_a_public_host_appears_in_what_is_handed_out() -> None:
    with running(AsoSimulator(processing_seconds=0), public_host="localhost") as simulator:
        url = start(simulator).json()["statusUrl"]
        assert url.startswith("http://localhost:")
        result = requests.get(url, headers=CALLER, timeout=TIMEOUT).json()["resultUrl"]
        assert requests.get(result, timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_other_addresses(host: str, shown: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with running(AsoSimulator(), host=host) as simulator:
        assert simulator.url.startswith(f"http://{shown}:")
        assert start(simulator).status_code == 202


def test_latency_delays_every_answer() -> None:
    with running(AsoSimulator(latency=0.05)) as simulator:
        start(simulator)
        entry = simulator.journal.entries()[0]
        assert simulator.journal.wait(lambda _: entry.done)
        assert entry.ended_at - entry.at >= 0.04


def _certificate(folder: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulator")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_tls_on_all_ports(tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path)
    with running(AsoSimulator(processing_seconds=0), certfile=cert, keyfile=key) as simulator:
        assert simulator.url.startswith("https://")
        with pytest.raises(requests.exceptions.SSLError):
            start(simulator)
        url = start(simulator, verify=cert).json()["statusUrl"]
        result = requests.get(url, headers=CALLER, verify=cert, timeout=TIMEOUT).json()["resultUrl"]
        assert result.startswith("https://")
        assert len(requests.get(result, verify=cert, timeout=TIMEOUT).content) == 1_000_000
        simulator.faults.add("result", "reset", after_bytes=1000)
        with pytest.raises(requests.RequestException):
            _ = requests.get(result, verify=cert, timeout=TIMEOUT).content
        assert requests.get(result, verify=cert, timeout=TIMEOUT).status_code == 200


# -- journal


def test_the_journal_shows_what_a_client_does_but_no_secret() -> None:
    with running(AsoSimulator(processing_seconds=0)) as simulator:
        url = start(simulator).json()["statusUrl"]
        result = requests.get(url, headers=CALLER, timeout=TIMEOUT).json()["resultUrl"]
        requests.get(result, headers={"Range": "bytes=0-9"}, timeout=TIMEOUT)
        requests.get(simulator.url + "/other?secret=x", timeout=TIMEOUT)
        journal = simulator.journal
        submitted, polled, downloaded, other = journal.entries()
        assert journal.wait(lambda j: all(entry.done for entry in j.entries()))
        assert (submitted.kind, submitted.listener, submitted.path, submitted.status) == (
            "submit",
            "api",
            PATH,
            202,
        )
        assert submitted.auth_scheme == "Bearer"
        assert submitted.has_header("x-api-key")
        assert submitted.shown["Accept"] == CALLER["Accept"]
        assert polled.path == url.removeprefix(simulator.url)
        assert (downloaded.listener, downloaded.sent, downloaded.shown["Range"]) == (
            "results",
            10,
            "bytes=0-9",
        )
        assert downloaded.auth_scheme is None
        assert not downloaded.has_header("X-API-Key")
        assert "X-Amz-Signature" in downloaded.query_names
        assert (other.kind, other.status) == ("unknown", 404)
        text = control(simulator, "GET", "/journal").text
        for secret in ("aso-token", "aso-key", result.rsplit("=", 1)[1], "secret=x"):
            assert secret not in text
        assert (journal.submits, journal.polls, journal.downloads, journal.cancels) == (1, 1, 1, 0)
        assert journal.entries(status=404) == [other]
        assert journal.entries("status", method="POST") == []


def test_waiting_for_the_journal() -> None:
    with running(AsoSimulator()) as simulator:
        assert not simulator.journal.wait(lambda journal: journal.submits > 0, timeout=0.01)
        asking = threading.Thread(target=start, args=(simulator,))
        asking.start()
        assert simulator.journal.wait(lambda journal: journal.jobs_started == 1, timeout=TIMEOUT)
        asking.join(TIMEOUT)


# -- control routes


def test_describe_journal_and_reset() -> None:
    with running(AsoSimulator()) as simulator:
        start(simulator)
        simulator.faults.add("status", "reset")
        simulator.script(outcome="failed")
        simulator.clock.advance(100)
        told = control(simulator, "GET", "").json()
        assert told["simulator"] == "aso"
        assert told["urls"] == {"api": simulator.url, "results": simulator.result_url_base}
        assert told["jobs"][0].items() >= {"number": 0, "endpoint": "apiItems", "state": "completed"}.items()
        entries = control(simulator, "GET", "/journal?kind=submit").json()
        assert entries["counts"] == {"submit": 1, "job_started": 1}
        assert [entry["path"] for entry in entries["entries"]] == [PATH]
        assert control(simulator, "GET", "/journal?kind=status").json()["entries"] == []
        assert control(simulator, "POST", "/reset").json()["jobs"] == []
        assert simulator.jobs == []
        assert simulator.faults.to_list() == []
        assert control(simulator, "GET", "/journal").json() == {"counts": {}, "entries": []}


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_date_of_an_answer_is_the_simulated_one(seconds: float) -> None:
    with running(AsoSimulator()) as simulator:
        shifted = control(simulator, "POST", "/actions/shift_clock", json={"seconds": seconds})
        assert shifted.status_code == 200
        said = parsedate_to_datetime(start(simulator).headers["Date"]).timestamp()
        assert abs(said - simulator.clock.now()) < 60
        assert abs(said - time.time() - seconds) < 60


def test_actions() -> None:
    with running(AsoSimulator(processing_seconds=None)) as simulator:

        def act(name: str, **arguments: object) -> requests.Response:
            return control(simulator, "POST", f"/actions/{name}", json=arguments)

        act("script", result_body="hello")
        url = start(simulator).json()["statusUrl"]
        started = simulator.clock.now()
        assert act("advance_clock", seconds=50).status_code == 200
        assert simulator.clock.now() >= started + 50
        assert act("finish_job", job=0, outcome="completed").json() == {"result": None}
        assert requests.get(url, headers=CALLER, timeout=TIMEOUT).json()["status"] == "completed"
        digest = act("sha256_of").json()["result"]
        assert digest == simulator.sha256_of(0)
        assert act("change_result", job=0).status_code == 200
        assert simulator.sha256_of(0) != digest
        assert control(simulator, "POST", "/actions/revoke_tokens").status_code == 200
        assert start(simulator).status_code == 401
        assert act("explode").status_code == 404
        for name, arguments in (
            ("finish_job", {"job": 7}),
            ("finish_job", {"outcome": "done"}),
            ("advance_clock", {"seconds": -1}),
            ("advance_clock", {"hours": 1}),
            ("script", {"endpoint": "apiNothing"}),
        ):
            assert act(name, **arguments).status_code == 400
        assert control(simulator, "POST", "/actions/sha256_of", data="{").status_code == 400


def test_control_routes_are_on_the_first_port_only_and_get_no_faults() -> None:
    with running(AsoSimulator()) as simulator:
        simulator.faults.add("*", "http_status", times=None)
        assert control(simulator, "GET", "").status_code == 200
        assert requests.get(simulator.result_url_base + "/_sim", timeout=TIMEOUT).status_code == 503
        assert simulator.journal.counts() == {"unknown": 1}


# -- a process


def test_a_process_prints_its_url_and_ends_on_sigterm() -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "airflow_async_provider.simulators", "aso", "--port", "0"),
            *("--processing-seconds", "0", "--result-bytes", "77"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        status_url = requests.get(url + PATH, headers=CALLER, timeout=TIMEOUT).json()["statusUrl"]
        result = requests.get(status_url, headers=CALLER, timeout=TIMEOUT).json()["resultUrl"]
        assert len(requests.get(result, timeout=TIMEOUT).content) == 77
        order = {"route": "status", "fault": "silence", "seconds": 300}
        requests.post(url + "/_sim/faults", json=order, timeout=TIMEOUT)
        with pytest.raises(requests.ReadTimeout):
            requests.get(status_url, headers=CALLER, timeout=0.2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert (out, err) == ("", "")  # one line in all, and nothing of what it was asked


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_the_command_line_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    api, results = _free_port(), _free_port()
    seen: dict[str, object] = {}

    def ask_and_end() -> None:
        url = f"http://127.0.0.1:{api}"
        try:
            for _ in range(200):
                with contextlib.suppress(requests.ConnectionError):
                    seen.update(requests.get(url + "/_sim", timeout=TIMEOUT).json())
                    break
                threading.Event().wait(0.05)
            answer = requests.get(url + "/event/1/apiBids/async", headers=CALLER, timeout=TIMEOUT)
            seen["status"] = requests.get(answer.json()["statusUrl"], headers=CALLER, timeout=TIMEOUT).json()
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    asking = threading.Thread(target=ask_and_end)
    asking.start()
    code = command.main(
        [
            *("aso", "--port", str(api), "--listener-port", f"results={results}"),
            *("--plan", 'apiBids={"outcome": "failed", "processing_seconds": 0}'),
            *("--processing-seconds", "none", "--token-expires", "none"),
        ]
    )
    asking.join(TIMEOUT)
    assert code == 0
    assert capsys.readouterr().out == f"http://127.0.0.1:{api}\n"
    assert seen["urls"] == {"api": f"http://127.0.0.1:{api}", "results": f"http://127.0.0.1:{results}"}
    assert seen["status"] == {"status": "failed"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["aso", "--plan", "apiBids"],
        ["aso", "--plan", "apiBids=[]"],
        ["aso", "--plan", "apiNothing={}"],
        ["aso", "--result-file", "no-such-file"],
        ["aso", "--listener-port", "results"],
        ["aso", "--outcome", "done"],
    ],
)
def test_a_wrong_command_line_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


# -- fixtures for users


def test_the_fixture_gives_a_running_simulator(aso_simulator: AsoSimulator) -> None:
    assert start(aso_simulator).status_code == 202


@pytest.mark.parametrize("aso_simulator", [{"processing_seconds": 0, "outcome": "failed"}], indirect=True)
def test_the_fixture_takes_options(aso_simulator: AsoSimulator) -> None:
    url = start(aso_simulator).json()["statusUrl"]
    assert requests.get(url, headers=CALLER, timeout=TIMEOUT).json() == {"status": "failed"}


def test_the_fixture_defines_a_connection(aso_simulator: AsoSimulator, aso_connection: str) -> None:
    assert aso_connection == "jaggaer_aso_default"
    connection = json.loads(os.environ["AIRFLOW_CONN_JAGGAER_ASO_DEFAULT"])
    assert connection == aso_simulator.airflow_connection()


def test_several_simulators_at_once(run_simulator) -> None:
    first, second = run_simulator(AsoSimulator()), run_simulator(AsoSimulator(token="two"))
    assert start(first).status_code == 202
    assert start(second).status_code == 401


def test_importing_the_simulators_imports_nothing_of_airflow() -> None:
    program = (
        "import sys, airflow_async_provider.simulators.pytest_plugin, airflow_async_provider.simulators.aso;"
        "print([name for name in sys.modules if name.split('.')[0] in ('airflow', 'boto3', 'requests')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"


# -- a simulator of one's own


class Echo(Simulator):
    name = "echo"

    def __init__(self) -> None:
        super().__init__()
        self.alive = False

    def routes(self, listener):
        async def answer(request):
            from airflow_async_provider.simulators.reply import Reply

            return Reply.json(await request.json())

        return [Route("POST", "/echo", "submit", answer)]

    @contextlib.asynccontextmanager
    async def lifespan(self):
        self.alive = True
        yield
        self.alive = False


def test_a_small_simulator_needs_only_its_routes() -> None:
    with running(Echo()) as simulator:
        assert simulator.alive
        assert requests.post(simulator.url + "/echo", json={"a": 1}, timeout=TIMEOUT).json() == {"a": 1}
        simulator.faults.add("submit", "alter", update={"b": 2})
        answer = requests.post(simulator.url + "/echo", json={"a": 1}, timeout=TIMEOUT)
        assert answer.json() == {"a": 1, "b": 2}
        simulator.faults.add("submit", "alter", update={"b": 2})
        assert requests.post(simulator.url + "/echo", json=[1], timeout=TIMEOUT).json() == [1]
    assert not simulator.alive


def test_an_error_while_stopping_is_not_swallowed() -> None:
    class Stubborn(Echo):
        @contextlib.asynccontextmanager
        async def lifespan(self):
            yield
            raise RuntimeError("could not tidy up")

    with pytest.raises(RuntimeError, match="tidy up"), running(Stubborn()):
        pass


def test_a_small_simulator_has_its_command_line_for_nothing() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    Simulator.add_arguments(parser)
    arguments = argparse.Namespace(time_scale=2.0, latency=0.0)

    class Plain(Echo):
        def __init__(self, **options: float) -> None:
            Simulator.__init__(self, **options)

    assert Plain.from_arguments(arguments).clock.scale == 2.0


async def test_a_client_that_goes_away_disturbs_nobody() -> None:
    async with serving(AsoSimulator(processing_seconds=0, result_bytes=50_000_000)) as simulator:
        async with aiohttp.ClientSession(headers=CALLER) as session:
            async with session.get(simulator.url + PATH) as answer:
                status_url = (await answer.json(content_type=None))["statusUrl"]
            async with session.get(status_url) as answer:
                result_url = (await answer.json(content_type=None))["resultUrl"]
        async with aiohttp.ClientSession() as session:
            answer = await session.get(result_url)
            await answer.content.readexactly(10)
            answer.close()
            assert await asyncio.to_thread(
                simulator.journal.wait, lambda journal: journal.entries("result")[0].done
            )
            assert simulator.journal.entries("result")[0].sent < 50_000_000
            async with session.get(result_url, headers={"Range": "bytes=0-4"}) as again:
                assert again.status == 206
