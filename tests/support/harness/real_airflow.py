# SPDX-License-Identifier: Apache-2.0
"""
A real Airflow for tests, demo and benchmarks.

API server, scheduler, DAG processor and triggerer, each a process of its own, in a temporary
``AIRFLOW_HOME``, from the Python environment that runs this. ``airflow standalone`` is not used: it hides its
children's process ids, so that a single component could not be killed and started again, and it leaves them
running when it is killed itself.

::

    with RealAirflow(dag_folders=["example_dags"]) as airflow:
        airflow.client.put_connection("aso", "jaggaer_aso", host="127.0.0.1", port=8123, password="t")
        run_id, state = airflow.client.run("my_dag", conf={"event": 7})
        airflow.client.xcom("my_dag", run_id, "my_task")
        airflow.kill("triggerer"); airflow.start("triggerer")
        airflow.db("select state from task_instance where dag_id = ?", ["my_dag"])
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests
from packaging.version import Version

from tests.support.harness.airflow_config import FAST, bundle, merged
from tests.support.harness.client import AirflowClient
from tests.support.harness.processes import (
    Child,
    Entered,
    NotReadyError,
    free_port,
    keep_directory,
    remove_directory,
    stop_all,
    temporary_directory,
    wait_until,
)
from tests.support.harness.states import States

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
JOB_TYPES = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
ROOT = Path(__file__).resolve().parents[3]

#: Airflow's release line here, such as ``(3, 4)``.
AIRFLOW = Version(version("apache-airflow-core")).release[:2]

#: The column of task_instance with a mapped task's index.
MAP_INDEX = "map_index" if AIRFLOW < (3, 4) else "region_index"


class RealAirflow(Entered):
    """
    Starts Airflow on entering the context (or :meth:`start_all`) and leaves nothing behind on leaving it.

    :param dag_folders: folders with DAG files, each a DAG bundle; its own folder :attr:`dags` comes on top
    :param sql_alchemy_conn: metadata database, default SQLite in the temporary home
    :param config: Airflow options beyond :data:`FAST`, ``{"section": {"option": value}}``
    :param env: further environment variables of all components (``AIRFLOW_CONN_…``)
    :param components: what to start; ``scheduler-2`` starts a second one of a kind
    :param timeout: seconds for each step of the start
    :param keep: leave the temporary home when stopped
    """

    def __init__(
        self,
        *,
        dag_folders: Iterable[str | Path] = (),
        sql_alchemy_conn: str | None = None,
        config: Mapping[str, Mapping[str, object]] | None = None,
        env: Mapping[str, str] | None = None,
        components: Sequence[str] = COMPONENTS,
        timeout: float = 300,
        keep: bool = False,
    ) -> None:
        self.home = temporary_directory("airflow-")
        self.dags = self.home / "dags"
        self.dags.mkdir()
        self.timeout = timeout
        self.keep = keep
        self.sql_alchemy_conn = sql_alchemy_conn or f"sqlite:///{self.home / 'airflow.db'}"
        self.seconds: dict[str, float] = {}
        self._names = tuple(components)
        self._children: dict[str, Child] = {}
        self._ports = {"api-server": free_port()}
        self.base_url = f"http://127.0.0.1:{self._ports['api-server']}"
        self.client = AirflowClient(self.base_url, States(self.db, MAP_INDEX))
        self.env = self._environment(dag_folders, config or {}, env or {})

    # Life

    def _enter(self) -> None:
        self.start_all()

    def start_all(self) -> None:
        """
        Make the database, start every component and wait until each is ready.

        :raises NotReadyError: with the end of the log of the component that did not come up
        """
        begin = time.monotonic()
        self._run_once("migrate", "db", "migrate")
        self.seconds["database"] = time.monotonic() - begin
        known = {name: self._jobs(name) for name in self._names}
        for name in self._names:
            self._spawn(name)
        for name in self._names:
            self._wait_ready(name, known[name])
        for name in self.ended():
            raise self._children[name].not_ready("ended after it was ready")
        self.seconds["ready"] = time.monotonic() - begin

    def stop(self) -> None:
        """End every process that was started and remove the temporary home. May be called twice."""
        self.client.close()
        stop_all(list(self._children.values()))
        self._children.clear()
        if self.keep:
            keep_directory(self.home)
        else:
            remove_directory(self.home)

    def start(self, name: str) -> None:
        """
        Start one component (again) and wait until it is ready.

        :param name: "triggerer", or "triggerer-2" for a second one beside the first
        """
        if name in self._children and self._children[name].running:
            raise ValueError(f"{name} runs already")
        if name in self._children:
            self._children[name].kill()  # it has ended by itself; what it started goes with it
        known = self._jobs(name)
        self._spawn(name)
        self._wait_ready(name, known)

    def ended(self) -> list[str]:
        """Components that have ended by themselves."""
        return [name for name, child in self._children.items() if not child.running]

    def start_missing(self) -> None:
        """Start every component that should run and does not."""
        for name in self._names:
            if name not in self._children or not self._children[name].running:
                self.start(name)

    def kill(self, name: str) -> None:
        """SIGKILL for a component and all its children, as if the machine had lost power."""
        self._children.pop(name).kill()

    def terminate(self, name: str, grace: float = 20) -> None:
        """SIGTERM for a component, as in a rolling update, and SIGKILL for what is left after the grace."""
        self._children.pop(name).stop(grace)

    def kill_task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """SIGKILL for the process that runs a task instance right now."""
        pid = self.client.task(dag_id, run_id, task_id, map_index)["pid"]
        if pid not in self._children["scheduler"].members():
            raise ValueError(f"{task_id} runs in no process of this Airflow (pid {pid})")
        os.kill(pid, signal.SIGKILL)

    def pids(self) -> dict[str, list[int]]:
        """Process ids of every component and its children."""
        return {name: child.members() for name, child in self._children.items()}

    def main_pid(self, name: str) -> int:
        """Process id of a component itself."""
        return self._children[name].pid

    def url(self, name: str = "api-server") -> str:
        """Root address of an API server."""
        return f"http://127.0.0.1:{self._ports[name]}"

    # What a test wants to know

    def write_dag(self, file_name: str, source: str) -> Path:
        """Put a DAG file into this Airflow's own DAG folder."""
        path = self.dags / file_name
        path.write_text(source, encoding="utf-8")
        return path

    def component_log(self, name: str) -> str:
        """All that a component has printed, over all its starts."""
        path = self.home / "components" / f"{name}.log"
        return _read(path) if path.exists() else ""

    def all_logs(self, dag_id: str | None = None) -> str:
        """
        Everything that Airflow has written: all components' output and all log files.

        :param dag_id: only what the tasks of this DAG have written, and their triggers
        """
        files = [f for f in self._log_files() if dag_id is None or f"dag_id={dag_id}" in f.parts]
        return "\n".join(map(_read, files))

    def places_of(self, text: str) -> list[str]:
        """
        Every log file and every table of the database that holds a text: for secrets, which must be in none.

        :param text: what to look for, as it is
        """
        return self.places_of_all([text]).get(text, [])

    def places_of_all(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """Those of the texts that were written somewhere, with their places; all is read once."""
        wanted = set(texts)
        found: dict[str, list[str]] = {}
        for place, words in self._all_places():
            for text in wanted:
                if text in words:
                    found.setdefault(text, []).append(place)
        return found

    def _all_places(self) -> Iterator[tuple[str, str]]:
        for file in self._log_files():
            yield file.relative_to(self.home).as_posix(), _read(file)
        for table in self._tables():
            rows = self.db(f"select * from {table}")
            yield f"table {table}", "\n".join(str(value) for row in rows for value in row.values())

    def _tables(self) -> list[str]:
        if self.sql_alchemy_conn.startswith("sqlite"):
            return [row["name"] for row in self.db("select name from sqlite_master where type = 'table'")]
        sql = "select table_name as name from information_schema.tables where table_schema = 'public'"
        return [row["name"] for row in self.db(sql)]

    def _log_files(self) -> list[Path]:
        return [*(self.home / "components").glob("*.log"), *(self.home / "logs").rglob("*.log")]

    def db(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """
        Rows of a query on the metadata database, read only.

        :param sql: with ``?`` for each parameter (also on PostgreSQL)
        """
        if self.sql_alchemy_conn.startswith("sqlite"):
            path = self.sql_alchemy_conn.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(sql, parameters)]
        import psycopg2
        import psycopg2.extras

        dsn = re.sub(r"^postgresql\+\w+://", "postgresql://", self.sql_alchemy_conn)
        with closing(psycopg2.connect(dsn, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
            connection.set_session(readonly=True)
            with connection.cursor() as cursor:
                cursor.execute(sql.replace("%", "%%").replace("?", "%s"), list(parameters))
                return [dict(row) for row in cursor.fetchall()]

    # Inside

    def _environment(
        self,
        dag_folders: Iterable[str | Path],
        config: Mapping[str, Mapping[str, object]],
        env: Mapping[str, str],
    ) -> dict[str, str]:
        bundles = [{"name": "own", "path": self.dags}]
        for number, folder in enumerate(dag_folders):
            path = Path(folder).resolve()
            bundles.append({"name": f"{path.name}-{number}", "path": path})
        settings: dict[str, dict[str, object]] = {
            "core": {
                "dags_folder": self.dags,
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "execution_api_server_url": f"{self.base_url}/execution/",
            },
            "api": {
                "host": "127.0.0.1",
                "base_url": self.base_url,
                "secret_key": secrets.token_urlsafe(32),
            },
            "api_auth": {"jwt_secret": secrets.token_urlsafe(64)},
            "database": {"sql_alchemy_conn": self.sql_alchemy_conn},
            "dag_processor": {"dag_bundle_config_list": json.dumps([bundle(**b) for b in bundles])},
            # No log servers run (all logs lie on one disk), but another Airflow's might on the default ports.
            "logging": {"worker_log_server_port": free_port(), "trigger_log_server_port": free_port()},
        }
        result = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW__", "AIRFLOW_CONN_"))}
        for section, options in merged(FAST, settings, config).items():
            for option, value in options.items():
                result[f"AIRFLOW__{section.upper()}__{option.upper()}"] = str(value)
        no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
        # The project is found when it is not installed, too.
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        result |= {
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "AWS_EC2_METADATA_DISABLED": "true",  # looking for credentials there takes seconds
        }
        return result | dict(env)

    def _command(self, name: str) -> list[str]:
        kind = _kind(name)
        if kind == "api-server":
            port = self._ports.setdefault(name, free_port())
            return ["api-server", "--host", "127.0.0.1", "--port", str(port)]
        if kind in ("scheduler", "triggerer"):
            return [kind, "--skip-serve-logs"]
        if kind == "celery-worker":
            concurrency = self.env["AIRFLOW__CORE__PARALLELISM"]
            return ["celery", "worker", "--skip-serve-logs", "--concurrency", concurrency]
        return [kind]

    def _spawn(self, name: str) -> None:
        self._children[name] = self._child(name, self._command(name))

    def _child(self, name: str, arguments: Sequence[str]) -> Child:
        logs = self.home / "components"
        logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "airflow", *arguments]
        return Child(name, command, log=logs / f"{name}.log", env=self.env, cwd=self.home)

    def _run_once(self, name: str, *arguments: str) -> None:
        child = self._child(name, arguments)
        try:
            wait_until(lambda: not child.running, name, self.timeout)
        except TimeoutError as error:
            raise child.not_ready(str(error)) from None
        finally:
            child.kill()
        if child.process.returncode != 0:
            raise child.not_ready(f"'airflow {' '.join(arguments)}' failed")

    def _jobs(self, name: str) -> set[int]:
        job_type = JOB_TYPES.get(_kind(name))
        if job_type is None:
            return set()
        rows = self.db("select id from job where job_type = ? and state = 'running'", [job_type])
        return {row["id"] for row in rows}

    def _wait_ready(self, name: str, known: set[int]) -> None:
        """
        An API server is ready when it answers, a Celery worker when it says so, the others when they have
        entered themselves as running.

        Airflow's health report would not do for the latter: it calls a killed component healthy for a while.
        """
        child = self._children[name]
        kinds = {
            "api-server": _answers(self.url(name)) if name in self._ports else None,
            "celery-worker": lambda: " ready." in child.said(),
        }
        answers = kinds.get(_kind(name)) or (lambda: self._jobs(name) - known)

        def ready() -> bool:
            if not child.running:
                raise child.not_ready("ended while starting")
            return bool(answers())

        try:
            wait_until(ready, f"{name} to be ready", self.timeout, interval=0.1)
        except TimeoutError as error:
            raise child.not_ready(str(error)) from None

    def report(self, lines: int = 25) -> str:
        """What the components printed last, without what is only information: for a failure message."""
        parts = []
        for log in sorted((self.home / "components").glob("*.log")):
            parts += [f"--- {log.stem}", *_notable(_read(log).splitlines())[-lines:]]
        return "\n".join(parts)


def _notable(lines: Iterable[str]) -> list[str]:
    """The lines that are more than information, with those that belong to them (tracebacks)."""
    result = []
    notable = True  # what comes before Airflow's logging is set up
    for line in lines:
        if level := re.search(r"\[(debug|info|warning|error|critical) *\]", line):
            notable = level[1] not in ("debug", "info") and "Deprecat" not in line
        if notable:
            result.append(line)
    return result


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _kind(name: str) -> str:
    return re.sub(r"-\d+$", "", name)


def _answers(base_url: str) -> Any:
    def ask() -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"{base_url}/api/v2/monitor/health", timeout=5).ok
        except requests.RequestException:
            return False

    return ask


__all__ = ["COMPONENTS", "FAST", "NotReadyError", "RealAirflow"]
