# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a test run, nothing that it started is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness.processes import Child, NotReadyError, stop_all, wait_until
from tests.support.harness.real_airflow import RealAirflow

# A program that ignores SIGTERM and has a child, in a process group of its own, that does so as well.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
print("up", flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stubborn(log: Path) -> tuple[Child, list[int]]:
    child = Child("stubborn", [sys.executable, "-c", STUBBORN], log=log)
    wait_until(lambda: log.exists() and log.read_text().count("up") == 2, "both processes", 20)
    members = child.members()
    assert len(members) == 2
    return child, members


def test_stopping_ends_descendants_that_ignore_it_in_groups_of_their_own(tmp_path: Path) -> None:
    child, members = stubborn(tmp_path / "log")

    stop_all([child], grace=0.2)

    assert not any(map(alive, members))
    assert not child.running


def test_after_sigkill_of_the_run_the_guardian_cleans_up(tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.support.harness.processes import Child, temporary_directory, wait_until
log = Path({str(tmp_path / "log")!r})
home = temporary_directory("guarded-")
child = Child("stubborn", [sys.executable, "-c", {STUBBORN!r}], log=log)
wait_until(lambda: log.exists() and log.read_text().count("up") == 2, "both", 20)
print(home, *child.members(), flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        home, *members = parent.stdout.readline().split()
        assert len(members) == 2
        assert Path(home).is_dir()

        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(timeout=10)

    wait_until(lambda: not any(alive(int(pid)) for pid in members), "the guardian to end both", 20)
    wait_until(lambda: not Path(home).exists(), "the guardian to remove the directory", 20)


def test_an_airflow_that_cannot_start_says_why_and_leaves_nothing() -> None:
    airflow = RealAirflow(config={"database": {"sql_alchemy_conn": "sqlite:////nowhere/at/all.db"}})

    with pytest.raises(NotReadyError, match="unable to open database file"):
        airflow.__enter__()

    assert not airflow.home.exists()
    assert airflow.pids() == {}
