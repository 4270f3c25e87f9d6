# SPDX-License-Identifier: Apache-2.0
"""What operators add whose remote can call back: the address, its one-time secret, the slow safety net."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider import settings
from airflow_async_provider.callbacks.address import CallbackAddress, hash_of, new_address
from airflow_async_provider.callbacks.mailbox import expect, key_of
from airflow_async_provider.callbacks.registration import DEFAULT_MAX_BYTES, Registration
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks.connection import extra_of
from airflow_async_provider.operators.base import AsyncJobOperator
from airflow_async_provider.operators.durable import Durable
from airflow_async_provider.operators.outcome import seconds
from airflow_async_provider.policy import PollPolicy
from airflow_async_provider.protocols.base import JobProtocol

if TYPE_CHECKING:
    from airflow.sdk import Context

#: A callback that comes so long after the deadline is still answered, but changes nothing (seconds).
GRACE = 60.0


class CallbackJobOperator(AsyncJobOperator):
    """
    Base of the operators whose job is announced by a callback.

    The address is the operator's ``callback_base_url``, else ``callback_base_url`` in the connection's
    extra, else the provider option ``[async_provider] callback_base_url``, else Airflow's ``[api] base_url``.

    :param callback: True asks for a callback, False never does; None (default) does when one of the first
        three addresses is set, and says in the log when it does not
    :param callback_base_url: where the remote reaches Airflow's API server
    :param callback_max_bytes: largest callback body (bytes); a larger one fails the job with that reason
    :param safety_poll_interval: pause between questions while a callback is expected (seconds or timedelta);
        polling goes on as the safety net for callbacks that never come
    """

    def __init__(
        self,
        *,
        callback: bool | None = None,
        callback_base_url: str | None = None,
        callback_max_bytes: int = DEFAULT_MAX_BYTES,
        safety_poll_interval: float | timedelta = 120.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.callback = callback
        self.callback_base_url = callback_base_url
        self.callback_max_bytes = callback_max_bytes
        self.safety_poll_interval = seconds(safety_poll_interval, "safety_poll_interval")
        #: Address and secret of this submission, for :meth:`submit`; None when no callback is asked for.
        self.callback_address: CallbackAddress | None = None

    def callback_protocol(self) -> JobProtocol:
        """The protocol that reads the callback."""
        raise NotImplementedError

    def base_url(self) -> tuple[str | None, bool]:
        """
        Where the remote reaches us.

        :return: the address, and whether somebody set it on purpose (Airflow's own is only a fallback)
        """
        chosen = (
            self.callback_base_url
            or extra_of(self.hook.connection).get("callback_base_url")
            or settings.callback_base_url()
        )
        return (str(chosen), True) if chosen else (settings.api_base_url(), False)

    def announce(self, context: Context, durable: Durable) -> None:
        """Make an address with a fresh secret and tell the receiver what to expect, before submitting."""
        self.callback_address = None
        self.callback_expected = False
        base, on_purpose = self.base_url()
        if self.callback is False or (self.callback is None and not on_purpose):
            if self.callback is None:
                self.log.info(
                    "No callback is asked for, as no callback_base_url is set (operator, connection or "
                    "[async_provider]); the job is polled."
                )
            return
        if not base:
            raise ConfigurationError(
                "A callback is wanted but there is no address for it: set callback_base_url on the operator, "
                "in the connection's extra or in [async_provider], or [api] base_url."
            )
        task = key_of(context["ti"])
        address = new_address(base, task)
        registration = self.registration(address)
        durable.expect(registration.to_dict())
        expect(task, registration)
        self.callback_address = address
        self.callback_expected = True
        self.log.info("Asked for a callback to %s.", address.url)

    def registration(self, address: CallbackAddress) -> Registration:
        """What the receiver must know."""
        protocol = self.callback_protocol()
        hook = type(self.hook)
        scheme = hook.signature_scheme(self.hook.connection)
        return Registration(
            secret_hash=hash_of(address.secret),
            deadline=time.time() + self.timeout + GRACE,
            protocol=protocol.name,
            options=protocol.options(),
            conn_id=self.hook.conn_id,
            hook=f"{hook.__module__}.{hook.__qualname__}",
            signature=None if scheme is None else scheme.to_dict(),
            max_bytes=self.callback_max_bytes,
            settle=settings.settle_seconds(),
            pollable=protocol.pollable,
            keep_body=not protocol.pollable,
        )

    def announce_again(self, context: Context, durable: Durable) -> None:
        """The job of an earlier try still knows its address: expect its callback in this try too."""
        past = durable.load().get("callbacks") or []
        registration = Registration.from_dict(past[0]) if past else None
        if registration is None:
            return
        expect(key_of(context["ti"]), replace(registration, deadline=time.time() + self.timeout + GRACE))
        self.callback_expected = True

    def trigger_arguments(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """With a callback on its way the poll is the slow safety net."""
        if not run.get("callback"):
            return {}
        slow = PollPolicy(
            poll_interval=max(self.safety_poll_interval, self.poll_interval),
            max_poll_interval=max(self.safety_poll_interval, self.max_poll_interval),
            max_consecutive_errors=self.max_consecutive_errors,
        )
        return {"callback": True, "letter_seen": run.get("letter_seen", 0.0), "policy": slow.to_dict()}
