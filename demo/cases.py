# SPDX-License-Identifier: Apache-2.0
"""What the demo runs. A further example DAG is a further row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """
    Which tasks must have waited in the triggerer, not in a worker.

    :param tasks: their ids
    :param held: simulator whose jobs run until all of them wait (they must not wait for each other); with a
        fixed duration, a slow machine would find jobs finished that it was to wait for
    """

    tasks: frozenset[str] = frozenset()
    held: str | None = None


@dataclass(frozen=True)
class Case:
    """
    One run of one DAG, and what has to come out.

    :param dag_id: the DAG
    :param conf: configuration of the run; ``{folder}``, ``{bucket}``, ``{mail}`` and ``{name}``, the
        address of that simulator, are filled in where its strings have them
    :param started_by: DAG whose asset starts the run; nobody else does
    :param downloads: files that its tasks must report, and that must be what a simulator served
    :param waiting: tasks that must have waited in the triggerer
    :param states: final states of tasks that do not end in "success"
    :param marked_failed: a waiting task that the demo marks as failed, as a person would in the UI
    :param cancelled: names of Automic runs that must have been cancelled by that (status 1850)
    :param via: how tasks must say that they ended ("callback", "poll")
    :param timeout: seconds for the whole run, whatever else the machine has to do
    """

    dag_id: str
    conf: Mapping[str, Any] = field(default_factory=dict)
    started_by: str | None = None
    downloads: int = 0
    waiting: Waiting = Waiting()
    states: Mapping[str, str] = field(default_factory=dict)
    marked_failed: str | None = None
    cancelled: tuple[str, ...] = ()
    via: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 900


def _waiting(*tasks: str, held: str | None = None) -> Waiting:
    return Waiting(frozenset(tasks), held)


CASES = (
    *(
        Case(
            "example_jaggaer_aso",
            conf={"folder": folder},
            downloads=5,
            waiting=_waiting("items", "wait_for_bids", "rates", held="aso"),
        )
        for folder in ("{folder}", "s3://{bucket}/aso")
    ),
    Case(
        "example_http_async",
        conf={"folder": "{folder}"},
        downloads=3,
        waiting=_waiting(
            "location", "azure", "azure_arm", "google", "odata", "status_field", "wait", held="http"
        ),
        via={"status_field": "callback", "location": "poll"},
    ),
    Case(
        "example_open_connectors",
        conf={"folder": "s3://{bucket}/sap"},
        downloads=2,
        waiting=_waiting("copy_folder", "copy_reports", "contacts", held="open-connectors"),
        via={"copy_reports": "callback", "contacts": "callback"},
    ),
    Case(
        "example_automic",
        waiting=_waiting("job", "job_without_callback"),
        states={"inactive_job": "skipped"},
        via={"job": "callback", "job_without_callback": "poll"},
    ),
    Case(
        "example_automic_cancel",
        waiting=_waiting("long_workflow"),
        states={"long_workflow": "failed"},
        marked_failed="long_workflow",
        cancelled=("JOBP.FOREVER",),
    ),
    Case(
        "example_together",
        conf={"folder": "s3://{bucket}/together"},
        downloads=1,
        waiting=_waiting("prepare", "export", held="aso"),
        via={"prepare": "callback"},
    ),
    Case(
        "example_wait_for_anything",
        conf={"shell": [], "lambda_conn_id": "aws_lambda", "mail_server": "{mail}"},
        waiting=_waiting("aws_lambda", "github_workflow", "person", "partner_airflow"),
    ),
    Case("example_together_next", started_by="example_together", downloads=1),
)
