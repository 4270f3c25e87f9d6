# SPDX-License-Identifier: Apache-2.0
"""What is sent to Airflow's metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_async_provider import _metrics


class SentMetrics(list[tuple[str, Any, dict[str, str]]]):
    """Name without our prefix, value and tags of each, as Airflow's own object gets them."""

    def sum_of(self, name: str, **tags: str) -> Any:
        """All values of a counter, with these tags and no others."""
        return sum(value for found, value, of in self if (found, of) == (name, tags))

    def __getattr__(self, kind: str) -> Callable[..., None]:
        def send(name: str, value: Any, *, tags: Mapping[str, str]) -> None:
            self.append((name.removeprefix(f"{_metrics.PREFIX}."), value, dict(tags)))

        if kind in ("incr", "timing", "gauge"):
            return send
        raise AttributeError(kind)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> SentMetrics:
    """Gets what would go to StatsD or OpenTelemetry."""
    found = SentMetrics()
    monkeypatch.setattr(_metrics, "_stats", lambda: found)
    return found
