# SPDX-License-Identifier: Apache-2.0
"""What the receiver must know to believe and to read a callback, written before the job is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

#: XCom keys of the waiting task. The leading words say in the UI what they are.
REGISTRATION_KEY = "async_job_callback_expected"
MAILBOX_KEY = "async_job_callback_received"

#: Key of the task's durable state (Airflow >= 3.3), see ``operators.durable``.
DURABLE_KEY = "async_job"

VERSION = 1

#: A callback's body may be this large unless the operator says otherwise (bytes).
DEFAULT_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """
    One expected callback; plain data without secrets.

    :param secret_hash: SHA-256 of the one-time secret
    :param deadline: epoch seconds after which a callback changes nothing
    :param protocol: name of the protocol that reads it
    :param options: the protocol's options
    :param conn_id: connection that holds the signature key
    :param hook: dotted path of the hook that knows where in the connection the key is
    :param signature: description of the signature scheme, None when the connection has no key
    :param max_bytes: largest body
    :param settle: seconds between deferral and wake
    :param pollable: whether the remote can be asked, so that any callback is worth a look
    :param keep_body: True when the callback is the only bearer of the result, so its value must be kept
    """

    secret_hash: str
    deadline: float
    protocol: str
    options: Mapping[str, Any] = field(default_factory=dict)
    conn_id: str | None = None
    hook: str | None = None
    signature: Mapping[str, Any] | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    settle: float = 10.0
    pollable: bool = True
    keep_body: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with its version."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, value: Any) -> Registration | None:
        """Rebuild; None for anything that is no registration of this version."""
        if not isinstance(value, Mapping) or value.get("version") != VERSION:
            return None
        known = {f.name for f in fields(cls)}
        try:
            return cls(**{k: v for k, v in value.items() if k in known})
        except TypeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """
    An accepted callback in the mailbox.

    :param state: a job state as the callback gave it, or ``error`` with ``error`` set; a hint, not the truth
    :param native: the remote's word
    :param received_at: epoch seconds, the API server's clock
    :param message: the remote's explanation, bounded
    :param value: the result, only where the callback is its only bearer
    :param detail: further facts of the callback (ids), JSON-able
    :param delivery_id: the sender's id of the delivery
    :param error: name of the reason, for a callback that could not be taken
    """

    state: str
    native: str = ""
    received_at: float = 0.0
    message: str | None = None
    value: Any = field(default=None, repr=False)
    detail: Mapping[str, Any] = field(default_factory=dict)
    delivery_id: str | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with its version."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, value: Any) -> Letter | None:
        """Rebuild; None for anything that is no letter of this version."""
        if not isinstance(value, Mapping) or value.get("version") != VERSION or "state" not in value:
            return None
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in value.items() if k in known})

    def same_as(self, other: Letter) -> bool:
        """Whether two letters say the same: a delivery that was repeated."""
        if self.delivery_id and other.delivery_id:
            return self.delivery_id == other.delivery_id
        return (self.state, self.native, self.error) == (other.state, other.native, other.error)

    def to_event(self) -> dict[str, Any]:
        """What wakes the task: states and counters only."""
        event: dict[str, Any] = {
            "version": VERSION,
            "state": self.state,
            "native": self.native,
            "via": "callback",
            "polls": 0,
            "errors": 0,
            "received_at": self.received_at,
        }
        if self.error:
            event["error"] = self.error
        return event
