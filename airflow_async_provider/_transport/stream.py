# SPDX-License-Identifier: Apache-2.0
"""Sending in the worker what is too large for memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from airflow_async_provider._transport import worker
from airflow_async_provider._transport.endpoint import Endpoint, prepare
from airflow_async_provider._transport.multipart import MultipartFile
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse


def send_stream(
    endpoint: Endpoint, request: HttpRequest, body: MultipartFile, *, timeout: float
) -> HttpResponse:
    """
    Send a form with a file, once, and read the whole answer.

    Nothing is sent a second time, not even after a 401: the file may have been read half by then.

    :param timeout: seconds for the whole request, in place of the connection's
    :raises TransientError: no answer came (``sent`` is False when the request surely did not arrive)
    :raises OriginError: the URL must not get the credentials
    :raises SubmitError: the file could not be read to its end
    """
    wire = prepare(endpoint, request)
    wire = replace(
        wire,
        headers={**wire.headers, "Content-Type": body.content_type},
        body=cast("Any", body),  # the HTTP client takes anything with a length that it can go through
    )
    return worker.exchange(replace(endpoint, timeout=timeout), wire, worker.credential_headers(endpoint))
