# SPDX-License-Identifier: Apache-2.0
"""An answer that says that it is a page of several is not taken for all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._http.incomplete import whole
from airflow_async_provider.protocols._http.places import Answer, Place
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol

MONITOR = "https://api.example/jobs/7"
HANDLE = JobHandle("http_status_field", "7", 0.0, MONITOR)


def answer(body: Any, **headers: str) -> HttpResponse:
    return HttpResponse(200, Headers(headers), json.dumps(body).encode(), 1000.0, MONITOR)


def poll(options: dict[str, Any], body: Any, **headers: str) -> JobStatus:
    return StatusFieldProtocol(**options).read_status(HANDLE, answer(body, **headers))


ANNOUNCED = [
    ({"next_page_token": "abc"}, "next_page_token"),
    ({"nextToken": "abc"}, "nextToken"),
    ({"NextToken": "abc"}, "NextToken"),
    ({"@odata.nextLink": "https://x/2"}, "@odata.nextLink"),
    ({"nextPage": 2}, "nextPage"),
    ({"hasMore": True}, "hasMore"),
    ({"has_more": True}, "has_more"),
    ({"exportTruncated": True}, "exportTruncated"),
    ({"next": "/rows?page=2"}, "next"),
    ({"next": {"href": "https://x/2"}}, "next"),
    ({"links": {"next": "https://x/2", "prev": None}}, "links.next"),
    ({"_links": {"next": {"href": "/2"}}}, "_links.next"),
    ({"links": [{"rel": "self", "href": "/1"}, {"rel": "next", "href": "/2"}]}, "links"),
    ({"paging": {"next": {"after": "3"}}}, "paging.next"),
    ({"pageInfo": {"hasNextPage": True}}, "pageInfo.hasNextPage"),
    ({"response_metadata": {"next_cursor": "c"}}, "response_metadata.next_cursor"),
]
LAST = [
    {},
    {"next_page_token": None, "nextToken": "", "hasMore": False, "truncated": False},
    {"next": None, "links": {"next": None, "self": "/1"}, "pageInfo": {"hasNextPage": False}},
    {"links": [{"rel": "self", "href": "/1"}], "nextPage": 0, "next_page_token": "null"},
    # of other things
    {"next": "validate", "next_run": "2026-01-01", "nextSteps": ["x"], "more": "text"},
]


@pytest.mark.parametrize(("beside", "named"), ANNOUNCED)
def test_a_further_page_is_announced(beside: dict[str, Any], named: str) -> None:
    for document, place in (
        ({"items": [], **beside}, "items[*].status"),
        ({"d": {"items": [], **beside}}, "d.items"),
    ):
        with pytest.raises(DescriptionError, match="further rows follow") as e:
            whole(
                Answer(answer(document)), Place.parse(place, "x"), job="job 7", what="rows", unless="Say so."
            )
        assert repr(named) in str(e.value)


@pytest.mark.parametrize("beside", LAST)
def test_nothing_announces_a_further_page(beside: dict[str, Any]) -> None:
    whole(Answer(answer({"items": [], **beside})), Place.parse("items", "x"), job="j", what="rows", unless="")


def test_the_header_link_announces_one_and_a_token_inside_of_an_element_does_not() -> None:
    place = Place.parse("items[*].a", "x")
    body = {"items": [{"nextToken": "x", "a": 1}], "other": {"nextToken": "x"}}
    whole(Answer(answer(body, Link='<https://x/1>; rel="prev"')), place, job="j", what="rows", unless="")
    linked = Answer(answer(body, Link='<https://x/1>; rel="prev", <https://x/2>; rel="next"'))
    with pytest.raises(DescriptionError, match="the header Link"):
        whole(linked, place, job="j", what="rows", unless="")


def test_states_of_one_page_are_not_the_state() -> None:
    body = {"items": [{"status": "success"}], "next_page_token": "abc"}
    with pytest.raises(DescriptionError, match=r"further states follow.*outcome\.whole: true"):
        poll({"status_field": "items[*].status"}, body)
    taken = poll({"status_field": "items[*].status", "outcome": {"whole": True}}, body)
    assert taken.state is JobState.SUCCEEDED
    assert poll({"status_field": "items[0].status"}, body).state is JobState.SUCCEEDED, (
        "one state is not a list"
    )


@pytest.mark.parametrize(
    "result", [{"value": "rows"}, {"url": "rows[*].u"}, {"path": "files/{rows[*].u}"}, {"value": "d.rows"}]
)
def test_a_page_is_not_the_result(result: dict[str, Any]) -> None:
    rows = {"rows": [{"u": "https://x/1"}], "nextToken": "t"}
    body = {"status": "done", "d": rows, **rows}
    with pytest.raises(DescriptionError, match=r"further parts of the result.*result\.whole: true"):
        poll({"result": result}, body)
    assert poll({"result": {**result, "whole": True}}, body).state is JobState.SUCCEEDED
    assert (
        poll({"result": result}, {**body, "nextToken": None, "d": {"rows": [1]}}).state is JobState.SUCCEEDED
    )


def test_a_second_document_may_be_a_page_too() -> None:
    profile = StatusFieldProtocol(result={"from": "GET jobs/{job_id}/rows"})
    with pytest.raises(DescriptionError, match="further parts of the result"):
        profile.read_result(HANDLE, answer({"rows": [1], "has_more": True}))
    assert profile.read_result(HANDLE, answer({"rows": [1], "has_more": False})).value == {
        "rows": [1],
        "has_more": False,
    }


def test_an_answer_that_is_its_own_result_may_have_links() -> None:
    taken = poll({"result": {"value": "$"}}, {"status": "done", "links": {"next": "/jobs/8"}})
    assert taken.state is JobState.SUCCEEDED


@pytest.mark.parametrize("said", [{"delivery": "failed"}, {"status": "FAILED"}, {"success": False}])
def test_a_file_that_says_that_it_has_failed_is_no_file(said: dict[str, Any]) -> None:
    good = {"location": "https://x/1", "delivery": "success", "status": "ok", "error": "a column"}
    options = {"result": {"url": "_links.results[*].location"}}
    assert poll(options, {"status": "done", "_links": {"results": [good, good]}}).result is not None
    body = {"status": "done", "_links": {"results": [good, {**good, **said}]}}
    with pytest.raises(DescriptionError, match=r"1 of 2 files say .*outcome\.partial: succeeded"):
        poll(options, body)
    assert poll({**options, "outcome": {"partial": "succeeded"}}, body).result is not None


@pytest.mark.parametrize(
    "body", [{"items": [{"rows": [1]}]}, {"items": None}, {"items": "x"}, {"other": 1}, []]
)
def test_where_the_place_is_not_there_nothing_is_incomplete(body: Any) -> None:
    whole(Answer(answer(body)), Place.parse("items.rows[*].id", "x"), job="j", what="rows", unless="")
