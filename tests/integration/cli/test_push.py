# SPDX-License-Identifier: Apache-2.0
"""Push sources made, shown, replaced and removed from a terminal, with deliveries between."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any

import pytest

from airflow_async_provider.__main__ import main
from airflow_async_provider._callbacks import pushing
from airflow_async_provider.simulators._sending import Sender
from tests.support.callback_world import World, world_fixture  # noqa: F401 - fixtures
from tests.support.push_world import KEY, make_asset, queued


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "cBybyBmnDfNZcCgRAtLUFjZZJbDoPAYNmyVjkSGSBdU=")
    for age in ("MIN_AGE", "MAX_AGE"):  # a server remembers a source for a while
        monkeypatch.setattr(pushing, age, 0.0)


@pytest.fixture
def name() -> str:
    return f"s-{uuid.uuid4().hex[:8]}"


class Terminal:
    """Runs commands and keeps what they say."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said = ""

    def run(self, *line: str) -> int:
        self._capsys.readouterr()
        code = main(list(line))
        self.said = self._capsys.readouterr().out
        return code

    def address(self) -> str:
        (found,) = re.findall(r"^  (http\S+)$", self.said, re.MULTILINE)
        return str(found)


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def send(url: str, form: str = "github", key: str = KEY, body: bytes = b"{}") -> list[int]:
    return asyncio.run(Sender(url, form, key, body, {"Content-Type": "application/json"}).send())


def test_a_source_from_its_making_to_its_end(world: World, terminal: Terminal, name: str) -> None:
    dag_id = make_asset(world, f"asset-{name}")
    line = ["push-sources", "add", name, "--asset", f"asset-{name}", "--base-url", world.url]
    assert terminal.run(*line, "--signature", "github", "--key", KEY, "--payload", "n=body.n") == 0
    first = terminal.address()
    assert KEY not in terminal.said
    assert send(first, body=b'{"n": 5}') == [200]
    assert queued(world, dag_id) == 1

    assert terminal.run("push-sources", "check", name) == 0
    assert terminal.run("push-sources", "list", "--output", "json") == 0
    (shown,) = [one for one in json.loads(terminal.said) if one["name"] == name]
    assert shown == {
        "name": name,
        "assets": [f"asset-{name}"],
        "signature": "github",
        "keys": 1,
        "addresses": ["good"],
        "team": None,
    }
    assert terminal.run("push-sources", "rotate", name, "--base-url", world.url, "--grace", "0") == 0
    second = terminal.address()
    assert send(first) == [401]
    assert send(second, body=b'{"n": 6}') == [200]
    assert terminal.run("push-sources", "rotate", name, "--key", "new") == 0
    assert (send(second, key="new", body=b"{} "), send(second, body=b"{}  ")) == ([200], [200])
    assert terminal.run("push-sources", "rotate", name, "--drop-old-keys") == 0
    assert (send(second, key="new", body=b"[]"), send(second, body=b"[] ")) == ([200], [401])

    assert terminal.run("push-sources", "deliveries", "--source", name, "--output", "json") == 0
    assert {row["outcome"] for row in json.loads(terminal.said)} == {"event", "bad_signature"}
    assert terminal.run("push-sources", "deliveries", "--source", name) == 0
    assert terminal.said.splitlines()[0].split()[:4] == [*("number", "received_at", "source", "outcome")]
    secret = second.rpartition("/")[2]
    assert not [word for word in (KEY, "new", secret) if word in terminal.said]
    assert terminal.run("push-sources", "remove", name) == 0
    assert send(second, key="new", body=b"[1]") == [401]
    assert terminal.run("push-sources", "remove", name) == 1


def test_what_came_for_a_task_is_shown(world: World, terminal: Terminal) -> None:
    task = world.task()
    task.post()
    assert terminal.run("push-sources", "deliveries", "--dag-id", task.key.dag_id, "--output", "json") == 0
    (row,) = json.loads(terminal.said)
    assert (row["task_id"], row["outcome"]) == ("wait", "woken")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (["--asset", "a", "--signature", "github"], "form"),
        (["--asset", "a", "--key", "k"], "key without a form"),
        (["--asset", "a", "--signature", '{"kind": "rsa"}', "--key", "k"], "kind of signature"),
        (["--asset", "{id}"], "begins neither"),
        (["--asset", "a", "--base-url", "ftp://x"], "not a plain http"),
    ],
)
def test_what_cannot_be_is_refused_and_not_stored(
    world: World, terminal: Terminal, name: str, line: list[str], why: str
) -> None:
    assert terminal.run("push-sources", "add", name, "--base-url", world.url, *line) == 1
    assert why in terminal.said
    assert terminal.run("push-sources", "check", name) == 1


def test_a_name_is_given_once(world: World, terminal: Terminal, name: str) -> None:
    line = ["push-sources", "add", name, "--asset", "a", "--base-url", world.url]
    assert [terminal.run(*line), terminal.run(*line)] == [0, 1]
    assert "already" in terminal.said
    assert terminal.run("push-sources", "check", name) == 1
    assert "no DAG knows an asset of this name" in terminal.said


def test_a_key_is_not_stored_where_nothing_is_encrypted(
    world: World, terminal: Terminal, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    line: list[Any] = ["push-sources", "add", name, "--asset", "a", "--base-url", world.url]
    assert terminal.run(*line, "--signature", "github", "--key", "k") == 1
    assert "unencrypted" in terminal.said
