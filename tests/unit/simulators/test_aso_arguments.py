# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated ASO."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

import pytest

from airflow_async_provider.simulators._aso_arguments import (
    add_arguments,
    int_or_none,
    options,
    plan,
    seconds_or_none,
)
from airflow_async_provider.simulators.aso import AsoSimulator


def test_all_options_reach_the_simulator() -> None:
    parser = ArgumentParser()
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--latency", type=float, default=0.0)
    add_arguments(parser)
    line = ["--processing-seconds", "none", "--outcome", "failed", "--plan", 'apiBids={"result_bytes": 3}']
    given = options(parser.parse_args(line))
    assert (given["processing_seconds"], given["outcome"]) == (None, "failed")
    assert given["plans"] == {"apiBids": {"result_bytes": 3}}
    AsoSimulator(**given)


def test_none_is_a_word_for_numbers_that_may_be_missing() -> None:
    assert seconds_or_none("None") is None
    assert seconds_or_none("1.5") == 1.5
    assert int_or_none("none") is None
    assert int_or_none("7") == 7


@pytest.mark.parametrize("text", ["apiBids", "apiBids=", "apiBids=[1]", "apiBids={x}"])
def test_a_plan_that_is_none(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="ENDPOINT"):
        plan(text)
