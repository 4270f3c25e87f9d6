# SPDX-License-Identifier: Apache-2.0
"""Arguments that Airflow touches, and operators as DAG files make them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import fields
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.definitions.param import ParamsDict

import airflow_async_provider
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._jobs.arguments import query_of
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.sensors.async_job import AsyncJobSensor, job_of
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator

#: Operators that store a result.
STORING = {
    cls
    for folder in ("operators", "transfers")
    for module in pkgutil.iter_modules([f"{airflow_async_provider.__path__[0]}/{folder}"])
    for cls in vars(importlib.import_module(f"airflow_async_provider.{folder}.{module.name}")).values()
    if inspect.isclass(cls) and "destination" in getattr(cls, "template_fields", ())
}

HANDLE = JobHandle("jaggaer_aso", "abc", 1.0, "https://ees.example/s").to_dict()


class Marked(ParamsDict):
    """Params as Airflow hands them over, with the mark of where they come from; not so on 3.1."""

    def __init__(self, values: dict[str, Any], sources: dict[str, str] | None) -> None:
        super().__init__(values)
        self.sources = sources

    def get_param(self, key: str) -> Any:
        return SimpleNamespace() if self.sources is None else SimpleNamespace(source=self.sources[key])


class Dag:
    params = ParamsDict({"folder": "/tmp", "page": 1})


def test_no_params_are_no_query() -> None:
    assert query_of(None) == {}
    assert query_of({}) == {}


def test_a_plain_dictionary_is_the_task_s_own() -> None:
    assert query_of({"page": 1}, Dag) == {"page": 1}


def test_what_airflow_marks_as_the_dag_s_stays_here() -> None:
    params = Marked({"folder": "/tmp", "page": 1}, {"folder": "dag", "page": "task"})
    assert query_of(params, Dag) == {"page": 1}


def test_without_a_mark_what_equals_the_dag_s_is_the_dag_s() -> None:
    params = Marked({"folder": "/tmp", "page": 2, "q": "x"}, None)
    assert query_of(params, Dag) == {"page": 2, "q": "x"}
    assert query_of(params) == {"folder": "/tmp", "page": 2, "q": "x"}


# -- operators in a DAG


def a_dag(**options: Any) -> DAG:
    return DAG("d", schedule=None, **options)


@pytest.mark.parametrize("given", [{"page": 2, "filter": "{{ ds }}"}, {"folder": "own"}, None, {}])
def test_a_dag_s_params_never_reach_the_remote(given: dict[str, Any] | None) -> None:
    with a_dag(params={"folder": Param("/tmp", type="string"), "other": 1}):
        task = JaggaerAsoDownloadOperator(task_id="t", endpoint="e/async", destination="/x", params=given)
    assert task.query == (given or {})


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": -1}, "poll_interval"),
        ({"poll_interval": float("inf")}, "poll_interval"),
        ({"max_poll_interval": float("nan")}, "max_poll_interval"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": "1h"}, "timeout"),
        ({"linger": -1}, "linger"),
        ({"max_outage": 0}, "max_outage"),
    ],
)
def test_times_that_make_no_sense_are_reported_when_the_dag_is_parsed(
    wrong: dict[str, Any], about: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{about} must be "):
        JaggaerAsoDownloadOperator(task_id="t", endpoint="e/async", destination="/x", **wrong)


def test_times_may_be_timedeltas_and_the_longest_pause_follows_the_first() -> None:
    task = JaggaerAsoDownloadOperator(
        task_id="t",
        endpoint="e/async",
        destination="/x",
        poll_interval=timedelta(minutes=5),
        timeout=timedelta(days=2),
        linger=timedelta(seconds=3),
    )
    assert (task.poll_interval, task.max_poll_interval, task.timeout, task.linger) == (300, 300, 172800, 3)


OPERATORS = [
    (JaggaerAsoDownloadOperator, {"endpoint": "e/async", "destination": "/x"}),
    (JaggaerAsoSubmitOperator, {"endpoint": "e/async"}),
    (AsyncJobSensor, {"job": HANDLE}),
    (AsyncResultDownloadOperator, {"job": HANDLE, "destination": "/x"}),
]


@pytest.mark.parametrize(("cls", "arguments"), OPERATORS, ids=lambda v: getattr(v, "__name__", ""))
def test_template_fields_are_attributes(cls: Any, arguments: dict[str, Any]) -> None:
    task = cls(task_id="t", **arguments)
    assert "conn_id" in task.template_fields
    for name in task.template_fields:
        assert hasattr(task, name)


@pytest.mark.parametrize(("cls", "arguments"), OPERATORS, ids=lambda v: getattr(v, "__name__", ""))
def test_templates_are_rendered(cls: Any, arguments: dict[str, Any]) -> None:
    templated = {name: "{{ run_id }}" for name in arguments if name != "job"}
    with a_dag():
        task = cls(task_id="t", **{**arguments, **templated}, conn_id="c_{{ run_id }}")
    task.render_template_fields({"run_id": "r1", "dag": task.dag, "task": task})
    assert task.conn_id == "c_r1"
    for name in templated:
        assert getattr(task, name) == "r1"


@pytest.mark.parametrize(("cls", "arguments"), OPERATORS, ids=lambda v: getattr(v, "__name__", ""))
def test_every_operator_can_be_mapped(cls: Any, arguments: dict[str, Any]) -> None:
    (name, value), *rest = arguments.items()
    with a_dag():
        mapped = cls.partial(task_id="t", **dict(rest)).expand(**{name: [value, value]})
    one = mapped.unmap({name: value})
    assert isinstance(one, cls)
    assert getattr(one, name) == value


def test_params_can_be_mapped() -> None:
    with a_dag(params={"folder": "/tmp"}):
        mapped = JaggaerAsoSubmitOperator.partial(task_id="t", endpoint="e/async").expand(
            params=[{"page": 1}, {"page": 2}]
        )
    assert mapped.unmap({"params": {"page": 2}}).query == {"page": 2}


def test_a_dag_s_param_without_a_value_is_not_asked_for() -> None:
    with a_dag(params={"folder": Param(type="string")}):
        task = JaggaerAsoSubmitOperator(task_id="t", endpoint="e/async", params={"page": 1})
    assert task.query == {"page": 1}


@pytest.mark.parametrize(
    "job", [None, "{{ nothing }}", {}, {"job_id": "x"}, 7, {"protocol": "p", "job_id": "j", "version": 9}]
)
def test_what_is_no_job_is_said_to_be_none(job: Any) -> None:
    with pytest.raises(ConfigurationError, match="argument job"):
        job_of(job)


@pytest.mark.parametrize("cls", sorted(STORING, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_all_operators_that_store_a_result_have_the_same_arguments_for_it(cls: type) -> None:
    parameters = inspect.signature(cls).parameters
    assert {field.name: parameters[field.name].default for field in fields(StoreOptions)} == {
        field.name: field.default for field in fields(StoreOptions)
    }


def test_a_template_reaches_the_options_once_it_is_rendered() -> None:
    operator = AsyncResultDownloadOperator(task_id="t", job=HANDLE, destination="{{ ds }}", unpack="gzip")
    assert operator.store_options.unpack == "gzip"
    assert (operator.destination, operator.aws_conn_id) == ("{{ ds }}", "aws_default")
    assert JaggaerAsoDownloadOperator in STORING
