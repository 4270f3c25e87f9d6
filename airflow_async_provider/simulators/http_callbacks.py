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
import contextlib
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import aiohttp

from airflow_async_provider.simulators.journal import Journal

if TYPE_CHECKING:
    from airflow_async_provider.simulators.http_jobs import HttpJob

SIGNATURES = (None, "hmac", "standard")
HMAC_HEADER = "X-Signature"

#: real seconds between two looks at the clock, and for one answer
TICK = 0.02
ANSWER_SECONDS = 10.0


class Callbacks:
    """
    The callbacks that wait for the end of their jobs.

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
        self._journal = journal
        self._payload = payload
        self._signature = signature
        self._secret = secret
        self._copies = copies
        self._tries = tries
        self._pause = pause
        self._waiting: list[HttpJob] = []
        #: statuses that the receivers answered, in order; None: no answer
        self.answers: list[int | None] = []

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self.answers.clear()

    def expect(self, job: HttpJob) -> None:
        """Send a callback once the job has ended, if its caller wants one."""
        if job.callback_url is not None:
            self._waiting.append(job)

    async def background(self, app: Any) -> AsyncIterator[None]:
        """Send for as long as the application lives."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            connector=aiohttp.TCPConnector(ssl=False),  # a demo's receiver signs for itself
        ) as session:
            sender = asyncio.create_task(self._send_what_is_due(session))
            yield
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def _send_what_is_due(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as deliveries:
            while True:
                for job in [job for job in self._waiting if job.state != "running"]:
                    self._waiting.remove(job)
                    deliveries.create_task(self._deliver(session, job))
                await asyncio.sleep(TICK)

    async def _deliver(self, session: aiohttp.ClientSession, job: HttpJob) -> None:
        body = json.dumps(self._payload(job)).encode()
        delivery = f"msg_{uuid.uuid4().hex}"
        left = self._copies
        for _ in range(self._copies + self._tries - 1):
            status = await self._post(session, str(job.callback_url), delivery, body)
            self.answers.append(status)
            if status is not None and 200 <= status < 300:
                self._journal.note("callback_accepted")
                left -= 1
                if not left:
                    return
            else:
                await asyncio.sleep(self._pause)
        self._journal.note("callback_given_up")

    async def _post(self, session: aiohttp.ClientSession, url: str, delivery: str, body: bytes) -> int | None:
        self._journal.note("callback_sent")
        headers = {"Content-Type": "application/json", **self.signed(delivery, body)}
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
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
