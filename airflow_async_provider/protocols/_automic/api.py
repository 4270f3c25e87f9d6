# SPDX-License-Identifier: Apache-2.0
"""
Requests to the AE REST API beside the running of one job: lists, reports, variables,
comments, restart, ping and health. Sources as in ``protocols/_automic/protocol.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols._automic import responses as answers
from airflow_async_provider.protocols._automic.requests import (
    client_number,
    list_params,
    prompt_values,
    run_number,
)
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse

API = "ae/api/v1"

#: Automic's own default of ``max_results``; sent all the same, because a page's length shows whether there
#: is another one where ``hasmore`` is missing.
PAGE_SIZE = 50


class AutomicApi:
    """
    Paths below one client, and what their answers mean.

    :param client: Automic client, the path segment (``100``, ``0100``)
    :raises ConfigurationError: it is not a client number
    """

    def __init__(self, client: str | int) -> None:
        self.client = client_number(client)

    # -- executions

    def execution(self, run_id: str | int, *, fields: str | None = None) -> HttpRequest:
        """
        One execution's record.

        :param fields: further members, separated by commas: comments, variables, reports, restarts,
            predecessors, recurring
        """
        return HttpRequest("GET", self._run_path(run_id), params={"fields": fields} if fields else None)

    def read_execution(self, run_id: str | int, response: HttpResponse) -> dict[str, Any]:
        """
        The record as Automic sent it.

        :raises RequestRefusedError: Automic does not know the run in this client
        :raises RemoteError: any other failure
        """
        job = f"Automic run {run_number(run_id)}"
        answers.raise_for_automic(response, job=job, doing="reading")
        record = response.json_object(job=job)
        answers.check_run(record, run_id, response)
        return record

    def executions(
        self, *, max_results: int = PAGE_SIZE, start_at_run_id: int | None = None, **filters: Any
    ) -> HttpRequest:
        """
        One page of the execution list, newest first.

        :param max_results: longest page
        :param start_at_run_id: RunID of the previous page's last entry
        :param filters: see ``automic_requests.FILTERS``
        :raises ConfigurationError: an unknown filter, or a value that it cannot take
        """
        if max_results < 1:
            raise ConfigurationError(f"max_results must be at least 1, not {max_results}.")
        params = {**list_params(filters), "max_results": max_results}
        if start_at_run_id is not None:
            params["start_at_run_id"] = int(start_at_run_id)
        return HttpRequest("GET", self._path("executions"), params=params)

    def read_executions(self, response: HttpResponse, *, asked: int = PAGE_SIZE) -> answers.ExecutionPage:
        """
        One page of a list.

        :param asked: ``max_results`` of the request
        :raises RemoteError: no list
        """
        answers.raise_for_automic(response, job="executions", doing="listing")
        return answers.page_of(response, asked=asked)

    def restart(
        self,
        run_id: str | int,
        *,
        queue: str | None = None,
        restart_point: str | None = None,
        keep_start_type: bool | None = None,
        wait_for_manual_release: bool | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> HttpRequest:
        """The request that restarts an ended run; what is None is left to Automic."""
        flags = {"keep_start_type": keep_start_type, "wait_for_manual_release": wait_for_manual_release}
        block: dict[str, Any] = {
            "queue": queue,
            "restart_point": restart_point,
            # texts, not booleans, in the vendor's samples
            **{name: None if flag is None else str(flag).lower() for name, flag in flags.items()},
            "inputs": prompt_values(inputs) if inputs else None,
        }
        body: dict[str, Any] = {"action": "restart"}
        if block := {k: v for k, v in block.items() if v is not None}:
            body["restart"] = block
        return HttpRequest("POST", self._run_path(run_id, "status"), json=body, repeatable=False)

    def read_restart(self, run_id: str | int, response: HttpResponse) -> int:
        """
        RunID of the restart, which is a run of its own.

        :raises RemoteError: Automic refused: the run has not ended, or cannot be restarted
        """
        job = f"Automic run {run_number(run_id)}"
        answers.raise_for_automic(response, job=job, doing="restarting")
        new = answers.new_run(response.json_object(job=job))
        if new is None:
            raise UnreadableAnswerError(
                f"Automic restarted {job} but did not name the new run.", http_status=response.status, job=job
            )
        return new

    # -- what belongs to a run

    def reports(self, run_id: str | int) -> HttpRequest:
        """The list of a run's reports."""
        return HttpRequest("GET", self._run_path(run_id, "reports"))

    def read_reports(self, response: HttpResponse) -> list[dict[str, Any]]:
        """``type``, ``end_timestamp`` and ``is_db`` of each report; only those with ``is_db`` can be read."""
        answers.raise_for_automic(response, job="reports", doing="listing")
        return answers.json_list(response, what="reports")

    def report_pages(
        self, run_id: str | int, report_type: str, *, start_at: int = 1, max_results: int = 10
    ) -> HttpRequest:
        """
        Pages of one report.

        Both numbers are always sent: what Automic does without them is documented in two ways.

        :param report_type: REP, ACT, POST, LOG, PLOG …
        :param start_at: number of the first page wanted, from 1
        """
        return HttpRequest(
            "GET",
            self._run_path(run_id, "reports", report_type),
            params={"max_results": max_results, "start_at": start_at},
        )

    def read_report_pages(self, response: HttpResponse, *, asked: int = 10) -> answers.ReportPages:
        """
        Pages of one report.

        :param asked: ``max_results`` of the request
        :raises RemoteError: no pages
        """
        answers.raise_for_automic(response, job="a report", doing="reading")
        return answers.report_pages_of(response, asked=asked)

    def variables(self, run_id: str | int) -> HttpRequest:
        """A run's variables."""
        return HttpRequest("GET", self._run_path(run_id, "variables"))

    def read_variables(self, response: HttpResponse) -> dict[str, Any]:
        """Names (with their trailing ``#``) and values."""
        answers.raise_for_automic(response, job="variables", doing="reading")
        return response.json_object(job="variables")

    def add_comment(self, run_id: str | int, comment: str) -> HttpRequest:
        """The request that adds a comment; sent twice, it would stand there twice."""
        path = self._run_path(run_id, "comments")
        return HttpRequest("POST", path, json={"comment": comment}, repeatable=False)

    def read_add_comment(self, response: HttpResponse) -> None:
        """
        Nothing when the comment was taken.

        :raises RemoteError: it was not
        """
        answers.raise_for_automic(response, job="a comment", doing="adding")

    # -- is it there?

    def ping(self) -> HttpRequest:
        """Is the REST process there? Needs neither client nor credentials."""
        return HttpRequest("GET", f"{API}/ping")

    def health(self) -> HttpRequest:
        """Is the Automation Engine well? Only the status code counts: 200 or 503."""
        return HttpRequest("GET", self._path("system", "health"))

    def read_health(self, response: HttpResponse) -> bool:
        """
        True for 200, False for 503.

        :raises RemoteError: any other answer
        """
        if response.status == 503:
            return False
        answers.raise_for_automic(response, job="the system's health", doing="asking for")
        return True

    # -- paths

    def _run_path(self, run_id: str | int, *rest: str) -> str:
        return self._path("executions", run_number(run_id), *rest)

    def _path(self, *parts: str) -> str:
        return "/".join([API, self.client, *(quote(part, safe="") for part in parts)])
