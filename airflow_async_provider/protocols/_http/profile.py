# SPDX-License-Identifier: Apache-2.0
"""
Any HTTP API by its description: the protocol behind the generic operator and sensor.

The description (``docs/describing_an_api.md``) says how one API starts a job, how it is asked, what its
answers
mean and where its results are. The five conventions beside this module are such descriptions, too, with a few
lines of code where plain data cannot say it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Self

from airflow_async_provider.errors import ConfigurationError, DescriptionError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http.assembly import Description, description_of, travelling
from airflow_async_provider.protocols._http.description import ResultPlace
from airflow_async_provider.protocols._http.monitor import MonitorReader
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.requests import filled, made, values_of
from airflow_async_provider.protocols._http.results import Found, ResultReader
from airflow_async_provider.protocols._http.start import Start
from airflow_async_provider.protocols._http.submission import first_request
from airflow_async_provider.protocols._http.values import id_text, one_line
from airflow_async_provider.protocols._http.verdict import Judge
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse, json_or_none
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._responses import raise_for_answer

#: Answers to a cancellation that mean "there is nothing left to cancel" or "not here".
NOT_CANCELLED = frozenset({400, 404, 405, 409, 410, 412, 422})


class HttpProfile(JobProtocol):
    """
    An HTTP API by its description. The options are JSON-able; they travel in the job's handle.

    :param options: a description in parts, or its keys written flat, see ``docs/describing_an_api.md``
    """

    name: ClassVar[str] = "http_api"
    #: the description that the options are laid over
    base: ClassVar[Mapping[str, Any]] = {}
    #: the monitor's last answer may be the result itself: what is larger than this (bytes) is not taken from
    #: there but fetched from its address; None: its answers are small documents
    largest_inline: ClassVar[int | None] = 1024 * 1024
    #: options of a class that are no part of a description
    own_options: ClassVar[tuple[str, ...]] = ()
    #: 303 to a submission names the monitor (RFC 9110 §15.4.4)
    takes_see_other: ClassVar[bool] = True

    def __init__(self, **options: Any) -> None:
        self._options = _plain(options)
        self.description  # noqa: B018 - errors in it are raised where the profile is made
        self.inputs: Mapping[str, Any] = {}

    @cached_property
    def description(self) -> Description:
        """The whole description, checked."""
        return description_of(type(self).base, self._options)

    @cached_property
    def judge(self) -> Judge:
        """Reads what an answer says of the job."""
        return Judge(self.description.outcome)

    @cached_property
    def results(self) -> ResultReader:
        """Finds the result."""
        return ResultReader(self.description)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """
        Build the profile from a handle's or an operator's options.

        :raises ConfigurationError: an option that there is not, or one that cannot be understood
        """
        return cls(**options)

    def options(self) -> dict[str, Any]:
        """The options that rebuild this profile."""
        return travelling(self._options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HttpProfile) and (type(other), other._options) == (type(self), self._options)

    def __hash__(self) -> int:
        return hash((type(self), repr(self._options)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {sorted(self._options)}>"

    @property
    def polling(self) -> Mapping[str, float]:
        """How often the description polls."""
        polling = self.description.polling
        found = {
            "poll_interval": polling.interval,
            "backoff": polling.backoff,
            "max_poll_interval": polling.max_interval,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def result_once(self) -> bool:
        """Whether the last answer comes once only."""
        return self.description.result.once

    @property
    def sniffs(self) -> bool:
        """Whether an undescribed answer is looked at for a state that denies its success."""
        return not self.description.state_denied

    # -- starting

    def submit(self, method: str | None = None, endpoint: str | None = None, **arguments: Any) -> HttpRequest:
        """
        The request that starts the job; see
        :meth:`~airflow_async_provider.protocols._http.submission.first_request`.

        :param method: default: the description's
        :param endpoint: path below the connection's host; default: the description's
        :raises ConfigurationError: arguments that do not fit together
        """
        return first_request(self, method, endpoint, **arguments)

    def starting(
        self, method: str | None = None, endpoint: str | None = None, **arguments: Any
    ) -> tuple[Self, HttpRequest]:
        """The request that starts the job, and this profile with the task's bodies for the steps after it."""
        bound = copy.copy(self)
        bound.inputs = {name: arguments.get(name) for name in ("json", "body", "headers")}
        return bound, bound.submit(method, endpoint, **arguments)

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to a submission; a job that is done already comes back with its status.

        :raises SubmitError: the remote refused
        :raises DescriptionError: accepted, but the answer has not what the description says
        :raises RemoteError: 401, 403, 429, 5xx, a redirect
        """
        return Start(self).read(response)

    def read_accepted(self, answer: Answer) -> Submitted:
        """The job that an accepting answer names, or its end."""
        return Start(self).accepted(answer)

    def read_next(self, submitted: Submitted, response: HttpResponse) -> Submitted:
        """Read the answer to a later request of a start in several steps."""
        return Start(self).read_next(submitted, response)

    # -- asking

    def status(self, handle: JobHandle) -> HttpRequest:
        """
        The request that asks for the job.

        :raises ConfigurationError: the job ended when it was submitted
        """
        poll = self.description.poll
        if not handle.status_url:
            raise ConfigurationError(
                f"Job {handle.shown_id} ended when it was submitted: its result came with that answer, and "
                "it cannot be asked for."
            )
        url: str | None = handle.status_url
        if poll.path is not None and "status_url" in poll.path.names:
            url = None
        return made(
            self.description,
            poll,
            values_of(self.description, handle),
            job=f"job {handle.shown_id}",
            where="poll",
            url=url,
            max_body_bytes=self.max_body_bytes(handle),
        )

    def max_body_bytes(self, handle: JobHandle) -> int | None:
        """How much of the monitor's answer is worth reading; all of it where a part has to be found in it."""
        result, outcome = self.description.result, self.description.outcome
        parts = result.named or result.once or (outcome.state is not None and not result.again)
        return None if parts else self.largest_inline

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the answer of the status URL.

        :raises DescriptionError: it has not what the description says
        :raises RemoteError: the answer says nothing about the job
        """
        return MonitorReader(self, handle).read(response)

    def find_result(
        self,
        handle: JobHandle,
        answer: Answer,
        *,
        job: str,
        is_status: bool,
        again: bool,
        whole: bool = False,
    ) -> Found:
        """
        The result of a job that has succeeded.

        :param whole: the answer is the result, whatever the description says of status documents
        """
        values = values_of(self.description, handle, answer)
        reader = ResultReader(replace(self.description, result=ResultPlace())) if whole else self.results
        return reader.in_answer(answer, values, job=job, is_status=is_status, again=again)

    def may_have_credentials(self, url: str, response: HttpResponse) -> bool:
        """Whether an address of a result wants the connection's credentials."""
        return self.results.authorized(Answer(response), url, response)

    def moved_header(self, response: HttpResponse) -> str | None:
        """A header in which this convention names another monitor."""
        return response.headers.get("Location") if response.status == 202 else None

    def result_request(self, handle: JobHandle, status: JobStatus) -> HttpRequest | None:
        """The request of ``result.from``, as the status has it."""
        return status.result_request

    def read_result(self, handle: JobHandle, response: HttpResponse) -> Result:
        """
        Read the document that says where the result is.

        :raises RemoteError: it does not
        """
        job = f"job {handle.shown_id}"
        raise_for_answer(response, job=job, doing="asking for the result of")
        answer = Answer(response)
        return self.results.in_document(answer, values_of(self.description, handle, answer), job=job)

    def next_page(self, handle: JobHandle, response: HttpResponse) -> Result | None:
        """The page after the one of this answer."""
        return self.results.next_page(response, job=f"job {handle.shown_id}")

    @property
    def page_needs_body(self) -> bool:
        """Whether anything but headers leads to the next page."""
        pages = self.description.result.pages
        if pages is None or (pages.count and pages.into):
            return False
        places = [*(pages.next.places if pages.next else ()), *(pages.more.places if pages.more else ())]
        return bool(pages.offset) or not all(p.source.startswith(("header:", "http:")) for p in places)

    # -- cancelling and deleting

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        """The request that the description has for it, None when there is none or nothing to cancel."""
        for cancel in self.description.cancel:
            if cancel.at is not None and not cancel.at.search(handle.status_url or ""):
                continue
            if handle.status_url:
                values, request = values_of(self.description, handle), cancel.source or cancel
                return made(self.description, request, values, job=f"job {handle.shown_id}", where="cancel")
        return None

    def cancel_more(self, handle: JobHandle, response: HttpResponse) -> tuple[HttpRequest, ...] | None:
        """The cancellations that the answer to ``cancel.from`` leads to, one for each value of a ``[*]``."""
        url = handle.status_url or ""
        cancel = next((c for c in self.description.cancel if c.at is None or c.at.search(url)), None)
        if cancel is None or cancel.source is None or cancel.path is None:
            return None
        job, answer = f"job {handle.shown_id}", Answer(response)
        raise_for_answer(response, job=job, doing="cancelling")
        values = values_of(self.description, handle, answer)
        urls = filled(cancel.path.fill_all, values, job=job, where="cancel")
        return tuple(made(self.description, cancel, values, job=job, where="cancel", url=u) for u in urls)

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether the remote accepted the cancellation.

        :raises RemoteError: it could not be asked for
        """
        if response.status in NOT_CANCELLED:
            return False
        if response.status in (302, 303):
            return True  # to the page of the job: what a form of a person's browser would be sent to
        raise_for_answer(response, job=f"job {handle.shown_id}", doing="cancelling")
        conditions = [c.accepted_if for c in self.description.cancel if c.accepted_if.alternatives]
        if conditions:
            return any(c.holds(Answer(response)) for c in conditions)
        document = json_or_none(response.body)
        return document is None or document.get("success") is not False

    def delete(self, handle: JobHandle) -> HttpRequest | None:
        """The request that removes the job."""
        request = self.description.delete
        if request is None or not handle.status_url:
            return None
        values = values_of(self.description, handle)
        url = handle.status_url if request.path is None else None
        return made(self.description, request, values, job=f"job {handle.shown_id}", where="delete", url=url)

    # -- callbacks

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a callback: the state if it names one, else RUNNING with the remote status "callback".

        The conventions say nothing about callbacks, so none is ever wrong.
        """
        document = json_or_none(body)
        status = None if document is None else self.callback_status(document, body)
        return status or JobStatus(
            JobState.RUNNING, remote_status="callback", message="a callback came that names no state"
        )

    def callback_status(self, document: Mapping[str, Any], body: bytes) -> JobStatus | None:
        """
        The status in a callback's JSON body, None when it names none; its result is taken from the
        monitor.
        """
        answer = Answer(HttpResponse(200, Headers(), body, 0.0))
        try:
            words = self.judge.words(answer)
            if not words:
                return None
            verdict = self.judge.read(answer, words, job="the job")
        except DescriptionError:
            return None
        return JobStatus(
            MonitorReader.STATES[verdict.meaning],
            remote_status=one_line(verdict.word, 80),
            message=one_line(verdict.message, 500) if verdict.message else None,
        )

    @staticmethod
    def delivery_id(headers: Headers, body: bytes) -> str | None:
        """The sender's id of a delivery, the same one when it is repeated (Standard Webhooks)."""
        return id_text(headers.get("webhook-id"))

    # -- names

    @property
    def registered_name(self) -> str:
        """What handles call this profile: its name if it is ours, the dotted path of a user's own class."""
        return self.class_name()

    @classmethod
    def class_name(cls) -> str:
        """What handles call profiles of this class."""
        ours = cls.__module__.startswith(f"{__package__}.")
        return cls.name if ours else f"{cls.__module__}.{cls.__qualname__}"


def _plain(value: Any) -> Any:
    """Options as JSON would bring them back: lists for tuples."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
