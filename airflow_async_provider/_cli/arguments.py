# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m airflow_async_provider try PROFILE ...``, ``list``, ``show`` and others."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

#: seconds after which a job that still runs is left alone
DEFAULT_TIMEOUT = 600.0


def build_parser() -> ArgumentParser:
    """The command line of ``try``."""
    return new_parser()[0]


def new_parser() -> tuple[ArgumentParser, Any]:
    """The command line of the package with ``try``, and what further commands are added to."""
    parser = ArgumentParser(
        prog="python -m airflow_async_provider", description="Remote jobs from a terminal."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add_try_arguments(
        commands.add_parser(
            "try", help="run a description against a live API and show how each answer is read"
        )
    )
    for name, (words, settings) in job_commands().items():
        sub = commands.add_parser(name, help=words)
        for flags, given in settings:
            sub.add_argument(*flags, **given)
    return parser, commands


def add_try_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``try``."""
    for flags, settings in try_arguments():
        parser.add_argument(*flags, **settings)


def try_arguments() -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Flags and settings of each argument of ``try``; Airflow's own command line is made of them, too."""
    named = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    wait = f"seconds after which a running job is left alone, {DEFAULT_TIMEOUT:g} by default"
    return [
        (("profile",), {"help": "name of a profile, path of a YAML file, or a description as JSON"}),
        (("--conn-id",), {"default": "http_default", "help": "Airflow connection, http_default by default"}),
        (("--connection",), {"help": "the connection itself, as AIRFLOW_CONN_... takes it: JSON or a URI"}),
        (("--endpoint",), {"default": "", "help": "path of the start, where the description has none"}),
        (("--method",), {"default": "", "help": "method of the start, where the description has none"}),
        (("--json",), {"type": json_or_file, "help": "JSON body of the start, or @FILE"}),
        (("--data",), {"type": bytes_or_file, "help": "raw body of the start, or @FILE"}),
        (("--param",), {**named, "type": pair, "help": "query parameter of the start"}),
        (("--header",), {**named, "type": pair, "help": "header of the start"}),
        (
            ("--option",),
            {**named, "type": option, "help": "one of profile_options, JSON or text"},
        ),
        (("--pause",), {"type": float, "help": "seconds between two polls; Retry-After goes before"}),
        (("--timeout",), {"type": float, "default": DEFAULT_TIMEOUT, "help": wait}),
        (
            ("--cancel-after",),
            {"type": int, "metavar": "POLLS", "help": "cancel after so many polls"},
        ),
        (("--excerpt",), {"type": int, "default": 600, "help": "characters of each answer to show"}),
    ]


Settings = list[tuple[tuple[str, ...], dict[str, Any]]]


def job_commands() -> dict[str, tuple[str, Settings]]:
    """The commands about waiting jobs, by name: what each does, flags and settings of its arguments."""
    where: Settings = [
        (
            ("--url",),
            {"help": "address of Airflow's API server; else ASYNC_PROVIDER_API_URL, [api] base_url"},
        ),
        (("--user",), {"help": "user to sign in as; a token in ASYNC_PROVIDER_API_TOKEN goes before"}),
        (("--output",), {"choices": ("table", "json"), "default": "table", "help": "table by default"}),
    ]
    task: Settings = [
        (("dag_id",), {"help": "DAG of the waiting task"}),
        (("run_id",), {"help": "its run"}),
        (("task_id",), {"help": "its task"}),
        (("--map-index",), {"type": int, "default": -1, "help": "of a mapped task"}),
    ]
    only = ("late", "near", "failing", "callback")
    chosen: Settings = [
        (("--dag-id",), {"help": "only of this DAG"}),
        (("--run-id",), {"help": "only of this run"}),
        (("--task-id",), {"help": "only of this task"}),
        (("--system",), {"help": "only of this remote system"}),
        (("--search",), {"help": "words in task, run, label, remote id, status or connection"}),
        (("--only",), {"choices": only, "help": "past or near the deadline, failing, callback expected"}),
        (
            ("--sort",),
            {"default": "deadline", "help": "column, -column for the other way; deadline by default"},
        ),
        (("--limit",), {"type": int, "default": 1000, "help": "so many at most, 1000 by default"}),
    ]
    sure: Settings = [(("--yes",), {"action": "store_true", "help": "do not ask"})]
    value: Settings = [(("--value",), {"type": json_or_file, "help": "the result: JSON, or @FILE"})]
    came: Settings = [
        *chosen[:3],
        (("--map-index",), {"type": int, "help": "only of this index"}),
        (("--source",), {"help": "of this push source, instead of tasks"}),
        (("--all-sources",), {"action": "store_true", "help": "of all push sources, instead of tasks"}),
        (("--limit",), {"type": int, "default": 20, "help": "number of rows, 20 by default, 200 at most"}),
    ]
    body: Settings = [
        (
            ("--party",),
            {"type": int, "default": -1, "help": "which of several, from 0; else the first"},
        ),
        (("--json",), {"type": json_or_file, "help": "JSON body, or @FILE; none by default"}),
        (("--data",), {"type": bytes_or_file, "help": "raw body, or @FILE"}),
        (("--header",), {"action": "append", "default": [], "type": pair, "metavar": "NAME=VALUE"}),
    ]
    one: Settings = [(("number",), {"type": int, "help": "of the delivery, as deliveries shows it"})]
    return {
        "list": ("List waiting remote jobs", [*chosen, *where]),
        "show": ("Show one waiting remote job, its timeline and its deliveries", [*task, *where]),
        "poll": ("Poll a job now", [*task, *where]),
        "cancel": ("Cancel a job at the remote system", [*task, *sure, *where]),
        "complete": (
            "Go on as if the callback had said that the job succeeded",
            [*task, *value, *sure, *where],
        ),
        "deliveries": ("Show the last deliveries: time, outcome, size, id", [*came, *where]),
        "test-delivery": (
            "Send a test to a waiting task or a push source, and show what it would have done",
            [*came[:5], *body, *where],
        ),
        "replay": ("Replay a delivery to its task, or make the events of a source's again", [*one, *where]),
    }


def json_or_file(text: str) -> Any:
    """
    A JSON value, or that of ``@FILE``.

    :raises ArgumentTypeError: it is not JSON
    """
    try:
        return json.loads(bytes_or_file(text))
    except ValueError as e:
        raise ArgumentTypeError(f"this is not JSON: {e}") from None


def bytes_or_file(text: str) -> bytes:
    """
    Text, or the content of ``@FILE``.

    :raises ArgumentTypeError: the file cannot be read
    """
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as e:
        raise ArgumentTypeError(f"{text[1:]}: {e.strerror}") from None


def pair(text: str) -> tuple[str, str]:
    """
    Read ``NAME=VALUE``.

    :raises ArgumentTypeError: it is something else
    """
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise ArgumentTypeError("expected NAME=VALUE")
    return name, value


def option(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``, where the value is JSON if it can be."""
    name, value = pair(text)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
