# SPDX-License-Identifier: Apache-2.0
"""``airflow remote-jobs try``: ``python -m airflow_async_provider try`` as a command of Airflow's."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from airflow_async_provider._cli.arguments import try_arguments


def remote_jobs() -> list[Any]:
    """The commands that Airflow adds to its own; named in ``provider_info``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    attempt = ActionCommand(
        name="try",
        help="Run a description against a live API and show how each answer is read",
        func=lazy_load_command(f"{__name__}.attempt"),
        args=tuple(Arg(flags, **settings) for flags, settings in try_arguments()),
    )
    return [GroupCommand(name="remote-jobs", help="Remote jobs of any HTTP API", subcommands=(attempt,))]


def attempt(arguments: Namespace) -> None:
    """Run ``airflow remote-jobs try``."""
    from airflow_async_provider._cli.attempt import run_try

    sys.exit(run_try(arguments))
