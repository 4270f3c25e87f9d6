# SPDX-License-Identifier: Apache-2.0
"""What is sent to Automic."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._automic.requests import (
    MAX_ALIAS,
    client_number,
    correlated_alias,
    is_marked,
    list_params,
    run_number,
)


def test_an_alias_shows_the_name_and_carries_the_mark() -> None:
    alias = correlated_alias("jobs.näch t", "dag/run/task")
    assert alias.startswith("JOBS.N_CH_T#AF-")
    assert is_marked(alias)
    assert alias == correlated_alias("jobs.näch t", "dag/run/task") != correlated_alias("jobs.näch t", "x")
    assert len(correlated_alias("A" * 500, "x")) == MAX_ALIAS
    assert not is_marked("JOBS.A")


@pytest.mark.parametrize("client", ["", "x", "12345", "-1", "1.5"])
def test_what_is_no_client(client: str) -> None:
    with pytest.raises(ConfigurationError, match="no Automic client"):
        client_number(client)


@pytest.mark.parametrize("run_id", ["", "0", "x", True, "-7"])
def test_what_is_no_run(run_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a RunID"):
        run_number(run_id)


def test_filters_are_checked_before_they_are_sent() -> None:
    assert list_params({"run_id": 7, "name": "JOBS.*"})["name"] == "JOBS.*"
    with pytest.raises(ConfigurationError):
        list_params({"nonsense": 1})
