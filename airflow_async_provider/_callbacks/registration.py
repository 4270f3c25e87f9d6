# SPDX-License-Identifier: Apache-2.0
"""What the receiver must know to believe and to read a callback, written before the job is submitted."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from airflow_async_provider.errors import CallbackError
from airflow_async_provider.protocols._job import JobState, JobStatus, Result
from airflow_async_provider.protocols._redaction import printable

#: XCom keys of the waiting task. The leading words say in the UI what they are.
REGISTRATION_KEY = "async_job_callback_expected"
MAILBOX_KEY = "async_job_callback_received"

#: A person has resumed the task: which wait of it, who, and what for.
BY_HAND_KEY = "async_job_resumed_by_hand"

#: Keys of the task's durable state (Airflow >= 3.3), see ``_jobs.memory``. The delivery has a row of its
#: own: the worker writes the other one, and neither may overwrite what the other has just written.
DURABLE_KEY = "async_job"
DURABLE_DELIVERY_KEY = "async_job_callback"

#: Key in it of the job that the task has, while it has one.
DURABLE_HANDLE = "handle"

#: Callbacks of so many submissions are still known as authentic (and change nothing, but for the latest).
MAX_CALLBACKS = 5

VERSION = 1

#: A secret that is none: what a wrong or missing one is compared with, so that the answer takes as long.
NO_HASH = "0" * 64

#: More parties than this are no people and no handful of systems; what they say must fit one row.
MAX_PARTIES = 100

#: What lies in the mailbox before a callback has come. Without it every look would be logged as a failure.
EMPTY_MAILBOX = "nothing yet"

#: The remote's word for a state, and its explanation (characters): they go into events, messages and logs.
MAX_REMOTE_STATUS = 200
MAX_MESSAGE = 2000

#: A result that is nested deeper than this is refused: what one process can still read, another, deeper in
#: its own calls, cannot.
DEEPEST_VALUE = 200

#: A callback's body may be this large unless the operator says otherwise (bytes).
DEFAULT_MAX_BYTES = 1024 * 1024


#: Fields that are left out of what is stored where they say nothing.
_RARE = frozenset(
    {"name", "parties", "needed", "page", "kept", "heartbeat", "progress", "alive_at", "by_party"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with its version; of what is rare only what says something."""
        values = {name: value for name, value in asdict(self).items() if value or name not in _RARE}
        return {"version": VERSION, **values}

    def to_text(self) -> str:
        """The form in which it is stored, see :func:`as_stored`."""
        return as_stored(self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(_Stored):
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
    :param keep_body: True when the callback's own word counts, and may be the only bearer of the result, so
        that its value must be kept
    :param name: name of the submission where it is not a piece of the hash: the same for all tries that mean
        the same job
    :param parties: name and hash of the secret of each party, where several call back one by one
    :param needed: how many of them must say that they succeeded
    :param page: what a person is asked on the confirm page of the address; None: it has none
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
    name: str = ""
    parties: Sequence[Sequence[str]] = ()
    needed: int = 0
    page: Mapping[str, Any] | None = None

    @property
    def submission(self) -> str:
        """Name of the submission that this belongs to; no secret, as it is a piece of a hash."""
        return self.name or self.secret_hash[:16]

    def hash_for(self, party: int) -> str:
        """
        The hash of the secret that an address of this registration goes with.

        :param party: index of the party in the address; -1 for an address of the task as a whole
        """
        if not self.parties:
            return self.secret_hash if party < 0 else NO_HASH
        return self.parties[party][1] if 0 <= party < len(self.parties) else NO_HASH

    @classmethod
    def from_dict(cls, value: Any) -> Registration | None:
        """Rebuild from :meth:`to_dict` or :meth:`to_text`; None for anything else; later keys are ignored."""
        value = from_stored(value)
        if not isinstance(value, Mapping) or value.get("version") != VERSION:
            return None
        known = {f.name for f in fields(cls)}
        try:
            found = cls(**{k: v for k, v in value.items() if k in known})
        except TypeError:
            return None
        # What the receiver computes with must be what it takes it for: XComs can be edited.
        numbers: list[Any] = [found.deadline, found.settle, found.max_bytes]
        texts: list[Any] = [found.secret_hash, found.protocol]
        fits = all(isinstance(n, int | float) for n in numbers) and all(isinstance(t, str) for t in texts)
        return found if fits and _are_parties(found.parties) else None


def _are_parties(value: Any) -> bool:
    pairs = value if isinstance(value, list | tuple) else [None]
    return all(
        isinstance(p, list | tuple) and len(p) == 2 and all(isinstance(text, str) for text in p)
        for p in pairs
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(_Stored):
    """
    An accepted callback in the mailbox.

    :param state: a job state as the callback gave it, or ``error`` with ``error`` set; a hint, not the truth
    :param remote_status: the remote's word
    :param received_at: epoch seconds, the API server's clock
    :param message: the remote's explanation, bounded
    :param value: the result, only where the callback is its only bearer
    :param detail: further facts of the callback (ids), JSON-able
    :param delivery_id: the sender's id of the delivery
    :param error: name of the reason, for a callback that could not be taken
    :param submission: which submission it answers, see :attr:`Registration.submission`
    :param kept: its value lies in the task's own memory, and not here
    :param heartbeat: it only says that the job is alive, and resumes no task
    :param progress: how far the job is, 0 to 1; None: it does not say
    :param alive_at: epoch seconds of the last sign of life, the API server's clock; of several parties that
        of the one that has been silent longest, 0 where one has given none yet
    :param by_party: of several parties the status that each has reported, by name
    """

    state: str
    remote_status: str = ""
    received_at: float = 0.0
    message: str | None = None
    value: Any = field(default=None, repr=False)
    detail: Mapping[str, Any] = field(default_factory=dict)
    delivery_id: str | None = None
    error: str | None = None
    submission: str = ""
    kept: bool = False
    heartbeat: bool = False
    progress: float | None = None
    alive_at: float = 0.0
    by_party: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, value: Any) -> Delivery | None:
        """Rebuild from :meth:`to_dict` or :meth:`to_text`; None for anything else; later keys are ignored."""
        value = from_stored(value)
        if not isinstance(value, Mapping) or value.get("version") != VERSION or "state" not in value:
            return None
        known = {f.name for f in fields(cls)}
        if not isinstance(value.get("received_at", 0.0), int | float):
            return None
        if not all(isinstance(value.get(name, {}), Mapping) for name in ("detail", "by_party")):
            return None
        if not isinstance(value.get("alive_at", 0.0), int | float):
            return None
        return cls(**{k: v for k, v in value.items() if k in known})

    @property
    def ended(self) -> bool:
        """Whether it reports an end, in words that count."""
        return self.state in set(JobState) and JobState(self.state).ended

    @property
    def job_id(self) -> str | None:
        """The job that the callback says it is about, where it says so."""
        about = self.detail.get("job_id")
        return None if about is None else str(about)

    def same_as(self, other: Delivery) -> bool:
        """Whether two deliveries say the same: a delivery that was repeated."""
        if self.delivery_id and other.delivery_id:
            return self.delivery_id == other.delivery_id
        return (self.state, self.remote_status, self.error) == (other.state, other.remote_status, other.error)

    def to_status(self) -> JobStatus:
        """
        The job's state as the callback gave it, with the result that it contained.

        :raises CallbackError: the result is not here, see :attr:`kept`
        """
        if self.kept:
            raise CallbackError(
                "The callback came, but its result is no longer in the task's memory (task_state_store).",
                job=self.job_id,
                state=self.state,
                remote_status=self.remote_status,
            )
        state = JobState(self.state) if self.state in set(JobState) else JobState.RUNNING
        return JobStatus(
            state,
            remote_status=self.remote_status,
            message=self.message,
            result=Result(value=self.value) if state is JobState.SUCCEEDED else None,
            detail=dict(self.detail),
            progress=self.progress,
        )

    def to_event(self) -> dict[str, Any]:
        """What wakes the task: states and counters only."""
        event: dict[str, Any] = {
            "version": VERSION,
            "state": self.state,
            "remote_status": self.remote_status,
            "via": "callback",
            "polls": 0,
            "errors": 0,
            "received_at": self.received_at,
        }
        if self.error:
            event["error"] = self.error
        return event


#: What is stored begins with one of these, so that it is not mistaken for other JSON.
_STORED, _PACKED = "json:", "zlib:"

#: Texts longer than this are packed (characters), and unpacked up to so many bytes.
MAX_UNPACKED_TEXT = 2000
MAX_UNPACKED = 256 * 1024 * 1024


def as_stored(value: Mapping[str, Any]) -> str:
    """
    A text that holds JSON, not the JSON itself.

    What a sender wrote goes into it. As JSON, PostgreSQL would refuse NUL and half surrogates in it, and
    Airflow would take a ``__classname__`` in it for an object to rebuild, in the triggerer and in the UI. A
    long text is packed: XCom and task state are JSON themselves, and quoting would make it several times as
    long.
    """
    text = json.dumps(value, separators=(",", ":"), default=str)
    if len(text) <= MAX_UNPACKED_TEXT:
        return _STORED + text
    text = json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
    return _PACKED + base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"))).decode("ascii")


def from_stored(value: Any) -> Any:
    """What :func:`as_stored` got; None for any other text."""
    if not isinstance(value, str):
        return value
    try:
        if value.startswith(_PACKED):
            return json.loads(_unpacked(value.removeprefix(_PACKED)))
        return json.loads(value.removeprefix(_STORED)) if value.startswith(_STORED) else None
    except (ValueError, RecursionError, zlib.error):
        return None


def _unpacked(text: str) -> str:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED)
    if not unpacker.eof:
        raise ValueError("cut off, or larger than anything that we store")
    return data.decode("utf-8", "surrogatepass")


def plain(text: Any, limit: int = MAX_REMOTE_STATUS) -> str:
    """A word of the remote, bounded and printable: it goes into events, which are rows, and into logs."""
    return printable(str(text)[:limit])


def too_deep(value: Any, deepest: int = DEEPEST_VALUE) -> bool:
    """Whether lists and dictionaries lie in each other more often than we store."""
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
