# SPDX-License-Identifier: Apache-2.0
"""Reading what all HTTP answers have in common: Retry-After, request ids, and the status codes of failure."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    OriginError,
    RequestRefusedError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpResponse
from airflow_async_provider.protocols._redaction import excerpt, one_line

#: Where vendors put the id that their support asks for, in lower case and in the order of preference.
REQUEST_ID_HEADERS = (
    "elements-request-id",
    "x-request-id",
    "x-ms-request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-correlation-id",
)

REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: Nobody means a longer wait than this; it bounds what a hostile or broken header can do (seconds).
MAX_RETRY_AFTER = 24 * 3600.0


class NotReadyError(TransientError):
    """A job has succeeded, and the remote says of its result that it is still being made."""


def retry_after(headers: Headers, received_at: float) -> float | None:
    """
    Seconds to wait according to ``Retry-After``, None when it is absent or unreadable.

    Both forms of RFC 9110 §10.2.3. A date is taken relative to the answer's own ``Date`` where there is
    one, so that a remote whose clock is off does not make us wait for hours or not at all.

    :param received_at: epoch seconds at which the answer came
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:  # a few services send fractions, although the RFC says digits
        seconds = float(value)
    except ValueError:
        moment = http_date(value)
        if moment is None:
            return None
        seconds = moment - (http_date(headers.get("Date", "")) or received_at)
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if math.isfinite(seconds) else None


def http_date(value: str) -> float | None:
    """An HTTP-date as epoch seconds, None when it is none."""
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def request_id(headers: Headers) -> str | None:
    """The remote's id of the request, for its support."""
    value = headers.first(REQUEST_ID_HEADERS)
    if not value or "://" in value:
        return None  # an address is no id, and may be a secret
    # A folded header must not break a log line, nor escapes a terminal, nor may it repeat what was sent.
    return one_line(value)


def unreadable(
    response: HttpResponse, what: str, *, job: str | None = None, **facts: Any
) -> UnreadableAnswerError:
    """
    The error for an answer that cannot be understood: ``HTTP 200 for job 7: what. The answer began: …``.

    :param what: what is wrong with it
    :param job: display name of the job, where there is one
    :param facts: further attributes of the error
    """
    about = f"HTTP {response.status} for {job}" if job else f"HTTP {response.status}"
    facts |= {"excerpt": excerpt(response.body), "job": job, "http_status": response.status}
    return UnreadableAnswerError(f"{about}: {what}", **facts)


def _target(response: HttpResponse) -> str:
    """Where a redirect leads to, without path and query, which may be a secret."""
    try:
        parts = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        return ""
    return f" to {parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else ""


def is_transient(status: int) -> bool:
    """Whether a status code says "not now" rather than "no" (408, 425, 429 and 5xx but 501 and 505)."""
    return status in (408, 425, 429) or (500 <= status < 600 and status not in (501, 505))


def raise_for_answer(response: HttpResponse, *, job: str, doing: str) -> None:
    """
    Raise the error that a failed answer stands for; return when it is a 2xx.

    :param job: display name of the job, for the message
    :param doing: what was asked, as in "asking for the status of"
    :raises TransientError: 408, 425, 429, 5xx
    :raises AuthenticationError: 401
    :raises AuthorizationError: 403
    :raises OriginError: a redirect that was not followed
    :raises RequestRefusedError: any other 4xx
    :raises UnreadableAnswerError: anything else
    """
    status = response.status
    if 200 <= status < 300:
        return
    rid = request_id(response.headers)
    about = f"HTTP {status} when {doing} {job}" + (f" (request id {rid})" if rid else "")
    text = excerpt(response.body)
    text = f" Response: {text!r}." if text else ""
    facts: dict[str, Any] = {"job": job, "http_status": status, "request_id": rid}
    if is_transient(status):
        wait = retry_after(response.headers, response.received_at)
        raise TransientError(f"{about}.{text}", retry_after=wait, **facts)
    if status == 401:
        raise AuthenticationError(
            f"{about}: the remote does not accept the credentials of the connection.{text} "
            "Check login, password and token in the Airflow connection.",
            **facts,
        )
    if status == 403:
        raise AuthorizationError(
            f"{about}: the credentials of the connection may not do this.{text} "
            "Check the rights of the user and the API key.",
            **facts,
        )
    if 300 <= status < 400:
        raise OriginError(
            f"{about}: a redirect{_target(response)} that was not followed. The connection's credentials go "
            "only to its own host and to its allowed_hosts (list the host there if it belongs to the "
            "service), and only a GET is sent a second time.",
            **facts,
        )
    if 400 <= status < 500:
        raise RequestRefusedError(f"{about}.{text}", **facts)
    raise UnreadableAnswerError(f"{about}: this status code means nothing here.", **facts)
