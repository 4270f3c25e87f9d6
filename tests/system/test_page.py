# SPDX-License-Identifier: Apache-2.0
"""
The page "Remote jobs" in a real browser and a real Airflow, behind a path prefix and with users of its own.

What needs no triggerer and no worker is tested on each supported Airflow in
``tests/integration/page/test_airflows_ui.py``, where the pictures of the documentation are taken, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.harness import wait_until
from tests.support.harness.airflow_config import SETTLE
from tests.support.harness.airflow_with_users import PREFIX, AirflowWithUsers
from tests.support.harness.browser import Browser, program
from tests.support.harness.servers import SimulatorProcess
from tests.support.page_frame import (
    inside,
    now_inside,
    press_action,
    see_inside,
    set_theme,
    show_list,
    shown_in,
    sign_in,
)

pytestmark = pytest.mark.skipif(program() is None, reason="there is no Chromium on this machine")

WIDTH, HEIGHT = 1500, 900


@pytest.fixture(scope="module", name="simulators")
def simulators_fixture() -> Iterator[tuple[SimulatorProcess, SimulatorProcess]]:
    with (
        SimulatorProcess("aso", "--processing-seconds", "36000") as aso,
        SimulatorProcess("automic", "--password", "word-of-page", "--run-seconds", "36000") as automic,
    ):
        yield aso, automic


@pytest.fixture(scope="module", name="airflow")
def airflow_fixture(airflow_with_users: AirflowWithUsers, simulators: Any) -> AirflowWithUsers:
    connect(airflow_with_users, *simulators)
    return airflow_with_users


def connect(airflow: AirflowWithUsers, aso: SimulatorProcess, automic: SimulatorProcess) -> None:
    put = airflow.client.put_connection
    put("aso_of_page", "jaggaer_aso", host=aso.url, password="aso-token", extra={"api_key": "aso-key"})
    put(
        "automic_of_page",
        "automic",
        host=automic.url,
        login="AIRFLOW/AF",
        password="word-of-page",
        extra={"client": "100"},
    )


@pytest.fixture(scope="module", name="waiting")
def waiting_fixture(airflow: AirflowWithUsers) -> tuple[str, str, str]:
    """Runs of the three DAGs, whose tasks wait and have been polled."""
    conf = {"exports": 2, "runs": 1}
    many = airflow.client.trigger("nightly_exports", conf=conf)
    one = airflow.client.trigger("single_export")
    acted_on = airflow.client.trigger("single_run")
    count = sum(conf.values()) + 2
    wait_until(
        lambda: len([j for j in airflow.jobs() if j["polls"]]) == count, "all to be polled", 300, interval=1
    )
    return many, one, acted_on


@pytest.fixture(scope="module", name="browser")
def browser_fixture(airflow: AirflowWithUsers) -> Iterator[Browser]:
    with Browser(width=WIDTH, height=HEIGHT, timeout=180) as browser:
        sign_in(browser, airflow, "admin")
        yield browser


def show(browser: Browser, airflow: AirflowWithUsers) -> None:
    show_list(browser, airflow, "single_export.export")


def test_rights_are_airflows_own(airflow: AirflowWithUsers, waiting: tuple[str, str, str]) -> None:
    assert airflow.page("jobs", user=None).status_code == 401
    found = airflow.page("jobs", user="viewer").json()
    assert found["total"] == len(airflow.jobs())
    named = {"dag_id": "single_export", "run_id": waiting[1], "task_id": "export"}
    assert airflow.page("job", user="viewer", params=named).json()["may_act"] is False
    assert airflow.page("job", params=named).json()["may_act"] is True


def test_the_list_answers_what_a_person_asks_at_night(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    show(browser, airflow)
    (job,) = airflow.jobs(dag_id="single_export")
    line = inside(
        browser,
        "id => document.querySelector(`tr[data-id='${id}']`)?.innerText",
        job["ti_id"],
        what="the line",
    )
    for words in ("single_export.export", waiting[1], "JAGGAER ASO", "aso_of_page", "answered"):
        assert words in line, (words, line)
    assert " ago" in line or "just now" in line
    assert "in 1 h 5" in line or "in 2 h" in line  # of its deadline


def test_refreshing_keeps_the_place(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    show(browser, airflow)
    inside(
        browser,
        "() => { const a = document.querySelector('tbody a'); a.focus(); window.before = a; return 1; }",
    )
    told = shown_in(browser, "tbody")
    inside(browser, "() => { document.getElementById('refresh').click(); return 1; }")
    inside(browser, "() => document.getElementById('status').textContent.includes('as of')")
    assert now_inside(browser, "() => document.activeElement === window.before && window.before.isConnected")
    assert told


def test_it_is_searched_and_sorted_with_the_keyboard(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    show(browser, airflow)
    inside(browser, "() => { document.getElementById('search').focus(); return 1; }")
    browser.type("NIGHTLY_01")
    inside(browser, "() => document.querySelectorAll('#rows tr').length === 1", what="one line")
    assert "JOBS.NIGHTLY_01" in shown_in(browser, "tbody")
    now_inside(
        browser,
        "() => { document.getElementById('search').value = ''; "
        "document.getElementById('search').dispatchEvent(new window.Event('input')); return 1; }",
    )
    inside(browser, "() => document.querySelectorAll('#rows tr').length > 1", what="all lines")
    inside(browser, "() => { document.querySelector(\"th[data-sort='task'] button\").focus(); return 1; }")
    browser.press(" ", 32)
    inside(
        browser,
        "() => document.querySelector(\"th[data-sort='task']\").getAttribute('aria-sort') === 'ascending'",
    )


def test_it_is_light_and_dark_as_airflow_is(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    show(browser, airflow)
    for theme in ("dark", "light"):
        set_theme(browser, theme)


def test_a_narrow_window_shows_the_same(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    browser.resize(520, 900)
    try:
        show(browser, airflow)
        # Nothing has to be scrolled sideways, and each value says what it is.
        assert now_inside(browser, "() => document.documentElement.scrollWidth <= window.innerWidth")
        assert (
            now_inside(browser, "() => document.querySelectorAll('#rows td')[7].dataset.name") == "Deadline"
        )
    finally:
        browser.resize(WIDTH, HEIGHT)


def test_a_link_leads_to_the_task_in_airflows_own_page(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    show(browser, airflow)
    press = """t => {
      const link = [...document.querySelectorAll("tbody a")].find((a) => a.textContent === t);
      link?.click();
      return Boolean(link);
    }"""
    inside(browser, press, "single_export.export")
    way = f"{PREFIX}/dags/single_export/runs/"
    browser.wait("w => location.pathname.startsWith(w)", way, what="the task's own page")
    browser.see("export")


def test_the_tab_of_a_task_shows_its_job_and_timeline(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    run = quote(waiting[1], safe="")
    browser.open(
        f"{airflow.root}/dags/single_export/runs/{run}/tasks/export/plugin/remote-jobs-task-instance"
    )
    see_inside(browser, "the triggerer waits for the job")
    text = shown_in(browser)
    for words in ("JAGGAER ASO", "aso_of_page", "Deadline", "Last poll", "Next poll", "running"):
        assert words in text, words


def test_the_tab_of_a_run_shows_the_runs_own(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser
) -> None:
    run = quote(waiting[0], safe="")
    browser.open(f"{airflow.root}/dags/nightly_exports/runs/{run}/plugin/remote-jobs-dag-run")
    see_inside(browser, "nightly_exports.run")
    assert "single_export" not in shown_in(browser, "tbody")


def test_a_person_polls_now_and_cancels(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str], browser: Browser, simulators: Any
) -> None:
    automic = simulators[1]
    before = automic.journal()["counts"].get("job_cancelled", 0)
    run_id = waiting[2]
    job = wait_until(lambda: waiting_for(airflow, 0.0), "the task to wait", 300, interval=0.5)
    run = quote(run_id, safe="")
    browser.open(f"{airflow.root}/dags/single_run/runs/{run}/tasks/run/plugin/remote-jobs-task-instance")
    press_action(browser, "Poll now")
    inside(browser, "() => document.getElementById('status').textContent.includes('resumed on a worker')")

    again = job["waiting_since"]
    wait_until(lambda: waiting_for(airflow, again), "the task to wait again", 300, interval=0.5)
    log = airflow.client.log("single_run", run_id, "run")
    assert "Resumed by admin on the page Remote jobs, to poll the job." in log
    assert automic.journal()["counts"].get("job_cancelled", 0) == before  # its trigger took it for no kill

    press_action(browser, "Cancel the remote job")
    assert airflow.client.wait_run("single_run", run_id) == "failed"
    assert automic.journal()["counts"]["job_cancelled"] == before + 1
    task = airflow.client.task("single_run", run_id, "run")
    assert (task["state"], task["try_number"]) == ("failed", 1)  # retries=2, and nobody wants them
    assert "by admin on the page Remote jobs" in airflow.client.log("single_run", run_id, "run")


def waiting_for(airflow: AirflowWithUsers, since: float) -> dict[str, Any] | None:
    """The job of ``single_run`` once it has been polled in a later wait whose settle time is over."""
    found = airflow.page("jobs", params={"dag_id": "single_run"}).json()
    for job in found["jobs"]:
        if job["polls"] and since < job["waiting_since"] < found["now"] - SETTLE - 1:
            return dict(job)
    return None


def test_what_has_come_is_a_click_away(
    airflow: AirflowWithUsers, waiting: tuple[str, str], browser: Browser
) -> None:
    show(browser, airflow)
    inside(browser, "() => { document.querySelector('#to-history a').click(); return 1; }")
    see_inside(browser, "Outcome")
    see_inside(browser, "All remote jobs")
    assert airflow.page("deliveries", user=None).status_code == 401
    found = airflow.page("deliveries", user="viewer").json()["deliveries"]
    assert not [row for row in found if row["replay"]]  # a viewer may look


def test_nothing_secret_is_on_the_page_or_in_its_data(
    airflow: AirflowWithUsers, waiting: tuple[str, str, str]
) -> None:
    said = airflow.page("jobs", params={"limit": 200}).text
    for secret in ("aso-token", "aso-key", "word-of-page"):
        assert secret not in said
