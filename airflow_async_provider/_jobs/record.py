# SPDX-License-Identifier: Apache-2.0
"""What is known of a task's job between its submission and its end, carried through the deferral."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._job import JobHandle

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """
    The job that a task waits for. All times are epoch seconds of the worker's clock.

    :param handle: to ask for the job with
    :param started_at: when the task set out for the job
    :param deadline: when the task gives up
    :param restarts: how often the job was started anew within this try
    :param polls: how often the remote was asked so far
    :param failed_polls: how many of these brought no readable answer
    :param via: what ended the last wait, ``poll`` or ``callback``
    :param submission: name of the submission whose callback is expected, empty when none is
    :param last_delivery_at: when the last callback came that was dealt with already
    :param followed: the job continues the one that the task has started
    :param ends_elsewhere: the trigger, or the receiver, ends the task when the job has succeeded
    :param failing_since: since when a function that asks for the job has failed each time; 0: it has not
    :param alive_at: the last sign of life of the callbacks' sender, by the API server's clock
    :param silent_since: when that was seen; 0: not known
    :param clock_trusted: False once a triggerer's clock has contradicted the worker's
    """

    handle: JobHandle
    started_at: float
    deadline: float
    restarts: int = 0
    polls: int = 0
    failed_polls: int = 0
    via: str = "poll"
    submission: str = ""
    last_delivery_at: float = 0.0
    followed: bool = False
    clock_trusted: bool = True
    ends_elsewhere: bool = False
    failing_since: float = 0.0
    alive_at: float = 0.0
    silent_since: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with its version."""
        return {"version": VERSION, **asdict(self), "handle": self.handle.to_dict()}

    @classmethod
    def from_dict(cls, value: Any) -> JobRecord:
        """
        Rebuild; keys of later versions are ignored.

        :raises ConfigurationError: it is none, or its layout is a later one
        """
        try:
            version = value["version"]
            if version > VERSION:
                raise ConfigurationError(
                    f"A later version of this package has deferred this task (layout {version}, this one "
                    f"reads up to {VERSION}): upgrade the package on this worker. The next try goes on with "
                    "the job."
                )
            known = {f.name for f in fields(cls)} - {"handle"}
            return cls(
                handle=JobHandle.from_dict(value["handle"]),
                **{name: value[name] for name in known if name in value},
            )
        except (KeyError, TypeError, ValueError) as e:
            if isinstance(e, ConfigurationError):
                raise
            raise ConfigurationError(f"What the deferral carried along describes no job: {e!r}") from e
