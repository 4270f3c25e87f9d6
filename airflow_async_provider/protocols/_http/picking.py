# SPDX-License-Identifier: Apache-2.0
"""Whose job an answer is about: one out of many that it lists, or not ours at all."""

from __future__ import annotations

import re
from typing import Any

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.assembly import Description
from airflow_async_provider.protocols._http.description import Poll
from airflow_async_provider.protocols._http.places import MISSING, Answer, Place, as_text
from airflow_async_provider.protocols._http.requests import DEFAULT_ID, asks_by_id
from airflow_async_provider.protocols._http.values import one_line
from airflow_async_provider.protocols._job import JobHandle
from airflow_async_provider.protocols._redaction import excerpt

#: Objects whose ``id`` is that of a job.
_JOBS = ("job", "task", "run", "operation", "execution", "export", "import", "report", "batch", "query")

#: The end of a name, as ``export_uuid`` or ``taskUid``, under which the object itself calls its id.
_UNIQUE = re.compile("(?i)(uuid|uid|guid|gid)$")


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


def refuse_others(description: Description, handle: JobHandle, answer: Answer, *, job: str) -> None:
    """
    Refuse an answer that is about another job than ours.

    The id is looked for where ``poll.id`` says, otherwise where the start had it, and under the same name
    beside the state. Where it is not, the answer is taken for ours.

    :raises DescriptionError: another id stands there
    """
    poll = description.poll
    if not handle.named or poll.pick is not None or (poll.moves_to is not None and poll.id is None):
        return
    found = [(p, v) for p in _id_places(description) if _is_id(v := p.read(answer))]
    if not found or any(_ours(p, v, answer, handle.job_id) for p, v in found):
        return
    place, value = found[0]
    raise _wrong(
        answer,
        f"the answer is about another job, {one_line(as_text(value), 80)!r} (at {place.text!r}). If that is "
        "no id of a job, say where the job's id is with poll.id, or set it to false",
        job,
    )


def _id_places(description: Description) -> list[Place]:
    """Where the answer of a poll may have the job's id."""
    if description.poll.id is not None:
        return list(description.poll.id.places)
    described = next((s.id for s in reversed(description.start) if s.id is not None), None)
    if described is None and asks_by_id(description):
        described = DEFAULT_ID
    places = described.places if described else ()
    states = description.outcome.state.places if description.outcome.state else ()
    holders = [state.parent for state in states if state.parent is not None]
    named = [p for p in places if _is_field(p) or (p.pattern is None and p.parent in holders)]
    return [*named, *(other for p in named for state in states for other in _beside(state, p))]


def _beside(state: Place, named: Place) -> list[Place]:
    """Where a field of the name stands in the objects around the state, ``id`` only in one of a job."""
    name = re.split(r"[./]", named.source)[-1]
    unique = _UNIQUE.search(name)
    names = [name, unique[0].lower()] if unique else [name]
    found: list[str] = []
    around = state.parent
    while around is not None and not around.many:
        if name != "id" or re.split(r"[./]", around.source)[-1].casefold() in _JOBS:
            found += [f"{around.source}.{one}" for one in names]
        around = around.parent
    if around is None and name != "id":
        found += names
    return [Place(path, path, None) for path in found]


def _is_field(place: Place) -> bool:
    """Whether a place is a field of a JSON body, and not the whole of it, a part of it, or a header."""
    whole = place.pattern is None and place.source != "$"
    return whole and "[" not in place.source and not place.source.startswith(("header:", "http:"))


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int | list) and not isinstance(value, bool) and value not in ("", [])


def _ours(place: Place, value: Any, answer: Answer, job_id: str) -> bool:
    """Whether a value, or another field beside it, is our id: some APIs give a job two of them."""
    parent = place.parent
    around = answer.document if parent is None else parent.read(answer)
    beside = list(around.values())[:200] if isinstance(around, dict) else []
    values = [*(value if isinstance(value, list) else [value]), *beside]
    return any(_same(as_text(v), job_id) for v in values if isinstance(v, str | int))


def _same(one: str, other: str) -> bool:
    """Whether two spellings are of one id: with or without the path before it, and of Salesforce's length."""
    a, b = (v.strip().casefold().rstrip("/") for v in (one, other))
    salesforce = {len(a), len(b)} == {15, 18} and a[:15] == b[:15]
    last = re.split(r"[/:]", a)[-1]
    return a == b or salesforce or (bool(last) and last == re.split(r"[/:]", b)[-1])


def _wrong(answer: Answer, why: str, job: str) -> DescriptionError:
    return DescriptionError(
        f"HTTP {answer.response.status} for {job}: {why}. "
        f"The answer began: {excerpt(answer.response.body)!r}",
        job=job,
        http_status=answer.response.status,
    )
