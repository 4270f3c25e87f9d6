# SPDX-License-Identifier: Apache-2.0
"""The archive in a box: one more remote system for tests and DAG development."""

from aiohttp import web

from airflow_async_provider.simulators.frame import Route, Simulator
from airflow_async_provider.simulators.reply import Reply


class ArchiveSimulator(Simulator):
    """Orders are ready after they were asked for twice."""

    name = "archive"

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[dict[str, object]] = []
        self.asked: list[int] = []

    def routes(self, listener: str) -> list[Route]:
        """The four requests; faults and the journal know them by their kinds."""
        return [
            Route("POST", "/orders", "submit", self.order),
            Route("GET", "/orders/{number}", "status", self.phase),
            Route("DELETE", "/orders/{number}", "cancel", self.withdraw),
            Route("GET", "/files/{number}", "result", self.file),
        ]

    async def order(self, request: web.Request) -> Reply:
        """202 and a number."""
        self.orders.append(await request.json())
        self.asked.append(0)
        self.journal.note("job_started")
        return Reply.json({"order": len(self.orders) - 1}, 202)

    async def phase(self, request: web.Request) -> Reply:
        """Working, working, done."""
        number = int(request.match_info["number"])
        self.asked[number] += 1
        if self.asked[number] < 3:
            return Reply.json({"phase": 1})
        return Reply.json({"phase": 8, "file": f"{self.url}/files/{number}"})

    async def withdraw(self, request: web.Request) -> Reply:
        """Always willing."""
        self.journal.note("job_cancelled")
        return Reply.json({}, 200)

    async def file(self, request: web.Request) -> Reply:
        """The order itself, as the file."""
        return Reply.json({"found": self.orders[int(request.match_info["number"])]})
