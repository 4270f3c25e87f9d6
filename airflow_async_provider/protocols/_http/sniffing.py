# SPDX-License-Identifier: Apache-2.0
"""A state in a document that nobody has described: it may deny the success that a status code tells."""

from __future__ import annotations

from typing import Final

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.places import MISSING, Answer
from airflow_async_provider.protocols._http.values import one_line
from airflow_async_provider.protocols._redaction import excerpt

#: Where a document that nobody has described says how its job is.
SNIFFED: Final = ("status", "state", "properties.provisioningState", "job.status", "job.state")
_FINISHED: Final = ("done", "completed", "finished", "isComplete", "is_complete")


def sniffed(answer: Answer) -> list[str]:
    """
    The state that a document tells although no description has asked for it; nothing where it tells
    none.
    """
    document = answer.document
    if not isinstance(document, dict):
        return []
    for place in SNIFFED:
        value = json_path.read(document, place)
        if isinstance(value, str) and value.strip() and len(value) <= 100:
            return [value]
    for name in _FINISHED:
        if document.get(name, MISSING) is False:
            return ["false"]
    return []


def ambiguous(answer: Answer, word: str, *, job: str) -> DescriptionError:
    """The error for a 200 that may be the result, or may say that the job still runs."""
    word, response = one_line(word, 80), answer.response
    return DescriptionError(
        f"HTTP {response.status} for {job}: the answer has the status {word!r}, and nothing says whether "
        "that is an end. Take the profile status_field, with the word in the list succeeded, failed or "
        "running; or set outcome.state to false if the answer is the result. The answer began: "
        f"{excerpt(response.body)!r}",
        job=job,
        http_status=response.status,
        remote_status=word,
    )
