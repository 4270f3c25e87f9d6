# SPDX-License-Identifier: Apache-2.0
"""``airflow push-sources`` has the commands and arguments of the package's own command line."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser

from airflow_async_provider._cli.push_arguments import PUSH_SOURCES, add_push_commands
from airflow_async_provider.provider_info import get_provider_info


def test_airflow_finds_the_commands_where_the_provider_says() -> None:
    (path,) = (path for path in get_provider_info()["cli"] if "push" in path)
    module, _, name = path.rpartition(".")
    (group,) = getattr(importlib.import_module(module), name)()
    assert group.name == "push-sources"
    commands = {command.name: command for command in group.subcommands}
    assert set(commands) == {*PUSH_SOURCES, "deliveries"}
    line = ["orders", "--asset", "a", "--per-minute", "5"]
    parser, own = ArgumentParser(), ArgumentParser()
    for argument in commands["add"].args:
        argument.add_to_parser(parser)
    add_push_commands(own.add_subparsers(dest="command"))
    expected = vars(own.parse_args(["push-sources", "add", *line]))
    assert vars(parser.parse_args(line)) == {
        k: v for k, v in expected.items() if k not in ("command", "action")
    }
    assert all(callable(command.func) for command in commands.values())
