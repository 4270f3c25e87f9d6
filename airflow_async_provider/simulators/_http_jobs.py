# SPDX-License-Identifier: Apache-2.0
"""A job of the generic simulator, and how it goes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_async_provider.simulators import _plans as plans
from airflow_async_provider.simulators._content import Content, FixedContent, GeneratedContent
from airflow_async_provider.simulators._plans import TimedJob

OUTCOMES = ("succeeded", "failed", "cancelled")

#: where a result is: inside the last answer, at a URL of the same origin, behind a pre-signed URL elsewhere
PLACES = ("body", "same_origin", "presigned")


@dataclass(frozen=True, slots=True)
class Plan(plans.Plan):
    """
    How a job goes.

    :param processing_seconds: simulated seconds until it ends, None: until it is told to
    :param outcome: one of :data:`OUTCOMES`
    :param result: the result as a JSON value; text that is not JSON is served as it is
    :param result_bytes: a generated result of this length instead
    :param result_content_type: media type of the result
    :param place: one of :data:`PLACES`
    :param synchronous: answer the submission with the result at once
    :param not_found_first: how many questions get 404 before the monitor is there
    :param retry_after: seconds for ``Retry-After`` while it runs; text goes out unchanged; None: no header
    :param retry_after_as_date: send an HTTP-date instead
    :param words: status words that replace the convention's own, by ``running`` and the outcomes
    """

    processing_seconds: float | None = 0.3
    outcome: str = "succeeded"
    result: Any = field(default_factory=lambda: {"rows": 3})
    result_bytes: int | None = None
    result_content_type: str = "application/json"
    place: str = "body"
    synchronous: bool = False
    not_found_first: int = 0
    retry_after: float | str | None = None
    retry_after_as_date: bool = False
    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {self.outcome!r}; known are {OUTCOMES}")
        if self.place not in PLACES:
            raise ValueError(f"unknown place {self.place!r}; known are {PLACES}")
        if (self.processing_seconds or 0.0) < 0 or self.not_found_first < 0 or (self.result_bytes or 0) < 0:
            raise ValueError("processing_seconds, not_found_first and result_bytes cannot be negative")
        if unknown := set(self.words) - {"running", *OUTCOMES}:
            raise ValueError(f"there is no word for {sorted(unknown)}")

    def content(self, seed: str) -> Content:
        """The result's bytes."""
        if self.result_bytes is not None:
            return GeneratedContent(seed, self.result_bytes)
        if isinstance(self.result, str) and "json" not in self.result_content_type:
            return FixedContent(self.result.encode())
        return FixedContent(json.dumps(self.result).encode())


class HttpJob(TimedJob):
    """
    One job.

    :param number: position in the simulator's list
    :param convention: which convention it was started by
    :param body: JSON body of the submission, None when there was none
    :param now: simulated epoch seconds
    :param callback_url: where the caller wants to be told
    """

    outcomes: ClassVar[tuple[str, ...]] = OUTCOMES

    def __init__(
        self,
        *,
        number: int,
        convention: str,
        body: Any,
        plan: Plan,
        now: Callable[[], float],
        callback_url: str | None = None,
    ) -> None:
        super().__init__(plan, now)
        self.number = number
        self.convention = convention
        self.body = body
        self.plan = plan
        self.callback_url = callback_url
        self.id = uuid.uuid4().hex
        self.not_found_left = plan.not_found_first
        #: how often the monitor has moved
        self.generation = 0
        self.forgotten = False
        self.content = plan.content(f"job {number}")
        #: signed when first asked for
        self.result_url: str | None = None

    def word(self, **own: str) -> str:
        """The status word, in the convention's own vocabulary unless the plan has another."""
        return self.plan.words.get(self.state) or own[self.state]

    def to_dict(self) -> dict[str, Any]:
        """The job for ``GET /_sim``, without its URLs."""
        return {
            "number": self.number,
            "convention": self.convention,
            "state": self.state,
            "body": self.body,
            "wants_callback": self.callback_url is not None,
        }
