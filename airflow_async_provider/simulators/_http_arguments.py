# SPDX-License-Identifier: Apache-2.0
"""The command line of the generic simulator."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from airflow_async_provider.simulators._aso_arguments import plan, seconds_or_none
from airflow_async_provider.simulators._http_callbacks import SIGNATURES
from airflow_async_provider.simulators._http_idempotency import MODES
from airflow_async_provider.simulators._http_jobs import OUTCOMES, PLACES

#: options handed on to HttpAsyncSimulator under the same name
_NAMES = (
    "login",
    "password",
    "api_key",
    "relative_urls",
    "moving",
    "idempotency",
    "result_expires",
    "callback_signature",
    "callback_secret",
    "callback_copies",
    "processing_seconds",
    "outcome",
    "result_bytes",
    "result_content_type",
    "place",
    "not_found_first",
    "retry_after",
    "retry_after_as_date",
    "time_scale",
    "latency",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the generic simulator."""
    add = parser.add_argument
    add("--processing-seconds", type=seconds_or_none, default=5.0, help='default 5; "none": until told')
    add("--outcome", choices=OUTCOMES, default="succeeded")
    add("--result-bytes", type=int, help="generated results of this length instead of a small JSON value")
    add("--result-content-type", default="application/json")
    add("--place", choices=PLACES, default="body", help="where results are")
    add("--not-found-first", type=int, default=0, help="404s before a monitor is there")
    add("--retry-after", type=float, help="seconds, sent while a job runs")
    add("--retry-after-as-date", action="store_true")
    add("--login", default="http-user")
    add("--password", default="http-password")
    add("--no-credentials", action="store_true", help="want no credentials at all")
    add("--api-key", help="want this X-API-Key as well")
    add("--relative-urls", action="store_true")
    add("--moving", action="store_true", help="every 202 moves the monitor")
    add("--idempotency", choices=MODES, default="honoured")
    add("--result-expires", type=int, default=300)
    add("--callback-signature", choices=[s for s in SIGNATURES if s])
    add("--callback-secret", default="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    add("--callback-copies", type=int, default=1)
    add(
        "--plan",
        dest="plans",
        type=plan,
        action="append",
        default=[],
        metavar="CONVENTION=JSON",
        help="""e.g. --plan 'google={"processing_seconds": 60, "outcome": "failed"}'""",
    )


def options(arguments: Namespace) -> dict[str, Any]:
    """The keyword arguments of HttpAsyncSimulator."""
    given = {name: getattr(arguments, name) for name in _NAMES}
    if arguments.no_credentials:
        given["login"] = None
    return {**given, "plans": dict(arguments.plans)}
