# SPDX-License-Identifier: Apache-2.0
"""Asynchronous requests and bulk jobs of the simulated SAP Open Connectors, and how they go."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_async_provider.simulators import _plans as plans
from airflow_async_provider.simulators._content import Content
from airflow_async_provider.simulators._open_connectors_webhooks import Delivery

OUTCOMES = ("completed", "failed")

#: Forms of the webhook of a failed request. SAP documents none; these are the ones that a receiver may meet.
FAILURES: Mapping[str, Mapping[str, Any]] = {
    "error": {"error": "The copy failed"},
    "platform": {"requestId": "5b0437c6e4b07731ae39b533", "message": "The copy failed"},
    "response": {
        "response": {
            "requestId": "53dbca9430045c016b46566c",
            "message": "Failed to copy the folder",
            "providerMessage": "Item with the same name already exists",
        }
    },
    "status": {"eventStatus": "failed"},
}

#: The spellings of the bulk API's versions. "page" is version 3 with the state that an example of Cloud
#: Elements' developer portal shows.
SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "v3": {"status": "jobStatus", "records": "recordCount", "errors": "errorCount", "CANCELLED": "CANCELED"},
    "v1": {"status": "status", "records": "recordsCount", "errors": "recordsFailedCount"},
    "page": {
        "status": "status",
        "records": "recordsCount",
        "errors": "recordsFailedCount",
        "COMPLETED": "COMPLETE",
    },
}


@dataclass(frozen=True, slots=True)
class Plan(plans.Plan):
    """
    How a request or bulk job goes.

    :param seconds: simulated seconds until it ends, None: until it is told to
    :param outcome: "completed" or "failed"
    :param response: the ``response`` of the webhook, None: what the resource answers
    :param failure: form of a failed request's webhook, one of :data:`FAILURES`
    :param notifications: which webhooks of a request are sent, and in which order: "started", "done"
    :param before_answer: send them before the request itself is answered
    :param copies: how often each webhook is sent
    :param tamper: what is wrong with the webhooks, see ``open_connectors_webhooks``
    :param records: rows of a bulk download
    :param failed_records: records that went wrong in a bulk job that completes
    """

    seconds: float | None = 0.3
    outcome: str = "completed"
    response: Any = None
    failure: str = "error"
    notifications: tuple[str, ...] = ("started", "done")
    before_answer: bool = False
    copies: int = 1
    tamper: str | None = None
    records: int = 1000
    failed_records: int = 0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"unknown outcome {self.outcome!r}; known are {OUTCOMES}")
        if self.failure not in FAILURES:
            raise ValueError(f"unknown failure {self.failure!r}; known are {sorted(FAILURES)}")
        if not set(self.notifications) <= {"started", "done"}:
            raise ValueError('notifications are "started" and "done"')


class Job:
    """
    What both kinds of jobs share: they end when their time is over, or when told to.

    :param number: position in the simulator's list
    :param now: simulated epoch seconds
    """

    def __init__(self, *, number: int, plan: Plan, now: Callable[[], float]) -> None:
        self.number = number
        self.plan = plan
        self._now = now
        self.started_at = now()
        self._told: tuple[str, float] | None = None
        #: the webhooks that tell of its end
        self.deliveries: list[Delivery] = []

    @property
    def ended_at(self) -> float | None:
        """Simulated epoch seconds at which it ends or ended; None: when it is told to."""
        if self._told is not None:
            return self._told[1]
        return None if self.plan.seconds is None else self.started_at + self.plan.seconds

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it runs."""
        if self.ended_at is None or self._now() < self.ended_at:
            return None
        return self._told[0] if self._told is not None else self.plan.outcome

    @property
    def sha256(self) -> str:
        """Checksum of what a client is to have in the end."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """For the control routes; no address."""
        raise NotImplementedError

    def finish(self, outcome: str, at: float | None = None) -> None:
        """End it, now or at a given time, unless it has ended already."""
        if self.outcome is None:
            self._told = (outcome, self._now() if at is None else at)


class AsyncRequest(Job):
    """
    One asynchronous request.

    :param event_id: the platform's number of it
    :param url: where its webhooks go
    :param response: what the resource answers
    """

    def __init__(self, *, event_id: int, url: str, response: Any, **common: Any) -> None:
        super().__init__(**common)
        self.event_id = event_id
        self.url = url
        self.response = response if self.plan.response is None else self.plan.response

    @property
    def sha256(self) -> str:
        """Checksum of the response as JSON, in the form in which Python writes it."""
        return hashlib.sha256(json.dumps(self.response, ensure_ascii=False).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """For the control routes; no address."""
        return {"number": self.number, "event_id": self.event_id, "outcome": self.outcome}


@dataclass(slots=True)
class Upload:
    """
    What came with an upload.

    :param lines: lines of the file
    """

    filename: str | None = None
    size: int = 0
    lines: int = 0
    sha256: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


class BulkJob(Job):
    """
    One bulk job.

    :param job_id: its id, a number that is sent as text when it starts
    :param direction: "DOWNLOAD" or "UPLOAD"
    :param criteria: body of the start
    :param callback: where its notification goes, None: nowhere
    :param upload: the file, for uploads
    """

    def __init__(
        self,
        *,
        job_id: int,
        object_name: str,
        direction: str,
        media_type: str,
        criteria: Mapping[str, Any],
        callback: str | None,
        upload: Upload | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.job_id = job_id
        self.object_name = object_name
        self.direction = direction
        self.media_type = media_type
        self.criteria = criteria
        self.callback = callback
        self.upload = upload

    @property
    def state(self) -> str:
        """State in the words of version 1, all upper case."""
        if self.outcome == "cancelled":
            return "CANCELLED"
        if self.outcome is not None:
            return "COMPLETED" if self.outcome == "completed" else "ABORTED"
        if self._told is not None:
            return "CANCELLATION_PENDING"
        age = self._now() - self.started_at
        whole = self.plan.seconds if self.plan.seconds is not None else float("inf")
        return "CREATED" if age < whole / 10 else "STARTED" if age < whole / 5 else "RUNNING"

    @property
    def records(self) -> int:
        """Records that are done."""
        if self.outcome != "completed":
            return 0
        return (self.upload.lines if self.upload else self.content.rows) - self.plan.failed_records

    @property
    def errors(self) -> list[str]:
        """One text for each record that went wrong."""
        if self.outcome == "failed":
            return ["The provider closed the connection"]
        if self.outcome != "completed":
            return []
        return [f"Record {n + 1}: the field 'email' is not valid" for n in range(self.plan.failed_records)]

    @property
    def content(self) -> Records:
        """The file of a download."""
        limit = self.criteria.get("limit")
        rows = self.plan.records if not isinstance(limit, int) else min(limit, self.plan.records)
        fields = [f.strip() for f in str(self.criteria.get("selectFields") or "").split(",") if f.strip()]
        return Records(self.media_type, rows, fields or ["id", "name", "email"])

    @property
    def sha256(self) -> str:
        """Checksum of the file, in either direction."""
        return self.upload.sha256 if self.upload else self.content.sha256

    def status(self, spelling: str) -> dict[str, Any]:
        """What ``GET /bulk/{id}/status`` answers."""
        words = SPELLINGS[spelling]
        ended = self.ended_at if self.outcome else None
        return {
            "id": self.job_id,
            "objectName": self.object_name,
            "jobDirection": self.direction,
            words["status"]: words.get(self.state, self.state),
            words["records"]: self.records,
            words["errors"]: len(self.errors),
            "statusMessage": self.message,
            "createdDate": int(self.started_at * 1000),
            "completionTime": None if ended is None else int(ended * 1000),
            "fileFormat": self.media_type.rpartition("/")[2].upper(),
            "jobCriteria": {k: v for k, v in self.criteria.items() if k != "notificationUrl"},
            "metaData": self.upload.metadata if self.upload else {},
            "native": False,
        }

    @property
    def message(self) -> str:
        """The state in words."""
        done = "downloaded" if self.direction == "DOWNLOAD" else "uploaded"
        if self.outcome == "completed":
            return f"Successfully {done} {self.records} records"
        return "The job was aborted: provider error" if self.outcome == "failed" else "The job is on its way"

    def notification(self) -> dict[str, Any]:
        """What is sent at its end, with the fields that Cloud Elements' public samples read."""
        body: dict[str, Any] = {
            "id": str(self.job_id),
            "status": self.state,
            "recordsCount": self.records,
            "recordsFailedCount": len(self.errors),
            "fileFormat": self.media_type.rpartition("/")[2],
            "resource": self.object_name,
            "startDate": int(self.started_at * 1000),
            "endDate": int((self.ended_at or 0) * 1000),
        }
        if self.upload and "callback-payload" in self.upload.metadata:
            body["payload"] = self.upload.metadata["callback-payload"]
        if self.outcome == "failed":
            body["error"] = self.message
        return body

    def to_dict(self) -> dict[str, Any]:
        """For the control routes; no address."""
        found: dict[str, Any] = {"number": self.number, **self.status("v1")}
        if self.upload:
            found["upload"] = dataclasses.asdict(self.upload)
        return found


