# SPDX-License-Identifier: Apache-2.0
"""
The page in Airflow's own UI, of the Airflow that is installed: its views, links, rights, and what they show.

A night with fifty waiting tasks of three systems, of which an API server alone is up, so that it takes two
minutes on each line of Airflow. With ``SCREENSHOTS=docs/_static`` the pictures of the docs are taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.harness.airflow_with_users import PREFIX
from tests.support.harness.browser import Browser, program
from tests.support.night.api_server import WAITING, AirflowAtNight
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

pytestmark = [
    pytest.mark.skipif(program() is None, reason="there is no Chromium on this machine"),
    pytest.mark.thorough,
    pytest.mark.timeout(900),
]

SCREENSHOTS = os.environ.get("SCREENSHOTS")
WIDTH, HEIGHT = 1500, 900
TOTAL = sum(WAITING.values())
LATE = "month_end.statements"


def take(browser: Browser, name: str) -> None:
    """A picture for the documentation, when it is asked for."""
    if SCREENSHOTS:
        browser.screenshot(Path(SCREENSHOTS) / f"{name}.png")


def rows(browser: Browser) -> list[str]:
    """The words of each line of the list."""
    code = "() => [...document.querySelectorAll('#rows tr')].map((row) => row.innerText)"
    return list(now_inside(browser, code) or [])


def choose(browser: Browser, name: str, value: str) -> None:
    """Give a field of the list's form a value, as a person does."""
    code = """(name, value) => {
      const field = document.getElementById(name);
      field.value = value;
      field.dispatchEvent(new window.Event(field.tagName === "SELECT" ? "change" : "input"));
      return true;
    }"""
    inside(browser, code, name, value)


def tab_of(night: AirflowAtNight, dag_id: str, task_id: str) -> str:
    run = quote(night.runs[dag_id], safe="")
    return f"{night.root}/dags/{dag_id}/runs/{run}/tasks/{task_id}/plugin/remote-jobs-task-instance"


def _a_user_sees_what_airflow_lets_them_see(night: AirflowAtNight, browser: Browser) -> None:
    assert night.page("jobs", user=None).status_code == 401
    assert night.page("jobs", user="viewer").json()["total"] == TOTAL
    named = {"dag_id": "month_end", "run_id": night.runs["month_end"], "task_id": "close_books"}
    assert night.page("job", user="viewer", params=named).json()["may_act"] is False
    job = night.page("job", params=named).json()
    assert (job["may_act"], job["actions"]) == (True, ["poll", "cancel"])
    asked: dict[str, Any] = {"params": {**named, "ti_id": job["ti_id"]}, "json": {"action": "poll"}}
    assert night.page("act", user="viewer", method="POST", **asked).status_code == 403
    assert night.page("act", user=None, method="POST", **asked).status_code == 401


def _the_menu_leads_to_the_page(night: AirflowAtNight, browser: Browser) -> None:
    browser.open(f"{night.root}/")
    browser.click("button", "Browse")
    browser.click("a", "Remote jobs")
    browser.wait("w => location.pathname === w", f"{PREFIX}/plugin/remote-jobs", what="the page")
    see_inside(browser, LATE)


def _what_needs_somebody_comes_first(night: AirflowAtNight, browser: Browser) -> None:
    show_list(browser, night, LATE)
    inside(browser, "n => document.querySelectorAll('#rows tr').length === n", TOTAL, what="all lines")
    take(browser, "remote_jobs")
    shown = rows(browser)
    assert LATE in shown[0]
    assert "late by" in shown[0]
    assert "night_batch.run" in shown[1]  # its deadline is in half an hour
    for word in ("JAGGAER ASO", "Broadcom Automic", "HTTP API", "1550 Active", "IN_PROGRESS", "triggerer-1"):
        assert word in "".join(shown), word
    assert shown_in(browser, "#tally").split("\n") == [
        f"{TOTAL} waiting", "1 past the deadline", "1 due within an hour", "3 with failing polls",
    ]  # fmt: skip
    inside(browser, "() => { document.querySelector('#tally .failing').click(); return 1; }")
    inside(browser, "() => document.querySelectorAll('#rows tr').length === 3", what="those that fail")
    assert all("failed, 4 in a row: TransientError: HTTP 503" in line for line in rows(browser))
    take(browser, "remote_jobs_failing")
    choose(browser, "only", "")
    choose(browser, "search", "LEDGER_10 automic_prod")
    inside(browser, "() => document.querySelectorAll('#rows tr').length === 1", what="the one found")
    assert "1700 Waiting for a resource" in rows(browser)[0]
    choose(browser, "search", "")  # the page remembers what was chosen
    inside(browser, "n => document.querySelectorAll('#rows tr').length === n", TOTAL, what="all lines again")


