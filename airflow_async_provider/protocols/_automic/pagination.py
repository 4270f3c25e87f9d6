# SPDX-License-Identifier: Apache-2.0
"""
Walking through what Automic hands out in pages, without I/O: ask for the next request, give it the answer.

Both walks end for certain: a page with nothing new is the last one, whatever it says about more.
"""

from __future__ import annotations

from typing import Any

from airflow_async_provider.protocols._automic.api import PAGE_SIZE, AutomicApi
from airflow_async_provider.protocols._automic.responses import number
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse


class ExecutionWalk:
    """
    The execution list, newest first, each run once however the list moves meanwhile.

    :param api: the client
    :param page_size: ``max_results``
    :param filters: see ``automic_requests.FILTERS``
    :raises ConfigurationError: a filter that Automic does not know
    """

    def __init__(self, api: AutomicApi, *, page_size: int = PAGE_SIZE, **filters: Any) -> None:
        self._api = api
        self._size = page_size
        self._filters = filters
        self._seen: set[int] = set()
        self.next: HttpRequest | None = api.executions(max_results=page_size, **filters)

    def take(self, response: HttpResponse) -> list[dict[str, Any]]:
        """
        Read a page; afterwards :attr:`next` is the request for the one behind it, or None.

        :raises RemoteError: it is no page; :attr:`next` stays as it is
        """
        page = self._api.read_executions(response, asked=self._size)
        fresh = [item for item in page.items if self._is_new(item)]
        self.next = None
        if page.has_more and fresh:
            self.next = self._api.executions(
                max_results=self._size, start_at_run_id=page.next_start, **self._filters
            )
        return fresh

    def _is_new(self, item: dict[str, Any]) -> bool:
        run_id = number(item.get("run_id"))
        if run_id is None or run_id in self._seen:
            return False
        self._seen.add(run_id)
        return True


class ReportWalk:
    """
    The pages of one report, from the first.

    :param api: the client
    :param run_id: the run
    :param report_type: REP, ACT …
    :param at_once: pages in one request
    """

    def __init__(self, api: AutomicApi, run_id: str | int, report_type: str, *, at_once: int = 10) -> None:
        self._api = api
        self._run_id = run_id
        self._type = report_type
        self._at_once = at_once
        self._last = 0
        self.next: HttpRequest | None = self._request()

    def _request(self) -> HttpRequest:
        return self._api.report_pages(
            self._run_id, self._type, start_at=self._last + 1, max_results=self._at_once
        )

    def take(self, response: HttpResponse) -> list[str]:
        """
        Read some pages; afterwards :attr:`next` is the request for those behind them, or None.

        :raises RemoteError: they are none; :attr:`next` stays as it is
        """
        answer = self._api.read_report_pages(response, asked=self._at_once)
        fresh = [(page, text) for page, text in answer.pages if page > self._last]
        self.next = None
        if fresh:
            self._last = max(page for page, _ in fresh)
            if answer.has_more:
                self.next = self._request()
        return [text for _, text in fresh]
