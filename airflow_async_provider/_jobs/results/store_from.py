# SPDX-License-Identifier: Apache-2.0
"""Who stores a job's result: a worker, or the triggerer that has seen the job succeed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow_async_provider._download.locations import is_folder
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._jobs.ending import AT_THE_END
from airflow_async_provider._jobs.results.settings import StoreFrom, StoreSettings
from airflow_async_provider._polling.loop import STORED
from airflow_async_provider._polling.wait_log import Log
from airflow_async_provider._settings import triggerer_store_below, triggerer_store_threads
from airflow_async_provider.errors import AsyncJobError, ConfigurationError
from airflow_async_provider.triggers._storing import StoreRequest, in_reach

if TYPE_CHECKING:
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._jobs.task import WatchingTask

#: Classes whose steps at the end of a job are known.
OURS = "airflow_async_provider."


def checked_store_from(
    value: StoreFrom | None,
    destination: Any,
    options: StoreOptions,
    *,
    deferrable: bool,
    callback: bool | None = False,
) -> StoreFrom | None:
    """
    The argument ``store_from``, looked at where the DAG is parsed.

    :param callback: whether the task surely asks for a callback, which resumes it on a worker
    :raises ConfigurationError: it cannot be
    """
    if value not in (None, "worker", "triggerer"):
        raise ConfigurationError(f"store_from must be None, 'worker' or 'triggerer', not {value!r}.")
    if value != "triggerer":
        return value
    why = ""
    if destination is None:
        why = "there is no destination"
    elif not deferrable:
        why = "with deferrable=False no triggerer sees the job"
    elif callback:
        why = "a callback resumes the task on a worker"
    elif isinstance(destination, str) and "{{" not in destination and "{%" not in destination:
        why = _impossible(destination, options)
    if why:
        raise ConfigurationError(f"store_from='triggerer' cannot be: {why}.")
    return value


def store_arguments(task: WatchingTask, settings: StoreSettings, *, callback: bool) -> dict[str, Any]:
    """
    The trigger's arguments: what it stores; none where a worker does.

    :param settings: where the task's result goes
    :param callback: whether a callback is expected
    """
    if not settings.triggerer_may_store:
        return {}
    always = settings.store_from == "triggerer"
    why = "a callback resumes the task" if callback else _own_end(task)
    why = why or _impossible(settings.destination, settings.options)
    if not why and not triggerer_store_threads():
        why = "[async_provider] triggerer_store_threads is 0"
    if why:
        if always:
            task.log.warning("store_from='triggerer': a worker stores the result all the same, as %s.", why)
        return {}
    request = StoreRequest(
        destination=settings.destination,
        options=_differing(settings.options),
        below=None if always else triggerer_store_below(),
    )
    return {"store": request.to_dict()}


def stored_by_triggerer(settings: StoreSettings, event: Mapping[str, Any], log: Log) -> DownloadReport | None:
    """
    What the triggerer has stored, if that lies at the task's destination; None where this worker stores it.

    Only an event of our own trigger holds it; a callback's holds nothing that its sender wrote of this kind.

    :param settings: where the task's result goes
    :param log: the task's
    """
    facts = event.get(STORED)
    if not isinstance(facts, Mapping):
        return None
    from airflow_async_provider._download.destination.opening import open_destination
    from airflow_async_provider._download.fetch import DownloadReport

    place = open_destination(settings.destination, settings.options)
    expected = facts.get("fingerprint")
    if place.uri != facts.get("uri"):
        log.warning("The triggerer stored the result at %s; it is stored again.", facts.get("uri"))
        return None
    try:
        there = place.fingerprint() if expected is not None else None
    except AsyncJobError as e:
        # Of what was stored nothing is known to be gone, and it may be the last copy of the result.
        log.warning("Whether the stored result is still there cannot be looked up: %s", e)
        there = expected
    if there != expected:
        log.warning("At %s lies something else than was stored there; it is stored again.", place.uri)
        return None
    known = {f.name for f in fields(DownloadReport)}
    report = DownloadReport(**{**{k: v for k, v in facts.items() if k in known}, "link": place.link()})
    log.info("The triggerer has stored the result at %s (%d bytes).", report.uri, report.bytes)
    return report


def _impossible(destination: str, options: StoreOptions) -> str:
    """Why a triggerer cannot store there; empty where it can."""
    if is_folder(destination):
        return "several files are stored on a worker"
    if not in_reach(options.read(destination)):
        return (
            f"{destination} is a path of one machine. Name the directory in [async_provider] triggerer_paths "
            "where triggerers and workers share it"
        )
    if options.object_storage_options:
        return (
            "object_storage_options may hold credentials, and are not given to a trigger. Put them into the "
            "connection that the destination names"
        )
    if any(name.startswith("SSECustomer") for name in options.s3_extra_args or {}):
        return "the customer's key in s3_extra_args is not given to a trigger"
    return ""


def _own_end(task: WatchingTask) -> str:
    """Whether a class of somebody else's has a say in what a success is, or in what becomes of it."""
    own = [n for n in AT_THE_END if not getattr(type(task), n).__module__.startswith(OURS)]
    return f"{type(task).__name__} has a {own[0]} of its own" if own else ""


def _differing(options: StoreOptions) -> dict[str, Any]:
    """The options that are not the defaults, as JSON."""
    plain = StoreOptions()
    found = {f.name: getattr(options, f.name) for f in fields(StoreOptions)}
    differing = {name: value for name, value in found.items() if value != getattr(plain, name)}
    return dict(json.loads(json.dumps(differing, default=str)))
