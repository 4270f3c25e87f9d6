# SPDX-License-Identifier: Apache-2.0
"""
Webhooks of the simulated SAP Open Connectors: signature, retries, the queue and how it is emptied.

Known (SAP Open Connectors, "Hash Verification" and "Event Retry and Queueing"; Cloud Elements' public test
suite "churros"): the signature header, ``Elements-Webhook-Id``, the policies ``retry`` and ``queue``, five
retries after 8, 64, 512, 4096 and 32768 seconds, the deactivation of a subscription whose retries have all
failed, the states of a delivery. Assumptions: POST with JSON, as :mod:`.outbox` sends; an asynchronous
request's callback address counts as a subscription.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators._outbox import NoAnswerError, Outbox, accepted

#: Simulated seconds before each retry.
RETRIES = tuple(float(2 ** (3 * x)) for x in range(1, 6))
POLICIES = ("retry", "queue")

_CONDITION = re.compile(r"\s*([A-Za-z.]+)\s*=\s*'([^']*)'\s*")


def sign(key: str, body: bytes, algorithm: str = "sha256") -> str:
    """The value of ``Elements-Webhook-Signature``."""
    digest = hmac.digest(key.encode(), body, algorithm)
    return f"{algorithm}={base64.b64encode(digest).decode()}"


#: What can be wrong with a webhook: body and headers as they should be -> as they are sent.
TAMPERED: Mapping[str, Callable[[str, bytes, dict[str, str]], tuple[bytes, dict[str, str]]]] = {
    "forged": lambda key, body, headers: (body, _signed(headers, sign(key + "?", body))),
    "unsigned": lambda key, body, headers: (body, _signed(headers, None)),
    "sha1": lambda key, body, headers: (body, _signed(headers, sign(key, body, "sha1"))),
    "hex": lambda key, body, headers: (
        body,
        _signed(headers, "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()),
    ),
    "truncated": lambda key, body, headers: (body[:-1], headers),
    "reencoded": lambda key, body, headers: (json.dumps(json.loads(body)).encode(), headers),
}


def _signed(headers: dict[str, str], value: str | None) -> dict[str, str]:
    rest = {k: v for k, v in headers.items() if k != "Elements-Webhook-Signature"}
    return rest if value is None else {**rest, "Elements-Webhook-Signature": value}


Payload = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(slots=True)
class Delivery:
    """
    One webhook and its way to the receiver.

    :param notification_id: the platform's number of it
    :param payload: the body as JSON, or what makes it when it is sent for the first time
    :param status: "created", "delivered", "retry" or "queued"; "withdrawn" is none of the platform's
    :param answers: HTTP status of each try, None: there was no answer
    """

    number: int
    notification_id: int
    url: str = field(repr=False)
    payload: Payload
    created: float
    tamper: str | None = None
    webhook_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "created"
    answers: list[int | None] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The bytes that are signed."""
        if callable(self.payload):
            self.payload = self.payload()
        text = json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False)
        return text.encode(
            "utf-8", "backslashreplace"
        )  # half surrogates stay the escapes that they are in JSON

    def record(self, *, hydrate: bool) -> dict[str, Any]:
        """What ``GET /notifications/subscriptions/deliveries`` says about it."""
        record: dict[str, Any] = {
            "id": self.number,
            "notificationId": self.notification_id,
            "subscriptionId": 1,
            "status": self.status,
            "createdDate": int(self.created * 1000),
            "message": self.body.decode(),
        }  # the body comes first: it settles what the payload is
        if hydrate:
            record["notification"] = {
                "id": self.notification_id,
                "topic": "async-request",
                "severity": "low",
                "message": self.payload,
            }
            record["subscription"] = {"id": 1, "channel": "webhook", "config": {"url": self.url}}
        return record

    def to_dict(self) -> dict[str, Any]:
        """For the control routes: no address, no body."""
        return {
            "number": self.number,
            "notification_id": self.notification_id,
            "status": self.status,
            "answers": self.answers,
        }


