# SPDX-License-Identifier: Apache-2.0
"""
One real Airflow for all system tests: the demo's world, with the DAGs of the tests beside the examples.

It runs on PostgreSQL where there is one. Tests marked ``together`` begin at the same time as the demo's runs,
see :mod:`tests.support.harness.together`; those that kill parts of Airflow wait until these have ended. Each
test works alone, too, and in any order; the order here is only the quickest. The tests of users' rights have
an Airflow of their own, on SQLite, see :func:`airflow_with_users`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from demo.cases import CASES
from demo.runs import Outcome, run
from demo.world import World
from tests.support.harness import Postgres, RealAirflow
from tests.support.harness.airflow_config import PATIENT
from tests.support.harness.airflow_with_users import AirflowWithUsers
from tests.support.harness.aso_jobs import ASO_KEY, ASO_TOKEN
from tests.support.harness.aso_jobs import MARK as SECRET_MARK
from tests.support.harness.calling_remote import CallingRemote, calling_remote, connect
from tests.support.harness.postgres import bin_directory
from tests.support.harness.servers import S3Server, SimulatorProcess
from tests.support.harness.together import MARK, Begun, fixture_names, in_background, marked

ROOT = Path(__file__).resolve().parents[2]
DAGS = Path(__file__).parent / "dags"
BEGUN = pytest.StashKey[Begun]()
DEMO = pytest.StashKey[Future[Outcome]]()

AUTOMIC_PASSWORD = f"p\u00e4ss\u00a7word-{SECRET_MARK}"


def pytest_configure(config: pytest.Config) -> None:
    """A mark of this folder only."""
    config.addinivalue_line("markers", f"{MARK}: its body begins with those of all others marked so")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a system test, and may take its time; the quickest order."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.system)
        item.add_marker(pytest.mark.timeout(1500))  # the first test starts Airflow, too
    places = [number for number, item in enumerate(items) if item in ours]
    for place, item in zip(places, sorted(ours, key=_phase), strict=True):
        items[place] = item


def _phase(item: pytest.Item) -> int:
    names = getattr(item, "fixturenames", ())
    if item.get_closest_marker(MARK):
        return 0
    if "airflow_with_users" in names:
        return 3
    if "restored" in names:
        return 2
    return 1 if "real_airflow" in names or "demo" in names else 4


@pytest.fixture(autouse=True)
def _begun(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker(MARK):
        request.getfixturevalue("begun")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """The body of a marked test runs already: its end is waited for."""
    if not pyfuncitem.get_closest_marker(MARK):
        return None
    pyfuncitem.session.stash[BEGUN].outcome(pyfuncitem)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure shows what Airflow's components said."""
    report: Any = yield
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, RealAirflow):
                report.sections.append(("components of Airflow", value.report()))
    return report


@pytest.fixture(scope="session")
def begun(request: pytest.FixtureRequest) -> Begun:
    """The bodies of all marked tests of this run, and the demo's runs if a test asks for them: begun."""
    items = marked(request.session.items)
    names = {name for item in items for name in fixture_names(item)}
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    # Whatever takes time to come up does so before the first begins.
    given = {name: request.getfixturevalue(name) for name in sorted(names)}
    if "demo" in asked:
        request.getfixturevalue("demo")
    begun = Begun(items, given)
    request.session.stash[BEGUN] = begun
    return begun


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres | None]:
    """A private PostgreSQL, None where the machine has none."""
    if bin_directory() is None:
        yield None
        return
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def world(postgres: Postgres | None) -> Iterator[World]:
    """Airflow, the demo's simulators, and an S3 server."""
    database = {"sql_alchemy_conn": postgres.sql_alchemy_conn} if postgres else {}
    with World((DAGS, ROOT / "example_dags"), {"config": PATIENT, **database}) as running:
        yield running


@pytest.fixture(scope="session")
def real_airflow(world: World) -> RealAirflow:
    """The Airflow of all tests."""
    return world.airflow


