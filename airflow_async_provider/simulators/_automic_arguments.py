# SPDX-License-Identifier: Apache-2.0
"""The command line of the Automic simulator."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from airflow_async_provider.simulators._aso_arguments import plan, seconds_or_none
from airflow_async_provider.simulators._automic_callbacks import PAYLOADS

#: options handed on to AutomicSimulator under the same name
_NAMES = (
    "run_seconds",
    "status",
    "client",
    "user",
    "password",
    "token",
    "callback_attempts",
    "callback_interval",
    "callback_interval_exp",
    "payload",
    "template",
    "restart_reference",
    "unknown_fields",
    "longest_page",
    "leading_wildcards",
    "time_scale",
    "latency",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of Automic."""
    add = parser.add_argument
    add("--run-seconds", type=seconds_or_none, default=5.0, help='default 5; "none": until told')
    add("--status", type=int, default=1900, help="status at the end")
    add("--client", default="100")
    add("--user", default="AIRFLOW/AF", help="USER/DEPARTMENT")
    add("--password", default="päss§word", help="read as ISO-8859-1")
    add("--token", default="automic-token", help="bearer token that is good")
    add("--callback-attempts", type=int, default=3, help="the first try included")
    add("--callback-interval", type=float, default=30.0, help="seconds, at least 30")
    add("--callback-interval-exp", type=int, default=0, choices=(0, 1, 2))
    add("--payload", choices=sorted(PAYLOADS), default="padded", help="form of the default payload")
    add("--template", help="TEMPLATE_EXECUTION, instead of the default payload")
    add("--restart-reference", choices=("before", "original"), default="before")
    add("--unknown-fields", action="store_true", help="take fields that no public page names")
    add("--longest-page", type=int, help="most runs on one page of the list")
    add(
        "--no-leading-wildcards",
        dest="leading_wildcards",
        action="store_false",
        help="* stands for any text at the end of a filter only",
    )
    add(
        "--object",
        dest="objects",
        type=plan,
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="""e.g. --object 'JOBS.SLOW*={"run_seconds": 60, "status": 1800}'""",
    )


def options(arguments: Namespace) -> dict[str, Any]:
    """The keyword arguments of AutomicSimulator."""
    return {**{name: getattr(arguments, name) for name in _NAMES}, "objects": dict(arguments.objects)}
