# SPDX-License-Identifier: Apache-2.0
"""What is known of a remote job: its handle, its state, its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from airflow_async_provider._urls import id_in
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._redaction import one_line

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
    :param job_id: the remote's id, or a short digest of ours where the remote gives only a URL
    :param submitted_at: epoch seconds, this side's clock
    :param status_url: absolute or relative URL to ask, where the remote handed one out
    :param expires_at: epoch seconds after which the status can no longer be asked
    :param options: constructor arguments of the protocol, JSON-able, so that it can be built again
    :param data: what else the protocol wants to remember, JSON-able
    :param conn_id: Airflow connection that the job was started by, where that is known
    :param origin: where that connection pointed; elsewhere the job is neither asked for nor cancelled
    :param named: False where ``job_id`` is a digest that the remote has never seen
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
    named: bool = True

    @property
    def shown_id(self) -> str:
        """What a person quotes to the remote's support: its id, else the path of its status URL."""
        return self.job_id if self.named or not self.status_url else one_line(id_in(self.status_url), 2000)

    def describe(self, *, age: bool = True) -> str:
        """
        The job for a message: what it is, where it was started, how old it is.

        The label (endpoint, object name) is put into ``data`` by the operator that submits.

        :param age: False where the job is new
        """
        label = self.data.get("label")
        about = [str(label)] if label else []
        if age and self.submitted_at:
            about.append(f"{max(0, round(time.time() - self.submitted_at))} s old")
        return f"{self.protocol} job {self.shown_id}" + (f" ({', '.join(about)})" if about else "")

    def labelled(self, label: str | None) -> JobHandle:
        """The same handle, which says what the job is for a person; empty leaves it as it is."""
        return replace(self, data={**self.data, "label": label}) if label else self

    def to_dict(self) -> dict[str, Any]:
        """The handle as a JSON-able dictionary with its version."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"version": HANDLE_VERSION, **values, "options": dict(self.options), "data": dict(self.data)}

    @classmethod
    def from_dict(cls, value: Any) -> JobHandle:
        """
        Rebuild a handle; unknown keys of later versions are ignored.

        :raises ValueError: when it is no handle, or one of a later, incompatible version
        """
        if not isinstance(value, Mapping) or "protocol" not in value or "job_id" not in value:
            raise ValueError("this is not a job handle: a dictionary with protocol and job_id is expected")
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
                named=value.get("named") is not False,
                **bound,
            )
        except (TypeError, ValueError, OverflowError):
            raise ValueError("this is not a job handle: a field of it has the wrong type") from None


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
        the same bytes; ``b""`` is an empty result, which is a result
    :param media_type: the answer's own ``Content-Type`` where ``body`` is set
    :param name: the file's name below a destination prefix, for one of several files; None: not known
    :param files: the result consists of these files; then all other fields are empty
    :param paged: ``url`` is the first of several pages, and
        :meth:`~airflow_async_provider.protocols._base.JobProtocol.next_page` names the next
    :param pages: the pages after it, where all of them are known already; the protocol is then not asked
    :param items: JSON path of the rows within a page; None: pages are bytes, put one behind the other
    :param repeats_header: each page begins with the same header line (CSV)
    :param unpack: ``gzip`` or ``zip``: the remote says that the file is packed so
    :param checksum: what the remote says of the file, as it says it: ``sha256:ab12…``, or bare hexadecimal
        digits
    :param is_status: the value is the status document itself, as nothing says where the result is: not to be
        stored at a destination
    :param media_types: what it is, as the description says (``text/csv``, ``text/*``, ``*/*``); none:
        anything but a page for people or an error
    :param second: it takes a request of its own, so a document that only says how a job is is no result
    :param alone: further pages of it cannot be read, so one that announces another is a part of the result
    :param more: another document with more files of this result (see ``JobProtocol.read_result``)
    """

    url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    authorized: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    value: Any = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    name: str | None = None
    files: tuple[Result, ...] = ()
    paged: bool = False
    pages: tuple[Result, ...] = ()
    items: str | None = None
    repeats_header: bool = False
    unpack: str | None = None
    checksum: str | None = None
    is_status: bool = False
    media_types: tuple[str, ...] = ()
    second: bool = False
    alone: bool = False
    more: HttpRequest | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """
    What the remote says about a job at one moment.

    :param state: normalised state
    :param remote_status: the remote's own word or code
    :param message: the remote's explanation, bounded, without secrets
    :param retry_after: seconds that the remote asked us to wait before the next poll
    :param result: set once succeeded, where the remote hands out a result
    :param recognised: False when the remote's word is unknown: it counts as running, until the deadline
    :param detail: further JSON-able facts for the operator's return value, without secrets
    :param status_url: where to ask from now on, when the remote has moved the monitor; None: as before
    :param progress: how far it is, 0 to 1; None: the remote does not say
    :param no_data: it succeeded, and the remote says that there is nothing: no result is to be expected
    :param result_request: asks for the document that says where the result is, where the status does not
    :param unknown_words: words of the remote that stand in no list, when ``recognised`` is False
    :param heartbeat: a callback that only says that the job is alive
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
    progress: float | None = None
    no_data: bool = False
    result_request: HttpRequest | None = field(default=None, repr=False)
    unknown_words: tuple[str, ...] = ()
    heartbeat: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """
    What a submission led to.

    :param handle: to ask with
    :param status: set when the remote already reported more than "accepted" (synchronous completion)
    :param next: the next request of a start in several steps, whose answer goes to
        :meth:`~airflow_async_provider.protocols._base.JobProtocol.read_next`
    :param step: how many requests of the start have been answered before this one
    """

    handle: JobHandle
    status: JobStatus | None = None
    next: HttpRequest | None = field(default=None, repr=False)
    step: int = 0


@dataclass(frozen=True, slots=True)
class Cancellation:
    """
    What the remote made of a cancellation or a deletion; true when it was accepted.

    :param accepted: whether it was
    :param http_status: status of the answer, None when there was nothing to send
    :param message: the remote's message, bounded, without secrets
    """

    accepted: bool
    http_status: int | None = None
    message: str = ""

    def __bool__(self) -> bool:
        return self.accepted

    def __str__(self) -> str:
        """For a log line: ``HTTP 409: the job has ended``, or why nothing was sent."""
        if self.http_status is None:
            return self.message or "this API has no request for it"
        return f"HTTP {self.http_status}" + (f": {self.message}" if self.message else "")
