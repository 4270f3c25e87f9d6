# SPDX-License-Identifier: Apache-2.0
"""Airflow's own metrics (StatsD, OpenTelemetry); their server's trouble never undoes or hides the work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

log = logging.getLogger(__name__)

PREFIX = "async_provider"


def count(name: str, number: int = 1, /, **tags: str) -> None:
    """Count something; never raises."""
    _send("incr", f"{PREFIX}.{name}", number, tags)


def timing(name: str, seconds: float, /, **tags: str) -> None:
    """Record a duration; never raises."""
    _send("timing", f"{PREFIX}.{name}", timedelta(seconds=seconds), tags)


def gauge(name: str, value: float, /, **tags: str) -> None:
    """Set a value that goes up and down; never raises."""
    _send("gauge", f"{PREFIX}.{name}", value, tags)


def count_decision(decision: str, task: Any, context: Mapping[str, Any]) -> None:
    """
    Count what a try decided about an earlier job, under the names of Airflow's ``ResumableJobMixin``.

    :param decision: ``fresh_submit``, ``reconnect_attempt``, ``reconnect_success``, ``already_succeeded`` or
        ``terminal_resubmit``
    """
    tags = {"operator": type(task).__name__}
    of_ti = getattr(context.get("ti"), "stats_tags", None) or {}
    if team := of_ti.get("team_name"):
        tags["team_name"] = team
    _send("incr", f"resumable_job.{decision}", 1, tags)


def _send(kind: str, name: str, value: Any, tags: Mapping[str, str]) -> None:
    try:
        getattr(_stats(), kind)(name, value, tags=tags)
    except Exception as e:  # noqa: BLE001 - see above
        log.debug("Not sent: %s", type(e).__name__)


def _stats() -> Any:
    try:
        from airflow.sdk.observability import stats
    except ImportError:
        from airflow.stats import Stats  # Airflow 3.1

        return Stats
    # The API server of 3.2 and 3.3 sets these statistics up with the first import of this module.
    import airflow.sdk.serde  # noqa: F401 - imported for that

    return stats if hasattr(stats, "incr") else stats.Stats
