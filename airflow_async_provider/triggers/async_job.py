# SPDX-License-Identifier: Apache-2.0
"""Wait for one remote job in the triggerer's event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_async_provider._callbacks.heartbeats import HeartbeatWatch, words_of
from airflow_async_provider._callbacks.mailbox import alook, key_of
from airflow_async_provider._callbacks.registration import Delivery
from airflow_async_provider._page.hint import hint_for
from airflow_async_provider._page.report import JobReport, reported
from airflow_async_provider._polling.loop import DUE, HEARTBEAT_LOST, Outcome, awatch
from airflow_async_provider._polling.meter import meter_of_loop
from airflow_async_provider._polling.policy import PollPolicy, Wait
from airflow_async_provider._polling.task_end import TaskEnd
from airflow_async_provider._polling.wait_log import Heartbeat, describe_error, format_duration
from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._registry import protocol_class, protocol_of
from airflow_async_provider.triggers._cancelling import NOT_CANCELLED, KilledWait, cancel_beside
from airflow_async_provider.triggers._success import Success

TRIGGER_VERSION = 1

#: The receiver needs a moment between deciding that it is too early and having stored the callback.
SLACK = 1.5

#: The longest pause between two looks into the mailbox (seconds): each crosses to the database.
MAX_LOOK = 300.0

#: Ends of a wait that no answer of the remote system told of.
_NO_ANSWERS = ("timeout", "expired", "error", HEARTBEAT_LOST, DUE)


class AsyncJobTrigger(BaseTrigger):
    """
    Watches one job of any protocol and fires once, with states and counters only.

    Events: ``{"version", "state", "remote_status", "via", "polls", "errors"}`` and, for the state ``error``,
    ``"error"`` (class name) and ``"http_status"``. ``state`` is a
    :class:`~airflow_async_provider.protocols.JobState` value, ``timeout`` or ``error``. Never raises for
    a remote failure: the operator, back on a worker, reads the status once more and raises.

    :param job: the job handle, as a dictionary
    :param conn_id: Airflow connection, None for the hook's default
    :param policy: :class:`~airflow_async_provider._polling.policy.PollPolicy` as a dictionary
    :param deadline: epoch seconds at which to give up (the worker's clock)
    :param deferred_at: epoch seconds at which the task deferred (the worker's clock)
    :param clock_trusted: False once this machine's clock has contradicted the worker's: time is then counted
        from our start only
    :param settle: seconds that must pass after the deferral before the task may be resumed: a task resumed
        before the scheduler has processed its worker's exit is taken for failed
    :param cancel_on_kill: cancel the remote job when a user clears the task or marks it (Airflow >= 3.3)
    :param callback: a callback is expected too: look into the mailbox
    :param last_delivery_at: epoch seconds of the last callback that the operator has dealt with already
    :param submission: name of the submission whose callback counts
    :param end: how to end the task when the job has succeeded, without a worker, see
        :class:`~airflow_async_provider._polling.task_end.TaskEnd`; None where a worker shall end it
    :param heartbeat_timeout: how long the callbacks' sender may give no sign of life (seconds); None: it need
        give none
    :param alive_at: the last sign of life that was seen before this wait, by its sender's clock
    :param silent_for: how long ago that was (seconds), or the wait for the first one began
    :param wake_after: resume the task after so many seconds, as only a worker can ask for the job; None:
        never
    :param store: what to store here when the job has succeeded, see
        :class:`~airflow_async_provider.triggers._storing.StoreRequest`; None where a worker does
    :param version: layout of these arguments
    :param later: what a later version of this package has added without a new layout: kept and not used
    """

    def __init__(
        self,
        *,
        job: Mapping[str, Any],
        conn_id: str | None,
        policy: Mapping[str, Any],
        deadline: float,
        deferred_at: float,
        clock_trusted: bool = True,
        settle: float = 10.0,
        cancel_on_kill: bool = True,
        callback: bool = False,
        last_delivery_at: float = 0.0,
        submission: str = "",
        end: Mapping[str, Any] | None = None,
        heartbeat_timeout: float | None = None,
        alive_at: float = 0.0,
        silent_for: float = 0.0,
        wake_after: float | None = None,
        store: Mapping[str, Any] | None = None,
        version: int = TRIGGER_VERSION,
        **later: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow gives no types here
        self.job = dict(job)
        self.conn_id = conn_id
        self.policy = dict(policy)
        self.deadline = deadline
        self.deferred_at = deferred_at
        self.clock_trusted = clock_trusted
        self.settle = settle
        self.cancel_on_kill = cancel_on_kill
        self.callback = callback
        self.last_delivery_at = last_delivery_at
        self.submission = submission
        self.end = end
        self.heartbeat_timeout = heartbeat_timeout
        self.alive_at = alive_at
        self.silent_for = silent_for
        self.wake_after = wake_after
        self.store = store
        self.version = version
        self.later = later

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, JSON-able."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job": self.job,
                "conn_id": self.conn_id,
                "policy": self.policy,
                "deadline": self.deadline,
                "deferred_at": self.deferred_at,
                "clock_trusted": self.clock_trusted,
                "settle": self.settle,
                "cancel_on_kill": self.cancel_on_kill,
                "callback": self.callback,
                "last_delivery_at": self.last_delivery_at,
                "submission": self.submission,
                **{
                    name: value
                    for name in ("heartbeat_timeout", "alive_at", "silent_for", "wake_after", "store")
                    if (value := getattr(self, name))
                },
                "version": self.version,
                **({} if self.end is None else {"end": self.end}),
                **self.later,
            },
        )

    def __repr__(self) -> str:
        # The inherited form prints every argument, and with it the opaque status URL.
        return f"<{type(self).__name__} {self.job.get('protocol')} job {self.job.get('job_id')}>"

    @property
    def _handle(self) -> JobHandle:
        handle = JobHandle.from_dict(self.job)
        # No DAG file has been imported here; the worker that deferred has looked at the name.
        protocol_class(handle.protocol)
        return handle

    @property
    def _shown_id(self) -> str:
        try:
            return JobHandle.from_dict(self.job).shown_id
        except ValueError:  # of a later layout, which is told in another line
            return str(self.job.get("job_id"))

    def _hook(self) -> AsyncApiHook:
        return hook_for(self._handle, self.conn_id)

    #: Is told of each poll; None where nobody is.
    _report: JobReport | None = None
    #: What the poll that ended the wait has brought.
    _answer: JobStatus | None = None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire once."""
        self._started = time.monotonic()
        # Counted by a clock that nothing sets: how late it is where the task deferred, told from how long ago
        # that was by this machine's clock, where that makes sense.
        ago = time.time() - self.deferred_at if self.clock_trusted else 0.0
        self._ago = max(ago, 0.0)
        try:
            self._check_version()
            async with pool():
                with reported(self, self._handle) as self._report:
                    event = await self._wait()
                    if self.store is not None and (success := self._success(event)):
                        event |= await success.stored(self.store)
                    if self._report is not None:
                        self._report.ended(event)
        except Exception as e:  # noqa: BLE001 - a trigger that raises fails its task without execute_complete
            self.log.warning("Watching the job broke off: %s", describe_error(e))
            event = Outcome("error", error=e).to_event()
        end = TaskEnd.from_dict(self.end)
        success = self._success(event)
        if end is not None and success and await success.ended(end, event, now=self.now()):
            yield TaskSuccessEvent()
            return
        await asyncio.sleep(self._until_settled())
        if event["via"] != "poll" or event["state"] in _NO_ANSWERS:
            # An end that an answer told of has its line. When thousands of jobs end together, each further
            # one is felt: Airflow writes the triggerer's log lines while the event loop waits.
            self.log.info(
                "Job %s: resuming the task: %s by %s (%d polls, %d failed)",
                self._shown_id,
                event["state"],
                event["via"],
                event["polls"],
                event["errors"],
            )
        yield TriggerEvent(event)

    def _success(self, event: Mapping[str, Any]) -> Success | None:
        """The job, where an answer to a poll reports its success."""
        if event["state"] != JobState.SUCCEEDED.value or event["via"] != "poll":
            return None
        handle = JobHandle.from_dict(self.job)
        if url := event.get("status_url"):
            handle = replace(handle, status_url=url)
        return Success(
            handle=handle,
            answer=self._answer,
            conn_id=self.conn_id,
            task_instance=self.task_instance,
            log=self.log,
        )

    def now(self) -> float:
        """Epoch seconds of the worker's clock, as far as it is known here."""
        return self.deferred_at + self._ago + time.monotonic() - self._started

    def _check_version(self) -> None:
        """
        Refuse another layout: watched without what is new in it, the job might end wrongly.

        :raises ConfigurationError: with what to do
        """
        if self.version > TRIGGER_VERSION:
            raise ConfigurationError(
                f"a later version of this package has begun to wait for job {self._shown_id} (layout "
                f"{self.version}, known here: {TRIGGER_VERSION}); upgrade the package on the triggerer. The "
                "next try goes on with the same job."
            )

    async def _wait(self) -> dict[str, Any]:
        """The event of whatever comes first: an end, a callback, silence, or a worker's turn to ask."""
        handle = self._handle
        with meter_of_loop().waiting(handle, self.conn_id or handle.conn_id or "", ago=self._ago):
            return await self._wait_for(handle)

    async def _wait_for(self, handle: JobHandle) -> dict[str, Any]:
        pollable = protocol_of(handle).pollable
        self._signs = HeartbeatWatch(
            self.heartbeat_timeout, time.monotonic() - self.silent_for, alive_at=self.alive_at
        )
        if self.callback and (delivery := await self._look()) is not None:
            return delivery.to_event()
        others = [self._deliveries()] if self.callback else []
        others += [self._until_due(self.wake_after)] if self.wake_after is not None else []
        waits = [self._poll_event(handle) if pollable or not others else self._until_deadline(), *others]
        if len(waits) == 1:
            return await waits[0]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # A callback that is there counts before the rest.
            return next(t for t in (*tasks[1:], tasks[0]) if t.done()).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll_event(self, handle: JobHandle) -> dict[str, Any]:
        return (await self._poll(handle)).to_event()

    async def _until_due(self, seconds: float) -> dict[str, Any]:
        await asyncio.sleep(seconds)
        return {**Outcome(DUE, polls=1).to_event(), **self._signs.to_event(time.monotonic())}

    async def _poll(self, handle: JobHandle) -> Outcome:
        wait = Wait(PollPolicy.from_dict(self.policy), self.deadline, handle.expires_at)
        outcome = await awatch(
            self._hook(), handle, wait, self.log, now=self.now, report=self._report, hint=self._hint()
        )
        self._answer = outcome.status
        return replace(outcome, keep_result=protocol_of(handle).result_once)

    def _hint(self) -> str:
        """What a person who reads the log can do."""
        if self.task_instance is None:
            return ""
        task = key_of(self.task_instance)
        return hint_for(self._handle, task, callback=self.callback, cancel_on_kill=self.cancel_on_kill)

    async def _until_deadline(self) -> dict[str, Any]:
        heartbeat, hint = Heartbeat(), self._hint()
        while (left := self.deadline - self.now()) > 0:
            await asyncio.sleep(min(left, heartbeat.pause + 0.01))
            if heartbeat.beats():
                self.log.info(
                    "Job %s: no %s yet after %s; deadline in %s",
                    self._shown_id,
                    "callback" if self.callback else "end",
                    format_duration(max(heartbeat.waited, self.now() - self.deferred_at)),
                    format_duration(self.deadline - self.now()),
                )
                if hint:
                    self.log.info("Job %s: %s", self._shown_id, hint)
                    hint = ""
        return Outcome("timeout").to_event()

    async def _deliveries(self) -> dict[str, Any]:
        """
        Look into the mailbox again when the receiver may wake the task by itself, then ever more rarely.

        Until the settle time is over the receiver only stores a callback; afterwards it wakes the task, and
        these looks are for what fell between the two.
        """
        pause = self._until_settled() + SLACK
        signs, logged = self._signs, ""
        while True:
            await asyncio.sleep(pause if signs.pause is None else min(pause, signs.pause))
            delivery = await self._look(signs=True)
            if delivery is not None and not delivery.heartbeat:
                return delivery.to_event()
            if delivery is not None and (words := words_of(delivery)) != logged:
                logged = words
                self.log.info("Job %s: a callback says: %s", self.job.get("job_id"), words)
            if signs.is_late(delivery, time.monotonic()):
                return Outcome(HEARTBEAT_LOST, remote_status=signs.last_words).to_event()
            pause = min(max(pause * 3, 10.0), MAX_LOOK)

    async def _look(self, *, signs: bool = False) -> Delivery | None:
        """
        What lies in the mailbox and was not dealt with already.

        :param signs: signs of life as well
        """
        if self.task_instance is None:
            return None
        try:
            delivery = await alook(key_of(self.task_instance), self.submission)
        except Exception as e:  # noqa: BLE001 - a look that fails must not end the wait; polls go on
            self.log.warning("Could not look for a callback: %s", describe_error(e))
            return None
        if delivery is None or (delivery.heartbeat and not signs):
            return None
        return delivery if delivery.received_at > self.last_delivery_at or delivery.heartbeat else None

    def _until_settled(self) -> float:
        """Seconds until the task may be resumed, counted from our start, which is after the deferral."""
        return max(0.0, self._started + self.settle - time.monotonic())

    async def on_kill(self) -> None:
        """Cancel the remote job when a user acted on the task."""
        if not self.cancel_on_kill:
            return
        try:
            wait = KilledWait(
                handle=self._handle,
                hook=self._hook(),
                task=None if self.task_instance is None else key_of(self.task_instance),
                trigger_id=self.trigger_id,
                look=self._look if self.callback else None,
                log=self.log,
            )
        except Exception as e:  # noqa: BLE001 - a handle of a later layout, a connection that is not there
            self.log.warning(NOT_CANCELLED, self._shown_id, describe_error(e))
        else:
            await cancel_beside(wait)
