# SPDX-License-Identifier: Apache-2.0
"""What is known of a remote job: its handle, its state, its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

HANDLE_VERSION = 1


class JobState(StrEnum):
    """The states of a remote job, the same for all remotes. Everything unknown is RUNNING."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    NOT_RUN = "not_run"

    @property
    def ended(self) -> bool:
        """Whether the remote will do nothing more for this job by itself."""
        return self is not JobState.RUNNING and self is not JobState.BLOCKED


@dataclass(frozen=True, slots=True)
class JobHandle:
    """
    All that is needed to ask for a job again, from any process, as plain data.

    It holds no credential and no result URL: it is stored in XCom and in the task's durable state.

    :param protocol: registered name of the protocol, or the dotted path of a user's own class
    :param job_id: the remote's id, or a short digest where the remote gives only an opaque URL
    :param submitted_at: epoch seconds, this side's clock
    :param status_url: absolute or relative URL to ask, where the remote handed one out
    :param expires_at: epoch seconds after which the status can no longer be asked
    :param options: constructor arguments of the protocol, JSON-able, so that it can be built again
    :param data: what else the protocol wants to remember, JSON-able
    :param conn_id: Airflow connection that the job was started by, where that is known
    :param origin: where that connection pointed; elsewhere the job is neither asked for nor cancelled
    """

    protocol: str
    job_id: str
    submitted_at: float
    status_url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    conn_id: str | None = None
    origin: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The handle as a JSON-able dictionary with its version."""
        return {
            "version": HANDLE_VERSION,
            "protocol": self.protocol,
            "job_id": self.job_id,
            "submitted_at": self.submitted_at,
            "status_url": self.status_url,
            "expires_at": self.expires_at,
            "options": dict(self.options),
            "data": dict(self.data),
            "conn_id": self.conn_id,
            "origin": self.origin,
        }

    @classmethod
    def from_dict(cls, value: Any) -> JobHandle:
        """
        Rebuild a handle; unknown keys of later versions are ignored.

        :raises ValueError: when it is no handle, or one of a later, incompatible version
        """
        if not isinstance(value, Mapping) or "protocol" not in value or "job_id" not in value:
            raise ValueError("this is no job handle: a dictionary with protocol and job_id is expected")
        version, status_url, expires_at = (value.get(k) for k in ("version", "status_url", "expires_at"))
        bound = {k: None if value.get(k) is None else str(value[k]) for k in ("conn_id", "origin")}
        if isinstance(version, int | float) and version > HANDLE_VERSION:
            raise ValueError(
                f"job handle version {version} comes from a later version of this package "
                f"(this one reads up to {HANDLE_VERSION}); upgrade the package on this machine"
            )
        try:
            return cls(
                protocol=str(value["protocol"]),
                job_id=str(value["job_id"]),
                submitted_at=float(value.get("submitted_at") or 0.0),
                status_url=None if status_url is None else str(status_url),
                expires_at=None if expires_at is None else float(expires_at),
                options=dict(value.get("options") or {}),
                data=dict(value.get("data") or {}),
                **bound,
            )
        except (TypeError, ValueError, OverflowError):
            raise ValueError("this is no job handle: a field of it has the wrong type") from None


@dataclass(frozen=True, slots=True)
class Result:
    """
    Where the result lies, or the result itself.

    :param url: URL to fetch; a bearer secret when it is pre-signed, hence never in a repr
    :param expires_at: epoch seconds until which the URL is good, None when unknown
    :param authorized: True when the URL lies on the remote itself and wants its credentials; False for
        pre-signed URLs, which refuse them
    :param headers: headers the fetch needs (media type), never credentials
    :param value: the result itself, where it came inside the status answer or the callback
    :param body: the value as the remote sent it, where it was a whole answer, so that a destination gets
        the same bytes
    """

    url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    authorized: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    value: Any = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """
    What the remote says about a job at one moment.

    :param state: normalised state
    :param remote_status: the remote's own word or code
    :param message: the remote's explanation, bounded, without secrets
    :param retry_after: seconds that the remote asked us to wait before the next question
    :param result: set once succeeded, where the remote hands out a result
    :param recognised: False when the remote's word is unknown: it counts as running, for a bounded time
    :param detail: further JSON-able facts for the operator's return value, without secrets
    :param status_url: where to ask from now on, when the remote has moved the monitor; None: as before
    """

    state: JobState
    remote_status: str = ""
    message: str | None = None
    retry_after: float | None = None
    result: Result | None = None
    recognised: bool = True
    request_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    status_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Submitted:
    """
    What a submission led to.

    :param handle: to ask with
    :param status: set when the remote already said more than "accepted" (synchronous completion)
    """

    handle: JobHandle
    status: JobStatus | None = None
