# SPDX-License-Identifier: Apache-2.0
"""The workflows run what the Makefile has, for a bounded time, with actions that nobody can move."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.docs_pages import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JOBS = [
    pytest.param(job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items()
    if "uses" not in job
]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_their_commit(path: Path) -> None:
    used = re.findall(r"uses: ([^\s#]+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        if action.startswith("./"):
            continue
        assert re.search(r"@[0-9a-f]{40}$", action), action
        assert re.search(r"# v\d+\.\d+\.\d+$", comment), f"{action}: which version is that?"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_no_more_unless_a_job_says_so(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_by_itself_and_runs_targets_that_exist(job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 60
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    parts = job.get("strategy", {}).get("matrix", {}).get("part", [""])
    for step, part in itertools.product(job["steps"], parts):
        said = step.get("run", "").replace("${{ matrix.part }}", part)
        for named in re.findall(r"^make (?:[A-Z]+=\S+ )*([a-z-]+)$", said, re.MULTILINE):
            assert named in targets


def test_a_push_is_reported_within_a_quarter_of_an_hour() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert set(jobs) >= {
        "static",
        "tests",
        "airflow",
        "system",
        "benchmarks",
        "chaos-and-demo",
        "package",
        "docs",
    }
    assert all(job["timeout-minutes"] <= 15 for job in jobs.values())
    assert len(jobs["tests"]["strategy"]["matrix"]["python"]) == 3
