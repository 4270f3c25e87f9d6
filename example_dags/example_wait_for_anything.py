# SPDX-License-Identifier: Apache-2.0
"""
Five jobs that nothing in this package knows, each started by a few lines and waited for without a worker.

A shell script on another machine, an AWS Lambda, a GitHub Actions workflow, a person who gets a mail, and an
Airflow in another company. Where they are is in the connections and in the run's parameters; where they call
back is ``[async_provider] callback_base_url``, or ``[api] base_url``.
"""

from __future__ import annotations

import json
import shlex
import smtplib
import subprocess
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from airflow_async_provider.operators.remote_job import RemoteJobOperator, Submission

#: Goes on by itself when the connection that brought it is closed. Its curl reads the address from its own
#: standard input, so that no list of processes shows it.
SCRIPT = """
work() {
  tell -d state=running -d progress=0.5
  if result=$(date +%Y); then tell -d state=succeeded -d result=$result; else tell -d state=failed; fi
}
tell() { printf 'url = "%s"' "$CALLBACK" | curl --silent --show-error --retry 5 "$@" --config -; }
work > work.log 2>&1 < /dev/null &
echo $!
"""


def params() -> dict[str, Any]:
    """The run's parameters."""
    return dict(get_current_context()["params"])


with DAG(
    "example_wait_for_anything",
    schedule=None,
    catchup=False,
    params={
        "shell": Param(["ssh", "-T", "batch@build.example.com"], type="array"),
        "lambda_conn_id": Param("aws_default", type="string"),
        "repository": Param("example/reports", type="string"),
        "mail_server": Param("localhost:25", type="string"),
        "mail_to": Param("treasury@example.com", type="string"),
    },
    tags=["example", "remote_job"],
    default_args={"timeout": timedelta(hours=6)},
    doc_md=__doc__,
) as dag:

    @task.remote_job(heartbeat_timeout=timedelta(minutes=10))
    def shell_script(submission: Submission) -> str:
        """One curl at the end says how it went, and one in between that it is alive."""
        begin = f"CALLBACK={shlex.quote(submission.callback.url)}\n"
        started = subprocess.run(  # noqa: S603 - whoever may edit the run's parameters may run this
            [*params()["shell"], "sh", "-s"], input=begin + SCRIPT, text=True, capture_output=True, check=True
        )
        return started.stdout.strip()

    @task.remote_job
    def aws_lambda(year: int, submission: Submission) -> None:
        """Asynchronous invocation; docs/examples/lambda_function.py is the function."""
        from airflow.providers.amazon.aws.hooks.lambda_function import LambdaHook

        event = {
            "year": year,
            "callback": submission.callback.address,
            "headers": submission.callback.headers,
        }
        LambdaHook(aws_conn_id=params()["lambda_conn_id"]).conn.invoke(
            FunctionName="report", InvocationType="Event", Payload=json.dumps(event).encode()
        )

    @task.remote_job(
        callback_mapping={
            "succeeded_if": ["job.status==success"],
            "failed_if": ["job.status==failure"],
            "cancelled_if": ["job.status==cancelled"],
            "message": "job.url",
            "result": "job.url",
        }
    )
    def github_workflow(submission: Submission) -> None:
        """``repository_dispatch`` out, a callback in: the last step of docs/examples/workflow.yml."""
        from airflow.providers.http.hooks.http import HttpHook

        HttpHook(method="POST", http_conn_id="github_default").run(
            f"repos/{params()['repository']}/dispatches",
            json={"event_type": "report", "client_payload": {"callback": submission.callback.url}},
        )

    @task.remote_job(
        callbacks=["treasury", "accounting"],
        wait_for="any",
        confirm={
            "subject": "Release the payment run?",
            "body": "{{ dag.dag_id }}, run {{ run_id }}.",
            "options": {"Release": "succeeded", "Hold back": "failed"},
        },
    )
    def person(submission: Submission) -> None:
        """One of two persons follows the link in a mail and presses a button on the page behind it."""
        host, _, port = params()["mail_server"].partition(":")
        with smtplib.SMTP(host, int(port or 25), timeout=30) as server:
            for name, callback in submission.callbacks.items():
                mail = EmailMessage()
                mail["From"], mail["To"] = "airflow@example.com", params()["mail_to"]
                mail["Subject"] = f"A payment run waits for {name}"
                mail.set_content(f"Please look at it and decide:\n\n{callback.confirm_url}\n")
                server.send_message(mail)

    def trigger_partner(submission: Submission) -> str:
        """Start a DAG run in another company's Airflow, which is given the address to call in ``conf``."""
        from airflow.providers.http.hooks.http import HttpHook

        run_id = f"for_us__{submission.correlation_id}"  # a second run of that id is refused: one submission
        HttpHook(method="POST", http_conn_id="partner_airflow").run(
            "api/v2/dags/deliver/dagRuns",
            json={
                "dag_run_id": run_id,
                "logical_date": None,
                "conf": {"callback": submission.callback.url},
            },
        )
        return run_id

    # Its callback resumes this task; in case it is lost, the triggerer asks the other Airflow.
    RemoteJobOperator(
        task_id="partner_airflow",
        start=trigger_partner,
        conn_id="partner_airflow",
        profile={
            "poll": "GET api/v2/dags/deliver/dagRuns/{job_id}",
            "outcome": {"state": "state", "running": ["queued", "running"], "succeeded": ["success"]},
            "cancel": {
                "method": "PATCH",
                "path": "api/v2/dags/deliver/dagRuns/{job_id}",
                "json": {"state": "failed"},
            },
        },
        callback_mapping={
            "succeeded_if": ["state==success"],
            "failed_if": ["state==failed"],
            "result": "delivered",
        },
    )

    shell_script()
    github_workflow()
    person()
    # One job for each year, each with an address of its own.
    aws_lambda.expand(year=[2024, 2025])
