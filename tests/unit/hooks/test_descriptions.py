# SPDX-License-Identifier: Apache-2.0
"""Profiles by name, file, dictionary and class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._descriptions import class_of, profile_of, shipped
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile

DESCRIPTION: dict[str, Any] = {
    "parameters": {"account": None},
    "start": {"id": "id"},
    "poll": "a/{account}/{job_id}",
    "outcome": {"state": "state", "succeeded": ["ready"]},
}


def test_a_convention_a_dictionary_and_a_class() -> None:
    assert type(profile_of("location")) is LocationProtocol
    made = profile_of(DESCRIPTION, {"account": 7, "succeeded": ["well"]})
    assert isinstance(made, HttpProfile)
    assert made.description.parameters == {"account": "7"}
    assert made.description.outcome.succeeded == ("well", "ready")
    own = f"{LocationProtocol.__module__}.LocationProtocol"
    by_path = profile_of(own, {"cancel_by": "delete"})
    assert isinstance(by_path, LocationProtocol)
    assert by_path.description == LocationProtocol(cancel_by="delete").description
    assert class_of("google").__name__ == "GoogleProtocol"


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "exports.yaml"
    file.write_text(
        "start: {id: id}\npoll: GET v3/{job_id}\noutcome: {http: {422: failed}, succeeded: [ready]}\n"
    )
    made = profile_of(str(file))
    assert isinstance(made, HttpProfile)
    assert made.description.outcome.succeeded == ("ready",)
    file.write_text("start: {id: id}\npoll: GET v4/{job_id}\noutcome: {succeeded: [ready, done2]}\n")
    assert profile_of(str(file)) != made


def test_a_description_that_extends_others(tmp_path: Path) -> None:
    below = tmp_path / "below.yml"
    below.write_text("extends: azure\nfinal_state_via: monitor\nsucceeded: [one]\ncancel: stop\n")
    made = profile_of({"extends": str(below), "succeeded": ["two"], "cancel": "DELETE {status_url}"})
    assert isinstance(made, AzureProtocol)
    assert made.final_state_via == "monitor"
    assert made.description.outcome.succeeded == ("two", "one")
    assert [c.method for c in made.description.cancel] == ["DELETE"]
    assert type(made)(**made.options()) == made


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("locaton", "Did you mean 'location'"),
        ("/nowhere/x.yaml", "cannot be read"),
        ("", "is not a profile"),
        (5, "is not a profile"),
        ("no.such.Class", "cannot be imported"),
        ({"outcom": {}}, "Did you mean 'outcome'"),
        (DESCRIPTION, "needs a value for account"),
        ({"extends": "locaton"}, "Did you mean 'location'"),
    ],
)
def test_a_profile_that_is_none(profile: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        profile_of(profile)


@pytest.mark.parametrize("text", ["- a", "a: [", "\xff", "just text"])
def test_a_file_that_is_no_description(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"x\.yaml"):
        profile_of(str(file))


def test_files_that_extend_each_other_are_reported(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(f"extends: {two}\n")
    two.write_text(f"extends: {one}\n")
    with pytest.raises(ConfigurationError, match="extends itself"):
        profile_of(str(one))


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_description_can_be_read(name: str) -> None:
    try:
        profile_of(name)
    except ConfigurationError as e:
        assert "needs a value for" in str(e)  # noqa: PT017 - what it needs is the task's to give


OPENAI = {"status": "completed", "output_file_id": "f"}
ANTHROPIC = {"processing_status": "ended", "results_url": "/r"}


@pytest.mark.parametrize(
    ("name", "outcome", "body", "state"),
    [
        ("salesforce_ingest", {}, {"state": "JobComplete", "numberRecordsFailed": 0}, "succeeded"),
        ("salesforce_ingest", {}, {"state": "JobComplete", "numberRecordsFailed": 2}, "failed"),
        (
            "salesforce_ingest",
            {"failed_if": None, "partial": "succeeded"},
            {"state": "JobComplete", "numberRecordsFailed": 2},
            "succeeded",
        ),
        ("elasticsearch_task", {}, {"completed": True, "response": {"failures": [{"id": 1}]}}, "failed"),
        ("elasticsearch_task", {}, {"completed": True, "response": {"failures": []}}, "succeeded"),
        ("openai_batch", {}, {**OPENAI, "request_counts": {"completed": 1, "failed": 1}}, "succeeded"),
        ("openai_batch", {}, {**OPENAI, "request_counts": {"completed": 0, "failed": 1}}, "failed"),
        ("anthropic_batch", {}, {**ANTHROPIC, "request_counts": {"succeeded": 1, "errored": 1}}, "succeeded"),
        (
            "anthropic_batch",
            {"partial": "failed"},
            {**ANTHROPIC, "request_counts": {"succeeded": 1, "errored": 1}},
            "failed",
        ),
    ],
)
def test_shipped_descriptions_say_what_a_job_is_of_which_a_part_has_failed(
    name: str, outcome: dict[str, Any], body: Any, state: str
) -> None:
    profile = profile_of(name, {"outcome": outcome})
    assert isinstance(profile, HttpProfile)
    url = "https://api.example/jobs/7"
    handle = JobHandle(profile.registered_name, "7", 0.0, url)
    answer = HttpResponse(200, Headers(), json.dumps(body).encode(), 1.0, url)
    assert profile.read_status(handle, answer).state.value == state
