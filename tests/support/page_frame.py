# SPDX-License-Identifier: Apache-2.0
"""The page "Remote jobs" in the frame in which Airflow's own UI shows it, in a real Chromium."""

from __future__ import annotations

import time
from typing import Any

from tests.support.harness.airflow_with_users import PREFIX, AirflowWithUsers
from tests.support.harness.browser import Browser

#: Runs a function on the document of the frame in which Airflow shows the page. Not with the frame's own
#: ``eval``, which the page's policy forbids.
IN_FRAME = """(...given) => {
  const frame = document.querySelector("iframe[title='Remote jobs']");
  const inner = frame?.contentWindow;
  if (!inner?.document?.body) return null;
  return ((window, document) => (%s)(...given))(inner, inner.document);
}"""


def sign_in(browser: Browser, airflow: AirflowWithUsers, user: str) -> None:
    """What the login page does: the token as a cookie."""
    browser._send(
        "Network.setCookie", name="_token", value=airflow.token(user), url=airflow.root, path=PREFIX
    )


def inside(browser: Browser, code: str, *given: Any, what: str = "") -> Any:
    """Wait until a function in the frame gives something."""
    return browser.wait(IN_FRAME % code, *given, what=what or code)


def now_inside(browser: Browser, code: str, *given: Any) -> Any:
    """What a function in the frame gives at this moment."""
    return browser.run(IN_FRAME % code, *given)


def see_inside(browser: Browser, text: str) -> None:
    """Wait until the frame shows a text."""
    inside(browser, "t => document.body.innerText.includes(t)", text, what=f"{text!r} in the frame")


def shown_in(browser: Browser, selector: str = "body") -> str:
    """What the frame shows."""
    return str(now_inside(browser, "s => document.querySelector(s)?.innerText ?? ''", selector))


def show_list(browser: Browser, airflow: AirflowWithUsers, text: str) -> None:
    """Open the list. Airflow 3.3 loads the frame once more when it has put its address into its own."""
    browser.open(f"{airflow.root}/plugin/remote-jobs")
    for _ in range(2):
        see_inside(browser, text)
        time.sleep(1)
    see_inside(browser, text)


def set_theme(browser: Browser, theme: str) -> None:
    """Airflow's own switch between ``light`` and ``dark``, as far as the page sees it."""
    code = """t => {
      const names = window.parent.document.documentElement.classList;
      if (!names.contains(t)) {
        names.remove("dark", "light");
        names.add(t);
      }
      return document.documentElement.dataset.theme === t;
    }"""
    inside(browser, code, theme)


def press_action(browser: Browser, action: str) -> None:
    """Press a button of the job's tab, and confirm."""
    code = """t => {
      const button = [...document.querySelectorAll("#actions button")].find((b) => b.textContent === t);
      button?.click();
      return document.getElementById("ask")?.open === true;
    }"""
    inside(browser, code, action)
    inside(browser, "() => { document.getElementById('yes').click(); return true; }")
