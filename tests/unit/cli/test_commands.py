# SPDX-License-Identifier: Apache-2.0
"""``airflow remote-jobs`` and ``push-sources`` have the commands and arguments of the package's own line."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser

import pytest

from airflow_async_provider._cli import commands
from airflow_async_provider._cli.arguments import new_parser
from airflow_async_provider.provider_info import get_provider_info

NAMES = ["try", "list", "show", "poll", "cancel", "complete", "deliveries", "test-delivery", "replay"]


def test_airflow_finds_the_commands_where_the_provider_says() -> None:
    path = get_provider_info()["cli"][0]
    module, _, name = path.rpartition(".")
    (group,) = getattr(importlib.import_module(module), name)()
    assert (group.name, [command.name for command in group.subcommands]) == ("remote-jobs", NAMES)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "try",
            ["sendgrid_contacts", "--conn-id", "c", "--option", "a=1", "--json", "{}", "--cancel-after", "2"],
        ),
        ("list", ["--only", "late", "--search", "x", "--output", "json", "--limit", "7"]),
        ("show", ["d", "r", "t", "--map-index", "3"]),
        ("poll", ["d", "r", "t", "--url", "https://airflow.example.com"]),
        ("cancel", ["d", "r", "t", "--yes", "--user", "ada"]),
        ("complete", ["d", "r", "t", "--value", '{"rows": 3}']),
        ("deliveries", ["--dag-id", "d", "--source", "orders", "--limit", "5"]),
        ("test-delivery", ["--source", "orders", "--json", "{}", "--header", "a=b"]),
        ("replay", ["7", "--output", "json"]),
    ],
)
def test_they_take_the_same_arguments(name: str, line: list[str]) -> None:
    (group,) = commands.remote_jobs()
    command = next(c for c in group.subcommands if c.name == name)
    parser = ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    expected = vars(new_parser().parse_args([name, *line]))
    assert vars(parser.parse_args(line)) == {k: v for k, v in expected.items() if k != "command"}
    assert callable(command.func)


def test_airflow_finds_those_of_push_sources_where_the_provider_says() -> None:
    (path,) = (path for path in get_provider_info()["cli"] if "push" in path)
    module, _, name = path.rpartition(".")
    (group,) = getattr(importlib.import_module(module), name)()
    assert group.name == "push-sources"
    commands = {command.name: command for command in group.subcommands}
    assert set(commands) == {"add", "list", "check", "rotate", "remove", "deliveries"}
    line = ["orders", "--asset", "a", "--per-minute", "5"]
    parser = ArgumentParser()
    for argument in commands["add"].args:
        argument.add_to_parser(parser)
    expected = vars(new_parser().parse_args(["push-sources", "add", *line]))
    assert vars(parser.parse_args(line)) == {
        k: v for k, v in expected.items() if k not in ("command", "action")
    }
    assert all(callable(command.func) for command in commands.values())
