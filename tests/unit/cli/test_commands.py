# SPDX-License-Identifier: Apache-2.0
"""``airflow remote-jobs try`` has the arguments of ``python -m airflow_async_provider try``."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser, Namespace

from airflow_async_provider._cli import commands
from airflow_async_provider._cli.arguments import build_parser
from airflow_async_provider.provider_info import get_provider_info


def test_airflow_finds_the_command_where_the_provider_says() -> None:
    (path,) = get_provider_info()["cli"]
    module, _, name = path.rpartition(".")
    (group,) = getattr(importlib.import_module(module), name)()
    assert (group.name, [command.name for command in group.subcommands]) == ("remote-jobs", ["try"])


def test_it_takes_the_same_arguments() -> None:
    (group,) = commands.remote_jobs()
    (command,) = group.subcommands
    parser = ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    line = ["sendgrid_contacts", "--conn-id", "c", "--option", "a=1", "--json", "{}", "--cancel-after", "2"]
    expected = vars(build_parser().parse_args(["try", *line]))
    assert vars(parser.parse_args(line)) == {k: v for k, v in expected.items() if k != "command"}
    assert callable(command.func)
    assert isinstance(parser.parse_args(line), Namespace)
