# SPDX-License-Identifier: Apache-2.0
"""From a request as a description has it to one that can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols._http.assembly import Description
from airflow_async_provider.protocols._http.description import Request
from airflow_async_provider.protocols._http.places import MISSING, Answer, Place, Places
from airflow_async_provider.protocols._http.templates import (
    Lookup,
    fill_body,
    fill_text,
    is_unrendered,
    names_in,
)
from airflow_async_provider.protocols._http.urls import query_value
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._job import JobHandle

#: Where the id is that a poll or a result names, where the description does not say.
DEFAULT_ID: Final = Places.parse("id", "start.id")


def values_of(description: Description, handle: JobHandle | None, answer: Answer | None = None) -> Lookup:
    """
    What ``{name}`` stands for; it raises :class:`DescriptionError` for the id of a job that has none.

    :param handle: has ``{job_id}``, ``{status_url}``, and what the start has kept
    :param answer: the answer in which any other name is a JSON path
    """
    known: dict[str, Any] = dict(description.parameters)
    if handle is not None:
        kept = handle.data.get("kept")
        known.update(kept if isinstance(kept, Mapping) else {})
        number = handle.data.get("id_number") and handle.job_id.lstrip("-").isdigit()
        known["job_id"] = int(handle.job_id) if number else handle.job_id
        known["status_url"] = handle.status_url or MISSING

    def lookup(name: str) -> Any:
        if name == "job_id" and handle is not None and not handle.named:
            # An id of our own making, which the remote has never seen, is no address.
            raise DescriptionError(
                f"Job {handle.shown_id} cannot be named to the remote: its start has answered no id. Say "
                "where it is with id_field (start.id).",
                job=handle.shown_id,
            )
        if name in known:
            return known[name]
        return MISSING if answer is None else Place.parse(name, "a template").read(answer)

    return lookup


def filled(template_fill: Any, lookup: Lookup, *, job: str, where: str) -> Any:
    """
    A template's value.

    :raises DescriptionError: a value that is not there, or that cannot stand in a path
    """
    try:
        return template_fill(lookup)
    except ValueError as e:
        raise DescriptionError(f"{where} of {job} cannot be asked: {e}.", job=job) from None


def headers_of(description: Description, request: Request | None, lookup: Lookup) -> dict[str, str]:
    """The headers of every request of the description, and those of this one."""
    given = {**description.headers, **(request.headers if request else {})}
    filled_in = {k: fill_text(v, lookup) for k, v in given.items() if not is_unrendered(v)}
    if broken := next((k for k, v in filled_in.items() if not v.isprintable()), None):
        raise ValueError(f"a value with control characters cannot stand in the header {broken}")
    return filled_in


def made(
    description: Description,
    request: Request,
    lookup: Lookup,
    *,
    job: str,
    where: str,
    url: str | None = None,
    repeatable: bool = True,
    max_body_bytes: int | None = None,
) -> HttpRequest:
    """
    The request to be sent.

    :param url: where to, in place of the request's own path
    :param where: name of the role, for messages
    :raises DescriptionError: something in it has no value
    """
    if url is None:
        url = filled(request.path.fill, lookup, job=job, where=where) if request.path else ""

    def rest(values: Lookup) -> tuple[dict[str, str], dict[str, str]]:
        query = {**description.query, **request.query}
        return {k: fill_text(v, values) for k, v in query.items()}, headers_of(description, request, values)

    query, headers = filled(rest, lookup, job=job, where=where)
    # What the remote has put into its own address stays as it is.
    query = {k: v for k, v in query.items() if query_value(url, k) is None}
    content = filled(lambda v: _content(request, v), lookup, job=job, where=where)
    body: bytes | None = None
    if request.form is not None:
        body = urlencode(content).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        content = None
    elif request.text is not None:
        body, content = str(content).encode(), None
    return HttpRequest(
        request.method or request.default_method,
        url,
        params=query or None,
        json=content,
        body=body,
        headers=headers,
        repeatable=repeatable if request.repeatable is None else request.repeatable,
        max_body_bytes=max_body_bytes,
    )


def _content(request: Request, lookup: Lookup) -> Any:
    """The body of a request: a form's fields, a text, or JSON."""
    if request.form is not None:
        return {k: fill_text(v, lookup) for k, v in request.form.items()}
    body = request.json if request.text is None else request.text
    return None if body is None else fill_body(body, lookup)


def asks_by_id(description: Description) -> bool:
    """Whether the job's id is part of what is asked: of the polls, or of where the result is."""
    result = description.result
    names = {n for template in result.path or () for n in template.names} | names_in(result.query)
    names |= _names(description.poll, result.source, description.delete)
    return "job_id" in names or description.poll.by is not None


def cancels_by_id(description: Description) -> bool:
    """Whether the job's id is part of a cancellation; a job without one goes on, but cannot be cancelled."""
    return "job_id" in _names(*(r for c in description.cancel for r in (c, c.source)))


def _names(*requests: Request | None) -> set[str]:
    names: set[str] = set()
    for request in requests:
        if request is not None:
            names |= set(request.path.names) if request.path else set()
            for part in (request.query, request.headers, request.json, request.form, request.text):
                names |= names_in(part)
    return names
