# SPDX-License-Identifier: Apache-2.0
"""What the page about the generic profiles says is true: its tests exist, no argument is missing."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.google import GoogleProtocol
from airflow_async_provider.protocols._http.location import LocationProtocol
from airflow_async_provider.protocols._http.odata import ODataProtocol
from airflow_async_provider.protocols._http.status_field import StatusFieldProtocol
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "http_async.md").read_text("utf-8")


@cache
def _tests_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_cell_of_the_table_is_a_test_that_exists() -> None:
    table = PAGE.split("| Rule |", 1)[1].split("\n\n", 1)[0]
    cells = set(re.findall(r"\| ([A-Z]\d+)(?= )", table))
    rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(rows) >= 20
    assert all(len(re.findall(r"\| ([A-Z]\d+)(?= )", row)) == 5 for row in rows)
    files = dict(re.findall(r"^\*\*([A-Z])\*\*: `([^`]+)`", PAGE, re.MULTILINE))
    named = dict(re.findall(r"^\* ([A-Z]\d+): `(test_\w+)`", PAGE, re.MULTILINE))
    assert cells == set(named)
    for cell, test in named.items():
        assert test in _tests_in(files[cell[0]]), f"{cell}: {test}"


@pytest.mark.parametrize("task", [HttpAsyncJobOperator, HttpAsyncJobSensor])
def test_every_argument_is_described(task: type) -> None:
    for name in inspect.signature(task.__init__).parameters:
        if name not in (
            "self",
            "kwargs",
            "callback",
            "callback_base_url",
            "callback_max_bytes",
            "safety_poll_interval",
        ):
            # these are described for all operators
            assert re.search(rf"^\| (`\w+`, )?`{name}`", PAGE, re.MULTILINE), name


def documented_options(profile: str) -> list[str]:
    """Options in the table below ``profile``:, and those of all profiles."""
    tables = PAGE.split("## Options of the profiles", 1)[1].split("\n## ", 1)[0]
    own = re.split(rf"^`{profile}`:\n", tables, maxsplit=1, flags=re.MULTILINE)
    parts = [tables.split("\n`", 1)[0], *(re.split(r"\n`\w+`:\n", part)[0] for part in own[1:])]
    cells = [line.split("|")[1] for part in parts for line in part.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize(
    "profile", [LocationProtocol, AzureProtocol, GoogleProtocol, ODataProtocol, StatusFieldProtocol]
)
def test_every_option_of_the_page_is_taken_and_no_other(profile: type) -> None:
    options = documented_options(profile.name.removeprefix("http_"))
    assert len(options) >= 6
    assert [option for option in options if not is_taken(profile, option)] == []
    assert not is_taken(profile, "nonsense")


def is_taken(profile: type, option: str) -> bool:
    """Whether a profile takes one of the values that options have: none, a flag, a text, a list, a choice."""
    for value in (None, True, "jobs/{job_id}", ["done"], "monitor", "delete"):
        with contextlib.suppress(ConfigurationError, TypeError):
            profile(**{option: value})
            return True
    return False


def test_the_json_of_the_page_is_json() -> None:
    import json

    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        json.loads(block)
