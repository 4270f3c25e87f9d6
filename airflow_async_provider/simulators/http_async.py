# SPDX-License-Identifier: Apache-2.0
"""
Any API that answers 202, in a box: one server with every convention under its own path prefix.

What each convention says is in :mod:`~airflow_async_provider.simulators._http_conventions` with its sources.
docs/simulators_http.md lists paths, options, and what is a standard's rule and what is made up here.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from aiohttp import web

from airflow_async_provider.simulators._faults import retry_after
from airflow_async_provider.simulators._http_callbacks import Callbacks
from airflow_async_provider.simulators._http_conventions import Convention, Location, StatusField
from airflow_async_provider.simulators._http_idempotency import IdempotencyKeys
from airflow_async_provider.simulators._http_jobs import HttpJob, Plan
from airflow_async_provider.simulators._http_refusals import json_body, refused
from airflow_async_provider.simulators._http_vendors import (
    Azure,
    AzureLocation,
    AzureResourceManager,
    Google,
    OData,
    OData40,
)
from airflow_async_provider.simulators._plans import Plans
from airflow_async_provider.simulators._s3 import PresignedStore, StoredObject, seconds_left
from airflow_async_provider.simulators.frame import Route, Simulator
from airflow_async_provider.simulators.reply import Reply

CONVENTIONS: tuple[type[Convention], ...] = (
    Location,
    Azure,
    AzureResourceManager,
    AzureLocation,
    Google,
    OData,
    OData40,
    StatusField,
)

BUCKET = "http.sim.results"

#: longest wait that a ``Prefer: wait=n`` is granted (real seconds)
MAX_WAIT = 30.0


class HttpAsyncSimulator(Simulator):
    """
    Every generic convention: location, azure, google, odata, status_field.

    Seconds are simulated ones (``time_scale``, ``clock.advance``) unless it says otherwise.

    :param login: user of HTTP Basic, None: no credentials are wanted
    :param password: its password
    :param api_key: wanted as ``X-API-Key`` as well, None: not wanted
    :param relative_urls: hand out addresses without scheme and host
    :param moving: every 202 of ``location`` and ``odata`` moves the monitor; the old address answers 404
    :param idempotency: ``ignored``, ``honoured`` or ``required``
    :param accepting_seconds: real seconds between a submission and its answer
    :param result_expires: life of a pre-signed result URL, from the end of the job
    :param callback_field: JSON field of the submission that holds the caller's address, dotted
    :param callback_header: header that may hold it instead
    :param callback_signature: None, ``hmac`` or ``standard``
    :param callback_secret: key of the signature
    :param callback_copies: how often each callback is delivered
    :param callback_tries: how often a refused callback is sent
    :param callback_pause: real seconds between tries
    :param plans: other plans for single conventions, by their names
    :param plan: fields of :class:`~airflow_async_provider.simulators._http_jobs.Plan`, and ``time_scale`` and
        ``latency`` of every simulator
    """

    name: ClassVar[str] = "http"
    command_line: ClassVar[str] = "_http_arguments"
    listeners = ("api", "results")

    def __init__(
        self,
        *,
        login: str | None = "http-user",
        password: str = "http-password",  # noqa: S107 - a made-up password of a simulator
        api_key: str | None = None,
        relative_urls: bool = False,
        moving: bool = False,
        idempotency: str = "honoured",
        accepting_seconds: float = 0.0,
        result_expires: int = 300,
        callback_field: str = "callbackUrl",
        callback_header: str = "X-Callback-Url",
        callback_signature: str | None = None,
        callback_secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # noqa: S107 - Standard Webhooks' example
        callback_copies: int = 1,
        callback_tries: int = 3,
        callback_pause: float = 0.2,
        plans: Mapping[str, Mapping[str, Any]] | None = None,
        time_scale: float = 1.0,
        latency: float = 0.0,
        **plan: Any,
    ) -> None:
        self.conventions = {cls.name: cls(self) for cls in CONVENTIONS}
        super().__init__(time_scale=time_scale, latency=latency)
        self.plans = Plans(
            Plan().changed(plan), plans or {}, kinds=frozenset(self.conventions), what="convention"
        )
        self._login = login
        self._password = password
        self._api_key = api_key
        self.relative_urls = relative_urls
        self.moving = moving
        self.accepting_seconds = accepting_seconds
        self.result_expires = result_expires
        self._callback_field = callback_field
        self._callback_header = callback_header
        self.keys = IdempotencyKeys(idempotency, self.journal)
        self.callbacks = Callbacks(
            now=self.clock.now,
            journal=self.journal,
            payload=lambda job: self.conventions[job.convention].callback(job),
            signature=callback_signature,
            secret=callback_secret,
            copies=callback_copies,
            tries=callback_tries,
            pause=callback_pause,
        )
        self.store = PresignedStore(self.clock.now, bucket=BUCKET)
        #: all jobs, in the order of their submission
        self.jobs: list[HttpJob] = []
        self._jobs_by_id: dict[str, HttpJob] = {}

    # -- where things are

    def airflow_connection(self) -> dict[str, Any]:
        """Describe the Airflow connection to this simulator, as ``AIRFLOW_CONN_...`` takes it in JSON."""
        connection: dict[str, Any] = {"conn_type": "http", "host": self.url}
        if self._login is not None:
            connection |= {"login": self._login, "password": self._password}
        if self._api_key is not None:
            connection["extra"] = {"X-API-Key": self._api_key}
        return connection

    def app(self, listener: str) -> web.Application:
        """The application; the API's also sends the callbacks."""
        app = super().app(listener)
        if listener == "api":
            app.cleanup_ctx.append(self.callbacks.outbox.background)
        return app

    def routes(self, listener: str) -> Iterable[Route]:
        """Every convention's paths below its prefix."""
        if listener == "results":
            return [Route("*", f"/{BUCKET}/{{key:.+}}", "result", self.store_get)]
        return [route for convention in self.conventions.values() for route in self._routes(convention)]

    def _routes(self, convention: Convention) -> Iterable[Route]:
        below = convention.prefix
        # The first of equal routes wins, so what cancels by a path of its own stands before what asks.
        for method, path in convention.cancel_paths:
            pattern = below + path.replace("{id}", r"{id:\w+}")
            yield Route(method, pattern, "cancel", self._canceller(convention))
        monitor = below + convention.monitor_path.replace("{id}", r"{id:\w+}")
        yield Route("GET", monitor, "status", self._monitor(convention))
        yield Route("GET", below + r"/results/{id:\w+}", "result", self._result)
        for method in ("POST", "GET", "PUT"):
            yield Route(method, below + convention.submit_path, "submit", self._starter(convention))

    def presigned_url(self, job: HttpJob) -> str:
        """A job's one URL on the other origin, signed for the moment at which it ended."""
        if job.result_url is None:
            key = f"{job.convention}-{job.id}"
            self.store.objects[key] = StoredObject(job.content, job.ended_at, job.plan.result_content_type)
            job.result_url = self.store.presign(
                self.url_of("results"), key, signed_at=job.ended_at, expires=self.result_expires
            )
        return job.result_url

    def seconds_left(self, job: HttpJob) -> int:
        """How long the pre-signed URL is still good."""
        return seconds_left(job.ended_at, self.result_expires, self.clock.now())

    def pace(self, job: HttpJob) -> dict[str, str]:
        """``Retry-After``, as the job's plan wants it."""
        if job.plan.retry_after is None:
            return {}
        as_date = job.plan.retry_after_as_date
        return {"Retry-After": retry_after(job.plan.retry_after, now=self.clock.now(), as_date=as_date)}

    # -- scripting

    def script(self, *, convention: str | None = None, **changes: Any) -> None:
        """
        Say how the next job goes, once; call it several times for several jobs.

        :param convention: the next job of this convention, None: of any
        :param changes: fields of :class:`~airflow_async_provider.simulators._http_jobs.Plan`
        :raises ValueError: unknown convention or field
        """
        self.plans.script(convention, changes)

    def job(self, number: int = -1) -> HttpJob:
        """
        One job by its number, the latest one by default.

        :raises LookupError: when there is none
        """
        return self.jobs[number]

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the control routes can do to this simulator."""
        return {
            **super().actions(),
            "script": self.script,
            "finish_job": lambda job=-1, outcome="succeeded": self.job(job).finish(outcome),
            "sha256_of": lambda job=-1: self.job(job).content.sha256,
        }

    def describe(self) -> dict[str, Any]:
        """Urls and jobs; a job's URLs are not among them."""
        return {**super().describe(), "jobs": [job.to_dict() for job in self.jobs]}

    def reset(self) -> None:
        """Forget jobs, results, scripts, keys and callbacks as well."""
        super().reset()
        self.jobs.clear()
        self._jobs_by_id.clear()
        self.store.objects.clear()
        self.plans.clear()
        self.keys.clear()
        self.callbacks.clear()

    # -- answering

    def _starter(self, convention: Convention) -> Callable[[web.Request], Any]:
        async def start(request: web.Request) -> Reply:
            self._check_caller(request)
            body = await json_body(request)

            async def work() -> Reply:
                if self.accepting_seconds:
                    await asyncio.sleep(self.accepting_seconds)
                return await self._begin(convention, request, body)

            return await self.keys.once(request, work)

        return start

    async def _begin(self, convention: Convention, request: web.Request, body: Any) -> Reply:
        job = HttpJob(
            number=len(self.jobs),
            convention=convention.name,
            body=body,
            plan=self.plans.next(convention.name),
            now=self.clock.now,
            callback_url=self._callback_url(request, body),
        )
        self.jobs.append(job)
        self._jobs_by_id[job.id] = job
        self.journal.note("job_started")
        self.callbacks.expect(job)
        prefer = request.headers.get("Prefer", "")
        wants_async = "respond-async" in prefer
        wait = re.search(r"\bwait=(\d+)", prefer)
        if job.plan.synchronous or (convention.only_if_preferred and not wants_async):
            job.finish(job.plan.outcome)
            return _answered(convention, job)
        if wants_async and wait and await self._ends_within(job, float(wait[1])):
            return _answered(convention, job)
        reply = convention.accepted(job)
        if wants_async:
            reply.headers["Preference-Applied"] = "respond-async"
        return reply

    async def _ends_within(self, job: HttpJob, seconds: float) -> bool:
        """Wait for a job for so many real seconds, as RFC 7240 §4.3 wants it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + min(seconds, MAX_WAIT)
        while job.state == "running" and loop.time() < end:  # noqa: ASYNC110 - a test may end it in its thread
            await asyncio.sleep(0.01)
        return job.state != "running"

    def _monitor(self, convention: Convention) -> Callable[[web.Request], Any]:
        async def ask(request: web.Request) -> Reply:
            self._check_caller(request)
            job = self._known(request)
            if job.not_found_left > 0:
                job.not_found_left -= 1
                raise refused(404, "Not Found")
            self._check_address(convention, job, request)
            return convention.asked(job)

        return ask

    def _canceller(self, convention: Convention) -> Callable[[web.Request], Any]:
        async def cancel(request: web.Request) -> Reply:
            self._check_caller(request)
            job = self._known(request)
            if job.state != "running":
                raise refused(409, "The job has ended")
            job.finish("cancelled")
            self.journal.note("job_cancelled")
            return convention.cancelled(job)

        return cancel

    async def _result(self, request: web.Request) -> Reply:
        self._check_caller(request)
        job = self._known(request)
        if job.state != "succeeded":
            raise refused(404, "Not Found")
        return next(iter(self.conventions.values())).body(job)

    async def store_get(self, request: web.Request) -> Reply:
        """Answer a request for a pre-signed result."""
        return await self.store.get(request)

    # -- what a caller has to bring

    def _known(self, request: web.Request) -> HttpJob:
        job = self._jobs_by_id.get(request.match_info["id"])
        if job is None or job.forgotten or not request.path.startswith(f"/{job.convention}/"):
            raise refused(404, "Not Found")
        return job

    def _check_address(self, convention: Convention, job: HttpJob, request: web.Request) -> None:
        if request.raw_path != convention.monitor(job):
            raise refused(404, "The address is not the one that was handed out")

    def _check_caller(self, request: web.Request) -> None:
        if self._login is not None:
            token = base64.b64encode(f"{self._login}:{self._password}".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {token}":
                raise refused(401, "Unauthorized", {"WWW-Authenticate": "Basic"})
        if self._api_key is not None and request.headers.get("X-API-Key") != self._api_key:
            raise refused(403, "Forbidden")

    def _callback_url(self, request: web.Request, body: Any) -> str | None:
        value = body
        for name in self._callback_field.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        value = value or request.headers.get(self._callback_header)
        return value if isinstance(value, str) else None


def _answered(convention: Convention, job: HttpJob) -> Reply:
    """The result of a job that ended before its submission was answered."""
    if job.state == "succeeded":
        return convention.accepted(job) if convention.name == "google" else convention.body(job)
    if convention.name == "google":
        return convention.accepted(job)
    return Reply.json({"error": {"code": "Failed", "message": f"the simulated job {job.state}"}}, 422)
