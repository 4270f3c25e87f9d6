# SPDX-License-Identifier: Apache-2.0
"""
Remote jobs from a terminal: ``python -m airflow_async_provider try PROFILE --conn-id ID``.

See docs/trying_a_description.md; docs/remote_jobs_page.md for ``list``, ``show``, ``poll`` and others;
docs/push_for_assets.md for ``push-sources``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airflow_async_provider._cli import arguments as command_line
from airflow_async_provider._cli.push_arguments import add_push_commands


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: arguments, those of the process by default
    :return: the exit code
    """
    parser, commands = command_line.new_parser()
    add_push_commands(commands)
    arguments = parser.parse_args(argv)
    if arguments.command == "push-sources":  # imports are after --help, which needs nothing
        from airflow_async_provider._cli.push import run_push

        return run_push(arguments, arguments.action)
    if arguments.command != "try":
        from airflow_async_provider._cli.jobs import run_jobs

        return run_jobs(arguments)
    from airflow_async_provider._cli.attempt import run_try

    return run_try(arguments)


if __name__ == "__main__":
    sys.exit(main())
