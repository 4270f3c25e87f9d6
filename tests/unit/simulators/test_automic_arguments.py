# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated Automic."""

from __future__ import annotations

from argparse import ArgumentParser

from airflow_async_provider.simulators._automic_arguments import add_arguments, options
from airflow_async_provider.simulators.automic import AutomicSimulator


def test_all_options_reach_the_simulator() -> None:
    parser = ArgumentParser()
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--latency", type=float, default=0.0)
    add_arguments(parser)
    line = ["--run-seconds", "none", "--no-leading-wildcards", "--object", 'JOBS.X*={"status": 1800}']
    given = options(parser.parse_args(line))
    assert given["run_seconds"] is None
    assert given["leading_wildcards"] is False
    assert given["objects"] == {"JOBS.X*": {"status": 1800}}
    AutomicSimulator(**given)
