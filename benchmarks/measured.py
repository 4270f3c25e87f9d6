# SPDX-License-Identifier: Apache-2.0
"""
One way of doing something, as a process of its own: how long, how much CPU, how much memory.

A way of ours is a function in ``download_ways.py``; it prints what took how long without the start of Python
and the imports, which a task of Airflow has behind it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MIB = 1024 * 1024
UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB}

#: What one child may take (seconds): a benchmark that hangs says so.
PATIENCE = 600.0


@dataclass
class Measured:
    """
    What one process did.

    :param seconds: of the work, as the process itself says, else of the whole process
    :param process_seconds: from its start to its end
    :param cpu_seconds: of the work or the whole process, as for ``seconds``
    :param peak_mib: its largest resident memory
    :param said: what it printed as JSON
    """

    seconds: float
    process_seconds: float
    cpu_seconds: float
    peak_mib: float
    said: dict[str, Any] = field(default_factory=dict)


def parse_sizes(text: str) -> list[int]:
    """Bytes from ``64M,1G`` or ``64M 1G``."""
    sizes = []
    for word in re.split(r"[,\s]+", text.strip()):
        found = re.fullmatch(r"(\d+)([KMG]?)", word.upper().removesuffix("IB").removesuffix("B"))
        if found is None:
            raise SystemExit(f"not a size: {word!r} (64M, 1G)")
        sizes.append(int(found[1]) * UNITS[found[2]])
    return sizes


def shown(size: int) -> str:
    """Bytes as they are given on the command line."""
    unit = next(u for u in ("G", "M", "K", "") if size % UNITS[u] == 0)
    return f"{size // UNITS[unit]}{unit}"


def python(way: str, *arguments: str) -> list[str]:
    """The command for a function of ``download_ways.py``."""
    return [sys.executable, str(HERE / "download_ways.py"), way, *arguments]


def measure(command: Sequence[str], **env: str) -> Measured:
    """
    Run a command to its end.

    :raises RuntimeError: it failed, with what it said
    """
    began = time.perf_counter()
    # Nothing reads on the side while it runs: a command that fills both pipes would hang, so they are files.
    with (
        open(os.devnull, "rb") as nothing,  # noqa: PTH123 - as a child's standard input
        _file() as out,
        _file() as err,
    ):
        process = subprocess.Popen(
            command, stdin=nothing, stdout=out, stderr=err, env={**os.environ, "no_proxy": "127.0.0.1", **env}
        )
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        highest = _HighWater(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            killer.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
        sampled = highest.stop()
        said = _text(out)
        if process.returncode:
            raise RuntimeError(f"{command[:3]} failed ({process.returncode}): {(_text(err) or said)[-2000:]}")
    facts = {}
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            facts = json.loads(line)
    # Linux hands the parent's peak to a child that it starts: then what was read on the side counts.
    inherited = usage.ru_maxrss <= 1.2 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = sampled if inherited and sampled else max(sampled, usage.ru_maxrss)
    return Measured(
        seconds=float(facts.get("seconds", wall)),
        process_seconds=wall,
        cpu_seconds=float(facts.get("cpu_seconds", usage.ru_utime + usage.ru_stime)),
        peak_mib=peak / 1024 if sys.platform != "darwin" else peak / MIB,
        said=facts,
    )


def middle(turns: Sequence[Measured]) -> Measured:
    """The median of each figure; of memory the largest."""
    return Measured(
        seconds=statistics.median(t.seconds for t in turns),
        process_seconds=statistics.median(t.process_seconds for t in turns),
        cpu_seconds=statistics.median(t.cpu_seconds for t in turns),
        peak_mib=max(t.peak_mib for t in turns),
        said=turns[-1].said,
    )


class _HighWater:
    """
    Reads every now and then the peak (KiB) of a process and its children's; they are gone when it has ended.

    The peaks of several are added up, as a pipe's programs run at the same time.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return sum(self._peaks.values())

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            for pid in (self._pid, *_children(self._pid)):
                with contextlib.suppress(OSError):
                    if found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
                        self._peaks[pid] = max(int(found[1]), self._peaks.get(pid, 0))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _file() -> Any:
    import tempfile

    return tempfile.TemporaryFile()


def _text(file: Any) -> str:
    file.seek(0)
    text: str = file.read().decode(errors="replace")
    return text
