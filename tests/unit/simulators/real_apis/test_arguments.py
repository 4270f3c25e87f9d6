# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulator of real APIs."""

from __future__ import annotations

from airflow_async_provider.simulators.__main__ import build_parser, load
from airflow_async_provider.simulators.real_apis import RealApisSimulator


def test_every_option_reaches_the_simulator() -> None:
    line = [
        "real-apis",
        "--processing-seconds",
        "none",
        "--polls",
        "0",
        "--outcome",
        "fail",
        "--retry-after",
        "7",
    ]
    arguments = build_parser().parse_args(
        [*line, "--token-seconds", "9", "--time-scale", "2", "--latency", "0.5"]
    )
    simulator = load("real-apis").from_arguments(arguments)
    assert isinstance(simulator, RealApisSimulator)
    assert (simulator.retry_after, simulator.token_seconds, simulator.latency) == (7, 9.0, 0.5)
    job = simulator.new_job(simulator.apis["sendgrid"], "j", "", {})
    assert (job.bad, job.outcome) == (True, "fail")


def test_a_job_takes_five_seconds_where_nothing_is_said() -> None:
    simulator = load("real-apis").from_arguments(build_parser().parse_args(["real-apis"]))
    assert isinstance(simulator, RealApisSimulator)
    job = simulator.new_job(simulator.apis["sendgrid"], "j", "", {})
    assert job.share < 1
    simulator.clock.advance(5.1)
    assert job.good
