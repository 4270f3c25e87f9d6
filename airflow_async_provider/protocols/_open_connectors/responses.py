# SPDX-License-Identifier: Apache-2.0
"""
What all answers of SAP Open Connectors have in common: ids, error bodies, and what a 429 may mean.

Sources: SAP Open Connectors, "Error Codes" (``requestId``, ``message`` and, from the provider behind a
connector, ``providerMessage``); "Technical Restrictions" (files above 6 GB and transfers above 3,600 seconds
end in a 429, formula inputs above 5 MB in a 413 or 429: no patience helps against these).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    CallbackError,
    RequestRefusedError,
    SubmitError,
    TransientError,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import (
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
    unreadable,
)

DELIVERY_HEADER = "Elements-Webhook-Id"

MAX_MESSAGE = 300

#: A whole number as "Double" is written.
_DOUBLE = re.compile(r"\A(\d+)\.0+\Z", re.ASCII)

#: Words of a 429 that stands for a limit of size or time, and words of one that asks for patience. The texts
#: themselves are not documented, so what fits neither counts as the latter, which is tried a bounded number
#: of times.
_LIMIT = re.compile(
    r"(?i)\b(size|too (?:large|big|long)|larger|payload|(?:\d+ ?)?[kmg]i?b|bytes"
    r"|timed?[ -]?(?:out|limit)|3,?600)\b"
)
_RATE = re.compile(r"(?i)\b(rate|too many|throttl\w*|per (?:second|minute|hour|day)|quota|concurren\w*)\b")


def identifier(value: Any) -> str | None:
    """
    An id as text, whether it came as number or as text; None when it is none.

    SAP turns long numbers into strings ("What's New in SAP Open Connectors", 2021-08-26) and documents the
    id of bulk jobs as "Double", so 1028, "1028", 1028.0 and "1028.0" are the same id.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else None
    if isinstance(value, str) and 0 < len(value.strip()) <= 200 and value.strip().isprintable():
        text = value.strip()
        return _DOUBLE.sub(r"\1", text)
    return None


def parsed(body: bytes) -> Any:
    """The JSON of a body; None where it is none, has what JSON has not (NaN), or is nested too deeply."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def list_in(response: HttpResponse, what: str, *, job: str) -> list[Any]:
    """
    The JSON array that a response is.

    :param what: its elements, for the error
    :raises UnreadableAnswerError: it is none
    """
    found = parsed(response.body)
    if not isinstance(found, list):
        raise unreadable(response, f"a list of {what} was expected.", job=job)
    return found


def object_of(headers: Headers, body: bytes, what: str) -> dict[str, Any]:
    """
    The JSON object that a callback is.

    :param what: the kind of callback, for the error
    :raises CallbackError: it is none
    """
    found = parsed(body)
    if not isinstance(found, dict):
        raise CallbackError(
            f"The {what} is not a JSON object. Its body began: {excerpt(body)!r}",
            request_id=headers.get(DELIVERY_HEADER, "")[:200] or None,
        )
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class PlatformError:
    """
    The body of a failed answer.

    :param message: the platform's explanation
    :param provider_message: the message of the provider behind the connector, word for word
    :param request_id: to quote to SAP's support
    """

    message: str | None = None
    provider_message: str | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        parts = []
        if self.message:
            parts.append(f"message: {self.message!r}")
        if self.provider_message:
            parts.append(f"providerMessage: {self.provider_message!r}")
        if self.request_id:
            parts.append(f"requestId: {self.request_id}")
        return ", ".join(parts)

    @classmethod
    def of(cls, value: Any) -> PlatformError:
        """From parsed JSON of any shape."""
        if not isinstance(value, Mapping):
            return cls()
        found = {name: value.get(name) for name in ("message", "providerMessage", "requestId")}
        texts = {
            k: excerpt(str(v), MAX_MESSAGE)
            for k, v in found.items()
            if isinstance(v, str | int | float) and v != ""
        }
        return cls(texts.get("message"), texts.get("providerMessage"), texts.get("requestId"))


def platform_error(response: HttpResponse) -> PlatformError:
    """What a failed answer says; the whole body's beginning as message when it is not SAP's form."""
    error = PlatformError.of(parsed(response.body))
    message = error.message or error.provider_message or excerpt(response.body) or None
    return PlatformError(
        error.message if error.message or error.provider_message else message,
        error.provider_message,
        error.request_id or request_id(response.headers),
    )


def is_limit(response: HttpResponse) -> bool:
    """Whether a 413 or 429 stands for a limit of size or time, which no later try gets around."""
    if response.status == 413:
        return True
    if response.status != 429 or "Retry-After" in response.headers:
        return False
    reason = str(platform_error(response))
    return bool(_LIMIT.search(reason)) and not _RATE.search(reason)


def raise_for_platform_answer(response: HttpResponse, *, job: str, doing: str) -> None:
    """
    Raise the error that a failed answer stands for, in SAP's words; return when it is a 2xx.

    :param job: display name of the job, for the message
    :param doing: what was asked, as in "asking for the status of"
    :raises RemoteError: see the tree in :mod:`airflow_async_provider.errors`
    """
    status = response.status
    if not 400 <= status < 600:
        raise_for_answer(response, job=job, doing=doing)
        return
    error = platform_error(response)
    facts: dict[str, Any] = {"job": job, "http_status": status, "request_id": error.request_id}
    reason = f" ({error})" if str(error) else ""
    about = f"HTTP {status} when {doing} {job}{reason}"
    if is_limit(response):
        raise RequestRefusedError(
            f"{about}: a limit of SAP Open Connectors on size or time (6 GB and 3,600 seconds for a file). "
            "Trying again does not help: ask for less at a time.",
            **facts,
        )
    if is_transient(status):
        raise TransientError(
            f"{about}.", retry_after=retry_after(response.headers, response.received_at), **facts
        )
    if status == 401:
        raise AuthenticationError(
            f"{about}: SAP Open Connectors does not accept the secrets of the connection. Check user_secret "
            "and element_token, or organization_secret, in its extra.",
            **facts,
        )
    if status == 403:
        raise AuthorizationError(
            f"{about}: the provider behind the connector forbids it. Check the rights of the connector "
            "instance at the provider.",
            **facts,
        )
    raise RequestRefusedError(f"{about}.", **facts)


def raise_for_submission(response: HttpResponse, *, job: str, hint: str) -> None:
    """
    Raise what a refused submission stands for; return when it is a 2xx.

    :param hint: what to look at, a sentence
    :raises SubmitError: a 4xx, but for those that say something about credentials or the moment
    :raises RemoteError: all others
    """
    try:
        raise_for_platform_answer(response, job=job, doing="starting")
    except RequestRefusedError as e:
        raise SubmitError(
            f"{e} {hint}", http_status=e.http_status, request_id=e.request_id, job=e.job
        ) from None
