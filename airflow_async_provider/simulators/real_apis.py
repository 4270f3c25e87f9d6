# SPDX-License-Identifier: Apache-2.0
"""
Some forty real APIs in a box: each answers below a prefix of its own as the vendor's does, with the
vendor's paths behind it.

::

    with running(RealApisSimulator(polls=2)) as simulator:
        connection = simulator.airflow_connection("salesforce")
        simulator.script("salesforce", "fail")  # how the next job there ends

What each API sends, with its sources, is in docs/real_apis.md. The answers have the fields that matter for
a job; there are few rows, no rate limits, and nothing expires but access tokens.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from airflow_async_provider.simulators._real_apis import (
    advertising,
    builds,
    commerce,
    customers,
    geodata,
    google,
    health,
    machines,
    microsoft,
    models,
    schedulers,
    warehouses,
)
from airflow_async_provider.simulators._real_apis.api import TOKEN, USER, Api
from airflow_async_provider.simulators._real_apis.files import SignedFiles
from airflow_async_provider.simulators._real_apis.job import Job
from airflow_async_provider.simulators.frame import Route, Simulator

_MODULES = (
    advertising,
    builds,
    commerce,
    customers,
    geodata,
    google,
    health,
    machines,
    microsoft,
    models,
    schedulers,
    warehouses,
)

#: every API by its name
APIS: Mapping[str, type[Api]] = {
    known.name: known
    for module in _MODULES
    for known in vars(module).values()
    if isinstance(known, type) and issubclass(known, Api) and "name" in vars(known)
}


class RealApisSimulator(Simulator):
    """
    Real APIs from SendGrid to Redfish, each below a prefix of its own.

    A job ends well, or as ``outcome``, :meth:`script` or the header ``X-Outcome`` of its start request
    says; the header goes first. Pre-signed URLs lie on the listener ``files``, which refuses every
    credential.

    :param processing_seconds: simulated seconds that a job takes, None: until :meth:`finish`
    :param polls: polls that find a job running, instead of seconds: no test has to wait
    :param outcome: how all jobs end: empty for well, or one of their API's other outcomes
    :param retry_after: seconds in the answers of the APIs that send ``Retry-After``; None: they do not send
        it
    :param token_seconds: simulated life of issued access tokens
    """

    name: ClassVar[str] = "real-apis"
    command_line: ClassVar[str] = "_real_apis.arguments"
    listeners = ("api", "files")

    def __init__(
        self,
        *,
        processing_seconds: float | None = 0.3,
        polls: int | None = None,
        outcome: str = "",
        retry_after: int | None = 1,
        token_seconds: float = 300.0,
        time_scale: float = 1.0,
        latency: float = 0.0,
    ) -> None:
        self.apis = {name: api(self) for name, api in APIS.items()}
        self.files = SignedFiles()
        self.numbers = itertools.count(1001)
        self.retry_after = retry_after
        self.token_seconds = token_seconds
        self._processing_seconds = processing_seconds
        self._polls = polls
        self._outcome = outcome
        self._scripted: list[tuple[str, str]] = []
        super().__init__(time_scale=time_scale, latency=latency)

    def routes(self, listener: str) -> Iterable[Route]:
        """Every API's paths below its prefix."""
        if listener == "files":
            return [Route("*", "/{path:.+}", "result", self.files.get)]
        return [route for api in self.apis.values() for route in api.routes()]

    # -- where things are

    def base_url(self, api: str) -> str:
        """
        The base URL of one API.

        :raises LookupError: when there is none of that name
        """
        return self._known(api).base

    def airflow_connection(self, api: str) -> dict[str, Any]:
        """
        Describe the Airflow connection to one API, as ``AIRFLOW_CONN_...`` takes it in JSON.

        :raises LookupError: when there is none of that name
        """
        known = self._known(api)
        connection: dict[str, Any] = {"conn_type": "http", "host": known.base + known.connection_path}
        if known.basic:
            return connection | {"login": USER, "password": TOKEN}
        if known.key_header:
            return connection | {"extra": {known.key_header: TOKEN, **known.headers}}
        return connection | {"extra": {"Authorization": f"Bearer {TOKEN}", **known.headers}}

    def credentials(self, api: str) -> dict[str, str]:
        """The headers that a client of one API has to send."""
        known = self._known(api)
        basic = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        return {"Authorization": basic if known.basic else f"Bearer {TOKEN}", **known.headers}

    def _known(self, api: str) -> Api:
        if api not in self.apis:
            raise LookupError(f"unknown API {api!r}; known are {sorted(self.apis)}")
        return self.apis[api]

    # -- jobs

    def new_job(self, api: Api, job_id: str, outcome: str, about: Mapping[str, Any]) -> Job:
        """Make the job that a start request of this API has asked for."""
        self.journal.note("job_started")
        return Job(
            job_id,
            outcome or self._next_outcome(api.name),
            seconds=self._processing_seconds,
            polls=self._polls,
            now=self.clock.now,
            about=about,
        )

    def _next_outcome(self, api: str) -> str:
        for position, (wanted, outcome) in enumerate(self._scripted):
            if wanted == api:
                del self._scripted[position]
                return outcome
        return self._outcome

    def script(self, api: str, outcome: str) -> None:
        """
        Say how the next job of one API ends, once.

        :param outcome: one of the API's other outcomes; empty for well
        :raises LookupError: unknown API
        :raises ValueError: an outcome that this API does not have
        """
        known = self._known(api)
        if outcome and outcome not in known.outcomes:
            raise ValueError(f"{api} has no outcome {outcome!r}; known are {known.outcomes}")
        self._scripted.append((api, outcome))

    def job(self, api: str, number: int = -1) -> Job:
        """
        One job of one API by its number, the latest by default.

        :raises LookupError: unknown API, or no such job
        """
        return list(self._known(api).jobs.values())[number]

    def finish(self, api: str, outcome: str | None = None, number: int = -1) -> None:
        """
        End a job now.

        :param outcome: another outcome than the one it was started with; empty for well
        :raises LookupError: unknown API, or no such job
        """
        self.job(api, number).finish(outcome)

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the control routes can do to this simulator."""
        return {**super().actions(), "script": self.script, "finish_job": self.finish}

    def describe(self) -> dict[str, Any]:
        """Urls, APIs with their outcomes, and jobs."""
        apis = {
            name: {"outcomes": list(api.outcomes), "jobs": [job.to_dict() for job in api.jobs.values()]}
            for name, api in self.apis.items()
        }
        return {**super().describe(), "apis": apis}

    def reset(self) -> None:
        """Forget jobs, files and scripts as well."""
        super().reset()
        for api in self.apis.values():
            api.reset()
        self.files.clear()
        self._scripted.clear()
