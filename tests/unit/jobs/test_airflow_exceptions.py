# SPDX-License-Identifier: Apache-2.0
"""Airflow's exceptions, wherever this Airflow has them."""

from __future__ import annotations

from airflow_async_provider._jobs import airflow_exceptions


def test_they_are_what_airflow_s_own_base_classes_raise() -> None:
    for name in airflow_exceptions.__all__:
        assert issubclass(getattr(airflow_exceptions, name), BaseException)
    assert airflow_exceptions.TaskDeferred.__module__.startswith("airflow.")
