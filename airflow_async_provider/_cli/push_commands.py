# SPDX-License-Identifier: Apache-2.0
"""``airflow push-sources …``: ``python -m airflow_async_provider push-sources …`` as Airflow's."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial
from typing import Any

from airflow_async_provider._cli.push_arguments import DELIVERIES, PUSH_SOURCES


def push_sources() -> list[Any]:
    """The commands that Airflow adds to its own; named in ``provider_info``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    commands = tuple(
        ActionCommand(
            name=name,
            help=text,
            func=partial(run, action=name),
            args=tuple(Arg(flags, **settings) for flags, settings in arguments),
        )
        for name, (text, arguments) in {**PUSH_SOURCES, "deliveries": DELIVERIES}.items()
    )
    return [
        GroupCommand(
            name="push-sources", help="Addresses whose deliveries become asset events", subcommands=commands
        )
    ]


def run(arguments: Namespace, action: str) -> None:
    """Run one of them."""
    from airflow_async_provider._cli.push import run_push

    sys.exit(run_push(arguments, action))
