# SPDX-License-Identifier: Apache-2.0
"""Code that is ended by a signal at any line, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: As Airflow ends a task: by an exception out of the handler of a signal, wherever its thread is.
STRIKE = """
import signal

class Terminated(BaseException): pass

def handler(*_): raise Terminated

signal.signal(signal.SIGALRM, handler)

def strike_within(seconds): signal.setitimer(signal.ITIMER_REAL, seconds)

#: What comes out; RuntimeError is that of a thread that was just being started.
STRUCK = Terminated, RuntimeError
"""


def output_of(code: str) -> tuple[str, str]:
    """What code prints that calls ``strike_within(seconds)`` and catches ``STRUCK``; and its errors."""
    found = subprocess.run(
        [sys.executable, "-c", STRIKE + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    return found.stdout, found.stderr
