# SPDX-License-Identifier: Apache-2.0
"""
Telling a caller that its job has ended: POST of a small JSON document, signed if the simulator is told so.

``hmac``: one header, ``sha256=`` and the HMAC-SHA256 of the raw body in hexadecimal. ``standard``: Standard
Webhooks 1.0.0 (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``). 2xx is success; anything else
is tried again, with the same ``webhook-id``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators._outbox import NoAnswerError, Outbox, accepted

if TYPE_CHECKING:
    from airflow_async_provider.simulators._http_jobs import HttpJob

SIGNATURES = (None, "hmac", "standard")
HMAC_HEADER = "X-Signature"


@dataclass(slots=True)
class Callback:
    """
    The callback of one job.

    :param copies: how many are still to be accepted
    :param tries: how many may still be sent
    """

    job: HttpJob
    copies: int
    tries: int
    delivery: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")
    body: bytes | None = None


class Callbacks:
    """
    The callbacks that wait for the end of their jobs.

    :param now: simulated epoch seconds
    :param journal: learns ``callback_sent``, ``callback_accepted``, ``callback_given_up``
    :param payload: makes the document of a job
    :param signature: one of :data:`SIGNATURES`
    :param secret: key of the signature; for ``standard`` it starts with ``whsec_``
    :param copies: how often each callback is delivered, as delivery is "at least once"
    :param tries: how often a refused one is sent
    :param pause: real seconds between tries
    :raises ValueError: an unknown signature
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        journal: Journal,
        payload: Callable[[HttpJob], dict[str, Any]],
        signature: str | None,
        secret: str,
        copies: int,
        tries: int,
        pause: float,
    ) -> None:
        if signature not in SIGNATURES:
            raise ValueError(f"callback_signature is one of {SIGNATURES}, not {signature!r}")
        self._now = now
        self._journal = journal
        self._payload = payload
        self._signature = signature
        self._secret = secret
        self._copies = copies
        self._tries = tries
        self._pause = pause
        #: statuses that the receivers answered, in order; None: no answer
        self.answers: list[int | None] = []
        #: its background sends for as long as the application lives
        self.outbox = Outbox(now=now, send=self._try, user_agent="http-async")

    def clear(self) -> None:
        """Forget all."""
        self.outbox.clear()
        self.answers.clear()

    def expect(self, job: HttpJob) -> None:
        """Send a callback once the job has ended, if its caller wants one."""
        if job.callback_url is not None:
            self.outbox.put(Callback(job, self._copies, self._copies + self._tries - 1), self._now())

    async def _try(self, callback: Callback) -> None:
        if callback.job.state == "running":  # nobody knows when a job ends that a test ends by hand
            self.outbox.put(callback, self._now())
            return
        if callback.body is None:
            callback.body = json.dumps(self._payload(callback.job)).encode()
        status = await self._post(str(callback.job.callback_url), callback.delivery, callback.body)
        self.answers.append(status)
        callback.tries -= 1
        if accepted(status):
            self._journal.note("callback_accepted")
            callback.copies -= 1
            if not callback.copies:
                return
        else:
            await asyncio.sleep(self._pause)
        if callback.tries:
            self.outbox.put(callback, self._now())
        else:
            self._journal.note("callback_given_up")

    async def _post(self, url: str, delivery: str, body: bytes) -> int | None:
        self._journal.note("callback_sent")
        headers = {"Content-Type": "application/json", **self.signed(delivery, body)}
        try:
            return await self.outbox.post(url, body, headers)
        except NoAnswerError:
            return None

    def signed(self, delivery: str, body: bytes) -> dict[str, str]:
        """The headers of the signature."""
        if self._signature is None:
            return {}
        if self._signature == "hmac":
            digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            return {HMAC_HEADER: f"sha256={digest}"}
        moment = str(int(time.time()))
        key = base64.b64decode(self._secret.removeprefix("whsec_"))
        mac = hmac.new(key, f"{delivery}.{moment}.".encode() + body, hashlib.sha256).digest()
        return {
            "webhook-id": delivery,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }
