# SPDX-License-Identifier: Apache-2.0
"""What a start function is called with, and what its return value means."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators._submission import Callback, Submission, call_start, handle_of
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.protocols._remote_job import RemoteJobProtocol

ONE = Callback("https://a/t/secret", "https://a/t", "secret", "https://a/t/secret/confirm")
SUBMISSION = Submission("own-id", "key", _callback=ONE)
CONTEXT = {"ti": "ti", "run_id": "r"}


def test_its_parameters_are_filled_wherever_they_stand() -> None:
    def first(submission: Any, a: Any, b: Any = 2) -> Any:
        return submission, a, b

    def last(a: Any, *, ti: Any = None, submission: Any) -> Any:
        return submission, a, ti

    def none(a: Any) -> Any:
        return a

    def run_id_of_its_own(run_id: Any, submission: Any) -> Any:
        return run_id

    assert call_start(first, SUBMISSION, [1], {}, CONTEXT) == (SUBMISSION, 1, 2)
    assert call_start(first, SUBMISSION, [], {"a": 1, "b": 3}, CONTEXT) == (SUBMISSION, 1, 3)
    assert call_start(last, SUBMISSION, [1], {}, CONTEXT) == (SUBMISSION, 1, "ti")
    assert call_start(none, SUBMISSION, [1], {}, CONTEXT) == 1
    assert call_start(run_id_of_its_own, SUBMISSION, ["mine"], {}, CONTEXT) == "mine"
    assert call_start(run_id_of_its_own, SUBMISSION, [], {}, CONTEXT) == "r"


def test_arguments_that_do_not_fit_call_nothing() -> None:
    called: list[int] = []

    def start(a: Any) -> None:
        called.append(a)

    with pytest.raises(TypeError):
        call_start(start, SUBMISSION, [1, 2], {}, CONTEXT)
    assert called == []


@pytest.mark.parametrize(
    ("returned", "job_id", "kept"),
    [
        ("a", "a", {}),
        (7, "7", {}),
        (None, "own-id", {}),
        ("", "own-id", {}),
        ({"job_id": 7, "region": "eu", "n": [1]}, "7", {"region": "eu", "n": [1]}),
        ({"region": "eu"}, "own-id", {"region": "eu"}),
        (JobHandle("x", "h", 0.0, data={"kept": {"a": 1}}), "h", {"a": 1}),
    ],
)
def test_an_id_a_handle_or_nothing(returned: Any, job_id: str, kept: Any) -> None:
    handle = handle_of(returned, RemoteJobProtocol(), SUBMISSION)
    assert (handle.protocol, handle.job_id, handle.data.get("kept", {})) == ("remote_job", job_id, kept)
    assert handle.data["names"] == {"correlation_id": "own-id", "idempotency_key": "key"}
    assert JobHandle.from_dict(handle.to_dict()) == handle


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (True, "bool"),
        (object(), "object"),
        ([1], "list"),
        ({1: 2}, "dict"),
        ({"a": object()}, "not JSON"),
        ({"a": float("nan")}, "not JSON"),
        ({"a": "x" * 30_000}, "characters"),
        ({"url": ONE.url}, "secret"),
        ("secret", "secret"),
    ],
)
def test_anything_else_is_none_of_them(returned: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        handle_of(returned, RemoteJobProtocol(), SUBMISSION)


def test_a_submission_shows_no_secret() -> None:
    assert "secret" not in repr(SUBMISSION).replace("callback's secret", "")
    assert ONE.headers == {"Authorization": "Bearer secret"}
    with pytest.raises(RuntimeError, match="callback=False"):
        _ = Submission("a", "b").callback
    with pytest.raises(RuntimeError, match=r"submission\.callbacks"):
        _ = Submission("a", "b", {"x": ONE}).callback
