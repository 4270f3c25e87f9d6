# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m airflow_async_provider``, and the same as commands of Airflow's."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_async_provider._cli.arguments import PUSH_SOURCES, Commands, job_commands


def run(arguments: Namespace) -> int:
    """
    Run a command; what it needs is imported when the line has been read.

    :return: the exit code
    """
    if arguments.command == "push-sources":
        from airflow_async_provider._cli.push import run_push

        return run_push(arguments)
    if arguments.command == "try":
        from airflow_async_provider._cli.attempt import run_try

        return run_try(arguments)
    from airflow_async_provider._cli.jobs import run_jobs

    return run_jobs(arguments)


def remote_jobs() -> list[Any]:
    """``airflow remote-jobs``; named in ``provider_info``."""
    return _group("remote-jobs", "Remote jobs of any HTTP API", job_commands(), _job)


def push_sources() -> list[Any]:
    """``airflow push-sources``; named in ``provider_info``."""
    return _group("push-sources", "Addresses whose deliveries become asset events", PUSH_SOURCES, _push)


def _group(name: str, words: str, commands: Commands, function: Callable[..., None]) -> list[Any]:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    subcommands = tuple(
        ActionCommand(
            name=one,
            help=text,
            func=partial(function, one),
            args=tuple(Arg(flags, **given) for flags, given in settings),
        )
        for one, (text, settings) in commands.items()
    )
    return [GroupCommand(name=name, help=words, subcommands=subcommands)]


def _job(name: str, arguments: Namespace) -> None:
    arguments.command = name
    sys.exit(run(arguments))


def _push(name: str, arguments: Namespace) -> None:
    arguments.command, arguments.action = "push-sources", name
    sys.exit(run(arguments))
