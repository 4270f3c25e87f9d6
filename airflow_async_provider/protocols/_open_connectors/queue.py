# SPDX-License-Identifier: Apache-2.0
"""
SAP Open Connectors: undelivered webhooks of asynchronous requests, fetched from SAP's queue.

Source: SAP Open Connectors, "Event Retry and Queueing": with the account setting
``notification.webhook.failure.policy`` = ``queue``, a webhook that cannot be delivered waits at
``GET /notifications/subscriptions/deliveries`` (platform credentials). That this holds for the webhooks of
asynchronous requests, and not only for event subscriptions, is an assumption; so is where in a delivery the
webhook's body stands, hence it is looked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._callback_rules import Conditions
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._open_connectors.protocol import (
    OpenConnectorsProtocol,
    check_callback_url,
)
from airflow_async_provider.protocols._open_connectors.responses import (
    identifier,
    list_in,
    parsed,
    raise_for_platform_answer,
)

DELIVERIES = "notifications/subscriptions/deliveries"

#: Members of a delivery that are about itself.
OF_THE_DELIVERY = ("error", "status", "subscription")


class OpenConnectorsQueueProtocol(OpenConnectorsProtocol):
    """
    An asynchronous request for an Airflow that SAP cannot reach: pollable, by way of the queue.

    :param queue_url: the address given to SAP and asked for afterwards: unique for the job, without any
        secret, and one whose delivery fails
    :param failure_rule: as for :class:`OpenConnectorsProtocol`
    :param success_rule: as for :class:`OpenConnectorsProtocol`
    :raises ConfigurationError: an address that cannot be asked for
    """

    name: ClassVar[str] = "open_connectors_queue"
    pollable: ClassVar[bool] = True

    def __init__(
        self,
        *,
        queue_url: str,
        failure_rule: Conditions | None = None,
        success_rule: Conditions | None = None,
    ) -> None:
        super().__init__(failure_rule=failure_rule, success_rule=success_rule)
        check_callback_url(queue_url)
        if "'" in queue_url:
            raise ConfigurationError(
                "A queue address must not contain an apostrophe: SAP is asked for it in CEQL."
            )
        self.queue_url = queue_url

    def options(self) -> dict[str, Any]:
        """The address and the rules."""
        return {"queue_url": self.queue_url, **super().options()}

    def status(self, handle: JobHandle) -> HttpRequest:
        """The request for queued webhooks to the job's address; needs the platform's credentials."""
        where = f"channel='webhook' and status='queued' and config.url='{self.queue_url}'"
        return HttpRequest("GET", DELIVERIES, params={"where": where, "hydrate": "true"})

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        The most that the queued webhooks of this job say; without any, it is running.

        :raises RemoteError: an answer that says nothing about the job
        """
        job = f"request {handle.job_id}"
        raise_for_platform_answer(response, job=job, doing="fetching queued webhooks of")
        deliveries = list_in(response, "deliveries", job=job)
        best = JobStatus(JobState.RUNNING, remote_status="dispatched")
        for document in queued_webhooks(deliveries, handle.job_id):
            status = self.read_webhook(document, json.dumps(document).encode())
            if status.state.ended:
                return status
            best = status
        return best


def queued_webhooks(deliveries: Iterable[Any], event_id: str) -> Iterator[dict[str, Any]]:
    """
    The webhook bodies for one event inside a list of deliveries.

    They stand somewhere inside the delivery or its notification, as an object or as JSON text. The
    delivery's own ``error`` and ``status`` are about the delivery, so they are not taken for the job's. Its
    own ``response`` may be what the address answered; it is the job's only beside an ``instanceId``, as in
    SAP's example of a webhook.
    """
    for delivery in deliveries:
        if isinstance(delivery, dict):
            about_itself = OF_THE_DELIVERY if "instanceId" in delivery else (*OF_THE_DELIVERY, "response")
            own = {k: v for k, v in delivery.items() if k not in about_itself}
            for document in _objects(own, depth=5):
                if identifier(document.get("eventId")) == event_id:
                    yield document


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = parsed(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list) and depth:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _objects(inner, depth - 1)
