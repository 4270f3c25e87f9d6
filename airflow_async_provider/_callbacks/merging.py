# SPDX-License-Identifier: Apache-2.0
"""
What a task's mailbox holds after another delivery, for one sender or for several. Pure: no clock, no store.

A first status about the end of a job stands; a sign of life only moves a date; of several parties each has a
status of its own, and all together make up the one that counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_async_provider._callbacks.registration import (
    MAX_MESSAGE,
    Delivery,
    Registration,
    plain,
)
from airflow_async_provider.protocols._job import JobState

#: A sign of life that follows another one so soon (seconds) says nothing new, and is not written.
HEARTBEAT_PAUSE = 1.0

#: Of the message of one party of several (characters).
MAX_PARTY_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Merged:
    """
    What a delivery makes of a mailbox.

    :param delivery: what lies in it from now on
    :param news: whether that must be written
    :param repeated: whether the same had been delivered before
    """

    delivery: Delivery
    news: bool = True
    repeated: bool = False

    @property
    def wakes(self) -> bool:
        """Whether the task is to go on with it."""
        return not self.delivery.heartbeat


def merge(registration: Registration, known: Delivery | None, delivery: Delivery, party: int) -> Merged:
    """
    Put a delivery to what the mailbox holds.

    :param known: what it holds of this submission, None for nothing
    :param party: whose status it is, where there are several
    """
    if registration.parties:
        return _of_party(registration, known, delivery, registration.parties[party][0])
    if delivery.heartbeat:
        return _sign_of_life(known, delivery)
    if known is None or known.heartbeat:
        return Merged(replace(delivery, alive_at=delivery.received_at))
    stands = registration.keep_body and known.ended and known.job_id == delivery.job_id
    if known.same_as(delivery) or stands:
        return Merged(known, news=False, repeated=True)
    return Merged(delivery)


def _sign_of_life(known: Delivery | None, delivery: Delivery) -> Merged:
    at = delivery.received_at
    if known is None:
        return Merged(replace(delivery, alive_at=at))
    if known.ended or known.error or at - known.alive_at < HEARTBEAT_PAUSE:
        return Merged(known, news=False, repeated=True)
    if known.heartbeat:
        return Merged(replace(delivery, alive_at=at))
    # "Done, ask" stays, and has woken its task, or will.
    return Merged(replace(known, alive_at=at, progress=delivery.progress), repeated=True)


def _of_party(registration: Registration, known: Delivery | None, delivery: Delivery, name: str) -> Merged:
    by_party = dict(known.by_party) if known else {}
    before = by_party.get(name, {})
    if known and (not known.heartbeat or before.get("ended")):
        return Merged(known, news=False, repeated=True)
    if delivery.heartbeat and delivery.received_at - float(before.get("at", 0.0)) < HEARTBEAT_PAUSE:
        return Merged(known or delivery, news=known is None, repeated=known is not None)
    values: Mapping[str, Any] = known.value if known and isinstance(known.value, Mapping) else {}
    status = _party_status(registration, values, name, delivery)
    by_party[name] = status
    if status["state"] == JobState.SUCCEEDED.value:
        values = {**values, name: delivery.value}
    return Merged(_together(registration, by_party, values, delivery.received_at))


def _party_status(
    registration: Registration, values: Mapping[str, Any], name: str, delivery: Delivery
) -> dict[str, Any]:
    """What one party has reported, without its payload."""
    state, message = delivery.state, delivery.message
    if not (delivery.heartbeat or delivery.ended):
        # It could not be understood, was too large, or says "ask" where the job cannot be polled.
        state, message = JobState.FAILED.value, message or delivery.remote_status
    if state == JobState.SUCCEEDED.value:
        size = len(json.dumps({**values, name: delivery.value}, default=str))
        if size > registration.max_bytes:
            state, message = JobState.FAILED.value, "what all have sent is larger than callback_max_bytes"
    status = {
        "state": state,
        "ended": not delivery.heartbeat,
        "at": delivery.received_at,
        "message": None if message is None else plain(message, MAX_PARTY_MESSAGE),
        "progress": delivery.progress,
    }
    return {key: value for key, value in status.items() if value is not None}


def _together(
    registration: Registration,
    by_party: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    at: float,
) -> Delivery:
    """The status that all parties together make up."""
    names = [party[0] for party in registration.parties]
    good = sum(by_party.get(n, {}).get("state") == JobState.SUCCEEDED.value for n in names)
    bad = [
        n
        for n in names
        if by_party.get(n, {}).get("ended") and by_party[n]["state"] != JobState.SUCCEEDED.value
    ]
    waiting = [n for n in names if not by_party.get(n, {}).get("ended")]
    if good >= registration.needed:
        state = JobState.SUCCEEDED
    elif len(bad) > len(names) - registration.needed:
        state = JobState.FAILED
    else:
        state = JobState.RUNNING
    running = state is JobState.RUNNING
    reasons = "; ".join(f"{n}: {by_party[n].get('message') or by_party[n]['state']}" for n in bad)
    return Delivery(
        state=state.value,
        remote_status=f"{good} of {len(names)} succeeded, {len(bad)} failed, {registration.needed} needed",
        received_at=at,
        message=plain(reasons, MAX_MESSAGE) if reasons else None,
        value=dict(values),
        submission=registration.submission,
        heartbeat=running,
        progress=good / registration.needed if running else None,
        alive_at=min((float(by_party.get(n, {}).get("at", 0.0)) for n in waiting), default=at),
        by_party=by_party,
    )
