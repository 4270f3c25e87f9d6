# SPDX-License-Identifier: Apache-2.0
"""
Remote jobs from a terminal: ``python -m airflow_async_provider try PROFILE --conn-id ID``.

See docs/trying_a_description.md, and docs/remote_jobs_page.md for ``list``, ``show``, ``poll``, ``cancel``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airflow_async_provider._cli.arguments import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: arguments, those of the process by default
    :return: the exit code
    """
    arguments = build_parser().parse_args(argv)
    if arguments.command != "try":  # imports are after --help, which needs nothing of Airflow
        from airflow_async_provider._cli.jobs import run_jobs

        return run_jobs(arguments)
    from airflow_async_provider._cli.attempt import run_try

    return run_try(arguments)


if __name__ == "__main__":
    sys.exit(main())
