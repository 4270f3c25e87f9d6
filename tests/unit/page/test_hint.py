# SPDX-License-Identifier: Apache-2.0
"""What the task log says can be done about a job: what the page and the commands offer, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._callbacks.address import TaskKey
from airflow_async_provider._cli.arguments import new_parser
from airflow_async_provider._page import hint
from airflow_async_provider._page.actions import possible
from airflow_async_provider._page.hint import actions_of, hint_for
from airflow_async_provider.protocols import JobHandle

AUTOMIC = JobHandle("automic", "7", 1.0, options={"client": "100"})
MUTE = JobHandle("open_connectors", "7", 1.0)
TASK = TaskKey("nightly", "manual__2026-11-26T03:00:00+00:00 it's", "export", 3)


def told(handle: JobHandle, task: TaskKey = TASK, **given: Any) -> str:
    return hint_for(handle, task, **{"callback": False, "cancel_on_kill": True, **given})


@pytest.mark.parametrize(
    ("handle", "given", "actions"),
    [
        (AUTOMIC, {}, ["poll", "cancel"]),
        (AUTOMIC, {"cancel_on_kill": False}, ["poll"]),  # somebody else's job
        (MUTE, {"callback": True}, ["complete"]),
        (MUTE, {}, []),
    ],
)
def test_the_log_the_page_and_the_command_offer_the_same(
    handle: JobHandle, given: dict[str, bool], actions: list[str]
) -> None:
    facts = {"callback": False, "cancel_on_kill": True, **given}
    assert actions_of(handle, **facts) == actions
    assert possible({"job": handle.to_dict(), **facts}) == actions
    line = told(handle, **given)
    assert f"{hint.COMMAND} {'|'.join(['show', *actions])} nightly" in line
    assert ("cancelled" in line) == ("cancel" in actions)
    assert ("by hand" in line) == ("complete" in actions)


def test_the_command_can_be_pasted_into_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    words = shlex.split(told(AUTOMIC).split(f"{hint.COMMAND} show|poll|cancel ")[1])
    found = new_parser().parse_args(["show", *words])
    assert (found.dag_id, found.run_id, found.task_id, found.map_index) == (
        TASK.dag_id, TASK.run_id, TASK.task_id, TASK.map_index,
    )  # fmt: skip
    assert "--map-index" not in told(AUTOMIC, TaskKey("d", "r", "t"))


def test_a_protocol_that_breaks_down_ends_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a defect of somebody else's")

    monkeypatch.setattr(hint, "protocol_of", broken)
    assert told(AUTOMIC).startswith("see the tab Remote jobs of this task, or: ")