@pytest.fixture(scope="session")
def demo(request: pytest.FixtureRequest, world: World) -> Callable[[], Outcome]:
    """The demo's runs, begun; a call waits for their end and gives what came of them."""
    told: list[str] = []

    def all_of_it() -> Outcome:
        outcome = run(world, CASES, told.append)
        if outcome.problems:
            outcome.problems += told
        return outcome

    request.session.stash[DEMO] = future = in_background(all_of_it, "demo")
    return future.result


@pytest.fixture(scope="session")
def s3_server(world: World) -> S3Server:
    """An S3 server with the bucket ``results``."""
    return world.s3


@pytest.fixture(scope="session")
def canaries() -> set[str]:
    """Words that must be written nowhere; tests add theirs, and ``test_secrets.py`` looks for them."""
    return set()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where downloads go."""
    return str(tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="session")
def aso(real_airflow: RealAirflow, canaries: set[str]) -> Iterator[SimulatorProcess]:
    """JAGGAER ASO behind the connection ``aso_cases``: a job ends when its test says so (``AsoJobs``)."""
    canaries |= {ASO_TOKEN, ASO_KEY}
    options = ("--token", ASO_TOKEN, "--api-key", ASO_KEY, "--processing-seconds", "none")
    with SimulatorProcess("aso", *options) as simulator:
        real_airflow.client.put_connection(
            "aso_cases",
            "jaggaer_aso",
            host=simulator.url,
            password=ASO_TOKEN,
            extra={"api_key": ASO_KEY},
        )
        yield simulator


@pytest.fixture(scope="session")
def automic(real_airflow: RealAirflow, canaries: set[str]) -> Iterator[SimulatorProcess]:
    """An Automic that can reach Airflow, behind the connection ``automic_cases``."""
    canaries.add(AUTOMIC_PASSWORD)
    with SimulatorProcess("automic", "--password", AUTOMIC_PASSWORD, "--run-seconds", "3") as simulator:
        real_airflow.client.put_connection(
            "automic_cases",
            "automic",
            host=simulator.url,
            login="AIRFLOW/AF",
            password=AUTOMIC_PASSWORD,
            extra={
                "client": "100",
                "callback_base_url": real_airflow.url(),
                "run_url": "https://awi.example/{client}/{run_id}",
            },
        )
        yield simulator


@pytest.fixture(scope="session")
def sap(real_airflow: RealAirflow, canaries: set[str]) -> Iterator[SimulatorProcess]:
    """SAP Open Connectors behind the connection ``sap_cases``; its jobs run until they are told to end."""
    names = ("user_secret", "organization_secret", "element_token", "signature_key")
    words = {name: f"{name}+{SECRET_MARK}/sap=" for name in names}
    canaries.update(words.values())
    options = [f"--{name.replace('_', '-')}={word}" for name, word in words.items()]
    with SimulatorProcess("open-connectors", *options, "--seconds", "none") as simulator:
        real_airflow.client.put_connection(
            "sap_cases",
            "sap_open_connectors",
            host=simulator.url,
            extra={**words, "callback_base_url": real_airflow.url()},
        )
        yield simulator


@pytest.fixture(scope="session")
def remote(real_airflow: RealAirflow) -> Iterator[CallingRemote]:
    """A remote that calls back when a test says so."""
    with calling_remote() as server:
        connect(real_airflow.client, server, real_airflow.url())
        yield server


@pytest.fixture(scope="session")
def airflow_with_users() -> Iterator[AirflowWithUsers]:
    """An Airflow on SQLite, behind a path prefix and with an administrator and a viewer who sign in."""
    with AirflowWithUsers(dag_folders=[DAGS], config=PATIENT) as airflow:
        yield airflow


@pytest.fixture
def restored(request: pytest.FixtureRequest, real_airflow: RealAirflow) -> Iterator[RealAirflow]:
    """The shared Airflow for tests that kill parts of it: what is missing afterwards is started again."""
    stash = request.session.stash
    if (begun := stash.get(BEGUN, None)) is not None:
        begun.wait()
    if (demo := stash.get(DEMO, None)) is not None:
        demo.exception()
    yield real_airflow
    real_airflow.start_missing()
