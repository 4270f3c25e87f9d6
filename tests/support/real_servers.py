# SPDX-License-Identifier: Apache-2.0
"""Real servers, each in a process of its own; ``make real-servers`` installs them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.harness.processes import Child, wait_until
from tests.support.sources import ROOT

#: Their environment is not the project's: pygeoapi and Airflow want different versions of the same packages.
PROGRAMS = ROOT / ".venv-servers" / "bin"

#: For a server to listen (seconds).
START_SECONDS = 60.0


def program(name: str) -> str | None:
    """Where a program is: beside this Python, in the servers' environment, or on the path; None: nowhere."""
    for folder in (Path(sys.executable).parent, PROGRAMS):
        if (folder / name).is_file():
            return str(folder / name)
    return shutil.which(name)


def missing(name: str) -> str:
    """Why a test is skipped."""
    return f"{name} is not installed (make real-servers)"


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int | None, *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """
    A server that lives as long as the block.

    :param port: where it listens; None for one that does not
    """
    name = Path(command[0]).name
    server = Child(name, command, log=cwd / f"{name}-{port}.log", cwd=cwd, env=env)
    try:
        if port is not None:
            wait_until(lambda: not server.running or _listens(port), f"{name} to listen", START_SECONDS)
            if not server.running:
                raise server.not_ready("it does not serve")
        yield
    finally:
        server.stop(15)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
