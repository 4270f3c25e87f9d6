# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001, T201, S603 - a script that prints and starts make with its own words
"""
Tests on several lines of Airflow and versions of Python: ``python requirements/matrix.py``.

For each pair: an environment of its own (``.venv-<line>-py<version>``, made once), the unit and integration
tests in it, one line with the result. Goes on after a failure; whatever a pair printed is in
``.matrix/<line>-py<version>.log``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOGS = ROOT / ".matrix"

#: pytest's last line
SUM = re.compile(r"=* ?(\d+ (?:passed|failed|skipped|error).* in [\d.]+s)")

#: a pair that takes longer than this (seconds) is ended
MAX_SECONDS = 3600


def candidates(version: str) -> Iterator[str]:
    """Interpreters that may be of a version: of the name, then pyenv's, whose names need not start."""
    yield f"python{version}"
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def interpreter(version: str) -> str | None:
    """One that starts, is of that version and can make environments; None where there is none."""
    wanted = tuple(map(int, version.split(".")))
    check = f"import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != {wanted})"
    for name in candidates(version):
        try:
            done = subprocess.run([name, "-c", check], check=False, capture_output=True, timeout=60)
        except OSError:
            continue
        if done.returncode == 0:
            return name
    return None


def run_pair(airflow: str, version: str, python: str, goal: str) -> bool:
    """Run make in one pair's environment; says how it went."""
    begun = time.monotonic()
    log = LOGS / f"{airflow}-py{version}.log"
    command = ["make", "--no-print-directory", f"AIRFLOW={airflow}", f"PYTHON={python}"]
    command += [f"VENV=.venv-{airflow}-py{version}", goal]
    # Not through "make -j" of the one that called: two runs at once would only slow each other down.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                command,
                cwd=ROOT,
                check=False,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=MAX_SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            status = -1
    lines = log.read_text("utf-8", "replace").splitlines()
    sums = [found.group(1) for line in lines if (found := SUM.match(line))]
    outcome = "; ".join(sums) or "no tests ran"
    result = "passed" if status == 0 else "FAILED"
    print(
        f"{result}  Airflow {airflow}  Python {version:5} {time.monotonic() - begun:5.0f} s  {outcome}",
        flush=True,
    )
    if status:
        print(*(f"    {line}" for line in lines[-40:]), sep="\n", flush=True)
    return status == 0


def main() -> int:
    """Run all pairs; the exit status is 1 when one failed or could not be run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--airflow", nargs="+", default=["3.1", "3.2", "3.3", "3.4"])
    parser.add_argument("--python", nargs="+", default=["3.11", "3.12", "3.13"])
    parser.add_argument(
        "--once",
        action="store_true",
        help="each Airflow on one Python only, other than this one; or on this one where that is missing",
    )
    parser.add_argument("--goal", default="every-test", help="what make is to make in each environment")
    given = parser.parse_args()
    LOGS.mkdir(exist_ok=True)
    good = True
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = [version for version in given.python if version != mine]
    pairs = (
        zip(given.airflow, cycle(others), strict=False)
        if given.once
        else product(given.airflow, given.python)
    )
    for airflow, wanted in pairs:
        version, python = wanted, interpreter(wanted)
        if python is None and given.once:
            version, python = mine, interpreter(mine)
            print(f"SKIPPED  Python {wanted} is not to be had here: {mine} takes its place", flush=True)
        if python is None:
            print(f"FAILED  Python {version} is not to be had here", flush=True)
            good = False
        else:
            good &= run_pair(airflow, version, python, given.goal)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
