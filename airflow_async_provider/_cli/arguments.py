# SPDX-License-Identifier: Apache-2.0
"""The command line, ``python -m airflow_async_provider try PROFILE ...`` and others; nothing of Airflow."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: seconds after which a job that still runs is left alone
DEFAULT_TIMEOUT = 600.0

#: Seconds for which an address that was replaced stays good.
DEFAULT_GRACE = 86_400.0

MAX_LIMIT = 1000


#: Flags and settings of each argument of a command.
Settings = list[tuple[tuple[str, ...], dict[str, Any]]]

#: Commands by name: what each does, and its arguments.
Commands = Mapping[str, tuple[str, Settings]]


def new_parser() -> ArgumentParser:
    """The command line of the package."""
    parser = ArgumentParser(
        prog="python -m airflow_async_provider", description="Remote jobs from a terminal."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add(commands, job_commands())
    sources = commands.add_parser("push-sources", help="addresses that belong to assets")
    _add(sources.add_subparsers(dest="action", required=True), PUSH_SOURCES)
    return parser


def _add(parsers: Any, commands: Commands) -> None:
    for name, (words, settings) in commands.items():
        parser = parsers.add_parser(name, help=words)
        for flags, given in settings:
            parser.add_argument(*flags, **given)


def _try_arguments() -> Settings:
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


def job_commands() -> Commands:
    """The commands about jobs; Airflow's own command line is made of them, too."""
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
        "try": ("Run a description against a live API and show how each answer is read", _try_arguments()),
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


def limit(text: str) -> int:
    """
    A number of rows.

    :raises ArgumentTypeError: it is none, or too many
    """
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise ArgumentTypeError(f"a number from 1 to {MAX_LIMIT} is expected")
    return int(text)


def secret(text: str) -> str:
    """
    A key that is not on the command line itself, where everybody on the machine can read it.

    :raises ArgumentTypeError: the file cannot be read, or there is no such variable
    """
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text(encoding="utf-8").strip()
        except OSError as e:
            raise ArgumentTypeError(f"{text[1:]}: {e.strerror}") from None
    if not text.startswith("env:"):
        return text
    if not (value := os.environ.get(text[4:], "")):
        raise ArgumentTypeError(f"there is no variable {text[4:]}")
    return value


def scheme(text: str) -> Any:
    """A form of signature from the command line: a name, or JSON."""
    return json_or_file(text) if text.startswith(("{", "@")) else text


_NAME = (("name",), {"help": "name of the source: small letters, digits, - and _"})
_BASE_URL = (
    ("--base-url",),
    {
        "default": "",
        "help": "where the sender reaches the API server; [async_provider] callback_base_url, then "
        "[api] base_url by default",
    },
)
_OUTPUT = (("--output",), {"choices": ["table", "json"], "default": "table", "help": "form"})
_KEY = (
    ("--key",),
    {"default": "", "help": "key of the signature: @FILE, or env:NAME, or the text"},
)


#: The commands of ``push-sources``.
PUSH_SOURCES: Commands = {
    "add": (
        "Make a push source and show its address, once",
        [
            _NAME,
            (
                ("--asset",),
                {
                    "action": "append",
                    "required": True,
                    "metavar": "NAME",
                    "help": "name or URI of the asset that gets the events, in which {body.…} and {header.…} "
                    "are filled in; may be repeated",
                },
            ),
            (
                ("--signature",),
                {
                    "default": "",
                    "help": "form of the signature: a name such as github, or a scheme as JSON (or @FILE)",
                },
            ),
            _KEY,
            (
                ("--when",),
                {
                    "action": "append",
                    "default": [],
                    "metavar": "CONDITION",
                    "help": "only deliveries for which one such condition holds, such as body.state==done",
                },
            ),
            (
                ("--payload",),
                {
                    "action": "append",
                    "default": [],
                    "type": pair,
                    "metavar": "FIELD=PATH",
                    "help": "field of the payload, such as id=body.data.id; the whole body by default",
                },
            ),
            (("--delivery-id",), {"default": "", "metavar": "PATH", "help": "where the sender's id stands"}),
            (("--team",), {"default": "", "help": "team that the events belong to (Airflow 3.3 and later)"}),
            (("--max-bytes",), {"type": int, "help": "largest body; 1 MiB by default"}),
            (("--per-minute",), {"type": int, "help": "deliveries a minute and API server process"}),
            _BASE_URL,
        ],
    ),
    "list": ("Show all push sources, without secrets", [_OUTPUT]),
    "check": ("Say what would keep deliveries of a source from starting a run", [_NAME]),
    "rotate": (
        "Give a source a new address, or a new key, and let the old one go after a while",
        [
            _NAME,
            _KEY,
            (
                ("--grace",),
                {
                    "type": float,
                    "default": DEFAULT_GRACE,
                    "help": "seconds for which the address before stays good; a day by default",
                },
            ),
            (("--drop-old-keys",), {"action": "store_true", "help": "only the newest key stays good"}),
            _BASE_URL,
        ],
    ),
    "remove": ("Delete a push source: its addresses are no longer good", [_NAME]),
    "deliveries": (
        "Show what came last for tasks, or for push sources: time, outcome, size, id",
        [
            (("--source",), {"help": "of this push source"}),
            (("--all-sources",), {"action": "store_true", "help": "of all push sources"}),
            (("--dag-id",), {"help": "of this DAG's tasks"}),
            (("--task-id",), {"help": "of this task"}),
            (("--run-id",), {"help": "of this run"}),
            (("--map-index",), {"type": int, "help": "of this index"}),
            (("--limit",), {"type": limit, "default": 20, "help": "number of rows, 20 by default"}),
            _OUTPUT,
        ],
    ),
}
