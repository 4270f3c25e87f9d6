# SPDX-License-Identifier: Apache-2.0
"""Who stores a result: what the argument takes, and what the trigger is given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._jobs.results.store_from import store_arguments, stored_by_triggerer
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator

S3 = "s3://bucket/key"


def aso(destination: str = S3, **given: Any) -> JaggaerAsoDownloadOperator:
    return JaggaerAsoDownloadOperator(task_id="t", endpoint="x/async", destination=destination, **given)


def http(**given: Any) -> HttpAsyncJobOperator:
    return HttpAsyncJobOperator(task_id="t", endpoint="jobs", **given)


def given_to_trigger(task: Any, *, callback: bool = False) -> dict[str, Any]:
    settings = task.store_settings()
    return {} if settings is None else store_arguments(task, settings, callback=callback)


@pytest.mark.parametrize("destination", [S3, "gs://conn@bucket/key", "/shared/a/b", "{{ target }}"])
def test_it_may_be_the_triggerer(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", "/elsewhere, /shared/")
    assert aso(destination, store_from="triggerer").store_from == "triggerer"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: aso(store_from="scheduler"), "must be None"),
        (lambda: aso("/tmp/x", store_from="triggerer"), "triggerer_paths"),
        (lambda: aso("/shared/../tmp/x", store_from="triggerer"), "triggerer_paths"),
        (lambda: aso("local:///shared/x", store_from="triggerer"), "one machine"),
        (lambda: aso("/sharedtoo/x", store_from="triggerer"), "triggerer_paths"),
        (lambda: aso("s3://bucket/prefix/", store_from="triggerer"), "several files"),
        (lambda: aso(store_from="triggerer", deferrable=False), "deferrable"),
        (
            lambda: aso("gs://b/k", store_from="triggerer", object_storage_options={"token": "x"}),
            "credentials",
        ),
        (lambda: aso(store_from="triggerer", s3_extra_args={"SSECustomerKey": "x" * 32}), "customer's key"),
        (lambda: http(store_from="triggerer"), "no destination"),
        (lambda: http(store_from="triggerer", destination=S3, result="handle"), "no destination"),
        (
            lambda: http(store_from="triggerer", destination=S3, callback=True, callback_field="url"),
            "callback",
        ),
    ],
)
def test_what_cannot_be_fails_where_the_dag_is_parsed(
    make: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_PATHS", "/shared")
    with pytest.raises(ConfigurationError, match=why):
        make()


def test_what_the_trigger_is_given() -> None:
    made = aso(
        store_from="triggerer",
        if_exists="fail",
        max_result_seconds=None,
        s3_extra_args={"Tagging": {"team": "data"}},
    )
    given = given_to_trigger(made)
    options = {
        "if_exists": "fail",
        "max_result_seconds": None,
        "s3_extra_args": {"Tagging": {"team": "data"}},
    }
    assert given == {"store": {"destination": S3, "options": options, "below": None}}
    assert json.loads(json.dumps(given)) == given


@pytest.mark.parametrize(("below", "given"), [("900", 900.0), ("0", None)])
def test_by_itself_it_is_a_matter_of_the_url_s_life(
    below: str, given: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_BELOW", below)
    found = given_to_trigger(aso())
    assert found.get("store", {}).get("below") == given


class OwnEnd(JaggaerAsoDownloadOperator):
    def process_result(self, run: Any, status: Any) -> Any:
        return None


@pytest.mark.parametrize(
    "make",
    [
        lambda: aso("/tmp/x"),
        lambda: aso("s3://bucket/prefix/"),
        lambda: aso(store_from="worker"),
        lambda: aso("gs://b/k", object_storage_options={"token": "x"}),
        lambda: OwnEnd(task_id="t", endpoint="x/async", destination=S3),
        lambda: OwnEnd(task_id="t", endpoint="x/async", destination=S3, store_from="triggerer"),
        lambda: http(),
        lambda: http(destination=S3, result="handle"),
    ],
)
def test_everything_else_is_a_worker_s(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_BELOW", "900")
    assert given_to_trigger(make()) == {}


def test_a_callback_resumes_the_task_on_a_worker() -> None:
    assert given_to_trigger(aso(store_from="triggerer"), callback=True) == {}


def test_no_threads_no_storing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__TRIGGERER_STORE_THREADS", "0")
    assert given_to_trigger(aso(store_from="triggerer")) == {}


@pytest.mark.parametrize(
    "event",
    [{}, {"stored": None}, {"stored": "x"}, {"stored": {"uri": "s3://bucket/another", "fingerprint": None}}],
)
def test_an_event_that_tells_of_nothing_here(event: dict[str, Any]) -> None:
    task = aso()
    assert stored_by_triggerer(task.store_settings(), event, task.log) is None
