# SPDX-License-Identifier: Apache-2.0
"""
Jobs that code of the DAG's author starts, wherever and however it likes.

The remote system may be any, so its messages have a form of ours, small enough for a
shell script with one ``curl``:

* no body at all: "done, ask" where the remote system can be polled;
* ``{"state": "succeeded", "result": …}``, ``{"state": "failed", "message": "…"}`` (or ``cancelled``);
* ``{"state": "running", "progress": 0.4, "message": "…"}``: a heartbeat.

The same names may come as a form (``curl -d state=succeeded``). Any other body is read by a mapping: see
:class:`CallbackMapping`. Where a description says how to ask for the job, it is asked by that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from airflow_async_provider.errors import CallbackError, ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._callback_rules import CallbackRule
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.requests import values_of
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._registry import PROTOCOLS, protocol_for

#: The words of ``state``.
STATES: Mapping[str, JobState] = {
    s.value: s for s in (JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
}

#: Conditions of a mapping, in the order in which they are looked at: bad news first.
_RULES: Mapping[str, JobState] = {
    "failed_if": JobState.FAILED,
    "cancelled_if": JobState.CANCELLED,
    "running_if": JobState.RUNNING,
    "succeeded_if": JobState.SUCCEEDED,
}
_PLACES = ("result", "message", "progress", "job_id", "delivery_id")

MAX_MESSAGE = 2000


class RemoteJobProtocol(JobProtocol):
    """
    What a job of one's own says.

    :param mapping: how a callback of any other form is read, see :class:`CallbackMapping`
    :param profile: how the job is asked for and cancelled by HTTP: name and options of a description's
        protocol; None: it is not
    :param asked_by_worker: a function of the DAG, on a worker, can ask for the job
    :raises ConfigurationError: a mapping or a profile that cannot be understood
    """

    name: ClassVar[str] = "remote_job"

    def __init__(
        self,
        *,
        mapping: Mapping[str, Any] | None = None,
        profile: Mapping[str, Any] | None = None,
        asked_by_worker: bool = False,
    ) -> None:
        self._mapping = None if mapping is None else CallbackMapping(mapping)
        self._profile = profile
        self.asked_by_worker = asked_by_worker
        if profile is not None and profile.get("name") not in PROTOCOLS:
            raise ConfigurationError(f"{profile.get('name')!r} is not a profile of this package.")

    @property
    def pollable(self) -> bool:  # type: ignore[override] # of this protocol it depends on its options
        """Whether the triggerer can ask for the job."""
        return self._profile is not None and bool(self._profile.get("polls", True))

    @property
    def askable(self) -> bool:
        """Whether anybody can ask for the job."""
        return self.pollable or self.asked_by_worker

    @cached_property
    def profile(self) -> JobProtocol | None:
        """The description's protocol; made when it is first needed, as the API server has no use for it."""
        known = self._profile
        return None if known is None else protocol_for(str(known["name"]), known.get("options") or {})

    @property
    def _asked(self) -> JobProtocol:
        if self.profile is None:
            raise ConfigurationError(
                "Nothing describes how to poll this job; only its callback reports its end."
            )
        return self.profile

    def options(self) -> dict[str, Any]:
        """What rebuilds this protocol."""
        found = {
            "mapping": None if self._mapping is None else self._mapping.to_dict(),
            "profile": None if self._profile is None else dict(self._profile),
            "asked_by_worker": self.asked_by_worker,
        }
        return {name: value for name, value in found.items() if value}

    def for_callbacks(self) -> RemoteJobProtocol:
        """The part that reads callbacks: all that the receiver needs to know."""
        mapping = None if self._mapping is None else self._mapping.to_dict()
        return RemoteJobProtocol(mapping=mapping, asked_by_worker=self.askable)

    @property
    def polling(self) -> Mapping[str, float]:
        """How often the description polls."""
        return self.profile.polling if self.profile is not None else {}

    @property
    def result_once(self) -> bool:
        """Whether the description's last answer comes once only."""
        return self.profile.result_once if self.profile is not None else False

    def handle(
        self,
        job_id: str,
        *,
        submitted_at: float,
        status_url: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """
        The handle of a job that a function has started.

        :param status_url: where it is asked for, where the description's ``poll`` does not say so by the id
        :param data: what else is to be remembered; ``kept`` are values for the description's templates
        :raises ConfigurationError: the description cannot say where the job is asked for
        """
        handle = JobHandle(
            self.name, job_id, submitted_at, status_url, options=self.options(), data=dict(data or {})
        )
        if status_url is not None or not isinstance(self.profile, HttpProfile):
            return handle
        request = self.profile.description.poll if self.pollable else None
        path = None if request is None else request.path
        if path is not None and "status_url" not in path.names:
            lookup = values_of(self.profile.description, handle)
            try:
                return replace(handle, status_url=path.fill(lookup))
            except ValueError as e:
                raise ConfigurationError(f"poll.path cannot be made for the job {job_id!r}: {e}.") from None
        if self.pollable:
            raise ConfigurationError(
                "The description does not say where a job is asked for by its id: give it poll.path, such as "
                "'jobs/{job_id}', or let the start function return {'status_url': …} as well."
            )
        # A cancellation by id needs no address; the description's reader wants one all the same.
        return replace(handle, status_url="-")

    # -- by HTTP, as the description has it ----------------------------------------------------------------

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        There is no answer that we read: a function of the DAG starts the job.

        :raises ConfigurationError: always
        """
        raise ConfigurationError("Such a job is started by a function of the DAG.")

    def status(self, handle: JobHandle) -> HttpRequest:
        """The description's request."""
        return self._asked.status(handle)

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """Read the answer to it."""
        return self._asked.read_status(handle, response)

    def result_request(self, handle: JobHandle, status: JobStatus) -> HttpRequest | None:
        """The description's request for where the result is."""
        return self.profile.result_request(handle, status) if self.profile is not None else None

    def read_result(self, handle: JobHandle, response: HttpResponse) -> Result:
        """Read the answer to it."""
        return self._asked.read_result(handle, response)

    def next_page(self, handle: JobHandle, response: HttpResponse) -> Result | None:
        """The page after the one of this answer."""
        return self._asked.next_page(handle, response)

    @property
    def page_needs_body(self) -> bool:
        """As the description has it."""
        return self._asked.page_needs_body

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        """The description's cancellation."""
        return self.profile.cancel(handle) if self.profile is not None else None

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """Read the answer to it."""
        return self._asked.read_cancel(handle, response)

    def cancel_more(self, handle: JobHandle, response: HttpResponse) -> tuple[HttpRequest, ...] | None:
        """The requests that it leads to."""
        return self._asked.cancel_more(handle, response)

    def delete(self, handle: JobHandle) -> HttpRequest | None:
        """The description's deletion."""
        return self.profile.delete(handle) if self.profile is not None else None

    # -- callbacks ----------------------------------------------------------------------------------------

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a callback that has proved authentic.

        :raises CallbackError: it cannot be read, or says "done" where the remote system cannot be polled
        """
        if not body.strip():
            if self.askable:
                return JobStatus(JobState.RUNNING, remote_status="done, ask")
            raise CallbackError(
                "It has no body, so it does not say how the job ended, and the job cannot be polled: send "
                '{"state": '
                '"succeeded"} or {"state": "failed", "message": "why"}'
            )
        document = _document(headers, body)
        if self._mapping is not None:
            return self._mapping.read(document, body)
        return read_word(document)

    def delivery_id(self, headers: Headers, body: bytes) -> str | None:
        """The sender's own id of a delivery, where it gives one; never raises."""
        own = headers.get("webhook-id") or headers.get("X-Delivery-Id")
        if own:
            return str(own)
        try:
            document = _document(headers, body)
        except CallbackError:
            return None
        place = "delivery_id" if self._mapping is None else self._mapping.places.get("delivery_id")
        found = json_path.read(document, place) if place else None
        return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


class CallbackMapping:
    """
    What a callback of any other form says, written as plain data.

    ``succeeded_if``, ``failed_if``, ``cancelled_if``, ``running_if``: conditions as in
    :mod:`~airflow_async_provider.protocols._callback_rules`; ``result``, ``message``, ``progress``,
    ``job_id``, ``delivery_id``: JSON paths. What none of the conditions fits is not understood: a success
    must be stated.

    :param described: the mapping
    :raises ConfigurationError: it cannot be understood, or nothing in it could mean success
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        unknown = sorted(set(described) - {*_RULES, *_PLACES})
        if unknown:
            raise ConfigurationError(
                f"callback_mapping has no {unknown[0]!r}: it takes {', '.join((*_RULES, *_PLACES))}."
            )
        self._rules = {
            name: CallbackRule(described[name], name=f"callback_mapping.{name}")
            for name in _RULES
            if described.get(name) is not None
        }
        if "succeeded_if" not in self._rules:
            raise ConfigurationError(
                "callback_mapping needs succeeded_if: conditions that mean success, such as ['status==DONE']."
            )
        self.places: dict[str, str] = {}
        for name in _PLACES:
            if described.get(name) is not None:
                self.places[name] = described[name]
                try:
                    json_path.parse(described[name])
                except ValueError as e:
                    raise ConfigurationError(f"callback_mapping.{name}: {e}") from e

    def to_dict(self) -> dict[str, Any]:
        """The mapping, JSON-able."""
        return {**{name: rule.conditions for name, rule in self._rules.items()}, **self.places}

    def read(self, document: Any, body: bytes) -> JobStatus:
        """
        What a callback's document says.

        :raises CallbackError: none of the conditions fits
        """
        for name, rule in self._rules.items():
            sign = rule.holds(document)
            if sign is not None:
                return self._status(_RULES[name], sign, document)
        raise CallbackError(
            f"It fits none of {', '.join(self._rules)} of callback_mapping; it began: {excerpt(body)!r}"
        )

    def _status(self, state: JobState, sign: str, document: Any) -> JobStatus:
        found = {name: json_path.read(document, place) for name, place in self.places.items()}
        found = {name: value for name, value in found.items() if value is not json_path.MISSING}
        progress = found.get("progress")
        if isinstance(progress, int | float) and not isinstance(progress, bool) and progress > 1:
            progress = progress / 100  # a percentage
        return _status(state, {**found, "progress": progress}, word=sign)


def read_word(document: Any) -> JobStatus:
    """
    What a document of our own form says: a callback's, or what a function of the DAG returned.

    :raises CallbackError: it says nothing that we know
    """
    if not isinstance(document, Mapping):
        raise CallbackError('It is not a JSON object such as {"state": "succeeded", "result": …}')
    word = document.get("state")
    state = STATES.get(word.strip().casefold()) if isinstance(word, str) else None
    if state is None:
        shown = "nothing" if word is None else excerpt(str(word).encode("utf-8", "backslashreplace"), 80)
        raise CallbackError(f"Its state is {shown!r}; the words are {', '.join(map(repr, STATES))}")
    return _status(state, document, word=state.value)


def _status(state: JobState, document: Mapping[str, Any], *, word: str) -> JobStatus:
    message, about = document.get("message"), document.get("job_id")
    detail = {} if about is None else {"job_id": str(about)}
    return JobStatus(
        state,
        remote_status=word,
        message=None if message is None else _text(message)[:MAX_MESSAGE],
        result=Result(value=document.get("result")) if state is JobState.SUCCEEDED else None,
        progress=_part(document.get("progress")),
        detail=detail,
        heartbeat=state is JobState.RUNNING,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _part(value: Any) -> float | None:
    """A progress from 0 to 1; None for anything that is none."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None


def _document(headers: Headers, body: bytes) -> Any:
    """
    The JSON of a body, or the fields of a form.

    JSON first, whatever the media type: ``curl -d`` calls everything a form.

    :raises CallbackError: it is neither
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            fields = parse_qsl(body.decode("utf-8"), strict_parsing=True, max_num_fields=100)
        except ValueError:
            fields = []
        if fields:
            return dict(fields)
    raise CallbackError(f"It is neither JSON nor a form; it began: {excerpt(body)!r}")
