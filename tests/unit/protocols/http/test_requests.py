# SPDX-License-Identifier: Apache-2.0
"""From a request of a description to one that can be sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.protocols._http.profile import HttpProfile

HANDLE = JobHandle(
    "http_api", "7", 0.0, "https://api.example/m?api-version=1", data={"kept": {"region": "eu"}}
)


def poll(handle: JobHandle = HANDLE, **options: Any) -> Any:
    return HttpProfile(start={"keep": {"region": "r"}}, **options).status(handle)


def test_what_the_remote_has_put_into_its_address_stays() -> None:
    request = poll(query={"api-version": "2", "tenant": "t"})
    assert (request.url, request.params) == (HANDLE.status_url, {"tenant": "t"})


def test_a_form_and_a_raw_body() -> None:
    request = poll(poll={"method": "POST", "form": {"id": "{job_id}", "r": "{region}"}})
    assert (request.body, request.headers) == (
        b"id=7&r=eu",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    raw = poll(
        poll={"method": "POST", "text": "<get id='{job_id}'/>", "headers": {"Content-Type": "text/xml"}}
    )
    assert (raw.body, raw.headers) == (b"<get id='7'/>", {"Content-Type": "text/xml"})


def test_a_number_stays_one_in_json_alone() -> None:
    handle = JobHandle("http_api", "7", 0.0, "m", data={"id_number": True})
    request = poll(handle, poll={"method": "POST", "json": {"id": "{job_id}", "name": "job-{job_id}"}})
    assert request.json == {"id": 7, "name": "job-7"}


def test_a_value_that_is_not_there_is_reported() -> None:
    handle = JobHandle("http_api", "7", 0.0, "m")
    with pytest.raises(DescriptionError, match=r"no value for \{region\}"):
        poll(handle, poll={"query": {"r": "{region}"}})


@pytest.mark.parametrize("job_id", ['7") { id } deleteAll(id: "8', "7</id><id>8", "7\\", "7\n8"])
def test_an_id_is_no_instruction_in_the_text_around_it(job_id: str) -> None:
    handle = JobHandle("http_api", job_id, 0.0, "m")
    for request in (
        {"json": {"query": 'mutation { stop(id: "{job_id}") }'}},
        {"text": "<stop><id>{job_id}</id></stop>"},
    ):
        with pytest.raises(DescriptionError, match="cannot stand inside a text of the body"):
            poll(handle, poll={"method": "POST", **request})
    # Alone it is a value like any other, and a field of a form is encoded.
    assert poll(handle, poll={"method": "POST", "json": {"id": "{job_id}"}}).json == {"id": job_id}
    assert b"&" not in poll(handle, poll={"method": "POST", "form": {"id": "{job_id}"}}).body


def test_a_value_ends_no_header() -> None:
    handle = JobHandle("http_api", "7", 0.0, "m", data={"kept": {"region": "eu\r\nX-Admin: 1"}})
    with pytest.raises(DescriptionError, match="cannot stand in the header X-Region"):
        poll(handle, poll={"headers": {"X-Region": "{region}"}})
