# SPDX-License-Identifier: Apache-2.0
"""What the waits of a triggerer add up to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_async_provider import _metrics
from airflow_async_provider._polling import meter as metering
from airflow_async_provider._polling.meter import Meter, meter_of_loop
from airflow_async_provider.protocols import JobHandle

HANDLE = JobHandle("http_location", "7", 0.0)
TAGS = {"system": "http_location", "connection": "c"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, str]]]:
    found: list[tuple[str, Any, dict[str, str]]] = []
    for kind in ("count", "gauge", "timing"):
        monkeypatch.setattr(_metrics, kind, lambda name, value=1, **tags: found.append((name, value, tags)))
    return found


def report(meter: Meter) -> None:
    for send in meter.report():
        send()


async def test_polls_are_added_up(sent: list[Any]) -> None:
    meter = Meter()
    with meter.waiting(HANDLE, "c", ago=100), meter.waiting(HANDLE, "c", ago=5):
        for seconds, failed in ((0.1, False), (0.3, True)):
            meter.polled(HANDLE, "c", seconds, failed=failed)
        report(meter)
        found = {name: value for name, value, _ in sent}
        assert found["waiting"] == 2
        assert 100 <= found["oldest_wait"] < 110
        assert (found["polls"], found["polls_failed"]) == (2, 1)
        assert found["poll_latency"] == pytest.approx(0.2)
        assert found["poll_latency_max"] == 0.3
        assert [tags for name, _, tags in sent if name == "polls"] == [TAGS]
        del sent[:]
        report(meter)
        assert {name for name, _, _ in sent} == {"waiting", "oldest_wait"}
    del sent[:]
    report(meter)  # nobody waits any more: that is said once
    assert [(name, value) for name, value, _ in sent] == [("waiting", 0), ("oldest_wait", 0.0)]
    assert meter.report() == []


async def test_a_loop_reports_by_itself_and_stops(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "REPORT_EVERY", 0.02)
    meter = meter_of_loop()
    assert meter_of_loop() is meter
    with meter.waiting(HANDLE, "c", ago=0):
        while not sent:  # noqa: ASYNC110 - what it waits for happens in another thread
            await asyncio.sleep(0.01)
    assert meter._reporting is not None
    await asyncio.wait_for(meter._reporting, 5)
    assert sent[-2][:2] == ("waiting", 0)
