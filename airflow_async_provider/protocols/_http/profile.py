# SPDX-License-Identifier: Apache-2.0
"""
What the generic profiles have in common: every API that answers "accepted" over plain HTTP.

A profile says how one convention names the monitor and the end of a job. The rest is here: starting a job
(``Prefer``, ``Idempotency-Key``, the callback's address), cancelling it, and where its result lies.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from airflow_async_provider.errors import (
    ConfigurationError,
    SubmitError,
    TransientError,
)
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.results import HttpOutcome
from airflow_async_provider.protocols._http.urls import PathTemplate, digest
from airflow_async_provider.protocols._http.values import (
    id_text,
    json_or_none,
    structured_string,
    with_callback,
)
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Submitted
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import (
    is_transient,
    raise_for_answer,
    request_id,
    retry_after,
)

#: Methods that RFC 9110 §9.2.2 calls idempotent: sending one twice means no more than sending it once.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

#: Answers to a cancellation that mean "there is nothing left to cancel" or "not here".
NOT_CANCELLED = frozenset({404, 405, 409, 410, 412, 422})


@dataclass(frozen=True, kw_only=True)
class HttpProfile(HttpOutcome):
    """
    Base of the generic profiles. All options are JSON-able; they travel in the job's handle.

    Options, besides those of :class:`~airflow_async_provider.protocols._http.results.HttpOutcome`:

    :param cancel_by: ``"delete"`` sends DELETE to the status URL; a path template such as
        ``"jobs/{job_id}/cancel"``, ``"PUT jobs/{job_id}/abort"`` or ``"POST {status_url}/cancel"`` sends
        that (POST unless it says otherwise); None: the job cannot be cancelled
    :param not_found_means_running: take 404 from the status URL for "not there yet", as some services
        create the monitor a moment after they hand out its address. Default False
    :param idempotent: the remote honours ``Idempotency-Key``, so its 409 means that the first request with
        this key is still being worked on. Default False
    """

    cancel_by: str | None = None
    not_found_means_running: bool = False
    idempotent: bool = False

    #: the convention sends ``Prefer: respond-async`` with every submission
    asks_for_async: ClassVar[bool] = False
    #: the monitor's last answer may be the result itself: what is larger than this (bytes) is not taken from
    #: there but fetched from its address; None: its answers are small documents
    largest_inline: ClassVar[int | None] = None
    #: ids of this convention are paths themselves
    id_has_slashes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """:raises ConfigurationError: an option that cannot be understood."""
        for option in fields(self):
            value, kind = getattr(self, option.name), str(option.type)
            wanted = bool if kind.startswith("bool") else str if kind.startswith("str") else object
            if not isinstance(value, wanted) and not (value is None and kind.endswith("| None")):
                raise ConfigurationError(f"{option.name} must be a {wanted.__name__}, not {value!r}.")
        if self.cancel_by is not None and self.cancel_by.lower() != "delete":
            self._template(self.cancel_by)
        for name in self.path_options():
            path = getattr(self, name)
            try:
                if path is not None:
                    json_path.parse(path)
            except ValueError as e:
                raise ConfigurationError(f"{name}: {e}.") from None
        if self.result_url_field is not None and (self.result_field is not None or self.refetch_result):
            raise ConfigurationError("result_url_field goes with neither result_field nor refetch_result.")

    @classmethod
    def path_options(cls) -> tuple[str, ...]:
        """Names of the options that are JSON paths."""
        return tuple(f.name for f in fields(cls) if f.name.endswith("_field"))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """
        Build the profile from a handle's or an operator's options.

        :raises ConfigurationError: an option that this profile does not have
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(options) - known):
            raise ConfigurationError(
                f"The profile {cls.name} has no option {', '.join(map(repr, unknown))}. "
                f"It has {', '.join(sorted(known))}."
            )
        return cls(**options)

    def options(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in values.items()
            if value != default
        }

    def submit(
        self,
        method: str,
        endpoint: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, Any] | None = None,
        prefer_wait: int | None = None,
        idempotency_key: str | None = None,
        idempotency_header: str = "Idempotency-Key",
        callback_url: str | None = None,
        callback_field: str | None = None,
        callback_header: str | None = None,
        repeatable: bool | None = None,
    ) -> HttpRequest:
        """
        The request that starts the job.

        :param prefer_wait: send ``Prefer: respond-async, wait=n`` (RFC 7240): answer within n seconds if the
            job is done by then, else go on without us; 0 leaves ``wait`` out
        :param idempotency_key: the same one on every try; sent quoted, as
            draft-ietf-httpapi-idempotency-key-header says
        :param idempotency_header: header for the key; one of another name gets the key without quotes
        :param callback_url: address that the remote shall call; goes to ``callback_field`` and, or, to
            ``callback_header``
        :param callback_field: JSON path in the body for it
        :param callback_header: header for it
        :param repeatable: whether a lost answer allows to send the request again. Default: when the method
            is idempotent or there is an idempotency key
        :raises ConfigurationError: arguments that do not fit together
        """
        method = method.upper()
        sent = dict(headers or {})
        if self.asks_for_async or prefer_wait is not None:
            wish = "respond-async" + (f", wait={int(prefer_wait)}" if prefer_wait else "")
            own = sent.pop(next((n for n in sent if n.lower() == "prefer"), "Prefer"), None)
            sent["Prefer"] = f"{own}, {wish}" if own else wish
        if idempotency_key is not None:
            quoted = idempotency_header.lower() == "idempotency-key"
            sent[idempotency_header] = structured_string(idempotency_key) if quoted else idempotency_key
        if callback_url is not None:
            if callback_header is None and callback_field is None:
                raise ConfigurationError(
                    "A callback needs callback_field or callback_header to name its address."
                )
            if callback_header is not None:
                sent[callback_header] = callback_url
            if callback_field is not None:
                json = with_callback(json, body, callback_field, callback_url)
        for name, value in sent.items():
            if not isinstance(value, str) or any(c in value for c in "\r\n\0"):
                raise ConfigurationError(f"The value of header {name!r} must be a string of one line.")
        if repeatable is None:
            repeatable = method in IDEMPOTENT_METHODS or idempotency_key is not None
        return HttpRequest(
            method, endpoint, params=params, json=json, body=body, headers=sent, repeatable=repeatable
        )

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to a submission; a job that is done already comes back with its status.

        :raises SubmitError: the remote refused
        :raises RemoteError: 401, 403, 429, 5xx, a redirect, or an answer that names no job
        """
        self.check_accepted(response)
        return self.read_accepted(response)

    def check_accepted(self, response: HttpResponse) -> None:
        """Raise unless the answer is a 2xx."""
        status = response.status
        if 200 <= status < 300:
            return
        if status == 409 and self.idempotent:
            raise TransientError(
                "HTTP 409: the remote is still working on an earlier request with this Idempotency-Key.",
                retry_after=retry_after(response.headers, response.received_at),
                http_status=status,
                request_id=request_id(response.headers),
            )
        if not 400 <= status < 500 or status in (401, 403) or is_transient(status):
            raise_for_answer(response, job="a job", doing="starting")
        hint = "Check endpoint, method and body."
        if status == 422 and self.idempotent:
            hint = "It may have seen this Idempotency-Key with another body: clear the task to use a new one."
        raise SubmitError(
            f"The remote refused to start the job: HTTP {status}. It said: "
            f"{excerpt(response.body)!r}. {hint}",
            http_status=status,
            request_id=request_id(response.headers),
        )

    @abstractmethod
    def read_accepted(self, response: HttpResponse) -> Submitted:
        """Read the 2xx answer to a submission."""

    def status(self, handle: JobHandle) -> HttpRequest:
        """GET of the status URL."""
        if not handle.status_url:
            raise ConfigurationError(
                f"Job {handle.job_id} ended when it was submitted: its result came with that answer, and it "
                "cannot be asked for."
            )
        return HttpRequest("GET", handle.status_url, max_body_bytes=self.max_body_bytes(handle))

    def max_body_bytes(self, handle: JobHandle) -> int | None:
        """How much of the monitor's answer is worth reading; all of it where a part has to be found in it."""
        return None if self.result_field or self.result_url_field else self.largest_inline

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the answer of the status URL.

        :raises RemoteError: the answer says nothing about the job
        """
        if response.status == 404 and self.not_found_means_running:
            return self.going_on(response, "404")
        return self.read_monitor(handle, response, f"job {handle.job_id}")

    @abstractmethod
    def read_monitor(self, handle: JobHandle, response: HttpResponse, job: str) -> JobStatus:
        """Read the answer of the status URL, but for the 404 that means "not there yet"."""

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        """The request that ``cancel_by`` describes, None when there is none or nothing to cancel."""
        if self.cancel_by is None or not handle.status_url:
            return None
        if self.cancel_by.lower() == "delete":
            return HttpRequest("DELETE", handle.status_url)
        template = self._template(self.cancel_by)
        return HttpRequest(template.method, template.fill(job_id=handle.job_id, status_url=handle.status_url))

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether the remote accepted the cancellation.

        :raises RemoteError: it could not be asked for
        """
        if response.status in NOT_CANCELLED:
            return False
        raise_for_answer(response, job=f"job {handle.job_id}", doing="cancelling")
        return True

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a callback: the state if it names one, else RUNNING with the remote status "callback".

        The conventions say nothing about callbacks, so none is ever wrong.
        """
        document = json_or_none(body)
        status = None if document is None else self.callback_status(document)
        return status or JobStatus(
            JobState.RUNNING, remote_status="callback", message="a callback came that names no state"
        )

    def callback_status(self, document: Mapping[str, Any]) -> JobStatus | None:
        """The status in a callback's JSON body, None when it names none."""
        return None

    @staticmethod
    def delivery_id(headers: Headers, body: bytes) -> str | None:
        """The sender's id of a delivery, the same one when it is repeated (Standard Webhooks)."""
        return id_text(headers.get("webhook-id"))

    # -- what the conventions are made of

    @property
    def registered_name(self) -> str:
        """What handles call this profile: its name if it is ours, the dotted path of a user's own class."""
        cls = type(self)
        ours = cls.__module__.startswith(f"{__package__}.")
        return cls.name if ours else f"{cls.__module__}.{cls.__qualname__}"

    def handle(
        self,
        response: HttpResponse,
        status_url: str | None,
        *,
        job_id: str | None = None,
        expires_in: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> JobHandle:
        """The handle of a job that the remote has taken on."""
        return JobHandle(
            protocol=self.registered_name,
            job_id=job_id or digest(status_url or f"{response.url} {response.received_at}"),
            submitted_at=response.received_at,
            status_url=status_url,
            expires_at=None if expires_in is None else response.received_at + expires_in,
            options=self.options(),
            data=data or {},
        )

    def synchronous(self, response: HttpResponse) -> Submitted:
        """The job was done before the answer came."""
        # The endpoint that took the job must not be asked again for its result.
        status = self.finished(response, job="the job", remote_status=str(response.status), again=False)
        return Submitted(self.handle(response, None), status)

    def _template(self, text: str) -> PathTemplate:
        return PathTemplate(text, slashes=self.id_has_slashes)
