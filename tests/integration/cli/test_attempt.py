# SPDX-License-Identifier: Apache-2.0
"""A description is tried against a live API: what is told, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_async_provider.__main__ import main
from airflow_async_provider._cli import attempt
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import RealApisSimulator

Try = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RealApisSimulator]:
    with running(RealApisSimulator(polls=1, retry_after=None)) as simulator:
        yield simulator


@pytest.fixture
def tried(simulator: RealApisSimulator, capsys: pytest.CaptureFixture[str]) -> Try:
    """Run ``try`` against one API; exit code and lines."""

    def run(profile: str, api: str, *line: str, outcome: str = "", **options: Any) -> tuple[int, list[str]]:
        simulator.reset()
        simulator.script(api, outcome)
        connection = json.dumps(simulator.airflow_connection(api))
        given = [f"--option={name}={json.dumps(value)}" for name, value in options.items()]
        code = main(["try", profile, "--connection", connection, "--pause", "0", *line, *given])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_each_request_each_answer_and_how_it_was_read(tried: Try, simulator: RealApisSimulator) -> None:
    code, lines = tried("sendgrid_contacts", "sendgrid", "--json", '{"file_type": "csv"}')
    base = simulator.base_url("sendgrid")
    assert code == attempt.SUCCEEDED
    assert lines[:2] == [f"> POST {base}/v3/marketing/contacts/exports", '>   {"file_type": "csv"}']
    assert any(line.startswith("< HTTP 202") for line in lines)
    (job,) = [line.split()[2].rstrip(",") for line in lines if line.startswith("= job ")]
    assert f"= job {job}, asked at {base}/v3/marketing/contacts/exports/{job}" in lines
    assert [line for line in lines if line.startswith(("= running", "= succeeded"))] == [
        "= running (pending)",
        "= succeeded (ready)",
    ]
    assert "= result: 3 files" in lines
    assert any(line.endswith(f"/{job}/2.csv without credentials") for line in lines)


def test_nothing_secret_is_reported(tried: Try) -> None:
    told = "\n".join(tried("sendgrid_contacts", "sendgrid", "--json", "{}")[1])
    assert "secret-token" not in told
    assert "X-Amz-Signature" not in told


def test_a_failure_is_reported_with_its_reason(tried: Try) -> None:
    code, lines = tried("auth0_users_export", "auth0", "--json", '{"format": "csv"}', outcome="fail")
    assert (code, lines[-1]) == (attempt.ENDED_OTHERWISE, "= failed (failed)")
    code, lines = tried("sendgrid_contacts", "sendgrid", "--json", "{}", outcome="fail")
    assert lines[-1] == "= failed (failure): The export could not be written"


def test_a_word_in_no_list_is_reported(tried: Try) -> None:
    code, lines = tried(
        "status_field",
        "sendgrid",
        "--json={}",
        "--endpoint=v3/marketing/contacts/exports",
        "--method=POST",
        "--timeout=0.5",
        status_path="v3/marketing/contacts/exports/{job_id}",
        status_field="status",
    )
    assert code == attempt.STILL_RUNNING
    assert any("'ready' is in none of the lists of words" in line for line in lines)
    assert "still running after 0.5 seconds" in lines[-1]


def test_a_wrong_path_is_an_error_that_names_what_was_seen(tried: Try) -> None:
    code, lines = tried("sendgrid_contacts", "sendgrid", "--json", "{}", outcome_state="state")
    assert code == attempt.NOT_RECOGNISED
    assert lines[-1].startswith("= error: ")
    assert "status: 'pending'" in lines[-1]


def test_cancellations_are_tried_and_a_refusal_is_reported(tried: Try) -> None:
    line = ["--json", "{}", "--cancel-after", "0"]
    code, lines = tried("prefect_flow_run", "prefect", *line, deployment_id="d")
    assert (code, lines[-1]) == (attempt.ENDED_OTHERWISE, "= cancelled (CANCELLED)")
    assert any(line.startswith("= cancellation accepted: HTTP 201") for line in lines)
    line[-1] = "1"
    code, lines = tried("prefect_flow_run", "prefect", *line, deployment_id="d")
    assert code == attempt.SUCCEEDED
    assert any(line.startswith("= cancellation refused: HTTP 200") for line in lines)


def test_a_monitor_that_moves_is_reported(tried: Try) -> None:
    code, lines = tried("jenkins_build", "jenkins", job="x")
    assert code == attempt.SUCCEEDED
    assert any(line.startswith("= asked from now on at ") and "/job/x/" in line for line in lines)


def test_a_description_may_be_given_as_json(tried: Try) -> None:
    description = {
        "start": {"path": "v1/jobs", "id": "jobId"},
        "poll": "v1/jobs/{job_id}",
        "outcome": {"state": "status"},
    }
    body = '{"connectionId": "c", "jobType": "sync"}'
    assert tried(json.dumps(description), "airbyte", "--json", body)[0] == attempt.SUCCEEDED
    code, lines = tried('{"start": ', "airbyte")
    assert code == attempt.NOT_RECOGNISED
    assert lines[0].startswith("= error: The description is not JSON")


def test_a_profile_that_there_is_not_is_reported_with_the_nearest(tried: Try) -> None:
    code, lines = tried("sendgrid_contact", "sendgrid")
    assert (code, "Did you mean 'sendgrid_contacts'?" in lines[0]) == (attempt.NOT_RECOGNISED, True)
