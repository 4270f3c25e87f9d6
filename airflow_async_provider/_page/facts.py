# SPDX-License-Identifier: Apache-2.0
"""The report of a waiting job: plain text and numbers, bounded, without secrets; the table's columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from airflow_async_provider._metadata import SYSTEMS
from airflow_async_provider._metadata.http_async import HTTP_ASYNC
from airflow_async_provider._urls import shown, split_url
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._redaction import one_line

REPORT_VERSION = 1

#: Jobs in one report: its JSON is made in the triggerer's event loop, where nothing may block for long.
MAX_JOBS = 200

#: Characters of what one report adds to a job's timeline, and of a whole timeline.
MAX_EVENTS = 4_000
MAX_TIMELINE = 16_000

#: Texts of a job and their longest form (characters).
TEXTS: Mapping[str, int] = {
    "system": 100,
    "conn_id": 250,
    "label": 250,
    "job_id": 250,
    "remote_url": 1000,
    "state": 20,
    "remote_status": 250,
    "last_error": 500,
}

#: Moments, reported as seconds from now (so that no two clocks are compared), kept as epoch seconds.
MOMENTS = ("submitted_at", "waiting_since", "deadline", "last_poll_at", "next_poll_at")

#: Numbers that are what they are.
COUNTS = ("trigger_id", "polls", "failures", "failures_in_row")


def system_of(protocol: str) -> str:
    """The remote system for a person: its name; the class's for a protocol of one's own."""
    for system in SYSTEMS:
        if protocol in system.protocols:
            return "HTTP API" if system is HTTP_ASYNC else system.name
    return protocol.rpartition(".")[2]


def address_of(handle: JobHandle) -> str:
    """Where the job is asked for, as far as that may be shown: origin and path; empty where not known."""
    url = handle.status_url or ""
    if "://" not in url:
        base = (handle.origin or "").partition(" ")[0]
        url = f"{base.rstrip('/')}/{url.lstrip('/')}" if base and url else ""
    return shown(url) if url else ""


def is_link(address: str) -> bool:
    """Whether an address leads anywhere: it is one, and nothing in it was shortened."""
    try:
        parts = split_url(address)
    except ConfigurationError:
        return False
    return "@" not in parts.netloc and "…" not in address


def read_report(body: bytes, now: float) -> list[dict[str, Any]]:
    """
    The rows of a report.

    :param body: JSON
    :param now: epoch seconds of this process
    :raises ValueError: it is none
    """
    found = json.loads(body)
    if not isinstance(found, Mapping) or found.get("version") != REPORT_VERSION:
        raise ValueError("this is no report of this version")
    jobs = found.get("jobs")
    if not isinstance(jobs, list) or len(jobs) > MAX_JOBS:
        raise ValueError(f"a report holds a list of at most {MAX_JOBS} jobs")
    return [_row(job, now) for job in jobs]


def _row(job: Any, now: float) -> dict[str, Any]:
    if not isinstance(job, Mapping):
        raise ValueError("a job is an object")  # noqa: TRY004 - what is read is wrong, not how it is called
    row: dict[str, Any] = {"ti_id": str(UUID(str(job.get("ti_id")))), "reported_at": now}
    row |= {name: one_line(job.get(name) or "", length) for name, length in TEXTS.items()}
    for name in MOMENTS:
        seconds = _number(job.get(name))
        row[name] = None if seconds is None else now + seconds
    row |= {name: int(_number(job.get(name)) or 0) for name in COUNTS}
    row["progress"] = _number(job.get("progress"))
    row["callback"] = bool(job.get("callback"))
    events = job.get("events")
    kept = [_event(e, now) for e in events if isinstance(e, Mapping)] if isinstance(events, list) else []
    lines = ""
    for line in (json.dumps(event) + "\n" for event in kept):
        if len(lines) + len(line) <= MAX_EVENTS:
            lines += line
    return {**row, "timeline": lines}


def _event(event: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        "at": round(now + (_number(event.get("at")) or 0.0), 1),
        "kind": one_line(event.get("kind") or "", 20),
        "text": one_line(event.get("text") or "", 300),
    }


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def timeline_of(lines: str | None) -> list[dict[str, Any]]:
    """The events of a job, the oldest first; what cannot be read is left out."""
    found = []
    for line in (lines or "").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found
