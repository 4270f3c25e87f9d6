# SPDX-License-Identifier: Apache-2.0
"""The provider's options in Airflow's configuration, section ``[async_provider]``."""

from __future__ import annotations

SECTION = "async_provider"

#: Seconds between a deferral and the first moment at which its task may be resumed.
DEFAULT_SETTLE_SECONDS = 10.0


def settle_seconds() -> float:
    """``settle_seconds``: how long after its deferral a task is left alone, default 10."""
    from airflow.configuration import conf

    return max(0.0, conf.getfloat(SECTION, "settle_seconds", fallback=DEFAULT_SETTLE_SECONDS))
