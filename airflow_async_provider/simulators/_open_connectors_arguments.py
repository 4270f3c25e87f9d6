# SPDX-License-Identifier: Apache-2.0
"""The command line of the SAP Open Connectors simulator."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from airflow_async_provider.simulators._aso_arguments import seconds_or_none
from airflow_async_provider.simulators._open_connectors_jobs import OUTCOMES, SPELLINGS
from airflow_async_provider.simulators._open_connectors_webhooks import POLICIES

#: options handed on to OpenConnectorsSimulator under the same name
_NAMES = (
    "seconds",
    "outcome",
    "plan",
    "user_secret",
    "organization_secret",
    "element_token",
    "signature_key",
    "instance_callback_url",
    "policy",
    "event_id_form",
    "event_id_place",
    "spelling",
    "cancel_seconds",
    "streaming_limit",
    "file_chunked",
    "file_rate",
    "time_scale",
    "latency",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of SAP Open Connectors."""
    add = parser.add_argument
    add(
        "--seconds",
        type=seconds_or_none,
        default=5.0,
        help='how long jobs take; default 5; "none": until told',
    )
    add("--outcome", choices=OUTCOMES, default="completed")
    add(
        "--plan", type=plan, default={}, metavar="JSON", help="""e.g. --plan '{"records": 50, "copies": 2}'"""
    )
    add("--user-secret", default="user+secret/sim=")
    add("--organization-secret", default="org+secret/sim=")
    add("--element-token", default="element+token/sim=")
    add("--signature-key", help="sign webhooks with it")
    add("--instance-callback-url", help="the instance's own callback address")
    add("--policy", choices=POLICIES, default="retry", help="for webhooks that cannot be delivered")
    add("--event-id-form", choices=("number", "string"), default="number")
    add("--event-id-place", choices=("top", "message"), default="top")
    add("--spelling", choices=sorted(SPELLINGS), default="v3", help="of the bulk API's answers")
    add("--cancel-seconds", type=float, default=0.0, help="how long a job is CANCELLATION_PENDING")
    add("--streaming-limit", type=int, default=6 << 30, help="bytes; larger files get 429")
    add("--content-length", dest="file_chunked", action="store_false", help="files with their length")
    add("--file-rate", type=float, help="bytes per second of each file")


def options(arguments: Namespace) -> dict[str, Any]:
    """The keyword arguments of OpenConnectorsSimulator."""
    return {name: getattr(arguments, name) for name in _NAMES}


def plan(text: str) -> dict[str, Any]:
    """
    Read a JSON object.

    :raises ArgumentTypeError: when it is something else
    """
    try:
        changes = json.loads(text)
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise ArgumentTypeError('expected {"field": value, ...}')
    return changes