class Records(Content):
    """
    Rows of one length each, so that any part can be made without the parts before.

    :param media_type: text/csv, application/json or application/jsonl
    :param rows: how many
    :param fields: names of the columns; ``id`` is the row's number, all others text made of it
    """

    def __init__(self, media_type: str, rows: int, fields: list[str]) -> None:
        self.media_type = media_type
        self.rows = rows
        self._fields = fields
        self._head = (",".join(fields) + "\n").encode() if media_type == "text/csv" else b""
        self._tail = b"" if media_type != "application/json" else b"]\n" if rows else b"[]\n"
        self._width = len(self._row(0))
        super().__init__(len(self._head) + rows * self._width + len(self._tail))

    def _row(self, number: int) -> bytes:
        values = [f"{number:09d}" if name == "id" else f"{name} ü {number:09d}" for name in self._fields]
        if self.media_type == "text/csv":
            return (",".join(values) + "\n").encode()
        pairs = ",".join(f'"{name}":"{value}"' for name, value in zip(self._fields, values, strict=True))
        opening = "" if self.media_type == "application/jsonl" else "," if number else "["
        return f"{opening}{{{pairs}}}\n".encode()

    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """Make just the rows that the part touches, some hundred at a time."""
        stop = min(stop, self.size)
        body = len(self._head)
        tail = self.size - len(self._tail)
        if start < body:
            yield self._head[start:stop]
            start = body
        while start < min(stop, tail):
            first = (start - body) // self._width
            last = min(first + 500, -(-(min(stop, tail) - body) // self._width))
            piece = b"".join(self._row(n) for n in range(first, last))
            offset = body + first * self._width
            yield piece[start - offset : min(stop, tail) - offset]
            start = offset + len(piece)
        if start < stop:
            yield self._tail[max(start, tail) - tail : stop - tail]

    @property
    def etag(self) -> str:
        """SAP sends none."""
        return ""
