# SPDX-License-Identifier: Apache-2.0
"""
How a task whose job has succeeded is ended without a worker, and what its value is then.

The worker that defers decides that nothing else would be left to do, and writes a :class:`TaskEnd` into the
trigger's arguments. The trigger makes the value of it after a poll, the receiver after a callback that brings
the result, by the rules that a worker goes by. Whatever is not plain raises, and goes to a worker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from airflow_async_provider.errors import DownloadError
from airflow_async_provider.protocols._http.values import check_for_xcom
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result

#: What a triggerer says of a result that it has stored, and is no part of the task's value.
OF_THE_TRIGGERER = ("fingerprint", "link")


class NeedsWorkerError(Exception):
    """A worker has to end the task; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnd:
    """
    How a task is ended after its job's success.

    :param push: its value is pushed as its return value
    :param mapped_over: a task below is expanded over the value
    :param max_bytes: the value is what the last answer brings, up to so many bytes as JSON; None: it is the
        job's handle
    :param may_be_nothing: a result without a value is the value None; else it has to be fetched
    :param by_receiver: the receiver may end it, too: values are stored in Airflow's own form
    :param stored: the value is what the triggerer has stored: ``facts`` are further entries of it, ``since``
        is when the task set out (epoch seconds of the worker's clock), and ``link`` the key under which
        Airflow keeps the address of the result
    """

    push: bool = True
    mapped_over: bool = False
    max_bytes: int | None = None
    may_be_nothing: bool = False
    by_receiver: bool = False
    stored: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without what says nothing."""
        always = ("push", "mapped_over")
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if name in always or value not in (None, False)}

    @classmethod
    def from_dict(cls, value: Any) -> TaskEnd | None:
        """
        Rebuild; None where a worker ends the task, as it does where a later version asks for more than this
        one knows.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(value, Mapping) or not known >= set(value):
            return None
        return cls(**value)

    def value(
        self,
        handle: JobHandle,
        status: JobStatus | None,
        *,
        stored: Mapping[str, Any] | None = None,
        now: float = 0.0,
    ) -> Any:
        """
        The task's value.

        :param handle: the job
        :param status: the answer, or the callback, that told of the success
        :param stored: what the triggerer has stored
        :param now: epoch seconds of the worker's clock
        :raises NeedsWorkerError: only a worker can make it
        :raises ResultError: it is none, or too large: a worker says so
        """
        value: Any = handle.to_dict()
        if self.stored is not None:
            if stored is None:
                raise NeedsWorkerError("its result is not stored yet")
            took = round(now - self.stored["since"], 3)
            report = {name: fact for name, fact in stored.items() if name not in OF_THE_TRIGGERER}
            value = {**report, "seconds": took, **self.stored["facts"]}
        elif self.max_bytes is not None:
            value = self._in_answer(handle, status)
        if self.mapped_over and not isinstance(value, list | dict):
            raise NeedsWorkerError(
                "a task is expanded over the result, which is neither a list nor a dictionary"
            )
        return value if self.push else None

    def _in_answer(self, handle: JobHandle, status: JobStatus | None) -> Any:
        if status is None or status.no_data or status.result_request is not None:
            raise NeedsWorkerError("the last answer does not bring the result")
        result = status.result
        if result is None:
            return None
        value = result.value
        if result.files or result.paged or (value is None and result.url is not None):
            raise NeedsWorkerError("the result has to be fetched")
        if value is None and result.body is None and not self.may_be_nothing:
            raise NeedsWorkerError("the last answer does not bring the result")
        if isinstance(value, bytes) or _is_unready(result):
            raise NeedsWorkerError("the result is neither JSON nor text")
        return checked(handle, value, self.max_bytes or 0)


def _is_unready(result: Result) -> bool:
    """
    Whether a result that came as a whole answer says that it is not ready.

    :raises DownloadError: it is none: a page, an error
    """
    if result.body is None:
        return False
    from airflow_async_provider._download.source.expected import Expected

    headers = {"Content-Type": result.media_type or ""}
    return Expected.of(result).look(result.body, whole=True, headers=headers, where="The job") is not None


def checked(handle: JobHandle, value: Any, max_bytes: int) -> Any:
    """
    A value that came in an answer, if XCom may have it.

    :param max_bytes: how large it may be as JSON (bytes)
    :raises DownloadError: it is larger, or no JSON
    """
    check_for_xcom(value, what=f"The result of the {handle.describe()}")
    if len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) > max_bytes:
        raise too_large(handle, max_bytes)
    return value


def too_large(handle: JobHandle, max_bytes: int) -> DownloadError:
    """The error of a result that is too large for XCom."""
    return DownloadError(
        f"The result of the {handle.describe()} is larger than {max_bytes} bytes (max_xcom_bytes): give a "
        "destination for it.",
        job=handle.shown_id,
    )
