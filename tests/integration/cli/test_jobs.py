# SPDX-License-Identifier: Apache-2.0
"""``list``, ``show``, ``poll``, ``deliveries`` and others against the page's own app."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from airflow_async_provider.__main__ import main
from airflow_async_provider._cli import api
from airflow_async_provider._cli.jobs import DONE, LEFT_ALONE, REFUSED, table
from tests.support.callback_world import MUTE, Waiting
from tests.support.page_world import (  # noqa: F401 - fixtures
    ONLY,
    PASSWORD,
    PageWorld,
    facts,
    page_world_fixture,
)

JOB = {"protocol": "automic", "job_id": "7", "submitted_at": 1.0, "options": {"client": "100"}}


@pytest.fixture(name="signed_in", autouse=True)
def signed_in_fixture(page: PageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api.URL, page.url)
    monkeypatch.setenv(api.TOKEN, page.token())


@pytest.fixture(name="waiting")
def waiting_fixture(page: PageWorld) -> Waiting:
    waiting = page.task()
    page.trigger(waiting, job=JOB)
    page.report(facts(waiting, events=[{"at": -9, "kind": "status", "text": "running: IN_PROGRESS, 25%"}]))
    return waiting


def named(waiting: Waiting) -> list[str]:
    return [waiting.key.dag_id, waiting.key.run_id, waiting.key.task_id]


def test_the_list_answers_what_a_person_asks_at_night(waiting: Waiting, capsys: Any) -> None:
    assert main(["list", "--dag-id", waiting.key.dag_id]) == DONE
    names, line, total = capsys.readouterr().out.splitlines()
    assert names.split("  ")[0] == "task"
    for words in (f"{waiting.key.dag_id}.wait", "job-7 (/exports)", "IN_PROGRESS 25%", "in 2 h"):
        assert words in line, words
    assert re.search(r" \d+ s ago  +(in \d+ s|due) ", line), line  # last and next poll
    assert total == "1 of 1 waiting jobs"
    assert main(["list", "--dag-id", waiting.key.dag_id, "--output", "json"]) == DONE
    (job,) = json.loads(capsys.readouterr().out)
    assert job["remote_url"] == "https://api.example.com/exports/7"
    assert main(["list", "--dag-id", waiting.key.dag_id, "--only", "late"]) == DONE
    assert "0 of 0 waiting jobs" in capsys.readouterr().out


def test_a_list_of_many_pages_is_one(page: PageWorld, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("airflow_async_provider._cli.jobs.PAGE", 2)
    made = [page.task() for _ in range(5)]
    assert main(["list", "--output", "json", "--sort", "age"]) == DONE
    found = [job["dag_id"] for job in json.loads(capsys.readouterr().out)]
    assert {waiting.key.dag_id for waiting in made} <= set(found)
    assert len(found) == len(set(found))
    assert main(["list", "--output", "json", "--limit", "3"]) == DONE
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_one_job_is_shown_with_its_timeline(waiting: Waiting, capsys: Any) -> None:
    assert main(["show", *named(waiting)]) == DONE
    shown = capsys.readouterr().out
    for words in (
        "address   ",
        "https://api.example.com/exports/7",
        "poll, cancel",
        "running: IN_PROGRESS, 25%",
    ):
        assert words in shown, words
    assert main(["show", *named(waiting), "--output", "json"]) == DONE
    assert json.loads(capsys.readouterr().out)["job_id"] == "job-7"


def test_a_job_is_polled_and_cancelled(waiting: Waiting, capsys: Any) -> None:
    assert main(["cancel", *named(waiting), "--yes"]) == DONE
    assert "cancels the job" in capsys.readouterr().out
    assert waiting.event["wish"] == "cancel"
    assert main(["poll", *named(waiting)]) == REFUSED
    assert "HTTP 409: The task does not wait" in capsys.readouterr().err


def test_deliveries_are_shown_and_replayed(page: PageWorld, capsys: Any) -> None:
    waiting = page.task(deferred_for=1.0)
    registration = waiting.expect(settle=10.0)
    page.trigger(waiting, job=JOB, callback=True, submission=registration.submission)
    assert waiting.post().status_code == 200
    page.report(facts(waiting, callback=True))
    assert main(["deliveries", "--dag-id", waiting.key.dag_id]) == DONE
    names, line = capsys.readouterr().out.splitlines()
    assert names.split()[:3] == ["number", "received_at", "dag_id"]
    assert f"{waiting.key.dag_id}  wait " in line
    assert "accepted  16" in line
    number = line.split()[0]
    assert main(["show", *named(waiting)]) == DONE
    shown = capsys.readouterr().out
    assert re.search(r"last delivery +accepted, \d+ s ago", shown), shown
    assert f"delivery {number}: accepted, 16 bytes" in shown
    assert main(["replay", number]) == DONE
    assert "resumed with the delivery" in capsys.readouterr().out
    assert waiting.state == "scheduled"
    assert main(["replay", number]) == REFUSED
    assert "HTTP 409" in capsys.readouterr().err
    assert main(["deliveries", "--all-sources", "--output", "json"]) == DONE
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_what_only_a_callback_completes_is_completed_by_hand(
    page: PageWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = page.task(**MUTE)
    job = {"protocol": "open_connectors", "job_id": "7", "submitted_at": 1.0}
    page.trigger(waiting, job=job, callback=True)
    monkeypatch.setattr("builtins.input", lambda words: "n")
    assert main(["complete", *named(waiting), "--value", '{"rows": 3}']) == LEFT_ALONE
    assert waiting.state == "deferred"
    assert main(["complete", *named(waiting), "--value", '{"rows": 3}', "--yes"]) == DONE
    assert waiting.state == "scheduled"
    assert waiting.event["state"] == "succeeded"


def test_a_test_delivery_says_what_it_would_have_done(
    page: PageWorld, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_BASE_URL", page.url)
    waiting = page.task(**{**MUTE, "protocol": "remote_job"})
    key = waiting.key
    task = ["--dag-id", key.dag_id, "--run-id", key.run_id, "--task-id", key.task_id]
    assert main(["test-delivery", *task, "--json", '{"state": "failed", "message": "disk full"}']) == DONE
    shown = capsys.readouterr().out
    for words in ("signature  not wanted", "would      resume the task", "state: failed", "disk full"):
        assert words in shown, shown
    assert main(["test-delivery", *task, "--data", "x" * 2_000_000]) == REFUSED
    assert "HTTP 413" in capsys.readouterr().out
    assert main(["test-delivery", "--source", "no-such-source"]) == REFUSED
    assert "no such push source" in capsys.readouterr().err
    assert waiting.state == "deferred"


@pytest.mark.parametrize(("said", "code"), [("n", LEFT_ALONE), ("", LEFT_ALONE), ("y", DONE)])
def test_a_person_is_asked_before_a_job_is_cancelled(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda words: (asked.append(words), said)[1])
    assert main(["cancel", *named(waiting)]) == code
    assert "job-7" in asked[0]
    assert waiting.state == ("scheduled" if code == DONE else "deferred")


def test_rights_are_those_of_the_user(
    page: PageWorld, waiting: Waiting, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv(api.TOKEN, page.token(ONLY + "another_dag", "VIEWER"))
    assert main(["show", *named(waiting)]) == REFUSED
    assert "HTTP 403" in capsys.readouterr().err
    monkeypatch.setenv(api.TOKEN, "nobodys.secret.token")
    assert main(["list"]) == REFUSED
    said = capsys.readouterr()
    assert "HTTP 40" in said.err
    assert "nobodys.secret.token" not in said.err + said.out


def test_a_user_signs_in_with_a_password_that_is_shown_nowhere(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.delenv(api.TOKEN)
    monkeypatch.setenv(api.PASSWORD, PASSWORD)
    assert main(["list", "--user", "admin", "--dag-id", waiting.key.dag_id]) == DONE
    assert "1 of 1" in capsys.readouterr().out
    monkeypatch.setenv(api.PASSWORD, "wrong-word-1234")
    assert main(["list", "--user", "admin"]) == REFUSED
    assert main(["list"]) == REFUSED  # nobody said who
    said = capsys.readouterr()
    assert "Airflow gave no token" in said.err
    assert api.TOKEN in said.err
    for secret in (PASSWORD, "wrong-word-1234"):
        assert secret not in said.err + said.out


@pytest.mark.parametrize("url", ["ftp://x", "https://user:pass-word@host", "nothing"])
def test_an_address_that_is_none(url: str, capsys: Any) -> None:
    assert main(["list", "--url", url]) == REFUSED
    assert "pass-word" not in capsys.readouterr().err


def test_a_server_that_is_not_there(capsys: Any) -> None:
    assert main(["list", "--url", "http://127.0.0.1:9"]) == REFUSED
    assert "was not reached" in capsys.readouterr().err


def test_it_is_a_command(waiting: Waiting) -> None:
    command = [sys.executable, "-m", "airflow_async_provider", "list", "--dag-id", waiting.key.dag_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "1 of 1 waiting jobs" in done.stdout


def test_columns_have_one_width() -> None:
    assert table([("a", "bcd"), ("long", "x\ny")]) == ["a     bcd", "long  x y"]
