# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulator of real APIs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from airflow_async_provider.simulators._aso_arguments import seconds_or_none

#: options handed on to RealApisSimulator under the same name
_NAMES = ("processing_seconds", "polls", "outcome", "retry_after", "token_seconds", "time_scale", "latency")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the simulator of real APIs."""
    add = parser.add_argument
    add("--processing-seconds", type=seconds_or_none, default=5.0, help='default 5; "none": until told')
    add("--polls", type=int, help="polls that find a job running, instead of seconds")
    add("--outcome", default="", help="how all jobs end, such as fail; well by default")
    add("--retry-after", type=int, default=1, help="seconds, where an API sends Retry-After")
    add("--token-seconds", type=float, default=300.0, help="life of issued access tokens")


def options(arguments: Namespace) -> dict[str, Any]:
    """The keyword arguments of RealApisSimulator."""
    return {name: getattr(arguments, name) for name in _NAMES}
