# SPDX-License-Identifier: Apache-2.0
"""
What a remote API is to the rest of the package: six small functions, no I/O.

A protocol never opens a socket and never reads a clock or a connection. It turns intentions into
:class:`HttpRequest` and :class:`HttpResponse` into :class:`JobHandle` and :class:`JobStatus`. The worker
(requests) and the triggerer (aiohttp) drive the same protocol object, so they share every line that can be
wrong about a vendor, and a vendor's test vectors run without a network.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from airflow_async_provider.errors import RequestRefusedError, UnreadableAnswerError

HANDLE_VERSION = 1


class Headers(Mapping[str, str]):
    """HTTP headers: names compared without regard to case, the last of equal names wins."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items: dict[str, tuple[str, str]] = {k.lower(): (k, v) for k, v in pairs}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default; most are not there, and an exception for each would be dear."""
        item = self._items.get(name.lower())
        return default if item is None else item[1]

    def first(self, names: Iterable[str]) -> str | None:
        """
        The first value that is not empty, None when there is none.

        :param names: in lower case, in the order of preference
        """
        for name in names:
            item = self._items.get(name)
            if item is not None and item[1]:
                return item[1]
        return None

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:  # values may be credentials
        return f"Headers({sorted(self._items)})"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """
    A request as the protocol wants it; the transport adds base URL, credentials and time limits.

    :param method: HTTP method in capitals
    :param url: path below the connection's base URL ("event/7/apiItems/async"), or an absolute URL that the
        remote handed out, which is then sent exactly as received and only if its origin is allowed
    :param params: query parameters; a list repeats the name
    :param json: body to be sent as JSON (None: no JSON body)
    :param body: raw body, used when ``json`` is None
    :param repeatable: True when sending it twice does no harm, so the transport may try again after a
        lost answer; a submission that starts a job is not repeatable
    :param headers: further headers; they win over the connection's own of the same name
    :param most: read at most so many bytes of the answer's body and hand over the beginning, where the
        answer may be the result itself; None: an answer beyond the transport's bound is an error
    """

    method: str
    url: str = field(repr=False)  # opaque ones and callback addresses are nobody's business
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeatable: bool = True
    most: int | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """
    A whole, bounded answer.

    :param received_at: the receiving process's clock (epoch seconds): a protocol has no clock of its own
    :param url: the URL that answered, after redirects
    :param complete: False when the body is only the beginning (see :attr:`HttpRequest.most`)
    """

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    received_at: float
    url: str = field(default="", repr=False)
    complete: bool = True

    def json_object(self, *, job: str | None = None) -> dict[str, Any]:
        """
        The body as a JSON object.

        :raises UnreadableAnswerError: when it is not JSON, or JSON of another shape
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UnreadableAnswerError(
                f"HTTP {self.status}: expected a JSON object.",
                excerpt=excerpt(self.body),
                job=job,
                http_status=self.status,
            )
        return value


#: ``Bearer abc…``; a word behind it counts as a credential when it is long or has a digit.
_SCHEME = re.compile(r"(?i)\b(bearer|basic)(\s+)(?=\S*\d|\S{16})[^\s\"'<>,;]+")
#: ``"access_token": "abc"``, ``X-Amz-Signature=abc``, ``<secret>abc``.
_NAMED = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|signature|credential|api[-_ ]?key|authorization|\bsig\b)[\w.-]*"
    r"[\\\"']*\s*(?:[:=>]|%3d)\s*[\\\"']*)[^\s\\\"'&,;<>]+"
)


def printable(text: str) -> str:
    """Text without what databases, logs and terminals choke on: each such character becomes ``?``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def excerpt(body: bytes, limit: int = 200) -> str:
    """The beginning of a body for an error text: decoded, on one line, bounded, what looks secret masked."""
    text = body[: limit * 4].decode("utf-8", "replace")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = " ".join(_without_query(word) for word in text.split(" "))
    text = _NAMED.sub(r"\1***", _SCHEME.sub(r"\1\2***", text))
    return text[:limit] + "…" if len(text) > limit else text


def _without_query(word: str) -> str:
    r"""A result URL carries its signature in the query, and JSON may spell it ``https:\/\/``."""
    head, _, query = word.partition("?")
    is_url = "//" in head.replace("\\/", "/")
    return f"{head}?…" if query and (is_url or any(c in query for c in "=&%")) else word


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
    """

    protocol: str
    job_id: str
    submitted_at: float
    status_url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

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
    :param native: the remote's own word or code
    :param message: the remote's explanation, bounded, without secrets
    :param retry_after: seconds that the remote asked us to wait before the next question
    :param result: set once succeeded, where the remote hands out a result
    :param understood: False when the remote's word is unknown: it counts as running, for a bounded time
    :param detail: further JSON-able facts for the operator's return value, without secrets
    :param status_url: where to ask from now on, when the remote has moved the monitor; None: as before
    """

    state: JobState
    native: str = ""
    message: str | None = None
    retry_after: float | None = None
    result: Result | None = None
    understood: bool = True
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


class JobProtocol(ABC):
    """
    The wire format of one remote API.

    Subclasses add ``submit(...) -> HttpRequest`` with arguments of their own.
    Instances are immutable and built from JSON-able keyword arguments (``options`` of the handle).
    """

    name: ClassVar[str]
    #: False where the only news of a job is its callback
    pollable: ClassVar[bool] = True

    def options(self) -> dict[str, Any]:
        """Constructor arguments that rebuild this protocol elsewhere; go into the handle."""
        return {}

    @abstractmethod
    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to a submission.

        :raises SubmitError: the remote refused
        :raises UnreadableAnswerError: accepted, but the answer names no job
        """

    @abstractmethod
    def status(self, handle: JobHandle) -> HttpRequest:
        """The request that asks for the job's state."""

    @abstractmethod
    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the answer to :meth:`status`.

        :raises RemoteError: the answer says nothing about the job (see the tree in ``errors``)
        """

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        """The request that cancels the job, None where the remote has no such thing."""
        return None

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether the remote accepted the cancellation (False: a plain 4xx, as the job had ended already).

        :raises RemoteError: the answer says nothing about it (429, 5xx, bad credentials)
        """
        from airflow_async_provider.protocols.answers import raise_for_answer

        try:
            raise_for_answer(response, job=f"job {handle.job_id}", doing="cancelling")
        except RequestRefusedError:
            return False
        return True

    def find(self, correlation_id: str) -> HttpRequest | None:
        """The request that looks for a job by our correlation id, None where the remote has no such thing."""
        return None

    def read_find(self, correlation_id: str, response: HttpResponse) -> JobHandle | None:
        """The job found by :meth:`find`, None when there is none."""
        raise NotImplementedError

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a callback that has proved authentic.

        :raises CallbackError: it cannot be understood
        """
        raise NotImplementedError
