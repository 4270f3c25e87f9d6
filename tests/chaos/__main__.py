# SPDX-License-Identifier: Apache-2.0
"""
Try faults: ``python -m tests.chaos [--short | --all | --fault NAME ...] [--jobs N]``.

Prints a row for each fault, leaves nothing running, and exits with 1 when anything was lost, started twice or
written down that is secret.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from tests.chaos.canaries import search
from tests.chaos.faults import FAULTS
from tests.chaos.report import CELERY, LOCAL, Row, read, say, table, update_docs, write
from tests.chaos.run import play
from tests.chaos.world import World
from tests.support.harness import NotReadyError, PostgresMissingError, redis

SHORT_JOBS = 16
JOBS = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Try the faults; 0 when all jobs came through as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this one")
    which.add_argument("--all", action="store_true", help="every fault (the default)")
    which.add_argument(
        "--docs", action="append", type=Path, metavar="FILE", help="only put results of --json into the docs"
    )
    which.add_argument("--short", action="store_true", help="the most telling ones, a few jobs each")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--jobs", type=int, help=f"jobs per fault (default {JOBS}, short {SHORT_JOBS})")
    parser.add_argument("--parallelism", type=int, default=8, help="tasks at the same time (default 8)")
    parser.add_argument(
        "--celery", action="store_true", help="CeleryExecutor with Redis, where both are there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--keep", action="store_true", help="leave Airflow's home behind")
    arguments = parser.parse_args(argv)
    if arguments.list:
        for fault in FAULTS.values():
            say(f"{fault.name:40} {fault.title}")
        return 0
    if arguments.docs:
        latest = {(row.name, row.executor): row for path in arguments.docs for row in read(path)}
        order = product((*FAULTS, "secrets"), (LOCAL, CELERY))
        rows = [latest[key] for key in order if key in latest]
        for row in rows:  # whose words are those of the day on which it was made
            row.title = FAULTS[row.name].title if row.name in FAULTS else row.title
        update_docs(rows)
        return 0
    names = arguments.fault or [n for n, fault in FAULTS.items() if fault.short or not arguments.short]
    jobs = arguments.jobs or (SHORT_JOBS if arguments.short else JOBS)
    if arguments.celery and (why := redis.missing()):
        say(f"SKIPPED: {why}")
        return 0
    # A polite request to end is a way out like any other: everything is stopped on it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    say("starting PostgreSQL, Airflow (two API servers, two triggerers), simulators and an S3 server ...")
    try:
        with World(parallelism=arguments.parallelism, celery=arguments.celery, keep=arguments.keep) as world:
            say(f"ready after {world.seconds:.0f} s: {world.balancer.url}")
            rows: list[Row] = []
            for name in [*names, "secrets"]:
                row = play(world, FAULTS[name], jobs) if name in FAULTS else search(world)
                row.executor = CELERY if arguments.celery else LOCAL
                rows.append(row)
                say(str(row))
                if arguments.json:
                    write(arguments.json, rows)
    except PostgresMissingError as error:
        say(f"SKIPPED: {error}")
        return 0
    except NotReadyError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything is stopped")
        return 130
    bad = [row for row in rows if row.problems]
    say("\n" + table(rows))
    say(f"\n{time.monotonic() - begin:.0f} seconds, {len(rows) - 1} faults, {len(bad)} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
