# SPDX-License-Identifier: Apache-2.0
"""
Ends what a test run started, when the run itself can no longer do it.

A small process of its own that reads orders from its standard input. As long as the parent lives it does
nothing; when the pipe closes, because the parent ended in any way (also by SIGKILL), it kills every session
that was entered and not taken back, and removes the directories entered. Orders, one a line:
``session <id>``, ``forget <id>``, ``remove <directory>``, ``keep <directory>``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys

import psutil


def session_members(session: int) -> list[int]:
    """
    The living processes of one session.

    Airflow puts some of its children into process groups of their own, so a process group is too narrow;
    nothing in it starts new sessions.
    """
    members = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
        except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            continue
    return members


def kill_session(session: int) -> None:
    """SIGKILL for every process of the session."""
    for pid in session_members(session):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main() -> None:
    """Read orders until the parent is gone, then clean up after it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    sessions: dict[int, None] = {}
    directories: dict[str, None] = {}
    for line in sys.stdin:
        order, _, argument = line.strip().partition(" ")
        if order == "session":
            sessions[int(argument)] = None
        elif order == "forget":
            sessions.pop(int(argument), None)
        elif order == "remove":
            directories[argument] = None
        elif order == "keep":
            directories.pop(argument, None)
    for session in sessions:
        kill_session(session)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
