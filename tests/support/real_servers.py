# SPDX-License-Identifier: Apache-2.0
"""Real servers, each in a process of its own; ``make real-servers`` installs them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

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


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int | None, *, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """
    A server that lives as long as the block.

    :param port: where it listens; None for one that does not
    """
    with (cwd / f"{Path(command[0]).name}-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + START_SECONDS
            while port is not None and not _listens(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(
                        f"{command[0]} does not serve:\n{Path(log.name).read_text()[-3000:]}"
                    )
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
