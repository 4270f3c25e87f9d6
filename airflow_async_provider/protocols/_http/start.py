# SPDX-License-Identifier: Apache-2.0
"""The start of a job by a description: its request or requests, and what their answers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from airflow_async_provider.errors import (
    DescriptionError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._http.denials import refused
from airflow_async_provider.protocols._http.description import Step
from airflow_async_provider.protocols._http.monitor import MonitorReader
from airflow_async_provider.protocols._http.places import MISSING, Answer, Places
from airflow_async_provider.protocols._http.requests import (
    DEFAULT_ID,
    asks_by_id,
    cancels_by_id,
    made,
    values_of,
)
from airflow_async_provider.protocols._http.sniffing import candidates, sniffed
from airflow_async_provider.protocols._http.submission import IDEMPOTENT_METHODS
from airflow_async_provider.protocols._http.urls import absolute, digest
from airflow_async_provider.protocols._http.values import (
    error_text,
    id_text,
    seconds_of,
)
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import (
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
)

if TYPE_CHECKING:
    from airflow_async_provider.protocols._http.profile import HttpProfile

#: Redirects that name the monitor of a job that has been taken on.
SEE_OTHER: Final = 303


class Start:
    """
    Starts jobs of one profile.

    :param profile: the profile
    """

    def __init__(self, profile: HttpProfile) -> None:
        self.profile = profile
        self.steps = profile.description.start

    # -- the answers

    def read(self, response: HttpResponse) -> Submitted:
        """Read the answer to the first request."""
        self.check_accepted(response)
        answer = Answer(response)
        self._check_refused(answer, self.steps[0], SubmitError)
        submitted = self.profile.read_accepted(answer)
        return self._with_next(submitted, answer) if len(self.steps) > 1 else submitted

    def read_next(self, submitted: Submitted, response: HttpResponse) -> Submitted:
        """
        Read the answer to a later request.

        :raises RemoteError: the remote refused it
        """
        step = self.steps[submitted.step + 1]
        job = f"job {submitted.handle.shown_id}"
        raise_for_answer(response, job=job, doing="starting")
        answer = Answer(response)
        self._check_refused(answer, step, SubmitError)
        handle = submitted.handle
        kept = {**handle.data.get("kept", {}), **_kept(step, answer)}
        data = {**handle.data, **({"kept": kept} if kept else {})}
        job_id = self._id(step.id, answer, data) if step.id else None
        named = handle.named or job_id is not None
        job_id = job_id or handle.job_id
        url = self._reference(step.status_url, answer) if step.status_url else None
        handle = replace(handle, job_id=job_id, named=named, data=data, status_url=url or handle.status_url)
        stepped = replace(submitted, handle=handle, step=submitted.step + 1, next=None)
        return self._with_next(stepped, answer)

    def _with_next(self, submitted: Submitted, answer: Answer) -> Submitted:
        if submitted.step + 1 >= len(self.steps):
            return replace(submitted, next=None)
        step = self.steps[submitted.step + 1]
        handle, description = submitted.handle, self.profile.description
        method = step.method or step.default_method
        repeatable = method in IDEMPOTENT_METHODS if step.repeatable is None else step.repeatable
        request = made(
            description,
            step,
            values_of(description, handle, answer),
            job=f"job {handle.shown_id}",
            where="start",
            repeatable=repeatable,
        )
        inputs = self.profile.inputs
        if step.send == "json":
            request = replace(request, json=inputs.get("json"))
        elif step.send == "data":
            headers = request.headers
            own = {k: v for k, v in (inputs.get("headers") or {}).items() if k.lower() == "content-type"}
            request = replace(request, body=inputs.get("body") or b"", headers={**own, **headers})
        return replace(submitted, next=request, status=None)

    def check_accepted(self, response: HttpResponse) -> None:
        """Raise unless the answer is a 2xx, or the 303 that names the monitor (RFC 9110 §15.4.4)."""
        status, idempotent = response.status, self.steps[0].idempotent
        if 200 <= status < 300:
            return
        if status == SEE_OTHER and response.headers.get("Location") and self.profile.takes_see_other:
            return
        if status == 409 and idempotent:
            raise TransientError(
                "HTTP 409: the remote is still working on an earlier request with this Idempotency-Key.",
                retry_after=retry_after(response.headers, response.received_at),
                http_status=status,
                request_id=request_id(response.headers),
            )
        if not 400 <= status < 500 or status in (401, 403) or is_transient(status):
            raise_for_answer(response, job="a job", doing="starting")
        hint = "Check endpoint, method and body."
        if status == 422 and idempotent:
            hint = "It may have seen this Idempotency-Key with another body: clear the task to use a new one."
        raise SubmitError(
            f"The remote refused the start: HTTP {status}. Response: {excerpt(response.body)!r}. {hint}",
            http_status=status,
            request_id=request_id(response.headers),
        )

    def _check_refused(self, answer: Answer, step: Step, error: type[SubmitError]) -> None:
        """A 2xx that is a refusal all the same."""
        document, response = answer.document, answer.response
        why = step.failed_if.holds(answer)
        if why is None:
            why = refused(document)
        if why is not None:
            text = error_text(document) or excerpt(response.body)
            raise error(
                f"The remote refused the start: HTTP {response.status}, but {why}. Response: {text!r}.",
                http_status=response.status,
                request_id=request_id(response.headers),
            )

    def accepted(self, answer: Answer) -> Submitted:
        """
        The job that an accepting answer names, or the end of one that is done already.

        :raises DescriptionError: it names none, although there must be one
        """
        step, response = self.steps[0], answer.response
        if step.done_on is not None and response.status in step.done_on:
            return self._synchronous(answer)
        data: dict[str, Any] = {}
        if kept := _kept(step, answer):
            data["kept"] = kept
        by_id = asks_by_id(self.profile.description) or cancels_by_id(self.profile.description)
        asked = DEFAULT_ID if step.id is None and by_id else step.id
        job_id = self._id(asked, answer, data) if asked else None
        url = self._monitor(step, answer, job_id, data)
        seconds = seconds_of(step.expires.read(answer)) if step.expires else None
        if url is None:
            return self._without_monitor(answer, job_id, data)
        handle = self.handle(answer, url, job_id=job_id, expires_in=seconds, data=data)
        return Submitted(handle, self._end(handle, answer))

    def _monitor(self, step: Step, answer: Answer, job_id: str | None, data: dict[str, Any]) -> str | None:
        """The address that is asked from now on, None when the answer has none."""
        description = self.profile.description
        path = description.poll.path
        if job_id is None and asks_by_id(description):
            return None
        if path is not None and "status_url" not in path.names:
            about = JobHandle("", job_id or "", 0.0, data=data)
            try:
                return path.fill(values_of(description, about))
            except ValueError:
                return None
        url = self._reference(step.status_url, answer) if step.status_url else None
        if url is not None and description.poll.moves_to is not None:
            data["first_monitor"] = url
        return url

    def _reference(self, places: Places, answer: Answer) -> str | None:
        found = places.read(answer)
        if not isinstance(found, str) or not found.strip():
            return None
        return absolute(found, answer.response, job="the job", what="status URL")

    @staticmethod
    def _id(places: Places, answer: Answer, data: dict[str, Any]) -> str | None:
        found = places.read(answer)
        picked = (p.picks_one_of(answer) for p in places.places if "[-" not in p.source)
        if (count := max(picked, default=1)) > 1:
            raise DescriptionError(
                f"HTTP {answer.response.status}: the remote has started {count} jobs, and {str(places)!r} "
                "names one of them, so the others would not be waited for. Start one job with each task, or "
                f"name one that stands for all. The answer began: {excerpt(answer.response.body)!r}",
                http_status=answer.response.status,
                request_id=request_id(answer.response.headers),
            )
        if isinstance(found, int) and not isinstance(found, bool):
            data["id_number"] = True
        return id_text(found)

    def _end(self, handle: JobHandle, answer: Answer) -> JobStatus | None:
        """The end of the job, where the first answer reports it."""
        if not self.profile.judge.words(answer) and not self._is_own_monitor(handle, answer):
            return None
        try:
            status = MonitorReader(self.profile, handle).of(answer, first=True)
        except (DescriptionError, UnreadableAnswerError):
            return None  # the monitor will report it, or the same error is raised for its answer
        return None if status.state is JobState.RUNNING else status

    def _is_own_monitor(self, handle: JobHandle, answer: Answer) -> bool:
        """Whether the address that was asked is the one to poll, and its answer says how the job is."""
        step, response = self.steps[0], answer.response
        if step.status_url is None or handle.status_url != response.url or not response.body.strip():
            return False
        return any(p.source == "http:url" for p in step.status_url.places)

    def _without_monitor(self, answer: Answer, job_id: str | None, data: dict[str, Any]) -> Submitted:
        """No place to ask: done at once, where the answer can be nothing else."""
        response = answer.response
        words = self.profile.judge.words(answer)
        if words is None and self.profile.description.outcome.state is None:
            words = sniffed(answer)
        handle = self.handle(answer, None, job_id=job_id, data=data)
        if words and response.status != 202:
            status = MonitorReader(self.profile, handle).of(answer, first=True, words=words)
            if status.state is not JobState.RUNNING:
                return Submitted(handle, status)
        explicit = self.profile.description.explicit and response.status != 204
        if words or response.status in (202, SEE_OTHER) or explicit or job_id is not None:
            raise self._no_monitor(answer)
        return self._synchronous(answer)

    def _no_monitor(self, answer: Answer) -> DescriptionError:
        step, poll, response = self.steps[0], self.profile.description.poll, answer.response
        by_id = poll.path or asks_by_id(self.profile.description)
        looked = [f"nothing usable at {str(step.id or DEFAULT_ID)!r} for the id"] if by_id else []
        if step.status_url is not None and (poll.path is None or "status_url" in poll.path.names):
            looked.append(f"nothing at {str(step.status_url)!r}")
        seen = candidates(answer)
        return DescriptionError(
            f"HTTP {response.status}: the remote has taken on the job, but its answer names no status URL: "
            f"{', '.join(looked) or 'nothing says where to look'}. "
            + (f"Seen were {seen}. " if seen else "")
            + "If the body names an id, set id_field and status_path (profile status_field); if it names an "
            "address, status_url_field; if a header does, start.status_url. The answer began: "
            f"{excerpt(response.body)!r}",
            http_status=response.status,
            request_id=request_id(response.headers),
        )

    def _synchronous(self, answer: Answer) -> Submitted:
        """The job was done before the answer came."""
        handle = self.handle(answer, None)
        return Submitted(handle, MonitorReader(self.profile, handle).done_at_once(answer))

    def handle(
        self,
        answer: Answer,
        status_url: str | None,
        *,
        job_id: str | None = None,
        expires_in: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """The handle of a job that the remote has taken on."""
        response = answer.response
        return JobHandle(
            protocol=self.profile.registered_name,
            job_id=job_id or digest(status_url or f"{response.url} {response.received_at}"),
            named=bool(job_id),
            submitted_at=response.received_at,
            status_url=status_url,
            expires_at=None if expires_in is None else response.received_at + expires_in,
            options=self.profile.options(),
            data=data or {},
        )


def _kept(step: Step, answer: Answer) -> dict[str, Any]:
    found = {name: places.read(answer) for name, places in step.keep.items()}
    return {k: v for k, v in found.items() if v is not MISSING and isinstance(v, str | int | float | bool)}