def _it_is_light_and_dark_as_airflow_is(night: AirflowAtNight, browser: Browser) -> None:
    show_list(browser, night, LATE)
    for theme in ("dark", "light"):
        set_theme(browser, theme)
        if theme == "dark":
            take(browser, "remote_jobs_dark")


def _a_narrow_window_shows_the_same(night: AirflowAtNight, browser: Browser) -> None:
    browser.resize(520, HEIGHT)
    try:
        show_list(browser, night, LATE)
        take(browser, "remote_jobs_narrow")
        assert now_inside(browser, "() => document.documentElement.scrollWidth <= window.innerWidth")
        assert now_inside(
            browser, "() => [...document.querySelectorAll('#rows td')].every((cell) => cell.dataset.name)"
        )
    finally:
        browser.resize(WIDTH, HEIGHT)


def _each_line_links_to_its_task(night: AirflowAtNight, browser: Browser) -> None:
    show_list(browser, night, LATE)
    press = """t => {
      const link = [...document.querySelectorAll("tbody a")].find((a) => a.textContent === t);
      link?.click();
      return Boolean(link);
    }"""
    inside(browser, press, LATE)
    browser.wait(
        "w => location.pathname.startsWith(w)", f"{PREFIX}/dags/month_end/runs/", what="the task's own page"
    )
    browser.see("statements")


def _the_tabs_of_a_run_and_of_a_task_show_their_own(night: AirflowAtNight, browser: Browser) -> None:
    run = quote(night.runs["crm_export"], safe="")
    for way in (
        f"dags/crm_export/runs/{run}/plugin/remote-jobs-dag-run",
        "dags/crm_export/tasks/export/plugin/remote-jobs-task",
    ):
        browser.open(f"{night.root}/{way}")
        see_inside(browser, "crm_export.export")
        inside(browser, "() => document.querySelectorAll('#rows tr').length === 6", what="its six jobs")
        assert "month_end" not in shown_in(browser, "#rows")


def _the_tab_of_a_task_instance_shows_one_job(night: AirflowAtNight, browser: Browser) -> None:
    run = quote(night.runs["supplier_exports"], safe="")
    browser.open(
        f"{night.root}/dags/supplier_exports/runs/{run}/tasks/export/mapped/3/plugin/"
        "remote-jobs-task-instance"
    )
    see_inside(browser, "the triggerer waits for the job")
    text = shown_in(browser)
    for words in ("JAGGAER ASO", "aso_prod", "Deadline", "4 in a row", "poll 62 failed", "triggerer-1"):
        assert words in text, words
    take(browser, "remote_jobs_one")


def _a_screen_reader_names_each_control(night: AirflowAtNight, browser: Browser) -> None:
    browser.open(f"{night.root}/remote-jobs/")
    browser.see(LATE)
    nodes = browser._send("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            name = node.get("name", {}).get("value", "")
            found.setdefault(node.get("role", {}).get("value", ""), []).append(name)
    roles = (
        "button",
        "link",
        "searchbox",
        "combobox",
        "table",
        "region",
        "columnheader",
        "heading",
        "search",
    )
    assert [role for role in roles if not all(found.get(role, [""]))] == []
    assert "Search" in found["searchbox"][0]
    assert len(found["link"]) > TOTAL


def _a_press_resumes_the_task_with_the_wish(night: AirflowAtNight, browser: Browser) -> None:
    browser.open(tab_of(night, "month_end", "close_books"))
    see_inside(browser, "JOBP.MONTH_END")
    press_action(browser, "Poll now")
    inside(browser, "() => document.getElementById('status').textContent.includes('resumed on a worker')")
    (row,) = night.db("select state, next_kwargs from task_instance where task_id = 'close_books'")
    assert row["state"] == "scheduled"
    assert "admin" in str(row["next_kwargs"])
    logged = night.db("select owner from log where event = 'remote_job.poll'")
    assert [entry["owner"] for entry in logged] == ["admin"]


#: What a person does one after the other; the last one changes what is there.
STEPS = (
    _a_user_sees_what_airflow_lets_them_see,
    _the_menu_leads_to_the_page,
    _what_needs_somebody_comes_first,
    _it_is_light_and_dark_as_airflow_is,
    _a_narrow_window_shows_the_same,
    _each_line_links_to_its_task,
    _the_tabs_of_a_run_and_of_a_task_show_their_own,
    _the_tab_of_a_task_instance_shows_one_job,
    _a_screen_reader_names_each_control,
    _a_press_resumes_the_task_with_the_wish,
)


def test_a_night_in_airflows_own_ui() -> None:
    # One test, as an Airflow is started for it: processes of pytest-xdist would start one each.
    with AirflowAtNight() as night, Browser(width=WIDTH, height=HEIGHT, timeout=180) as browser:
        sign_in(browser, night, "admin")
        for step in STEPS:
            step(night, browser)
