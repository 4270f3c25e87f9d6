# SPDX-License-Identifier: Apache-2.0
"""
Run the demo: ``make demo``, or ``python -m demo [--keep] [DAG ...]``.

Prints a table of what every task did, leaves nothing running, and exits with 1 when anything went wrong.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo.cases import CASES
from demo.runs import run, say
from demo.world import World
from tests.support.harness.processes import NotReadyError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases; 0 when everything came out as expected."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("dags", nargs="*", metavar="DAG", help="only these DAGs")
    parser.add_argument("--keep", action="store_true", help="leave the UI up until Ctrl-C")
    arguments = parser.parse_args(argv)
    wanted = set(arguments.dags)
    cases = [case for case in CASES if not wanted or {case.dag_id, case.started_by} & wanted]
    # A polite request to end is a way out like any other: everything is stopped on it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    say("starting Airflow, simulators and an S3 server on free ports ...")
    try:
        with World() as world:
            say(f"ready after {world.seconds:.0f} s: {world.airflow.base_url}")
            problems = run(world, cases).problems
            say(f"\n{time.monotonic() - begin:.0f} seconds, {len(cases)} DAG runs, {len(problems)} problems")
            if arguments.keep:
                keep(world)
    except NotReadyError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything is stopped")
        return 130
    return 1 if problems else 0


def keep(world: World) -> None:
    """Leave everything up until Ctrl-C."""
    say(f"\nAirflow's UI: {world.airflow.base_url}  (no login needed)")
    for name, simulator in world.simulators.items():
        say(f"simulator {name}: {simulator.url}/_sim")
    say(f"downloads: {Path(world.folder)} and {world.s3.url}/{world.s3.bucket}\nCtrl-C ends it all.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("stopping ...")


if __name__ == "__main__":
    sys.exit(main())
