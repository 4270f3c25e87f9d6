# SPDX-License-Identifier: Apache-2.0
"""Asynchronous requests of the simulated SAP Open Connectors, and their webhooks."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_async_provider.simulators._open_connectors_checks import callback_of, json_object, refused
from airflow_async_provider.simulators._open_connectors_jobs import FAILURES, OUTCOMES, AsyncRequest
from airflow_async_provider.simulators._open_connectors_webhooks import Delivery
from airflow_async_provider.simulators.frame import Handler
from airflow_async_provider.simulators.reply import Reply

if TYPE_CHECKING:
    from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator

#: Folders of the simulated provider and the files in them.
FOLDERS: Mapping[str, Sequence[str]] = {
    "/TestFolderCreate": ("testUploadFile.txt",),
    "/Reports": ("january.csv", "february.csv", "march.csv"),
    "/Empty": (),
}

#: The numbers in the vendor's example are those of the first request.
FIRST_EVENT, FIRST_NOTIFICATION = 1028, 1083


class RequestApi:
    """
    Resources of the connector instance, which can be asked for asynchronously.

    :param simulator: whom it belongs to
    :param callback_url: the instance's own callback address
    :param id_form: whether an event id is a "number" or a "string" in webhooks
    :param id_place: whether it stands at the "top" or under "message"
    """

    def __init__(
        self, simulator: OpenConnectorsSimulator, *, callback_url: str | None, id_form: str, id_place: str
    ) -> None:
        self._simulator = simulator
        self._callback_url = callback_url
        self._id_form = id_form
        self._id_place = id_place
        #: all asynchronous requests, in order
        self.jobs: list[AsyncRequest] = []

    def paths(self) -> Iterator[tuple[str, str, str, Handler]]:
        """Method, path, kind and handler."""
        yield "GET", "/ping", "ping", self._ping
        yield "POST", "/folders/copy", "submit", self._copy
        yield "*", "/{resource}", "submit", self._resource

    # -- scripting

    def job(self, number: int = -1) -> AsyncRequest:
        """
        One asynchronous request by its number, the latest one by default.

        :raises LookupError: when there is none
        """
        return self.jobs[number]

    def finish(self, number: int = -1, outcome: str = "completed") -> None:
        """End an asynchronous request now and send its webhook."""
        request = self.job(number)
        if outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {outcome!r}; known are {OUTCOMES}")
        if request.outcome is None:
            request.finish(outcome)
            self._simulator.webhooks.withdraw(request.deliveries)
            self._expect(request, "done", at=self._simulator.clock.now())

    def send_webhook(
        self,
        number: int = -1,
        *,
        notification: str = "done",
        to: int | None = None,
        tamper: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Send one more webhook now: a repetition, a late one, one to the wrong address, a forged one.

        :param number: the request that it is about
        :param notification: "started" or "done"
        :param to: the request whose address gets it, None: its own
        :param tamper: what is wrong with it, see ``open_connectors_webhooks``
        :param payload: this body instead
        """
        about, target = self.job(number), self.job(number if to is None else to)
        self._simulator.webhooks.expect(
            target.url,
            payload if payload is not None else self._payload(about, notification),
            notification_id=self._notification_id(about, notification),
            at=self._simulator.clock.now(),
            tamper=tamper,
        )

    # -- answering

    async def _ping(self, request: web.Request) -> Reply:
        return Reply.json({"dateTime": self._simulator.clock.now(), "endpoint": "simulator"})

    async def _copy(self, request: web.Request) -> Reply:
        source = request.query.get("path", "")
        body = await json_object(request)
        if source not in FOLDERS:
            raise refused(404, "The folder was not found.", f"Path not found: {source}")
        path, name = body.get("path"), body.get("name")
        if not isinstance(path, str) or not path.startswith("/"):
            raise refused(400, "The path of the copy is missing or not valid.")
        name = name if isinstance(name, str) and name else posixpath.basename(path)
        entries = [{"path": path, "metadata": {"path": f"/{name}", "name": name, "type": "folder"}}]
        for file in FOLDERS[source]:
            metadata = {"path": f"/{name}/{file}", "name": file, "type": "file"}
            entries.append({"path": f"{path}/{file.lower()}", "metadata": metadata})
        return await self._carry_out(request, {"events": entries})

    async def _resource(self, request: web.Request) -> Reply:
        answer = {"id": "1", "objectName": request.match_info["resource"], "method": request.method}
        return await self._carry_out(request, answer)

    async def _carry_out(self, request: web.Request, answer: Any) -> Reply:
        """Answer at once, or later where the header says so."""
        if request.headers.get("Elements-Async-Request", "").lower() != "true":
            return Reply.json(answer)
        job = AsyncRequest(
            event_id=FIRST_EVENT + len(self.jobs),
            url=callback_of(request, self._callback_url),
            response=answer,
            number=len(self.jobs),
            plan=self._simulator.next_plan("request"),
            now=self._simulator.clock.now,
        )
        self.jobs.append(job)
        self._simulator.journal.note("job_started")
        for notification in job.plan.notifications:
            ended = job.ended_at if notification == "done" else job.started_at
            if job.plan.before_answer:
                for delivery in self._expect(job, notification, at=float("inf")):
                    await self._simulator.webhooks.attempt(delivery)
            elif ended is not None:
                self._expect(job, notification, at=ended)
        return Reply.json({"eventId": job.event_id, "eventStatus": "dispatched"})

    # -- webhooks

    def _expect(self, job: AsyncRequest, notification: str, *, at: float) -> list[Delivery]:
        if not job.url.startswith("http"):
            return []  # a formula of the platform takes it
        expected = self._simulator.webhooks.expect(
            job.url,
            self._payload(job, notification),
            notification_id=self._notification_id(job, notification),
            at=at,
            tamper=job.plan.tamper,
            copies=job.plan.copies,
        )
        if notification == "done":
            job.deliveries += expected
        return expected

    def _notification_id(self, job: AsyncRequest, notification: str) -> int:
        return FIRST_NOTIFICATION + 2 * job.number + (notification == "done")

    def _payload(self, job: AsyncRequest, notification: str) -> dict[str, Any]:
        event_id = str(job.event_id) if self._id_form == "string" else job.event_id
        facts: dict[str, Any] = {"eventId": event_id, "instanceId": 30}
        if notification == "started":
            facts["eventStatus"] = "started"
        elif (job.outcome or job.plan.outcome) == "failed":
            facts.update(FAILURES[job.plan.failure])
        else:
            facts["response"] = job.response
        if self._id_place == "message":
            return {"message": facts, "notificationId": self._notification_id(job, notification)}
        return {**facts, "notificationId": self._notification_id(job, notification)}
