# SPDX-License-Identifier: Apache-2.0
"""
The two kinds of addresses that the receiver has: of a waiting task, and of a push source.

What differs between them is here; the order of the checks, the lanes and the limits are the receiver's.
"""

from __future__ import annotations

from typing import Any, Protocol

from airflow_async_provider._callbacks import address, deliveries, handling, pushing, signatures
from airflow_async_provider._callbacks.handling import AuthenticatedCallback
from airflow_async_provider._callbacks.pushing import Outcome
from airflow_async_provider._callbacks.sources import NAME, Source
from airflow_async_provider.protocols._http_messages import Headers

#: A task's delivery beyond this is written down without its id (bytes).
MAX_READ_AGAIN = 256 * 1024


class Door(Protocol):
    """One kind of address."""

    #: path before the part that names the task or source
    route: str

    def proof_of(self, token: str, secret: str) -> str | None:
        """What the secret's proof is made over; None for what this package has not made."""

    def authenticate(self, token: str, secret: str | None, proven: bool) -> Any:
        """Whose delivery a secret proves this to be; None where it proves nothing. Blocks."""

    def max_bytes(self, whose: Any) -> int:
        """Largest body."""

    def signature_fits(self, whose: Any, headers: Headers, body: bytes) -> bool:
        """Whether the body is signed, where it must be. Blocks."""

    def take(self, whose: Any, headers: Headers, body: bytes) -> Outcome:
        """Do what an authentic delivery is for. Blocks."""

    def refuse_size(self, whose: Any) -> None:
        """Do what there is to do about one that is too large. Blocks."""

    def delivery_id(self, whose: Any, headers: Headers, body: bytes) -> str:
        """The sender's id of a delivery; empty where there is none."""

    def record(self, whose: Any, outcome: str, size: int, delivery_id: str) -> None:
        """Write down what came of it. Blocks."""

    def name(self, whose: Any) -> str:
        """Whose it is, for the log."""

    def tags(self, whose: Any) -> dict[str, str]:
        """Tags of the metrics."""


class TaskDoor:
    """Addresses that are made for one submission of one task."""

    route = address.ROUTE

    def proof_of(self, token: str, secret: str) -> str | None:
        return token if address.may_be_ours(token, secret) else None

    def authenticate(self, token: str, secret: str | None, proven: bool) -> AuthenticatedCallback | None:
        return handling.authenticate(token, secret)

    def max_bytes(self, whose: AuthenticatedCallback) -> int:
        return int(whose.registration.max_bytes)

    def signature_fits(self, whose: AuthenticatedCallback, headers: Headers, body: bytes) -> bool:
        return signatures.fits(whose.registration, whose.task.dag_id, headers, body)

    def take(self, whose: AuthenticatedCallback, headers: Headers, body: bytes) -> Outcome:
        return Outcome(handling.take(whose, headers, body).value)

    def refuse_size(self, whose: AuthenticatedCallback) -> None:
        handling.refuse_size(whose)

    def delivery_id(self, whose: AuthenticatedCallback, headers: Headers, body: bytes) -> str:
        # A large body is not read a second time for it.
        return handling.delivery_id_of(whose, headers, body) if len(body) <= MAX_READ_AGAIN else ""

    def record(self, whose: AuthenticatedCallback, outcome: str, size: int, delivery_id: str) -> None:
        deliveries.record_for_task(whose.task, outcome, size, delivery_id)

    def name(self, whose: AuthenticatedCallback) -> str:
        task = whose.task
        return f"{task.dag_id}.{task.task_id} (run {task.run_id}, index {task.map_index})"

    def tags(self, whose: AuthenticatedCallback) -> dict[str, str]:
        return {"protocol": whose.registration.protocol}


class SourceDoor:
    """Addresses of push sources."""

    route = address.SOURCES

    def proof_of(self, token: str, secret: str) -> str | None:
        fits = NAME.fullmatch(token) and address.is_spelt_as_ours(secret)
        return address.source_proof(token) if fits else None

    def authenticate(self, token: str, secret: str | None, proven: bool) -> Source | None:
        return pushing.authenticate(token, secret, proven=proven)

    def max_bytes(self, whose: Source) -> int:
        return whose.max_bytes

    def signature_fits(self, whose: Source, headers: Headers, body: bytes) -> bool:
        return pushing.signature_fits(whose, headers, body)

    def take(self, whose: Source, headers: Headers, body: bytes) -> Outcome:
        return pushing.take(whose, headers, body)

    def refuse_size(self, whose: Source) -> None:
        """There is no task to notify."""

    def delivery_id(self, whose: Source, headers: Headers, body: bytes) -> str:
        return whose.id_of(whose.document(headers, body))

    def record(self, whose: Source, outcome: str, size: int, delivery_id: str) -> None:
        if outcome not in pushing.RECORDED:
            deliveries.record_for_source(whose.name, outcome, size, delivery_id, whose.team)

    def name(self, whose: Source) -> str:
        return f"push source {whose.name}"

    def tags(self, whose: Source) -> dict[str, str]:
        return {"protocol": "push"}


TASKS = TaskDoor()

DOORS: tuple[Door, ...] = (TASKS, SourceDoor())


def split(path: str) -> tuple[str, Door | None, str]:
    """A path taken apart: what stands before the address, its kind, and what follows the route."""
    for door in DOORS:
        head, found, tail = path.partition(f"{door.route}/")
        if found:
            return head, door, tail
    return path, None, ""
