# SPDX-License-Identifier: Apache-2.0
"""What has come, in a real Chromium: beside a job, in the view of all, and replayed with a button."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_async_provider._callbacks import pushing
from tests.support.callback_world import Waiting, served
from tests.support.harness.browser import Browser, program
from tests.support.page_world import PageWorld, facts, page_root, rights
from tests.support.push_world import make_asset, make_source

pytestmark = pytest.mark.skipif(program() is None, reason="there is no Chromium on this machine")

JOB = {"protocol": "automic", "job_id": "7", "submitted_at": 1.0, "options": {"client": "100"}}


@pytest.fixture(scope="module", name="page")
def page_fixture(airflow_db: Path) -> Iterator[PageWorld]:
    with ExitStack() as stack:
        stack.enter_context(rights(airflow_db.parent))
        yield PageWorld(stack.enter_context(served(page_root())), "sqlite")


@pytest.fixture(scope="module", name="browser")
def browser_fixture(page: PageWorld) -> Iterator[Browser]:
    with Browser(width=1400, height=900, timeout=60) as browser:
        browser._send("Network.setCookie", name="_token", value=page.token(), url=page.url, path="/")
        yield browser


@pytest.fixture(name="waiting")
def waiting_fixture(page: PageWorld) -> Waiting:
    """A task with a delivery that nobody has taken out."""
    waiting = page.task(deferred_for=1.0)
    registration = waiting.expect(settle=10.0)
    page.trigger(waiting, job=JOB, callback=True, submission=registration.submission)
    assert waiting.post().status_code == 200
    page.report(facts(waiting, callback=True))
    return waiting


def see(browser: Browser, selector: str, *words: str) -> None:
    script = "(s, w) => w.every((t) => document.querySelector(s)?.innerText.includes(t))"
    browser.wait(script, selector, words, what=f"{words} in {selector}")


def query(waiting: Waiting) -> str:
    key = waiting.key
    return f"dag_id={key.dag_id}&run_id={quote(key.run_id, safe='')}&task_id={key.task_id}"


def test_the_list_says_what_came_last(page: PageWorld, waiting: Waiting, browser: Browser) -> None:
    browser.open(f"{page.url}/remote-jobs/")
    see(browser, "#rows", waiting.key.dag_id, "expected", "last: accepted, ")
    browser.click("#to-history a")
    see(browser, "#came", "Came", "For", "Outcome", waiting.key.dag_id, "accepted", "16 B", "Replay")
    see(browser, "#title", "Deliveries")
    browser.click("#to-list")
    see(browser, "#rows", waiting.key.dag_id)


def test_a_delivery_is_replayed_with_a_button_that_asks_first(
    page: PageWorld, waiting: Waiting, browser: Browser
) -> None:
    browser.open(f"{page.url}/remote-jobs/?{query(waiting)}")
    see(browser, "#task-deliveries", "accepted", "stored; its task takes it out by itself")
    browser.click("#task-deliveries button", "Replay")
    see(browser, "#ask", "with the delivery that lies in its mailbox")
    browser.click("#ask button", "Leave it")
    browser.wait("() => !document.getElementById('ask').open")
    assert waiting.state == "deferred"
    browser.click("#task-deliveries button", "Replay")
    browser.click("#yes")
    see(browser, "#status", "resumed with the delivery")
    assert waiting.state == "scheduled"
    see(browser, "#summary", "does not wait for a remote job any more")
    # Nothing waits any more, so nothing can be replayed.
    browser.wait("() => !document.querySelector('#task-deliveries button')")


def test_those_of_push_sources_are_there_too(page: PageWorld, browser: Browser) -> None:
    pushing._sources = pushing._Sources()
    name = f"orders_{uuid.uuid4().hex[:6]}"
    make_asset(page, name)
    pushed = make_source(page, name)
    body = json.dumps({"order": "<b>7</b>"}).encode()
    assert asyncio.run(pushed.sender(body).send()) == [200]
    browser.open(f"{page.url}/remote-jobs/?view=deliveries")
    see(browser, "#came", "Outcome")
    browser.run(
        "() => { const s = document.getElementById('of'); s.value = '*'; "
        "s.dispatchEvent(new Event('change')); }"
    )
    see(browser, "#came", pushed.source.name, name, "made an event of each asset", "Replay")
    browser.click("#came button[aria-label^='Replay delivery']")
    see(browser, "#ask", "once more")
    browser.click("#yes")
    see(browser, "#status", f"Events were made again: {name}.")
    see(browser, "#came", "replayed", "by admin")
    assert len(pushed.events()) == 2


def test_a_narrow_window_names_each_value(page: PageWorld, waiting: Waiting, browser: Browser) -> None:
    browser.resize(480, 900)
    try:
        browser.open(f"{page.url}/remote-jobs/?{query(waiting)}")
        see(browser, "#task-deliveries", "accepted")
        assert browser.run("() => document.documentElement.scrollWidth <= window.innerWidth")
        assert (
            browser.run("() => document.querySelectorAll('#task-deliveries td')[1].dataset.name") == "Outcome"
        )
    finally:
        browser.resize(1400, 900)
