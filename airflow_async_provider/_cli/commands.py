# SPDX-License-Identifier: Apache-2.0
"""``airflow remote-jobs``: the commands of ``python -m airflow_async_provider`` as commands of Airflow's."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial
from typing import Any

from airflow_async_provider._cli.arguments import job_commands, try_arguments


def remote_jobs() -> list[Any]:
    """The commands that Airflow adds to its own; named in ``provider_info``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    attempt = ActionCommand(
        name="try",
        help="Run a description against a live API and show how each answer is read",
        func=lazy_load_command(f"{__name__}.attempt"),
        args=tuple(Arg(flags, **settings) for flags, settings in try_arguments()),
    )
    others = (
        ActionCommand(
            name=name,
            help=words,
            func=partial(_jobs, name=name),
            args=tuple(Arg(flags, **given) for flags, given in settings),
        )
        for name, (words, settings) in job_commands().items()
    )
    return [
        GroupCommand(name="remote-jobs", help="Remote jobs of any HTTP API", subcommands=(attempt, *others))
    ]


def attempt(arguments: Namespace) -> None:
    """Run ``airflow remote-jobs try``."""
    from airflow_async_provider._cli.attempt import run_try

    sys.exit(run_try(arguments))


def _jobs(arguments: Namespace, name: str) -> None:
    from airflow_async_provider._cli.jobs import run_jobs

    arguments.command = name
    sys.exit(run_jobs(arguments))
