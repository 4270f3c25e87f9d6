# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated SAP Open Connectors."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

import pytest

from airflow_async_provider.simulators._open_connectors_arguments import add_arguments, options, plan
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator


def test_all_options_reach_the_simulator() -> None:
    parser = ArgumentParser()
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--latency", type=float, default=0.0)
    add_arguments(parser)
    OpenConnectorsSimulator(**options(parser.parse_args(["--outcome", "failed", "--policy", "queue"])))


def test_a_plan_is_an_object() -> None:
    assert plan('{"records": 3}') == {"records": 3}
    with pytest.raises(ArgumentTypeError):
        plan("[1]")
