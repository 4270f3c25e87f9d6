# SPDX-License-Identifier: Apache-2.0
"""A small client of Airflow's public REST API (v2), as much of it as tests and the demo need."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from tests.support.harness.processes import wait_until
from tests.support.harness.states import States

RUN_ENDED = frozenset({"success", "failed"})
TASK_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

#: Seconds that anything may take which Airflow does by itself: no measure of it, but of a machine that has
#: much else to do.
PATIENCE = 300.0

#: Requests at the same time, of all tests that wait: an API server has workers to answer, too.
AT_ONCE = 4


class AirflowApiError(RuntimeError):
    """
    Airflow refused a request.

    :param status: HTTP status of its answer
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


#: Events of a task that are none of its states: asked from outside, and callbacks as the receiver notes them.
NO_STATES = ("trigger_", "cli_", "async_")


class AirflowClient:
    """
    Talks to the API server as an administrator (simple auth manager with ``all_admins``).

    :param base_url: root of the API server, ``http://127.0.0.1:PORT``
    :param states: where waiting methods look, None: they ask the API server
    """

    def __init__(self, base_url: str, states: States | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._states = states
        self._session = requests.Session()
        self._at_once = threading.BoundedSemaphore(AT_ONCE)
        self._session.trust_env = False  # a proxy of the machine must not see loopback requests

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """
        One request to ``/api/v2`` + path; a token is fetched when there is none or it has run out.

        A path that begins with ``/ui`` or ``/remote-jobs`` is taken as it is: the answers that pages show.

        :raises AirflowApiError: for every status from 400 on
        """
        options.setdefault("timeout", 60)
        url = f"{self.base_url}{'' if path.startswith(('/ui/', '/remote-jobs/')) else '/api/v2'}{path}"
        if "Authorization" not in self._session.headers:
            self._login()
        with self._at_once:
            response = self._session.request(method, url, **options)
            if response.status_code == 401:
                self._login()
                response = self._session.request(method, url, **options)
        if self._states is not None and method != "GET":
            self._states.forget()
        if response.status_code >= 400:
            raise AirflowApiError(
                response.status_code, f"{method} {path}: HTTP {response.status_code} {response.text[:2000]}"
            )
        return response

    def sign_in(self, token: str) -> None:
        """From now on as the user of this token."""
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _login(self) -> None:
        response = self._session.get(f"{self.base_url}/auth/token", timeout=60)
        response.raise_for_status()
        self.sign_in(response.json()["access_token"])

    def get(self, path: str, **params: Any) -> Any:
        """GET, answered with JSON."""
        return self.request("GET", path, params=params).json()

    def _pages(self, path: str, key: str, **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, offset=len(rows), **params)
            rows += page[key]
            if not page[key] or len(rows) >= page["total_entries"]:
                return rows

    # Connections

    def put_connection(self, conn_id: str, conn_type: str, **fields: Any) -> None:
        """
        Create a connection or replace it.

        :param fields: host, port, login, password, schema, description; ``extra`` may be a dictionary
        """
        body = {"connection_id": conn_id, "conn_type": conn_type, **fields}
        if isinstance(body.get("extra"), Mapping):
            body["extra"] = json.dumps(body["extra"])
        try:
            self.request("POST", "/connections", json=body)
        except AirflowApiError as error:
            if error.status != 409:
                raise
            self.request("PATCH", f"/connections/{_q(conn_id)}", json=body)

    def put_pool(self, name: str, *, slots: int, include_deferred: bool) -> None:
        """Create a pool, or set it anew."""
        body = {"name": name, "slots": slots, "include_deferred": include_deferred}
        try:
            self.request("POST", "/pools", json=body)
        except AirflowApiError as error:
            if error.status != 409:
                raise
            self.request("PATCH", f"/pools/{_q(name)}", json=body)

    # DAGs and runs

    def import_errors(self) -> dict[str, str]:
        """Stack traces of the DAG files that could not be parsed, by file name."""
        return {e["filename"]: e["stack_trace"] for e in self._pages("/importErrors", "import_errors")}

    def wait_dag(self, dag_id: str, timeout: float = PATIENCE, patience: float = 10) -> dict[str, Any]:
        """
        Wait until the DAG processor has parsed a DAG.

        :param patience: seconds after which waiting is given up when there are import errors
        :raises TimeoutError: with the import errors that there are
        """
        begin = time.monotonic()

        def parsed() -> dict[str, Any] | None:
            try:
                dag: dict[str, Any] = self.get(f"/dags/{_q(dag_id)}")
            except AirflowApiError as error:
                if error.status != 404:
                    raise
                if time.monotonic() - begin > patience and (errors := self.import_errors()):
                    raise TimeoutError(_no_dag(dag_id, errors)) from None
                return None
            return None if dag.get("is_stale") else dag

        try:
            return wait_until(parsed, f"DAG {dag_id}", timeout, interval=0.25)
        except TimeoutError:
            raise TimeoutError(_no_dag(dag_id, self.import_errors())) from None

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run (waiting until it is parsed)."""
        if self.wait_dag(dag_id)["is_paused"]:
            self.request("PATCH", f"/dags/{_q(dag_id)}", json={"is_paused": False})

    def wait_asset_run(self, dag_id: str, timeout: float = PATIENCE) -> str:
        """Wait for the first run of a DAG that an asset has started; returns its id."""

        def there() -> str | None:
            runs = self._pages(f"/dags/{_q(dag_id)}/dagRuns", "dag_runs", run_type="asset_triggered")
            return str(runs[0]["dag_run_id"]) if runs else None

        return wait_until(there, f"an asset to start {dag_id}", timeout, interval=2)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Unpause a DAG (waiting until it is parsed) and start a run; returns the run's id."""
        self.unpause(dag_id)
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id is not None:
            body["dag_run_id"] = run_id
        while True:
            try:
                answer = self.request("POST", f"/dags/{_q(dag_id)}/dagRuns", json=body)
            except AirflowApiError as error:
                # Runs are named after the moment, and somebody else has started one at the same.
                if error.status != 409 or run_id is not None:
                    raise
            else:
                return str(answer.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        if self._states is not None and (state := self._states.run(dag_id, run_id)):
            return state
        return str(self.get(_run(dag_id, run_id))["state"])

    def wait_run(self, dag_id: str, run_id: str, timeout: float = PATIENCE) -> str:
        """
        Wait until a run has ended; returns its state.

        :raises TimeoutError: with the state of every task
        """

        def ended() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in RUN_ENDED else None

        try:
            return wait_until(ended, f"run {run_id} of {dag_id}", timeout, interval=0.2)
        except TimeoutError as error:
            states = {(t["task_id"], t["map_index"]): t["state"] for t in self.tasks(dag_id, run_id)}
            raise TimeoutError(f"{error}; tasks: {states}") from None

    def run(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, timeout: float = PATIENCE
    ) -> tuple[str, str]:
        """Start a run and wait for its end; returns (run id, state)."""
        run_id = self.trigger(dag_id, conf)
        return run_id, self.wait_run(dag_id, run_id, timeout)

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run with its task instances."""
        self.request("DELETE", _run(dag_id, run_id))

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run as "success", "failed" or "queued"."""
        self.request("PATCH", _run(dag_id, run_id), json={"state": state})

    # Task instances

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run, mapped ones included, in the order of their start."""
        rows = self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")
        return sorted(rows, key=lambda t: (t["start_date"] or "9", t["task_id"], t["map_index"]))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """One task instance."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_q(task_id)}"
        task: dict[str, Any] = self.get(path if map_index < 0 else f"{path}/{map_index}")
        return task

    def wait_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: str | Collection[str],
        *,
        map_index: int = -1,
        try_number: int | None = None,
        timeout: float = PATIENCE,
    ) -> dict[str, Any]:
        """
        Wait until a task instance has one of the states.

        :param try_number: count only this try; None for any
        :raises TimeoutError: when it does not get there
        :raises AssertionError: when it has ended in another state
        """
        wanted = {states} if isinstance(states, str) else set(states)
        last: dict[str, Any] = {}

        def there() -> dict[str, Any] | None:
            found = [
                task
                for task in self._states_of(dag_id, run_id)
                if (task["task_id"], task["map_index"]) == (task_id, map_index)
            ]
            if not found:  # a mapped task instance appears only when it is expanded
                return None
            last.update(found[0])
            this_try = try_number is None or last["try_number"] == try_number
            if this_try and last["state"] in wanted:
                return self.task(dag_id, run_id, task_id, map_index)
            if last["state"] in TASK_ENDED and (try_number is None or last["try_number"] >= try_number):
                raise AssertionError(f"{task_id} ended {last['state']!r}, expected {sorted(wanted)}")
            return None

        try:
            return wait_until(there, f"{task_id} to be {sorted(wanted)}", timeout, interval=0.15)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its state is {last.get('state')!r}") from None

    def all_deferred(self, dag_id: str, run_id: str, task_ids: Collection[str]) -> bool:
        """
        Whether all instances of these tasks wait in the triggerer now, or have ended.

        A remote job that is only finished then has surely been waited for, however slow the machine is.
        """
        tasks = [task for task in self._states_of(dag_id, run_id) if task["task_id"] in task_ids]
        waiting = {task["task_id"] for task in tasks} == set(task_ids)
        return waiting and all(task["state"] in {"deferred", *TASK_ENDED} for task in tasks)

    def _states_of(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return self.tasks(dag_id, run_id) if self._states is None else self._states.tasks(dag_id, run_id)

    def states(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1
    ) -> list[tuple[str, datetime]]:
        """What a task instance went through, with times, from the event log: ("running", …), …"""
        rows = self._pages(
            "/eventLogs", "event_logs", dag_id=dag_id, run_id=run_id, task_id=task_id, order_by="event_log_id"
        )
        # Airflow stores None for an unmapped task, in some releases -1
        mine = [r for r in rows if (r["map_index"] if r["map_index"] is not None else -1) == map_index]
        return [(r["event"], _time(r["when"])) for r in mine if not r["event"].startswith(NO_STATES)]

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """The value of an XCom; None when there is none."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_q(task_id)}/xcomEntries/{_q(key)}"
        try:
            return self.get(path, map_index=map_index, deserialize="false")["value"]
        except AirflowApiError as error:
            if error.status != 404:
                raise
            return None

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """A task's log (worker's and trigger's lines together) as text: one JSON object a line."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_q(task_id)}/logs/{try_number}"
        response = self.request(
            "GET",
            path,
            params={"map_index": map_index, "full_content": "true"},
            headers={"Accept": "application/x-ndjson"},
        )
        return response.content.decode("utf-8", "replace")

    def wait_log(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        text: str,
        *,
        try_number: int = 1,
        map_index: int = -1,
        timeout: float = PATIENCE,
    ) -> str:
        """
        Wait until a task's log holds a text; returns the log.

        :raises TimeoutError: with the end of the log
        """
        log = ""

        def there() -> bool:
            nonlocal log
            try:
                log = self.log(dag_id, run_id, task_id, try_number, map_index)
            except AirflowApiError as error:  # there is no such try yet
                if error.status != 404:
                    raise
            return text in log

        try:
            wait_until(there, f"{text!r} in the log of {task_id}", timeout, interval=1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it ends:\n{log[-3000:]}") from None
        return log

    def clear(
        self, dag_id: str, run_id: str, task_ids: Collection[str] | None = None, *, only_failed: bool = False
    ) -> None:
        """Clear task instances of a run (all when none is named), so that they run again."""
        body: dict[str, Any] = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": only_failed,
            "reset_dag_runs": True,
        }
        if task_ids is not None:
            body["task_ids"] = list(task_ids)
        self.request("POST", f"/dags/{_q(dag_id)}/clearTaskInstances", json=body)

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance as "success", "failed" or "skipped", as a person in the UI does."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_q(task_id)}"
        if map_index >= 0:
            path += f"/{map_index}"
        self.request("PATCH", path, json={"new_state": state})

    def health(self) -> dict[str, Any]:
        """Airflow's own health report."""
        health: dict[str, Any] = self.get("/monitor/health")
        return health


def _no_dag(dag_id: str, import_errors: Mapping[str, str]) -> str:
    traces = "\n".join(f"{name}:\n{trace.rstrip()}" for name, trace in import_errors.items())
    return f"no DAG {dag_id}; import errors: {traces or 'none'}"


def _q(part: str) -> str:
    """A name as one segment of a path: run ids hold ``+`` and ``:``."""
    return quote(part, safe="")


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{_q(dag_id)}/dagRuns/{_q(run_id)}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def now() -> datetime:
    """The time as Airflow writes it: UTC, with zone."""
    return datetime.fromtimestamp(time.time(), UTC)
