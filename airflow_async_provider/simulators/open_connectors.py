# SPDX-License-Identifier: Apache-2.0
"""
SAP Open Connectors in a box: asynchronous requests, their webhooks, the queue, bulk jobs.

Known from SAP's public help pages ("Asynchronous API Requests", "Hash Verification", "Event Retry and
Queueing", "Bulk v3 Features", "Error Codes", "Technical Restrictions") and from Cloud Elements' public test
suite "churros". What is an assumption is said in ``open_connectors_checks``, ``open_connectors_webhooks``
and docs/simulators_open_connectors.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from airflow_async_provider.simulators._open_connectors_bulk import BulkApi
from airflow_async_provider.simulators._open_connectors_checks import (
    check_authorization,
    json_object,
    refused,
)
from airflow_async_provider.simulators._open_connectors_jobs import SPELLINGS, AsyncRequest, Job, Plan
from airflow_async_provider.simulators._open_connectors_requests import RequestApi
from airflow_async_provider.simulators._open_connectors_webhooks import POLICIES, RETRIES, Webhooks
from airflow_async_provider.simulators.frame import Handler, Route, Simulator
from airflow_async_provider.simulators.reply import Refused, Reply

BASE = "/elements/api-v2"


class OpenConnectorsSimulator(Simulator):
    """
    SAP Open Connectors.

    Seconds are simulated ones (``time_scale``, ``clock.advance``).

    :param seconds: how long requests and bulk jobs take, None: until they are told to
    :param outcome: how they end: "completed" or "failed"
    :param plan: other fields of :class:`~airflow_async_provider.simulators._open_connectors_jobs.Plan`
    :param user_secret: the user
    :param organization_secret: the organization
    :param element_token: the connector instance
    :param signature_key: the instance's Callback Notification Signature Key, None: webhooks are not signed
    :param instance_callback_url: the instance's own callback address
    :param policy: what becomes of webhooks that cannot be delivered: "retry" or "queue"
    :param retries: seconds before each retry
    :param event_id_form: whether an event id is a "number" or a "string" in webhooks
    :param event_id_place: whether it stands at the "top" or under "message"
    :param spelling: of the bulk API's answers: "v3", "v1" or "page"
    :param cancel_seconds: how long a bulk job is CANCELLATION_PENDING
    :param streaming_limit: bytes above which a file is refused with 429
    :param keep_seconds: how long bulk jobs are known
    :param file_chunked: files without Content-Length
    :param file_rate: bytes per second of each file
    :param options: ``time_scale`` and ``latency`` of every simulator
    """

    name: ClassVar[str] = "open-connectors"
    command_line: ClassVar[str] = "_open_connectors_arguments"

    def __init__(
        self,
        *,
        seconds: float | None = 0.3,
        outcome: str = "completed",
        plan: Mapping[str, Any] | None = None,
        user_secret: str = "user+secret/sim=",  # noqa: S107 - made-up secrets of a simulator
        organization_secret: str = "org+secret/sim=",  # noqa: S107 - likewise
        element_token: str = "element+token/sim=",  # noqa: S107 - likewise
        signature_key: str | None = None,
        instance_callback_url: str | None = None,
        policy: str = "retry",
        retries: Sequence[float] = RETRIES,
        event_id_form: str = "number",
        event_id_place: str = "top",
        spelling: str = "v3",
        cancel_seconds: float = 0.0,
        streaming_limit: int = 6 << 30,
        keep_seconds: float = 7 * 86400.0,
        file_chunked: bool = True,
        file_rate: float | None = None,
        **options: Any,
    ) -> None:
        if event_id_form not in ("number", "string") or event_id_place not in ("top", "message"):
            raise ValueError("an event id is a number or a string, at the top or under message")
        if spelling not in SPELLINGS:
            raise ValueError(f"unknown spelling {spelling!r}; known are {sorted(SPELLINGS)}")
        self._plan = Plan(seconds=seconds, outcome=outcome).changed(plan or {})
        self._scripted: list[tuple[str | None, dict[str, Any]]] = []
        self._instance = {"User": user_secret, "Element": element_token}
        self._platform = {"User": user_secret, "Organization": organization_secret}
        self.requests = RequestApi(
            self, callback_url=instance_callback_url, id_form=event_id_form, id_place=event_id_place
        )
        self.bulk = BulkApi(
            self,
            spelling=spelling,
            cancel_seconds=cancel_seconds,
            streaming_limit=streaming_limit,
            keep_seconds=keep_seconds,
            chunked=file_chunked,
            rate=file_rate,
        )
        super().__init__(**options)
        self.webhooks = Webhooks(
            now=self.clock.now, journal=self.journal, key=signature_key, policy=policy, retries=retries
        )

    # -- where things are

    def airflow_connection(self, **extra: Any) -> dict[str, Any]:
        """
        Describe the Airflow connection to this simulator, as ``AIRFLOW_CONN_...`` takes it in JSON.

        :param extra: further keys of the connection's extra
        """
        secrets = {
            "user_secret": self._platform["User"],
            "organization_secret": self._platform["Organization"],
            "element_token": self._instance["Element"],
        }
        if self.webhooks.key:
            secrets["signature_key"] = self.webhooks.key
        return {"conn_type": "sap_open_connectors", "host": self.url, "extra": {**secrets, **extra}}

    def app(self, listener: str) -> web.Application:
        """With the sender of webhooks beside it."""
        app = super().app(listener)
        app.cleanup_ctx.append(self.webhooks.outbox.background)
        return app

    def routes(self, listener: str) -> Iterable[Route]:
        """The platform's paths, then those of the connector instance, with and without ``/hubs/{hub}``."""
        deliveries = f"{BASE}/notifications/subscriptions/deliveries"
        routes = [
            Route("GET", deliveries, "deliveries", self._let_in(self._deliveries, self._platform)),
            Route("PUT", deliveries, "redeliver", self._let_in(self._redeliver, self._platform)),
        ]
        for path in (f"{BASE}/accounts/settings", f"{BASE}/accounts/{{account:[0-9]+}}/settings"):
            routes += [
                Route(method, path, "settings", self._let_in(self._settings, self._platform))
                for method in ("GET", "POST", "PATCH")
            ]
        for prefix in (BASE, f"{BASE}/hubs/{{hub}}"):
            routes += [
                Route(method, prefix + path, kind, self._let_in(handler, self._instance))
                for method, path, kind, handler in (*self.bulk.paths(), *self.requests.paths())
            ]
        return routes

    # -- scripting

    def script(self, *, kind: str | None = None, **changes: Any) -> None:
        """
        Say how the next job goes, once; call it several times for several jobs.

        :param kind: the next "request", "download" or "upload", None: any
        :param changes: fields of :class:`~airflow_async_provider.simulators._open_connectors_jobs.Plan`
        :raises ValueError: unknown kind or field
        """
        if kind not in (None, "request", "download", "upload"):
            raise ValueError('a kind is "request", "download" or "upload"')
        self._plan.changed(changes)
        self._scripted.append((kind, changes))

    def next_plan(self, kind: str) -> Plan:
        """The plan of the job that begins now."""
        for position, (wanted, changes) in enumerate(self._scripted):
            if wanted in (None, kind):
                del self._scripted[position]
                return self._plan.changed(changes)
        return self._plan

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the control routes can do to this simulator."""
        return {
            **super().actions(),
            "script": self.script,
            "finish": self.requests.finish,
            "send_webhook": self.requests.send_webhook,
            "finish_bulk": self.bulk.finish,
            "finish_job": self.finish_job,
            "sha256_of": lambda job=-1: self.jobs[job].sha256,
            "set_policy": self.set_policy,
        }

    @property
    def jobs(self) -> list[Job]:
        """Requests and bulk jobs together, in the order of their start."""
        return sorted((*self.requests.jobs, *self.bulk.jobs), key=lambda job: job.started_at)

    def finish_job(self, job: int = -1, outcome: str = "completed") -> None:
        """End a request or bulk job now, unless it has ended already."""
        found = self.jobs[job]
        api = self.requests if isinstance(found, AsyncRequest) else self.bulk
        api.finish(found.number, outcome)

    def set_policy(self, policy: str) -> None:
        """
        What becomes of webhooks that cannot be delivered.

        :raises ValueError: neither "retry" nor "queue"
        """
        if policy not in POLICIES:
            raise ValueError(f"unknown policy {policy!r}; known are {POLICIES}")
        self.webhooks.policy = policy

    def describe(self) -> dict[str, Any]:
        """Requests, bulk jobs and webhooks; no addresses, no bodies."""
        return {
            **super().describe(),
            "policy": self.webhooks.policy,
            "jobs": [job.to_dict() for job in self.jobs],
            "requests": [request.to_dict() for request in self.requests.jobs],
            "bulk_jobs": [job.to_dict() for job in self.bulk.jobs],
            "webhooks": [delivery.to_dict() for delivery in self.webhooks.deliveries],
        }

    def reset(self) -> None:
        """Forget requests, bulk jobs, webhooks and scripts as well."""
        super().reset()
        self.webhooks.clear()
        self.requests.jobs.clear()
        self.bulk.jobs.clear()
        self._scripted.clear()

    # -- answering

    def _let_in(self, handler: Handler, secrets: dict[str, str]) -> Handler:
        async def checked(request: web.Request) -> Reply:
            try:
                check_authorization(request, secrets)
                reply = await handler(request)
            except Refused as refusal:
                refusal.reply.headers["Elements-Error"] = "true"
                reply = refusal.reply
            reply.headers.setdefault("Elements-Request-Id", uuid.uuid4().hex[:24])
            return reply

        return checked

    async def _deliveries(self, request: web.Request) -> Reply:
        hydrate = request.query.get("hydrate") == "true"
        try:
            found = [d.record(hydrate=hydrate) for d in self.webhooks.select(request.query.get("where", ""))]
        except ValueError as error:
            raise refused(400, str(error)) from None
        return Reply.json(found)

    async def _redeliver(self, request: web.Request) -> Reply:
        try:
            released = self.webhooks.redeliver(request.query.get("where", ""))
        except ValueError as error:
            raise refused(400, str(error)) from None
        return Reply.json([delivery.record(hydrate=False) for delivery in released])

    async def _settings(self, request: web.Request) -> Reply:
        name = "notification.webhook.failure.policy"
        if request.method != "GET":
            body = await json_object(request)
            if body.get(name) not in POLICIES:
                raise refused(400, f"{name} is retry or queue.")
            self.webhooks.policy = body[name]
        return Reply.json({name: self.webhooks.policy})
