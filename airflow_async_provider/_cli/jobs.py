# SPDX-License-Identifier: Apache-2.0
"""``list``, ``show``, ``poll``, ``deliveries`` and others: what the page Remote jobs shows and does."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_async_provider._cli.api import Api, send
from airflow_async_provider._polling.wait_log import format_duration
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.protocols._redaction import one_line

#: Exit codes.
DONE, LEFT_ALONE, REFUSED = 0, 1, 2

#: Jobs in the response to one request.
PAGE = 200

COLUMNS = ("task", "system", "job", "state", "waiting", "last poll", "next poll", "deadline", "polls")

#: What is asked before it is done.
CONFIRMATIONS = {
    "cancel": "Cancel the {}? The task fails and is not retried. [y/N] ",
    "complete": "Go on as if a callback had said that the {} succeeded? [y/N] ",
}


def run_jobs(arguments: Namespace) -> int:
    """
    Run one of the commands.

    :return: the exit code
    """
    try:
        return COMMANDS[arguments.command](Api(arguments), arguments)
    except AsyncJobError as e:
        sys.stderr.write(f"error: {e}\n")
        return REFUSED


def _list(api: Api, arguments: Namespace) -> int:
    query = {
        n: getattr(arguments, n) for n in ("dag_id", "run_id", "task_id", "system", "search", "only", "sort")
    }
    jobs: list[dict[str, Any]] = []
    total, now, tally = 1, 0.0, {}
    while len(jobs) < min(total, arguments.limit):
        limit = min(PAGE, arguments.limit - len(jobs))
        page = api.get("jobs", **query, limit=limit, offset=len(jobs))
        total, now, tally = page["total"], page["now"], page["tally"]
        if not page["jobs"]:
            break
        jobs += page["jobs"]
    if arguments.output == "json":
        echo(json.dumps(jobs, indent=2))
        return DONE
    for line in table([COLUMNS, *(_cells(job, now) for job in jobs)]):
        echo(line)
    kinds = {"late": "past the deadline", "near": "due within an hour", "failing": "with failing polls"}
    need = [f"{tally[name]} {words}" for name, words in kinds.items() if tally.get(name)]
    echo(", ".join([f"{len(jobs)} of {total} waiting jobs", *need]))
    return DONE


def _show(api: Api, arguments: Namespace) -> int:
    job = _named(api, arguments)
    if arguments.output == "json":
        echo(json.dumps(job, indent=2))
        return DONE
    now = job["now"]
    cells = dict(zip(COLUMNS, _cells(job, now), strict=True))
    facts = {
        **cells,
        "run": job["run_id"],
        "try": job["try_number"],
        "connection": job.get("conn_id"),
        "address": job.get("remote_url"),
        "last failure": job.get("last_error"),
        "callback": "expected" if job.get("callback") else "not expected",
        "last delivery": _last_delivery(job, now),
        "triggerer": job.get("triggerer") if job["waits"] else None,
        "may be": ", ".join(job["actions"]) if job["may_act"] else None,
    }
    if not job["waits"]:
        echo("This task does not wait for a remote job any more.")
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in (None, ""):
            echo(f"{name:{width}}  {one_line(value, 500)}")
    for event in job["timeline"]:
        echo(f"{_moment(event.get('at'))}  {one_line(event.get('text', ''), 400)}")
    for one in job.get("deliveries", ()):
        what = f"delivery {one['number']}: {one.get('outcome')}, {one.get('bytes', 0)} bytes"
        echo(f"{one['received_at']}  {what}")
    return DONE


def _deliveries(api: Api, arguments: Namespace) -> int:
    query = {n: getattr(arguments, n) for n in ("dag_id", "run_id", "task_id", "map_index", "limit")}
    of_source = arguments.source is not None or arguments.all_sources
    source = "*" if arguments.all_sources else arguments.source
    found = api.get("deliveries", **query, source=source)["deliveries"]
    about = ("source",) if of_source else ("dag_id", "task_id", "run_id", "map_index")
    columns = ("number", "received_at", *about, "outcome", "bytes", "id", "repeated", "assets", "by")
    show(found, arguments.output, columns)
    return DONE


def _test(api: Api, arguments: Namespace) -> int:
    names = ("dag_id", "run_id", "task_id", "map_index", "source", "party")
    made = api.post("test-address", **{name: getattr(arguments, name) for name in names})
    headers = {"Authorization": made["authorization"], **dict(arguments.header)}
    body = arguments.data or b""
    if arguments.json is not None:
        body = json.dumps(arguments.json).encode()
        headers.setdefault("Content-Type", "application/json")
    status, answer = send(made["url"], headers, body)
    found = answer.get("test") or {"would": f"be answered with HTTP {status}"}
    if arguments.output == "json":
        echo(json.dumps({"status": status, **found}, indent=2))
    else:
        for name, value in found.items():
            shown = ", ".join(f"{n}: {v}" for n, v in value.items()) if isinstance(value, dict) else value
            echo(f"{name.replace('_', ' '):10} {one_line(_cell(shown), 500)}")
    return DONE if status == 200 and "would" in found else REFUSED


def show(found: Sequence[Mapping[str, Any]], output: str, columns: Sequence[str], width: int = 60) -> None:
    """Print rows: as JSON, or these columns of them."""
    if output == "json":
        echo(json.dumps(found, indent=2))
        return
    for line in table([columns, *([_cell(one.get(name)) for name in columns] for one in found)], width):
        echo(line)


def echo(line: str) -> None:
    """Write a line to the standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _replay(api: Api, arguments: Namespace) -> int:
    detail = str(api.post(f"deliveries/{arguments.number}/replay").get("detail", ""))
    echo(json.dumps({"detail": detail}) if arguments.output == "json" else detail)
    return DONE


