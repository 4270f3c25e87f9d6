# SPDX-License-Identifier: Apache-2.0
"""One job out of an answer that lists many: APIs that have no address for a single one."""

from __future__ import annotations

from typing import Any

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.description import Poll
from airflow_async_provider.protocols._http.places import MISSING, Answer, as_text
from airflow_async_provider.protocols._redaction import excerpt


def picked(poll: Poll, answer: Answer, job_id: str, *, job: str) -> Answer | None:
    """
    The answer as if it held our job alone; None where the list has no such job.

    :raises DescriptionError: there is no list where the description says, or our job is in it twice
    """
    if poll.pick is None or poll.by is None:
        return answer
    found = poll.pick.read(answer)
    if not isinstance(found, list):
        raise _wrong(answer, f"there is no list of jobs at {str(poll.pick)!r} (poll.pick)", job)
    ours = [e for e in found if isinstance(e, dict) and as_text(json_path.read(e, poll.by)) == job_id]
    if len(ours) > 1:
        raise _wrong(answer, f"{len(ours)} elements of the list have {poll.by!r} (poll.by) of the job", job)
    if not ours and found and not any(isinstance(e, dict) and _has(e, poll.by) for e in found):
        raise _wrong(answer, f"no element of the list has a field {poll.by!r} (poll.by)", job)
    return answer.narrowed(ours[0]) if ours else None


def _has(element: dict[str, Any], path: str) -> bool:
    return json_path.read(element, path) is not MISSING


def not_listed(poll: Poll, answer: Answer, *, job: str) -> DescriptionError:
    """The error for a list without our job."""
    return _wrong(
        answer,
        f"the list has no element whose {poll.by!r} is the job's id. If it comes later, say outcome.missing: "
        "running",
        job,
    )


def _wrong(answer: Answer, why: str, job: str) -> DescriptionError:
    return DescriptionError(
        f"HTTP {answer.response.status} for {job}: {why}. "
        f"The answer began: {excerpt(answer.response.body)!r}",
        job=job,
        http_status=answer.response.status,
    )
