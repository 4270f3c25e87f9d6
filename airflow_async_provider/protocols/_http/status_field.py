# SPDX-License-Identifier: Apache-2.0
"""
The convention that most vendors make up for themselves: a JSON document with a status word.

Everything about it is an argument: where the monitor is (a URL in the answer, ``Location``, or an id and a
path), which field holds the word, what the words mean, where the result's URL is and how long it is good.
The defaults are the words that the vendors of this package's other profiles and a dozen public APIs use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.urls import absolute, was_redirected
from airflow_async_provider.protocols._http.values import (
    error_text,
    id_text,
    json_or_none,
    one_line,
    words_of,
)
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer, request_id

SUCCEEDED: Final = ("succeeded", "success", "completed", "complete", "jobcomplete", "done")
FAILED: Final = ("failed", "failure", "error", "expired", "limited")
CANCELLED: Final = ("cancelled", "canceled", "aborted")


@dataclass(frozen=True, kw_only=True)
class StatusFieldProtocol(HttpProfile):
    """
    A status word in a JSON document. Words are compared without regard to case; unknown ones mean running.

    :param status_field: JSON path of the word. Default ``status``; true and false count as words, too
    :param running: words to be taken for running although the lists below hold them by default
    :param succeeded: words of success. Default :data:`SUCCEEDED`
    :param failed: words of failure. Default :data:`FAILED`
    :param cancelled: words of cancellation. Default :data:`CANCELLED`
    :param id_field: JSON path of the job's id in the first answer. Default ``id``
    :param status_path: path to ask, such as ``jobs/{job_id}``. Default: the URL at ``status_url_field``, else
        the header ``Location`` of the first answer
    :param status_url_field: JSON path of the status URL in the first answer. Default ``statusUrl``
    :param status_expires_field: JSON path of the seconds that the status URL is good, in the first answer
    :param result_expires_field: JSON path of the seconds that the result's URL is good; negative: it is gone
    :param message_field: JSON path of the remote's explanation. Default: the usual places
    :param redirect_means_done: take 302 and 303 to a foreign host for "the result is there". Default True
    """

    name: ClassVar[str] = "http_status_field"

    status_field: str = "status"
    running: tuple[str, ...] = ()
    succeeded: tuple[str, ...] = SUCCEEDED
    failed: tuple[str, ...] = FAILED
    cancelled: tuple[str, ...] = CANCELLED
    id_field: str = "id"
    status_path: str | None = None
    status_url_field: str = "statusUrl"
    status_expires_field: str | None = None
    result_expires_field: str | None = None
    message_field: str | None = None
    redirect_means_done: bool = True

    def __post_init__(self) -> None:
        """:raises ConfigurationError: an option that cannot be understood, or a word in two lists."""
        super().__post_init__()
        for name in ("running", "succeeded", "failed", "cancelled"):
            words = getattr(self, name)
            if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
                raise ConfigurationError(f"{name} must be a list of words.")
            object.__setattr__(self, name, tuple(words))  # a handle's JSON brings a list
        if self.status_path is not None:
            self._template(self.status_path)
        self._states()

    def _states(self) -> dict[str, JobState]:
        lists = (
            (JobState.SUCCEEDED, self.succeeded, SUCCEEDED),
            (JobState.FAILED, self.failed, FAILED),
            (JobState.CANCELLED, self.cancelled, CANCELLED),
        )
        states: dict[str, JobState] = {}
        # What the user says comes first and must not contradict itself; the defaults fill up.
        for state, words, default in ((JobState.RUNNING, self.running, ()), *lists):
            for word in words if words != default else ():
                if states.setdefault(word.strip().casefold(), state) is not state:
                    raise ConfigurationError(f"The word {word!r} stands in two of the lists of words.")
        for state, words, _ in lists:
            for word in words:
                states.setdefault(word.strip().casefold(), state)
        return states

    def read_accepted(self, response: HttpResponse) -> Submitted:
        """
        The monitor, and the job's state where the answer tells it.

        A 200 or 201 that names neither monitor nor id is the result.

        :raises UnreadableAnswerError: 202 that names neither
        """
        document = json_or_none(response.body) or {}
        job_id = id_text(json_path.read(document, self.id_field))
        status_url = self._status_url(document, job_id, response)
        remote_status = self._word(document)
        state = self._state(remote_status)
        if status_url is None and response.status != 202 and (remote_status is None or state.ended):
            if remote_status is None:
                return self.synchronous(response)
            return Submitted(
                self.handle(response, None, job_id=job_id), self._read(document, response, "the job")
            )
        if status_url is None:
            raise UnreadableAnswerError(
                f"HTTP {response.status}: the answer names no status URL: nothing at "
                f"{self.status_url_field!r}, no Location header, and no id at "
                f"{self.id_field!r} for a status_path.",
                excerpt=excerpt(response.body),
                http_status=response.status,
            )
        seconds = _seconds(document, self.status_expires_field)
        handle = self.handle(response, status_url, job_id=job_id, expires_in=seconds)
        ended = state.ended and remote_status is not None
        return Submitted(handle, self._read(document, response, f"job {handle.job_id}") if ended else None)

    def _status_url(self, document: Any, job_id: str | None, response: HttpResponse) -> str | None:
        if self.status_path is not None:
            try:
                return None if job_id is None else self._template(self.status_path).fill(job_id=job_id)
            except ValueError:
                return None
        reference = words_of(document, self.status_url_field)
        if reference is None and response.status in (200, 202):  # with a 201 it is the thing created
            reference = response.headers.get("Location") or None
        return reference and absolute(reference, response, job="the job", what="status URL")

    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """
        Read the status document.

        A redirect, followed or not, to a document without the status word is a redirect to the result.
        """
        expired = handle.expires_at is not None and response.received_at >= handle.expires_at
        if response.status == 410 or (response.status in (401, 403, 404) and expired):
            return self.gone(response)
        if self.redirect_means_done and (status := self.redirected(response, job=job)):
            return status
        raise_for_answer(response, job=job, doing="asking for the status of")
        document = json_or_none(response.body)
        if self._word(document) is None:
            if response.status == 202:
                return self.going_on(response, "202")
            if self.redirect_means_done and was_redirected(handle.status_url or "", response):
                own = replace(self, result_url_field=None, result_field=None)
                return own.finished(response, job=job, remote_status=str(response.status))
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: there is no status word at {self.status_field!r}.",
                excerpt=excerpt(response.body),
                job=job,
                http_status=response.status,
            )
        return self._read(document, response, job)

    def _read(self, document: Any, response: HttpResponse, job: str) -> JobStatus:
        remote_status = self._word(document) or ""
        state = self._state(remote_status)
        if state is JobState.RUNNING:
            return self.going_on(response, remote_status)
        if state is not JobState.SUCCEEDED:
            return self.ended(state, response, remote_status, self._message(document))
        return JobStatus(
            state,
            remote_status=one_line(remote_status, 80),
            result=self._result(document, response, job),
            request_id=request_id(response.headers),
        )

    def _result(self, document: Any, response: HttpResponse, job: str) -> Result | None:
        seconds = _seconds(document, self.result_expires_field)
        if seconds is not None and seconds < 0:  # there may be a URL, but it is of no use
            return Result(url=None, expires_at=response.received_at + seconds)
        return self.result(response, job=job, expires_in=seconds)

    def _word(self, document: Any) -> str | None:
        value = json_path.read(document, self.status_field)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return id_text(value)
        return value if isinstance(value, str) and value.strip() else None

    def _state(self, word: str | None) -> JobState:
        return self._states().get((word or "").strip().casefold(), JobState.RUNNING)

    def _message(self, document: Any) -> str | None:
        return words_of(document, self.message_field) if self.message_field else error_text(document)

    def callback_status(self, document: Mapping[str, Any]) -> JobStatus | None:
        """A callback with the same status word; the result is taken from the monitor."""
        remote_status = self._word(document)
        if remote_status is None:
            return None
        state = self._state(remote_status)
        text = self._message(document) if state not in (JobState.RUNNING, JobState.SUCCEEDED) else None
        return JobStatus(
            state, remote_status=one_line(remote_status, 80), message=one_line(text, 500) if text else None
        )


def _seconds(document: Any, path: str | None) -> float | None:
    """A number of seconds at a JSON path, None when there is none."""
    value = json_path.read(document, path) if path is not None else None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**10:
        return float(value) if math.isfinite(value) else None
    return None
