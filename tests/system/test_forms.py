# SPDX-License-Identifier: Apache-2.0
"""
Connection forms in a real browser: what a person sees, types, saves and tests.

With ``SCREENSHOTS=docs/_static`` in the environment the pictures of the documentation are taken anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_async_provider.provider_info import get_provider_info
from tests.support.harness import RealAirflow
from tests.support.harness.browser import Browser, program
from tests.support.harness.servers import SimulatorProcess

pytestmark = pytest.mark.skipif(program() is None, reason="there is no Chromium on this machine")

#: Of the window (pixels): the longest form fits.
WIDTH, HEIGHT = 960, 1850

DIALOG = "[role=dialog]"
TYPES = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}
LABELS = {"host": "Host", "port": "Port", "login": "Login", "password": "Password", "schema": "Schema"}

#: Tells what the API server answered to the button "Test".
LISTEN = """() => {
  window.tested = null;
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (body) {
    this.addEventListener("load", () => {
      if (this.responseURL.endsWith("/connections/test")) window.tested = JSON.parse(this.responseText);
    });
    return send.call(this, body);
  };
}"""


@dataclass(frozen=True)
class Case:
    """What a person types for one connection type, and what is wrong with it afterwards."""

    simulator: str
    standard: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)


CASES = {
    "jaggaer_aso": Case(
        "aso", {"password": "aso-token"}, {"api_key": "aso-key"}, {"password": "wrong-token"}
    ),
    "automic": Case(
        "automic",
        {"login": "AIRFLOW/AF", "password": "p\u00e4ss\u00a7word"},
        {"client": "100"},
        {"password": "wrong-word"},
    ),
    "sap_open_connectors": Case(
        "open-connectors",
        {},
        {
            "user_secret": "user+secret/sim=",
            "element_token": "element+token/sim=",
            "organization_secret": "org+secret/sim=",
            "signature_secret": "MySecretEventSignatureKey",
        },
        {"extra": {"user_secret": "wrong-user", "element_token": "wrong-token"}},
    ),
}


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with Browser(width=WIDTH, height=HEIGHT, timeout=180) as browser:
        yield browser


@pytest.mark.parametrize("connection_type", CASES)
def test_a_connection_is_entered_saved_and_tested(
    connection_type: str, real_airflow: RealAirflow, page: Browser
) -> None:
    case, form = CASES[connection_type], TYPES[connection_type]
    conn_id = f"{connection_type}_by_hand"
    with SimulatorProcess(case.simulator) as simulator:
        address = urlsplit(simulator.url)
        typed = {"host": f"http://{address.hostname}", "port": str(address.port), **case.standard}
        page.open(f"{real_airflow.base_url}/connections")
        page.click("button", "Add Connection")
        page.fill("input[name=connection_id]", conn_id)
        page.click(f"{DIALOG} input[aria-autocomplete=list]")
        page.type(form["hook-name"])
        page.press("Enter", 13)
        page.click(f"{DIALOG} input[name=host]")
        what_a_person_sees_of_the_standard_fields(page, form)
        take(page, f"connection_{connection_type}")
        fill(page, typed)
        page.click("button", "Extra Fields", exact=True)
        page.see(next(iter(form["conn-fields"].values()))["label"])
        what_a_person_sees_of_the_extra(page, form)
        fill(page, {f"element_{name}": value for name, value in case.extra.items()})
        take(page, f"connection_{connection_type}_extra")
        page.click("button", "Save")
        page.wait("s => !document.querySelector(s)", DIALOG, what="the form to close")

        saved = real_airflow.client.get(f"/connections/{conn_id}")
        assert (saved["conn_type"], saved["host"]) == (connection_type, typed["host"])
        for secret in (*case.extra.values(), typed.get("password", "")):
            assert len(secret) < 5 or secret not in str(saved)

        assert press_test(real_airflow, page, conn_id) == {
            "status": True,
            "message": page.run("() => window.tested.message"),
        }
        real_airflow.client.put_connection(
            conn_id, connection_type, **{**typed, "port": address.port, "extra": case.extra, **case.wrong}
        )
        refused = press_test(real_airflow, page, conn_id)
        assert not refused["status"]
        assert refused["message"].startswith("Credentials: ")
        page.see("Test Connection Failed")
        page.see(refused["message"])
        page.resize(WIDTH, 480)
        if connection_type == "jaggaer_aso":
            take(page, "connection_test", None)
        page.resize(WIDTH, HEIGHT)
        real_airflow.client.request("DELETE", f"/connections/{conn_id}")


def what_a_person_sees_of_the_standard_fields(page: Browser, form: dict[str, Any]) -> None:
    behaviour = form["ui-field-behaviour"]
    shown = page.text(DIALOG)
    for name, usual in LABELS.items():
        label = behaviour["relabeling"].get(name, usual)
        visible = page.run("s => document.querySelector(s) !== null", f"{DIALOG} input[name={name}]")
        assert visible == (name not in behaviour["hidden-fields"]), name
        assert not visible or label in shown
        if placeholder := behaviour["placeholders"].get(name):
            asked = page.run("s => document.querySelector(s)?.placeholder", f"{DIALOG} input[name={name}]")
            assert asked in (placeholder, "")  # the port is a field for numbers, which Airflow gives none
    if "password" not in behaviour["hidden-fields"]:
        assert kind(page, "password") == "password"


def what_a_person_sees_of_the_extra(page: Browser, form: dict[str, Any]) -> None:
    shown = page.text(DIALOG)
    for name, of_form in form["conn-fields"].items():
        assert of_form["label"] in shown
        assert of_form["description"] in shown
        if of_form["schema"].get("format") == "password":
            assert kind(page, f"element_{name}") == "password"


def kind(page: Browser, name: str) -> Any:
    return page.run("s => document.querySelector(s)?.type", f"{DIALOG} input[name={name}]")


def fill(page: Browser, values: dict[str, str]) -> None:
    for name, value in values.items():
        page.fill(f"{DIALOG} input[name={name}]", value)


def press_test(airflow: RealAirflow, page: Browser, conn_id: str) -> dict[str, Any]:
    """Open the list, press "Test" in the connection's line, and return what came of it."""
    page.open(f"{airflow.base_url}/connections")
    page.see(conn_id)
    page.run(LISTEN)
    mark = """c => {
      const row = [...document.querySelectorAll("tr")].find(r => r.innerText.includes(c));
      const button = row?.querySelector("[aria-label='Test Connection']");
      if (button) button.setAttribute("data-pressed", c);
      return Boolean(button);
    }"""
    page.wait(mark, conn_id, what="the button")
    page.click(f"[data-pressed='{conn_id}']")
    answer: dict[str, Any] = page.wait("() => window.tested", what="the answer to the test")
    return answer


def take(page: Browser, name: str, selector: str | None = DIALOG) -> None:
    """A picture for the documentation, when it is asked for."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(Path(folder) / f"{name}.png", selector)
