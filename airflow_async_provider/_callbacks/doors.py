# SPDX-License-Identifier: Apache-2.0
"""
The two kinds of addresses that the receiver has, and who is behind them: a waiting task, or a push source.

What differs between them is here; the order of the checks, the lanes and the limits are the receiver's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider._callbacks import address, deliveries, handling, pushing, signatures
from airflow_async_provider._callbacks.handling import AuthenticatedCallback
from airflow_async_provider._callbacks.pushing import Outcome
from airflow_async_provider._callbacks.sources import NAME, Source
from airflow_async_provider.protocols._http_messages import Headers

#: A task's delivery beyond this is written down without its id (bytes).
MAX_READ_AGAIN = 256 * 1024


class Recipient(ABC):
    """
    Whose delivery a secret has proved to be. All methods block.

    :param name: whose it is, for the log
    :param max_bytes: largest body
    :param tags: tags of the metrics
    :param signed: whether the body must be signed
    """

    #: what a person is asked on the confirm page, None where nobody is; and one of several parties, by name
    page: Mapping[str, Any] | None = None
    party: str = ""

    def __init__(self, name: str, max_bytes: int, tags: dict[str, str], *, signed: bool) -> None:
        self.name = name
        self.signed = signed
        self.max_bytes = max_bytes
        self.tags = tags

    @abstractmethod
    def signature_fits(self, headers: Headers, body: bytes) -> bool:
        """Whether the body is signed, where it must be."""

    @abstractmethod
    def take(self, headers: Headers, body: bytes) -> Outcome:
        """Do what an authentic delivery is for."""

    @abstractmethod
    def try_out(self, headers: Headers, body: bytes) -> Mapping[str, Any]:
        """What :meth:`take` would bring about, in words; nothing is done."""

    def refuse_size(self) -> None:
        """Do what there is to do about one that is too large."""
        return

    @abstractmethod
    def delivery_id(self, headers: Headers, body: bytes) -> str:
        """The sender's id of a delivery; empty where there is none."""

    @abstractmethod
    def record(self, outcome: str, size: int, delivery_id: str) -> None:
        """Write down what came of it."""


class WaitingTask(Recipient):
    """The task of a submission."""

    def __init__(self, callback: AuthenticatedCallback) -> None:
        task, registration = callback.task, callback.registration
        name = f"{task.dag_id}.{task.task_id} (run {task.run_id}, index {task.map_index})"
        super().__init__(
            name,
            int(registration.max_bytes),
            {"protocol": registration.protocol},
            signed=bool(registration.signature),
        )
        self.callback = callback
        self.page, self.party = registration.page, callback.party

    def signature_fits(self, headers: Headers, body: bytes) -> bool:
        return signatures.fits(self.callback.registration, self.callback.task.dag_id, headers, body)

    def take(self, headers: Headers, body: bytes) -> Outcome:
        return Outcome(handling.take(self.callback, headers, body).value)

    def try_out(self, headers: Headers, body: bytes) -> Mapping[str, Any]:
        would, delivery = handling.try_out(self.callback, headers, body)
        if delivery is None:
            return {"would": would}
        facts = {
            "state": delivery.state,
            "status": delivery.remote_status,
            "message": delivery.message,
            "progress": delivery.progress,
            "id": delivery.delivery_id,
        }
        return {"would": would, "read_as": {n: value for n, value in facts.items() if value is not None}}

    def refuse_size(self) -> None:
        handling.refuse_size(self.callback)

    def delivery_id(self, headers: Headers, body: bytes) -> str:
        # A large body is not read a second time for it.
        return handling.delivery_id_of(self.callback, headers, body) if len(body) <= MAX_READ_AGAIN else ""

    def record(self, outcome: str, size: int, delivery_id: str) -> None:
        deliveries.record_for_task(self.callback.task, outcome, size, delivery_id)


class PushSource(Recipient):
    """The assets of a push source."""

    def __init__(self, source: Source) -> None:
        super().__init__(
            f"push source {source.name}",
            source.max_bytes,
            {"protocol": "push"},
            signed=bool(source.signature),
        )
        self.source = source

    def signature_fits(self, headers: Headers, body: bytes) -> bool:
        return pushing.signature_fits(self.source, headers, body)

    def take(self, headers: Headers, body: bytes) -> Outcome:
        return pushing.take(self.source, headers, body)

    def try_out(self, headers: Headers, body: bytes) -> Mapping[str, Any]:
        would, names, payload = pushing.try_out(self.source, headers, body)
        found = {"would": would, "assets": names, "payload": payload}
        return {name: value for name, value in found.items() if value is not None}

    def delivery_id(self, headers: Headers, body: bytes) -> str:
        return self.source.id_of(self.source.document(headers, body))

    def record(self, outcome: str, size: int, delivery_id: str) -> None:
        if outcome not in pushing.RECORDED:
            deliveries.record_for_source(self.source.name, outcome, size, delivery_id, self.source.team)


class TaskDoor:
    """Addresses that are made for one submission of one task."""

    #: path before the part that names the task
    route: ClassVar[str] = address.ROUTE

    def proof_of(self, token: str, secret: str) -> str | None:
        """What the secret's proof is made over; None for what this package has not made."""
        return token if address.may_be_ours(token, secret) else None

    def authenticate(self, token: str, secret: str | None, proven: bool) -> WaitingTask | None:
        """Whose delivery a secret proves this to be; None where it proves nothing. Blocks."""
        callback = handling.authenticate(token, secret)
        return WaitingTask(callback) if callback else None

    def known(self, token: str) -> WaitingTask | None:
        """Who is behind an address, for a caller that is authorized in another way. Blocks."""
        callback = handling.expected(token)
        return WaitingTask(callback) if callback else None


class SourceDoor:
    """Addresses of push sources; as :class:`TaskDoor`."""

    route: ClassVar[str] = address.SOURCES

    def proof_of(self, token: str, secret: str) -> str | None:
        fits = NAME.fullmatch(token) and address.is_spelt_as_ours(secret)
        return address.source_proof(token) if fits else None

    def authenticate(self, token: str, secret: str | None, proven: bool) -> PushSource | None:
        source = pushing.authenticate(token, secret, proven=proven)
        return PushSource(source) if source else None

    def known(self, token: str) -> PushSource | None:
        source = pushing.known(token)
        return PushSource(source) if source else None


Door = TaskDoor | SourceDoor

TASKS = TaskDoor()

DOORS: tuple[Door, ...] = (TASKS, SourceDoor())


def split(path: str) -> tuple[str, Door | None, str]:
    """A path taken apart: what stands before the address, its kind, and what follows the route."""
    for door in DOORS:
        head, found, tail = path.partition(f"{door.route}/")
        if found:
            return head, door, tail
    return path, None, ""