def _act(api: Api, arguments: Namespace) -> int:
    job = _named(api, arguments)
    if arguments.command in CONFIRMATIONS and not arguments.yes:
        what = one_line(f"{job.get('system')} job {job.get('job_id')} of {_task(job)}")
        if input(CONFIRMATIONS[arguments.command].format(what)).lower() != "y":
            return LEFT_ALONE
    detail = api.act(job, arguments.command, getattr(arguments, "value", None))
    echo(json.dumps({"detail": detail}) if arguments.output == "json" else detail)
    return DONE


def _named(api: Api, arguments: Namespace) -> dict[str, Any]:
    return api.get(
        "job",
        dag_id=arguments.dag_id,
        run_id=arguments.run_id,
        task_id=arguments.task_id,
        map_index=arguments.map_index,
    )


def _task(job: Mapping[str, Any]) -> str:
    index = job["map_index"]
    return f"{job['dag_id']}.{job['task_id']}" + (f"[{job.get('map_label') or index}]" if index >= 0 else "")


def _cells(job: Mapping[str, Any], now: float) -> tuple[str, ...]:
    progress = job.get("progress")
    state = " ".join(filter(None, [job.get("remote_status") or job.get("state")]))
    failed = job.get("failures_in_row") or 0
    deadline = job.get("deadline")
    label = job.get("label")
    return (
        _task(job),
        job.get("system") or "",
        f"{job.get('job_id') or ''}" + (f" ({label})" if label else ""),
        state + (f" {progress:.0%}" if progress is not None else ""),
        _past(job.get("waiting_since"), now, ""),
        _past(job.get("last_poll_at"), now, " ago") + (f", failed ({failed} in a row)" if failed else ""),
        _ahead(job.get("next_poll_at"), now),
        ""
        if deadline is None
        else f"late by {format_duration(now - deadline)}"
        if deadline < now
        else f"in {format_duration(deadline - now)}",
        "" if job.get("polls") is None else f"{job['polls']}",
    )


def _last_delivery(job: Mapping[str, Any], now: float) -> str:
    came = next(iter(job.get("deliveries") or ()), None)
    if came is None:
        return ""
    at = datetime.fromisoformat(came["received_at"]).timestamp()
    return f"{came.get('outcome')}, {_past(at, now, ' ago')}"


def _past(at: float | None, now: float, after: str) -> str:
    return "" if at is None else f"{format_duration(max(0, round(now - at)))}{after}"


def _ahead(at: float | None, now: float) -> str:
    return "" if at is None else f"in {format_duration(round(at - now))}" if at > now else "due"


def _moment(at: Any) -> str:
    if not isinstance(at, int | float):
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def table(rows: Sequence[Sequence[str]], width: int = 60) -> list[str]:
    """
    Lines of a table with columns of one width each.

    :param rows: the names of the columns come first
    """
    cells = [[one_line(text, width) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


COMMANDS: Mapping[str, Callable[[Api, Namespace], int]] = {
    "list": _list,
    "show": _show,
    "poll": _act,
    "cancel": _act,
    "complete": _act,
    "deliveries": _deliveries,
    "replay": _replay,
    "test-delivery": _test,
}
