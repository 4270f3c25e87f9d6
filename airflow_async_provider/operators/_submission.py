# SPDX-License-Identifier: Apache-2.0
"""What a start function gets, how it is called, and what its return value means."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_async_provider._callbacks.address import CallbackAddress
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._remote_job import KEY_OF_DATA, KEY_OF_NAMES
from airflow_async_provider.operators._http_arguments import key_for
from airflow_async_provider.protocols._job import JobHandle

if TYPE_CHECKING:
    from airflow_async_provider._jobs.run import JobRun
    from airflow_async_provider.protocols._remote_job import RemoteJobProtocol

#: Name of the parameter of a start function that gets the submission.
SUBMISSION = "submission"

#: What a function has returned is stored with the job, in clear (characters of JSON).
MAX_RETURNED = 20_000


@dataclass(frozen=True, slots=True)
class Callback:
    """
    Where a remote system, or a person, tells of the job's end; see ``docs/wait_for_anything.md``.

    :param url: the whole address, for senders that cannot set headers; a secret
    :param address: the address without its secret, for senders that set :attr:`headers`
    :param secret: proves the sender
    :param confirm_url: a page for a person, where the task has one; a secret
    """

    url: str = field(repr=False)
    address: str
    secret: str = field(repr=False)
    confirm_url: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Headers to send along to :attr:`address`."""
        return {"Authorization": f"Bearer {self.secret}"}

    @classmethod
    def at(cls, address: CallbackAddress) -> Callback:
        """The callback to an address."""
        return cls(address.url_with_secret, address.url, address.secret, address.confirm_url)


@dataclass(frozen=True, slots=True)
class Submission:
    """
    One submission of a job, for the function that starts it.

    :param correlation_id: our own name for the job, the same on every try until the job is known
    :param idempotency_key: a key for remote systems that honour one: the same on every try, another one after
        a person has cleared the task
    :param callbacks: where each of several parties tells of its end, by name
    """

    correlation_id: str
    idempotency_key: str
    callbacks: Mapping[str, Callback] = field(default_factory=dict)
    _callback: Callback | None = None

    @property
    def callback(self) -> Callback:
        """
        Where to tell of the job's end.

        :raises RuntimeError: no callback is asked for, or one of each of several parties
        """
        if self._callback is None:
            raise RuntimeError(
                "Each party has a callback of its own: submission.callbacks."
                if self.callbacks
                else "No callback is asked for (callback=False)."
            )
        return self._callback

    @classmethod
    def of(cls, run: JobRun) -> Submission:
        """The submission of a run."""
        addresses = run.callback.addresses if run.callback else {}
        single = run.callback_address if not addresses else None
        return cls(
            run.correlation_id,
            key_for(run.context, run.correlation_id),
            {name: Callback.at(address) for name, address in addresses.items()},
            None if single is None else Callback.at(single),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be kept nowhere."""
        known = (*self.callbacks.values(), *([self._callback] if self._callback else []))
        return tuple(callback.secret for callback in known)


def call_start(
    function: Callable[..., Any],
    submission: Submission,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    context: Mapping[str, Any],
) -> Any:
    """
    Call a start function: its own arguments, the submission, and variables of Airflow's context by their
    names.

    :raises TypeError: the arguments do not fit; nothing was called
    """
    signature = inspect.signature(function)
    names = list(signature.parameters)
    given, positional = dict(kwargs), list(args)
    if SUBMISSION in names and SUBMISSION not in given:
        parameter, index = signature.parameters[SUBMISSION], names.index(SUBMISSION)
        if parameter.kind is not parameter.KEYWORD_ONLY and index < len(positional):
            positional.insert(index, submission)
        else:
            given[SUBMISSION] = submission
    taken = names[: len(positional)]
    given = {n: context[n] for n in names if n in context and n not in taken} | given
    signature.bind(*positional, **given)
    return function(*positional, **given)


def handle_of(returned: Any, protocol: RemoteJobProtocol, submission: Submission) -> JobHandle:
    """
    The job that a start function has started.

    :param returned: an id (text or number), a handle, a dictionary with ``job_id`` and whatever else is to be
        remembered, or nothing: then the job's id is our own
    :raises ConfigurationError: it is none of these
    """
    job_id, status_url, kept = _parts(returned)
    job_id = submission.correlation_id if job_id is None else job_id
    text = json.dumps([job_id, status_url, kept])
    if any(secret in text for secret in submission.secrets):
        raise ConfigurationError(
            "The start function returned the callback's secret: what it returns is stored in clear. Return "
            "ids only."
        )
    if len(text) > MAX_RETURNED:
        raise ConfigurationError(
            f"The start function returned more than {MAX_RETURNED} characters: it is stored with the job. "
            "Return its id, and what poll and cancel need."
        )
    names = {"correlation_id": submission.correlation_id, "idempotency_key": submission.idempotency_key}
    data = {KEY_OF_NAMES: names, **({KEY_OF_DATA: kept} if kept else {})}
    return protocol.handle(job_id, submitted_at=time.time(), status_url=status_url, data=data)


def _parts(returned: Any) -> tuple[str | None, str | None, dict[str, Any]]:
    if isinstance(returned, JobHandle):
        return returned.job_id, returned.status_url, dict(returned.data.get(KEY_OF_DATA, {}))
    if returned is None or (isinstance(returned, str | int) and not isinstance(returned, bool)):
        return None if returned in (None, "") else str(returned), None, {}
    if isinstance(returned, Mapping) and all(isinstance(name, str) for name in returned):
        kept = {name: value for name, value in returned.items() if name not in ("job_id", "status_url")}
        try:
            json.dumps(kept, allow_nan=False)
        except (TypeError, ValueError) as e:
            raise ConfigurationError(f"What the start function returned is not JSON: {e}.") from None
        job_id, status_url = returned.get("job_id"), returned.get("status_url")
        return (
            None if job_id is None else str(job_id),
            None if status_url is None else str(status_url),
            kept,
        )
    raise ConfigurationError(
        "The start function returned neither an id (text or number), nor a handle, nor a dictionary with "
        f"job_id, nor nothing, but {type(returned).__name__}."
    )
