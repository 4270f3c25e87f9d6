# SPDX-License-Identifier: Apache-2.0
"""
Broadcom Automic: start objects, wait for their runs without a worker, take the outcome over.

Needs the connection ``automic_default``. With ``callback_base_url`` in its extra Automic calls back at the
end of a run; without it the runs are polled. The parameters name objects of the package's simulator
(``python -m airflow_async_provider.simulators automic``); put names of your own in their place.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_async_provider.operators.automic import AutomicExecuteOperator
from airflow_async_provider.sensors.automic import AutomicExecutionSensor

with DAG(
    "example_automic",
    schedule=None,
    catchup=False,
    params={
        "job": Param("JOBS.OK", type="string", description="a job that ends well"),
        "silent_job": Param("JOBS.SILENT", type="string", description="one whose callback never comes"),
        "inactive_job": Param("JOBS.INACTIVE", type="string", description="one that is set inactive"),
        "workflow": Param("JOBP.OK", type="string", description="a workflow"),
    },
    tags=["example", "automic"],
    doc_md=__doc__,
) as dag:
    # Start, wait, and hand the facts of the run on: {"run_id", "status", ..., "runtime", "via"}.
    job = AutomicExecuteOperator(
        task_id="job",
        object_name="{{ params.job }}",
        inputs={"RUN_DAY#": "{{ run_id[-10:] }}", "FILES#": ["a.csv", "b.csv"]},
        poll_interval=5,
        timeout=timedelta(hours=2),
    )

    # A callback that gets lost (a firewall, a restart) costs time, not the task: polling goes on.
    AutomicExecuteOperator(
        task_id="job_without_callback",
        object_name="{{ params.silent_job }}",
        poll_interval=5,
        safety_poll_interval=15,
        timeout=timedelta(hours=2),
    )

    # Automic counts a run that was inactive or skipped as ended OK; here it skips the task.
    AutomicExecuteOperator(
        task_id="inactive_job", object_name="{{ params.inactive_job }}", poll_interval=5, on_not_run="skip"
    )

    # Start in one task, wait in another: also for runs that a schedule or a person has started.
    start = AutomicExecuteOperator(task_id="start_workflow", object_name="{{ params.workflow }}", wait=False)
    AutomicExecutionSensor(
        task_id="wait_for_workflow",
        run_id=start.output,
        poke_interval=5,
        follow_restarts=True,
        fetch_reports="always",
    )

    # Mapped: one task instance an object. `queue` would be Airflow's own, hence `automic_queue`.
    AutomicExecuteOperator.partial(task_id="mapped", poll_interval=5, automic_queue="CLIENT_QUEUE").expand(
        object_name=["JOBS.EAST", "JOBS.WEST", "JOBS.NORTH"]
    )

with DAG(
    "example_automic_cancel",
    schedule=None,
    catchup=False,
    params={"workflow": Param("JOBP.FOREVER", type="string", description="a workflow that runs for long")},
    tags=["example", "automic"],
    doc_md="Clear or mark the task while it waits: the workflow is cancelled in Automic, and its tasks.",
) as cancel_dag:
    AutomicExecuteOperator(
        task_id="long_workflow",
        object_name="{{ params.workflow }}",
        poll_interval=5,
        timeout=timedelta(days=1),
    )
