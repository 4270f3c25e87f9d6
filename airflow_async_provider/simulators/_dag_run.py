# SPDX-License-Identifier: Apache-2.0
"""
Run a DAG to its end with ``airflow dags test``, in a process, an ``AIRFLOW_HOME`` and a database of its own.

A process of its own, because Airflow reads its configuration once, when it is first imported: whatever the
tests around it have imported or configured, the run is not disturbed and touches nobody's database.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RUN = "SELECT run_id, state FROM dag_run WHERE id > ? AND dag_id = ?"
# Tasks with their states, and what they returned; in that order. Airflow 3.4 has other tables for both.
_UNTIL_3_3 = (
    "SELECT task_id, map_index, state FROM task_instance WHERE dag_id = ? AND run_id = ?",
    "SELECT task_id, map_index, value FROM xcom WHERE dag_id = ? AND run_id = ? AND key = 'return_value'",
)
_FROM_3_4 = (
    "SELECT task_id, region_index, state FROM task_instance WHERE dag_id = ? AND run_id = ?",
    """SELECT task_id, region_index, value FROM task_instance AS t JOIN xcom_v2 ON t.id = task_instance_id
    WHERE dag_id = ? AND run_id = ? AND key = 'return_value'""",
)
_IS_3_4 = "SELECT count(*) FROM sqlite_master WHERE name = 'xcom_v2'"


@dataclass(frozen=True)
class DagRunReport:
    """
    How a run of a DAG has ended.

    :param state: ``success`` or ``failed``
    :param tasks: the state of each task by its id; of a mapped task ``task_id[0]`` and so on
    :param results: what each task returned (its XCom), by the same names
    :param log: all that Airflow and the tasks have logged
    """

    state: str
    tasks: Mapping[str, str]
    results: Mapping[str, Any]
    log: str = field(repr=False)


class AirflowHome:
    """
    An Airflow for tests: a folder with a SQLite database, made on the first call.

    :param folder: an empty folder
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = folder / "airflow.db"

    def run(
        self,
        dag_id: str,
        dags_folder: str | os.PathLike[str],
        *,
        conf: Mapping[str, Any] | None = None,
        timeout: float = 300,
    ) -> DagRunReport:
        """
        Run a DAG once.

        :param dag_id: which
        :param dags_folder: the folder with its file; Airflow parses all of it
        :param conf: the run's configuration, which overrides the DAG's ``params``
        :param timeout: seconds for the whole run
        :raises LookupError: there is no such DAG, or its file cannot be imported; with Airflow's own words
        """
        dags = str(Path(dags_folder).resolve())
        if not self._database.exists():
            self._airflow("db", "migrate", dags=dags, timeout=timeout).check_returncode()
        with closing(sqlite3.connect(self._database)) as database:
            before = database.execute("SELECT coalesce(max(id), 0) FROM dag_run").fetchone()[0]
            configuration = ("--conf", json.dumps(dict(conf))) if conf else ()
            done = self._airflow("dags", "test", dag_id, *configuration, dags=dags, timeout=timeout)
            row = database.execute(_RUN, (before, dag_id)).fetchone()
            if row is None:
                raise LookupError(f"DAG {dag_id!r} was not run from {dags}:\n{done.stdout[-4000:]}")
            queries = _FROM_3_4 if database.execute(_IS_3_4).fetchone()[0] else _UNTIL_3_3
            states, values = (database.execute(query, (dag_id, row[0])).fetchall() for query in queries)
        return DagRunReport(
            state=row[1],
            tasks={_name(task, index): state for task, index, state in states},
            results={_name(task, index): _read(value) for task, index, value in values},
            log=done.stdout,
        )

    def _airflow(self, *words: str, dags: str, timeout: float) -> subprocess.CompletedProcess[str]:
        mine = re.compile(r"AIRFLOW__(?:DATABASE|CORE__(?:DAGS_FOLDER|EXECUTOR|SQL_ALCHEMY_CONN))")
        environment = {name: value for name, value in os.environ.items() if not mine.match(name)} | {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}",
            "AIRFLOW__CORE__DAGS_FOLDER": dags,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API_AUTH__JWT_SECRET": self.folder.name * 8,
            # There is no scheduler that a task could overtake.
            "AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS": "0",
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        }
        return subprocess.run(  # noqa: S603 - this Python with words of ours and a DAG's id, no shell
            [sys.executable, "-m", "airflow", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _read(value: str) -> Any:
    """An XCom as the database holds it: JSON, which older lines of Airflow have put into JSON once more."""
    read = json.loads(value)
    try:
        return json.loads(read) if isinstance(read, str) else read
    except ValueError:
        return read
