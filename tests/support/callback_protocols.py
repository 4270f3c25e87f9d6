# SPDX-License-Identifier: Apache-2.0
"""A protocol of a user's own, for the tests of what the API server is willing to import."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from airflow_async_provider.protocols import (
    Headers,
    HttpRequest,
    HttpResponse,
    JobHandle,
    JobProtocol,
    JobState,
    JobStatus,
    Submitted,
)


class Ping(JobProtocol):
    """Takes what stands under ``ping``."""

    name: ClassVar[str] = "tests.support.callback_protocols.Ping"

    def read_submit(self, response: HttpResponse) -> Submitted:
        raise NotImplementedError

    def status(self, handle: JobHandle) -> HttpRequest:
        raise NotImplementedError

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        raise NotImplementedError

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        said: dict[str, Any] = json.loads(body)
        return JobStatus(JobState.SUCCEEDED, remote_status=said["ping"])
