# SPDX-License-Identifier: Apache-2.0
"""What Automic's failed answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider.errors import RemoteError, RequestRefusedError, TransientError
from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._automic.responses import failure_of, raise_for_automic


def failed(status: int, **body: Any) -> HttpResponse:
    return HttpResponse(status, Headers({"Retry-After": "9"}), json.dumps(body).encode(), 0.0)


def test_the_error_body_is_read_whatever_it_is() -> None:
    assert str(failure_of(failed(404, code=11049, error="no\nrun", details="x"))) == "[11049] no run x"
    assert str(failure_of(HttpResponse(500, Headers(), b"<html>", 0.0))) == ""
    assert failure_of(HttpResponse(500, Headers(), b"[" * 100_000, 0.0)).code == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(403, code=11191, error="not active"), RequestRefusedError),
        (failed(404, code=11049, error="no run"), RequestRefusedError),
        (failed(400, code=1, error="ILM is at work"), TransientError),
        (failed(503), TransientError),
    ],
)
def test_a_failure_becomes_the_right_error(answer: HttpResponse, error: type[RemoteError]) -> None:
    with pytest.raises(error) as found:
        raise_for_automic(answer, job="Automic run 7", doing="reading")
    assert "Automic run 7" in str(found.value)


ILM_TEXTS = [
    "REST API is momentarily not available due to ILM actions.",
    "ILM is at work",
    "The request was rejected because of ILM.",
    "Partitions are being switched (ILM), try again",
]
NO_ILM_TEXTS = [
    "Cannot find the object: 'JOBS.ILM.TIDY'.",
    "JOBS.ILM has no PromptSet",
    "Object ILM-TIDY#AF-0123 is locked",
    "The object 'ILM' does not exist",
    "FILMS are not available",
]


@pytest.mark.parametrize("member", ["error", "details"])
@pytest.mark.parametrize("text", ILM_TEXTS)
def test_ilm_passes_by_itself(text: str, member: str) -> None:
    assert failure_of(failed(400, code=1, **{member: text})).momentary
    # A code that is known says what it is.
    assert not failure_of(failed(404, code=11049, **{member: text})).momentary


@pytest.mark.parametrize("text", NO_ILM_TEXTS)
def test_an_object_of_that_name_is_no_ilm(text: str) -> None:
    assert not failure_of(failed(500, code=1, error=text)).momentary


def test_a_success_is_none() -> None:
    raise_for_automic(HttpResponse(204, Headers(), b"", 0.0), job="x", doing="reading")
