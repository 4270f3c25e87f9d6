# SPDX-License-Identifier: Apache-2.0
"""What users write becomes a description, or an error that names the nearest right word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.assembly import laid_over, layer, travelling
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol


@pytest.mark.parametrize(
    ("flat", "parts"),
    [
        ({"status_path": "j/{job_id}"}, {"poll": {"path": "j/{job_id}"}}),
        ({"poll_path": "a", "poll_method": "POST"}, {"poll": {"path": "a", "method": "POST"}}),
        ({"outcome_failed_if": ["a"]}, {"outcome": {"failed_if": ["a"]}}),
        ({"succeeded": ["ready"]}, {"outcome": {"succeeded": ["ready"]}}),
        ({"cancel_by": "delete"}, {"cancel": {"method": "DELETE", "path": "{status_url}"}}),
        ({"cancel_by": "PUT a/{job_id}"}, {"cancel": {"method": "PUT", "path": "a/{job_id}"}}),
        ({"cancel_by": None}, {"cancel": False}),
        ({"poll": "GET a/{job_id}"}, {"poll": {"method": "GET", "path": "a/{job_id}"}}),
        ({"not_found_means_running": True}, {"outcome": {"http": {"404": "running"}}}),
        (
            {"client_errors_are_final": True, "not_found_means_running": True},
            {"outcome": {"http": {"4xx": "failed", "404": "running"}}},
        ),
        ({"redirect_means_done": False}, {"outcome": {"redirect": "error"}}),
        ({"delete": False}, {"delete": False}),
    ],
)
def test_flat_and_in_parts_are_the_same(flat: dict[str, Any], parts: dict[str, Any]) -> None:
    assert layer(flat) == parts


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"staus_field": "x"}, "Did you mean 'status_field'"),
        ({"outcome": {"sucess": []}}, "Did you mean 'succeeded'"),
        ({"poll_pth": "x"}, "Did you mean 'path'"),
        ({"poll": "jobs/{jobid}"}, "Did you mean 'job_id'"),
        (
            {"poll": {"path": "a", "query": {"t": "{tokn}"}}, "start": {"keep": {"token": "t"}}},
            "Did you mean 'token'",
        ),
        ({"outcome": {"http": {"422": "fail"}}}, "Did you mean 'failed'"),
        ({"outcome": {"http": {"42": "failed"}}}, "not a status code"),
        ({"outcome": {"unknown": "panic"}}, "is one of"),
        ({"outcome": "x"}, "mapping"),
        ({"poll": 5}, "mapping, or one line"),
        ({"result": {"url": "a", "value": "b"}}, "neither"),
        ({"result": {"path": "a", "value": "b"}}, "exclude each other"),
        ({"result": {"pages": {"items": "a"}}}, "needs next"),
        ({"result": {"pages": {"offset": "a"}}}, "needs items"),
        ({"polling": {"interval": -1}}, "not negative"),
        ({"start": {"keep": {"a b": "x"}}}, "cannot be a name"),
        ({"start": {"done_on": ["done"]}}, "status codes"),
        ({"cancel": "jobs/{jobid}/cancel"}, "Did you mean 'job_id'"),
        ({"cancel": {"path": "jobs/{jobid}"}, "poll": "jobs/{job_id}"}, "Did you mean 'job_id'"),
        ({"headers": {"X": "{nothing}"}}, "nothing fills {nothing}"),
        ({"parameters": {"account": None}}, "needs a value for account"),
        ({"running": ["a"], "failed": ["A"]}, "two of the lists"),
        ({"status_field": object()}, "plain data"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest_right_word(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        HttpProfile(**options)


def test_what_a_layer_says_goes_before_what_lies_below() -> None:
    below = layer({"succeeded": ["a"], "cancel_by": "delete", "result_field": "x", "poll": "j/{job_id}"})
    above = layer(
        {"succeeded": ["b"], "cancel": "stop/{job_id}", "result_url_field": "u", "poll_headers": {"A": "b"}}
    )
    assert laid_over(below, above) == {
        "outcome": {"succeeded": ["b", "a"]},
        "cancel": {"path": "stop/{job_id}"},
        "result": {"url": "u"},
        "poll": {"path": "j/{job_id}", "headers": {"A": "b"}},
    }


def test_parameters_are_given_by_name_and_numbers_are_text() -> None:
    options = {"parameters": {"account": None, "version": "v2"}, "poll": "{version}/a/{account}/r/{job_id}"}
    made = HttpProfile(**options, account=7)
    assert made.description.parameters == {"account": "7", "version": "v2"}
    answer = HttpResponse(202, Headers(), b'{"id": "r"}', 0.0, "https://api.example/x")
    made = HttpProfile(start={"id": "id"}, **options, account=7)
    assert made.read_submit(answer).handle.status_url == "v2/a/7/r/r"


def test_a_handle_carries_no_body_of_the_start() -> None:
    whole = {
        "about": "x",
        "start": {"id": "a", "json": {"secret": 1}, "headers": {"A": "b"}},
        "poll": {"path": "p"},
    }
    assert travelling(whole) == {"start": {"id": "a"}, "poll": {"path": "p"}}


def test_what_native_templates_make_of_texts_is_taken_as_text() -> None:
    profile = StatusFieldProtocol(
        succeeded=[10], strict="true", poll={"path": "j/{job_id}", "query": {"v": 2}}
    )
    assert profile.description.outcome.succeeded == ("10",)
    assert profile.description.outcome.strict
    assert profile.description.poll.query == {"v": "2"}


def test_unrendered_templates_wait_for_airflow() -> None:
    StatusFieldProtocol(
        status_path="jobs/{{ params.kind }}/{job_id}",
        outcome={"unknown": "{{ var.value.u }}"},
        strict="{{ x }}",
    )


def test_options_are_json_and_rebuild_the_profile() -> None:
    made = HttpProfile(
        poll={"path": "j/{job_id}"}, succeeded=("ready",), polling={"interval": 3, "max_interval": 60}
    )
    assert HttpProfile(**json.loads(json.dumps(made.options()))) == made
    assert made.polling == {"poll_interval": 3.0, "max_poll_interval": 60.0}
    assert len({made, HttpProfile(poll={"path": "j/{job_id}"}), HttpProfile(**made.options())}) == 2
