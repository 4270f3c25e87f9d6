# SPDX-License-Identifier: Apache-2.0
"""The part of a run that expects a callback: the address, its one-time secret, the slow safety net."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_async_provider import _settings
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of, new_address
from airflow_async_provider._callbacks.heartbeats import HeartbeatWatch
from airflow_async_provider._callbacks.mailbox import expect, key_of, look
from airflow_async_provider._callbacks.registration import Delivery, Registration
from airflow_async_provider._callbacks.support import unsupported_reason
from airflow_async_provider._jobs.messages import SENTENCE_ENDS
from airflow_async_provider._jobs.wait import heartbeat_lost
from airflow_async_provider._metrics import timing
from airflow_async_provider.errors import CallbackError, ConfigurationError
from airflow_async_provider.hooks._connection import extra_of
from airflow_async_provider.hooks._registry import GENERIC, HOOKS
from airflow_async_provider.protocols._job import JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_of

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun
    from airflow_async_provider._jobs.task import CallbackSettings
    from airflow_async_provider.hooks._base import AsyncApiHook

#: A callback that comes so long after the deadline is still answered, but changes nothing (seconds).
GRACE = 60.0

DONE_ALREADY = (
    " The job has been carried out: once you know that it may run again, clear the task with reattach=False."
)

#: Pause between two looks into the mailbox while the worker lingers (seconds).
LOOK_INTERVAL = 1.0


class CallbackPart:
    """
    What a run knows of the callback that it expects.

    The address is the operator's ``callback_base_url``, else ``callback_base_url`` in the connection's
    extra, else the provider option ``[async_provider] callback_base_url``, else Airflow's ``[api] base_url``.

    :param run: the run
    :param settings: what the task says about callbacks
    """

    def __init__(self, run: JobRun, settings: CallbackSettings) -> None:
        self._run = run
        self._settings = settings
        #: The slow pace of the triggerer while a callback is expected.
        self.policy = settings.policy
        #: Name of the submission whose callback is expected; empty when none is.
        self.submission = ""
        #: Addresses of those who call back one by one, by name.
        self.addresses: dict[str, CallbackAddress] = {}
        #: Whether what the callback says of the job's end counts by itself.
        self.decides = settings.decides
        self._lingered = False

    # -- asking for one -----------------------------------------------------------------------------------

    def register(self) -> CallbackAddress | None:
        """
        Make an address with a fresh secret and tell the receiver what to expect, before submitting.

        :return: None when no callback is asked for, as there is no address for it
        :raises ConfigurationError: a callback is wanted and there is no address for it, or the API server
            cannot take callbacks and nothing else tells of the job
        """
        settings, log = self._settings, self._run.log
        self.submission = ""
        base, on_purpose = base_url_for(self._run.task.hook, settings.base_url)
        if settings.wanted is None and not on_purpose:
            log.info(
                "No callback is asked for, as no callback_base_url is set (operator, connection or "
                "[async_provider]); the job is polled."
            )
            return None
        if not base:
            raise ConfigurationError(
                "A callback is wanted but there is no address for it: set callback_base_url on the operator, "
                "in the connection's extra or in [async_provider], or [api] base_url."
            )
        if reason := unsupported_reason():
            if not settings.askable:
                raise ConfigurationError(
                    "Nothing was submitted: only a callback tells of this job, and callbacks cannot be "
                    f"taken: {reason}."
                )
            log.warning(
                "No callback is asked for, as callbacks cannot be taken: %s; the job is polled.", reason
            )
            return None
        task = key_of(self._run.context["ti"])
        self.addresses = {
            name: new_address(base, replace(task, party=party)) for party, name in enumerate(settings.parties)
        }
        address = next(iter(self.addresses.values()), None) or new_address(base, task)
        for one in (address, *self.addresses.values()):
            _mask(one.secret)
        registration = self._registration(settings, address)
        self._run.memory.expect(registration.to_dict())
        expect(task, registration)
        self.submission = registration.submission
        log.info("Asked for a callback to %s.", address.url)
        if self.addresses:
            names = ", ".join(self.addresses)
            log.info(
                "%d parties have an address each (%s); %d needed.",
                len(self.addresses),
                names,
                settings.needed,
            )
        return address

    def register_again(self) -> None:
        """The job of an earlier try still knows its address: expect its callback in this try too."""
        past = self._run.memory.now.callbacks
        registration = Registration.from_dict(past[0]) if past else None
        if registration is None:
            return
        registration = replace(registration, deadline=self._deadline())
        expect(key_of(self._run.context["ti"]), registration, empty=False)
        self.submission = registration.submission

    def _registration(self, settings: CallbackSettings, address: CallbackAddress) -> Registration:
        hook, protocol = self._run.task.hook, settings.protocol
        scheme = hook.signature_scheme(hook.connection)
        return Registration(
            secret_hash=hash_of(address.secret),
            deadline=self._deadline(),
            protocol=settings.protocol_name,
            options=protocol.options(),
            conn_id=hook.conn_id,
            hook=_known_hook(type(hook)),
            signature=None if scheme is None else scheme.to_dict(),
            max_bytes=settings.max_bytes,
            settle=_settings.settle_seconds(),
            pollable=settings.askable,
            keep_body=settings.decides,
            # The same for every try that means the same job: a try that died may have given its address away.
            name=self._run.correlation_id[:16],
            parties=[[name, hash_of(one.secret)] for name, one in self.addresses.items()],
            needed=settings.needed,
            page=settings.page,
        )

    def _deadline(self) -> float:
        return time.time() + self._run.settings.timeout + GRACE

    # -- waiting for it -----------------------------------------------------------------------------------

    def trigger_arguments(self) -> dict[str, Any]:
        """Further arguments of the trigger."""
        record = self._run.record
        if not record.submission:
            return {}
        facts = {
            "callback": True,
            "last_delivery_at": record.last_delivery_at,
            "submission": record.submission,
        }
        if self._settings.heartbeat_timeout is not None:
            facts["heartbeat_timeout"] = self._settings.heartbeat_timeout
            facts["alive_at"] = record.alive_at
            facts["silent_for"] = max(0.0, time.time() - record.silent_since) if record.silent_since else 0.0
        # What continues the job at the remote system is not known to call back.
        return facts if record.followed else {**facts, "policy": self.policy.to_dict()}

    def wait_on_worker(self) -> Delivery | None:
        """A callback that is faster than the deferral, or that the worker itself may wait for."""
        record = self._run.record
        if not record.submission:
            return None
        delivery = self._delivery()
        settings = self._run.settings
        if delivery is not None or self._lingered or self._run.task.hook.can_ask(record.handle):
            return delivery
        self._lingered = True
        until = record.deadline
        if settings.deferrable:
            until = min(until, time.time() + settings.linger)
        heartbeat = HeartbeatWatch(self._settings.heartbeat_timeout, time.monotonic())
        while delivery is None and time.time() < until:
            time.sleep(min(LOOK_INTERVAL, max(0.0, until - time.time())))
            found = self._in_mailbox()
            delivery = self._news(found)
            if delivery is None and heartbeat.is_late(found, time.monotonic()):
                raise heartbeat_lost(self._run, heartbeat.last_words)
        return delivery

    def resumed(self, event: Mapping[str, Any]) -> None:
        """The task runs again: tell how long the way from the callback was."""
        if received_at := event.get("received_at"):
            took = max(0.0, time.time() - received_at)
            timing("callback.wake", took)
            self._run.log.info("Resumed by a callback, %.2f s after it was received.", took)

    def own_status(self, *, askable: bool) -> JobStatus | None:
        """
        What the callback said of the job, where its own word counts.

        :param askable: whether the remote system can be asked
        """
        if not self.decides or (askable and not self._run.record.submission):
            return None  # or none was asked for, as there is no address for it
        status = self.fetch_status()
        without_result = status.result is None or status.result.value is None
        if status.state is JobState.SUCCEEDED and without_result and protocol_of(self._run.handle).pollable:
            # The description says where the result is, and in which answer.
            return JobStatus(JobState.RUNNING, remote_status=status.remote_status)
        return status

    def fetch_status(self) -> JobStatus:
        """
        What the callback said, for a remote system that cannot be asked.

        :raises CallbackError: it came but could not be taken, and with it the result is lost
        """
        handle, memory = self._run.handle, self._run.memory
        delivery = self._in_mailbox()
        if delivery is None or delivery.kept or not delivery.ended:
            delivery = memory.delivery() or delivery
        if delivery is None or delivery.job_id not in (None, handle.job_id):
            return JobStatus(JobState.RUNNING, remote_status="no callback yet")
        if delivery.error is None:
            return delivery.to_status()
        if self._settings.askable:
            return JobStatus(JobState.RUNNING, remote_status=delivery.remote_status)
        again = self._run.task.may_start_again(JobStatus(JobState.EXPIRED))
        error = CallbackError(
            f"The callback of the {handle.describe()} came but could not be taken "
            f"({delivery.remote_status}), and nothing else brings its result. {self._reason(delivery)}"
            + ("" if again else DONE_ALREADY),
            job=handle.shown_id,
            state=delivery.state,
            remote_status=delivery.remote_status,
        )
        if again:
            self._run.forget(error)
        raise error

    def _reason(self, delivery: Delivery) -> str:
        if delivery.message:
            text = delivery.message.rstrip()
            return text if text.endswith(SENTENCE_ENDS) else f"{text}."
        return (
            f"If it was too large: callback_max_bytes is {self._settings.max_bytes}. If it was unreadable: "
            "the API server's log says why."
        )

    def _delivery(self) -> Delivery | None:
        """The callback in the mailbox, or in the task's memory, unless it was dealt with already."""
        delivery = self._news(self._in_mailbox())
        if delivery is None and self.decides and self._run.correlation_id:
            # One for an address that an earlier try gave away, whose mailbox is gone.
            kept = self._news(self._run.memory.delivery())
            return kept if kept and kept.ended else None
        return delivery

    def _in_mailbox(self) -> Delivery | None:
        record = self._run.record
        try:
            return look(key_of(self._run.context["ti"]), record.submission)
        except Exception as e:  # noqa: BLE001 - the trigger looks again, and where that can be done, it polls
            self._run.log.warning("Could not look for a callback: %s", type(e).__name__)
            return None

    def _news(self, delivery: Delivery | None) -> Delivery | None:
        """A delivery, unless it is a sign of life only or was dealt with already."""
        if delivery is None or delivery.heartbeat:
            return None
        return delivery if delivery.received_at > self._run.record.last_delivery_at else None


def base_url_for(hook: AsyncApiHook, chosen: str | None) -> tuple[str | None, bool]:
    """
    Where the remote system reaches us.

    :param chosen: what the task says
    :return: the address, and whether somebody set it on purpose (Airflow's own is only a fallback)
    """
    chosen = chosen or extra_of(hook.connection).get("callback_base_url") or _settings.callback_base_url()
    return (str(chosen), True) if chosen else (_settings.api_base_url(), False)


def _known_hook(hook: type[Any]) -> str | None:
    """The hook, or the nearest of its bases, that the API server is willing to import."""
    paths = (f"{cls.__module__}.{cls.__qualname__}" for cls in hook.__mro__)
    return next((path for path in paths if path in {*HOOKS.values(), GENERIC}), None)


def _mask(secret: str) -> None:
    """A remote may repeat the address in an error; Airflow keeps the secret in it out of the task's log."""
    from airflow.sdk.log import mask_secret

    mask_secret(secret)