class Webhooks:
    """
    Sends webhooks when they are due.

    :param now: simulated epoch seconds
    :param key: the Callback Notification Signature Key, None: nothing is signed
    :param policy: "retry" or "queue"
    :param retries: simulated seconds before each retry
    :raises ValueError: unknown policy
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        journal: Journal,
        key: str | None,
        policy: str = "retry",
        retries: Sequence[float] = RETRIES,
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"unknown policy {policy!r}; known are {POLICIES}")
        self._now = now
        self._journal = journal
        self.key = key
        self._first_policy = self.policy = policy
        self.retries = tuple(retries)
        self.deliveries: list[Delivery] = []
        #: addresses whose retries have all failed
        self.deactivated: set[str] = set()
        #: its background sends for as long as the application lives
        self.outbox = Outbox(now=now, send=self.attempt, user_agent="SAP Open Connectors")

    def clear(self) -> None:
        """Forget all deliveries, also those that are still to be sent, and the policy that was set."""
        self.deliveries.clear()
        self.deactivated.clear()
        self.outbox.clear()
        self.policy = self._first_policy

    def expect(
        self,
        url: str,
        payload: Payload,
        *,
        notification_id: int,
        at: float,
        tamper: str | None = None,
        copies: int = 1,
    ) -> list[Delivery]:
        """
        Send a webhook at its time.

        :raises ValueError: unknown way of tampering
        """
        if tamper is not None and tamper not in TAMPERED:
            raise ValueError(f"unknown way of tampering {tamper!r}; known are {sorted(TAMPERED)}")
        made = []
        for _ in range(copies):
            delivery = Delivery(
                number=len(self.deliveries),
                notification_id=notification_id,
                url=url,
                payload=payload,
                created=self._now(),
                tamper=tamper,
            )
            self.deliveries.append(delivery)
            self.outbox.put(delivery, at)
            made.append(delivery)
        return made

    def withdraw(self, deliveries: list[Delivery]) -> None:
        """Do not send what has not been tried yet: the job went another way."""
        for delivery in deliveries:
            if delivery.status == "created":
                delivery.status = "withdrawn"
        deliveries.clear()

    # -- the queue

    def select(self, where: str) -> Iterator[Delivery]:
        """
        Deliveries by a condition as in SAP's page: ``status='queued' and config.url='…'``.

        :raises ValueError: another condition
        """
        wanted = {}
        for part in re.split(r"\s+and\s+", where, flags=re.IGNORECASE) if where.strip() else ():
            match = _CONDITION.fullmatch(part)
            if match is None or match[1] not in ("channel", "status", "config.url"):
                raise ValueError("the where clause cannot be understood")
            wanted[match[1]] = match[2]
        for delivery in self.deliveries:
            facts = {"channel": "webhook", "status": delivery.status, "config.url": delivery.url}
            if all(facts[name] == value for name, value in wanted.items()):
                yield delivery

    def redeliver(self, where: str) -> list[Delivery]:
        """
        Send queued deliveries again and activate their addresses.

        :raises ValueError: a condition that cannot be understood
        """
        released = [d for d in self.select(where) if d.status == "queued"]
        for delivery in released:
            self.deactivated.discard(delivery.url)
            delivery.status = "created"
            delivery.answers.clear()
            self.outbox.put(delivery, self._now())
        return released

    # -- sending

    async def attempt(self, delivery: Delivery) -> None:
        """Do one try now, and what follows from it."""
        if delivery.status in ("delivered", "withdrawn"):
            return
        if delivery.url in self.deactivated:
            self._queue(delivery)
            return
        answer = await self._post(delivery)
        delivery.answers.append(answer)
        if accepted(answer):
            delivery.status = "delivered"
            self._journal.note("webhook_accepted")
        elif self.policy == "queue":
            self._queue(delivery)
        elif len(delivery.answers) > len(self.retries):
            self.deactivated.add(delivery.url)
            self._queue(delivery)
        else:
            delivery.status = "retry"
            self.outbox.put(delivery, self._now() + self.retries[len(delivery.answers) - 1])

    def _queue(self, delivery: Delivery) -> None:
        delivery.status = "queued"
        self._journal.note("webhook_queued")

    async def _post(self, delivery: Delivery) -> int | None:
        body = delivery.body
        headers = {"Content-Type": "application/json", "Elements-Webhook-Id": delivery.webhook_id}
        if self.key:
            headers["Elements-Webhook-Signature"] = sign(self.key, body)
        if delivery.tamper:
            body, headers = TAMPERED[delivery.tamper](self.key or "", body, headers)
        self._journal.note("webhook_sent")
        try:
            return await self.outbox.post(delivery.url, body, headers)
        except NoAnswerError:
            return None
