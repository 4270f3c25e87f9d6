# SPDX-License-Identifier: Apache-2.0
"""The command line of the generic simulator."""

from __future__ import annotations

from argparse import ArgumentParser

from airflow_async_provider.simulators._http_arguments import add_arguments, options
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator


def test_all_options_reach_the_simulator() -> None:
    parser = ArgumentParser()
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--latency", type=float, default=0.0)
    add_arguments(parser)
    given = options(parser.parse_args(["--no-credentials", "--plan", 'google={"outcome": "failed"}']))
    assert given["login"] is None
    assert given["plans"] == {"google": {"outcome": "failed"}}
    HttpAsyncSimulator(**given)
