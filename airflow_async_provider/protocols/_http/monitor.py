# SPDX-License-Identifier: Apache-2.0
"""Reading the answer of a monitor by a description: the job goes on, has ended, or this is its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from airflow_async_provider.errors import (
    AuthenticationError,
    DescriptionError,
    TransientError,
)
from airflow_async_provider.protocols._http.denials import refused
from airflow_async_provider.protocols._http.picking import not_listed, picked, refuse_others
from airflow_async_provider.protocols._http.places import Answer, Places
from airflow_async_provider.protocols._http.progress import percentage, progress_of
from airflow_async_provider.protocols._http.requests import values_of
from airflow_async_provider.protocols._http.sniffing import (
    ambiguous,
    is_login_page,
    is_stand_in,
    no_state,
    refusal,
    sniffed,
)
from airflow_async_provider.protocols._http.urls import absolute, is_login, is_signed, was_redirected
from airflow_async_provider.protocols._http.values import error_text, media_type, one_line
from airflow_async_provider.protocols._http.verdict import Verdict
from airflow_async_provider.protocols._http.words import Meaning
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import (
    REDIRECTS,
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
    unreadable,
)

if TYPE_CHECKING:
    from airflow_async_provider.protocols._http.profile import HttpProfile


class MonitorReader:
    """
    Reads what a monitor answers about one job.

    :param profile: the profile, with its description
    :param handle: the job
    """

    STATES: ClassVar[Mapping[Meaning, JobState]] = {
        Meaning.RUNNING: JobState.RUNNING,
        Meaning.SUCCEEDED: JobState.SUCCEEDED,
        Meaning.NO_DATA: JobState.SUCCEEDED,
        Meaning.FAILED: JobState.FAILED,
        Meaning.CANCELLED: JobState.CANCELLED,
        Meaning.EXPIRED: JobState.EXPIRED,
        Meaning.NOT_RUN: JobState.NOT_RUN,
    }

    def __init__(self, profile: HttpProfile, handle: JobHandle) -> None:
        self.profile = profile
        self.handle = handle
        self.description = profile.description
        self.outcome = profile.description.outcome
        self.job = f"job {handle.shown_id}" if handle.status_url else "the job"

    def read(self, response: HttpResponse) -> JobStatus:
        """
        Read an answer of the status URL.

        :raises DescriptionError: it has not what the description says
        :raises RemoteError: it says nothing about the job
        """
        answer = Answer(response)
        if not 200 <= response.status < 300:
            return self._other(answer)
        if (meaning := self._declared(response.status)) is not None and meaning is not Meaning.SUCCEEDED:
            return self._by_code(answer, meaning)
        poll = self.description.poll
        ours = picked(poll, answer, self.handle.job_id, job=self.job)
        if ours is None and self.outcome.missing != "running":
            raise not_listed(poll, answer, job=self.job)
        if ours is None:
            return self.going_on(response, "not listed yet")
        refuse_others(self.description, self.handle, ours, job=self.job)
        return self.of(ours)

    # -- answers that are no 2xx

    def _other(self, answer: Answer) -> JobStatus:
        response = answer.response
        status = response.status
        if why := self.outcome.running_if.holds(answer):
            return self.going_on(response, f"{status}", message=why)
        meaning = self._declared(status)
        if meaning is not None:
            return self._by_code(answer, meaning)
        if status == 304:  # nothing has changed since we asked last, so the job goes on
            return self.going_on(response, "304")
        expired = self.handle.expires_at is not None and response.received_at >= self.handle.expires_at
        if status == 410 or (status in (401, 403, 404) and expired):
            return self.status(
                response,
                Verdict(
                    Meaning.EXPIRED,
                    str(status),
                    error_text(answer.document) or "the remote no longer knows this job",
                ),
            )
        if self.outcome.redirect == "result" and (found := self._redirected(response)):
            return found
        raise_for_answer(response, job=self.job, doing="asking for the status of")
        raise AssertionError("unreachable")  # pragma: no cover - it raises for all but 2xx

    def _declared(self, status: int) -> Meaning | None:
        """What the description makes of a code; its 4xx leaves out 401, 403 and what asks for patience."""
        http = self.outcome.http
        found = http.get(str(status))
        if found is None and status not in (401, 403) and not is_transient(status):
            found = http.get(f"{status // 100}xx")
        if found is None and 500 <= status < 600:
            found = http.get("5xx")
        return found

    def _by_code(self, answer: Answer, meaning: Meaning) -> JobStatus:
        response = answer.response
        if meaning is Meaning.RUNNING:
            return self.going_on(response, str(response.status), moved=self.moved(answer))
        verdict = self.profile.judge.by_code(answer, meaning)
        if verdict.meaning in (Meaning.SUCCEEDED, Meaning.NO_DATA):
            return self._succeeded(answer, verdict)
        return self.status(response, verdict)

    def _redirected(self, response: HttpResponse) -> JobStatus | None:
        """
        "Done, the result is there", where a redirect says so; None for any other answer.

        The transport follows redirects to where the credentials may go. What arrives here points elsewhere,
        so it is fetched without any.
        """
        target = response.headers.get("Location", "")
        if response.status not in REDIRECTS or not target:
            return None
        url = absolute(target, response, job=self.job, what="Location")
        if response.status not in (302, 303) and not is_signed(url):
            return None  # 301, 307 and 308 say that the monitor itself is elsewhere, unless there is a file
        self._no_login(url, response)
        status = self.status(response, Verdict(Meaning.SUCCEEDED, str(response.status)))
        return replace(status, result=Result(url=url, authorized=False))

    def _no_login(self, url: str, response: HttpResponse) -> None:
        if is_login(url):
            raise self._login(response)

    def _login(self, response: HttpResponse) -> AuthenticationError:
        return AuthenticationError(
            f"HTTP {response.status} for {self.job}: the remote leads to a page where a person logs in. "
            "Check the credentials of the Airflow connection.",
            job=self.job,
            http_status=response.status,
        )

    # -- 2xx

    def of(self, answer: Answer, *, first: bool = False, words: list[str] | None = None) -> JobStatus:
        """
        What a 2xx says of the job.

        :param first: it is the answer to the submission
        :param words: the words of the state, where they are known already
        """
        if words is None:
            words = self.profile.judge.words(answer)
        if words is not None:
            return self._with_state(answer, words, first=first)
        if self.outcome.state is not None:
            return self._without_state(answer)
        return self._unnamed(answer)

    def _with_state(self, answer: Answer, words: list[str], *, first: bool) -> JobStatus:
        verdict = self.profile.judge.read(answer, words, job=self.job)
        if verdict.meaning is Meaning.RUNNING:
            return self._running(answer, verdict)
        if verdict.meaning in (Meaning.SUCCEEDED, Meaning.NO_DATA):
            return self._succeeded(answer, verdict, is_status=True, again=not first)
        return self.status(answer.response, verdict)

    def _running(self, answer: Answer, verdict: Verdict) -> JobStatus:
        status = self.going_on(
            answer.response, verdict.word, message=verdict.message, moved=self.moved(answer)
        )
        progress = progress_of(self.outcome.progress, answer)
        status = status if progress is None else replace(status, progress=progress)
        if verdict.recognised:
            return status
        unknown = tuple(one_line(w, 80) for w in verdict.unknown)
        return replace(status, recognised=False, unknown_words=unknown)

    def _without_state(self, answer: Answer) -> JobStatus:
        """The description says where the state is, and there is none."""
        response = answer.response
        verdict = self.profile.judge.read(answer, [], job=self.job)
        if verdict.meaning is not Meaning.RUNNING:
            if verdict.meaning is Meaning.NO_DATA:
                return self._succeeded(answer, verdict, is_status=True)
            return self.status(response, verdict)
        moved = self.moved(answer)
        if moved is not None:
            return self.going_on(response, "moved", moved=moved)
        if word := self.profile.judge.not_yet(answer):
            return self._running(answer, replace(verdict, word=word))
        document = isinstance(answer.document, dict) and bool(answer.document)
        if (self.outcome.missing == "running" and document) or self._is_first_monitor:
            return self._running(answer, verdict)
        if response.status == 202:
            return self._running(answer, replace(verdict, word="202"))
        self._refusal(answer)
        if self.outcome.redirect == "result" and self._was_redirected(response):
            self._no_login(response.url, response)
            return self._succeeded(answer, Verdict(Meaning.SUCCEEDED, str(response.status)), whole=True)
        if not isinstance(answer.document, dict | list) or media_type(response) == "text/html":
            raise unreadable(
                response,
                f"there is no status word at {str(self.outcome.state)!r}, as the answer is not a JSON "
                "document.",
                job=self.job,
            )
        raise no_state(self.outcome, answer, job=self.job)

    def _refusal(self, answer: Answer) -> None:
        """A 2xx that only says that the poll could not be answered."""
        document = answer.document
        if refused(document) or (isinstance(document, dict) and document.get("errors")):
            text = error_text(document) or excerpt(answer.response.body)
            raise self._failing_now(answer.response, text)

    def _failing_now(self, response: HttpResponse, text: str) -> TransientError:
        return TransientError(
            f"HTTP {response.status} for {self.job}, but the answer is an error: {text!r}.",
            job=self.job,
            http_status=response.status,
            retry_after=retry_after(response.headers, response.received_at),
        )

    def _unnamed(self, answer: Answer) -> JobStatus:
        """The status code is the state: 202 goes on, and anything else must not say otherwise."""
        response = answer.response
        if why := self.outcome.running_if.holds(answer):
            return self._running(answer, Verdict(Meaning.RUNNING, why))
        if response.status == 202:
            return self._running(answer, Verdict(Meaning.RUNNING, "202"))
        if response.complete and self.profile.sniffs and (words := sniffed(answer)):
            return self._sniffed(answer, words[0])
        if response.complete and self.profile.sniffs and self._says_wait(answer):
            return self._running(answer, Verdict(Meaning.RUNNING, str(response.status)))
        if response.status == 201 and self._declared(201) is None and _says_nothing(response):
            raise DescriptionError(
                f"HTTP 201 for {self.job}: with neither body nor Location, that says neither that the job "
                "runs nor that it has ended. Say which: outcome.http: {201: running} or {201: succeeded}.",
                job=self.job,
                http_status=response.status,
            )
        self._no_login(response.url, response)
        if is_login_page(response):
            raise self._login(response)
        if not self._pages_expected and is_stand_in(response):
            raise unreadable(
                response,
                "the answer is an HTML page. If that is the result, set result.media_type to text/html.",
                job=self.job,
            )
        if media_type(response).startswith("application/problem+"):  # RFC 9457
            text = error_text(answer.document) or excerpt(response.body)
            return self.status(response, Verdict(Meaning.FAILED, str(response.status), text))
        if self.profile.sniffs and response.complete and (found := refusal(answer)):
            return self._refused(answer, *found)
        verdict = (
            self.profile.judge.unnamed(answer, job=self.job)
            if response.complete
            else Verdict(Meaning.SUCCEEDED, str(response.status))
        )
        if verdict.meaning in (Meaning.SUCCEEDED, Meaning.NO_DATA):
            return self._succeeded(answer, verdict)
        return self.status(response, verdict)

    @property
    def _pages_expected(self) -> bool:
        wanted = self.description.result.media_type
        return bool(wanted) and "html" in str(wanted)

    def _refused(self, answer: Answer, text: str, code: int | None) -> JobStatus:
        """A 2xx that is nothing but an error: of the remote system for now, or of the job for good."""
        response = answer.response
        if code == 429 or (code is not None and 500 <= code < 600):
            raise self._failing_now(response, text)
        hint = "if this is the result, say outcome: {state: false}"
        word = str(response.status) if code is None else f"{response.status}, {code}"
        return self.status(response, Verdict(Meaning.FAILED, word, f"{text} ({hint})"))

    def _sniffed(self, answer: Answer, word: str) -> JobStatus:
        """A word that no description has asked for: it may deny the success that the status code reports."""
        response = answer.response
        meaning = self.profile.judge.meaning_of(word)
        if meaning is Meaning.UNKNOWN and not self._says_wait(answer):
            if self._was_redirected(response):
                return self._succeeded(answer, Verdict(Meaning.SUCCEEDED, str(response.status)))
            raise ambiguous(answer, word, job=self.job)
        if meaning in (Meaning.RUNNING, Meaning.UNKNOWN):
            return self._running(answer, Verdict(Meaning.RUNNING, word))
        if meaning in (Meaning.SUCCEEDED, Meaning.ENDED, Meaning.NO_DATA):
            verdict = self.profile.judge.unnamed(answer, job=self.job)
            if verdict.meaning in (Meaning.SUCCEEDED, Meaning.NO_DATA):
                return self._succeeded(answer, replace(verdict, word=word), is_status=True)
            return self.status(response, replace(verdict, word=f"{word}, {verdict.word}"))
        return self.status(response, Verdict(meaning, word, error_text(answer.document)))

    def _says_wait(self, answer: Answer) -> bool:
        """Whether a 200 asks to be asked again: with Retry-After, or with a Location that leads to itself."""
        response = answer.response
        if response.headers.get("Retry-After"):
            return True
        location = response.headers.get("Location", "")
        if not location or response.status == 201:
            return False
        url = absolute(location, response, job=self.job, what="Location")
        return url in (self.handle.status_url, response.url)

    # -- what is made of it

    def done_at_once(self, answer: Answer) -> JobStatus:
        """The status of a job whose submission was answered with its result."""
        response = answer.response
        verdict = self.profile.judge.unnamed(answer, job="the job")
        if verdict.meaning not in (Meaning.SUCCEEDED, Meaning.NO_DATA):
            return self.status(response, verdict)
        # The endpoint that took the job must not be asked again for its result.
        return self.finished(answer, again=False)

    def finished(self, answer: Answer, *, again: bool = True) -> JobStatus:
        """The status of a job whose success stands outside its answer's body, which is the result."""
        response = answer.response
        verdict = Verdict(Meaning.SUCCEEDED, str(response.status))
        created = response.headers.get("Location", "") if response.status == 201 else ""
        if created and not response.body.strip() and not self.description.result.named:
            url = absolute(created, response, job=self.job, what="Location")  # RFC 9110 §15.3.2
            authorized = self.profile.may_have_credentials(url, response)
            return replace(self.status(response, verdict), result=Result(url=url, authorized=authorized))
        return self._succeeded(answer, verdict, again=again)

    def _succeeded(
        self,
        answer: Answer,
        verdict: Verdict,
        *,
        is_status: bool = False,
        again: bool = True,
        whole: bool = False,
    ) -> JobStatus:
        status = self.status(answer.response, verdict)
        if verdict.meaning is Meaning.NO_DATA:
            return replace(status, no_data=True)
        found = self.profile.find_result(
            self.handle, answer, job=self.job, is_status=is_status, again=again, whole=whole
        )
        return replace(status, result=found.result, result_request=found.request, no_data=found.no_data)

    def status(self, response: HttpResponse, verdict: Verdict) -> JobStatus:
        """An end, without a result."""
        return JobStatus(
            self.STATES[verdict.meaning],
            remote_status=one_line(verdict.word, 80),
            message=one_line(verdict.message, 500) if verdict.message else None,
            request_id=request_id(response.headers),
        )

    def going_on(
        self,
        response: HttpResponse,
        remote_status: str,
        *,
        message: str | None = None,
        moved: str | None = None,
    ) -> JobStatus:
        """The job goes on."""
        progress_text = message or response.headers.get("X-Progress")
        return JobStatus(
            JobState.RUNNING,
            remote_status=one_line(remote_status, 80),
            message=one_line(progress_text, 500) if progress_text else None,
            retry_after=retry_after(response.headers, response.received_at),
            request_id=request_id(response.headers),
            status_url=moved,
            progress=percentage(response.headers.get("X-Progress")),
        )

    def moved(self, answer: Answer) -> str | None:
        """The monitor's address from now on, None when it stays where it was."""
        places: Places | None = self.description.poll.moves_to
        found = places.read(answer) if places else self.profile.moved_header(answer.response)
        if not isinstance(found, str) or not found.strip():
            return None
        url = absolute(found, answer.response, job=self.job, what="URL of the monitor")
        return None if url == self.handle.status_url else url

    @property
    def _is_first_monitor(self) -> bool:
        """Whether the job is still asked for at the first of two monitors, which need not have a state."""
        return self.description.poll.moves_to is not None and self.handle.status_url == self.handle.data.get(
            "first_monitor"
        )

    def _was_redirected(self, response: HttpResponse) -> bool:
        poll = self.description.poll
        if poll.path is not None and "status_url" in poll.path.names:
            try:
                asked = poll.path.fill(values_of(self.description, self.handle))
            except ValueError:
                return False
            return was_redirected(asked, response)
        return was_redirected(self.handle.status_url or "", response)


def _says_nothing(response: HttpResponse) -> bool:
    return response.complete and not response.body.strip() and not response.headers.get("Location")
