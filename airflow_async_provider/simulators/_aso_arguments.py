# SPDX-License-Identifier: Apache-2.0
"""The command line of the ASO simulator."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from airflow_async_provider.simulators._aso_jobs import OUTCOMES

#: options handed on to AsoSimulator under the same name
_NAMES = (
    "processing_seconds",
    "outcome",
    "result_bytes",
    "result_file",
    "result_content_type",
    "not_found_first",
    "token",
    "api_key",
    "client_id",
    "client_secret",
    "token_expires",
    "status_expires",
    "result_expires",
    "separate_origins",
    "verbatim_status_url",
    "ranges",
    "chunked",
    "result_rate",
    "time_scale",
    "latency",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ASO."""
    add = parser.add_argument
    add("--processing-seconds", type=seconds_or_none, default=5.0, help='default 5; "none": until told')
    add("--outcome", choices=OUTCOMES, default="completed")
    add("--result-bytes", type=int, default=1_000_000)
    add("--result-file", help="serve this file as every result")
    add("--result-content-type", default="application/octet-stream")
    add("--not-found-first", type=int, default=0, help="404s before a result is there")
    add("--token", default="aso-token", help="bearer token that is always good")
    add("--api-key", default="aso-key")
    add("--client-id", default="aso-client")
    add("--client-secret", default="aso-secret")
    add("--token-expires", type=int_or_none, default=3600, help='"none": issued tokens do not expire')
    add("--status-expires", type=int, default=1800)
    add("--result-expires", type=int, default=300)
    add("--separate-origins", action="store_true", help="status URLs and token endpoint on own ports")
    add("--lenient-status-url", dest="verbatim_status_url", action="store_false")
    add("--no-ranges", dest="ranges", action="store_false", help="ignore Range")
    add("--chunked", action="store_true", help="results without Content-Length")
    add("--result-rate", type=float, help="bytes per second of each download")
    add(
        "--plan",
        dest="plans",
        type=plan,
        action="append",
        default=[],
        metavar="ENDPOINT=JSON",
        help="""e.g. --plan 'apiBids={"processing_seconds": 60, "outcome": "failed"}'""",
    )


def options(arguments: Namespace) -> dict[str, Any]:
    """The keyword arguments of AsoSimulator."""
    return {**{name: getattr(arguments, name) for name in _NAMES}, "plans": dict(arguments.plans)}


def seconds_or_none(text: str) -> float | None:
    """Seconds, or the word "none"."""
    return None if text.lower() == "none" else float(text)


def int_or_none(text: str) -> int | None:
    """A whole number, or the word "none"."""
    return None if text.lower() == "none" else int(text)


def plan(text: str) -> tuple[str, dict[str, Any]]:
    """
    Read ``endpoint=JSON``.

    :raises ArgumentTypeError: when it is something else
    """
    endpoint, _, encoded = text.partition("=")
    try:
        changes = json.loads(encoded)
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise ArgumentTypeError('expected ENDPOINT={"field": value, ...}')
    return endpoint, changes
