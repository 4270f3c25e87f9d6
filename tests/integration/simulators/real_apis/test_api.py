# SPDX-License-Identifier: Apache-2.0
"""What every simulated real API does: credentials, refusals in its own form, the journal, ways of ending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import APIS, RealApisSimulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[RealApisSimulator]:
    with running(RealApisSimulator(polls=1)) as simulator:
        yield simulator


def ask(simulator: RealApisSimulator, api: str, method: str, path: str, **options: Any) -> requests.Response:
    headers = {**simulator.credentials(api), **options.pop("headers", {})}
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method,
            simulator.base_url(api) + path,
            headers=headers,
            timeout=10,
            allow_redirects=False,
            **options,
        )


def export(simulator: RealApisSimulator, **options: Any) -> str:
    return str(
        ask(simulator, "sendgrid", "POST", "/v3/marketing/contacts/exports", json={}, **options).json()["id"]
    )


def status(simulator: RealApisSimulator, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = ask(
        simulator, "sendgrid", "GET", f"/v3/marketing/contacts/exports/{job_id}"
    ).json()
    return answer


def test_there_are_some_forty_and_each_is_reached_by_its_name() -> None:
    assert len(APIS) >= 39
    assert all(known.name == name for name, known in APIS.items())


@pytest.mark.parametrize("api", sorted(APIS))
def test_nobody_comes_in_without_credentials(simulator: RealApisSimulator, api: str) -> None:
    answer = ask(simulator, api, "DELETE", "/nothing/here", headers={"Authorization": ""})
    told = answer.json() if "json" in answer.headers["Content-Type"] else answer.text
    assert answer.status_code == 401 or "601" in str(told)
    assert "credentials are missing" in str(told)


@pytest.mark.parametrize("api", sorted(APIS))
def test_every_api_tells_in_its_own_form_that_a_path_is_unknown(
    simulator: RealApisSimulator, api: str
) -> None:
    answer = ask(simulator, api, "DELETE", "/nothing/here")
    assert answer.status_code == 404 or "1029" in answer.text
    assert "nothing at /nothing/here" in answer.text


def test_a_wrong_method_is_reported_with_the_right_ones(simulator: RealApisSimulator) -> None:
    answer = ask(simulator, "sendgrid", "PUT", "/v3/marketing/contacts/exports")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_a_missing_field_is_refused(simulator: RealApisSimulator) -> None:
    answer = ask(simulator, "compute", "POST", "/compute/v1/projects/p/zones/z/instances", json={})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Field name is missing")


def test_a_body_that_makes_no_sense_is_refused_and_breaks_nothing(simulator: RealApisSimulator) -> None:
    answer = ask(simulator, "facebook", "GET", "/v21.0/nobody/insights?after=x")
    assert answer.status_code == 400
    answer = ask(simulator, "prefect", "POST", "/api/flow_runs/x/set_state", json={"state": "CANCELLING"})
    assert answer.status_code == 422


def test_a_required_header_is_asked_for(simulator: RealApisSimulator) -> None:
    answer = ask(simulator, "anthropic", "GET", "/v1/messages/batches/x", headers={"anthropic-version": ""})
    assert (answer.status_code, "anthropic-version" in answer.text) == (400, True)


def test_a_job_ends_as_the_header_or_else_the_script_says(simulator: RealApisSimulator) -> None:
    simulator.script("sendgrid", "fail")
    by_header, by_script, good = (
        export(simulator, headers={"X-Outcome": "fail"}),
        export(simulator),
        export(simulator),
    )
    words = []
    for job_id in (by_header, by_script, good):
        status(simulator, job_id)
        words.append(status(simulator, job_id)["status"])
    assert words == ["failure", "failure", "ready"]


def test_an_outcome_that_an_api_does_not_have_is_an_error(simulator: RealApisSimulator) -> None:
    with pytest.raises(ValueError, match="known are"):
        simulator.script("sendgrid", "explode")
    with pytest.raises(LookupError, match="unknown API"):
        simulator.script("sendgird", "fail")


def test_the_journal_knows_kinds_and_starts_but_no_token(simulator: RealApisSimulator) -> None:
    simulator.reset()
    status(simulator, export(simulator))
    journal = simulator.journal
    assert (journal.jobs_started, journal.submits, journal.polls) == (1, 1, 1)
    assert "secret-token" not in str([entry.to_dict() for entry in journal.entries()])


def test_a_fault_strikes_the_kind_it_is_meant_for(simulator: RealApisSimulator) -> None:
    job_id = export(simulator)
    simulator.faults.add("status", "http_status", status=503)
    path = f"/v3/marketing/contacts/exports/{job_id}"
    assert [ask(simulator, "sendgrid", "GET", path).status_code for _ in range(2)] == [503, 200]


def test_control_routes_end_a_job_and_list_it(simulator: RealApisSimulator) -> None:
    job_id = export(simulator)
    with requests.Session() as session:
        session.trust_env = False
        body = {"api": "sendgrid", "outcome": "fail"}
        assert session.post(f"{simulator.url}/_sim/actions/finish_job", json=body, timeout=10).ok
        listed = session.get(f"{simulator.url}/_sim", timeout=10).json()["apis"]["sendgrid"]
    assert listed["jobs"][-1] == {"id": job_id, "outcome": "fail", "share": 1.0, "stopped": False}
    assert status(simulator, job_id)["status"] == "failure"


def test_issued_tokens_end() -> None:
    with running(RealApisSimulator(polls=0, token_seconds=60.0)) as simulator:
        simulator.apis["fhir"].tokens["issued-1"] = simulator.clock.now() + 60.0
        path, headers = "/status/nobody", {"Authorization": "Bearer issued-1"}
        assert ask(simulator, "fhir", "GET", path, headers=headers).status_code == 404
        simulator.clock.advance(61.0)
        assert ask(simulator, "fhir", "GET", path, headers=headers).status_code == 401
