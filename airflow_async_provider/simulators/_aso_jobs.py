# SPDX-License-Identifier: Apache-2.0
"""What ASO offers, what one simulated job is, and how it goes."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from airflow_async_provider.simulators import _plans as plans
from airflow_async_provider.simulators._content import Content, FileContent, FixedContent, GeneratedContent
from airflow_async_provider.simulators._plans import TimedJob
from airflow_async_provider.simulators._s3 import StoredObject

MEDIA_TYPES = {
    "ees": "application/vnd.sciquest.com.ees+json",
    "ches": "application/vnd.sciquest.com.ches+json",
}

#: (method, path, service, name of the endpoint in plans and jobs)
ENDPOINTS = (
    ("GET", r"/event/{event_id:\d+}/apiItems/async", "ees", "apiItems"),
    ("GET", r"/event/{event_id:\d+}/apiBids/async", "ees", "apiBids"),
    ("GET", r"/event/{event_id:\d+}/bidRound/{bid_round:\d+}/apiBids/async", "ees", "bidRound/apiBids"),
    ("GET", r"/event/{event_id:\d+}/scenario/preferred/apiAwards/async", "ees", "preferred/apiAwards"),
    ("GET", r"/event/{event_id:\d+}/scenario/{scenario_id:\d+}/apiAwards/async", "ees", "scenario/apiAwards"),
    ("GET", r"/event/{event_id:\d+}/apiRates/async", "ees", "apiRates"),
    (
        "POST",
        r"/chost/{customer_host_id:\d+}/user/{user_id:\d+}/template/{template_id:\d+}/apiEvent/async",
        "ches",
        "apiEvent",
    ),
)

#: the vendor's enum without "processing"
OUTCOMES = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Plan(plans.Plan):
    """
    How a job goes.

    :param processing_seconds: simulated seconds until it ends, None: until it is told to
    :param outcome: one of :data:`OUTCOMES`
    :param result_bytes: length of a generated result
    :param result_body: the result itself (bytes, or text as the control route has it)
    :param result_file: path of a file that is the result
    :param result_content_type: media type of the result
    :param not_found_first: how many requests for the result get 404 first
    """

    processing_seconds: float | None = 0.3
    outcome: str = "completed"
    result_bytes: int = 1_000_000
    result_body: bytes | str | None = None
    result_file: str | None = None
    result_content_type: str = "application/octet-stream"
    not_found_first: int = 0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {self.outcome!r}; known are {OUTCOMES}")
        if self.result_bytes < 0 or self.not_found_first < 0 or (self.processing_seconds or 0.0) < 0:
            raise ValueError("result_bytes, not_found_first and processing_seconds cannot be negative")
        if self.result_file is not None and not Path(self.result_file).is_file():
            raise ValueError(f"the result file {self.result_file} does not exist")

    def content(self, seed: str) -> Content:
        """The result's bytes."""
        if self.result_file is not None:
            return FileContent(self.result_file)
        if self.result_body is not None:
            body = self.result_body
            return FixedContent(body.encode() if isinstance(body, str) else body)
        return GeneratedContent(seed, self.result_bytes)


class AsoJob(TimedJob):
    """
    One job.

    :param number: position in :attr:`AsoSimulator.jobs`
    :param service: "ees" or "ches"
    :param endpoint: name of the endpoint it was started at
    :param parameters: path parameters
    :param body: JSON body, None for GET
    :param now: simulated epoch seconds
    """

    running: ClassVar[str] = "processing"
    outcomes: ClassVar[tuple[str, ...]] = OUTCOMES

    def __init__(
        self,
        *,
        number: int,
        service: str,
        endpoint: str,
        parameters: dict[str, str],
        body: dict[str, Any] | None,
        plan: Plan,
        now: Callable[[], float],
    ) -> None:
        super().__init__(plan, now)
        self.number = number
        self.service = service
        self.endpoint = endpoint
        self.parameters = parameters
        self.body = body
        self.plan = plan
        self._version = 0
        unique = uuid.uuid4()
        self.status_path = "/asyncStatus/" + _opaque(self.started_at, number, unique)
        self.result_key = f"{service}_{endpoint.replace('/', '-')}_{unique}"
        #: signed when first asked for, and never again
        self.result_url: str | None = None
        self.stored = StoredObject(
            plan.content(f"job {number}"), 0.0, plan.result_content_type, plan.not_found_first
        )

    @property
    def content(self) -> Content:
        """The result's bytes, whether or not the job has ended."""
        return self.stored.content

    def change_content(self) -> None:
        """Put other bytes of the same length into the place of the result."""
        self._version += 1
        seed = f"job {self.number}, version {self._version}"
        self.stored.content = GeneratedContent(seed, self.content.size)
        self.stored.modified_at = self._now()

    def to_dict(self) -> dict[str, Any]:
        """The job for ``GET /_sim``, without its URLs."""
        return {
            "number": self.number,
            "service": self.service,
            "endpoint": self.endpoint,
            "parameters": self.parameters,
            "state": self.state,
            "result_bytes": self.content.size,
        }


def _opaque(moment: float, number: int, unique: uuid.UUID) -> str:
    """
    A process id in the form of the vendor's example: base64 of "milliseconds:number:number:uuid".

    Text of that form never encodes to "/" or "+", though base64 may; every second job gets a tail that does,
    so that a client which encodes a status URL anew is found out.
    """
    text = f"{int(moment * 1000)}:{22850 + number}:15:{unique}"
    if number % 2:
        text += ":???>>>~"
    text += " " * (len(text) % 3 == 0)  # so that there is always a "=" at the end
    return base64.b64encode(text.encode()).decode()
