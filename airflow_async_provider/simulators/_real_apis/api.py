# SPDX-License-Identifier: Apache-2.0
"""
What the APIs share: routes below a prefix, credentials, the form of errors, and a request as they see it.

An API is a class with one private method for each of its requests::

    class Weather(Api):
        name = "weather"

        @on("POST", "/forecasts", "submit")
        def _start(self, call: Call) -> Answer:
            return answer({"id": call.start("f-").id}, 202)
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar
from urllib.parse import parse_qs

from aiohttp import web

from airflow_async_provider.simulators._real_apis.files import AWS, File
from airflow_async_provider.simulators._real_apis.job import Job
from airflow_async_provider.simulators.frame import Route
from airflow_async_provider.simulators.reply import Refused, Reply

if TYPE_CHECKING:
    from airflow_async_provider.simulators.real_apis import RealApisSimulator

#: the one token, key and password that is good everywhere
TOKEN = "secret-token"  # noqa: S105 - made up for a simulator
USER = "user"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

#: an answer, or the JSON of a 200
Answer = Reply | dict[str, Any] | list[Any]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Answer])


def on(method: str, path: str, kind: str) -> Callable[[AnyHandler], AnyHandler]:
    """
    Answer these requests with the decorated method; may be given several times.

    :param path: path below the API's prefix, with ``{name}`` for one segment of it
    :param kind: what faults and the journal call it: ``submit``, ``step`` (a further request that belongs
        to the start), ``status``, ``result``, ``cancel``, ``delete``, ``token``
    """

    def keep(handler: AnyHandler) -> AnyHandler:
        handlers = handler.__dict__.setdefault("served", [])
        handlers.append((method, path, kind))
        return handler

    return keep


class Api:
    """
    One vendor's API.

    :param simulator: the simulator that serves it
    """

    #: prefix of its paths, and its name everywhere
    name: ClassVar[str]
    #: header that may carry the token instead of ``Authorization``
    key_header: ClassVar[str] = ""
    #: whether it takes HTTP Basic instead of a bearer token
    basic: ClassVar[bool] = False
    #: how a job can end, other than well
    outcomes: ClassVar[tuple[str, ...]] = ("fail",)
    #: headers that every request of a client has to bring besides the credentials
    headers: ClassVar[Mapping[str, str]] = {}
    #: status of the refusal where one is missing
    headers_status: ClassVar[int] = 400
    #: path that belongs to the base URL of a connection
    connection_path: ClassVar[str] = ""
    #: query of its pre-signed URLs
    signature: ClassVar[str] = AWS

    def __init__(self, simulator: RealApisSimulator) -> None:
        self.simulator = simulator
        self.jobs: dict[str, Job] = {}
        #: issued tokens, and the simulated moment at which each ends
        self.tokens: dict[str, float] = {}

    @property
    def base(self) -> str:
        """The base URL of this API."""
        return f"{self.simulator.url}/{self.name}"

    def reset(self) -> None:
        """Forget jobs and tokens."""
        self.jobs.clear()
        self.tokens.clear()

    def error(self, status: int, text: str) -> Any:
        """The body of an error: JSON, or text."""
        return {"error": text}

    def error_status(self, status: int) -> int:
        """The status that an error goes out with."""
        return status

    # -- routes

    def routes(self) -> Iterator[Route]:
        """All its routes, those with fixed paths first; the last one refuses what is left."""
        served = sorted(self.served(), key=lambda entry: entry[1].count("{"))
        for method, path, kind, handler in served:
            yield Route(method, f"/{self.name}{path}", kind, self._answering(handler, kind))
        yield Route("*", f"/{self.name}{{path:.*}}", "unknown", self._answering(self._unknown, "unknown"))

    def served(self) -> list[tuple[str, str, str, Callable[[Call], Answer]]]:
        """Method, path, kind and handler of each request that it knows."""
        handlers = [getattr(self, name) for name in dir(type(self)) if re.match("_[a-z]", name)]
        return [(*entry, handler) for handler in handlers for entry in getattr(handler, "served", ())]

    def _answering(self, handler: Callable[[Call], Answer], kind: str) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> Reply:
            call = Call(self, request, await request.read())
            if kind != "token":
                self._check(call)
            try:
                given = handler(call)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                call.refuse(400, f"The request cannot be understood: {error}")
            if kind == "status":
                for job in call.seen.values():
                    job.asked()
            return given if isinstance(given, Reply) else Reply.json(given)

        return answer

    def _check(self, call: Call) -> None:
        if not self._is_authorized(call):
            scheme = "Basic" if self.basic else "Bearer"
            call.refuse(401, "The credentials are missing or wrong", {"WWW-Authenticate": scheme})
        for name in self.headers:
            if not call.header(name):
                call.refuse(self.headers_status, f"Header {name} is missing")

    def _is_authorized(self, call: Call) -> bool:
        if self.key_header and call.header(self.key_header) == TOKEN:
            return True
        scheme, _, given = call.header("Authorization").partition(" ")
        if self.basic:
            return scheme == "Basic" and given == base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        issued = self.tokens.get(given, 0.0) > self.simulator.clock.now()
        return scheme in ("Bearer", "Token") and (given == TOKEN or issued)

    def _unknown(self, call: Call) -> Answer:
        path = call.request.path.removeprefix(f"/{self.name}")
        others = {method for method, known, *_ in self.served() if _fits(known, path)}
        if others:
            call.refuse(
                405, f"{call.request.method} is not allowed here", {"Allow": ", ".join(sorted(others))}
            )
        call.refuse(404, f"There is nothing at {path}")


def _fits(known: str, path: str) -> bool:
    pieces = re.split(r"\{[^}]*\}", known)
    return re.fullmatch("[^/]+".join(map(re.escape, pieces)), path) is not None


@dataclass
class Call:
    """
    A request as the APIs see it.

    :param raw: its body
    :param seen: jobs that were looked at, by their ids, for the count of polls
    """

    api: Api
    request: web.Request
    raw: bytes
    seen: dict[str, Job] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def header(self, name: str) -> str:
        """A header, empty without it."""
        return self.request.headers.get(name, "")

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.request.query.get(name, default)

    @property
    def json(self) -> Any:
        """The JSON body, or the fields of a form; None for anything else."""
        if "x-www-form-urlencoded" in self.header("Content-Type"):
            return {name: values[0] for name, values in parse_qs(self.raw.decode()).items()}
        try:
            return json.loads(self.raw) if self.raw else None
        except ValueError:
            return None

    def need(self, *paths: str, status: int = 400) -> dict[str, Any]:
        """
        The JSON body, which has to hold a value at each of these dotted paths.

        :param status: status of the refusal
        """
        body = self.json
        if not isinstance(body, dict):
            self.refuse(status, "A JSON object is expected in the body")
        for path in paths:
            value: Any = body
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is None:
                self.refuse(status, f"Field {path} is missing")
        return body

    def need_query(self, name: str) -> str:
        """A parameter of the query that has to be there."""
        return self.query(name) or self.refuse(400, f"Parameter {name} is missing")

    def refuse(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> NoReturn:
        """Leave the handler with an error in the API's own form."""
        raise Refused(
            answer(self.api.error(status, text), self.api.error_status(status), headers=headers)
        ) from None

    # -- jobs and files

    def start(self, prefix: str = "", job_id: str | None = None, **about: Any) -> Job:
        """Start a job; its id is ``job_id``, or ``prefix`` and a number."""
        simulator = self.api.simulator
        number = next(simulator.numbers)
        job = simulator.new_job(
            self.api, job_id or f"{prefix}{number}", self.header("X-Outcome").lower(), about
        )
        self.api.jobs[job.id] = job
        return job

    def job(self, job_id: Any = None, status: int = 404) -> Job:
        """
        A job that is known.

        :param job_id: its id, by default the part of the path of that name
        :param status: status of the refusal
        """
        wanted = self["id"] if job_id is None else str(job_id)
        job = self.api.jobs.get(wanted)
        if job is None:
            self.refuse(status, f"There is no job {wanted}")
        self.seen[job.id] = job
        return job

    def cancel(self, job: Job) -> bool:
        """Cancel a job; False when it had ended before."""
        stopped = job.cancel()
        if stopped:
            self.api.simulator.journal.note("job_cancelled")
        return stopped

    def signed(
        self,
        name: str,
        content: str | bytes,
        content_type: str = "text/csv",
        needed: Mapping[str, str] | None = None,
    ) -> str:
        """A pre-signed URL for this content, on another origin."""
        body = content.encode() if isinstance(content, str) else content
        file = File(body, content_type, self.api.signature, tuple((needed or {}).items()))
        simulator = self.api.simulator
        return simulator.url_of("files") + simulator.files.put(f"/{self.api.name}/{name}", file)

    @property
    def pace(self) -> dict[str, str]:
        """The header ``Retry-After``, as the simulator's ``retry_after`` wants it."""
        seconds = self.api.simulator.retry_after
        return {} if seconds is None else {"Retry-After": str(seconds)}


def answer(
    body: Any = None,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str | None = None,
) -> Reply:
    """An answer with a body of JSON (a dict or list), text, bytes, or without one (None)."""
    if body is None:
        return Reply(status, dict(headers or {}))
    if isinstance(body, bytes):
        content, usual = body, "application/octet-stream"
    elif isinstance(body, str):
        content, usual = body.encode(), "text/plain; charset=utf-8"
    else:
        content, usual = json.dumps(body).encode(), "application/json"
    return Reply(status, {"Content-Type": content_type or usual, **(headers or {})}, content)


def rows(count: int = 3, first: int = 1) -> str:
    """A small CSV."""
    return "id,name\n" + "".join(f"{n},row {n}\n" for n in range(first, first + count))


def lines(*values: Any) -> str:
    """JSON lines."""
    return "".join(json.dumps(value) + "\n" for value in values)


def stamp(epoch: float) -> str:
    """A moment as most APIs write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
