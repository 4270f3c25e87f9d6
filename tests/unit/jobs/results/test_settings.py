# SPDX-License-Identifier: Apache-2.0
"""Where a task's result goes, and who stores it, once its templates are rendered."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator


def aso(**given: Any) -> JaggaerAsoDownloadOperator:
    return JaggaerAsoDownloadOperator(task_id="t", endpoint="x/async", destination="{{ target }}", **given)


def test_what_was_rendered_counts_and_not_what_stands_in_the_dag() -> None:
    task = aso(aws_conn_id="{{ conn }}", max_result_bytes=7)
    task.destination, task.aws_conn_id, task.s3_extra_args = "s3://b/k", "data", {"ACL": "private"}
    settings = task.store_settings()
    assert settings == StoreSettings(
        destination="s3://b/k",
        options=StoreOptions(aws_conn_id="data", s3_extra_args={"ACL": "private"}, max_result_bytes=7),
        store_from=None,
    )


def test_what_was_rendered_to_nonsense_is_refused() -> None:
    task = aso()
    task.object_storage_options = "token"  # type: ignore[assignment]  # what a template may become
    with pytest.raises(ConfigurationError, match="object_storage_options"):
        task.store_settings()


def test_a_task_without_a_result_has_none() -> None:
    assert JaggaerAsoSubmitOperator(task_id="t", endpoint="x/async").store_settings() is None


@pytest.mark.parametrize(
    ("store_from", "below", "may"),
    [("worker", 900, False), ("triggerer", 0, True), (None, 900, True), (None, 0, False)],
)
def test_who_stores(store_from: Any, below: int, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_BELOW", str(below))
    settings = StoreSettings(destination="s3://b/k", options=StoreOptions(), store_from=store_from)
    assert settings.triggerer_may_store is may
