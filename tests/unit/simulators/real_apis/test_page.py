# SPDX-License-Identifier: Apache-2.0
"""The page docs/real_apis.md, the shipped descriptions and the rows that are tested are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_async_provider.simulators.real_apis import APIS
from tests.support.described import rows_by_group
from tests.support.stand_ins import Row

ROOT = Path(__file__).parents[4]
DESCRIPTIONS = {path.stem for path in (ROOT / "airflow_async_provider/hooks/apis").glob("*.yaml")}
GROUPS = ROOT / "tests/integration/simulators/real_apis"

#: of the forty APIs of issue 14, those that have to be described whole
MIN_WHOLE = 36


def rows_by_module() -> dict[str, list[Row]]:
    found = {f"test_{group}.py": rows for group, rows in rows_by_group().items()}
    assert all((GROUPS / module).is_file() for module in found)
    return found


def page() -> dict[str, str]:
    text = (ROOT / "docs/real_apis.md").read_text()
    lines = re.findall(r"^\| [^|]+ \| `(\w+)` \| (\w+) \| (.*) ?\|$", text, re.MULTILINE)
    assert all(remark.strip() for _, verdict, remark in lines if verdict != "whole"), "why not whole?"
    return {profile: verdict for profile, verdict, _ in lines}


def test_the_page_lists_every_description_and_no_other() -> None:
    assert set(page()) == DESCRIPTIONS


def test_every_row_of_the_page_is_tested() -> None:
    assert {row.profile for rows in rows_by_module().values() for row in rows} == set(page())


def test_nearly_all_are_described_whole() -> None:
    verdicts = list(page().values())
    assert set(verdicts) <= {"whole", "part", "not"}
    assert verdicts.count("whole") >= MIN_WHOLE


def test_every_outcome_of_every_simulated_api_is_tested() -> None:
    tested: dict[str, set[str]] = {}
    for rows in rows_by_module().values():
        for row in rows:
            tested.setdefault(row.api, set()).update(row.ends)
    assert tested == {name: set(api.outcomes) for name, api in APIS.items()}


@pytest.mark.parametrize("name", sorted(DESCRIPTIONS))
def test_a_description_says_which_connection_it_needs_and_what_the_task_gives(name: str) -> None:
    text = (ROOT / f"airflow_async_provider/hooks/apis/{name}.yaml").read_text()
    comment = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert "Connection" in comment
    assert "task" in comment
