# SPDX-License-Identifier: Apache-2.0
"""
Reading what the AE REST API answers and what its callbacks say.

* Failures carry ``{"code": int, "error": text, "details": text}`` (vendor page "Working with Workflow
  Tasks"). Known codes: 45254 credentials, 11049 no such run **in this client**, 11191 the run's status does
  not allow it, which comes as 403 without being about permissions.
* Properties that are null may be left out (vendor page "General Info").
* While ILM moves database partitions, requests are refused with an error message that names it (same
  page). Code and HTTP status are not documented, so the text decides.
* A callback's payload is documented in three forms and may be any template (vendor page "Polling and
  Callback Requests"); a template is filled in by text replacement, so it may even be broken JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_async_provider.errors import RequestRefusedError, TransientError
from airflow_async_provider.protocols._automic.status_codes import state_of, text_of
from airflow_async_provider.protocols._http_messages import HttpResponse, json_or_none
from airflow_async_provider.protocols._job import JobState, JobStatus
from airflow_async_provider.protocols._redaction import excerpt, one_line
from airflow_async_provider.protocols._responses import raise_for_answer, request_id, retry_after, unreadable

NO_SUCH_RUN = 11049
WRONG_STATE = 11191
BAD_CREDENTIALS = 45254
KNOWN = frozenset({NO_SUCH_RUN, WRONG_STATE, BAD_CREDENTIALS})

#: The word by itself: not as a part of an object's name (``JOBS.ILM.TIDY``), which refusals quote.
_ILM = re.compile(r"(?<![\w.#$@'\"-])ILM(?![\w#$@'\"-]|\.\w)|momentarily not available")

#: Members of an execution record that go into the operator's return value.
RECORD_FIELDS = (
    "name",
    "type",
    "alias",
    "title",
    "queue",
    "user",
    "agent",
    "parent",
    "reference_run_id",
    "activation_time",
    "start_time",
    "end_time",
    "runtime",
    "estimated_runtime",
)

_MAX_TEXT = 500
#: Beyond it nothing is a number of Automic's, and databases and JSON readers begin to differ.
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True)
class AutomicFailure:
    """The error body of the AE REST API; code 0 when there is none."""

    code: int = 0
    error: str = ""
    details: str = ""

    def __str__(self) -> str:
        details = self.details if self.details and "No detail information" not in self.details else ""
        text = " ".join(f"{self.error} {details}".split())
        return f"[{self.code}] {text}" if self.code else text

    @property
    def momentary(self) -> bool:
        """Whether Automic says that it will work again later (ILM)."""
        return self.code not in KNOWN and bool(_ILM.search(f"{self.error} {self.details}"))


def failure_of(response: HttpResponse) -> AutomicFailure:
    """The error body of an answer, on one line and without what looks secret; never fails."""
    body = json_or_none(response.body) or {}
    return AutomicFailure(
        number(body.get("code")) or 0,
        _described(body.get("error")),
        _described(body.get("details")),
    )


def _described(value: Any) -> str:
    return excerpt(str(value or ""), _MAX_TEXT)


def raise_for_automic(response: HttpResponse, *, job: str, doing: str) -> None:
    """
    Raise the error that a failed answer of Automic stands for; return when it is a 2xx.

    :raises RequestRefusedError: 403 with code 11191, a conflict with the run's status; 404; other 4xx
    :raises TransientError: 429, 5xx, and any refusal because of ILM
    :raises RemoteError: as :func:`~airflow_async_provider.protocols._responses.raise_for_answer`
    """
    if 200 <= response.status < 300:
        return
    failure = failure_of(response)
    about = f"HTTP {response.status} when {doing} {job}"
    facts: dict[str, Any] = {
        "job": job,
        "http_status": response.status,
        "request_id": request_id(response.headers),
    }
    if failure.momentary:
        wait = retry_after(response.headers, response.received_at)
        raise TransientError(
            f"{about}: Automic is busy with ILM. Response: {str(failure)!r}.", retry_after=wait, **facts
        )
    if failure.code == WRONG_STATE:
        raise RequestRefusedError(
            f"{about}: the status of the run does not allow it (this is no question of permissions). "
            f"Response: {str(failure)!r}.",
            **facts,
        )
    if failure.code == NO_SUCH_RUN:
        raise RequestRefusedError(f"{about}: {no_such_run(failure)}", **facts)
    raise_for_answer(response, job=job, doing=doing)


def no_such_run(failure: AutomicFailure) -> str:
    """What code 11049 can mean."""
    return (
        "Automic does not know this run: it belongs to another client than the connection's, or it has been "
        f"archived or reorganised away. Response: {str(failure)!r}."
    )


def number(value: Any) -> int | None:
    """An integer from what Automic may send: 1900, "1900", "0001005016", 1900.0; None for anything else."""
    found: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    elif isinstance(value, str):
        text = value.strip()
        found = int(text) if text.isascii() and text.isdigit() and len(text) <= 30 else None
    return found if found is not None and abs(found) < _LARGEST else None


def new_run(answer: Mapping[str, Any]) -> int | None:
    """
    The RunID of a run that was just started or restarted; None when there is none.

    It is ``run_id`` on the page "Executing Objects" and ``runid`` in the answer that "Polling and Callback
    Requests" prints.
    """
    found = (number(answer.get(name)) for name in ("run_id", "runid"))
    return next((run_id for run_id in found if run_id and run_id > 0), None)


def check_run(record: Mapping[str, Any], run_id: str | int, response: HttpResponse) -> None:
    """
    Refuse the record of another run than the one that was asked for, as a cache or a proxy may send it.

    :raises UnreadableAnswerError: it names another run
    """
    named = number(record.get("run_id"))
    if named not in (None, number(run_id)):
        raise unreadable(response, f"the answer is about another run, {named}.", job=f"Automic run {run_id}")


def status_of_record(
    record: Mapping[str, Any], response: HttpResponse, *, job: str, fail_on_blocked: bool
) -> JobStatus:
    """
    The state in an execution record.

    :raises UnreadableAnswerError: the record has no status
    """
    remote_status = record.get("status")
    if remote_status is None or isinstance(remote_status, dict | list):
        raise unreadable(response, "the answer has no status.", job=job)
    code = number(remote_status)
    state = state_of(code) if code is not None else None
    text = _described(record.get("status_text")) or (text_of(code) if code is not None else "")
    message = text or None
    if state is JobState.BLOCKED:
        message = f"{text or 'blocked'}: neither an end nor a callback will come until a user acts in Automic"
        if not fail_on_blocked:
            state = JobState.RUNNING
    return JobStatus(
        state or JobState.RUNNING,
        remote_status=excerpt(str(remote_status), 80) if code is None else str(code),
        message=message,
        retry_after=retry_after(response.headers, response.received_at),
        recognised=state is not None,
        request_id=request_id(response.headers),
        detail={
            "run_id": number(record.get("run_id")),
            "status": code,
            "status_text": text or None,
            **{name: _plain(record.get(name)) for name in RECORD_FIELDS},
        },
    )


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """
    One page of an execution list, newest first.

    :param items: execution records as Automic sent them
    :param has_more: whether another page is to be asked for
    :param next_start: ``start_at_run_id`` of that page: the RunID of this page's last entry
    """

    items: tuple[dict[str, Any], ...]
    has_more: bool
    next_start: int | None


@dataclass(frozen=True, slots=True)
class ReportPages:
    """
    Some pages of a report.

    :param pages: number and text of each
    :param has_more: whether there are pages behind them
    """

    pages: tuple[tuple[int, str], ...]
    has_more: bool


def page_of(response: HttpResponse, *, asked: int) -> ExecutionPage:
    """
    Read one page of a list.

    :param asked: ``max_results`` of the request
    :raises UnreadableAnswerError: it is not a list
    """
    answer = response.json_object(job="the list of executions")
    data = answer.get("data", [])
    if not isinstance(data, list):
        raise unreadable(response, "the list of executions has no data.")
    items = tuple(item for item in data if isinstance(item, dict))
    last = number(items[-1].get("run_id")) if items else None
    return ExecutionPage(items, _has_more(answer, len(data), asked) and last is not None, last)


def report_pages_of(response: HttpResponse, *, asked: int) -> ReportPages:
    """
    Read pages of a report; a start beyond the last page gives none.

    :param asked: ``max_results`` of the request
    :raises UnreadableAnswerError: it is not a list
    """
    if not response.body.strip():
        return ReportPages((), has_more=False)  # "no information is returned", whatever that looks like
    found, answer = _wrapped_list(response, what="pages of the report")
    pages = tuple((number(page.get("page")) or 0, str(page.get("content") or "")) for page in found)
    return ReportPages(pages, _has_more(answer, len(pages), asked))


def _has_more(answer: Mapping[str, Any], count: int, asked: int) -> bool:
    """``hasmore``; it may be missing from small answers, then a full page means that there may be more."""
    more = answer.get("hasmore")
    return more if isinstance(more, bool) else count >= asked


def json_list(response: HttpResponse, *, what: str) -> list[dict[str, Any]]:
    """
    A bare array of objects; one wrapped in ``data`` is taken too.

    :raises UnreadableAnswerError: it is neither
    """
    return _wrapped_list(response, what=what)[0]


def _wrapped_list(response: HttpResponse, *, what: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The array, and the object around it, which is empty where there was none."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    around = answer if isinstance(answer, dict) else {}
    value = around.get("data") if around else answer
    if not isinstance(value, list):
        raise unreadable(response, f"expected the {what} as a JSON array.")
    return [item for item in value if isinstance(item, dict)], around


# -- callbacks

#: Names in a payload, without regard to case, "_", "-" and blanks.
_RUN_ID_NAMES = ("runid", "runnumber", "runnr")
_STATUS_NAMES = ("executionstatus", "status", "statuscode")
_OTHER_NAMES = {
    "objecttype": "object_type",
    "name": "name",
    "executionstatustext": "status_text",
    "statustext": "status_text",
    "lasterrorcode": "last_error_code",
    "lasterrormessage": "last_error_message",
}
#: How deep a template may nest what we look for.
_DEEPEST = 4

_LOOSE = re.compile(
    r"""["']?(?P<name>[A-Za-z][A-Za-z_-]{1,40}?)["']?\s{0,5}[:=]\s{0,5}["']?(?P<value>\d{1,20})\b""",
    re.ASCII,
)
#: How much of a payload that is not JSON is looked through (characters).
_LOOKED_THROUGH = 64 * 1024


def callback_hint(body: bytes) -> JobStatus:
    """
    What a callback seems to say; whatever it is, the truth is read from Automic afterwards.

    It cannot fail: a template may be any text, and the address already names the task.
    """
    text = body.decode("utf-8", "replace")
    found: dict[str, Any] = {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        pairs: Iterator[tuple[str, Any]] = (
            (m["name"], m["value"]) for m in _LOOSE.finditer(text[:_LOOKED_THROUGH])
        )
    else:
        pairs = _scalars(value, _DEEPEST)
    for name, item in pairs:
        found.setdefault(re.sub(r"[^a-z]", "", name.lower()), item)
    run_id = next((n for name in _RUN_ID_NAMES if (n := number(found.get(name)))), None)
    code = next((n for name in _STATUS_NAMES if (n := number(found.get(name)))), None)
    state = state_of(code) if code is not None else None
    return JobStatus(
        state or JobState.RUNNING,
        remote_status="" if code is None else str(code)[:80],
        message="the callback names no status" if code is None else (text_of(code) or None),
        recognised=state is not None,
        detail={
            "run_id": run_id,
            "status": code,
            **{key: _plain(found[name]) for name, key in _OTHER_NAMES.items() if name in found},
        },
    )


def _scalars(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """All name/value pairs of a JSON value, the outer ones first."""
    if isinstance(value, dict):
        yield from ((str(k), v) for k, v in value.items() if not isinstance(v, dict | list))
    if depth and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _scalars(inner, depth - 1)


def _plain(value: Any) -> Any:
    """A JSON scalar, bounded."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return number(value)
    return _text(value) if isinstance(value, str) else None


def _text(value: Any) -> str:
    """A name, a time, an agent: as it is, on one line."""
    return one_line(value, _MAX_TEXT) if isinstance(value, str) else ""
