# SPDX-License-Identifier: Apache-2.0
"""
Secrets must lie nowhere: not in logs, not in the database, not in what Airflow's REST API answers.

Looked for are the canaries in every secret field of every connection, and what really went over the wire:
secrets of callbacks, tokens, Basic credentials, signatures of pre-signed URLs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import quote

from tests.chaos.report import Row
from tests.chaos.world import World
from tests.support.harness import AirflowApiError

#: What PostgreSQL writes for bytes.
HEX = re.compile(r"\\\\x((?:[0-9a-f]{2}){8,})")


def search(world: World) -> Row:
    """Look for every secret everywhere."""
    begin = time.monotonic()
    row = Row("secrets", "all secrets are searched for in logs, database and REST API")
    wanted = {secret: name for name, secret in world.secrets.items()}
    for kind, secrets in world.heard().items():
        if not secrets:
            row.problems.append(f"no {kind} went over the wire: the search would prove nothing")
        wanted |= dict.fromkeys(secrets, kind)
    places = size = 0
    try:
        for place, text in haystacks(world):
            places += 1
            size += len(text)
            row.problems += [
                f"{name} lies in {place}"
                for secret, name in wanted.items()
                if secret in text or (quote(secret) != secret and quote(secret) in text)
            ]
    except AirflowApiError as error:
        row.problems.append(f"not everything could be searched: {error}")
    row.outcome = f"{len(wanted)} secrets in {places} places ({size / 1e6:.0f} MB): {len(row.problems)} found"
    row.seconds = time.monotonic() - begin
    return row


def haystacks(world: World) -> Iterator[tuple[str, str]]:
    """Everything that a secret could have come to rest in, with names."""
    home = world.airflow.home
    for path in [*(home / "components").glob("*"), *(home / "logs").rglob("*")]:
        if path.is_file():
            yield path.relative_to(home).as_posix(), path.read_text(encoding="utf-8", errors="replace")
    dump = world.postgres.dump()
    yield "the database", dump
    yield (
        "bytes in the database",
        "\n".join(bytes.fromhex(found).decode("utf-8", "replace") for found in HEX.findall(dump)),
    )
    yield from answers(world)


def answers(world: World) -> Iterator[tuple[str, str]]:
    """What the REST API says of connections, runs, tasks, their logs, XComs and rendered templates."""
    client = world.airflow.client
    paths = ["/connections?limit=100", "/eventLogs?limit=1000", "/variables", "/importErrors", "/jobs"]
    paths += ["/ui/dags?limit=100", "/ui/connections/hook_meta", "/ui/config"]
    rows = world.airflow.db("select dag_id, run_id, task_id, try_number from task_instance")
    for dag_id, run_id in {(row["dag_id"], row["run_id"]) for row in rows}:
        paths.append(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        paths += [f"/ui/gantt/{dag_id}/{run_id}", f"/ui/grid/ti_summaries/{dag_id}?run_ids={run_id}"]
    for row in rows:
        task = f"/dags/{row['dag_id']}/dagRuns/{row['run_id']}/taskInstances/{row['task_id']}"
        keys = world.airflow.db(
            "select key from xcom where dag_id = ? and run_id = ? and task_id = ?",
            [row["dag_id"], row["run_id"], row["task_id"]],
        )
        paths += [f"{task}/xcomEntries", f"{task}/tries", f"{task}/links", f"{task}/state-store"]
        paths += [f"{task}/xcomEntries/{quote(key['key'], safe='')}" for key in keys]
        paths += [f"{task}/logs/{number + 1}?full_content=true" for number in range(row["try_number"])]
    for path in paths:
        try:
            yield f"GET {path}", client.request("GET", path).text
        except AirflowApiError as error:
            if error.status != 404:  # a try without a log, a run that a fault has deleted
                raise
            yield f"GET {path}", str(error)
