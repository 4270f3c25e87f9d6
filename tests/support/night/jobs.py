# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: TID251 - the rows of Airflow's scheduler and triggerer are made here
"""
Puts the tasks of the night's runs to waiting, and reports on them as a triggerer does.

Runs in the environment of an Airflow of which the API server alone is up:
``python -m tests.support.night.jobs URL``.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from airflow_async_provider._callbacks.airflow_internals import HAS_ATTEMPTS
from airflow_async_provider._page.facts import MAX_JOBS, REPORT_VERSION
from airflow_async_provider._page.report import PATH
from airflow_async_provider._page.signing import HEADER, report_keys, signature_of
from airflow_async_provider.triggers.async_job import AsyncJobTrigger

MINUTE, HOUR = 60.0, 3600.0


def job_of(dag_id: str, task_id: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    The job of one task: what its trigger was given, and what a triggerer tells.

    :param number: the task's index
    """
    age = 65 * MINUTE + number * 97
    facts: dict[str, Any] = {
        "state": "running", "remote_status": "", "last_error": "", "progress": None, "callback": False,
        "submitted_at": -age - 20, "waiting_since": -age + 2, "last_poll_at": -7.0 - number % 40,
        "next_poll_at": 50.0 - number % 40, "polls": int(age / 60), "failures": 0, "failures_in_row": 0,
    }  # fmt: skip
    events = [{"at": -age + 2, "kind": "waiting", "text": "the triggerer waits for the job"}]
    if dag_id == "supplier_exports":
        identity = base64.b64encode(f"1795{number:05}.7741".encode()).decode()
        url = f"https://acme.jaggaer.example/asyncStatus/{identity}"
        job = {"protocol": "jaggaer_aso", "job_id": f"a{number}", "status_url": url, "named": False}
        facts |= {"remote_status": "processing", "deadline": 4 * HOUR - age, "remote_url": url}
        facts |= {"label": f"GET event/{4100 + number}/apiItems/async", "job_id": f"/asyncStatus/{identity}"}
    elif task_id in ("run", "close_books"):
        job = {"protocol": "automic", "job_id": str(10482231 + number), "options": {"client": "100"}}
        facts |= {"remote_status": "1550 Active", "deadline": 6 * HOUR - age, "callback": True}
        facts |= {"label": f"JOBS.LEDGER_{number + 1:02}" if task_id == "run" else "JOBP.MONTH_END"}
        facts["remote_url"] = f"https://awi.example.com/100/{job['job_id']}"
        facts["job_id"] = job["job_id"]
    else:
        names = ("accounts", "contacts", "orders", "visits", "leads", "notes")
        name = names[number] if task_id == "export" else task_id
        url = f"https://crm.example.com/v1/jobs/{88120 + number}"
        job = {"protocol": "http_location", "job_id": str(88120 + number), "status_url": url}
        facts |= {"remote_status": "IN_PROGRESS", "progress": 0.12 + number * 0.13, "remote_url": url}
        facts |= {"deadline": 3 * HOUR - age, "label": f"POST v1/exports/{name}", "job_id": job["job_id"]}
    began = {"at": -age + 14, "kind": "status", "text": f"running: {facts['remote_status']}"}
    facts["events"] = [*events, began]
    _trouble(facts, dag_id, task_id, number)
    return {**job, "submitted_at": time.time() - age, "data": {"label": facts["label"]}}, facts


def _trouble(facts: dict[str, Any], dag_id: str, task_id: str, number: int) -> None:
    """What makes somebody be woken."""
    if dag_id == "supplier_exports" and number in (3, 4, 11):
        error = "TransientError: HTTP 503 when asking for the status"
        facts |= {"last_error": error, "failures": 6, "failures_in_row": 4, "next_poll_at": 41.0}
        told = {
            "at": -9 * MINUTE,
            "kind": "failure",
            "text": "poll 62 failed: HTTP 503 when asking for the status",
        }
        facts["events"].append(told)
    if dag_id == "night_batch" and number == 9:
        facts |= {"remote_status": "1700 Waiting for a resource", "deadline": 26 * MINUTE}
        text = "running: 1700: Waiting for a resource"
        facts["events"].append({"at": -50 * MINUTE, "kind": "status", "text": text})
    if task_id == "statements":
        facts |= {"progress": 0.97, "deadline": -4 * MINUTE, "next_poll_at": None}
    if task_id == "close_books":
        facts |= {"deadline": 5 * HOUR}


def put_to_wait(session: Any) -> Iterator[dict[str, Any]]:
    """Defer every task of the runs that there are; what a triggerer tells of each."""
    from airflow.jobs.job import Job
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from sqlalchemy import select

    now = datetime.now(UTC)
    triggerer = Job(job_type="TriggererJob", hostname="triggerer-1", start_date=now)
    triggerer.state, triggerer.latest_heartbeat = "running", now
    session.add(triggerer)
    session.flush()
    index = "region_index" if HAS_ATTEMPTS else "map_index"
    found = session.scalars(select(TaskInstance).order_by(TaskInstance.dag_id, TaskInstance.task_id)).all()
    for ti in found:
        number = max(getattr(ti, index), 0)
        job, facts = job_of(ti.dag_id, ti.task_id, number)
        conn_id = {"jaggaer_aso": "aso_prod", "automic": "automic_prod"}.get(job["protocol"], "crm")
        begun = time.time() + facts["waiting_since"]
        arguments = AsyncJobTrigger(
            job={**job, "conn_id": conn_id},
            conn_id=conn_id,
            policy={},
            deadline=time.time() + facts["deadline"],
            deferred_at=begun,
            settle=0.0,
            callback=facts["callback"],
        ).serialize()
        since = now + timedelta(seconds=facts["waiting_since"])
        trigger = Trigger(classpath=arguments[0], kwargs=arguments[1], created_date=since)
        trigger.triggerer_id = triggerer.id
        session.add(trigger)
        session.flush()
        ti.state, ti.trigger_id, ti.try_number = "deferred", trigger.id, 1
        ti.start_date, ti.next_method, ti.next_kwargs = since, "execute_complete", {"run": {}}
        if getattr(ti, index) >= 0:
            ti._rendered_map_index = facts["label"]
        system = {"jaggaer_aso": "JAGGAER ASO", "automic": "Broadcom Automic"}.get(
            job["protocol"], "HTTP API"
        )
        yield {"ti_id": str(ti.id), "trigger_id": trigger.id, "system": system, "conn_id": conn_id, **facts}


def main(url: str) -> None:
    """Do it."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        jobs = list(put_to_wait(session))
    for begin in range(0, len(jobs), MAX_JOBS):
        body = json.dumps({"version": REPORT_VERSION, "jobs": jobs[begin : begin + MAX_JOBS]}).encode()
        headers = {HEADER: signature_of(report_keys()[0], body)}
        with requests.Session() as http:
            http.trust_env = False
            http.post(url + PATH, data=body, headers=headers, timeout=60).raise_for_status()
    sys.stdout.write(f"{len(jobs)} tasks wait\n")


if __name__ == "__main__":
    main(sys.argv[1])
