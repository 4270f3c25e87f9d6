# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_async_provider.simulators``: its command line, and what the docs say of it."""

from __future__ import annotations

import inspect
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from airflow_async_provider.simulators.__main__ import SIMULATORS, build_parser, listener_port, load
from airflow_async_provider.simulators._aso_jobs import ENDPOINTS
from airflow_async_provider.simulators._faults import KINDS
from airflow_async_provider.simulators.aso import AsoSimulator


@pytest.mark.parametrize("name", SIMULATORS)
def test_every_simulator_can_be_made_from_its_command_line(name: str) -> None:
    arguments = build_parser().parse_args([name, "--time-scale", "10"])
    simulator = load(name).from_arguments(arguments)
    assert isinstance(simulator, load(name))
    assert simulator.clock.scale == 10


def test_ports_of_listeners() -> None:
    assert listener_port("results=8100") == ("results", 8100)
    for text in ("results", "=8100", "results=x"):
        with pytest.raises(ArgumentTypeError):
            listener_port(text)


def test_the_documentation_names_every_option_fault_and_action() -> None:
    page = (Path(__file__).parents[3] / "docs" / "simulators.md").read_text()
    simulator = AsoSimulator()
    words = {f"`{name}`" for name in (*simulator.actions(), *KINDS, *simulator.faults.routes)}
    words |= {parameter for parameters in KINDS.values() for parameter in parameters}
    words |= {f"`{name}`" for name in SIMULATORS}
    words |= set(inspect.signature(AsoSimulator.__init__).parameters) - {"self", "options"}
    words |= {f"`{endpoint}`" for _, _, _, endpoint in ENDPOINTS}
    commands = next(action for action in build_parser()._actions if action.dest == "simulator")
    words |= {option for option in commands.choices["aso"]._option_string_actions if option.startswith("--")}
    assert sorted(word for word in words - {"--help"} if word not in page) == []
