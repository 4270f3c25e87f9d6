# SPDX-License-Identifier: Apache-2.0
"""What operators add whose remote can call back: the address, its one-time secret, the slow safety net."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of, new_address
from airflow_async_provider._callbacks.mailbox import expect, key_of, look
from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES, Delivery, Registration
from airflow_async_provider._jobs.memory import Durable
from airflow_async_provider._jobs.messages import describe, seconds
from airflow_async_provider._jobs.run import LINGER_INTERVAL, AsyncJobOperator
from airflow_async_provider._polling.loop import spoken_range
from airflow_async_provider._polling.policy import PollPolicy
from airflow_async_provider.errors import CallbackError, ConfigurationError
from airflow_async_provider.hooks._connection import extra_of
from airflow_async_provider.hooks._registry import GENERIC, HOOKS
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_of

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
        #: Name of the submission whose callback is waited for.
        self._submission = ""

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
        self._submission = ""
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
        _mask(address.secret)
        registration = self.registration(address)
        durable.expect(registration.to_dict())
        expect(task, registration)
        self.callback_address = address
        self.callback_expected = True
        self._submission = registration.submission
        self.log.info("Asked for a callback to %s.", address.url)

    def registration(self, address: CallbackAddress) -> Registration:
        """What the receiver must know."""
        protocol = self.callback_protocol()
        scheme = self.hook.signature_scheme(self.hook.connection)
        return Registration(
            secret_hash=hash_of(address.secret),
            deadline=time.time() + self.timeout + GRACE,
            protocol=protocol.name,
            options=protocol.options(),
            conn_id=self.hook.conn_id,
            hook=_known_hook(type(self.hook)),
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
        registration = replace(registration, deadline=time.time() + self.timeout + GRACE)
        expect(key_of(context["ti"]), registration, empty=False)
        self.callback_expected = True
        self._submission = registration.submission

    def pace(self, run: Mapping[str, Any]) -> str:
        """How the end of the job will be noticed, in words."""
        if not run.get("callback"):
            return super().pace(run)
        if not protocol_of(JobHandle.from_dict(run["job"])).pollable:
            return "Its callback wakes this task; this API cannot be asked."
        if not self.deferrable:
            return super().pace(run)
        every = spoken_range(*self._safety_pace())
        return f"Its callback wakes this task; in case it is lost, the triggerer asks every {every}."

    def _safety_pace(self) -> tuple[float, float]:
        return (
            max(self.safety_poll_interval, self.poll_interval),
            max(self.safety_poll_interval, self.max_poll_interval),
        )

    def trigger_arguments(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """With a callback on its way the poll is the slow safety net."""
        if not run.get("callback"):
            return {}
        first, longest = self._safety_pace()
        slow = PollPolicy(
            poll_interval=first,
            max_poll_interval=longest,
            max_consecutive_errors=self.max_consecutive_errors,
        )
        return {
            "callback": True,
            "last_delivery_at": run.get("last_delivery_at", 0.0),
            "submission": run.get("submission", ""),
            "policy": slow.to_dict(),
        }

    def truth(self, context: Context, handle: JobHandle, event: Mapping[str, Any]) -> JobStatus:
        """
        What the remote says now; where it cannot be asked, what its callback said.

        :raises CallbackError: the callback came but could not be taken, and with it the result is lost
        """
        if protocol_of(handle).pollable:
            return super().truth(context, handle, event)
        delivery = self._delivery(context) or Durable(context, self.log).delivery()
        if delivery is None or delivery.job_id not in (None, handle.job_id):
            return JobStatus(JobState.RUNNING, remote_status="no callback yet")
        if delivery.error is not None:
            if self.may_resubmit(JobStatus(JobState.EXPIRED)):
                self._active = None
                Durable(context, self.log).clear()
            raise CallbackError(
                f"The callback of the {describe(handle)} came but could not be taken "
                f"({delivery.remote_status}), and nothing else brings its result. If it was too large: callback_max_bytes is "
                f"{self.callback_max_bytes}. If it was unreadable: the API server's log says why.",
                job=handle.job_id,
                state=delivery.state,
                remote_status=delivery.remote_status,
            )
        return delivery.to_status()

    def _delivery(self, context: Context, seen: float = 0.0) -> Delivery | None:
        """The callback in the mailbox, unless it was dealt with already."""
        try:
            delivery = look(key_of(context["ti"]), self._submission)
        except Exception as e:  # noqa: BLE001 - the trigger looks again, and where that can be done, it polls
            self.log.warning("Could not look for a callback: %s", type(e).__name__)
            return None
        return delivery if delivery and delivery.received_at > seen else None

    def _run_of(self, handle: JobHandle, *, restarts: int = 0) -> dict[str, Any]:
        return {**super()._run_of(handle, restarts=restarts), "submission": self._submission}

    def _complete(
        self,
        context: Context,
        run: Mapping[str, Any],
        event: Mapping[str, Any],
        status: JobStatus | None = None,
    ) -> Any:
        self._submission = run.get("submission", "")
        if received_at := event.get("received_at"):
            from airflow_async_provider._callbacks.airflow_internals import timing

            took = max(0.0, time.time() - received_at)
            timing("callback.wake", took)
            self.log.info("Woken by a callback, %.2f s after it came.", took)
        return super()._complete(context, run, event, status)

    def _watch(self, context: Context, run: dict[str, Any]) -> Any:
        if run.get("callback"):
            handle = self._active = JobHandle.from_dict(run["job"])
            delivery = self._delivery(context, run.get("last_delivery_at", 0.0))
            if delivery is None and not protocol_of(handle).pollable:
                delivery = self._linger_at_mailbox(context, run)
                if delivery is None and not self.deferrable:
                    return self._complete(context, run, {"state": "timeout"})
            if delivery is not None:  # faster than the deferral, which it saves
                return self._complete(context, run, delivery.to_event())
        return super()._watch(context, run)

    def _linger_at_mailbox(self, context: Context, run: Mapping[str, Any]) -> Delivery | None:
        """Wait on the worker, as ``linger`` and ``deferrable`` say, for a remote that cannot be asked."""
        until = min(run["deadline"], time.time() + self.linger) if self.deferrable else run["deadline"]
        self.linger = 0.0
        delivery = None
        while delivery is None and time.time() < until:
            time.sleep(min(LINGER_INTERVAL, max(0.0, until - time.time())))
            delivery = self._delivery(context, run.get("last_delivery_at", 0.0))
        return delivery


def _known_hook(hook: type[Any]) -> str | None:
    """The hook, or the nearest of its bases, that the API server is willing to import."""
    paths = (f"{cls.__module__}.{cls.__qualname__}" for cls in hook.__mro__)
    return next((path for path in paths if path in {*HOOKS.values(), GENERIC}), None)


def _mask(secret: str) -> None:
    """A remote may repeat the address in an error; Airflow keeps the secret in it out of the task's log."""
    from airflow.sdk.log import mask_secret

    mask_secret(secret)
