# SPDX-License-Identifier: Apache-2.0
"""
JAGGAER ASO in a box: asynchronous EES and CHES endpoints, their status, OAuth tokens, results on "S3".

Known from the vendor's public pages ("ASO APIs - Working With Asynchronous Download Endpoints",
docs.aso.engineering/ees.html, ches.html, oauth-ccg.html): base paths, the three request headers and their
media types, ``202`` with ``statusUrl`` and ``statusUrlExpiresInSeconds``, the four states, ``resultUrl`` and
``resultUrlExpiresInSeconds`` counting down to -1, 403 for an expired status URL, 403 with S3's XML for an
expired result URL, 404 for a result that is not there yet.

Assumptions, because no public page says it: the JSON bodies of 401, 403, 404, 406 and 415; which of several
wrong headers is refused first; 406 and 415 themselves; the token endpoint's path (from a third party's
guide) and its errors (RFC 6749's); the media type of results; that asking again never signs a result URL
anew (derived: the count can reach -1). docs/simulators.md holds the whole list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from aiohttp import web

from airflow_async_provider.simulators._aso_jobs import ENDPOINTS, MEDIA_TYPES, AsoJob, Plan
from airflow_async_provider.simulators._plans import Plans
from airflow_async_provider.simulators._s3 import PresignedStore, seconds_left
from airflow_async_provider.simulators._tokens import Tokens
from airflow_async_provider.simulators.frame import Route, Simulator
from airflow_async_provider.simulators.reply import Refused, Reply

BUCKET = "us-east-2.aso.sim.api.async-downloads"


class AsoSimulator(Simulator):
    """
    JAGGAER ASO.

    Seconds are simulated ones (``time_scale``, ``clock.advance``).

    :param processing_seconds: how long a job runs, None: until :meth:`AsoJob.finish`
    :param outcome: how jobs end: "completed", "failed" or "cancelled"
    :param result_bytes: length of generated results
    :param result_body: results are these bytes instead
    :param result_file: results are this file instead
    :param result_content_type: media type of results
    :param not_found_first: how many requests for a result get 404 before it is "there"
    :param token: a bearer token that is always good, None: only issued ones are
    :param api_key: the customer's API key
    :param client_id: OAuth client
    :param client_secret: its secret
    :param token_expires: life of issued tokens; None: for ever, without ``expires_in``
    :param status_expires: life of a status URL
    :param result_expires: life of a result URL, from the moment the job ended
    :param separate_origins: status URLs and the token endpoint on ports of their own, as an environment
        with several hosts has it
    :param verbatim_status_url: a status URL that the client encoded anew (``%3D`` for ``=``) is unknown
    :param ranges: whether the result side obeys Range
    :param chunked: results without Content-Length
    :param result_rate: bytes per second of each download
    :param plans: other values for single endpoints, by the names in :data:`ENDPOINTS`: the fields of
        :class:`~airflow_async_provider.simulators._aso_jobs.Plan`
    :param options: ``time_scale`` and ``latency`` of every simulator
    """

    name: ClassVar[str] = "aso"
    command_line: ClassVar[str] = "_aso_arguments"

    def __init__(
        self,
        *,
        processing_seconds: float | None = 0.3,
        outcome: str = "completed",
        result_bytes: int = 1_000_000,
        result_body: bytes | None = None,
        result_file: str | None = None,
        result_content_type: str = "application/octet-stream",
        not_found_first: int = 0,
        token: str | None = "aso-token",  # noqa: S107 - a made-up token of a simulator
        api_key: str = "aso-key",
        client_id: str = "aso-client",
        client_secret: str = "aso-secret",  # noqa: S107 - likewise
        token_expires: int | None = 3600,
        status_expires: int = 1800,
        result_expires: int = 300,
        separate_origins: bool = False,
        verbatim_status_url: bool = True,
        ranges: bool = True,
        chunked: bool = False,
        result_rate: float | None = None,
        plans: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        self.listeners = ("api", "results", "status", "auth") if separate_origins else ("api", "results")
        super().__init__(**options)
        plan = Plan(
            processing_seconds=processing_seconds,
            outcome=outcome,
            result_bytes=result_bytes,
            result_body=result_body,
            result_file=result_file,
            result_content_type=result_content_type,
            not_found_first=not_found_first,
        )
        endpoints = frozenset(name for _, _, _, name in ENDPOINTS)
        self.plans = Plans(plan, plans or {}, kinds=endpoints, what="endpoint")
        self._token = token
        self._client = (client_id, client_secret)
        self._api_key = api_key
        self.status_expires = status_expires
        self.result_expires = result_expires
        self._verbatim = verbatim_status_url
        self.tokens = Tokens(
            self.clock.now,
            static=token,
            client_id=client_id,
            client_secret=client_secret,
            expires_in=token_expires,
        )
        self.store = PresignedStore(
            self.clock.now, bucket=BUCKET, ranges=ranges, chunked=chunked, rate=result_rate
        )
        #: all jobs, in the order of their submission
        self.jobs: list[AsoJob] = []
        self._jobs_by_path: dict[str, AsoJob] = {}

    # -- where things are

    @property
    def result_url_base(self) -> str:
        """Origin of result URLs; another port than the API's, so another origin."""
        return self.url_of("results")

    @property
    def status_url_base(self) -> str:
        """Origin of status URLs."""
        return self.url_of("status" if "status" in self.listeners else "api")

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        return self.url_of("auth" if "auth" in self.listeners else "api") + "/oauth2/token"

    def airflow_connection(self, service: str = "ees") -> dict[str, Any]:
        """
        Describe the Airflow connection to this simulator, as ``AIRFLOW_CONN_...`` takes it in JSON.

        It uses the static token, or client credentials when there is none.

        :param service: "ees" or "ches"
        """
        extra = {"api_key": self._api_key, "accept": MEDIA_TYPES[service]}
        if self.status_url_base != self.url:
            extra["allowed_hosts"] = self.status_url_base.split("://", 1)[1]
        connection = {"conn_type": "jaggaer_aso", "host": self.url, "extra": extra}
        if self._token is not None:
            return {**connection, "password": self._token}
        extra["token_url"] = self.token_url
        return {**connection, "login": self._client[0], "password": self._client[1]}

    def routes(self, listener: str) -> Iterable[Route]:
        """The vendor's paths, by port."""
        status = Route("GET", "/asyncStatus/{pid:.+}", "status", self._status)
        token = Route("POST", "/oauth2/token", "token", self._issue_token)
        if listener == "results":
            return [Route("*", f"/{BUCKET}/{{key:.+}}", "result", self._result)]
        if listener == "status":
            return [status]
        if listener == "auth":
            return [token]
        starts = [
            Route(method, path, "submit", self._starter(service, endpoint))
            for method, path, service, endpoint in ENDPOINTS
        ]
        return starts if len(self.listeners) > 2 else [*starts, status, token]

    # -- scripting

    def script(self, *, endpoint: str | None = None, **changes: Any) -> None:
        """
        Say how the next job goes, once; call it several times for several jobs.

        :param endpoint: the next job of this endpoint, None: of any
        :param changes: fields of :class:`~airflow_async_provider.simulators._aso_jobs.Plan`
        :raises ValueError: unknown endpoint or field
        """
        self.plans.script(endpoint, changes)

    def job(self, number: int = -1) -> AsoJob:
        """
        One job by its number, the latest one by default.

        :raises LookupError: when there is none
        """
        return self.jobs[number]

    def sha256_of(self, job: AsoJob | int = -1) -> str:
        """Checksum (hexadecimal) of the whole result of a job, given by itself or by its number."""
        return (job if isinstance(job, AsoJob) else self.job(job)).content.sha256

    def change_result(self, job: AsoJob | int = -1) -> None:
        """Replace a result by other bytes of the same length: new ETag, same URL."""
        (job if isinstance(job, AsoJob) else self.job(job)).change_content()

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the control routes can do to this simulator."""
        return {
            **super().actions(),
            "script": self.script,
            "finish_job": lambda job=-1, outcome="completed": self.job(job).finish(outcome),
            "change_result": self.change_result,
            "revoke_tokens": self.tokens.revoke,
            "sha256_of": self.sha256_of,
        }

    def describe(self) -> dict[str, Any]:
        """Urls and jobs; a job's URLs are not among them."""
        return {**super().describe(), "jobs": [job.to_dict() for job in self.jobs]}

    def reset(self) -> None:
        """Forget jobs, results, scripts and issued tokens as well."""
        super().reset()
        self.jobs.clear()
        self._jobs_by_path.clear()
        self.store.objects.clear()
        self.plans.clear()
        self.tokens.reset()

    # -- answering

    def _starter(self, service: str, endpoint: str) -> Callable[[web.Request], Any]:
        async def start(request: web.Request) -> Reply:
            self._check_caller(request, service)
            body = await self._body(request, service) if request.method == "POST" else None
            job = AsoJob(
                number=len(self.jobs),
                service=service,
                endpoint=endpoint,
                parameters=dict(request.match_info),
                body=body,
                plan=self.plans.next(endpoint),
                now=self.clock.now,
            )
            self.jobs.append(job)
            self._jobs_by_path[job.status_path] = job
            self.journal.note("job_started")
            return Reply.json(
                {
                    "statusUrl": self.status_url_base + job.status_path,
                    "statusUrlExpiresInSeconds": self.status_expires,
                },
                202,
                content_type=MEDIA_TYPES[service],
            )

        return start

    async def _status(self, request: web.Request) -> Reply:
        self._check_token_and_key(request)
        path = request.raw_path.split("?", 1)[0]
        if not self._verbatim:
            path = "/asyncStatus/" + request.match_info["pid"]
        job = self._jobs_by_path.get(path)
        if job is None:
            raise _refused(404, "Not Found")
        _check_accept(request, job.service)
        if self.clock.now() >= job.started_at + self.status_expires:
            raise _refused(403, "Forbidden")
        answer: dict[str, Any] = {"status": job.state}
        if job.state == "completed":
            answer["resultUrl"] = self._result_url(job)
            answer["resultUrlExpiresInSeconds"] = seconds_left(
                job.ended_at, self.result_expires, self.clock.now()
            )
        return Reply.json(answer, content_type=MEDIA_TYPES[job.service])

    def _result_url(self, job: AsoJob) -> str:
        """The job's one URL, signed for the moment at which it ended."""
        if job.result_url is None:
            job.stored.modified_at = max(job.stored.modified_at, job.ended_at)
            self.store.objects[job.result_key] = job.stored
            job.result_url = self.store.presign(
                self.result_url_base, job.result_key, signed_at=job.ended_at, expires=self.result_expires
            )
        return job.result_url

    async def _result(self, request: web.Request) -> Reply:
        return await self.store.get(request)

    async def _issue_token(self, request: web.Request) -> Reply:
        self._check_key(request)
        return await self.tokens.issue(request)

    # -- what a caller has to bring

    def _check_caller(self, request: web.Request, service: str) -> None:
        self._check_token_and_key(request)
        _check_accept(request, service)

    def _check_token_and_key(self, request: web.Request) -> None:
        if not self.tokens.accepts(request.headers.get("Authorization")):
            raise _refused(401, "Unauthorized", {"WWW-Authenticate": "Bearer"})
        self._check_key(request)

    def _check_key(self, request: web.Request) -> None:
        if request.headers.get("X-API-Key") != self._api_key:
            raise _refused(403, "Forbidden")

    async def _body(self, request: web.Request, service: str) -> dict[str, Any]:
        if request.content_type != MEDIA_TYPES[service]:
            raise _refused(415, "Unsupported Media Type")
        try:
            body = json.loads(await request.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise _refused(400, "Bad Request")
        return body


def _check_accept(request: web.Request, service: str) -> None:
    """Exactly the service's media type; the vendor's pages call the header required."""
    ranges = (part.split(";", 1)[0].strip().lower() for part in request.headers.get("Accept", "").split(","))
    if MEDIA_TYPES[service] not in ranges:
        raise _refused(406, "Not Acceptable")


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Refused:
    return Refused(Reply.json({"message": message}, status, headers=headers))
