# SPDX-License-Identifier: Apache-2.0
"""Command lines of push sources and of the record of deliveries; imports nothing of Airflow."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from airflow_async_provider._cli.arguments import json_or_file, pair

Argument = tuple[tuple[str, ...], dict[str, Any]]

#: Seconds for which an address that was replaced stays good.
DEFAULT_GRACE = 86_400.0

MAX_LIMIT = 1000


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


_NAME: Argument = (("name",), {"help": "name of the source: small letters, digits, - and _"})
_BASE_URL: Argument = (
    ("--base-url",),
    {
        "default": "",
        "help": "where the sender reaches the API server; [async_provider] callback_base_url, then "
        "[api] base_url by default",
    },
)
_OUTPUT: Argument = (("--output",), {"choices": ["table", "json"], "default": "table", "help": "form"})
_KEY: Argument = (
    ("--key",),
    {"default": "", "help": "key of the signature: @FILE, or env:NAME, or the text"},
)


#: Command of ``push-sources`` -> help and arguments.
PUSH_SOURCES: dict[str, tuple[str, list[Argument]]] = {
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
}

DELIVERIES: tuple[str, list[Argument]] = (
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
)


def add_push_commands(commands: Any) -> None:
    """Add ``push-sources`` to a command line."""
    sources = commands.add_parser("push-sources", help="addresses that belong to assets")
    actions = sources.add_subparsers(dest="action", required=True)
    for name, (text, arguments) in {**PUSH_SOURCES, "deliveries": DELIVERIES}.items():
        _add(actions.add_parser(name, help=text), arguments)


def _add(parser: ArgumentParser, arguments: list[Argument]) -> None:
    for flags, settings in arguments:
        parser.add_argument(*flags, **settings)


def scheme(text: str) -> Any:
    """A form of signature from the command line: a name, or JSON."""
    return json_or_file(text) if text.startswith(("{", "@")) else text
