# SPDX-License-Identifier: Apache-2.0
"""What the name of a field says by its words."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols._http.denying_names import (
    Kind,
    kind_of_count,
    kind_of_name,
    names_a_state,
    names_counts,
    names_parts,
    names_state_of_part,
    tells_of_failures,
    tells_of_the_end,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("import_error", Kind.ERROR),
        ("exportErrorMessage", Kind.ERROR),
        ("chunks_cancelled", Kind.COUNT),
        ("cancelledCount", Kind.COUNT),
        ("failed_count", Kind.COUNT),
        # of something else
        ("error_report", None),
        ("cancelled_by", None),
        ("cancelled_orders", None),
        ("cancelled_at", None),
        ("last_import_error", None),
        ("max_errors", None),
        ("", None),
    ],
)
def test_errors_and_counts(name: str, kind: Kind | None) -> None:
    assert kind_of_name(name) is kind


def test_things_of_any_name_that_have_failed() -> None:
    assert kind_of_count("failedTickets", holds=False) is Kind.COUNT
    assert kind_of_count("bulkErrors", holds=True) is Kind.ERROR
    assert kind_of_count("maxFailedTasks", holds=False) is None


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("failureDumpAvailable", True),
        ("containsErrors", True),
        ("has_failed_rows", True),
        ("partial_failure", True),
        ("no_errors", False),
        ("fail_on_error", False),
        ("retry_failed", False),
        ("available", False),
    ],
)
def test_a_boolean_may_tell_of_failures(name: str, tells: bool) -> None:
    assert tells_of_failures(name) is tells


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("is_execution_finished", True),
        ("jobCompleted", True),
        ("finished", True),
        ("archive_finished", False),
        ("is_execution", False),
    ],
)
def test_a_boolean_may_tell_of_the_end(name: str, tells: bool) -> None:
    assert tells_of_the_end(name) is tells


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tasks", True),
        ("sub_jobs", True),
        ("childTasks", True),
        ("results", False),
        ("nestedResults", False),
        ("rows", None),
        ("searchResults", None),
        ("previous_jobs", None),
        ("", None),
    ],
)
def test_a_list_may_hold_the_parts_of_a_job(name: str, parts: bool | None) -> None:
    assert names_parts(name) is parts


def test_an_object_may_hold_counts() -> None:
    assert all(names_counts(n) for n in ("stats", "completionStats", "job_summary", "request_counts"))
    assert not any(names_counts(n) for n in ("last_stats", "statsUrl", "account", ""))


def test_states() -> None:
    assert all(
        names_a_state(n) for n in ("status_label", "responseStatus", "disposition", "sub_request_status")
    )
    assert not any(names_a_state(n) for n in ("lastStatus", "content-disposition", "order_status"))
    assert all(
        names_state_of_part(n) for n in ("status", "transaction_status", "ingestionStatus", "delivery")
    )
    assert not any(names_state_of_part(n) for n in ("order_status", "last_status", "name"))
