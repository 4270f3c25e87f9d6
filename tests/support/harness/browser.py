# SPDX-License-Identifier: Apache-2.0
"""
One page in a headless Chromium, driven through its DevTools protocol, for tests of Airflow's UI.

No driver program and no further package: Airflow brings ``websockets``.

::

    with Browser() as page:
        page.open(f"{airflow.base_url}/connections")
        page.click(page.button("Add Connection"))
        page.type("my_connection")
        page.screenshot(Path("form.png"))
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.harness.processes import Child, Entered, remove_directory, temporary_directory, wait_until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

#: Finds the visible elements of a CSS selector, the words in which hold a text.
FIND = """(selector, text, exact) => [...document.querySelectorAll(selector)].filter(e => {
  const words = (e.innerText || e.getAttribute("aria-label") || "").trim();
  return e.offsetParent !== null && (exact ? words === text : words.includes(text));
})"""


def program() -> str | None:
    """Path of a Chromium, None when this machine has none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser(Entered):
    """
    Starts Chromium on entering the context and ends it on leaving.

    :param width: of the window (pixels)
    :param height: of the window (pixels)
    :param timeout: seconds for each wait
    """

    def __init__(self, *, width: int = 1280, height: int = 900, timeout: float = 30) -> None:
        self.timeout = timeout
        self._size = (width, height)
        self._home = temporary_directory("chromium-")
        self._child: Child | None = None
        self._open = ExitStack()
        self._socket: ClientConnection | None = None
        self._session: dict[str, str] = {}
        self._last = 0

    def stop(self) -> None:
        """End it; may be called twice."""
        self._socket = None
        self._open.close()
        if self._child is not None:
            self._child.stop(grace=2)
            self._child = None
        remove_directory(self._home)

    def _enter(self) -> None:
        path = program()
        if path is None:
            raise FileNotFoundError("there is no Chromium on this machine")
        options = (
            "--headless=new",
            "--no-sandbox",  # there are no user namespaces in many containers; it sees nothing but Airflow
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--no-proxy-server",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._home / 'profile'}",
            f"--window-size={self._size[0]},{self._size[1]}",
            "about:blank",
        )
        self._child = child = Child("chromium", [path, *options], log=self._home / "chromium.log")
        port_file = self._home / "profile" / "DevToolsActivePort"

        def listening() -> list[str] | None:
            if not child.running:
                raise child.not_ready("ended while starting")
            lines = port_file.read_text().split() if port_file.exists() else []
            return lines if len(lines) == 2 else None

        port, way = wait_until(listening, "Chromium to listen", 60)
        self._socket = self._open.enter_context(
            connect(f"ws://127.0.0.1:{port}{way}", max_size=None, proxy=None)
        )
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        self._send("Page.enable")
        self._send("Runtime.enable")
        self.resize(*self._size)

    def _send(self, method: str, **params: Any) -> dict[str, Any]:
        assert self._socket is not None
        self._last += 1
        number = self._last
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **self._session}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    # What a test does with the page

    def resize(self, width: int, height: int) -> None:
        """Give the page another size (pixels)."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url: str) -> None:
        """Go to an address."""
        self._send("Page.navigate", url=url)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a JavaScript function (``(a, b) => …``) in the page."""
        call = f"({script})(...{json.dumps(arguments)})"
        answer = self._send("Runtime.evaluate", expression=call, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def wait(self, script: str, *arguments: Any, what: str = "") -> Any:
        """
        Wait until a JavaScript function gives something that counts as true.

        :raises TimeoutError: it does not
        """
        return wait_until(lambda: self.run(script, *arguments) or None, what or script, self.timeout, 0.2)

    def see(self, text: str) -> None:
        """
        Wait until a text is on the page.

        :raises TimeoutError: with the words that are there instead
        """
        try:
            self.wait("t => (document.body?.innerText ?? '').includes(t)", text, what=f"{text!r} on the page")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it says:\n{self.text()[:3000]}") from None

    def text(self, selector: str = "body") -> str:
        """All words of an element."""
        return str(self.run("s => document.querySelector(s)?.innerText ?? ''", selector))

    def click(self, selector: str, text: str = "", *, exact: bool = False) -> None:
        """Click into the first visible element of a CSS selector with a text, once it stands still."""
        script = f"""(s, t, x) => {{
          const e = ({FIND})(s, t, x)[0];
          if (!e || e.disabled) return null;
          e.scrollIntoView({{block: "center"}});
          const r = e.getBoundingClientRect();
          return [r.x + r.width / 2, r.y + r.height / 2];
        }}"""
        what = f"{selector} {text!r} to click"
        last = None
        while (
            place := self.wait(script, selector, text, exact, what=what)
        ) != last:  # something still unfolds
            last = place
            time.sleep(0.15)
        for kind in ("mousePressed", "mouseReleased"):
            self._send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def fill(self, selector: str, text: str) -> None:
        """Click into an input field, type, and wait until the page has taken the text in."""
        self.click(selector)
        self.wait(
            "s => document.activeElement === document.querySelector(s)", selector, what=f"{selector} in focus"
        )
        self.type(text)
        self.wait(
            "(s, t) => document.querySelector(s).value === t", selector, text, what=f"{text!r} in {selector}"
        )
        time.sleep(0.3)  # a form notes one field after the other, and loses one that comes too fast

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._send("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Press a key such as ``("Enter", 13)``."""
        for kind in ("rawKeyDown", "keyUp"):
            self._send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, selector: str | None = None) -> None:
        """A PNG of the window, or of one element of it."""
        options: dict[str, Any] = {}
        if selector is not None:
            x, y, width, height = self.run(
                "s => {const r = document.querySelector(s).getBoundingClientRect();"
                "return [r.x, r.y, r.width, r.height]}",
                selector,
            )
            options["clip"] = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        image = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True, **options)
        path.write_bytes(base64.b64decode(image["data"]))
