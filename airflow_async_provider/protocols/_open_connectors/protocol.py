# SPDX-License-Identifier: Apache-2.0
"""
SAP Open Connectors (formerly Cloud Elements): asynchronous API requests.

Source, unless stated otherwise: SAP Open Connectors, "Asynchronous API Requests".

* A request with ``Elements-Async-Request: True`` is answered at once with ``eventId`` and ``eventStatus``
  (``dispatched``); the HTTP status is not documented, so any 2xx counts.
* The result comes as a webhook to ``Elements-Async-Callback-URL``: ``eventId``, ``instanceId``,
  ``response``, ``notificationId``. Another one, whose body is not documented, says that the job has started.
* Ordinary event notifications hold the event id under ``message`` (Cloud Elements' public test suite
  "churros"), so it is looked for there too.
* What the webhook of a failed request looks like is not documented anywhere: see ``DEFAULT_FAILURE_RULE``.
* There is no documented way to ask for the state of such a request, and none to cancel it. Accounts with the
  notification policy ``queue`` can fetch undelivered notifications ("Event Retry and Queueing"): see
  :mod:`~airflow_async_provider.protocols._open_connectors.queue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._callback_rules import CallbackRule, Conditions
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result, Submitted
from airflow_async_provider.protocols._open_connectors.responses import (
    DELIVERY_HEADER,
    PlatformError,
    identifier,
    object_of,
    parsed,
    raise_for_submission,
)
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import request_id
from airflow_async_provider.protocols._signatures import HmacScheme

#: "Hash Verification": base64 of HMAC-SHA256 over the raw body, the key's text as UTF-8. Older builds of the
#: platform sent ``sha1=``; those are refused.
SIGNATURE = HmacScheme("Elements-Webhook-Signature", "sha256=", "sha256", "base64")

ASYNC_HEADER = "Elements-Async-Request"
CALLBACK_HEADER = "Elements-Async-Callback-URL"
#: Positive signs that a request failed: an ``error``; SAP's documented error body ("Error Codes": message
#: with requestId) in place of a result; a state that says so.
DEFAULT_FAILURE_RULE: Conditions = (
    "error",
    ("message", "requestId"),
    ("response.message", "response.requestId"),
    *(
        f"{field}=={word}"
        for field in ("eventStatus", "status")
        for word in ("failed", "error", "aborted", "cancelled", "canceled")
    ),
)

#: The webhook about a job's start is not documented. Should it repeat the answer to the request, as its
#: ``response`` or beside one, that is no result: ``dispatched`` is SAP's word for a request under way.
UNDER_WAY = CallbackRule(
    [
        f"{field}=={word}"
        for field in ("eventStatus", "response.eventStatus")
        for word in ("dispatched", "started")
    ],
    name="under way",
)

#: How much of the body of a failed request's webhook its error shows (characters).
SHOWN_BODY = 500


class OpenConnectorsProtocol(JobProtocol):
    """
    The wire format of an asynchronous request; its only news are webhooks.

    :param failure_rule: what in a webhook means that the request failed; see
        :mod:`~airflow_async_provider.protocols._callback_rules`; default :data:`DEFAULT_FAILURE_RULE`
    :param success_rule: what means that it succeeded, if nothing means failure; by default that the webhook
        has a ``response`` that is not null, and no ``eventStatus`` says that the request is under way
    :raises ConfigurationError: a rule that cannot be understood
    """

    name: ClassVar[str] = "open_connectors"
    pollable: ClassVar[bool] = False

    def __init__(
        self, *, failure_rule: Conditions | None = None, success_rule: Conditions | None = None
    ) -> None:
        self._options = {
            name: CallbackRule(rule, name=name).conditions
            for name, rule in (("failure_rule", failure_rule), ("success_rule", success_rule))
            if rule is not None
        }
        self._failure = CallbackRule(
            DEFAULT_FAILURE_RULE if failure_rule is None else failure_rule, name="failure_rule"
        )
        self._success = None if success_rule is None else CallbackRule(success_rule, name="success_rule")

    def options(self) -> dict[str, Any]:
        """The rules that are not the default ones."""
        return dict(self._options)

    # -- the request --------------------------------------------------------------------------------------

    def submit(
        self,
        method: str,
        endpoint: str,
        *,
        callback_url: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """
        The request with the two headers that make it asynchronous.

        Only a GET may be repeated after a lost answer: SAP documents no idempotency key, and a second event
        for the same copy or upload would do the work twice.

        :param method: HTTP method of the resource
        :param endpoint: path below the base path, such as ``hubs/documents/folders/copy``
        :param callback_url: where SAP sends the webhooks; a secret, if it carries one
        :param params: query parameters
        :param json: JSON body
        :param data: any other body; its media type goes into ``headers``
        :param headers: further headers of the resource, never credentials
        :raises ConfigurationError: something in it cannot be sent
        """
        if json is not None and data is not None:
            raise ConfigurationError("Give either json or data, not both.")
        further = dict(headers or {})
        for header in further:
            if header.lower() in ("authorization", ASYNC_HEADER.lower(), CALLBACK_HEADER.lower()):
                raise ConfigurationError(
                    f"The header {header} is set by the connection and the operator; take it out of headers."
                )
        check_callback_url(callback_url)
        method = method.upper()
        return HttpRequest(
            method,
            endpoint,
            params=params,
            json=json,
            body=data.encode() if isinstance(data, str) else data,
            headers={**further, ASYNC_HEADER: "True", CALLBACK_HEADER: callback_url},
            repeatable=method == "GET",
        )

    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to the request itself.

        :raises SubmitError: refused
        :raises UnreadableAnswerError: a 2xx without ``eventId``
        """
        raise_for_submission(
            response,
            job="the asynchronous request",
            hint="Check endpoint, parameters and body against the API docs of the connector instance.",
        )
        event_id = _event_id(parsed(response.body))
        if event_id is None:
            raise UnreadableAnswerError(
                f"HTTP {response.status} without an eventId. The resource may not support asynchronous "
                "requests and have carried this one out at once: look at the provider before trying again.",
                excerpt=excerpt(response.body),
                http_status=response.status,
                request_id=request_id(response.headers),
            )
        return Submitted(
            JobHandle(
                protocol=self.name,
                job_id=event_id,
                submitted_at=response.received_at,
                options=self.options(),
            )
        )

    def status(self, handle: JobHandle) -> HttpRequest:
        """
        There is none.

        :raises ConfigurationError: always
        """
        raise ConfigurationError(
            f"SAP Open Connectors offers no way to ask for the state of the asynchronous request "
            f"{handle.job_id}: its webhook is the only news. Set a callback address, or pull queued "
            "deliveries."
        )

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        There is none.

        :raises ConfigurationError: always
        """
        self.status(handle)
        raise AssertionError("unreachable")  # pragma: no cover - status() raises

    # -- the webhooks -------------------------------------------------------------------------------------

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a webhook that has proved authentic.

        Failed when the failure rule holds, else succeeded when there is a ``response`` of a request that is
        not under way (or the success rule holds), else running: the notification that a job has started.
        ``detail`` has ``job_id`` (the event id as text, when there is one), by which it must fit the job that
        it is taken for.

        :raises CallbackError: no JSON object
        """
        return self.read_webhook(object_of(headers, body, "webhook"), body)

    def read_webhook(self, document: dict[str, Any], body: bytes) -> JobStatus:
        """
        Read the JSON of a webhook.

        :param body: what it was read from, for the error of a failed request
        """
        views = _views(document)
        error = next((e for e in map(PlatformError.of, _places(views)) if e.request_id), PlatformError())
        detail = {
            name: found
            for name, field in (
                ("job_id", "eventId"),
                ("instance_id", "instanceId"),
                ("notification_id", "notificationId"),
            )
            if (found := _first(views, field)) is not None
        }
        word = next((v["eventStatus"] for v in views if isinstance(v.get("eventStatus"), str)), "")
        remote_status = excerpt(word, 80)
        sign = self._failure.holds(*views)
        if sign is not None:
            reason = f"{error}; " if str(error) else ""
            return JobStatus(
                JobState.FAILED,
                remote_status=remote_status or "failed",
                message=f"{reason}taken for failed because of {sign}; the webhook's body began: "
                f"{excerpt(body, SHOWN_BODY)!r}",
                request_id=error.request_id,
                detail=detail,
            )
        response = next((v["response"] for v in views if v.get("response") is not None), None)
        if self._success is not None:
            succeeded = self._success.holds(*views) is not None
        else:
            succeeded = response is not None and UNDER_WAY.holds(*views) is None
        if not succeeded:
            return JobStatus(JobState.RUNNING, remote_status=remote_status or "notified", detail=detail)
        return JobStatus(
            JobState.SUCCEEDED,
            remote_status=remote_status or "responded",
            result=Result(value=response),
            detail=detail,
        )

    def delivery_id(self, headers: Headers, body: bytes) -> str | None:
        """
        A key that the repetitions of one webhook share, None when it carries no id at all.

        From ``notificationId``, else ``Elements-Webhook-Id`` with ``eventId``. The header stands second
        because its meaning is not documented: were it the id of the subscription, the webhooks that report
        the start and of the end would share it. For the same reason the kind of news is part of the key.
        Never raises, whatever the body.
        """
        document = parsed(body)
        webhook_id = identifier(headers.get(DELIVERY_HEADER, ""))
        if not isinstance(document, dict):
            return f"webhook:{webhook_id}" if webhook_id else None
        views = _views(document)
        notification, event = _first(views, "notificationId"), _first(views, "eventId")
        state = self.read_webhook(document, b"").state.value
        if notification:
            return f"notification:{notification}:{state}"
        if webhook_id or event:
            return f"event:{event or ''}:{webhook_id or ''}:{state}"
        return None


def check_callback_url(url: str) -> None:
    """
    Refuse what SAP could not send a webhook to, or what would break out of a header.

    :raises ConfigurationError: no absolute http or https URL
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise ConfigurationError("The callback address is not an absolute http or https URL.")


def _views(document: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The places where a webhook's fields may stand: the top, and the object under ``message``."""
    inner = document.get("message")
    if not isinstance(inner, dict):
        return (document,)
    return {k: v for k, v in document.items() if k != "message"}, inner


def _places(views: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """Where SAP's error body may stand."""
    for view in views:
        yield view
        for name in ("response", "error"):
            yield view.get(name)


def _first(views: Iterable[Mapping[str, Any]], field: str) -> str | None:
    return next((found for view in views if (found := identifier(view.get(field))) is not None), None)


def _event_id(document: Any) -> str | None:
    return _first(_views(document), "eventId") if isinstance(document, dict) else None
