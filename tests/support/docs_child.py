# SPDX-License-Identifier: Apache-2.0
"""
What the tests of the documentation ask of a process with Airflow in it: one JSON line in, one out.

Reads ``{"dags": {name: path}, "imports": [[module, name]], "airflow": [[word, ...]]}`` and answers what was
wrong with each.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import runpy
import sys
import warnings
from contextlib import redirect_stderr
from typing import Any


def dag_problems(path: str) -> list[str]:
    """What is wrong with a DAG file: it does not load, it has no DAG with tasks, it makes Python warn."""
    from airflow.sdk import DAG

    before = _all_of(DAG)  # kept, so that no new object gets an old one's identity
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            kept = runpy.run_path(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
            return [f"{type(error).__name__}: {error}"]
    made = [dag for dag in _all_of(DAG) if not any(dag is old for old in before)]
    problems = [
        f"warns: {w.category.__name__}: {w.message}"
        for w in warned
        if "airflow" in w.filename.lower() or w.filename == path
    ]
    if not any(dag.tasks for dag in made):
        problems.append("no DAG with tasks in it")
    del kept
    return problems


def _all_of(cls: type) -> list[Any]:
    # type(), as isinstance() wakes lazy modules.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), cls)]


def import_problem(module: str, name: str) -> str | None:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        return str(error)
    if not hasattr(found, name):
        try:
            importlib.import_module(f"{module}.{name}")
        except ImportError:
            return f"{module} has no {name}"
    return None


def airflow_problem(parser: Any, words: list[str]) -> str | None:
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parser.parse_args(words)
    except SystemExit as end:
        return None if end.code == 0 else said.getvalue().strip().splitlines()[-1]
    return None


def warm_up() -> None:
    """What the first operator of a process makes Airflow load, and warn of (3.1 does), is Airflow's own."""
    from airflow.sdk import DAG, BaseOperator

    with DAG("without_ours", schedule=None):
        BaseOperator(task_id="x")


def main() -> None:
    order = json.load(sys.stdin)
    warm_up()
    answer: dict[str, Any] = {
        "dags": {name: dag_problems(path) for name, path in order["dags"].items()},
        "imports": [import_problem(module, name) for module, name in order["imports"]],
    }
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    answer["airflow"] = [airflow_problem(parser, words) for words in order["airflow"]]
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
