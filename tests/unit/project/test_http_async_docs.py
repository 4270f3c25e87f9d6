# SPDX-License-Identifier: Apache-2.0
"""What the page about the generic profiles says is true: its tests exist, no argument is missing."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import yaml

from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.protocols._http.assembly import SHORT
from airflow_async_provider.protocols._http.azure import AzureProtocol
from airflow_async_provider.protocols._http.description import (
    Cancel,
    Outcome,
    Pages,
    Poll,
    Polling,
    ResultPlace,
    Step,
)
from airflow_async_provider.sensors.http_async import HttpAsyncJobSensor
from tests.support.docs_pages import code_spans, prose, rows

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "http_async.md").read_text("utf-8")
RULES = (ROOT / "docs" / "profile_rules.md").read_text("utf-8")
COMMON = (ROOT / "docs" / "common_arguments.md").read_text("utf-8")
VOCABULARY = (ROOT / "docs" / "describing_an_api.md").read_text("utf-8")


PROFILES = ("location", "azure", "google", "odata", "status_field")


@cache
def _tests_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_cell_of_the_table_is_a_test_that_exists() -> None:
    table = RULES.split("| Rule |", 1)[1].split("\n\n", 1)[0]
    cells = set(re.findall(r"\| ([A-Z]\d+)(?= )", table))
    rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(rows) >= 20
    assert all(len(re.findall(r"\| ([A-Z]\d+)(?= )", row)) == 5 for row in rows)
    files = dict(re.findall(r"^\*\*([A-Z])\*\*: `([^`]+)`", RULES, re.MULTILINE))
    named = dict(re.findall(r"^\* ([A-Z]\d+): `(test_\w+)`", RULES, re.MULTILINE))
    assert cells == set(named)
    for cell, test in named.items():
        assert test in _tests_in(files[cell[0]]), f"{cell}: {test}"


@pytest.mark.parametrize("task", [HttpAsyncJobOperator, HttpAsyncJobSensor])
def test_every_argument_is_described(task: type) -> None:
    for name in inspect.signature(task.__init__).parameters:
        if name in ("self", "kwargs") or (f"| `{name}`" in COMMON):  # what all operators have stands there
            continue
        assert re.search(rf"^\| (`\w+`, )*`{name}`", PAGE, re.MULTILINE), name


@pytest.mark.parametrize("option", sorted({*SHORT, *AzureProtocol.own_options}))
def test_every_short_option_is_described(option: str) -> None:
    assert f"`{option}`" in PAGE.split("## Options of the profiles", 1)[1], option


@pytest.mark.parametrize("role", [Step, Poll, Outcome, ResultPlace, Pages, Cancel, Polling])
def test_every_key_of_a_description_is_described(role: type) -> None:
    for key in fields(role):
        name = key.metadata["name"] or key.name
        assert f"`{name}`" in VOCABULARY or f"`{name}`, " in VOCABULARY, f"{role.__name__}: {name}"


def test_the_json_of_the_page_is_json() -> None:
    import json

    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        json.loads(block)


def _options_of(page: str) -> list[tuple[str, dict[str, object]]]:
    """What the tables of a page have their reader write, with the profile where a row names one."""
    found = []
    for _, cells in rows(prose(ROOT / "docs" / page)):
        profile = next((name for name in PROFILES if f"`{name}`" in cells[-1]), "status_field")
        for span in code_spans(cells[-1]):
            # With a space after the colon: a word, or "read this": a list of places.
            read = yaml.safe_load(span) if ": " in span else None
            if isinstance(read, dict) and "…" not in span:
                found.append((profile, read))
    return found


@pytest.mark.parametrize("page", ["which_description.md", "several_files.md"])
def test_options_in_the_tables_of_a_page_are_understood(page: str) -> None:
    options = _options_of(page)
    assert len(options) >= 4
    for number, (profile, said) in enumerate(options):
        own: dict[str, object] = {"status_path": "jobs/{job_id}"} if profile == "status_field" else {}
        if "result" in said:  # names belong to URLs
            own["result_url_field"] = "files[*].url"
        HttpAsyncJobOperator(
            task_id=f"t{number}", endpoint="jobs", profile=profile, profile_options={**own, **said}
        )
