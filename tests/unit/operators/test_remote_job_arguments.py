# SPDX-License-Identifier: Apache-2.0
"""Arguments of RemoteJobOperator, once they are checked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators._remote_job_arguments import (
    asked_page,
    check_heartbeat,
    described,
    parties_of,
)


@pytest.mark.parametrize(
    ("callbacks", "wait_for", "found"),
    [
        (None, "all", ((), 0)),
        (2, "all", (("1", "2"), 2)),
        (["a", "b", "c"], "any", (("a", "b", "c"), 1)),
        (("a", "b", "c"), 2, (("a", "b", "c"), 2)),
    ],
)
def test_parties(callbacks: Any, wait_for: Any, found: Any) -> None:
    assert parties_of(callbacks, wait_for) == found


@pytest.mark.parametrize(
    "wrong", [(2, 0), (2, 3), (2, "both"), (2, True), (0, "all"), ("ab", "all"), ([""], "all")]
)
def test_parties_that_cannot_be(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        parties_of(*wrong)


def test_a_request_that_only_cancels_polls_nothing() -> None:
    found = described(None, None, "DELETE jobs/{job_id}")
    assert found is not None
    assert found["polls"] is False
    assert described(None, None, print) is None
    assert described(None, None, False) is None
    assert described("airflow_dag_run", {"dag_id": "d"}, None)["name"] == "http_api"  # type: ignore[index] # there is one


def test_heartbeats() -> None:
    assert check_heartbeat(timedelta(minutes=1), callback=True) == 60.0
    assert check_heartbeat(None, callback=False) is None
    with pytest.raises(ConfigurationError, match="at least 10"):
        check_heartbeat(9, callback=True)


def test_a_question_alone_has_two_answers() -> None:
    assert asked_page("Is it so?") == {
        "subject": "Is it so?",
        "body": "",
        "options": {"Confirm": "succeeded", "Decline": "failed"},
    }
    assert asked_page(None) is None
